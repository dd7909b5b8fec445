#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Is the result the same to the last bit for any number of ranks, either way?
# Each run compares its two ways by itself; here the fields of runs with
# different numbers of ranks are compared, on the shipped plate and on one
# whose sides are odd numbers and which has both kinds of edges.

# shellcheck source=mpi-examples/heat/tests/common.sh
. "$(dirname "$0")/common.sh"

cat >"$SCRATCH/odd.heat" <<-'END'
	format heat-1
	title "Odd sides"
	plate 31 17 0.5
	cells 31 17
	ambient 20
	cooling 300
	edge west fixed 80
	edge north fixed -40
	edge east insulated
	material a 0.3 1000 900
	material b 400 8900 380
	background a
	patch b 3 2 20 11
	patch a 9 5 4 4
	source 7 14 3 9 9
	source -2.5 0 0 31 1
	steps 173
	timestep auto
END

# same PLATE N...: each number of ranks gives the same field
same() {
	same_plate=$1 same_first=$2
	shift
	for n; do
		if ! ranks "$n" --steps 60 --repeat 2 \
			--field "$SCRATCH/field$n" "$same_plate"; then
			wrong "$same_plate with $n ranks"
			continue
		fi
		cmp "$SCRATCH/field$same_first" "$SCRATCH/field$n" ||
			wrong "$same_plate: $n ranks differ from $same_first"
	done
}

same "$SCRATCH/odd.heat" 1 2 3 4 6
same "$PLATE" 1 4

# A tile of one cell has all its neighbours one cell away.
sed 's/^cells.*/cells 3 2/; /^patch/d; /^source/d' \
	"$SCRATCH/odd.heat" >"$SCRATCH/tiny.heat"
same "$SCRATCH/tiny.heat" 1 6

# The other outputs.
ranks 4 --steps 5 --image "$SCRATCH/i.ppm" --report "$SCRATCH/r" "$PLATE" ||
	wrong "image and report"
[ "$(head -c 2 "$SCRATCH/i.ppm")" = P6 ] || wrong "not a PPM"
[ "$(grep -c '"kind":"rank"' "$SCRATCH/r")" = 4 ] || wrong "4 ranks in report"
grep -q '{"kind":"verdict","held":true}' "$SCRATCH/r" || wrong "no verdict"
if command -v python3 >/dev/null; then
	python3 -c 'import json, sys
for line in open(sys.argv[1]):
    json.loads(line)' "$SCRATCH/r" || wrong "the report is not JSON lines"
fi
for way in mpi xpmem; do
	ranks 2 --steps 5 --only "$way" "$PLATE" || wrong "--only $way"
done
finish
