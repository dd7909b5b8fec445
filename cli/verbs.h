/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs, each of cmd_<verb>.c */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli.h"

extern const struct cli_verb cmd_status, cmd_segments, cmd_attachments, cmd_partitions;
extern const struct cli_verb cmd_topo, cmd_top, cmd_trace, cmd_drain, cmd_doctor;

#endif /* CLI_VERBS_H */
