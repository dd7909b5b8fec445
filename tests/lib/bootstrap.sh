# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Set-up and progress for the commands a newcomer runs first. To be sourced:
#
#	bootstrap_steps N		announces how many steps there will be
#	bootstrap_step TEXT		starts the next one: "[2/5] 12:00:01 +3s TEXT"
#	bootstrap_note TEXT		a line below the current step
#	bootstrap_missing FILE		prints the packages of FILE not installed
#	bootstrap_packages FILE		installs them as one step, or exits 2
#	bootstrap_logged LOG COMMAND...	runs a step's command with its output in
#					LOG; on failure shows the end of LOG
#
# Invariants:
#  - Nothing here is printed on standard output, it belongs to results.
#  - What is installed already is left alone: no update, no upgrade.
#  - Root is needed for apt only, and taken through sudo. Without it the exact
#    list and the command for an administrator are printed, and the exit status
#    is 2.

BOOTSTRAP_STEP=0 BOOTSTRAP_STEPS='?' BOOTSTRAP_START=$SECONDS

bootstrap_steps() {
	BOOTSTRAP_STEP=0 BOOTSTRAP_STEPS=$1 BOOTSTRAP_START=$SECONDS
}

bootstrap_step() {
	BOOTSTRAP_STEP=$((BOOTSTRAP_STEP + 1))
	printf '[%s/%s] %(%H:%M:%S)T +%ds %s\n' "$BOOTSTRAP_STEP" "$BOOTSTRAP_STEPS" \
		-1 $((SECONDS - BOOTSTRAP_START)) "$*" >&2
}

bootstrap_note() { printf '      %s\n' "$*" >&2; }

# One name a line; comments and blank lines go.
bootstrap_names() { sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' -- "$1"; }

bootstrap_missing() {
	local -A installed=()
	local -a names=()
	local name status
	mapfile -t names < <(bootstrap_names "$1")
	# Unknown names are no error here: they are just not installed.
	while read -r status name; do
		[[ $status != installed ]] || installed[$name]=1
	done < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${names[@]}" 2>/dev/null)
	for name in "${names[@]}"; do
		[[ -n ${installed[$name]:-} ]] || printf '%s\n' "$name"
	done
}

bootstrap_give_up() {
	local reason=$1
	shift
	printf '\n%s\nMissing packages:\n' "$reason" >&2
	printf '    %s\n' "$@" >&2
	printf 'An administrator can install them with:\n    apt-get update && apt-get install --no-install-recommends %s\n' "$*" >&2
	exit 2
}

# apt as root: machine-readable progress on standard output, all else on standard
# error. The shell in between makes descriptor 3, which sudo would not pass on;
# with the progress on descriptor 1 packages' scripts get errors when they write.
bootstrap_apt() {
	local -a command=(sh -c 'exec "$@" 3>&1 >&2' sh
		env DEBIAN_FRONTEND=noninteractive apt-get -y -qq
		-o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 -o APT::Status-Fd=3)
	((EUID == 0)) || command=(sudo "${command[@]}")
	"${command[@]}" "$@" </dev/null
}

# Prints every tenth of the way; apt reports a lot more often.
bootstrap_progress() {
	local kind percent text last=-1
	while IFS=: read -r kind _ percent text; do
		percent=${percent%%[.,]*}
		[[ $kind == *status && $percent =~ ^[0-9]+$ ]] || continue
		if ((percent / 10 != last)); then
			last=$((percent / 10))
			case $kind in
			dlstatus) bootstrap_note "download $percent%" ;;
			*) bootstrap_note "$percent% $text" ;;
			esac
		fi
	done
}

bootstrap_install() {
	local log=$1
	shift
	bootstrap_apt install --no-install-recommends "$@" 2>>"$log" |
		bootstrap_progress
	((PIPESTATUS[0] == 0))
}

bootstrap_can_install() {
	command -v apt-get >/dev/null || return 1
	((EUID != 0)) || return 0
	command -v sudo >/dev/null || return 1
	# Without a terminal nobody can type a password.
	sudo -n true 2>/dev/null || { [[ -t 0 ]] && sudo -v; }
}

# No candidate for a package means that apt's lists were never fetched.
bootstrap_lists_ready() {
	local name
	for name in "$@"; do
		apt-cache policy "$name" 2>/dev/null | grep -q 'Candidate: [^(]' || return 1
	done
}

bootstrap_packages() {
	local file=$1 log
	local -a missing=()
	if ! command -v dpkg-query >/dev/null; then
		mapfile -t missing < <(bootstrap_names "$file")
		bootstrap_step "checking packages"
		bootstrap_give_up "This is not a Debian system (no dpkg): set-up knows Debian 12 only." "${missing[@]}"
	fi
	mapfile -t missing < <(bootstrap_missing "$file")
	if ((${#missing[@]} == 0)); then
		bootstrap_step "all $(bootstrap_names "$file" | wc -l) packages are installed"
		return
	fi
	bootstrap_step "installing ${#missing[@]} packages: ${missing[*]}"
	bootstrap_can_install ||
		bootstrap_give_up "apt is not allowed here: it takes root, and sudo does not give it." "${missing[@]}"
	log=$(mktemp "${TMPDIR:-/tmp}/bootstrap.XXXXXX")
	if ! bootstrap_lists_ready "${missing[@]}"; then
		bootstrap_note "apt-get update"
		bootstrap_apt update >/dev/null 2>>"$log"
	fi
	# The lists may be older than the archive: once more with new ones.
	if ! bootstrap_install "$log" "${missing[@]}"; then
		bootstrap_note "failed; trying again with new package lists"
		if ! bootstrap_apt update >/dev/null 2>>"$log" ||
			! bootstrap_install "$log" "${missing[@]}"; then
			tail -n 15 -- "$log" >&2
			rm -f -- "$log"
			mapfile -t missing < <(bootstrap_missing "$file")
			bootstrap_give_up "apt failed, its last lines are above." "${missing[@]}"
		fi
	fi
	rm -f -- "$log"
	mapfile -t missing < <(bootstrap_missing "$file")
	((${#missing[@]} == 0)) ||
		bootstrap_give_up "apt said it was done, but some packages are still missing." "${missing[@]}"
	bootstrap_note "installed"
}

bootstrap_logged() {
	local log=$1 status=0
	shift
	"$@" >"$log" 2>&1 || status=$?
	if ((status)); then
		printf '%s failed with status %d; the end of %s:\n' "$1" "$status" "$log" >&2
		tail -n 30 -- "$log" >&2
	fi
	return "$status"
}
