#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The command xpmem on a machine made for it (root.sh). $1 is the case:
#
# documented   help, man page and bash's completion know the same verbs and options
# arguments    what is wrong on a command line is said, with exit status 2
# status, segments, attachments, partitions, topo, drain
#              the verb tells what there is
# own          a user who may not read /proc/xpmem/segments sees his own, and is told so
# schema       all JSON is as cli/xpmem.schema.json says, which would notice
# doctor       nothing is wrong on a machine on which nothing is, and each of the
#              set-ups that are broken on purpose has its one finding
# absent       without module and daemon, each verb says so

# shellcheck source-path=SCRIPTDIR source=../unit/common.sh
. "$SOURCE_DIR/tests/unit/common.sh"
# shellcheck source-path=SCRIPTDIR source=root.sh
. "$SOURCE_DIR/tests/cli/root.sh"

xpmem=$BUILD_DIR/cli/xpmem
[ -x "$xpmem" ] || { echo "skipped: the command is not built"; exit 77; }
unset LD_LIBRARY_PATH

# run WORDS...: below the root; sets output, errors, status
run()
{
	status=0
	"$xpmem" "$@" --root "$root" >"$tmp/out" 2>"$tmp/err" || status=$?
	output=$(cat "$tmp/out")
	errors=$(cat "$tmp/err")
}

# has WHAT PATTERN: a line of the output
has()
{
	printf '%s\n' "$output" | grep -qE -- "$2" || die "$1: no '$2' in: $output $errors"
	echo "ok: $1"
}

verbs=$("$xpmem" --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p')

# options VERB: as --help tells them
options()
{
	"$xpmem" "$1" --help | grep -oE -- '--[a-z-]+' |
		grep -vE '^--(help|usage|version)$' | sort -u
}

documented()
{
	page=$SOURCE_DIR/docs/man/xpmem.1.scd
	same "verbs of the page" "$(printf '%s\n' "$verbs")" \
		"$(sed -n '/^# VERBS/,/^# /s/^## //p' "$page")"
	"$xpmem" --completion >"$tmp/completion"
	cmp "$tmp/completion" "$SOURCE_DIR/cli/xpmem.bash" ||
		die "cli/xpmem.bash is not what xpmem --completion prints"
	# shellcheck disable=SC2016 # for bash
	complete='source "$1"; shift; COMP_WORDS=("$@" --) COMP_CWORD=$#; _xpmem; printf "%s\n" "${COMPREPLY[@]}"'
	for verb in $verbs; do
		options "$verb" >"$tmp/help"
		# the verb's section, and the one of the options that all have
		{
			sed -n "/^## $verb\$/,/^#/p" "$page"
			sed -n '/^# OPTIONS/,/^# VERBS/p' "$page"
		} | grep -E '^\*-' | grep -oE -- '--[a-z-]+' | sort -u >"$tmp/page"
		same "options of $verb on the page" "$(cat "$tmp/help")" "$(cat "$tmp/page")"
		bash -c "$complete" bash "$SOURCE_DIR/cli/xpmem.bash" xpmem "$verb" |
			grep -v '^--help$' | sort -u >"$tmp/bash"
		same "options of $verb in the completion" "$(cat "$tmp/help")" "$(cat "$tmp/bash")"
	done
	# shellcheck disable=SC2016
	same "verbs in the completion" "$(printf '%s\n' "$verbs" | sort)" "$(bash -c \
		'source "$1"; COMP_WORDS=(xpmem "") COMP_CWORD=1; _xpmem; printf "%s\n" "${COMPREPLY[@]}"' \
		bash "$SOURCE_DIR/cli/xpmem.bash" | grep -v '^--' | sort)"
}

# refuses PATTERN WORDS...
refuses()
{
	pattern=$1
	shift
	run "$@"
	same "exit status of: $*" 2 $status
	same "output of: $*" "" "$output"
	printf '%s\n' "$errors" | grep -qE -- "$pattern" || die "$*: no '$pattern' in: $errors"
}

arguments()
{
	make_root
	"$xpmem" >/dev/null 2>"$tmp/err" && die "no verb is no error"
	grep -q 'a verb is missing' "$tmp/err" || die "$(cat "$tmp/err")"
	refuses "no verb 'stat'" stat
	refuses 'unrecognized option' status --nonsense
	refuses 'one argument too many' status more
	refuses "number up to 2147483647, not 'x'" segments --pid x
	refuses 'not .-1' segments --pid=-1
	refuses 'not .4294967296' segments --pid 4294967296
	refuses 'no user' segments --uid 'no such'
	refuses 'no terminal' top
	refuses 'from 1' top --batch 0
	refuses 'from 0.1' top --batch 1 --delay 0
	refuses "can't be 'x'" top --batch 1 --sort x
	refuses 'no event' trace --event 'x/y'
	refuses 'is needed' drain
	refuses 'is needed' drain --pid 1 --uid 0
	refuses 'No such file' status --root "$tmp/none"
}

status()
{
	make_root
	run status
	same "exit status" 0 $status
	has "module" '^module +3\.0\.0$'
	has "library" '^library +3\.0  /usr/lib/libxpmem\.so\.0$'
	has "no daemon" '^daemon +xpmemd is not running$'
	has "limits" '^segments +2  \(a user may have 65536\)$'
	has "mask" '^permit_mask +0600$'
	start_daemon
	run status
	has "daemon" '^daemon +3\.0\.0  running for 61s, 1 of 1 partitions up$'
	has "partition" '^partition +1 one$'
	stop_daemon
}

segments()
{
	make_root
	run segments
	same "exit status" 0 $status
	same "errors" "" "$errors"
	has "segment" '^2251799813685249 +100 +[^ ]+ +owner +0x7f0000000000-0x7f0000100000 +1\.0M +0600 +1 +2  -$'
	has "whole address space" '^77 +100 +root +owner +0x0-0x7ffffffff000 +128T'
	run segments --uid 0
	same "of one user" 2 "$(printf '%s\n' "$output" | wc -l)"
	run segments --pid 100
	same "of one process" 3 "$(printf '%s\n' "$output" | wc -l)"
	run segments --pid 1
	same "of another" 1 "$(printf '%s\n' "$output" | wc -l)"
	start_daemon
	run segments
	has "remote" '^2251799813685249 .* yes$'
	has "not remote" '^77 .* no$'
	stop_daemon
	# a newer module has more columns, and they may stand elsewhere
	put /proc/xpmem/segments 'new segid tgid uid gid mode start end permits attachments' \
		'x 5 100 0 0 0600 0x1000 0x2000 3 4' '6 100'
	run segments
	has "other columns" '^5 +100 +root +owner +0x1000-0x2000 +4\.0K +0600 +3 +4'
	same "lines" 2 "$(printf '%s\n' "$output" | wc -l)"
}

attachments()
{
	make_root
	run attachments
	same "exit status" 0 $status
	has "attachment" '^2251799813685249 +100 +200 +[^ ]+ +attacher <&> +0x7fff00001000-0x7fff00003000 +8\.0K +0x0 +rw$'
	has "split part" '^2251799813685249 +100 +200 .* 0x7fff00003000-0x7fff00004000 +4\.0K +0x2000 +r$'
	has "of another partition" '^4503599627370497 +@2 +200 .* 0x7fff00010000-0x7fff00011000 +4\.0K +0x5000 +r$'
	same "lines" 4 "$(printf '%s\n' "$output" | wc -l)"
	run attachments --owner 100
	same "by owner" 3 "$(printf '%s\n' "$output" | wc -l)"
	run attachments --pid 100
	same "by process" 1 "$(printf '%s\n' "$output" | wc -l)"
}

own()
{
	make_root
	[ "$(id -u)" != 0 ] || command -v setpriv >/dev/null || exit 77
	put /proc/100/status "Uid:	$(id -u)"
	chmod 000 "$root/proc/xpmem/segments"
	chmod 755 "$tmp"
	cp "$xpmem" "$tmp/xpmem"
	as=
	[ "$(id -u)" != 0 ] || as="setpriv --reuid=65534 --regid=65534 --clear-groups"
	status=0
	output=$($as "$tmp/xpmem" segments --root "$root" 2>"$tmp/err") || status=$?
	same "exit status" 0 $status
	same "told so" "xpmem: only your own processes are shown; root sees all" "$(cat "$tmp/err")"
	has "segment" '^2251799813685249 +100 .* 0x7f0000000000-0x7f0000100000 +1\.0M +0600 +1 +2  -$'
	same "lines" 2 "$(printf '%s\n' "$output" | wc -l)"
	same "in JSON" false "$($as "$tmp/xpmem" segments --json --root "$root" 2>/dev/null | jq .all)"
	chmod 644 "$root/proc/xpmem/segments"
}

partitions()
{
	make_root
	run partitions
	same "exit status without a daemon" 1 $status
	same "says so" "xpmem: xpmemd is not running" "$errors"
	start_daemon
	run partitions
	same "exit status" 0 $status
	has "peer" '^ +2  two +tcp://192.0.2.2:7474  munge  rw +4\.0K +123B  up$'
	put /daemon/partitions "$(jq -c '.partitions[0] += {fabric_up: true,
		fabric_bytes_sent: 8192, fabric_bytes_received: 4096}' "$root/daemon/partitions")"
	run partitions
	has "peer on a fabric" '^ +2  two .*  up, fabric$'
	valid partitions
	put /daemon/partitions 'nonsense'
	run partitions
	same "says so" "xpmem: xpmemd does not answer as it should" "$errors"
	stop_daemon
}

topo()
{
	make_root
	start_daemon
	run topo
	same "exit status" 0 $status
	has "partition" '^partition 1 one$'
	has "nodes" '^  node 1  1\.0G, 2 CPUs$'
	has "segment" '^    segment 2251799813685249  1\.0M of 100 owner, for other partitions, too$'
	has "attacher" '^      <- 200 attacher <&>  12K rw$'
	has "peer" '^partition 2 two  up, sent 4\.0K, received 123B$'
	run topo --svg "$tmp/topo.svg"
	same "exit status of a drawing" 0 $status
	grep -q '>200 attacher &lt;&amp;&gt;<' "$tmp/topo.svg" || die "no attacher in the drawing"
	grep -q '>100 owner: 1.0M<' "$tmp/topo.svg" || die "no segment in the drawing"
	grep -q '>partition 2 two, up: sent 4.0K, received 123B<' "$tmp/topo.svg" || die "no peer"
	same "lines to segments" 2 "$(grep -c '<line' "$tmp/topo.svg")"
	! command -v xmllint >/dev/null || xmllint --noout "$tmp/topo.svg"
	run topo --svg "$tmp/none/topo.svg"
	same "exit status of a file that can't be" 1 $status
	stop_daemon
}

drain()
{
	make_root
	run drain --uid 1000 --dry-run
	same "exit status" 0 $status
	has "dry run" '^would take segment 2251799813685249 of [^ ]+, 100 \(owner\), with 2 attachments$'
	same "lines" 1 "$(printf '%s\n' "$output" | wc -l)"
	run drain --segid 123 --dry-run
	same "exit status of none" 1 $status
	same "says so" "xpmem: there is no segment 123" "$errors"
	# this device does not know how
	run drain --segid 77
	same "exit status of an old module" 1 $status
	same "says so" "xpmem: segment 77: the loaded module can't do that" "$errors"
}

# valid VERB WORDS...
valid()
{
	run "$@" --json
	"$CLI_DIR/validate" "$SOURCE_DIR/cli/xpmem.schema.json" "$1" <"$tmp/out" ||
		die "$*: $output"
	echo "ok: $*"
}

schema()
{
	make_root
	for daemon_is in down up; do
		[ $daemon_is = down ] || start_daemon
		for verb in status segments attachments topo doctor; do
			valid $verb
		done
		valid top --batch 2 --delay 0.1
		valid drain --uid 1000 --dry-run
		valid segments --numa
	done
	valid partitions
	same "ids are text" '"2251799813685249"' \
		"$("$xpmem" segments --json --root "$root" | jq '.segments[] | select(.uid == 1000) .segid')"
	for edit in 'del(.all)' '.more = 1' '.segments[0].segid = 5' '.format = 2' \
		'.segments[0].segid = "x"'; do
		"$xpmem" segments --json --root "$root" | jq "$edit" |
			"$CLI_DIR/validate" "$SOURCE_DIR/cli/xpmem.schema.json" segments \
				2>/dev/null && die "the schema does not notice $edit"
	done
	rm -rf "${root:?}/sys/module" "$root/proc/xpmem"
	valid status
	valid doctor
	stop_daemon
}

# finds CHECK PATTERN FIX: it is the one thing that is wrong
finds()
{
	run doctor --json
	same "$setup: what is wrong" "$1" \
		"$(jq -r '.checks[] | select(.state == "wrong") .check' "$tmp/out")"
	jq -r '.checks[] | select(.state == "wrong") .what' "$tmp/out" | grep -qE -- "$2" ||
		die "$setup: not '$2': $output"
	jq -r '.checks[] | select(.state == "wrong") .fix' "$tmp/out" | grep -qE -- "$3" ||
		die "$setup: the fix is not '$3': $output"
	same "$setup: exit status" 1 $status
	run doctor
	has "$setup: text" "^wrong   $1 +"
	same "$setup: lines that are wrong" 1 "$(printf '%s\n' "$output" | grep -c '^wrong')"
}

# broken NAME: a new machine, with the daemon running
broken()
{
	[ -z "${daemon:-}" ] || stop_daemon
	rm -rf "${root:?}"
	setup=$1
	make_root
	start_daemon
}

doctor()
{
	broken healthy
	run doctor
	same "healthy: exit status" 0 $status
	same "healthy: all is ok" "" "$(printf '%s\n' "$output" | grep -v '^ok ')"
	checks=$(printf '%s\n' "$output" | wc -l)
	[ "$checks" -ge 16 ] || die "only $checks checks"

	broken "module not loaded"
	rm -r "$root/sys/module/xpmem" "$root/proc/xpmem" "$root/dev/xpmem"
	finds module 'not loaded$' '^load it: modprobe xpmem$'
	program /usr/sbin/modinfo 'exit 1'
	finds module 'not installed$' 'xpmem-dkms'

	broken "another project's module"
	rm -r "$root/sys/module/xpmem/parameters"
	put /sys/module/xpmem/version 2.7.4
	finds module "2.7.4, is another project's" 'rmmod xpmem'

	broken "another build installed"
	modinfo 3.0.0 CD34 ''
	finds installed 'another build' 'when no job runs'
	modinfo 3.1.0 CD34 ''
	finds installed '3.0.0 is loaded, 3.1.0 is installed' 'when no job runs'

	broken "library of another release"
	rm "$root"/usr/lib/libxpmem*
	library /usr/lib/libxpmem.so.0.2.9 xpmem_query
	finds versions 'module is 3.0.0, the library 2.9' 'same release'

	broken "no device"
	rm "$root/dev/xpmem"
	finds device 'no /dev/xpmem' 'udevadm'

	broken "a file in the device's place"
	rm "$root/dev/xpmem"
	put /dev/xpmem
	finds device 'no device$' 'rm /dev/xpmem'

	broken "device for root alone"
	if rm "$root/dev/xpmem" && mknod -m 600 "$root/dev/xpmem" c 1 3 2>/dev/null; then
		finds device 'mode 0600: only root' 'chmod'
	fi

	broken "mask too open"
	put /sys/module/xpmem/parameters/permit_mask 0666
	finds permit_mask 'any user' 'echo 0600'
	put /sys/module/xpmem/parameters/permit_mask 0000
	finds permit_mask 'keeps users' 'echo 0600'

	broken "limit reached"
	put /sys/module/xpmem/parameters/max_segments_per_user 1
	finds limits 'has 1 segments of 1$' 'echo 2 > .*max_segments_per_user$'
	put /sys/module/xpmem/parameters/max_segments_per_user 2
	put /sys/module/xpmem/parameters/max_attachments_per_user 2
	finds limits 'are 2 attachments, a user may have 2$' 'echo 4 > .*max_attachments_per_user$'

	broken "Secure Boot"
	rm -r "$root/sys/module/xpmem" "$root/proc/xpmem" "$root/dev/xpmem"
	printf '\006\000\000\000\001' >"$tmp/variable"
	mkdir -p "$root/sys/firmware/efi/efivars"
	mv "$tmp/variable" "$root/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	finds signature 'no signature' 'mokutil'
	modinfo 3.0.0 AB12 'the site'
	finds module 'not loaded$' 'modprobe'

	broken "warning of the kernel"
	put /proc/sys/kernel/tainted 12800
	finds taint 'W a warning of the kernel, O ' 'dmesg'

	broken "no userfaultfd"
	put /proc/sys/vm/unprivileged_userfaultfd 0
	finds userfaultfd 'no /dev/userfaultfd' 'sysctl'
	put /dev/userfaultfd
	chmod 600 "$root/dev/userfaultfd"
	finds userfaultfd 'only root' 'udev'

	broken "no huge pages"
	put /sys/kernel/mm/transparent_hugepage/enabled 'always madvise [never]'
	finds huge_pages 'no huge pages' 'madvise'

	broken "no library"
	program /usr/sbin/ldconfig
	rm "$root/usr/bin/ldd"
	finds library 'finds no libxpmem' 'libxpmem0'

	broken "another project's library in front"
	program /usr/sbin/ldconfig \
		"echo '	libxpmem.so.0 (libc6,x86-64) => /opt/other/libxpmem.so.0'" \
		"echo '	libxpmem.so.0 (libc6,x86-64) => /usr/lib/libxpmem.so.0'"
	library /opt/other/libxpmem.so.0.0.0 xpmem_make
	finds library "another project's library, /opt/other/libxpmem.so.0" 'remove it'

	broken "MPI takes another library"
	library /opt/other/libxpmem.so.0.0.0 xpmem_make
	rm "$root/usr/lib/ucx/libuct_xpmem.so.0"
	program /usr/bin/ldd "echo '	libxpmem.so.0 => /opt/other/libxpmem.so.0 (0x7f00)'"
	finds openmpi 'Open MPI uses another' 'LD_LIBRARY_PATH'

	broken "UCX finds no library"
	program /usr/bin/ompi_info 'exit 1'
	program /usr/bin/ldd "echo '	libxpmem.so.0 => not found'"
	finds ucx 'UCX wants' 'libxpmem0'

	broken "configuration not valid"
	program /usr/sbin/xpmemd "echo '/etc/xpmem/xpmemd.conf:1: no such option' >&2" 'exit 1'
	finds config 'xpmemd.conf:1: no such option$' 'correct'

	broken "peer down"
	peer false
	finds peers 'not connected: two$' 'journalctl'

	broken "daemon of another release"
	put /daemon/status '{"version": "2.9.4", "partition": 1, "name": "one", "uptime_ms": 1, "partitions_up": 1, "partitions": 1}'
	finds daemon 'xpmemd that runs is 2.9.4, the module 3.0.0$' 'restart xpmemd'

	broken "daemon down"
	stop_daemon
	daemon=
	finds daemon 'not running' 'systemctl'
	rm "$root/etc/xpmem/xpmemd.conf"
	run doctor
	same "no daemon and none wanted: exit status" 0 $status
}

absent()
{
	mkdir -p "$root/proc"
	for verb in segments topo 'top --batch 1' 'drain --uid 0 --dry-run'; do
		# shellcheck disable=SC2086
		run $verb
		same "exit status of $verb" 1 $status
		same "$verb says so" "xpmem: the module is not loaded" "$errors"
	done
	run status
	same "exit status of status" 1 $status
	has "status says so" '^module +not loaded$'
	run attachments
	same "exit status of attachments" 0 $status
	run trace
	same "exit status of trace" 1 $status
}

"$1"
