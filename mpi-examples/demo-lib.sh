# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the parts of the demo share. To be sourced in a guest; ./run-demo shows the file
# `checks` of the exchange folder when all parts are over.

DEMO_SAID=$(mktemp) || exit 1
DEMO_BROKEN=0

headline() { printf '\n== %s\n' "$*"; }

# verdict STATUS TEXT: whether a check held
verdict() {
	if (($1 == 0)); then
		printf '[ ok ] %s\n' "$2" >>"$XPMEM_EXCHANGE/checks"
	else
		printf '[FAIL] %s (status %d)\n' "$2" "$1" >>"$XPMEM_EXCHANGE/checks"
		DEMO_BROKEN=1
	fi
}

# check TEXT COMMAND...: shows the command's output and keeps it, and its verdict
check() {
	local text=$1
	shift
	"$@" </dev/null 2>&1 | tee -a "$DEMO_SAID"
	verdict "${PIPESTATUS[0]}" "$text"
}

# What the commands said between two lines, without these and blank lines
between() {
	sed -n "/^$1/,/^$2/p" "$DEMO_SAID" | sed -e "/^$1/d" -e "/^$2/d" -e '/^$/d'
}
