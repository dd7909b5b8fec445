# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What every part of the guest harness shares: messages, exit codes, the cache
# directory, locks and temporary directories.
#
# Invariants:
#  - Standard output belongs to the command that runs in the guest. Everything
#    the harness itself has to say goes to standard error.
#  - Nothing is written outside $VM_CACHE and temporary directories.
#  - A run directory is locked for as long as its vm process, or a child of it
#    that may still write there, is alive; whoever can take the lock may remove
#    the directory.

# Exit codes of vm itself. Commands in the guest keep 0..119 for themselves.
# shellcheck disable=SC2034 # used by the other parts
readonly EXIT_BAD_LOG=120 EXIT_NO_BOOT=121 EXIT_USAGE=122

VM_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
REPO_DIR=$(cd -- "$VM_DIR/../.." && pwd -P)
VM_CACHE=${XPMEM_VM_CACHE:-$REPO_DIR/build/vm}

# mkfs.ext4, modprobe and depmod live in sbin, which users seldom have in PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# A member of a group adds its name.
SAY_PREFIX=vm:
say() { printf '%s %s\n' "$SAY_PREFIX" "$*" >&2; }

# Quotes text that is not ours.
say_lines() { LC_ALL=C sed "s/^/$SAY_PREFIX   /" >&2; }

die() {
	say "$*"
	exit "$EXIT_USAGE"
}

# Seconds since the first call with one digit after the point, without a fork.
# EPOCHREALTIME has the locale's decimal point, hence the bracket.
seconds_since() {
	local now=${EPOCHREALTIME/[.,]/} start=${1/[.,]/}
	local tenths=$(((now - start) / 100000))
	printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# Sleeps without starting a process: nothing ever arrives on this descriptor.
nap() {
	local _
	if [[ -z ${NAP_FD:-} ]]; then
		exec {NAP_FD}<> <(:)
	fi
	read -rt "$1" -u "$NAP_FD" _ || :
}

need_tool() {
	command -v "$1" >/dev/null ||
		die "$1 is missing: install the Debian package $2 (see packages.txt)"
}

is_number() { [[ $1 =~ ^[0-9]{1,9}$ ]]; }

# Single quotes around anything, for shells that know no more than POSIX.
sh_quote() {
	local text=$1
	printf "'%s'" "${text//\'/\'\\\'\'}"
}

make_cache() {
	mkdir -p -- "$VM_CACHE"/{kernel,log,run} 2>/dev/null ||
		die "cannot write to $VM_CACHE; set XPMEM_VM_CACHE to another directory"
	VM_CACHE=$(cd -- "$VM_CACHE" && pwd -P)
}

# with_lock FILE COMMAND...: one at a time across all vm processes.
with_lock() {
	local fd file=$1 status=0
	shift
	exec {fd}>>"$file" || die "cannot write $file"
	flock "$fd"
	"$@" || status=$?
	exec {fd}>&-
	return "$status"
}

# Makes RUN_DIR and removes what killed runs left behind.
make_run_dir() {
	local fd dir
	for dir in "$VM_CACHE"/run/*/; do
		[[ -e ${dir}lock ]] || continue
		# The braces keep the second redirection from outliving exec.
		{ exec {fd}<"${dir}lock"; } 2>/dev/null || continue
		if flock -n "$fd"; then
			rm -rf -- "$dir"
		fi
		exec {fd}<&-
	done
	# The lock file is taken before it gets its name, so that nobody else can
	# find it unlocked.
	RUN_DIR=$(mktemp -d -- "$VM_CACHE/run/XXXXXX") || die "cannot write to $VM_CACHE/run"
	exec {RUN_LOCK_FD}>"$RUN_DIR/lock.new"
	flock "$RUN_LOCK_FD"
	mv -- "$RUN_DIR/lock.new" "$RUN_DIR/lock"
}
