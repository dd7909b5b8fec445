# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs xpmem-bench in a guest. To be sourced, in the top directory, after prepare.sh:
#
#	bench_guest RELEASE MODULE LIBRARY-DIRECTORY JSON LOG VM-OPTION... -- ARGUMENT...
#
# runs it with the ARGUMENTs, what it prints is printed, and moves its figures to the
# file JSON if it wrote any. LOG is the kernel's. Returns the guest's status.
#
#	bench_series RELEASE
#
# prints what a kernel is called among those whose instruction counts are recorded:
# 6.1 or 6.1-rt; nothing if it is none of Debian's.

BENCH_PROGRAM=build/release/tests/bench/xpmem-bench

bench_guest() {
	local release=$1 module=$2 libdir=$3 json=$4 log=$5 options=() exchange status
	shift 5
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	mkdir -p -- "$(dirname -- "$json")" "$(dirname -- "$log")" || return 2
	exchange=$(mktemp -d) || return 2
	tests/vm/vm run --kernel "$release" "${options[@]}" --log "$log" --exchange "$exchange" -- \
		tests/bench/in-bench "$module" "$libdir" "$BENCH_PROGRAM" "$@"
	status=$?
	[[ ! -s $exchange/result.json ]] || cp -- "$exchange/result.json" "$json" || status=2
	rm -rf -- "$exchange"
	return "$status"
}

bench_series() {
	[[ $1 =~ ^([0-9]+\.[0-9]+)\..*[0-9](-rt)?-amd64$ ]] || return 0
	printf '%s%s\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
}
