#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# heat with the real module, which must be loaded:
#
#	guest.sh HEAT PLATE
#
# Two and four ranks agree and pin nothing; a rank that dies or hangs while
# others have its memory attached ends the run; and nothing stays behind.

# shellcheck source=mpi-examples/heat/tests/common.sh
. "$(dirname "$0")/common.sh"
[ -c /dev/xpmem ] || { echo "no /dev/xpmem: skipped"; exit 77; }

for n in 2 4; do
	ranks $n --repeat 2 --report "$SCRATCH/report$n" "$PLATE" ||
		wrong "$n ranks"
	cat "$SCRATCH/out"
	for check in identical repeats finite unpinned; do
		grep -q "\"check\":\"$check\",\"verdict\":\"held\"" \
			"$SCRATCH/report$n" || wrong "$n ranks: $check"
	done
	[ "$(grep -c '"attached_by":\[[0-9]' "$SCRATCH/report$n")" = $n ] ||
		wrong "$n ranks: a segment that nobody attached"
done

# strike SIGNAL: 4 ranks run for ever, one of them gets it. Sets GOT.
strike() {
	# The scratch folder is in no other's command line, and the command
	# lines of timeout and mpirun begin with other words.
	running="^[^ ]*heat[^ ]* --only .*$SCRATCH/struck"
	rm -f "$SCRATCH/struck"
	ranks 4 --only xpmem --steps 10000000 --patience 5 \
		--report "$SCRATCH/struck" "$PLATE" &
	job=$!
	# It opens its report when MPI is up and the plate is read.
	for _ in $(seq 90); do
		[ ! -e "$SCRATCH/struck" ] || break
		sleep 1
	done
	sleep 5
	kill "-$1" "$(pgrep -n -f "$running")"
	wait $job
	GOT=$?
	sed 's/^/  | /' "$SCRATCH/err"
	if [ $GOT = 0 ] || [ $GOT = 124 ]; then
		wrong "SIG$1 for one rank: exit $GOT"
	fi
	if pgrep -f "$running"; then
		wrong "SIG$1 for one rank: others live on"
	fi
}

strike KILL
strike STOP
[ "$(grep -c 'waited 5 s for rank' "$SCRATCH/err")" = 1 ] ||
	wrong "SIGSTOP: not one message"

# Nothing of all that stays: the module is in use by nobody.
if [ -r /sys/module/xpmem/refcnt ]; then
	[ "$(cat /sys/module/xpmem/refcnt)" = 0 ] || wrong "module still in use"
fi
finish
