# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A nemesis: what it can do to partitions, and rounds in which it does so while `storm`
# loads and stores. To be sourced after partition.sh and scenarios.sh; guest 1 decides,
# guest 2 obeys, by files of the shared folder, which no cut of the network reaches.
#
# A round has its own memory, as what is lost in it stays lost. After each event the load
# must go on: in all partitions accesses to memory of others succeed again.

NEMESIS_DIR=/run/nemesis

# ---- What is done to the partition that runs it

# Begins the daemon anew whenever it ends, as systemd does
nemesis_supervise() {
	while [[ ! -e $NEMESIS_DIR/no-more ]]; do
		rm -f "$PARTITION_DIR/control.sock"
		"$build/daemon/xpmemd" --foreground --config "$PARTITION_CONF" \
			--trace "$NEMESIS_TRACE" >>"$PARTITION_LOG" 2>&1 </dev/null &
		echo $! >"$NEMESIS_DIR/daemon"
		wait $!
		sleep 0.2
	done 2>/dev/null
}

nemesis_daemon() { cat "$NEMESIS_DIR/daemon"; }

# Until there is a daemon, and not the one with this number
nemesis_await() {
	until [[ -S $PARTITION_DIR/control.sock && $(nemesis_daemon) != "${1:-}" ]]; do
		sleep 0.05
	done
}

nemesis_stop() { kill -STOP "$(nemesis_daemon)"; }

# The module may have killed it meanwhile: then there is another.
nemesis_continue() {
	kill -CONT "$(nemesis_daemon)"
	nemesis_await
}

nemesis_restart() {
	local pid
	pid=$(nemesis_daemon)
	kill -"$1" "$pid"
	nemesis_await "$pid"
}

nemesis_kill() {
	local pid
	pid=$(nemesis_daemon)
	rm -f "$PARTITION_DIR/control.sock"
	kill -"$1" "$pid"
}

# Everything that it sends to the others
nemesis_netem() {
	local link
	for link in /sys/class/net/to*; do
		tc qdisc replace dev "${link##*/}" root netem "$@" || return
	done
}

nemesis_heal() {
	local link
	for link in /sys/class/net/to*; do
		link=${link##*/}
		if ! ip link show "$link" | grep -q '[<,]UP[,>]'; then
			ip link set "$link" up &&
				ip route replace "192.0.2.${link#to}/32" dev "$link" src "192.0.2.$XPMEM_GUEST"
		fi
		tc qdisc del dev "$link" root 2>/dev/null
	done
	return 0
}

nemesis_down() {
	local link
	for link in /sys/class/net/to*; do
		ip link set "${link##*/}" down || return
	done
}

nemesis_pause() { /run/vm/pause "$1"; }

# The last of the ranks that are left, but one
nemesis_kill_rank() {
	local -a lines
	mapfile -t lines <"$NEMESIS_DIR/pids"
	((${#lines[@]} > 1)) || return 1
	kill -KILL "${lines[-1]#* }"
	unset 'lines[-1]'
	printf '%s\n' "${lines[@]}" >"$NEMESIS_DIR/pids"
}

# nemesis_goes_on MUST: until accesses to others' memory succeed; prints how long that took.
# MUST 0: what is lost may be all there was.
nemesis_goes_on() {
	local all first now failed left busy start=$EPOCHREALTIME ms
	read -r all first failed left busy <"$NEMESIS_DIR/progress"
	while :; do
		read -r all now failed left busy <"$NEMESIS_DIR/progress"
		((busy)) || { echo "guest$XPMEM_GUEST has no load any more: all operations are done"; return 1; }
		ms=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
		if ((now > first + 16)); then
			echo "guest$XPMEM_GUEST goes on after $((ms / 1000)).$((ms % 1000 / 100)) s: $all operations, $failed SIGBUS, $left pages left" \
				>>"$CLUSTER_DIR/events"
			return 0
		fi
		((ms < NEMESIS_PATIENCE)) || break
		((ms < 8000 || $1)) || break
		sleep 0.1
	done
	echo "guest$XPMEM_GUEST does not go on: $all operations, $failed SIGBUS, $left pages left" >>"$CLUSTER_DIR/events"
	return "$1"
}

# ---- Guest 1 has others obey

nemesis_at() {
	local guest=$1 name
	shift
	if ((guest == XPMEM_GUEST)); then
		"nemesis_$1" "${@:2}"
		return
	fi
	name=$NEMESIS_ROUND/do.$((++NEMESIS_ORDERS))
	printf '%s\n' "$*" >"$name.new"
	mv "$name.new" "$name"
	[[ $1 != end ]] || return 0
	until [[ -e $name.done ]]; do sleep 0.05; done
	return "$(<"$name.done")"
}

nemesis_obey() {
	local name words status
	while :; do
		name=$NEMESIS_ROUND/do.$((++NEMESIS_ORDERS))
		until [[ -e $name ]]; do sleep 0.05; done
		read -r -a words <"$name"
		[[ ${words[0]} != end ]] || return "${words[1]}"
		status=0
		"nemesis_${words[0]}" "${words[@]:1}" || status=1
		echo $status >"$name.done.new"
		mv "$name.done.new" "$name.done"
	done
}

# nemesis_was_quick SIGNAL START: whether daemons that end in this way have lost nothing
nemesis_was_quick() {
	local ms=$(((${EPOCHREALTIME/./} - ${2/./}) / 1000))
	[[ $1 == TERM ]] || return
	((ms < NEMESIS_LEASE / 2)) && return
	echo "its daemon was back after $ms ms, the lease is $NEMESIS_LEASE ms" >>"$CLUSTER_DIR/events"
	return 1
}

# ---- Events: nemesis_event NAME ARGUMENT...; T is in seconds

# A daemon that was asked to end gives pages back, so there is something to go on with, if
# the next one is there early enough to be told before the lease ends.
nemesis_event() {
	local g must=1 start=$EPOCHREALTIME
	case $1 in
	network) # T ARGUMENT...: netem of both sides
		for g in 1 2; do nemesis_at $g netem "${@:3}" || return; done
		sleep "$2"
		for g in 1 2; do nemesis_at $g heal || return; done
		;;
	cut) # T: both ways
		for g in 1 2; do nemesis_at $g netem loss 100% || return; done
		sleep "$2"
		for g in 1 2; do nemesis_at $g heal || return; done
		must=0
		;;
	one-way) # T GUEST: what that one sends is lost
		nemesis_at "$3" netem loss 100% && sleep "$2" && nemesis_at "$3" heal || return
		must=0
		;;
	down) # T GUEST: its links
		nemesis_at "$3" down && sleep "$2" && nemesis_at "$3" heal || return
		must=0
		;;
	stop) # T GUEST: its daemon
		nemesis_at "$3" stop && sleep "$2" && nemesis_at "$3" continue || return
		must=0
		;;
	restart) # SIGNAL GUEST
		nemesis_at "$3" restart "$2" || return
		nemesis_was_quick "$2" "$start" || must=0
		;;
	restart-both) # SIGNAL
		nemesis_at 2 kill "$2" && nemesis_at 1 kill "$2" || return
		for g in 1 2; do nemesis_at $g await || return; done
		nemesis_was_quick "$2" "$start" || must=0
		;;
	pause) # MILLISECONDS GUEST
		nemesis_at "$3" pause "$2" || return
		must=0
		;;
	kill-rank) # GUEST
		nemesis_at "$2" kill_rank || return
		;;
	*) return 1 ;;
	esac
	for g in 1 2; do
		nemesis_at $g goes_on $must || { echo "after $*: guest$g does not go on"; return 1; }
	done
}

# ---- Rounds

# nemesis_begin LEASE SKEW FAULT: times in ms; instead of the daemon that is there, another
nemesis_begin() {
	local lines
	modprobe sch_netem || return
	lines=$(wc -l <"$PARTITION_LOG")
	mkdir -p "$NEMESIS_DIR"
	rm -f "$NEMESIS_DIR"/*
	NEMESIS_TRACE=$NEMESIS_DIR/trace
	# 50 ms with the lease as delivered, 3 s; one that is longer is so as the machine is slower
	NEMESIS_BOUND=$(($1 + $2 + 50 * $1 / 3000)) NEMESIS_PATIENCE=$(($3 + 10000)) NEMESIS_LEASE=$1
	kill -TERM "$PARTITION_PID"
	wait "$PARTITION_PID"
	partition_configure "lease_ms = $1" "skew_ms = $2" "fault_ms = $3"
	nemesis_supervise &
	NEMESIS_SUPERVISOR=$!
	nemesis_await
	until tail -n +$((lines + 1)) "$PARTITION_LOG" | grep -q 'session began'; do sleep 0.2; done
}

# The same, with a lease that is longer than a daemon of this machine needs to begin anew, or
# a link to be cut and healed: what is short is as short on a slow machine.
nemesis_begin_patient() {
	local lease
	echo "$PARTITION_START_MS" >"$CLUSTER_DIR/start.$XPMEM_GUEST"
	partition_meet "${CLUSTER_DIR##*/}.start"
	lease=$(($(cat "$CLUSTER_DIR"/start.* | sort -n | tail -n 1) * 3 + 6000))
	((lease <= 30000)) || lease=30000
	# A process that ends waits for no longer than that, and is not hung before.
	sysctl -q -w kernel.hung_task_timeout_secs=$((lease / 1000 + 10)) || return
	nemesis_begin $lease 1000 $((lease + 20000))
}

# As it was before; and what the daemons did, compared with the model
nemesis_end() {
	local pid
	touch "$NEMESIS_DIR/no-more"
	pid=$(nemesis_daemon)
	kill -TERM "$pid"
	wait "$NEMESIS_SUPERVISOR"
	partition_configure
	partition_daemon "$build" || return
	sysctl -q -w kernel.hung_task_timeout_secs=15 || return
	"$build/tests/model/conform" "$NEMESIS_TRACE"
}

# nemesis_round NAME STORM-OPTIONS EVENT...: in all guests with the same arguments
nemesis_round() {
	local name=$1 options=$2 status=0 broken=0 event storm
	shift 2
	NEMESIS_ROUND=$CLUSTER_DIR/$name NEMESIS_ORDERS=0
	mkdir -p "$NEMESIS_ROUND"
	rm -f "$NEMESIS_DIR/progress" "$NEMESIS_DIR/pids"
	{
		# shellcheck disable=SC2086 # options are words
		XPMEM_EXCHANGE=$NEMESIS_ROUND XPMEM_STORM=$NEMESIS_DIR XPMEM_CLOCK=192.0.2.1:7500 \
			"$build/tests/cluster/programs/storm" --ranks 4 \
			--here $((XPMEM_GUEST * 2 - 2))-$((XPMEM_GUEST * 2 - 1)) --seconds 900 \
			--bound-ms "$NEMESIS_BOUND" $options
		echo $? >"$NEMESIS_ROUND/exit.$XPMEM_GUEST"
	} &
	storm=$!
	if ((XPMEM_GUEST != 1)); then
		nemesis_obey || broken=1
	else
		until [[ -e $NEMESIS_ROUND/ready.0 && -e $NEMESIS_ROUND/ready.2 ]]; do
			[[ ! -e $NEMESIS_ROUND/exit.1 && ! -e $NEMESIS_ROUND/exit.2 ]] || broken=1
			((broken == 0)) || break
			sleep 0.1
		done
		until ((broken)) || [[ -e $NEMESIS_DIR/progress ]]; do sleep 0.1; done
		for event in "$@"; do
			((status + broken == 0)) || break
			echo "$name: $event" | tee -a "$CLUSTER_DIR/events"
			# shellcheck disable=SC2086 # events are words
			nemesis_event $event || status=1
			sleep "${NEMESIS_REST:-1}"
		done
		touch "$NEMESIS_ROUND/stop"
		nemesis_at 2 end $broken
	fi
	# It would wait for another that has ended.
	((broken == 0)) || pkill -TERM -P $storm
	wait $storm
	[[ $(<"$NEMESIS_ROUND/exit.$XPMEM_GUEST") == 0 ]] || status=1
	if ((XPMEM_GUEST == 1)); then
		until [[ -e $NEMESIS_ROUND/exit.2 ]]; do sleep 0.1; done
		"$build/tests/cluster/programs/linearize" "$NEMESIS_ROUND"/history.* || status=1
		rm -f "$NEMESIS_ROUND"/history.*
	fi
	return $status
}

# ---- Tests

# Whatever happens to daemons, processes, network and guests, there is one memory.
cluster_nemesis() {
	local status=0
	nemesis_begin_patient || return
	# nothing of this is long enough to lose anything
	nemesis_round gentle "--strict 1" "network 2 delay 20ms 10ms reorder 25%" \
		"network 2 loss 5% duplicate 5%" "cut 0.5" "one-way 0.5 2" "stop 0.5 1" \
		"stop 0.5 2" "pause 500 1" || status=1
	nemesis_end || status=1
	nemesis_begin 4000 900 10000 || return
	nemesis_round hard "" "cut 6" "one-way 6 1" "stop 6 1" "pause 6000 2" || status=1
	nemesis_round kill "" "restart KILL 2" "kill-rank 2" "restart KILL 1" "kill-rank 1" ||
		status=1
	nemesis_end || status=1
	return $status
}

# What may happen in a long run; some more often than others
NEMESIS_EVENTS=(
	"network 4 delay 20ms 10ms reorder 25%" "network 4 loss 5% duplicate 5%"
	"network 4 delay 100ms 50ms loss 1%" "cut 1" "cut 6" "one-way 1 1" "one-way 1 2"
	"one-way 6 1" "one-way 6 2" "down 2 1" "down 6 2" "stop 1 1" "stop 1 2" "stop 6 1" "stop 6 2"
	"restart TERM 1" "restart TERM 2" "restart KILL 1" "restart KILL 2" "restart-both TERM"
	"restart-both KILL" "pause 500 1" "pause 500 2" "pause 6000 1" "pause 6000 2"
	"kill-rank 1" "kill-rank 2"
)

# Rounds of four events, chosen by chance, until so many operations were judged
cluster_nemesis_long() {
	local round=0 judged=0 events=() findings=0 number i
	local until=$((SECONDS + ${NEMESIS_MINUTES:-240} * 60))
	RANDOM=${NEMESIS_SEED:-1} NEMESIS_REST=3
	nemesis_begin 4000 900 10000 || return
	while :; do
		round=$((round + 1))
		if ((XPMEM_GUEST == 1)); then
			events=()
			for i in 1 2 3 4; do
				events+=("${NEMESIS_EVENTS[RANDOM % ${#NEMESIS_EVENTS[@]}]}")
			done
			i=go
			((judged < ${NEMESIS_OPERATIONS:-1000000} && SECONDS < until)) || i=end
			echo $i >"$CLUSTER_DIR/round.$round.new"
			mv "$CLUSTER_DIR/round.$round.new" "$CLUSTER_DIR/round.$round"
		fi
		until [[ -e $CLUSTER_DIR/round.$round ]]; do sleep 0.2; done
		[[ $(<"$CLUSTER_DIR/round.$round") == go ]] || break
		nemesis_round "$round" "" "${events[@]}" >"$NEMESIS_DIR/round" 2>&1 ||
			findings=$((findings + 1))
		cat "$NEMESIS_DIR/round"
		number=$(sed -n 's/^\([0-9]*\) operations judged.*/\1/p' "$NEMESIS_DIR/round")
		judged=$((judged + ${number:-0}))
		((XPMEM_GUEST != 1)) || echo "$round rounds, $judged operations judged, $findings bad rounds" |
			tee -a "$CLUSTER_DIR/events"
	done
	nemesis_end && ((findings == 0))
}

# Daemons end, as they are asked or by themselves, and come back before the lease ends.
cluster_daemon_restart() {
	local status=0
	nemesis_begin_patient || return
	nemesis_round asked "--strict 1" "restart TERM 1" "restart TERM 2" "restart-both TERM" ||
		status=1
	nemesis_round killed "" "restart KILL 1" "restart KILL 2" "restart-both KILL" || status=1
	nemesis_end || status=1
	return $status
}

# A number that the daemon counts as home
nemesis_counter() {
	python3 - "$PARTITION_DIR/control.sock" "$1" <<-'EOF'
		import json, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		s.connect(sys.argv[1])
		s.sendall(b'{"command":"counters"}\n')
		print(json.loads(s.makefile().readline())["home"][sys.argv[2]])
	EOF
}

# Reclaim of pages that a partition has whose daemon is stopped
cluster_reclaim() {
	local status=0 program
	export XPMEM_CGROUP=/sys/fs/cgroup/reclaim
	if ((XPMEM_GUEST == 1)); then
		modprobe zram num_devices=1 || return
		echo 256M >/sys/block/zram0/disksize
		mkswap /dev/zram0 >/dev/null && swapon /dev/zram0 && mkdir "$XPMEM_CGROUP" || return
	fi
	XPMEM_EXCHANGE=$CLUSTER_DIR "$build/tests/cluster/programs/reclaim" --ranks 2 \
		--here $((XPMEM_GUEST - 1))-$((XPMEM_GUEST - 1)) --seconds 240 --pages 512 &
	program=$!
	if ((XPMEM_GUEST == 2)); then
		until [[ -e $CLUSTER_DIR/stop ]] || ! kill -0 $program 2>/dev/null; do sleep 0.1; done
		kill -STOP "$PARTITION_PID"
		touch "$CLUSTER_DIR/stopped"
		until [[ -e $CLUSTER_DIR/continue ]] || ! kill -0 $program 2>/dev/null; do sleep 0.1; done
		kill -CONT "$PARTITION_PID"
	fi
	wait $program || status=1
	if ((XPMEM_GUEST == 1)); then
		rmdir "$XPMEM_CGROUP"
		swapoff /dev/zram0 && rmmod zram || status=1
	fi
	return $status
}

# Guest 2 loses power: it has pages of guest 1, which has pages of it. The last test of
# all, as guest 2 does not come back.
cluster_partition_death() {
	local status=0 lines evictions lost
	nemesis_begin 12000 1000 20000 || return
	partition_meet death.begun
	if ((XPMEM_GUEST == 2)); then
		echo 0 >"$CLUSTER_DIR/status.2"
		touch "$XPMEM_EXCHANGE/left.2"
	fi
	lines=$(wc -l <"$PARTITION_LOG")
	XPMEM_EXCHANGE=$CLUSTER_DIR XPMEM_CLOCK=192.0.2.1:7500 \
		"$build/tests/cluster/programs/death" --ranks 2 \
		--here $((XPMEM_GUEST - 1))-$((XPMEM_GUEST - 1)) --seconds 200 --bound-ms "$NEMESIS_BOUND" \
		--fault-ms 20000 || status=1
	((XPMEM_GUEST == 1)) || return 1 # it goes on living
	tail -n +$((lines + 1)) "$PARTITION_LOG" | grep -E 'is evicted|are lost' >"$CLUSTER_DIR/log"
	cut -c 1-160 "$CLUSTER_DIR/log"
	grep -q 'partition 2 did not answer until its lease ran out, and is evicted .*; [1-9][0-9]* pages of which it had the only copy are lost' \
		"$CLUSTER_DIR/log" || { echo "the daemon's log does not tell"; status=1; }
	evictions=$(nemesis_counter evictions)
	lost=$(nemesis_counter lost_pages)
	echo "counters: $evictions evictions, $lost pages lost"
	((evictions > 0 && lost > 0)) || status=1
	nemesis_end || status=1
	return $status
}
