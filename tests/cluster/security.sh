# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who gets memory of another partition, and who does not: the parts that guests play in
# cluster.munge and cluster.security. Guest 1 is home; guest 2 asks. Each thing that is
# tried is a line "what: outcome", which must be as it stands here, and leaves a trace in
# the log and the counters of guest 1, or of guest 2 where that refuses.
#
# Guests keep step by partition_meet; each step has a name, which is used once.

SECURITY_USER=nobody	# owns the segments
SECURITY_OTHER=daemon
SECURITY_PROGRAMS=/run/security	# of these users

# The directory of the build may be one that they can't enter.
security_begin() {
	SECURITY_FAILED=0
	install -D -t "$SECURITY_PROGRAMS" "$build"/tests/cluster/programs/{knock,intruder} \
		"$build/libxpmem/libxpmem.so.0"
}

security_bad() {
	echo "WRONG: $*"
	SECURITY_FAILED=1
}

# security_as USER COMMAND...
security_as() {
	local user=$1
	shift
	# In a subshell it takes the shell's place, and its process id.
	set -- setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups \
		env HOME=/tmp LD_LIBRARY_PATH="$SECURITY_PROGRAMS" "$@"
	((BASH_SUBSHELL == 0)) || exec "$@"
	"$@"
}

# security_is WHAT WANTED FOUND
security_is() {
	if [[ $3 == "$2" ]]; then
		echo "$1: $3"
	else
		security_bad "$1: $3, must be $2"
	fi
}

# security_share NAME [HOW]: a segment of the user's, whose number the guests find by NAME
security_share() {
	local said=/run/knock.$1
	rm -f "$said"
	(security_as $SECURITY_USER "$SECURITY_PROGRAMS/knock" share "${@:2}" >"$said" 2>&1) &
	SECURITY_OWNER[$1]=$!
	until [[ -s $said ]]; do
		kill -0 $! 2>/dev/null || break
		sleep 0.05
	done
	[[ $(cat "$said") =~ ^[0-9]+$ ]] || security_bad "no segment $1: $(cat "$said")"
	cp "$said" "$CLUSTER_DIR/$1.new"
	mv "$CLUSTER_DIR/$1.new" "$CLUSTER_DIR/segid.$1"
}

# security_end NAME: the segment goes; its owner says what it finds in it
security_end() {
	kill "${SECURITY_OWNER[$1]}"
	wait "${SECURITY_OWNER[$1]}"
	security_is "what the owner of $1 finds in it in the end" 4711 "$(tail -n 1 "/run/knock.$1")"
}

security_segid() { cat "$CLUSTER_DIR/segid.$1"; }

# security_get WHAT WANTED USER SEGID [read]
security_get() {
	security_is "$1" "$2" "$(security_as "$3" "$SECURITY_PROGRAMS/knock" get "${@:4}" 2>&1)"
}

# security_ask COMMAND EXPRESSION: of the daemon here; the answer is `answer`
security_ask() {
	python3 - "$PARTITION_DIR/control.sock" "$1" "$2" <<-'END'
		import json, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])
		s.sendall(json.dumps({"command": sys.argv[2]}).encode() + b"\n")
		answer = json.loads(s.makefile().readline())
		print(eval(sys.argv[3]))
	END
}

security_count() {	# refused or denied, of the other guest
	security_ask partitions "answer['partitions'][0]['$1']"
}

security_strangers() { security_ask counters "answer['transport']['strangers_refused']"; }

# The other daemon: whether there is a session, and waits for one
security_up() { security_ask partitions "int(answer['partitions'][0]['up'])"; }

security_await_up() {
	local try
	for ((try = 0; try < 300; try++)); do
		[[ $(security_up) != 1 ]] || return 0
		sleep 0.1
	done
	security_bad "$1: no session"
}

security_await_down() {
	local try
	for ((try = 0; try < 300; try++)); do
		[[ $(security_up) == 1 ]] || return 0
		sleep 0.1
	done
	security_bad "$1: the session did not end"
}

# What the daemon here logs is counted from here on.
security_mark_log() { SECURITY_LOGGED=$(wc -l <"$PARTITION_LOG"); }

# security_logged WHAT PATTERN: within five seconds
security_logged() {
	local try
	for ((try = 0; try < 50; try++)); do
		if tail -n +$((SECURITY_LOGGED + 1)) "$PARTITION_LOG" | grep -q -- "$2"; then
			echo "$1: logged: $(tail -n +$((SECURITY_LOGGED + 1)) "$PARTITION_LOG" |
				grep -m 1 -- "$2" | sed 's/^[^ ]* [^ ]* //')"
			return
		fi
		sleep 0.1
	done
	security_bad "$1: the log has no '$2'"
}

# security_counted WHAT COUNTER BEFORE: it has risen since
security_counted() {
	local now
	now=$(security_count "$2")
	if ((now > $3)); then
		echo "$1: $2 is $3, then $now"
	else
		security_bad "$1: $2 is $now as before"
	fi
}

# ------------------------------------------------------------------- munge

security_munge_key() {	# LETTER
	printf '%064d' 0 | tr 0 "$1" >/run/munge-test/key
}

security_munged() {
	rm -f /run/munge-test/socket
	munged --foreground --force --key-file=/run/munge-test/key --socket=/run/munge-test/socket \
		--pid-file=/run/munge-test/pid --seed-file=/run/munge-test/seed \
		--log-file=/run/munge-test/log 2>/dev/null &
	SECURITY_MUNGED=$!
	until [[ -S /run/munge-test/socket ]]; do
		kill -0 $SECURITY_MUNGED || { security_bad "munged does not run"; return; }
		sleep 0.05
	done
}

security_munged_end() {
	kill "$SECURITY_MUNGED"
	wait "$SECURITY_MUNGED"
}

# security_home COMMAND...: in guest 1; security_guest: in guest 2
security_home() { ((XPMEM_GUEST != 1)) || "$@"; }
security_guest() { ((XPMEM_GUEST != 2)) || "$@"; }

# Users of one partition are known to the other by MUNGE
cluster_munge() {
	local denied user
	local -A SECURITY_OWNER
	security_begin || return
	(umask 022 && mkdir -p /run/munge-test)
	(umask 077 && security_munge_key a)
	security_munged
	PARTITION_USERS=munge partition_restart "$build" \
		'munge_socket = "/run/munge-test/socket"' || return 1
	partition_meet munge.restarted
	security_await_up "after a restart"
	security_home security_share first
	security_home security_share second
	partition_meet munge.shared
	denied=$(security_count denied)
	security_mark_log
	security_guest security_get "the same user, with munge" 4711 $SECURITY_USER "$(security_segid first)"
	for user in $SECURITY_OTHER root; do
		security_guest security_get "user $user" "get: EACCES" $user "$(security_segid first)"
	done
	partition_meet munge.users
	security_home security_counted "other users" denied "$denied"
	security_home security_logged "other users" "does not get segment .*: Permission denied"

	security_mark_log
	partition_meet munge.key
	if ((XPMEM_GUEST == 2)); then
		security_munged_end
		security_munge_key b
		security_munged
		security_get "a partition with another munge key" "get: EACCES" $SECURITY_USER \
			"$(security_segid first)"
		security_munged_end
		security_munge_key a
		security_munged
		security_get "with the right key again" 4711 $SECURITY_USER "$(security_segid first)"
	fi
	partition_meet munge.right
	security_home security_logged "another munge key" "a credential is refused: munge: Invalid credential"

	security_mark_log
	if ((XPMEM_GUEST == 2)); then
		security_munged_end
		security_get "no munged where it is asked" "get: EHOSTDOWN" $SECURITY_USER \
			"$(security_segid first)"
		security_logged "no munged where it is asked" "no credential for user"
		security_munged
		security_get "munged is back" 4711 $SECURITY_USER "$(security_segid first)"
	fi
	partition_meet munge.asker
	security_mark_log
	security_home security_munged_end
	partition_meet munge.stopped
	security_guest security_get "no munged at home" "get: EHOSTDOWN" $SECURITY_USER \
		"$(security_segid first)"
	partition_meet munge.refused
	security_home security_logged "no munged at home" "a credential is refused: munge: "
	security_home security_munged
	partition_meet munge.started
	security_guest security_get "munged is back at home" 4711 $SECURITY_USER "$(security_segid first)"
	partition_meet munge.hangs
	security_mark_log
	security_home kill -STOP $SECURITY_MUNGED
	partition_meet munge.hanging
	security_guest security_get "munged at home hangs" "get: ETIMEDOUT" $SECURITY_USER \
		"$(security_segid first)"
	partition_meet munge.hung
	security_home kill -CONT $SECURITY_MUNGED
	security_home security_logged "munged at home hangs" "no answer from munged in 5 seconds"
	partition_meet munge.goes-on
	security_guest security_get "munged goes on" 4711 $SECURITY_USER "$(security_segid first)"

	denied=$(security_count denied)
	security_mark_log
	partition_meet munge.replay
	if ((XPMEM_GUEST == 2)); then
		partition_stop
		security_intrude "$CLUSTER_DIR/intruder" /run/munge-test/socket
		security_attempts "$CLUSTER_DIR/intruder" \
			'open with a request that was not challenged: ESTALE' \
			'open with a credential: granted' \
			'the same once more: ESTALE' \
			'that credential for a new challenge: EACCES' \
			'a credential of one segment for another: EACCES' \
			'a credential to read, for writing: EACCES' \
			'a credential with one bit changed: EACCES' \
			"no credential, and the user's number: EACCES"
		partition_daemon "$build"
	fi
	partition_meet munge.replayed
	security_home security_counted "replays" denied "$denied"
	security_home security_logged "replays" "it is of another session, request, segment or access"
	security_home security_logged "replays" "munge: Replayed credential"

	security_home security_end first
	security_home security_end second
	partition_restart "$build" || return 1
	security_munged_end
	return $SECURITY_FAILED
}

# ------------------------------------------------- what does not need munge

# security_intrude OUTPUT [MUNGE-SOCKET]: the enemy in place of the daemon here
security_intrude() {
	install -o $SECURITY_USER -m 600 "$PARTITION_DIR/key.1" /run/intruder.key
	security_as $SECURITY_USER "$SECURITY_PROGRAMS/intruder" 2 1 \
		tcp://192.0.2.1:7474 /run/intruder.key "$(security_segid first)" \
		"$(security_segid second)" "${@:2}" >"$1" 2>"$1.log" ||
		security_bad "the intruder: $(tail -n 1 "$1.log")"
}

# security_attempts OUTPUT LINE...
security_attempts() {
	local output=$1
	shift
	if printf '%s\n' "$@" | diff - "$output" >"$output.diff"; then
		cat "$output"
	else
		security_bad "the intruder (< wanted, > found):"
		cat "$output.diff"
	fi
}

# Keys, numbers, users and requests that are not what they should be
cluster_security() {
	local refused denied strangers
	local -A SECURITY_OWNER
	security_begin || return
	partition_meet security.up
	security_await_up "at first"
	security_home security_share first
	security_home security_share second
	security_home security_share third read
	security_home security_share here local
	partition_meet security.shared

	denied=$(security_count denied)
	security_mark_log
	partition_meet security.marked
	if ((XPMEM_GUEST == 2)); then
		security_get "the same user" 4711 $SECURITY_USER "$(security_segid first)"
		security_get "another user, as the other daemon says" "get: EACCES" $SECURITY_OTHER \
			"$(security_segid first)"
		security_get "root" "get: EACCES" root "$(security_segid first)"
		security_get "a segment of xpmem_make" "get: EOPNOTSUPP" $SECURITY_USER "$(security_segid here)"
		security_get "a segment to read, for reading" 4711 $SECURITY_USER "$(security_segid third)" read
		security_get "a segment to read, for writing" "get: EOPNOTSUPP" $SECURITY_USER "$(security_segid third)"
		security_get "a number that is no segment's" "get: ENOENT" $SECURITY_USER \
			$(($(security_segid first) ^ 1 << 20))
		security_get "a segment of a partition that is not configured" "get: ENOENT" \
			$SECURITY_USER $((9 << 51 | 4711))
	fi
	partition_meet security.got
	security_home security_counted "users and segments" denied "$denied"
	security_home security_logged "another user" "partition 2 does not get segment .*: Permission denied"
	security_home security_logged "a segment of xpmem_make" "does not get segment .*: Operation not supported"
	security_home security_logged "a number that is no segment's" "does not get segment .*: No such file"

	refused=$(security_count refused)
	security_mark_log
	partition_meet security.key
	if ((XPMEM_GUEST == 2)); then
		PARTITION_SECRET=wrong partition_restart "$build" || return 1
		security_get "a partition with another key" "get: EHOSTUNREACH" $SECURITY_USER \
			"$(security_segid first)"
		security_logged "a partition with another key, there" "no session\|refused"
	else
		security_await_down "a partition with another key"
		security_logged "a partition with another key" "refused: "
		security_counted "a partition with another key" refused "$refused"
	fi
	partition_meet security.keyed
	strangers=$(security_strangers)
	security_mark_log
	partition_meet security.number
	if ((XPMEM_GUEST == 2)); then
		PARTITION_NUMBER=7 partition_restart "$build" || return 1
		security_get "a partition that is not configured there" "get: EHOSTUNREACH" \
			$SECURITY_USER "$(security_segid first)"
	fi
	partition_meet security.numbered
	if ((XPMEM_GUEST == 1)); then
		security_logged "a partition that is not configured" "connection from .*: refused: "
		if (($(security_strangers) > strangers)); then
			echo "a partition that is not configured: strangers_refused is $strangers, then $(security_strangers)"
		else
			security_bad "a partition that is not configured: strangers_refused is $strangers as before"
		fi
	else
		partition_restart "$build" || return 1
	fi
	partition_meet security.right
	security_await_up "with the right key again"
	security_guest security_get "with the right key and number again" 4711 $SECURITY_USER \
		"$(security_segid first)"
	partition_meet security.again

	refused=$(security_count refused) denied=$(security_count denied)
	security_mark_log
	partition_meet security.intrusion
	if ((XPMEM_GUEST == 2)); then
		partition_stop
		security_intrude "$CLUSTER_DIR/intruder"
		security_attempts "$CLUSTER_DIR/intruder" \
			'read a page with an epoch of its own: told that it was evicted' \
			'read a page of a segment that was not opened: EACCES' \
			'attach it: EACCES' \
			'open it as root: EACCES' \
			'open it as another user: EACCES' \
			'open 32 made-up numbers of the home: ENOENT' \
			'open it for reading as its user: granted' \
			'write a page of it: EACCES' \
			'read a page past its end: EINVAL' \
			'read a page of another segment: EACCES' \
			'attach more than there is: EINVAL' \
			'give back a page that it never had, changed: taken note of' \
			'the same as an answer to a TAKE that never was: taken note of' \
			'claim to have had it to write before: ESTALE' \
			"read a page of a third partition's segment: the session was ended" \
			'take a page from its own home: the session was ended' \
			'read a page of a segment that it has closed: EACCES'
		partition_daemon "$build"
	fi
	partition_meet security.intruded
	security_home security_counted "frames about segments of others" refused "$refused"
	security_home security_counted "made-up numbers" denied "$denied"
	security_home security_logged "frames about segments of others" \
		"refused: .*about a segment of another partition"
	for segment in first second third here; do
		security_home security_end $segment
	done
	partition_meet security.over
	return $SECURITY_FAILED
}
