# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One guest from start to verdict.
#
# The host and guest-init talk through the files of RUN_DIR/ctl, a folder that
# the guest mounts uncached; guest-init lists them. The command's output is a
# file there as well, which a tail process copies to standard output while it
# grows: no byte can be lost in a device that is switched off.
#
# Invariants:
#  - qemu is a child of this shell and dies with it, even if the shell is killed.
#  - The verdict is taken after qemu is gone, when log and output are complete.
#  - A bad log wins over everything else; a guest that did not end by itself
#    wins over the command's status.

elapsed_ms() {
	local now=${EPOCHREALTIME/[.,]/} start=${1/[.,]/}
	printf '%d' $(((now - start) / 1000))
}

# Logs of past runs: the newest 40 are kept.
choose_log() {
	local old
	if [[ -n $OPT_LOG ]]; then
		LOG=$(realpath -m -- "$OPT_LOG")
	else
		LOG=$VM_CACHE/log/$(date +%Y%m%d-%H%M%S)-$$.log
		# shellcheck disable=SC2012 # the names are ours
		ls -t -- "$VM_CACHE"/log 2>/dev/null | tail -n +40 | while read -r old; do
			rm -f -- "$VM_CACHE/log/$old"
		done
	fi
	: >"$LOG" || die "cannot write the log $LOG"
}

choose_exchange() {
	if [[ -n $OPT_EXCHANGE ]]; then
		[[ -d $OPT_EXCHANGE ]] || die "$OPT_EXCHANGE is not a directory"
		EXCHANGE=$(cd -- "$OPT_EXCHANGE" && pwd -P)
		[[ -w $EXCHANGE ]] || die "$EXCHANGE is not writable"
	else
		EXCHANGE=$RUN_DIR/exchange
		mkdir -m 1777 -- "$EXCHANGE"
	fi
}

make_disk() {
	((OPT_DISK)) || return 0
	need_tool mkfs.ext4 e2fsprogs
	if ! truncate -s "${OPT_DISK}M" -- "$RUN_DIR/disk" ||
		! mkfs.ext4 -q -F -- "$RUN_DIR/disk" >&2; then
		die "cannot make a disk of $OPT_DISK MiB"
	fi
}

write_ctl() {
	local word host=guest terminal=dumb size='24 80'
	if [[ $MODE == shell && -t 0 ]]; then
		terminal=${TERM:-dumb}
		size=$(stty size)
		[[ $size != '0 0' ]] || size='24 80'
	fi
	((NET_COUNT == 1)) || host=guest$NET_INDEX
	mkdir -m 700 -- "$RUN_DIR/ctl"
	: >"$RUN_DIR/ctl/output"
	{
		printf 'MODE=%s\nRUN_USER=%s\nHOST=%s\n' "$MODE" "$(sh_quote "$OPT_USER")" "$host"
		printf 'WORK_DIR=%s\nMODULES=%s\n' "$(sh_quote "$PWD")" \
			"$(sh_quote "$KERNEL_DIR/lib/modules/$KERNEL_RELEASE")"
		printf 'GUEST=%d\nGUESTS=%d\n' "$NET_INDEX" "$NET_COUNT"
		printf 'ZRAM=%d\nDISK=%d\nHUGEPAGES=%d\n' "$OPT_ZRAM" "$OPT_DISK" "$OPT_HUGEPAGES"
		printf 'TERMINAL=%s\nROWS=%d\nCOLUMNS=%d\n' "$(sh_quote "$terminal")" \
			"${size% *}" "${size#* }"
	} >"$RUN_DIR/ctl/conf"
	{
		printf 'exec'
		for word in "$@"; do
			printf ' %s' "$(sh_quote "$word")"
		done
		printf '\n'
	} >"$RUN_DIR/ctl/command"
}

start_qemu() {
	local stdin=/dev/null
	[[ $MODE != shell ]] || stdin=/dev/stdin
	# If this shell dies, however it does, so does qemu.
	setpriv --pdeathsig KILL qemu-system-x86_64 "${MACHINE[@]}" \
		<"$stdin" 2>"$RUN_DIR/qemu.err" >"$QEMU_OUT" &
	QEMU_PID=$!
}

qemu_alive() { [[ -n $QEMU_PID ]] && kill -0 "$QEMU_PID" 2>/dev/null; }

stop_qemu() {
	[[ -n ${QEMU_PID:-} ]] || return 0
	kill -KILL "$QEMU_PID" 2>/dev/null
	wait "$QEMU_PID" 2>/dev/null
	QEMU_PID=
}

# Runs on every way out of this shell.
clean_up() {
	stop_qemu
	[[ -z ${TAIL_PID:-} ]] || kill "$TAIL_PID" 2>/dev/null
	[[ -z ${SAVED_STTY:-} ]] || stty "$SAVED_STTY" 2>/dev/null
	if [[ -n ${NET_DIR:-} && -d ${NET_DIR:-} ]]; then
		: >"$NET_DIR/up.$NET_INDEX"
		: >"$NET_DIR/done.$NET_INDEX"
		rm -f -- "$NET_DIR/$NET_INDEX"-*
	fi
	[[ -z ${RUN_DIR:-} ]] || rm -rf -- "$RUN_DIR"
}

# A group's members wait for each other twice: the commands start when all are
# up, and no guest powers off before the last command has ended, so that nobody
# loses a peer by being slow. Files in NET_DIR tell who is how far; a member
# that ends in any way counts as up and done.
all_members() {
	local n
	for ((n = 1; n <= NET_COUNT; n++)); do
		[[ -e $NET_DIR/$1.$n ]] || return 1
	done
}

member_barrier() {
	local mine=$1 what=$2 answer=$3
	((NET_COUNT > 1)) || return 0
	[[ -e $RUN_DIR/ctl/$mine && ! -e $RUN_DIR/ctl/$answer ]] || return 0
	[[ -e $NET_DIR/$what.$NET_INDEX ]] || : >"$NET_DIR/$what.$NET_INDEX"
	! all_members "$what" || : >"$RUN_DIR/ctl/$answer"
}

# What /run/vm/pause of the guest asks for; RESUME_AT: until when it is stopped
pause_guest() {
	local now=$1 ms=0
	if [[ $RESUME_AT ]]; then
		((now >= RESUME_AT)) || return 0
		RESUME_AT=''
		rm -f -- "$RUN_DIR/ctl/pause"
		kill -CONT "$QEMU_PID"
	elif [[ -e $RUN_DIR/ctl/pause ]]; then
		read -r ms <"$RUN_DIR/ctl/pause"
		is_number "$ms" || ms=0
		RESUME_AT=$((now + 10#$ms))
		kill -STOP "$QEMU_PID"
	fi
}

# Follows the guest until qemu is gone. FAULT tells why it had to be killed.
watch_guest() {
	local start=$EPOCHREALTIME up=0 ended='' now
	FAULT='' UP_SECONDS='' RESUME_AT=''
	while qemu_alive; do
		now=$(elapsed_ms "$start")
		pause_guest "$now"
		if [[ -e $RUN_DIR/ctl/error ]]; then
			FAULT="guest: $(<"$RUN_DIR/ctl/error")"
		fi
		if [[ $up == 0 && -e $RUN_DIR/ctl/started ]]; then
			up=1 UP_SECONDS=$(seconds_since "$start")
			say "up after $UP_SECONDS s"
		fi
		member_barrier started up go
		member_barrier status "done" finished
		if [[ -z $ended && -s $RUN_DIR/ctl/status && $MODE == run ]] &&
			{ ((NET_COUNT == 1)) || [[ -e $RUN_DIR/ctl/finished ]]; }; then
			ended=$now
		fi
		if [[ $up == 0 ]] && ((now > BOOT_LIMIT * 1000)); then
			FAULT="the guest is not up after $BOOT_LIMIT s"
		elif [[ -n $ended ]] && ((now > ended + OFF_LIMIT * 1000)); then
			FAULT="the guest did not power off within $OFF_LIMIT s"
		elif ((OPT_TIMEOUT && now > OPT_TIMEOUT * 1000)); then
			FAULT="time limit of $OPT_TIMEOUT s reached"
		else
			nap 0.05
			continue
		fi
		stop_qemu
	done
	wait "$QEMU_PID" 2>/dev/null
	QEMU_PID=
	ALL_SECONDS=$(seconds_since "$start")
}

verdict() {
	local status=''
	[[ ! -s $RUN_DIR/ctl/status ]] || status=$(<"$RUN_DIR/ctl/status")
	if [[ -s $RUN_DIR/qemu.err ]]; then
		say_lines <"$RUN_DIR/qemu.err"
	fi
	if ! judge_log "$LOG"; then
		[[ -z $FAULT ]] || say "$FAULT"
		say "bad lines in the guest's log $LOG (command's status: ${status:-none})"
		return "$EXIT_BAD_LOG"
	fi
	if [[ -z $FAULT && -e $RUN_DIR/ctl/error ]]; then
		FAULT="guest: $(<"$RUN_DIR/ctl/error")"
	fi
	if [[ -z $FAULT && -z $status ]]; then
		FAULT="the guest ended before its command did"
	fi
	if [[ -n $FAULT ]]; then
		say "$FAULT; end of its log $LOG:"
		tail -n 15 -- "$LOG" | tr -d '\r' | say_lines
		return "$EXIT_NO_BOOT"
	fi
	say "exit status $status, powered off after $ALL_SECONDS s; log $LOG"
	return "$status"
}

# A kernel with every detector boots slowly, and looks for leaks before it goes.
scale_limits() {
	is_debug_kernel "$KERNEL_RELEASE" || return 0
	[[ -n ${XPMEM_VM_BOOT_LIMIT:-} ]] || BOOT_LIMIT=$((BOOT_LIMIT * 5))
	[[ -n ${XPMEM_VM_OFF_LIMIT:-} ]] || OFF_LIMIT=$((OFF_LIMIT * 5))
}

# run_guest COMMAND...: the options are in OPT_*.
run_guest() {
	local status=0
	need_tool qemu-system-x86_64 qemu-system-x86
	need_tool setpriv util-linux
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	make_cache
	make_run_dir
	get_kernel "$OPT_KERNEL"
	scale_limits
	get_initramfs
	set_accel "$OPT_ACCEL"
	choose_log
	choose_exchange
	make_disk
	write_ctl "$@"
	machine_args
	say "booting $KERNEL_RELEASE ($ACCEL, $OPT_CPUS CPUs, $OPT_MEM MiB)"
	if [[ $MODE == shell ]]; then
		SAVED_STTY=$(stty -g 2>/dev/null) || SAVED_STTY=
		QEMU_OUT=/dev/stdout start_qemu
	else
		QEMU_OUT=/dev/null start_qemu
		# tail looks once more after qemu has gone, then ends.
		tail -c +1 -s 0.05 -f --pid="$QEMU_PID" -- "$RUN_DIR/ctl/output" &
		TAIL_PID=$!
	fi
	watch_guest
	if [[ -n ${TAIL_PID:-} ]]; then
		wait "$TAIL_PID" 2>/dev/null || :
		TAIL_PID=
	fi
	verdict || status=$?
	exit "$status"
}
