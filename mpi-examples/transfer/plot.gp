# SPDX-License-Identifier: GPL-2.0-or-later
#
# Draws the figures of one or more runs, a panel an operation:
#
#	gnuplot -e "output='mpi.svg'; title='...'; files='a.csv b.csv'" plot.gp
#
# An operation is drawn from the last of the files that has it. Needs gnuplot 5.4.

set terminal svg size 1200,520 font "sans,13" background "white"
set output output

file_of(operation) = system(sprintf("grep -l '^%s,' %s | tail -n 1", operation, files))
# The lines of one way, as "bytes bytes-a-nanosecond"
figures(operation, way) = sprintf("< awk -F, '$1 == \"%s\" && $4 == \"%s\" { print $2, $2 / $8 }' %s", \
	operation, way, file_of(operation))
ranks_of(operation) = system(sprintf("awk -F, '$1 == \"%s\" { print $3; exit }' %s", \
	operation, file_of(operation)))

array ways = ["attached", "attached-touch", "attached-attach", "attached-fresh", "mpi-cma", "mpi-copy"]
array names = ["attached, pages mapped", "attached, first touch", \
	"attach, first touch, detach", "get, attach, first touch, detach, release", \
	"Open MPI, CMA", "Open MPI, shared memory"]
set linetype 1 lc rgb "#1b6ca8" lw 2.5 pt 7 ps 0.4
set linetype 2 lc rgb "#2f9e6e" lw 2 pt 5 ps 0.4
set linetype 3 lc rgb "#7a9a01" lw 2 pt 9 ps 0.4 dt 2
set linetype 4 lc rgb "#8a5fb5" lw 2 pt 13 ps 0.4 dt 4
set linetype 5 lc rgb "#c8442f" lw 2.5 pt 7 ps 0.4
set linetype 6 lc rgb "#e09a25" lw 2 pt 5 ps 0.4

set logscale x 2
set logscale y 2
set ytics 4
set xrange [3400:20000000]
set format y "%.3g"
set xtics ("4k" 4096, "16k" 16384, "64k" 65536, "256k" 262144, "1M" 1048576, \
	"4M" 4194304, "16M" 16777216)
set grid xtics ytics lc rgb "#dddddd"
set border 3
set tics nomirror

set multiplot title title font "sans,15"
set lmargin 0
set rmargin 0
array operations = ["pingpong", "broadcast", "allreduce"]
array labels = ["ping-pong, one way", "broadcast", "allreduce"]
do for [i = 1:3] {
	set lmargin at screen 0.08 + (i - 1) * 0.31
	set rmargin at screen 0.08 + (i - 1) * 0.31 + 0.25
	set tmargin at screen 0.83
	set bmargin at screen 0.29
	set title sprintf("%s, %s ranks", labels[i], ranks_of(operations[i]))
	if (i == 1) {
		set ylabel "bytes a nanosecond" offset 1
	} else {
		unset ylabel
	}
	set xlabel "bytes"
	set key off
	plot for [way = 1:6] figures(operations[i], ways[way]) using 1:2 \
		with linespoints lt way
}
# The key of all three, in a plot that is nothing else
unset title
unset ylabel
unset xlabel
unset border
unset tics
unset logscale
set lmargin at screen 0.06
set rmargin at screen 0.97
set bmargin at screen 0.01
set tmargin at screen 0.17
set xrange [0:1]
set yrange [0:1]
set key inside center center vertical maxrows 3 samplen 3 width 2
plot for [way = 1:6] -1 with linespoints lt way title names[way]
unset multiplot
