# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes a guest of a group a partition: module, configuration, daemon. To be sourced by
# what runs in all guests of the group. Partition and guest have the same number; keys
# are made of the numbers, which is good enough where nobody listens.

PARTITION_DIR=/run/xpmem
PARTITION_CONF=$PARTITION_DIR/xpmemd.conf
PARTITION_LOG=$XPMEM_EXCHANGE/xpmemd.guest$XPMEM_GUEST.log

# PARTITION_USERS (trust), PARTITION_SECRET, PARTITION_NUMBER: for tests of what is wrong.
# With PARTITION_FABRIC pages pass that fabric, verbs or tcp.
#
# partition_configure [LINE...]: the lines are settings of the whole
partition_configure() {
	local i low high
	mkdir -p "$PARTITION_DIR"
	{
		echo "number = ${PARTITION_NUMBER:-$XPMEM_GUEST}"
		echo "name = \"guest$XPMEM_GUEST\""
		echo "listen = { \"tcp://192.0.2.$XPMEM_GUEST:7474\" }"
		echo "net_user = nobody"
		echo "control_socket = \"$PARTITION_DIR/control.sock\""
		[[ -z ${PARTITION_FABRIC:-} ]] || {
			echo "fabric = \"$PARTITION_FABRIC://192.0.2.$XPMEM_GUEST:7475\""
			echo "fabric_min = 4K"
			echo "metrics = \"127.0.0.1:9474\""
		}
		(($# == 0)) || printf '%s\n' "$@"
		for ((i = 1; i <= XPMEM_GUESTS; i++)); do
			((i != XPMEM_GUEST)) || continue
			low=$((i < XPMEM_GUEST ? i : XPMEM_GUEST))
			high=$((i < XPMEM_GUEST ? XPMEM_GUEST : i))
			(umask 077 && echo "${PARTITION_SECRET:-key} of $low and $high" | sha256sum | cut -d ' ' -f 1 \
				>"$PARTITION_DIR/key.$i")
			echo "partition guest$i {"
			echo "	number = $i"
			echo "	address = \"tcp://192.0.2.$i:7474\""
			echo "	key_file = \"$PARTITION_DIR/key.$i\""
			echo "	users = ${PARTITION_USERS:-trust}"
			[[ -z ${PARTITION_FABRIC:-} ]] || echo "	fabric = true"
			echo "}"
		done
	} >"$PARTITION_CONF"
}

# partition_daemon BUILD: starts it and waits until it has the module;
# PARTITION_START_MS: how long that took
partition_daemon() {
	local start=$EPOCHREALTIME
	rm -f "$PARTITION_DIR/control.sock"
	"$1/daemon/xpmemd" --foreground --config "$PARTITION_CONF" ${PARTITION_OPTIONS:-} \
		>>"$PARTITION_LOG" 2>&1 </dev/null &
	PARTITION_PID=$!
	until [[ -S $PARTITION_DIR/control.sock ]]; do
		kill -0 $PARTITION_PID 2>/dev/null || { tail -n 5 "$PARTITION_LOG"; return 1; }
		sleep 0.1
	done
	PARTITION_START_MS=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
}

# partition_metric NAME: the sum of its values
partition_metric() {
	exec 7<>/dev/tcp/127.0.0.1/9474 || return
	printf 'GET /metrics HTTP/1.0\r\n\r\n' >&7
	timeout 10 tr -d '\r' <&7 | awk -v name="$1" 'index($1, name) == 1 { sum += $2 } END { print sum + 0 }'
	exec 7>&-
}

# partition_begin MODULES BUILD [LINE...]
partition_begin() {
	local modules=$1 build=$2
	shift 2
	insmod "$modules/kmod/xpmem.ko" || return
	chmod 666 /dev/userfaultfd 2>/dev/null # what the udev rule does
	partition_configure "$@"
	partition_daemon "$build"
}

# Waits until all guests are there, but those that left for good
partition_meet() {
	local i
	touch "$XPMEM_EXCHANGE/$1.$XPMEM_GUEST"
	for ((i = 1; i <= XPMEM_GUESTS; i++)); do
		until [[ -e $XPMEM_EXCHANGE/$1.$i || -e $XPMEM_EXCHANGE/left.$i ]]; do sleep 0.1; done
	done
}

# Ends the daemon as an administrator does
partition_stop() {
	kill -TERM "$PARTITION_PID" 2>/dev/null
	wait "$PARTITION_PID"
}

# partition_restart BUILD [LINE...]: with another configuration
partition_restart() {
	local build=$1
	shift
	partition_stop
	partition_configure "$@"
	partition_daemon "$build"
}

# ... and unloads the module
partition_end() {
	local try
	partition_stop
	for try in 1 2 3 4 5 6 7 8 9 10; do
		rmmod xpmem 2>/dev/null && return 0
		sleep 0.5
	done
	echo "the module is in use: $(cat /sys/module/xpmem/refcnt) references"
	return 1
}
