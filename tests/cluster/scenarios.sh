# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The parts that guests play in the tests of partitions: one function a test, called
# in all guests at once. $CLUSTER_DIR is a folder that they share.

# Ranks on every guest, started by guest 1; the others wait for the end.
cluster_mpirun() {
	local hosts status i
	if ((XPMEM_GUEST != 1)); then
		until [[ -e $CLUSTER_DIR/mpi.done ]]; do sleep 0.2; done
		return 0
	fi
	hosts=$(for ((i = 1; i <= XPMEM_GUESTS; i++)); do echo "guest$i:4"; done | paste -sd ,)
	OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout -k 5 300 mpirun \
		--mca plm_rsh_agent "$PWD/tests/cluster/rsh" --host "$hosts" \
		--mca btl self,vader,tcp --mca pml ob1 --mca mpi_yield_when_idle 1 \
		--mca btl_vader_single_copy_mechanism none --mca hwloc_base_binding_policy none \
		--mca btl_tcp_if_include 192.0.2.0/24 --mca oob_tcp_if_include 192.0.2.0/24 \
		--map-by node "$@" </dev/null
	status=$?
	touch "$CLUSTER_DIR/mpi.done"
	return $status
}

# cluster_heat [STEPS]: the stencil with a rank on each partition has the same bits as by
# MPI's messages
cluster_heat() {
	cluster_mpirun -n "$XPMEM_GUESTS" "$build/mpi-examples/heat/heat" --steps "${1:-20}" \
		mpi-examples/heat/plate.heat
}

# cluster_queue [JOBS]: a queue whose owner polls what ranks of other partitions write
cluster_queue() {
	cluster_mpirun -n $((XPMEM_GUESTS + 1)) "$build/mpi-examples/queue/queue" "${1:-200}" 1000
}

# cluster_program RANKS-OF-A-GUEST NAME [OPTION...]: a program of this directory
cluster_program() {
	local each=$1 program=$2
	shift 2
	XPMEM_EXCHANGE=$CLUSTER_DIR XPMEM_CLOCK=192.0.2.1:7500 "$build/tests/cluster/programs/$program" \
		--ranks $((each * XPMEM_GUESTS)) \
		--here $(((XPMEM_GUEST - 1) * each))-$((XPMEM_GUEST * each - 1)) "$@"
}

# Loads and stores of several partitions are those of one memory.
cluster_litmus() {
	cluster_program 2 litmus --iterations "${CLUSTER_ITERATIONS:-128}" --seconds 600
}

# Whatever the owner does to memory that another partition has
cluster_owner_events() {
	local status=0
	sysctl -q -w vm.nr_hugepages=8 || return
	cluster_program 1 owner_events --seconds 600 --hugetlb 1 || status=$?
	sysctl -q -w vm.nr_hugepages=0
	return $status
}

# Everything that was read or written, checked for linearizability of each word
cluster_history() {
	local status=0
	cluster_program 2 history --operations "${CLUSTER_OPERATIONS:-1000}" --seconds 600 ||
		status=$?
	partition_meet history.written
	((XPMEM_GUEST == 1 && status == 0)) || return $status
	"$build/tests/cluster/programs/linearize" "$CLUSTER_DIR"/history.*
}

# The link to each other guest is a fabric, too: RDMA over Ethernet, by software.
cluster_fabric_devices() {
	local i
	modprobe rdma_rxe && modprobe rdma_ucm || return
	for ((i = 1; i <= XPMEM_GUESTS; i++)); do
		((i == XPMEM_GUEST)) || rdma dev show "rxe$i" >/dev/null 2>&1 ||
			rdma link add "rxe$i" type rxe netdev "to$i" || return
	done
}

# What is cut is RoCE alone, and what this guest gets of it.
cluster_fabric_cut() {
	tc qdisc add dev "$1" clsact && tc filter add dev "$1" ingress protocol ip u32 \
		match ip protocol 17 0xff match ip dport 4791 0xffff action drop
}

# cluster_fabric_await UP: until it is 1 or 0
cluster_fabric_await() {
	local up=2 start=$EPOCHREALTIME ms=0
	while ((up != $1 && ms < 60000)); do
		sleep 0.1
		up=$(partition_metric xpmemd_fabric_up)
		ms=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
	done
	echo "connected on the fabric: $up after $ms ms"
	((up == $1))
}

cluster_fabric_bytes() {
	partition_metric "xpmemd_fabric_bytes_total{partition=\"guest$((3 - XPMEM_GUEST))\",direction=\"$1\"}"
}

# cluster_fabric_passed SENT RECEIVED AT-LEAST: that much more than before did, both ways
cluster_fabric_passed() {
	local sent received
	sent=$(($(cluster_fabric_bytes sent) - $1))
	received=$(($(cluster_fabric_bytes received) - $2))
	echo "$sent bytes of pages sent by the fabric, $received received"
	((sent >= $3 && received >= $3))
}

# It has the fabric as another user, without capabilities, and locked in.
cluster_fabric_is_locked() {
	local line text
	text=$(<"/proc/$(pgrep -x xpmemd-net)/status") || return
	for line in 'Uid:	65534	65534	65534	65534' 'Groups:	 ' 'CapEff:	0000000000000000' \
		'NoNewPrivs:	1' 'Seccomp:	2'; do
		[[ $'\n'$text$'\n' == *$'\n'"$line"$'\n'* ]] || { echo "xpmemd-net: not \"$line\""; return 1; }
	done
}

# Four ranks read and write until there is a file `stop`; no operation may fail.
cluster_fabric_load() {
	mkdir -p "$CLUSTER_DIR"
	cluster_program 2 history --operations 100000 --least 40 --strict 1 --seconds 200 &
	load=$!
}

# cluster_fabric_until COMMAND...: while there is load
cluster_fabric_until() {
	until "$@" >/dev/null; do
		kill -0 "$load" 2>/dev/null || { echo "no load any more: $*"; return 1; }
		sleep 0.1
	done
}

# All guests have what they waited for: the load ends, and is judged.
cluster_fabric_judge() {
	local status=0
	partition_meet "${CLUSTER_DIR##*/}.enough"
	touch "$CLUSTER_DIR/stop"
	wait "$load" || status=1
	partition_meet "${CLUSTER_DIR##*/}.written"
	((XPMEM_GUEST == 1)) || return $status
	"$build/tests/cluster/programs/linearize" "$CLUSTER_DIR"/history.* || status=1
	return $status
}

# cluster_fabric_by_tls BEFORE: as many bytes as only pages make
cluster_fabric_by_tls() {
	local bytes=$(($(partition_metric xpmemd_transport_bytes_total) - $1))
	echo "$bytes bytes by TLS while it was cut"
	((bytes > 1 << 17))
}

# Pages pass a fabric: what is right over TLS is right over it, and they did. It is cut
# under load: nothing is lost, and all goes on by TLS, and by the fabric when it is whole again.
cluster_fabric() {
	local status=0 sent received tls load shared=$CLUSTER_DIR to=to$((3 - XPMEM_GUEST))
	local PARTITION_FABRIC=verbs
	cluster_fabric_devices || { echo "no soft-RoCE in this kernel"; return 77; }
	# For slow guests: RoCE finds out that a packet is lost in 2 s.
	partition_restart "$build" "lease_ms = 9000" || return
	cluster_fabric_await 1 || status=1
	cluster_fabric_is_locked || status=1
	partition_meet fabric.up
	cluster_program 1 owner_events --seconds 300 || status=1
	cluster_fabric_passed 0 0 $((1 << 16)) || status=1
	partition_meet fabric.events

	sent=$(cluster_fabric_bytes sent)
	received=$(cluster_fabric_bytes received)
	CLUSTER_DIR=$shared/cut
	cluster_fabric_load
	cluster_fabric_until cluster_fabric_passed "$sent" "$received" $((1 << 16)) || status=1
	((XPMEM_GUEST == 1)) || cluster_fabric_cut "$to" || status=1
	partition_meet fabric.cut
	cluster_fabric_await 0 || status=1
	sent=$(cluster_fabric_bytes sent)
	received=$(cluster_fabric_bytes received)
	tls=$(partition_metric xpmemd_transport_bytes_total)
	cluster_fabric_until cluster_fabric_by_tls "$tls" || status=1
	cluster_fabric_judge || status=1
	cluster_fabric_by_tls "$tls"
	! cluster_fabric_passed "$sent" "$received" 1 || status=1
	partition_meet fabric.went-on

	((XPMEM_GUEST == 1)) || tc qdisc del dev "$to" clsact || status=1
	cluster_fabric_await 1 || status=1
	partition_meet fabric.whole
	CLUSTER_DIR=$shared/whole
	cluster_fabric_load
	cluster_fabric_until cluster_fabric_passed "$sent" "$received" $((1 << 16)) || status=1
	cluster_fabric_judge || status=1
	cluster_fabric_passed "$sent" "$received" $((1 << 16))
	partition_meet fabric.counted

	CLUSTER_DIR=$shared
	PARTITION_FABRIC='' partition_restart "$build" || status=1
	partition_meet fabric.off
	return $status
}

# cluster_cases PROGRAM CASE...: cases of a program of tests/
cluster_cases() {
	local program=$1 name
	shift
	for name in "$@"; do
		CK_RUN_CASE=$name "$build/tests/$program" || return
	done
}

# Sessions, and two daemons with a module of the test's, over AF_VSOCK in one guest: what
# an emulated processor does in a minute of what unit.* does over TCP
cluster_vsock() {
	((XPMEM_GUEST == 1)) || return 0
	modprobe vsock_loopback || return 77
	export XPMEM_TEST_TRANSPORT=vsock XPMEM_TEST_PATIENCE=6 CK_TIMEOUT_MULTIPLIER=6
	cluster_cases wire/test_session psk wrong_key x509 x509_wrong_client plaintext \
		tls_without_identity reconnect listener_dies both_call &&
		cluster_cases wire/test_traffic frames not_home evil_client sparse bulk_is_full &&
		cluster_cases wire/test_net_session psk reconnect &&
		cluster_cases wire/test_net_traffic frames sparse &&
		cluster_cases daemon/test_daemon loads stores network_begins_anew
}

# The same on three partitions, where pages also go from one that asks to another
cluster_heat_3() { cluster_heat 5; }
cluster_queue_3() { cluster_queue 50; }

# IRIW, the test that takes more than two: a rank a partition, so its two variables are of
# different homes. In six rounds every rank has every role, with the variables at two pairs
# of homes.
cluster_litmus_3() {
	cluster_program 1 litmus --test 8 --iterations "${CLUSTER_ITERATIONS:-768}" --seconds 600
}
