#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# queue with the stand-in for libxpmem, on any machine: host.sh QUEUE
#
# Are all answers right with 2 to 4 ranks? Does each mistake and each failing call end
# all ranks with its exit code?

# shellcheck source=mpi-examples/heat/tests/common.sh
. "$(dirname "$0")/../../heat/tests/common.sh"

for n in 2 3 4; do
	ranks "$n" 200 50 || wrong "$n ranks: exit $?"
	grep -q "queue: $((200 * (n - 1))) jobs of $((n - 1)) ranks, all answers right" \
		"$SCRATCH/out" || wrong "$n ranks did not say so"
done
fails() {
	fails_code=$1
	shift
	ranks "$@"
	fails_got=$?
	[ "$fails_got" = "$fails_code" ] || wrong "exit $fails_got instead of $fails_code: $*"
}
fails 4 1
fails 2 2 0
fails 2 2 10 x
fails 2 2 1 2 3
HEAT_FAKE_FAIL=make:0 fails 5 2 10
HEAT_FAKE_FAIL=get:1 fails 5 3 10
HEAT_FAKE_FAIL=attach:1 fails 5 3 10
finish
