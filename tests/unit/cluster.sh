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
grep -q '^4000 operations judged of 4000, 8 registers, 0 not linearizable$' "$tmp/out" ||
	die "$(cat "$tmp/out")"
echo "ok: a history of two programs, their clocks compared"
unset XPMEM_CLOCK

exchange
runs 0 history --plain --ranks 3 --operations 5000 --registers 4
runs 0 linearize "$tmp"/exchange/history.*
grep -q '^15000 operations judged of 15000, 12 registers, 0 not' "$tmp/out" || die "$(cat "$tmp/out")"

# the last read of a register gives what it was at first
awk '$1 == "r" && $4 != 0 { last = NR } { line[NR] = $0 }
	END { split(line[last], a, " "); line[last] = a[1] " " a[2] " " a[3] " 0 " a[5] " " a[6]
		for (i = 1; i <= NR; i++) print line[i] }' "$tmp/exchange/history.1" >"$tmp/stale"
runs 1 linearize "$tmp/exchange/history.0" "$tmp/stale" "$tmp/exchange/history.2"
grep -q ' 1 not linearizable$' "$tmp/out" || die "$(cat "$tmp/out")"
echo "ok: one stale read among 15000 is noticed"

# after a loss nothing is judged, before it everything is
cat >"$tmp/lost" <<'END'
w 0 1 10 0 10
r 0 1 10 20 30
x 1 1 40
r 0 1 0 50 60
w 2 1 11 35 -
END
runs 0 linearize "$tmp/lost"
sed 's/^r 0 1 10 20/r 0 1 0 20/' "$tmp/lost" >"$tmp/lost-before"
runs 1 linearize "$tmp/lost-before"
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
