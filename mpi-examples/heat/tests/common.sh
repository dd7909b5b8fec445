# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the scripts beside it, called as SCRIPT HEAT PLATE: a scratch folder,
# mpirun with the options a test machine needs, and counted failures.

# shellcheck disable=SC2034  # HEAT and PLATE are for who sources this
HEAT=$1 PLATE=$2
: "${MPIRUN:=mpirun}"
command -v "$MPIRUN" >/dev/null || { echo "no mpirun: skipped"; exit 77; }

# Test machines run as root, with less processors than ranks.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Open MPI itself leaves memory behind at exit.
export ASAN_OPTIONS="detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

SCRATCH=$(mktemp -d) || exit 1
trap 'rm -rf "$SCRATCH"' EXIT
FAILED=0

# ranks N ARGS...: heat with N ranks; output in $SCRATCH/out and $SCRATCH/err
ranks() {
	ranks_n=$1
	shift
	timeout 120 "$MPIRUN" --oversubscribe --mca mpi_yield_when_idle 1 \
		-n "$ranks_n" "$HEAT" "$@" \
		>"$SCRATCH/out" 2>"$SCRATCH/err" </dev/null
}

wrong() {
	echo "WRONG: $*"
	cat "$SCRATCH/out" "$SCRATCH/err"
	FAILED=$((FAILED + 1))
}

finish() {
	if [ "$FAILED" -gt 0 ]; then
		echo "$FAILED wrong"
		exit 1
	fi
	echo "all well"
	exit 0
}
