# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The emulated machine: qemu's arguments for a set of options, and whether KVM
# can be trusted.
#
# Invariants:
#  - No device that is not asked for: each one costs boot time.
#  - The host's network is never touched: links between guests are unix
#    datagram sockets in a directory of the group.
#  - KVM is used only after a guest got to user space with it on this very host
#    boot and qemu. That the device opens proves nothing: in a virtual machine
#    without working nested virtualization it does, and guests hang.
#
# shellcheck disable=SC2054 # qemu's words have commas

# set_accel WANTED: turns tcg, auto or kvm into ACCEL=tcg or ACCEL=kvm.
set_accel() {
	ACCEL=tcg
	case $1 in
	tcg) ;;
	auto) ! kvm_works || ACCEL=kvm ;;
	kvm)
		kvm_works || die "KVM does not work here: $KVM_REASON"
		ACCEL=kvm
		;;
	esac
}

kvm_works() {
	local key boot_id=none
	if [[ ! -e /dev/kvm ]]; then
		KVM_REASON="there is no /dev/kvm"
		return 1
	fi
	if [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
		KVM_REASON="no permission for /dev/kvm"
		return 1
	fi
	[[ ! -r /proc/sys/kernel/random/boot_id ]] ||
		boot_id=$(</proc/sys/kernel/random/boot_id)
	key=$VM_CACHE/kvm-$(printf '%s %s' "$boot_id" "$(qemu-system-x86_64 --version)" |
		sha256sum | cut -c 1-12)
	[[ -e $key ]] || with_lock "$VM_CACHE/kvm.lock" probe_kvm "$key"
	KVM_REASON="the probe guest did not reach user space"
	[[ $(<"$key") == works ]]
}

# Boots the kernel at hand with an initramfs that says so and powers off.
probe_kvm() {
	local key=$1 log=$RUN_DIR/probe.log start=$EPOCHREALTIME pid result=broken
	[[ ! -e $key ]] || return 0
	say "probing KVM with a guest (once a host boot, at most 20 s)"
	: >"$log"
	setpriv --pdeathsig KILL qemu-system-x86_64 -nodefaults -no-user-config \
		-display none -no-reboot -machine q35 -accel kvm -cpu max -m 512 \
		-kernel "$KERNEL_DIR/kernel" -initrd "$INITRAMFS" \
		-append "console=ttyS0 panic=-1 xpmem_vm=probe" \
		-serial file:"$log" </dev/null >>"$RUN_DIR/probe.err" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null && (($(elapsed_ms "$start") < 20000)); do
		nap 0.1
	done
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null || :
	! grep -aq 'xpmem-vm: probe reached user space' "$log" || result=works
	rm -f -- "$VM_CACHE"/kvm-*
	printf '%s\n' "$result" >"$key"
	say "KVM $result"
}

# set_tsc_khz: sets TSC_KHZ to the frequency of the host's time stamp counter, which an
# emulated guest reads as its own; to nothing if it can't be known. Once a host boot.
set_tsc_khz() {
	local file=$VM_CACHE/tsc-none
	TSC_KHZ=
	[[ ! -r /proc/sys/kernel/random/boot_id ]] ||
		file=$VM_CACHE/tsc-$(</proc/sys/kernel/random/boot_id)
	[[ -e $file ]] || with_lock "$VM_CACHE/tsc.lock" measure_tsc "$file"
	! read -r TSC_KHZ <"$file" || [[ $TSC_KHZ =~ ^[0-9]{6,8}$ ]] || TSC_KHZ=
}

measure_tsc() {
	local file=$1 program=$RUN_DIR/tsc
	[[ ! -e $file ]] || return 0
	rm -f -- "$VM_CACHE"/tsc-*
	{ cc -O1 -o "$program" "$VM_DIR/tsc.c" && "$program"; } >"$file.new" 2>"$RUN_DIR/tsc.err" ||
		say "the time stamp counter can't be measured (cc?): on a busy host a guest's clock may be wrong"
	mv -- "$file.new" "$file"
}

# The MAC address of a link's end: the last two bytes are the guest that has it
# and the guest at the other end, which is how guest-init names its links.
link_address() { printf '52:54:00:78:%02x:%02x' "$1" "$2"; }

# machine_args: fills MACHINE from the options and RUN_DIR.
machine_args() {
	local node cpu first memory rest append smp=$OPT_CPUS
	# A socket must not be on two nodes, or the kernel warns.
	if ((OPT_NUMA > 1 && OPT_CPUS % OPT_NUMA == 0)); then
		smp+=,sockets=$OPT_NUMA,cores=$((OPT_CPUS / OPT_NUMA)),threads=1
	elif ((OPT_NUMA > 1)); then
		smp+=,sockets=$OPT_CPUS,cores=1,threads=1
	fi
	MACHINE=(-nodefaults -no-user-config -display none -vga none -no-reboot
		-machine q35,smm=off,vmport=off -rtc base=utc
		-smp "$smp" -m "$OPT_MEM"
		-kernel "$KERNEL_DIR/kernel" -initrd "$INITRAMFS")

	# Emulation pays for five-level page tables at each TLB miss, for PCID
	# without having its gain, and for byte-wise string instructions (which
	# "enhanced rep movsb" makes the kernel and glibc prefer) byte by byte.
	local cpu_model=max,la57=off,pcid=off,erms=off,fsrm=off
	if [[ -n $OPT_ICOUNT ]]; then
		# The seed feeds the emulated RDRAND: without it two runs differ.
		MACHINE+=(-accel tcg,thread=single -cpu "$cpu_model"
			-icount shift=0,sleep=off -seed 1)
	elif [[ $ACCEL == kvm ]]; then
		MACHINE+=(-accel kvm -cpu max)
	else
		MACHINE+=(-accel tcg,thread=multi -cpu "$cpu_model")
	fi

	# Later words win, so --append can change any of these.
	append="console=ttyS0,115200 ignore_loglevel printk.time=1 printk.devkmsg=on"
	append+=" panic=-1 oops=panic random.trust_cpu=on mitigations=off"
	append+=" no_timer_check tsc=reliable cryptomgr.notests"
	if [[ -n $OPT_ICOUNT ]]; then
		# The counter runs at 1 GHz exactly. Measuring that against another
		# timer gives 999.999 MHz now and then, so there is none to measure
		# against.
		append+=" nokaslr norandmaps tsc_early_khz=1000000 hpet=disable pmtmr=0"
	elif [[ $ACCEL == tcg ]]; then
		# A kernel that measures the counter itself, on a busy host, takes it for
		# up to eight times slower than it is, and then its clock runs away.
		set_tsc_khz
		[[ ! $TSC_KHZ ]] || append+=" tsc_early_khz=$TSC_KHZ"
	fi
	if ((OPT_HUGEPAGES)); then
		append+=" hugepagesz=2M hugepages=$OPT_HUGEPAGES"
	fi
	MACHINE+=(-append "$append${OPT_APPEND:+ $OPT_APPEND}")

	# Memory and CPUs are divided evenly; the first nodes get the rest.
	if ((OPT_NUMA > 1)); then
		first=0 rest=$OPT_MEM
		for ((node = 0; node < OPT_NUMA; node++)); do
			memory=$((rest / (OPT_NUMA - node)))
			cpu=$(((OPT_CPUS - first + OPT_NUMA - node - 1) / (OPT_NUMA - node)))
			MACHINE+=(-object "memory-backend-ram,id=mem$node,size=${memory}M"
				-numa "node,nodeid=$node,memdev=mem$node$(
					((cpu)) && printf ',cpus=%d-%d' "$first" "$((first + cpu - 1))"
				)")
			first=$((first + cpu)) rest=$((rest - memory))
		done
	fi

	# No user's option reaches these paths unquoted: qemu wants commas doubled.
	MACHINE+=(-chardev "file,id=console,path=${LOG//,/,,}" -serial chardev:console
		-fsdev "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"
		-device virtio-9p-pci,fsdev=root,mount_tag=root
		-fsdev "local,id=ctl,path=${RUN_DIR//,/,,}/ctl,security_model=none"
		-device virtio-9p-pci,fsdev=ctl,mount_tag=ctl
		-fsdev "local,id=exchange,path=${EXCHANGE//,/,,},security_model=none,multidevs=remap"
		-device virtio-9p-pci,fsdev=exchange,mount_tag=exchange)
	if ((OPT_DISK)); then
		MACHINE+=(-drive "if=none,id=disk,format=raw,cache=unsafe,file=${RUN_DIR//,/,,}/disk"
			-device virtio-blk-pci,drive=disk)
	fi
	for ((node = 1; node <= NET_COUNT; node++)); do
		((node != NET_INDEX)) || continue
		MACHINE+=(-netdev "dgram,id=to$node,local.type=unix,local.path=${NET_DIR//,/,,}/$NET_INDEX-$node,remote.type=unix,remote.path=${NET_DIR//,/,,}/$node-$NET_INDEX"
			-device "virtio-net-pci,netdev=to$node,mac=$(link_address "$NET_INDEX" "$node"),romfile=")
	done
	if [[ $MODE == shell ]]; then
		MACHINE+=(-chardev stdio,id=terminal,signal=off -device isa-serial,chardev=terminal)
	fi
}
