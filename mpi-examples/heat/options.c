// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * options: argp, kept from calling exit(). A rank that just leaves would have
 * mpirun complain and the others wait; main.c brings all of them home.
 */
#include "options.h"
#include "plate.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPEAT_MAX   1000
#define PATIENCE_MAX 86400.0

static const char doc[] =
	"Heat flow in a plate, computed by the ranks of mpirun: once "
	"with halos sent as MPI messages, once with halos read from the "
	"neighbours' memory through XPMEM. The two results must agree to the last "
	"bit.\v"
	"Exit status: 0 all checks held; 1 a check did not hold; 2 wrong command "
	"line; 3 wrong input file; 4 these ranks can't run it; 5 XPMEM can't be "
	"used; 6 memory, file or neighbour trouble while running.";

static const struct argp_option argp_options[] = {
	{ "steps", 's', "N", 0, "Compute N steps, whatever the file says", 0 },
	{ "only", 'o', "WAY", 0, "Run one way only: mpi or xpmem", 0 },
	{ "repeat", 'n', "N", 0, "Run each way N times, report the best", 0 },
	{ "report", 'r', "FILE", 0, "Write the results as JSON lines", 0 },
	{ "image", 'i', "FILE", 0, "Write a picture of the result (PPM)", 0 },
	{ "field", 'f', "FILE", 0,
	  "Write the result as raw doubles, row by row", 0 },
	{ "patience", 't', "SECONDS", 0,
	  "Give up on a neighbour that stands still (60)", 0 },
	{ "help", 'h', NULL, 0, "Print this help", -1 },
	{ 0 },
};

struct parse {
	struct options *options;
	bool help;
};

static error_t take_name(struct argp_state *state, const char *what,
			 const char *name, char *ret_name)
{
	if (name[0] == '\0' || strlen(name) >= OPTIONS_NAME_MAX) {
		argp_error(state, "%s: not the name of a file", what);
		return EINVAL;
	}
	strcpy(ret_name, name);
	return 0;
}

static error_t take_count(struct argp_state *state, const char *what,
			  const char *text, long max, long *ret_count)
{
	char *end;
	long count;

	errno = 0;
	count = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || count < 1 ||
	    count > max) {
		argp_error(state, "%s: \"%s\" is not a number from 1 to %ld",
			   what, text, max);
		return EINVAL;
	}
	*ret_count = count;
	return 0;
}

static error_t take_patience(struct argp_state *state, const char *text,
			     double *ret_patience)
{
	char *end;
	double patience = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(patience) ||
	    patience <= 0.0 || patience > PATIENCE_MAX) {
		argp_error(
			state,
			"--patience: \"%s\" is not a number of seconds up to %g",
			text, PATIENCE_MAX);
		return EINVAL;
	}
	*ret_patience = patience;
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct parse *parse = state->input;
	struct options *options = parse->options;
	long count = 0;
	error_t error;

	switch (key) {
	case 's':
		return take_count(state, "--steps", arg, PLATE_STEPS_MAX,
				  &options->steps);
	case 'o':
		options->run_mpi = strcmp(arg, "mpi") == 0;
		options->run_xpmem = strcmp(arg, "xpmem") == 0;
		if (options->run_mpi || options->run_xpmem)
			return 0;
		argp_error(state, "--only: \"%s\" is neither mpi nor xpmem",
			   arg);
		return EINVAL;
	case 'n':
		error = take_count(state, "--repeat", arg, REPEAT_MAX, &count);
		options->repeat = (int)count;
		return error;
	case 'r':
		return take_name(state, "--report", arg, options->report);
	case 'i':
		return take_name(state, "--image", arg, options->image);
	case 'f':
		return take_name(state, "--field", arg, options->field);
	case 't':
		return take_patience(state, arg, &options->patience);
	case 'h':
		parse->help = true;
		return ECANCELED;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0) {
			argp_error(state, "more than one input file");
			return EINVAL;
		}
		return take_name(state, "input file", arg, options->input);
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no input file");
		return EINVAL;
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
		.args_doc = "PLATE",
		.doc = doc,
	};
	struct parse parse = { .options = ret_options };
	error_t error;

	memset(ret_options, 0, sizeof(*ret_options));
	ret_options->run_mpi = true;
	ret_options->run_xpmem = true;
	ret_options->repeat = 1;
	ret_options->patience = 60.0;

	error = argp_parse(&argp, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP, NULL,
			   &parse);
	if (parse.help) {
		char name[] = "heat";

		argp_help(&argp, stdout,
			  ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_PRE_DOC |
				  ARGP_HELP_POST_DOC,
			  name);
		return OPTIONS_HELP;
	}
	return error == 0 ? OPTIONS_RUN : OPTIONS_WRONG;
}
