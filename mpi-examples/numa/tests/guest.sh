#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# On a machine with two NUMA nodes and the module: are all pages where the example says that it
# moved them, while they are attached? And does the smallest example say what it should?
#
#	guest.sh numa|hello BUILD-DIRECTORY
set -u
(($# == 2)) || { sed -n 's/^#\t/usage: /p' "$0" >&2; exit 2; }
what=$1
program=$(realpath -- "$2")/mpi-examples/$what/$what
[[ -x $program ]] || { echo "$program is not built"; exit 77; }

run=(mpirun -n 2 --oversubscribe --bind-to none --mca btl self,vader --mca pml ob1
	--mca oob_tcp_if_include lo --mca mpi_yield_when_idle 1)
as=(setpriv --reuid nobody --regid nogroup --clear-groups env HOME=/tmp USER=nobody)
if ((EUID == 0)) && "${as[@]}" test -x "$program"; then
	run=("${as[@]}" "${run[@]}")
else
	run+=(--allow-run-as-root)
fi

output=$("${run[@]}" "$program" 2>&1) || { echo "$output"; exit 1; }
echo "$output"
case $what in
hello)
	[[ $output == *"rank 1 reads:  written by rank 0"* && $output == *"rank 0 reads:  changed by rank 1"* ]]
	;;
numa)
	# 16 MiB
	awk '
		/^as the owner/ { at++; good += $(NF - 3) == 4096 && $(NF - 2) == 0 }
		/^moved to/ { at++; good += $(NF - 3) == 0 && $(NF - 2) == 4096 }
		/^moved back/ { at++; good += $(NF - 3) == 4096 && $(NF - 2) == 0 }
		END { exit !(at == 3 && good == 3) }' <<<"$output"
	;;
esac
