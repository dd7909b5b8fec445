# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What tests/bench/report and tests/bench/remote/report have in common. To be sourced;
# DOCUMENT is the page, FIGURES the folder of plots, data a temporary folder, REPORT is what
# plots say they are made by, and die ends the script.

# Puts standard input between the lines <!-- begin NAME --> and <!-- end NAME -->.
replace() {
	local name=$1
	grep -qx "<!-- begin $name -->" "$DOCUMENT" || die "$DOCUMENT has no place for $name"
	cat >"$data/$name.table"
	awk -v begin="<!-- begin $name -->" -v end="<!-- end $name -->" -v file="$data/$name.table" '
		$0 == end { inside = 0 }
		!inside
		$0 == begin {
			inside = 1
			while ((getline line <file) > 0)
				print line
		}' "$DOCUMENT" >"$data/document" && cp -- "$data/document" "$DOCUMENT"
}

# plot NAME WIDTH HEIGHT: standard input is gnuplot's, the title and all
plot() {
	local name=$1 svg=$FIGURES/$1.svg
	{
		cat <<-EOT
			set terminal svg size $2,$3 font "sans-serif,13" background "#ffffff"
			set output "$data/$name.svg"
			set border 3 lc rgb "#888888"
			set tics nomirror
			set grid ytics lc rgb "#e4e4e4" lt 1
			set key top left reverse Left samplen 2
			set style line 1 lc rgb "#1f6fb4" lw 2.5 pt 7 ps 0.6
			set style line 2 lc rgb "#d95f02" lw 2.5 pt 5 ps 0.6
			set style line 3 lc rgb "#777777" lw 2 dt 2 pt 6 ps 0.6
			set style line 4 lc rgb "#1b9e77" lw 2.5 pt 9 ps 0.7
			DATA = "$data/"
		EOT
		cat
	} | gnuplot || die "gnuplot can't draw $name"
	# What changes from run to run of gnuplot, and where the data was
	{
		head -n 1 "$data/$name.svg"
		echo '<!-- SPDX-License-Identifier: GPL-2.0-or-later -->'
		echo "<!-- Made by $REPORT. -->"
		tail -n +2 "$data/$name.svg" | sed 's/[[:space:]]*$//'
	} >"$svg"
	echo "$svg"
}
