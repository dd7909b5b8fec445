// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * options: argp, kept from calling exit(). A rank that just leaves would have
 * mpirun complain and the others wait; main.c brings all of them home.
 */
#include "options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPEAT_MAX 10000

static const char doc[] =
	"Ping-pong, broadcast and allreduce between the ranks of mpirun on one "
	"node, by MPI and by loads from each other's memory, attached through "
	"XPMEM. Every result is checked to the last bit. The script run, beside "
	"this program's source, starts it once for each path of Open MPI and "
	"compares.\v"
	"Sizes are in bytes, with k or M for KiB and MiB.\n\n"
	"Ways: mpi, what MPI does; steady, attachments whose pages are mapped; "
	"touch, attachments of memory that is new to all but its owner; attach, the "
	"same, with attach and detach counted; fresh, with get and release, too.\n\n"
	"Exit status: 0 all results were right; 1 one was not; 2 wrong command line; "
	"4 these ranks can't run it; 5 XPMEM can't be used; 6 memory or file "
	"trouble; 7 Open MPI does not take the path that --path says.";

static const struct argp_option argp_options[] = {
	{ "operations", 'o', "LIST", 0,
	  "Of pingpong,broadcast,allreduce these (all)", 0 },
	{ "ways", 'w', "LIST", 0,
	  "Of mpi,steady,touch,attach,fresh these (all)", 0 },
	{ "path", 'p', "PATH", 0,
	  "What Open MPI was told to use, copy or cma; mpi needs it", 0 },
	{ "min", 'a', "SIZE", 0, "Smallest size (4k)", 0 },
	{ "max", 'b', "SIZE", 0, "Largest size (16M)", 0 },
	{ "repeat", 'n', "N", 0, "Measure each N times (7)", 0 },
	{ "pages", 'g', "KIND", 0,
	  "Have the buffers in pages of this kind: base or huge (base)", 0 },
	{ "prefault", 'f', NULL, 0, "Fault in by xpmem_prefault, not by loads",
	  0 },
	{ "csv", 'c', "FILE", 0, "Append the figures to a file", 0 },
	{ "help", 'h', NULL, 0, "Print this help", -1 },
	{ 0 },
};

static const char *const way_words[WAY_MAX] = {
	[WAY_MPI] = "mpi",	 [WAY_STEADY] = "steady", [WAY_TOUCH] = "touch",
	[WAY_ATTACH] = "attach", [WAY_FRESH] = "fresh",
};

struct parse {
	struct options *options;
	bool help;
};

/* The position of a word, or -1 */
static int find_word(const char *const *words, int count, const char *word,
		     size_t length)
{
	for (int i = 0; i < count; i++)
		if (strlen(words[i]) == length &&
		    memcmp(words[i], word, length) == 0)
			return i;
	return -1;
}

static void list_words(const char *const *words, int count, char *ret_text,
		       size_t size)
{
	ret_text[0] = '\0';
	for (int i = 0; i < count; i++) {
		size_t length = strlen(ret_text);

		snprintf(ret_text + length, size - length, "%s%s",
			 i == 0	       ? "" :
			 i < count - 1 ? ", " :
					 " and ",
			 words[i]);
	}
}

static error_t take_list(struct argp_state *state, const char *what,
			 const char *const *words, int count, const char *arg,
			 bool *ret_wanted)
{
	const char *word = arg;

	memset(ret_wanted, 0, (size_t)count * sizeof(*ret_wanted));
	for (;;) {
		size_t length = strcspn(word, ",");
		int i = find_word(words, count, word, length);
		char known[100];

		if (i < 0) {
			list_words(words, count, known, sizeof(known));
			argp_error(state, "%s: \"%.*s\" is none of %s", what,
				   (int)length, word, known);
			return EINVAL;
		}
		ret_wanted[i] = true;
		if (word[length] == '\0')
			return 0;
		word += length + 1;
	}
}

static error_t take_word(struct argp_state *state, const char *what,
			 const char *const *words, int count, const char *arg,
			 int *ret_index)
{
	int i = find_word(words, count, arg, strlen(arg));
	char known[100];

	if (i >= 0) {
		*ret_index = i;
		return 0;
	}
	list_words(words, count, known, sizeof(known));
	argp_error(state, "%s: \"%s\" is none of %s", what, arg, known);
	return EINVAL;
}

static error_t take_size(struct argp_state *state, const char *what,
			 const char *arg, size_t *ret_size)
{
	unsigned long long size;
	char *end;

	errno = 0;
	size = strtoull(arg, &end, 10);
	if (end != arg && errno == 0 && size <= OPTIONS_SIZE_MAX) {
		if (*end == 'k')
			size <<= 10, end++;
		else if (*end == 'M')
			size <<= 20, end++;
	}
	if (end == arg || *end != '\0' || errno != 0 ||
	    size < OPTIONS_SIZE_MIN || size > OPTIONS_SIZE_MAX ||
	    (size & (size - 1)) != 0) {
		argp_error(state,
			   "%s: \"%s\" is not a power of two from 4k to 16M",
			   what, arg);
		return EINVAL;
	}
	*ret_size = (size_t)size;
	return 0;
}

static error_t take_repeat(struct argp_state *state, const char *arg,
			   int *ret_repeat)
{
	char *end;
	long repeat;

	errno = 0;
	repeat = strtol(arg, &end, 10);
	if (end == arg || *end != '\0' || errno != 0 || repeat < 1 ||
	    repeat > REPEAT_MAX) {
		argp_error(state,
			   "--repeat: \"%s\" is not a number from 1 to %d", arg,
			   REPEAT_MAX);
		return EINVAL;
	}
	*ret_repeat = (int)repeat;
	return 0;
}

static error_t check_all(struct argp_state *state,
			 const struct options *options)
{
	if (options->min > options->max)
		argp_error(state, "--min: %zu is more than --max, %zu",
			   options->min, options->max);
	else if (options->ways[WAY_MPI] && options->path == PATH_NONE)
		argp_error(
			state,
			"--path: the way mpi needs it, copy or cma; leave the way out with --ways steady,touch,attach,fresh");
	else
		return 0;
	return EINVAL;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct parse *parse = state->input;
	struct options *options = parse->options;
	int index = 0;
	error_t error;

	switch (key) {
	case 'o':
		return take_list(state, "--operations", operation_names,
				 OPERATION_MAX, arg, options->operations);
	case 'w':
		return take_list(state, "--ways", way_words, WAY_MAX, arg,
				 options->ways);
	case 'p':
		error = take_word(state, "--path", path_names, PATH_NONE, arg,
				  &index);
		options->path = (enum path)index;
		return error;
	case 'a':
		return take_size(state, "--min", arg, &options->min);
	case 'b':
		return take_size(state, "--max", arg, &options->max);
	case 'n':
		return take_repeat(state, arg, &options->repeat);
	case 'g':
		error = take_word(state, "--pages", pages_names, PAGES_MAX, arg,
				  &index);
		options->pages = (enum pages)index;
		return error;
	case 'f':
		options->prefault = true;
		return 0;
	case 'c':
		if (arg[0] == '\0' || strlen(arg) >= sizeof(options->csv)) {
			argp_error(state, "--csv: not the name of a file");
			return EINVAL;
		}
		strcpy(options->csv, arg);
		return 0;
	case 'h':
		parse->help = true;
		return ECANCELED;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\": nothing but options is expected",
			   arg);
		return EINVAL;
	case ARGP_KEY_END:
		return check_all(state, options);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

enum options_verdict options_read(int argc, char **argv,
				  struct options *ret_options)
{
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse_option,
		.doc = doc,
	};
	struct parse parse = { .options = ret_options };
	error_t error;

	memset(ret_options, 0, sizeof(*ret_options));
	memset(ret_options->operations, true, sizeof(ret_options->operations));
	memset(ret_options->ways, true, sizeof(ret_options->ways));
	ret_options->path = PATH_NONE;
	ret_options->min = OPTIONS_SIZE_MIN;
	ret_options->max = OPTIONS_SIZE_MAX;
	ret_options->repeat = 7;

	error = argp_parse(&argp, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP, NULL,
			   &parse);
	if (parse.help) {
		char name[] = "transfer";

		argp_help(&argp, stdout,
			  ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_PRE_DOC |
				  ARGP_HELP_POST_DOC,
			  name);
		return OPTIONS_HELP;
	}
	return error == 0 ? OPTIONS_RUN : OPTIONS_WRONG;
}
