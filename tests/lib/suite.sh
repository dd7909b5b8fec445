# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The tests by name, how each kind is run, and the count. To be sourced by
# ./run-tests, in the top directory, after prepare.sh.
#
# Names: unit.* are ctest tests on this machine; vm.selftest tests the guest
# harness, as far as it goes without a guest; guest.* are programs of tests/guest;
# mpi.* are runs of the examples; cluster.* run on guests that are partitions; guest.log,
# guest.log-giant, cluster.log and cluster.log-3 are the verdicts on the kernels' logs; fuzz.* are fuzzers
# of tests/fuzz;
# bench.instructions is tests/bench/gate, in a guest of its own.

SUITE_PASSED=0 SUITE_FAILED=0 SUITE_SKIPPED=0 SUITE_PATTERNS=()

# In two guests that are two partitions, in the last test one of them loses power; in three
SUITE_CLUSTER=(queue heat owner-events litmus history fabric vsock munge security hugetlb reclaim daemon-restart nemesis partition-death)
SUITE_CLUSTER_3=(queue-3 heat-3 litmus-3)
# Run when a pattern asks for them, and not else: they take long
SUITE_BY_NAME=(cluster.daemon-restart cluster.nemesis cluster.heat-3 cluster.litmus-3)

# What failed tests printed, said again at the end where a reader of a long log looks
SUITE_FAILURES=()

# The examples in the guest: with so many ranks; with ranks that die and hang;
# the smallest one, and pages that move between nodes
SUITE_MPI=(heat-2 heat-4 heat-faults transfer-2 transfer-3 hello numa)

# The guest: two nodes; some memory of each can be taken offline.
SUITE_GUEST=(--cpus 2 --mem 2560 --numa 2 --zram 512 --disk 256 --hugepages 64
	--append "secretmem.enable=1 movablecore=768M")

# Those that want another guest: one with two pages of 1 GiB
SUITE_GIANT=(giant_entries)
SUITE_GIANT_GUEST=(--cpus 2 --mem 4608 --disk 64 --append "hugepagesz=1G hugepages=2")

suite_begin() { SUITE_PATTERNS=("$@"); }

suite_wants() {
	local pattern
	if ((!${#SUITE_PATTERNS[@]})); then
		[[ " ${SUITE_BY_NAME[*]} " != *" $1 "* ]]
		return
	fi
	for pattern in "${SUITE_PATTERNS[@]}"; do
		# shellcheck disable=SC2053 # it is a pattern
		[[ $1 != $pattern ]] || return 0
	done
	return 1
}

# suite_result WORD NAME SECONDS [LINE...], the lines being what it printed
suite_result() {
	local lines=("${@:4}")
	((${#lines[@]} <= 40)) || lines=("${lines[@]: -40}")
	case $1 in
	ok) SUITE_PASSED=$((SUITE_PASSED + 1)) ;;
	skip) SUITE_SKIPPED=$((SUITE_SKIPPED + 1)) ;;
	*)
		SUITE_FAILED=$((SUITE_FAILED + 1))
		SUITE_FAILURES+=("failed: $2" "${lines[@]}")
		;;
	esac
	printf '%-6s %-40s %5s s\n' "$1" "$2" "$3"
}

suite_end() {
	((SUITE_FAILED == 0)) || printf '%s\n' '' "${SUITE_FAILURES[@]}" ''
	printf '%d passed, %d failed, %d skipped\n' $SUITE_PASSED $SUITE_FAILED $SUITE_SKIPPED
	((SUITE_FAILED == 0 && SUITE_PASSED > 0))
}

suite_unit_names() {
	ctest --test-dir build/debug -N | sed -n 's/^ *Test *#[0-9]*: *//p'
}

suite_vm_names() {
	printf 'vm.selftest\n'
}

suite_run_vm() {
	local start=$SECONDS word=ok lines=()
	suite_wants vm.selftest || return 0
	tests/vm/selftest --quick >build/log/vm-selftest.log 2>&1 || word=not-ok
	[[ $word == ok ]] || mapfile -t lines < <(grep '^not ok' build/log/vm-selftest.log)
	suite_result $word vm.selftest $((SECONDS - start)) "${lines[@]}"
}

suite_cluster_names() {
	printf 'cluster.%s\n' "${SUITE_CLUSTER[@]}" "${SUITE_CLUSTER_3[@]}"
}

# suite_run_cluster RELEASE MODULES
suite_run_cluster() {
	suite_run_partitions 2 cluster.log "$1" "$2" "${SUITE_CLUSTER[@]}"
	suite_run_partitions 3 cluster.log-3 "$1" "$2" "${SUITE_CLUSTER_3[@]}"
}

# suite_run_partitions GUESTS LOG RELEASE MODULES NAME...: those that are wanted, in so
# many guests; LOG is the test that these had nothing to complain about
suite_run_partitions() {
	local guests=$1 log=$2 release=$3 modules=$4 status=0 word name seconds ended=''
	local start=$SECONDS lines=() console=build/log/cluster-console
	local -a tests
	shift 4
	mapfile -t tests < <(printf 'cluster.%s\n' "$@" | suite_select | sed 's/^cluster\.//')
	((${#tests[@]})) || return 0
	((guests == 2)) || console+=-$guests
	rm -f build/log/cluster-status
	while read -r word name seconds; do
		case $word in
		ok | not-ok | skip)
			suite_result "$word" "$name" "$seconds" "${lines[@]}"
			lines=()
			;;
		end) ended=1 ;;
		*)
			lines+=("       $word $name $seconds")
			printf '%s\n' "${lines[-1]}"
			;;
		esac
	done < <(
		tests/vm/vm group --guests "$guests" --kernel "$release" --cpus 2 --mem 1024 \
			--timeout 2400 --log "$console.log" -- \
			tests/cluster/in-guest "$modules" build/release "${tests[@]}" |
			sed -u -e 's/^guest1: //' -e '/^guest[2-9]: end$/d'
		echo "${PIPESTATUS[0]}" >build/log/cluster-status
	)
	read -r status <build/log/cluster-status
	if [[ $ended && $status -le 1 ]]; then
		suite_result ok "$log" $((SECONDS - start))
	else
		lines=("       the guests ended with status $status; their consoles: $console.*")
		echo "${lines[-1]}"
		suite_result not-ok "$log" $((SECONDS - start)) "${lines[@]}"
	fi
}

suite_fuzz_names() {
	local file
	for file in tests/fuzz/fuzz_*.c; do
		file=${file##*/fuzz_}
		printf 'fuzz.%s\n' "${file%.c}"
	done
}

# Each for a minute, as many at once as there are processors
# shellcheck disable=SC2016 # the string is bash's
suite_run_fuzz() {
	local name status seconds word lines
	while read -r name status seconds; do
		word=ok lines=()
		if ((status)); then
			word=not-ok
			mapfile -t lines < <(tail -n 20 "build/log/$name.log" "build/fuzz/${name#fuzz.}.log" 2>&1)
			printf '       %s\n' "${lines[@]}"
		fi
		suite_result $word "$name" "$seconds" "${lines[@]/#/       }"
	done < <(suite_fuzz_names | suite_select | xargs -r -P "$(nproc)" -I{} bash -c '
		name={}
		tests/fuzz/run --seconds "${XPMEM_FUZZ_SECONDS:-60}" "${name#fuzz.}" >"build/log/$name.log" 2>&1
		echo "$name $? $SECONDS"')
}

suite_bench_names() {
	printf 'bench.instructions\n'
}

# suite_run_bench RELEASE
suite_run_bench() {
	local start=$SECONDS word=ok status lines=()
	suite_wants bench.instructions || return 0
	tests/bench/gate --kernel "$1" >build/log/bench-gate.log 2>&1
	status=$?
	case $status in
	0) ;;
	77) word=skip ;;
	*)
		word=not-ok
		mapfile -t lines < <(grep '^not-ok' build/log/bench-gate.log)
		((${#lines[@]})) || mapfile -t lines < <(tail -n 5 build/log/bench-gate.log)
		printf '       %s\n' "${lines[@]}"
		;;
	esac
	suite_result $word bench.instructions $((SECONDS - start)) "${lines[@]/#/       }"
}

suite_guest_names() {
	local program
	for program in build/release/tests/guest/programs/*; do
		printf 'guest.%s\n' "${program##*/}"
	done
	echo guest.cli
}

suite_mpi_names() {
	printf 'mpi.%s\n' "${SUITE_MPI[@]}"
}

# The names of stdin that are wanted
suite_select() {
	local name
	while read -r name; do
		suite_wants "$name" && printf '%s\n' "$name"
	done
	return 0
}

suite_run_unit() {
	local names regex line word name='' seconds lines=()
	mapfile -t names < <(suite_unit_names | suite_select)
	((${#names[@]})) || return 0
	regex=$(printf '%s\n' "${names[@]}" | sed 's/[.+]/\\&/g' | paste -sd '|')
	while IFS= read -r line; do
		# "12/71 Test #3: unit.x ....   Passed    0.02 sec", and what it printed
		if ! [[ $line =~ ^\ *[0-9]+/[0-9]+\ Test\ +\#[0-9]+:\ ([^ ]+)\ \.*\**\ *(.*[^ ])\ +([0-9.]+)\ sec ]]; then
			lines+=("       $line")
			continue
		fi
		[[ ! $name ]] || suite_result "$word" "$name" "$seconds" "${lines[@]}"
		name=${BASH_REMATCH[1]} seconds=${BASH_REMATCH[3]} lines=()
		case ${BASH_REMATCH[2]} in
		Passed) word=ok ;;
		*Skipped) word=skip ;;
		*) word=not-ok ;;
		esac
	done < <(ctest --test-dir build/debug -R "^($regex)\$" --parallel "$(nproc)" \
		--output-on-failure 2>&1 | tee build/log/unit.log)
	[[ ! $name ]] || suite_result "$word" "$name" "$seconds" "${lines[@]}"
}

# suite_run_guest RELEASE MODULES
suite_run_guest() {
	local names usual giant mpi
	names=$(suite_guest_names | suite_select | sed 's/^guest\.//')
	usual=$(grep -vxF "$(printf '%s\n' "${SUITE_GIANT[@]}")" <<<"$names")
	giant=$(grep -xF "$(printf '%s\n' "${SUITE_GIANT[@]}")" <<<"$names")
	mpi=$(suite_mpi_names | suite_select | sed 's/^mpi\.//')
	suite_run_programs guest.log "$1" "$2" "$usual" "$mpi" "${SUITE_GUEST[@]}"
	suite_run_programs guest.log-giant "$1" "$2" "$giant" '' "${SUITE_GIANT_GUEST[@]}"
}

# suite_run_programs LOG RELEASE MODULES PROGRAMS MPI OPTION...: in a guest with these
# options; LOG is the test that its kernel had nothing to complain about
suite_run_programs() {
	local log=$1 release=$2 modules=$3 status=0 word name seconds ended='' start=$SECONDS lines=()
	local console=build/log/guest-console${1#guest.log}
	local -a programs mpi limit=(--timeout 2400)
	read -rd '' -a programs <<<"$4"
	read -rd '' -a mpi <<<"$5"
	shift 5
	((${#programs[@]} + ${#mpi[@]})) || return 0
	[[ $release != *-xpmem-debug ]] || limit=(--timeout 14400)
	rm -f build/log/guest-status
	while read -r word name seconds; do
		case $word in
		ok | not-ok | skip)
			suite_result "$word" "$name" "$seconds" "${lines[@]}"
			lines=()
			;;
		end) ended=1 ;;
		*)
			lines+=("       $word $name $seconds")
			printf '%s\n' "${lines[-1]}"
			;;
		esac
	done < <(
		tests/vm/vm run --kernel "$release" "$@" "${limit[@]}" --log "$console.log" -- \
			tests/guest/in-guest "$modules" build/release "${programs[*]}" "${mpi[*]}"
		echo $? >build/log/guest-status
	)
	read -r status <build/log/guest-status
	# A failed program alone makes the status 1 and is counted; the rest is the guest.
	if [[ $ended && $status -le 1 ]]; then
		suite_result ok "$log" $((SECONDS - start))
	else
		lines=("       the guest ended with status $status; its console: $console.log")
		echo "${lines[-1]}"
		suite_result not-ok "$log" $((SECONDS - start)) "${lines[@]}"
	fi
}
