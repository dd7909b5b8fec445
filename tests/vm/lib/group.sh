# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Several guests that are joined by a network of their own.
#
# Every pair of guests has one link, a pair of unix datagram sockets in a
# directory of the group; no guest forwards for another. So a test can cut,
# delay or spoil the link between two guests alone, there is no hub to write or
# to wait for, and the host's network takes no part. (qemu's stream netdev over
# TCP would add 40 ms to small packets.)
#
# Invariants:
#  - Each member is an ordinary "vm run --net" with its own log and verdict;
#    members meet at two barriers only (see member_barrier).
#  - When the group ends, in whatever way, its members have ended.

run_group() {
	local -a commands=() words=() members=() printers=() options=() command=()
	local n word status worst=0 exchange

	[[ -n $OPT_GUESTS ]] || die "vm group wants --guests N"
	# Commands are kept quoted, one text each.
	for word in "$@" :::; do
		if [[ $word == ::: ]]; then
			((${#words[@]})) || die "a command between ::: is empty"
			commands+=("${words[*]@Q}")
			words=()
		else
			words+=("$word")
		fi
	done
	((${#commands[@]} == 1 || ${#commands[@]} == OPT_GUESTS)) ||
		die "${#commands[@]} commands for $OPT_GUESTS guests: give one for all or one each"

	make_cache
	GROUP_DIR=$(mktemp -d -- "${TMPDIR:-/tmp}/xpmem-vm.XXXXXX") || die "cannot make a temporary directory"
	GROUP_MEMBERS=()
	trap end_group EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	exchange=$OPT_EXCHANGE
	if [[ -z $exchange ]]; then
		exchange=$GROUP_DIR/exchange
		mkdir -m 1777 -- "$exchange"
	fi
	if [[ -n $OPT_RESULTS ]]; then
		mkdir -p -- "$OPT_RESULTS" || die "cannot write to $OPT_RESULTS"
		OPT_LOG=${OPT_LOG:-$OPT_RESULTS/console}
	fi
	# Once here, not by every member after the other.
	get_kernel "$OPT_KERNEL"
	get_initramfs

	options=(--kernel "$OPT_KERNEL" --accel "$OPT_ACCEL" --cpus "$OPT_CPUS"
		--mem "$OPT_MEM" --numa "$OPT_NUMA" --zram "$OPT_ZRAM" --disk "$OPT_DISK"
		--hugepages "$OPT_HUGEPAGES" --user "$OPT_USER" --timeout "$OPT_TIMEOUT"
		--append "$OPT_APPEND" --exchange "$exchange")
	[[ -z $OPT_ICOUNT ]] || options+=(--icount)
	for ((n = 1; n <= OPT_GUESTS; n++)); do
		word=${commands[n - 1]-${commands[0]}}
		eval "command=($word)"
		mkfifo -- "$GROUP_DIR/output.$n"
		if [[ -n $OPT_RESULTS ]]; then
			tee -- "$OPT_RESULTS/guest$n.output" <"$GROUP_DIR/output.$n" |
				LC_ALL=C sed -u "s/^/guest$n: /" &
		else
			LC_ALL=C sed -u "s/^/guest$n: /" <"$GROUP_DIR/output.$n" &
		fi
		printers+=("$!")
		setpriv --pdeathsig TERM "$VM_DIR/vm" run "${options[@]}" \
			--net "$GROUP_DIR,$n,$OPT_GUESTS" \
			--log "${OPT_LOG:-$VM_CACHE/log/$(date +%Y%m%d-%H%M%S)-$$}.guest$n.log" \
			-- "${command[@]}" >"$GROUP_DIR/output.$n" &
		GROUP_MEMBERS+=("$!")
	done

	members=("${GROUP_MEMBERS[@]}")
	for ((n = 1; n <= OPT_GUESTS; n++)); do
		wait "${members[n - 1]}"
		status=$?
		wait "${printers[n - 1]}" 2>/dev/null
		[[ -z $OPT_RESULTS ]] || printf '%d\n' "$status" >"$OPT_RESULTS/guest$n.status"
		worst=$(worse_status "$worst" "$status")
	done
	GROUP_MEMBERS=()
	say "group of $OPT_GUESTS: exit status $worst"
	exit "$worst"
}

# A bad log is worse than a guest that failed, which is worse than a usage
# error; of the commands' own the first that is not 0 counts.
worse_status() {
	local status
	for status in "$EXIT_BAD_LOG" "$EXIT_NO_BOOT" "$EXIT_USAGE" "$1"; do
		if [[ $status == "$1" || $status == "$2" ]] && ((status)); then
			printf '%d' "$status"
			return
		fi
	done
	printf '%d' "$2"
}

end_group() {
	if ((${#GROUP_MEMBERS[@]})); then
		kill -TERM "${GROUP_MEMBERS[@]}" 2>/dev/null
		wait "${GROUP_MEMBERS[@]}" 2>/dev/null
	fi
	rm -rf -- "$GROUP_DIR"
}
