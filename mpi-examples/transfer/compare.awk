# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sets the figures of all ways side by side, from the file that transfer writes.
# Exit status 1 where two ways got different results for the same operation and
# size.

BEGIN {
	FS = ","
	count = split("mpi-cma mpi-copy attached attached-touch attached-attach attached-fresh", ways, " ")
}

FNR == 1 {
	for (i = 1; i <= NF; i++)
		column[$i] = i
	next
}

{
	key = $column["operation"] "," $column["bytes"]
	way = $column["way"]
	if (!(key in checksum)) {
		keys[++rows] = key
		checksum[key] = $column["checksum"]
	} else if (checksum[key] != $column["checksum"]) {
		printf "compare: %s bytes: %s got another result than %s\n", key, way, first[key] > "/dev/stderr"
		bad = 1
	}
	if (!(key in first))
		first[key] = way
	best[key, way] = $column["best_ns"]
}

END {
	printf "%-10s %9s", "operation", "bytes"
	for (i = 1; i <= count; i++)
		printf i == 1 ? " %10s" : " %17s", ways[i]
	printf "\n"
	for (row = 1; row <= rows; row++) {
		key = keys[row]
		split(key, part, ",")
		printf "%-10s %9d", part[1], part[2]
		cma = best[key, "mpi-cma"]
		for (i = 1; i <= count; i++) {
			time = best[key, ways[i]]
			if (i == 1)
				printf " %10.1f", time / 1000
			else
				printf " %10.1f %5.2fx", time / 1000, time / cma
		}
		printf "\n"
	}
	print bad ? "results differ" : "all ways got the same results"
	exit bad
}
