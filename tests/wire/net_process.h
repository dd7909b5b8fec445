/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processes xpmemd-net of a test */
#ifndef NET_PROCESS_H
#define NET_PROCESS_H

#include <sys/types.h>

/* Those that this process has had started; 0: none */
pid_t find_process(void);
/* That one's file in /proc has the line. */
void expect_line(const char *file, const char *line);

#endif /* NET_PROCESS_H */
