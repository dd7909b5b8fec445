#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# transfer with the stand-in for libxpmem, on any machine:
#
#	host.sh TRANSFER RUN
#
# Does each way give right data with 2 to 4 ranks? Does each mistake on the command
# line, each failing call and each wrong path of Open MPI end all ranks with its
# exit code and one message?

# shellcheck source=mpi-examples/heat/tests/common.sh
. "$(dirname "$0")/../../heat/tests/common.sh"
RUN=$2

# transfer N MECHANISM ARGS...: output in $SCRATCH/out and $SCRATCH/err
transfer() {
	transfer_n=$1 transfer_mechanism=$2
	shift 2
	OMPI_MCA_btl=${BTL:-self,vader} OMPI_MCA_pml=ob1 \
		OMPI_MCA_btl_vader_single_copy_mechanism=$transfer_mechanism \
		ranks "$transfer_n" "$@"
}

# fails CODE MESSAGE N MECHANISM ARGS...
fails() {
	fails_code=$1 fails_message=$2
	shift 2
	transfer "$@"
	fails_got=$?
	[ "$fails_got" = "$fails_code" ] ||
		wrong "exit $fails_got instead of $fails_code: $*"
	fails_count=$(grep -c -e "$fails_message" "$SCRATCH/err")
	[ "$fails_count" = 1 ] ||
		wrong "\"$fails_message\" said $fails_count times: $*"
}

# results
for n in 2 3 4; do
	rm -f "$SCRATCH/csv"
	transfer $n none --path copy --max 16k --repeat 2 --csv "$SCRATCH/csv" ||
		wrong "$n ranks"
	[ "$(wc -l <"$SCRATCH/csv")" = 46 ] || wrong "$n ranks: not 45 figures"
	awk -f "$(dirname "$RUN")/compare.awk" "$SCRATCH/csv" >"$SCRATCH/out" \
		2>"$SCRATCH/err" || wrong "$n ranks: results differ"
	# One wrong bit is noticed.
	sed '$s/.$/x/' "$SCRATCH/csv" >"$SCRATCH/changed"
	if awk -f "$(dirname "$RUN")/compare.awk" "$SCRATCH/changed" >"$SCRATCH/out" \
		2>"$SCRATCH/err"; then
		wrong "another result is not noticed"
	fi
	grep -q 'allreduce,16384 bytes: attached-fresh got another' "$SCRATCH/err" ||
		wrong "another result is not named"
done
transfer 2 none --ways fresh --prefault --max 4k --repeat 1 || wrong "--prefault"
transfer 2 none --help || wrong "--help fails"
grep -q 'Exit status' "$SCRATCH/out" || wrong "--help says little"

# command line: by one rank, without mpirun, which takes long to start; then by more
refuses() {
	refuses_message=$1
	shift
	timeout 60 "$HEAT" "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" </dev/null
	[ $? = 2 ] || wrong "not exit 2: $*"
	grep -q -e "$refuses_message" "$SCRATCH/err" ||
		wrong "\"$refuses_message\" not said: $*"
}
fails 2 'unrecognized option' 3 none --no-such-option
refuses '"more": nothing but options' --path copy more
refuses '--operations: "gather" is none of pingpong, broadcast and allreduce' \
	--operations pingpong,gather
refuses '--ways: "" is none of mpi, steady, touch, attach and fresh' --ways mpi,
refuses '--path: the way mpi needs it'
refuses '--path: "xpmem" is none of copy and cma' --path xpmem
refuses '--pages: "1G" is none of base and huge' --pages 1G
for size in 0 4095 6k 32M 1k 4K x '' 18446744073709551615k -4k; do
	refuses "--max: \"$size\" is not a power of two" --max "$size"
done
refuses '--min: 65536 is more than --max, 4096' --path copy --min 64k --max 4k
for repeat in 0 -1 x '' 10001; do
	refuses "--repeat: \"$repeat\" is not a number" --repeat "$repeat"
done

# ranks, output
fails 4 'one rank has nobody' 1 none --path copy
fails 6 'none/csv: No such file' 2 none --path copy --csv "$SCRATCH/none/csv"
fails 6 '/dev/full: No space left' 2 none --ways steady --max 4k --csv /dev/full

# Open MPI's path
fails 7 'single copy mechanism is none, not cma' 2 none --path cma
fails 7 'single copy mechanism is [a-z]*, not none' 2 emulated --path copy
BTL=self,tcp
fails 7 'variable btl is "self,tcp", not "self,vader"' 2 none --path copy
unset BTL

# xpmem, on a rank that is not the one to print
export HEAT_FAKE_FAIL
HEAT_FAKE_FAIL=version:1
fails 5 'rank 1: xpmem: cannot open /dev/xpmem: .*is the module loaded' 3 none \
	--ways steady
for call in make get attach; do
	HEAT_FAKE_FAIL=$call:1
	fails 5 "rank 1: xpmem_$call" 3 none --ways fresh
done
HEAT_FAKE_FAIL=prefault:1
fails 5 'rank 1: xpmem_prefault' 2 none --ways touch --prefault
unset HEAT_FAKE_FAIL

# the script that runs all ways
runs_not() {
	runs_not_message=$1
	shift
	"$RUN" "$@" >"$SCRATCH/out" 2>"$SCRATCH/err"
	[ $? = 2 ] || wrong "run $*: not exit 2"
	grep -q -e "$runs_not_message" "$SCRATCH/err" ||
		wrong "run $*: \"$runs_not_message\" not said"
}
runs_not 'usage' "$SCRATCH"
runs_not 'is not built' "$SCRATCH/none" 2
echo figures >"$SCRATCH/full"
runs_not 'full is not empty' --csv "$SCRATCH/full" "$SCRATCH" 2
mkdir -p "$SCRATCH/mpi-examples/transfer"
ln -s "$HEAT" "$SCRATCH/mpi-examples/transfer/transfer"
runs_not 'is for run itself' "$SCRATCH" 2 --ways mpi
finish
