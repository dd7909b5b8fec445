// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command's options, verbs and help.
 *
 * cli_verbs and the argp options of each verb are all that is known of the command
 * line: parsing, --help and the completion of bash are made from them, and
 * unit.cli.documented compares the man page with them.
 */
#include "cli.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verbs.h"

const struct cli_verb *const cli_verbs[] = {
	&cmd_status,
	&cmd_segments,
	&cmd_attachments,
	&cmd_partitions,
	&cmd_topo,
	&cmd_top,
	&cmd_trace,
	&cmd_drain,
	&cmd_doctor,
	NULL,
};

const struct argp_option cli_common_options[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 10 },
	{ "root", 'R', "DIR", 0, "Look at the files below DIR, not at this machine", 10 },
	{ "socket", 'S', "PATH", 0, "The daemon's control socket", 10 },
	{ 0 },
};

const char *argp_program_version = "xpmem " XPMEM_CLI_VERSION;

#define COMPLETION_KEY 0x100

static struct cli cli = { .root = "", .socket = "/run/xpmem/control.sock" };
static const struct cli_verb *verb;
static char **verb_argv;
static int verb_argc;

void *cli_checked(void *memory)
{
	if (!memory) {
		fputs("xpmem: out of memory\n", stderr);
		exit(CLI_WRONG);
	}
	return memory;
}

char *cli_format(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return cli_checked(text);
}

void cli_error(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("xpmem: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

json_t *cli_json(const char *name)
{
	return cli_checked(json_pack("{s:i, s:s}", "format", CLI_JSON_FORMAT, "verb", name));
}

int cli_print_json(json_t *json, int status)
{
	if (json_dumpf(json, stdout, JSON_INDENT(2)) || putchar('\n') == EOF)
		status = CLI_WRONG;
	json_decref(json);
	return status;
}

unsigned long long cli_number(struct argp_state *state, const char *name, const char *arg,
			      unsigned long long max)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(arg, &end, 0);
	if (errno || end == arg || *end || strchr(arg, '-') || value > max)
		argp_error(state, "%s wants a number up to %llu, not '%s'", name, max, arg);
	return value;
}

unsigned int cli_user(struct argp_state *state, const char *arg)
{
	const struct passwd *user = getpwnam(arg);

	if (user)
		return user->pw_uid;
	if (!*arg || arg[strspn(arg, "0123456789")])
		argp_error(state, "there is no user '%s'", arg);
	return (unsigned int)cli_number(state, "--uid", arg, 0xfffffffeULL);
}

/* ------------------------------------------------------- options of all verbs */

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	size_t length;

	switch (key) {
	case 'j':
		cli.json = true;
		return 0;
	case 'R':
		length = strlen(arg);
		while (length && arg[length - 1] == '/')
			arg[--length] = 0;
		if (length && access(arg, R_OK | X_OK))
			argp_error(state, "--root %s: %s", arg, strerror(errno));
		cli.root = arg;
		return 0;
	case 'S':
		cli.socket = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* A verb takes no arguments but options. */
static error_t parse_verb(int key, char *arg, struct argp_state *state)
{
	error_t err = verb->parser ? verb->parser(key, arg, state) : ARGP_ERR_UNKNOWN;

	if (err == ARGP_ERR_UNKNOWN && key == ARGP_KEY_ARG)
		argp_error(state, "'%s' is one argument too many", arg);
	return err;
}

static int run_verb(void)
{
	static const struct argp common = { cli_common_options, parse_common, 0, 0, 0, 0, 0 };
	const struct argp_child children[] = { { &common, 0, NULL, 0 }, { 0 } };
	const struct argp argp = {
		.options = verb->options,
		.parser = parse_verb,
		.args_doc = verb->args,
		.doc = verb->doc,
		.children = children,
	};
	char *name = cli_format("xpmem %s", verb->name);
	error_t err;
	int status;

	verb_argv[0] = name;
	err = argp_parse(&argp, verb_argc, verb_argv, 0, NULL, NULL);
	cli.colour = !cli.json && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	status = err ? CLI_USAGE : verb->run(&cli);
	free(name);
	return status;
}

/* ---------------------------------------------------------------- the command */

static error_t parse_top(int key, char *arg, struct argp_state *state)
{
	size_t i;

	switch (key) {
	case COMPLETION_KEY:
		cli_completion();
		exit(CLI_OK);
	case ARGP_KEY_ARG:
		for (i = 0; cli_verbs[i]; i++)
			if (!strcmp(cli_verbs[i]->name, arg))
				verb = cli_verbs[i];
		if (!verb)
			argp_error(state, "there is no verb '%s'", arg);
		verb_argv = state->argv + state->next - 1;
		verb_argc = state->argc - state->next + 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "a verb is missing");
		return EINVAL;
	}
	return ARGP_ERR_UNKNOWN;
}

static char *add_verbs(int key, const char *text, void *input)
{
	char *all, *more;
	size_t i;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	all = cli_format("Verbs:\n");
	for (i = 0; cli_verbs[i]; i++) {
		more = cli_format("%s  %-12s %s\n", all, cli_verbs[i]->name, cli_verbs[i]->summary);
		free(all);
		all = more;
	}
	more = cli_format("%s\nxpmem VERB --help tells the options of a verb.", all);
	free(all);
	return more;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "completion", COMPLETION_KEY, NULL, 0, "Print the completion for bash", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse_top,
		.args_doc = "VERB [OPTION...]",
		.doc = "Looks at, and after, memory that processes share by XPMEM.\v",
		.help_filter = add_verbs,
	};
	int status;

	argp_err_exit_status = CLI_USAGE;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, NULL))
		return CLI_USAGE;
	status = run_verb();
	if (fflush(stdout) || ferror(stdout)) {
		cli_error("standard output: %s", strerror(errno));
		return CLI_WRONG;
	}
	return status;
}
