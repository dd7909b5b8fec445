# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sets the figures of all ways side by side, from the file that transfer writes.
# Exit status 1 where two ways got different results for the same operation and
# size. With -v markdown=1 it prints a table for a document, of every second size.

BEGIN {
	FS = ","
	for (size = 4096; size <= 16777216; size *= 4)
		shown[size] = 1
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

# Of a way that was not run there is none.
function ratio(time, cma, form) {
	return time && cma ? sprintf(form, time / cma) : "-"
}

function print_markdown(row, key, part, i, time, cma) {
	printf "| | KiB"
	for (i = 1; i <= count; i++)
		printf " | %s", ways[i]
	printf " |\n|---|---"
	for (i = 1; i <= count; i++)
		printf "|---"
	print "|"
	for (row = 1; row <= rows; row++) {
		key = keys[row]
		split(key, part, ",")
		if (!(part[2] in shown))
			continue
		cma = best[key, "mpi-cma"]
		printf "| %s | %d | %.1f", part[1], part[2] / 1024, cma / 1000
		for (i = 2; i <= count; i++)
			printf " | %s", ratio(best[key, ways[i]], cma, "%.2f")
		print " |"
	}
}

END {
	if (markdown) {
		print_markdown()
		exit bad
	}
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
				printf " %10.1f %6s", time / 1000, ratio(time, cma, "%.2fx")
		}
		printf "\n"
	}
	print bad ? "results differ" : "all ways got the same results"
	exit bad
}
