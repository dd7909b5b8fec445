# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Memory of hugetlb that other partitions store to: the parts that guests play in
# cluster.hugetlb. What the owner does to it is a part of cluster.owner-events.

# Pages of hugetlb are split while all ranks load and store.
hugetlb_history() {
	local status=0
	cluster_program 2 history --operations "${CLUSTER_OPERATIONS:-1000}" --registers 32 --hugetlb 8 \
		--seconds 600 || status=$?
	partition_meet hugetlb.written
	((XPMEM_GUEST == 1 && status == 0)) || return $status
	"$build/tests/cluster/programs/linearize" "$CLUSTER_DIR"/history.*
}

# Then while daemons are killed, too: a page that its owner unmaps or moves, and maps anew.
hugetlb_under_load() {
	local status=0
	nemesis_begin_patient || return
	hugetlb_history || status=1
	! dmesg | grep "xpmemd does not read" || status=1
	partition_meet hugetlb.judged
	nemesis_round hugetlb "--hugetlb 1" "restart KILL 1" "restart KILL 2" || status=1
	nemesis_end || status=1
	return $status
}

# No more than the user may; and what else is in the page is not lost with a part of it.
hugetlb_limit() {
	local holder
	local -A SECURITY_OWNER
	security_begin || return
	partition_restart "$build" "hugetlb_per_user = 2M" || return
	security_await_up "with hugetlb_per_user"
	security_mark_log
	security_home security_share pages hugetlb
	partition_meet hugetlb.shared
	if ((XPMEM_GUEST == 2)); then
		(security_as $SECURITY_USER "$SECURITY_PROGRAMS/knock" get \
			"$(security_segid pages)" hold >/run/knock.hold 2>&1) &
		holder=$!
		until [[ -s /run/knock.hold ]] || ! kill -0 $holder; do sleep 0.05; done
		security_is "a store to hugetlb" 4711 "$(cat /run/knock.hold)"
		security_get "a load of what is of hugetlb" 4711 $SECURITY_USER "$(security_segid pages)" read
		security_get "a store to more of it than the user may" "access: SIGBUS" $SECURITY_USER \
			"$(security_segid pages)" second
		kill -STOP "$PARTITION_PID"
	fi
	partition_meet hugetlb.stopped
	if ((XPMEM_GUEST == 1)); then
		security_logged "more than the user may" "hugetlb_per_user of xpmemd.conf (2097152 bytes) is reached"
		kill "${SECURITY_OWNER[pages]}"
		wait "${SECURITY_OWNER[pages]}"
		security_is "what the owner has of the three" "SIGBUS 4711 4711" \
			"$(tail -n 3 /run/knock.pages | xargs)"
		security_logged "the page of the partition that is stopped" "is evicted (epoch [0-9]*); 1 pages"
	fi
	partition_meet hugetlb.looked
	if ((XPMEM_GUEST == 2)); then
		kill -CONT "$PARTITION_PID"
		kill "$holder"
		wait "$holder"
	fi
	partition_restart "$build" || return
	return $SECURITY_FAILED
}

cluster_hugetlb() {
	local status=0
	sysctl -q -w vm.nr_hugepages=32 || return
	hugetlb_limit || status=1
	partition_meet hugetlb.limited
	hugetlb_under_load || status=1
	sysctl -q -w vm.nr_hugepages=0 || status=1
	return $status
}
