// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * path: Open MPI's variables, and the calls it makes.
 */
#include "path.h"
#include "failure.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SETTINGS "--mca pml ob1 --mca btl self,vader"

/* Large enough for each path to be taken where it is the wanted one */
#define PROBE_DOUBLES 8192

const char *const path_names[PATH_NONE] = {
	[PATH_COPY] = "copy",
	[PATH_CMA] = "cma",
};

/* Open MPI's values of btl_vader_single_copy_mechanism, 4.0 and later */
static const struct {
	int value;
	const char *name;
} mechanisms[] = {
	{ 0, "xpmem" }, { 1, "cma" },	   { 2, "knem" },
	{ 3, "none" },	{ 4, "emulated" },
};

static uint64_t cma_bytes;

typedef ssize_t vm_call(pid_t pid, const struct iovec *local,
			unsigned long locals, const struct iovec *remote,
			unsigned long remotes, unsigned long flags);

/* MPI is initialized for one thread: nobody else calls. */
static ssize_t pass_on(vm_call **next, const char *name, pid_t pid,
		       const struct iovec *local, unsigned long locals,
		       const struct iovec *remote, unsigned long remotes,
		       unsigned long flags)
{
	ssize_t done;

	if (*next == NULL) {
		void *symbol = dlsym(RTLD_NEXT, name);

		if (symbol == NULL) {
			errno = ENOSYS;
			return -1;
		}
		memcpy(next, &symbol, sizeof(*next));
	}
	done = (*next)(pid, local, locals, remote, remotes, flags);
	if (done > 0)
		cma_bytes += (uint64_t)done;
	return done;
}

ssize_t process_vm_readv(pid_t pid, const struct iovec *local,
			 unsigned long locals, const struct iovec *remote,
			 unsigned long remotes, unsigned long flags)
{
	static vm_call *next;

	return pass_on(&next, "process_vm_readv", pid, local, locals, remote,
		       remotes, flags);
}

ssize_t process_vm_writev(pid_t pid, const struct iovec *local,
			  unsigned long locals, const struct iovec *remote,
			  unsigned long remotes, unsigned long flags)
{
	static vm_call *next;

	return pass_on(&next, "process_vm_writev", pid, local, locals, remote,
		       remotes, flags);
}

uint64_t path_cma_bytes(void)
{
	return cma_bytes;
}

static const char *mechanism_name(int value)
{
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (mechanisms[i].value == value)
			return mechanisms[i].name;
	return "unknown";
}

/* A control variable of MPI, as bytes. False if there is none of that name. */
static bool read_variable(const char *name, MPI_Datatype type, void *ret_value,
			  size_t size)
{
	MPI_T_cvar_handle handle;
	MPI_Datatype its_type;
	MPI_T_enum values;
	char its_name[256];
	int length = sizeof(its_name);
	int index, count, verbosity, bind, scope;
	char *buffer;
	bool done = false;

	if (MPI_T_cvar_get_index(name, &index) != MPI_SUCCESS ||
	    MPI_T_cvar_get_info(index, its_name, &length, &verbosity, &its_type,
				&values, NULL, NULL, &bind,
				&scope) != MPI_SUCCESS ||
	    its_type != type ||
	    MPI_T_cvar_handle_alloc(index, NULL, &handle, &count) !=
		    MPI_SUCCESS)
		return false;
	/* Strings say with `count` what they take. */
	buffer = calloc((size_t)count + 1, sizeof(int));
	if (buffer != NULL && MPI_T_cvar_read(handle, buffer) == MPI_SUCCESS) {
		memcpy(ret_value, buffer,
		       type == MPI_CHAR ? strnlen(buffer, size - 1) + 1 : size);
		done = true;
	}
	free(buffer);
	MPI_T_cvar_handle_free(&handle);
	return done;
}

static void check_word(const char *name, const char *wanted,
		       struct failure *failure)
{
	char value[128] = "";

	if (!read_variable(name, MPI_CHAR, value, sizeof(value)) ||
	    strcmp(value, wanted) != 0)
		failure_set(
			failure, EXIT_PATH,
			"Open MPI's variable %s is \"%s\", not \"%s\": what would be measured is not known; run with " SETTINGS,
			name, value, wanted);
}

/* Why cross-memory attach might be refused, as far as one can know. */
static void explain_refusal(char *ret_text, size_t size)
{
	char scope[8] = "";
	int fd = open("/proc/sys/kernel/yama/ptrace_scope",
		      O_RDONLY | O_CLOEXEC);

	ret_text[0] = '\0';
	if (fd < 0)
		return;
	if (read(fd, scope, sizeof(scope) - 1) > 0)
		snprintf(ret_text, size, " (kernel.yama.ptrace_scope is %c)",
			 scope[0]);
	close(fd);
}

static void check_mechanism(enum path path, struct failure *failure)
{
	const char *wanted = path == PATH_CMA ? "cma" : "none";
	int value = -1;
	char why[64];

	if (!read_variable("btl_vader_single_copy_mechanism", MPI_INT, &value,
			   sizeof(value))) {
		failure_set(
			failure, EXIT_PATH,
			"Open MPI has no btl vader in use: run with " SETTINGS);
		return;
	}
	if (strcmp(mechanism_name(value), wanted) == 0)
		return;
	explain_refusal(why, sizeof(why));
	failure_set(
		failure, EXIT_PATH,
		"Open MPI's single copy mechanism is %s, not %s%s: run with --mca btl_vader_single_copy_mechanism %s, or see why Open MPI refuses that here",
		mechanism_name(value), wanted, path == PATH_CMA ? why : "",
		wanted);
}

/* One large message from rank 0 to rank 1, and what rank 1 did for it. */
static void probe(MPI_Comm comm, enum path path, struct failure *failure)
{
	uint64_t before = cma_bytes;
	double *message;
	int rank;

	MPI_Comm_rank(comm, &rank);
	message = calloc(PROBE_DOUBLES, sizeof(*message));
	if (message == NULL)
		failure_abort(comm, EXIT_RUNTIME, "no memory for a message");
	if (rank == 0)
		MPI_Send(message, PROBE_DOUBLES, MPI_DOUBLE, 1, 0, comm);
	if (rank == 1)
		MPI_Recv(message, PROBE_DOUBLES, MPI_DOUBLE, 0, 0, comm,
			 MPI_STATUS_IGNORE);
	if (rank == 1) {
		uint64_t all = PROBE_DOUBLES * sizeof(*message);
		uint64_t moved = cma_bytes - before;

		if (moved != (path == PATH_CMA ? all : 0))
			failure_set(
				failure, EXIT_PATH,
				"Open MPI was to use %s, but moved %llu of %llu bytes of a message by cross-memory attach",
				path == PATH_CMA ? "CMA" : "shared memory",
				(unsigned long long)moved,
				(unsigned long long)all);
	}
	free(message);
}

int path_check(MPI_Comm comm, enum path path)
{
	struct failure failure = { 0 };
	int provided, code;

	if (MPI_T_init_thread(MPI_THREAD_SINGLE, &provided) != MPI_SUCCESS) {
		failure_set(&failure, EXIT_PATH, "MPI has no tool interface");
	} else {
		check_word("pml", "ob1", &failure);
		check_word("btl", "self,vader", &failure);
		check_mechanism(path, &failure);
		MPI_T_finalize();
	}
	code = failure_agree(comm, &failure);
	if (code != EXIT_OK)
		return code;
	probe(comm, path, &failure);
	return failure_agree(comm, &failure);
}
