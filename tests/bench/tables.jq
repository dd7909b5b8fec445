# SPDX-License-Identifier: GPL-2.0-or-later
#
# Tables and plot data of what xpmem-bench wrote, for tests/bench/report.

# 1234567 as "1,234,567"
def grouped:
	tostring | if length > 3 then (.[:-3] | grouped) + "," + .[-3:] else . end;

# Three digits that count, more of large numbers
def number:
	if . >= 100 then round | grouped
	elif . >= 10 then . * 10 | round / 10 | tostring
	else . * 100 | round / 100 | tostring
	end;

def line: "| " + join(" | ") + " |";

def ratio: if .reference and .reference > 0 then .value / .reference else null end;

def compared:
	if .reference then "\(.reference_name): \(.reference | number)" else "" end;

def goal:
	if .limit then (.limit | number) + (if .met then ", met" else ", **not met**" end)
	elif .limit_ratio then (.limit_ratio | number) + "x" + (if .met then ", met" else ", **not met**" end)
	else ""
	end;

# The rows whose names begin with one of $sections and are no series
def single($sections):
	[.rows[] | select(.value != null and .n == null) | select(.name | split(".")[0] | IN($sections[]))];

def series($name): [.rows[] | select(.name == $name and .value != null)];

def left_out($sections):
	[.rows[] | select(.left_out) | select(.name | split(".")[0] | IN($sections[]))
	 | "\n`\(.name)` is left out: \(.left_out).\n"] | add // "";

# Rows beside those of the forks; $forks: forks.json
def main_table($forks; $sections):
	(["work", "unit"] + $forks.columns + ["compared with", "XPMEM", "ratio", "to reach"] | line),
	([range($forks.columns | length + 6)] | map("---") | line),
	(single($sections)[] | . as $row |
		($forks.rows[.name] | if . then map(number) else null end) as $times |
		($forks.ratios[.name] | if . then map(tostring + "x") else null end) as $ratios |
		[.text, .unit] + ($times // $ratios // [$forks.columns[] | ""])
		+ [compared, "**\(.value | number)**", (ratio | if . then number + "x" else "" end), goal]
		| line),
	left_out($sections);

def series_table($names):
	(["work", series($names[0])[0].of, "XPMEM", "unit", "compared with", "ratio", "to reach"] | line),
	([range(7)] | map("---") | line),
	($names[] as $name | series($name)[] |
		[.text, (.n | grouped),
		 "**\(.value | number)**", .unit, compared, (ratio | if . then number + "x" else "" end), goal]
		| line);

# Lines "n value reference" for gnuplot
def points($name): series($name)[] | "\(.n) \(.value) \(.reference // "NaN")";
