#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# transfer with the real module, which must be loaded:
#
#	guest.sh BUILD-DIRECTORY RANKS
#
# Does every way give every rank the right data, are the results the same to the
# last bit, does Open MPI take both its paths here, and is nothing left behind?

[ -c /dev/xpmem ] || { echo "no /dev/xpmem: skipped"; exit 77; }
build=$1 ranks=$2
run=$(dirname "$0")/../run
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failed=0

wrong() {
	echo "WRONG: $*"
	failed=1
}

# lines COUNT WORD: so many lines with it
lines() {
	[ "$(grep -c -e "$2" "$scratch/csv")" = "$1" ] ||
		wrong "not $1 lines with \"$2\" of $(wc -l <"$scratch/csv")"
}

pages=base fault=load prefault=''
if [ "$ranks" -gt 2 ]; then
	pages=huge fault=prefault prefault=--prefault
fi
# On one processor ranks change places at once, also where the processors of the guest
# are themselves kept waiting by its host.
taskset -c 0 "$run" --csv "$scratch/csv" "$build" "$ranks" --max 16k --repeat 2 \
	--pages $pages ${prefault:+"$prefault"} || wrong "exit $?"
# three sizes, three operations
for way in mpi-copy mpi-cma attached; do
	lines 9 ",$way,$pages,none,"
done
for way in attached-touch attached-attach attached-fresh; do
	lines 9 ",$way,$pages,$fault,"
done
lines 1 "pingpong,16384,2,mpi-cma,$pages,none,2,[0-9]*,[0-9]*,16384,"
lines 1 "pingpong,16384,2,mpi-copy,$pages,none,2,[0-9]*,[0-9]*,0,"

# Nothing of all that stays: the module is in use by nobody.
if [ -r /sys/module/xpmem/refcnt ]; then
	# The last address spaces are torn down by a workqueue.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ "$(cat /sys/module/xpmem/refcnt)" != 0 ] || break
		sleep 0.5
	done
	[ "$(cat /sys/module/xpmem/refcnt)" = 0 ] || wrong "module still in use"
fi
exit $failed
