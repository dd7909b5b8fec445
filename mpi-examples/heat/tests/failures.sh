#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Does every failure end all ranks, with its exit code and one message? In each
# case something is wrong on one rank only, and a time limit stands for a hang.

# shellcheck source=mpi-examples/heat/tests/common.sh
. "$(dirname "$0")/common.sh"

# fails CODE MESSAGE N ARGS...: heat must end with CODE and say MESSAGE once
fails() {
	fails_code=$1 fails_message=$2
	shift 2
	ranks "$@"
	fails_got=$?
	[ "$fails_got" = "$fails_code" ] ||
		wrong "exit $fails_got instead of $fails_code: $*"
	fails_count=$(grep -c -e "$fails_message" "$SCRATCH/err")
	[ "$fails_count" = 1 ] ||
		wrong "\"$fails_message\" said $fails_count times: $*"
}

# command line
fails 2 'no input file' 3
fails 2 'more than one input file' 3 "$PLATE" "$PLATE"
fails 2 'unrecognized option' 3 --no-such-option "$PLATE"
fails 2 '--steps: "0" is not' 3 --steps 0 "$PLATE"
fails 2 '--steps: "5x" is not' 3 --steps 5x "$PLATE"
fails 2 '--only: "both"' 3 --only both "$PLATE"
fails 2 '--patience: "nan"' 3 --patience nan "$PLATE"
ranks 3 --help || wrong "--help fails"
grep -q 'Exit status' "$SCRATCH/out" || wrong "--help says little"

# input
fails 3 'No such file' 3 "$SCRATCH/none.heat"
fails 3 'is a directory\|Is a directory' 3 "$SCRATCH"
sed 's/^steps.*/steps many/' "$PLATE" >"$SCRATCH/bad.heat"
fails 3 'bad.heat:[0-9]*: steps: "many" is not a whole number' 3 \
	"$SCRATCH/bad.heat"
sed 's/^timestep.*/timestep 100/' "$PLATE" >"$SCRATCH/bad.heat"
fails 3 'bad.heat:[0-9]*: timestep 100 ms is not stable' 3 "$SCRATCH/bad.heat"
cat >"$SCRATCH/still.heat" <<-'END'
	format heat-1
	title "Nothing can flow"
	plate 1 1 1
	cells 1 1
	ambient 20
	material a 1 1 1
	background a
	steps 1
	timestep auto
END
fails 3 'no heat flows' 1 "$SCRATCH/still.heat"

# ranks and cells
fails 4 "can't share 1 x 1 cells" 2 "$SCRATCH/still.heat"

# output
fails 6 'none/r: No such file' 3 --report "$SCRATCH/none/r" "$PLATE"
fails 6 'none/i: No such file' 3 --steps 1 --image "$SCRATCH/none/i" "$PLATE"
fails 6 '/dev/full: No space left' 3 --steps 1 --report /dev/full "$PLATE"
fails 6 '/dev/full: No space left' 3 --steps 1 --field /dev/full "$PLATE"

# xpmem, on a rank that is not the one to print
export HEAT_FAKE_FAIL
HEAT_FAKE_FAIL=version:2
fails 5 'rank 2: xpmem: cannot open /dev/xpmem: .*is the module loaded' 3 \
	"$PLATE"
for call in make get attach prefault; do
	HEAT_FAKE_FAIL=$call:1
	fails 5 "rank 1: xpmem_$call" 3 "$PLATE"
done
unset HEAT_FAKE_FAIL

# A rank that dies, and one that hangs, in the middle of the run.
HEAT_FAKE_FAIL=die:2
export HEAT_FAKE_FAIL
ranks 4 --only xpmem --steps 10000000 "$PLATE"
got=$?
if [ $got = 0 ] || [ $got = 124 ]; then
	wrong "a dead rank: exit $got"
fi
grep -q 'signal 14' "$SCRATCH/err" || wrong "a dead rank: not named"
HEAT_FAKE_FAIL=hang:2
fails 6 'waited [0-9.]* s for rank [0-9]' 4 --only xpmem --steps 10000000 \
	--patience 2 "$PLATE"
finish
