// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bash's completion, made from the tables of verbs and options.  cli/xpmem.bash is what
 * this prints; unit.cli.documented wants both to be the same.
 */
#include "cli.h"

#include <stdio.h>

static void print_options(const struct argp_option *option)
{
	for (; option && option->name; option++)
		if (!(option->flags & OPTION_HIDDEN))
			printf(" --%s", option->name);
}

void cli_completion(void)
{
	size_t i;

	puts("# SPDX-License-Identifier: GPL-2.0-or-later\n"
	     "# shellcheck shell=bash disable=SC2207\n"
	     "# Made by xpmem --completion\n"
	     "_xpmem() {\n"
	     "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
	     "\tlocal words=''\n"
	     "\tCOMPREPLY=()\n"
	     "\tif ((COMP_CWORD == 1)); then\n"
	     "\t\twords='--help --version --completion'");
	for (i = 0; cli_verbs[i]; i++)
		printf("\t\twords+=' %s'\n", cli_verbs[i]->name);
	puts("\telse\n"
	     "\t\t# what stands after an option with an argument is a file or nothing\n"
	     "\t\tcase $before in\n"
	     "\t\t--root | --socket | --svg)\n"
	     "\t\t\tCOMPREPLY=($(compgen -f -- \"$word\"))\n"
	     "\t\t\treturn\n"
	     "\t\t\t;;\n"
	     "\t\tesac\n"
	     "\t\tcase ${COMP_WORDS[1]}:$before in");
	for (i = 0; cli_verbs[i]; i++) {
		const struct argp_option *option = cli_verbs[i]->options;

		for (; option && option->name; option++)
			if (option->arg && !(option->flags & OPTION_ARG_OPTIONAL))
				printf("\t\t%s:--%s) return ;;\n", cli_verbs[i]->name,
				       option->name);
	}
	puts("\t\tesac\n"
	     "\t\tcase ${COMP_WORDS[1]} in");
	for (i = 0; cli_verbs[i]; i++) {
		printf("\t\t%s) words='--help", cli_verbs[i]->name);
		print_options(cli_verbs[i]->options);
		print_options(cli_common_options);
		puts("' ;;");
	}
	puts("\t\tesac\n"
	     "\tfi\n"
	     "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
	     "}\n"
	     "complete -F _xpmem xpmem");
}
