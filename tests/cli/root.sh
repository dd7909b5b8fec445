# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154 # tmp, CLI_DIR are of common.sh and ctest
#
# A machine below $root for xpmem --root, on which all is well: two processes of user
# 1000, one with memory that the other attaches; a module, a library, MPI libraries, a
# daemon with one peer. Tests break it from there.

root=$tmp/root

# put FILE TEXT...: a line of text each
put()
{
	put_to=$root$1
	shift
	mkdir -p "${put_to%/*}"
	printf '%s\n' "$@" >"$put_to"
}

# program FILE LINE...: a shell script
program()
{
	put_program=$1
	shift
	put "$put_program" '#!/bin/sh' "$@"
	chmod 755 "$root$put_program"
}

# modinfo VERSION SRCVERSION SIGNER
modinfo()
{
	# shellcheck disable=SC2016 # for the script
	program /usr/sbin/modinfo '[ "$1 $3" = "-F xpmem" ] || exit 2' 'case $2 in' \
		"version) echo '$1' ;;" "srcversion) echo '$2' ;;" "signer) printf '%s' '$3' ;;" \
		'esac'
}

# library FILE WORDS: a libxpmem, with these symbols
library()
{
	put "$1" "ELF $2"
	# a symbol's name ends with a 0
	printf '%s\0' "$2" >>"$root$1"
	ln -sf "${1##*/}" "$root${1%/*}/libxpmem.so.0"
}

# process PID NAME: of user 1000, with a descriptor
process()
{
	put "/proc/$1/comm" "$2"
	put "/proc/$1/status" "Name:	$2" "Uid:	1000	1000	1000	1000"
	put "/proc/$1/maps" "00400000-00401000 r-xp 00000000 08:01 1234    /usr/bin/$2"
	mkdir -p "$root/proc/$1/fd"
	ln -s /dev/null "$root/proc/$1/fd/0"
	ln -s /dev/xpmem "$root/proc/$1/fd/5"
}

make_root()
{
	put /sys/module/xpmem/version 3.0.0
	put /sys/module/xpmem/srcversion AB12
	put /sys/module/xpmem/parameters/permit_mask 0600
	put /sys/module/xpmem/parameters/max_segments_per_user 65536
	put /sys/module/xpmem/parameters/max_permits_per_user 1048576
	put /sys/module/xpmem/parameters/max_attachments_per_user 4194304
	put /proc/xpmem/counters 'segments 2' 'permits 1' 'attachments 2' 'processes 2' 'users 1' \
		'makes 7' 'faults 12'
	put /proc/xpmem/segments \
		'segid tgid uid gid mode start end permits attachments faults fault_pages invalidations zaps recalls aged' \
		'2251799813685249 100 1000 1000 0600 0x7f0000000000 0x7f0000100000 1 2 12 300 5 4 3 2' \
		'77 100 0 0 0666 0x0 0x7ffffffff000 0 0 0 0 0 0 0 0'
	process 100 owner
	put /proc/100/fdinfo/5 'pos:	0' 'xpmem-segments:	1' 'xpmem-permits:	0' 'xpmem-attachments:	0' \
		'xpmem-segment:	2251799813685249 0x7f0000000000-0x7f0000100000 0600 permits=1 attachments=2 faults=12 pages=300 invalidations=5'
	process 200 'attacher <&>'
	put /proc/200/fdinfo/5 'pos:	0' 'xpmem-segments:	0' 'xpmem-permits:	2' 'xpmem-attachments:	2' \
		'xpmem-permit:	9001 segid=2251799813685249 mode=rw attachments=1' \
		'xpmem-attachment:	9001 addr=0x7fff00001000' \
		'xpmem-permit:	9002 segid=4503599627370497 mode=r attachments=1' \
		'xpmem-attachment:	9002 addr=0x7fff00010000'
	put /proc/200/maps '00400000-00401000 r-xp 00000000 08:01 1234    /usr/bin/attacher' \
		'7fff00001000-7fff00003000 rw-s 00000000 00:0e 1057                      anon_inode:[xpmem]' \
		'7fff00003000-7fff00004000 r--s 00002000 00:0e 1057                      anon_inode:[xpmem]' \
		'7fff00010000-7fff00011000 r--s 00005000 00:0e 1057                      anon_inode:[xpmem]'
	process 300 other
	put /proc/sys/kernel/tainted 12288
	put /proc/sys/kernel/hostname here
	put /proc/sys/vm/unprivileged_userfaultfd 1
	put /proc/sys/vm/nr_hugepages 0
	put /sys/kernel/mm/transparent_hugepage/enabled 'always [madvise] never'
	put /sys/kernel/security/lockdown '[none] integrity confidentiality'
	mkdir -p "$root/dev" "$root/run/xpmem"
	ln -s /dev/null "$root/dev/xpmem"

	put /sys/devices/system/node/online 0-1
	put /sys/devices/system/cpu/online 0-3
	for node in 0 1; do
		put /sys/devices/system/node/node$node/cpumap "$(printf %x $((3 << 2 * node)))"
		put /sys/devices/system/node/node$node/meminfo "Node $node MemTotal: 1048576 kB"
		for cpu in $((2 * node)) $((2 * node + 1)); do
			put /sys/devices/system/cpu/cpu$cpu/topology/thread_siblings $((1 << cpu))
			put /sys/devices/system/cpu/cpu$cpu/topology/core_id $cpu
			put /sys/devices/system/cpu/cpu$cpu/topology/physical_package_id $node
			put /sys/devices/system/cpu/cpu$cpu/topology/core_siblings "$(printf %x $((3 << 2 * node)))"
		done
	done

	modinfo 3.0.0 AB12 ''
	library /usr/lib/libxpmem.so.0.3.0 xpmem_query
	program /usr/sbin/ldconfig "echo '2 libs found in cache'" \
		"echo '	libxpmem.so.0 (libc6,x86-64) => /usr/lib/libxpmem.so.0'" \
		"echo '	libxpmem.so.0 (libc6,x86-64) => /usr/lib/other/libxpmem.so.0'"
	program /usr/bin/ompi_info "echo path:pkglibdir:/usr/lib/openmpi"
	put /usr/lib/openmpi/mca_btl_vader.so ELF
	program /usr/bin/ucx_info "echo '# Library version: 1.13.1'" \
		"echo '# Library path: /usr/lib/libucs.so.0'"
	put /usr/lib/ucx/libuct_xpmem.so.0 ELF
	program /usr/bin/ldd "echo '	linux-vdso.so.1 (0x00007ffd)'" \
		"echo '	libxpmem.so.0 => /usr/lib/libxpmem.so.0 (0x00007f00)'"
	put /etc/xpmem/xpmemd.conf 'number = 1'
	program /usr/sbin/xpmemd "exit 0"

	put /daemon/status '{"version": "3.0.0", "partition": 1, "name": "one", "incarnation": "5f", "uptime_ms": 61000, "grace_ms": 0, "partitions_up": 1, "partitions": 1, "owners": 1}'
	peer true
	put /daemon/segments '{"segments": [{"segid": "8000000000001", "pages": 256, "pid": 100, "connected": true, "lost": "sigbus", "permits": 0}]}'
}

# peer UP
peer()
{
	put /daemon/partitions '{"partitions": [{"number": 2, "name": "two", "address": "tcp://192.0.2.2:7474", "up": '"$1"', "users": "munge", "read_only": false, "pages_max": 0, "bytes_sent": 4096, "bytes_received": 123, "refused": 0}]}'
}

start_daemon()
{
	"$CLI_DIR/stand_in" "$root/run/xpmem/control.sock" "$root/daemon" &
	daemon=$!
	tries=0
	until [ -S "$root/run/xpmem/control.sock" ]; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || die "the stand-in of the daemon does not come up"
		sleep 0.1
	done
}

stop_daemon()
{
	kill "$daemon"
	wait "$daemon" || :
}
