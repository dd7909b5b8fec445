#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The programs of tests/cluster, as far as they go without partitions: litmus tests and
# histories in plain shared memory, whose outcome is known, and that both notice what is
# wrong.

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

programs=$BUILD_DIR/tests/cluster/programs

# runs STATUS PROGRAM ARGUMENT...: output in $tmp/out
runs()
{
	wanted=$1 program=$2
	shift 2
	status=0
	"$programs/$program" "$@" >"$tmp/out" 2>&1 || status=$?
	[ "$status" = "$wanted" ] || die "$program $*: exit status $status, not $wanted: $(cat "$tmp/out")"
}

# exchange: an empty directory for ranks to find each other
exchange()
{
	rm -rf "$tmp/exchange"
	mkdir "$tmp/exchange"
	export XPMEM_EXCHANGE="$tmp/exchange"
}

exchange
runs 0 litmus --plain --ranks 3 --iterations 1280 --seconds 100
grep -q '^1280 iterations of each test on 3 ranks: 0 forbidden$' "$tmp/out" || die "$(cat "$tmp/out")"
for test in CoRR CoRW CoWR CoWW MP SB SB+mfence LB IRIW WRC 2+2W S R+mfence; do
	grep -q "^$test .* [0-9]" "$tmp/out" || die "no outcome of $test"
done
echo "ok: litmus tests in plain memory"

exchange
runs 0 litmus --plain --ranks 4 --here 0-3 --iterations 128 --test 8 --seed 7
grep -q '^seed 7$' "$tmp/out" || die "$(cat "$tmp/out")"
exchange
runs 1 litmus --plain --ranks 2 --iterations 256 --test 4 --break-loads 1
grep -q 'CORRUPT$' "$tmp/out" || die "$(cat "$tmp/out")"
echo "ok: a load of what nobody stored is noticed"

exchange
(unset XPMEM_EXCHANGE && runs 1 litmus --plain --ranks 2 --here 0-0)
runs 2 litmus --plain --ranks 0
runs 2 litmus --no-such-option
runs 77 owner_events --plain
runs 77 story --plain --ranks 3
runs 2 knock
runs 2 knock get
runs 2 knock share elsewhere

# two programs that find each other
XPMEM_CLOCK=127.0.0.1:$((20000 + $$ % 20000))
export XPMEM_CLOCK
exchange
"$programs/history" --plain --ranks 2 --here 1-1 --operations 2000 --registers 4 \
	--drift 500 >"$tmp/second" 2>&1 &
second=$!
runs 0 history --plain --ranks 2 --here 0-0 --operations 2000 --registers 4 --drift 500
wait $second || die "the second program: $(cat "$tmp/second")"
grep -q '^rank 1: the clock was known to [0-9]* and [0-9]* ns$' "$tmp/second" ||
	die "$(cat "$tmp/second")"
runs 0 linearize "$tmp/exchange/history.0" "$tmp/exchange/history.1"
grep -q '^4000 operations judged, 8 registers, 0 not linearizable$' "$tmp/out" ||
	die "$(cat "$tmp/out")"
echo "ok: a history of two programs, their clocks compared"
unset XPMEM_CLOCK

exchange
runs 0 history --plain --ranks 3 --operations 5000 --registers 4
runs 0 linearize "$tmp"/exchange/history.*
grep -q '^15000 operations judged, 12 registers, 0 not' "$tmp/out" || die "$(cat "$tmp/out")"

# the last read of a register gives what it was at first
awk '$1 == "r" && $4 != 0 { last = NR } { line[NR] = $0 }
	END { split(line[last], a, " "); line[last] = a[1] " " a[2] " " a[3] " 0 " a[5] " " a[6]
		for (i = 1; i <= NR; i++) print line[i] }' "$tmp/exchange/history.1" >"$tmp/stale"
runs 1 linearize "$tmp/exchange/history.0" "$tmp/stale" "$tmp/exchange/history.2"
grep -q ' 1 not linearizable$' "$tmp/out" || die "$(cat "$tmp/out")"
echo "ok: one stale read among 15000 is noticed"

# a load for a nemesis, of which a rank is killed
exchange
mkdir "$tmp/storm"
XPMEM_STORM=$tmp/storm
export XPMEM_STORM
"$programs/storm" --plain --ranks 3 --strict 1 --operations 5000 --owner-ms 50 >"$tmp/out" 2>&1 &
storm=$!
until [ -e "$tmp/exchange/ready.0" ] && [ -e "$tmp/storm/progress" ]; do
	kill -0 $storm 2>/dev/null || die "$(cat "$tmp/out")"
	sleep 0.1
done
kill -9 "$(sed -n 's/^2 //p' "$tmp/storm/pids")"
touch "$tmp/exchange/stop"
wait $storm || die "$(cat "$tmp/out")"
grep -q '^storm: [0-9]* operations, .* 0 raised SIGBUS, .* at the end 6 pages are there, 0 not$' "$tmp/out" ||
	die "$(cat "$tmp/out")"
runs 0 linearize "$tmp/exchange/history.0"
grep -q ' 0 not linearizable$' "$tmp/out" || die "$(cat "$tmp/out")"
runs 77 death --plain --ranks 2 --here 0-0
runs 77 reclaim --plain --ranks 2 --here 0-0
echo "ok: a storm, and a rank of it killed"

# a write that raised SIGBUS may have happened or not, but nothing else may be seen for it
cat >"$tmp/lost" <<'END'
w 0 1 10 0 10
r 0 1 10 20 30
w 2 1 11 35 -
r 1 1 10 40 50
r 1 1 11 60 70
END
runs 0 linearize "$tmp/lost"
sed '$d' "$tmp/lost" >"$tmp/not-done"
runs 0 linearize "$tmp/not-done"
echo 'r 0 1 10 80 90' >"$tmp/then"
runs 1 linearize "$tmp/lost" "$tmp/then"
runs 0 linearize "$tmp/not-done" "$tmp/then"
sed 's/^r 1 1 10 40/r 1 1 0 40/' "$tmp/lost" >"$tmp/replaced"
runs 1 linearize "$tmp/replaced"
echo "r 0 1" >"$tmp/broken"
runs 2 linearize "$tmp/broken"
runs 2 linearize "$tmp/none"
runs 2 linearize
echo "ok: losses, and what is no history"

# a million operations
awk 'BEGIN { for (i = 1; i <= 1000000; i++) {
	w = int((i - 1) / 10) + 1
	printf "%s %d %d %d %d %d\n", (i % 10 == 1) ? "w" : "r", i % 4, 0, w, i * 10, i * 10 + 15 } }' \
	>"$tmp/million"
before=$(date +%s)
runs 0 linearize "$tmp/million"
[ $(($(date +%s) - before)) -lt 60 ] || die "a million operations took more than a minute"
echo "ok: a million operations"
