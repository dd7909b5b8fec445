# SPDX-License-Identifier: GPL-2.0-or-later
#
# Tables and plot data of what tests/bench/remote/run measured, for the report beside it.

include "tables";

def ratio_of: .ratio // ratio;

def goal_of:
	if .limit_ratio then
		(.limit_ratio * 100 | round / 100 | tostring) + "x" + (if .met then ", met" else ", **not met**" end)
	else goal
	end;

# The rows whose names begin with one of $names, in their order
def rows_of($names):
	[.rows[] | select(.value != null) | select(.name | split(".")[0] | IN($names[]))];

# Of instructions, and of what is no time of single operations
def plain_table($names):
	(["work", "", "unit", "XPMEM", "compared with", "ratio", "to reach"] | line),
	([range(7)] | map("---") | line),
	(rows_of($names)[] | select(.p99 == null) |
		[.text, (if .n then "\(.n) \(.of)" else "" end), .unit, "**\(.value | number)**",
		 compared, (ratio_of | if . then number + "x" else "" end), goal_of]
		| line),
	left_out($names);

# p50 and p99 of single operations
def spread_table($names):
	([rows_of($names)[] | select(.p99 != null) | .unit][0] // "ns") as $unit |
	(["work", "", "p50, \($unit)", "p99, \($unit)", "samples", "floor, p50", "its p99", "ratio", "to reach"] | line),
	([range(9)] | map("---") | line),
	(rows_of($names)[] | select(.p99 != null) |
		[.text, (if .n then "\(.n) \(.of)" else "" end), "**\(.value | number)**",
		 (.p99 | number), (.samples | grouped), compared,
		 (.reference_p99 | if . then number else "" end),
		 (ratio_of | if . then number + "x" else "" end), goal_of]
		| line);

# "Load of the machine, 2 CPUs: ..."
def load_of: "\(.host.cpus) CPUs, load \(.host.load_before) before and \(.host.load_after) after";

def value_of($name): (.rows[] | select(.name == $name and .n == null) | ratio_of) // empty;

# Lines "n value" and "n value p99"
def series_points($name): .rows[] | select(.name == $name and .value != null) | "\(.n) \(.value) \(.p99 // "NaN")";
