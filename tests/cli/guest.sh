#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The command xpmem in a guest, as root, with the module, an owner and an attacher:
#
#	tests/cli/guest.sh BUILD-DIRECTORY [XPMEM.KO]
#
# The module is loaded, and unloaded at the end, if it is given.  Exit status: 0, 1, or
# 77 when the command was not built.
set -eu

build=$(realpath "$1") module=${2:-}
top=$(dirname "$(readlink -f "$0")")/../..
xpmem=$build/cli/xpmem
[ -x "$xpmem" ] || { echo "the command is not built"; exit 77; }
[ ! "$module" ] || insmod "$module"

tmp=$(mktemp -d)
sharer=
trap 'exec 9>&- 2>/dev/null || :; [ ! "$sharer" ] || wait "$sharer" || :; rm -rf "$tmp"' EXIT
instances=/sys/kernel/tracing/instances

die()
{
	echo "FAILED: $*" >&2
	exit 1
}

# has WHAT PATTERN: a line of $tmp/out
has()
{
	grep -qE -- "$2" "$tmp/out" || die "$1: no '$2' in: $(cat "$tmp/out" "$tmp/err")"
	echo "ok: $1"
}

# run WORDS...
run()
{
	status=0
	"$xpmem" "$@" >"$tmp/out" 2>"$tmp/err" || status=$?
}

# want STATUS WHAT
want()
{
	[ "$status" = "$1" ] || die "$2: exit status $status: $(cat "$tmp/out" "$tmp/err")"
}

valid()
{
	"$build/tests/cli/validate" "$top/cli/xpmem.schema.json" "$1" <"$tmp/out" ||
		die "JSON of $1: $(head -c 2000 "$tmp/out")"
	echo "ok: JSON of $1"
}

start()
{
	rm -f "$tmp/stop" "$tmp/sharer"
	mkfifo "$tmp/stop"
	"$build/tests/cli/sharer" <"$tmp/stop" >"$tmp/sharer" &
	sharer=$!
	exec 9>"$tmp/stop"
	until [ -s "$tmp/sharer" ]; do
		kill -0 $sharer || die "the sharer ended"
		sleep 0.1
	done
	read -r owner attacher segid <"$tmp/sharer"
}

stop()
{
	exec 9>&-
	wait $sharer || die "$(cat "$tmp/sharer")"
	sharer=
}

no_instance()
{
	for left in "$instances"/xpmem-trace-*; do
		[ ! -e "$left" ] || die "$1: $left is left"
	done
	echo "ok: no instance after $1"
}

start

run status
want 0 status
has "status" '^module +[0-9]+\.[0-9]+\.[0-9]+$'
has "counts" '^segments +1  \(a user may have 65536\)$'

run segments --numa
want 0 segments
has "segment" "^$segid +$owner +root +sharer +0x[0-9a-f]+-0x[0-9a-f]+ +1\\.0M +0600 +1 +1  -  +[01]:[0-9.]+[KM]"
run segments --json --numa
valid segments

run attachments
want 0 attachments
has "attachment" "^$segid +$owner +$attacher +root +sharer +0x[0-9a-f]+-0x[0-9a-f]+ +512K +0x80000 +rw\$"
run attachments --json
valid attachments
[ "$(jq -r '.attachments[0].segid' "$tmp/out")" = "$segid" ] || die "segid in JSON"

run topo
has "topo" "^      <- $attacher sharer  512K rw\$"
run topo --svg "$tmp/topo.svg"
want 0 "topo --svg"
grep -q "$segid" "$tmp/topo.svg" || die "no segment in the drawing"

# an ordinary user sees nothing of root's, and is told
for verb in segments attachments; do
	status=0
	setpriv --reuid=65534 --regid=65534 --clear-groups "$xpmem" $verb \
		>"$tmp/out" 2>"$tmp/err" || status=$?
	want 0 "$verb as nobody"
	grep -q 'only your own processes' "$tmp/err" || die "$verb as nobody is not told"
	[ "$(wc -l <"$tmp/out")" = 1 ] || die "$verb as nobody: $(cat "$tmp/out")"
	echo "ok: $verb as nobody"
done

run top --batch 3 --delay 1 --sort faults
want 0 top
[ "$(grep -c "^ *$owner " "$tmp/out")" = 3 ] || die "top: $(cat "$tmp/out")"
tail -n 2 "$tmp/out" | awk -v pid="$owner" '$1 == pid && $6 > 0 && $7 > 0 && $8 > 0 { n++ } END { exit !n }' ||
	die "top: no rates in: $(cat "$tmp/out")"
echo "ok: top has rates"
run top --json --batch 2 --delay 0.5
valid top
(sleep 3; printf i; sleep 1; printf q) |
	TERM=xterm timeout 30 script -qec "$xpmem top --delay 1" /dev/null >"$tmp/out" 2>&1 ||
	die "top on a terminal: $(cat "$tmp/out")"
has "top on a terminal" 'sorted by.*invalidations|invalidations'

# so many as the owner takes pages back one by one, and a fault brings many
run trace --json --count 1500 --seconds 60
want 0 trace
valid trace
[ "$(wc -l <"$tmp/out")" = 1500 ] || die "trace: $(wc -l <"$tmp/out") lines"
jq -r .event "$tmp/out" | sort -u >"$tmp/events"
grep -qx fault "$tmp/events" || die "no fault in $(cat "$tmp/events")"
grep -qx invalidate "$tmp/events" || die "no invalidate in $(cat "$tmp/events")"
no_instance "trace"
run trace --event fault --segid "$segid" --count 5 --seconds 60
has "trace of one event" " fault segid=$segid page=[0-9]+ "
! grep -vq ' fault ' "$tmp/out" || die "other events: $(cat "$tmp/out")"
run trace --event fault --segid 123 --seconds 1
[ ! -s "$tmp/out" ] || die "events of another segment: $(cat "$tmp/out")"
# Names of commands, which guests of the tests do without: see tests/vm/guest-init
echo 1 >/sys/kernel/tracing/options/record-cmd
run trace --event fault --pid "$attacher" --count 3 --seconds 60
echo 0 >/sys/kernel/tracing/options/record-cmd
has "trace of one process" "sharer-$attacher "
run trace --event nonsense --seconds 1
want 1 "trace of no event"
no_instance "an error"
for signal in INT TERM HUP; do
	env --default-signal "$xpmem" trace >"$tmp/out" &
	pid=$!
	until [ -d $instances/xpmem-trace-$pid ] && [ -s "$tmp/out" ]; do sleep 0.1; done
	kill -$signal $pid
	wait $pid || die "trace ended by $signal fails"
	no_instance "SIG$signal"
done
"$xpmem" trace | head -n 1 >/dev/null
no_instance "a reader that ends"
"$xpmem" trace >/dev/null &
pid=$!
until [ -d $instances/xpmem-trace-$pid ]; do sleep 0.1; done
kill -KILL $pid
wait $pid || :
run trace --count 1 --seconds 60
no_instance "SIGKILL, and another trace"

# what depends on how the guest's host is installed is not looked at
run doctor
for check in module device permit_mask limits taint; do
	has "doctor: $check" "^ok      $check "
done
run doctor --json
valid doctor
status=0
LD_LIBRARY_PATH=$build/libxpmem "$xpmem" doctor >"$tmp/out" 2>"$tmp/err" || status=$?
has "doctor: library" "^ok      library +programs get $build/libxpmem/libxpmem.so.0, version [0-9]"
has "doctor: versions" '^ok      versions '
chmod 600 /dev/xpmem
echo 0666 >/sys/module/xpmem/parameters/permit_mask
echo 1 >/sys/module/xpmem/parameters/max_segments_per_user
run doctor
want 1 "doctor of what is broken"
has "doctor: mode" '^wrong   device +/dev/xpmem has mode 0600'
has "doctor: mask" '^wrong   permit_mask +permit_mask 0666'
has "doctor: limit" '^wrong   limits +user root has 1 segments of 1$'
chmod 666 /dev/xpmem
echo 0600 >/sys/module/xpmem/parameters/permit_mask
echo 65536 >/sys/module/xpmem/parameters/max_segments_per_user

status=0
setpriv --reuid=65534 --regid=65534 --clear-groups "$xpmem" drain --segid "$segid" \
	>"$tmp/out" 2>"$tmp/err" || status=$?
want 1 "drain as nobody"
run drain --pid "$owner" --dry-run
want 0 "drain, dry run"
run drain --pid 1
want 0 "drain of a process without segments"
run segments
has "still there" "^$segid "
run drain --pid "$owner" --json
want 0 drain
valid drain
run segments
! grep -q "^$segid " "$tmp/out" || die "it is still there"
sleep 0.5
for pid in "$owner" "$attacher"; do
	kill -0 "$pid" || die "process $pid ended"
done
stop
grep -qx 'owner ok' "$tmp/sharer" || die "$(cat "$tmp/sharer")"
grep -qx 'attacher ok, segment gone' "$tmp/sharer" || die "$(cat "$tmp/sharer")"
echo "ok: drained, and both went on"

if [ "$module" ]; then
	tries=0
	until rmmod xpmem; do
		tries=$((tries + 1))
		[ $tries -lt 20 ] || die "the module can't be unloaded"
		sleep 0.5
	done
fi
echo "all ok"
