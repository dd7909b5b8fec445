# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Judges a guest's console log: which lines mean that the kernel found fault
# with itself. This is the only place that knows; tests/vm/selftest checks it
# against lines that must and lines that must not be reported.
#
# Invariants:
#  - A line is bad when one of bad_patterns matches it and, after every phrase
#    of good_patterns has been taken out of it, still one does.
#  - A good pattern is a whole phrase that stock kernels print, never a single
#    word: a fault must not hide behind one.
#  - Matching is case-sensitive and byte-wise: a log may hold any byte.
#
# Not bad, on purpose: OOM kills (with their call trace), crashes of programs
# ("segfault at", "traps: "), taint notes, hwpoison reports, pages that kept a
# block of memory from going offline: tests provoke them.

# One extended regular expression a line.
bad_patterns() {
	cat <<-'EOF'
		BUG:
		BUG [^ ]+ \(.*\):
		kernel BUG at
		WARNING:
		------------\[ cut here
		Oops[: ]
		Kernel panic
		general protection fault
		[Uu]nable to handle (kernel|page fault)
		(invalid opcode|divide error|stack segment|double fault|alignment check|int3|bounds|segment not present|invalid TSS): [0-9a-f]{4} \[#
		stack guard page was hit
		possible (circular|recursive|irq|deadlock)
		INFO: possible
		inconsistent lock state
		inconsistent \{
		suspicious RCU usage
		[Ii]nvalid wait context
		held lock freed
		lock held when returning to user space
		bad (unlock balance|contention)
		unbalanced lock
		nested lock was not taken
		DEBUG_LOCKS_WARN_ON
		trying to register non-static key
		INFO: lockdep is turned off
		INFO: task .* blocked (for more than|on)
		self-detected stall
		detected (expedited )?stalls
		kthread starved for
		(soft|hard) (lockup|LOCKUP)
		workqueue lockup
		scheduling while atomic
		sleeping function called
		KASAN: [a-z]
		KCSAN: [a-z]
		KMSAN: [a-z]
		KFENCE: [a-z]
		UBSAN:
		kmemleak: [1-9][0-9]* new suspected memory leak
		unreferenced object 0x
		(^|[^a-z])[Ll]eak(s|ed|ing)?([ :,.]|$)
		Bad page (state|map|cache)
		Bad rss-counter
		(Bad|Unused) swap (file|offset) entry
		: bad (pte|pmd|pud|p4d|pgd) [^ ]
		page dumped because
		refcount_t:
		list_(add|del|add_tail) corruption
		[Ss]lab corruption
		slab error in
		Slab cache still has objects
		[Oo]bjects remaining
		Object already free
		(Redzone|Poison|Padding|Freechain|Freepointer) (overwritten|corrupt)
		sysfs: cannot create duplicate
	EOF
}

# Phrases of stock kernels that hold a bad word. The first two repeat the
# arguments that whoever started the guest gave; those with WARNING are all that
# arch/x86/kernel/cpu/bugs.c of 6.1 and 6.12 can say about the processor.
good_patterns() {
	cat <<-'EOF'
		(Command|Kernel command) line: .*
		Unknown kernel command line parameters .*
		WARNING: (BTB untrained return thunk|Spectre v2 mitigation leaves|kernel not compiled with|CPU does not support IBPB|Spectre-v2 mitigation is off|ITS mitigation|LFENCE mitigation|Unprivileged eBPF is enabled|IBRS mitigation selected|See https:)
		, data leaks? possible
		Kernel memory leak detector (initialized|disabled)
		traps: [^ ]+ general protection fault ip:
		Huh VM_FAULT_OOM leaked out to the #PF handler
		page dumped because: (unmovable page|migration failure|isolation failed)
	EOF
}

# filter_bad: copies the bad lines, given as "number:line", from its input.
filter_bad() {
	local good
	good=$(good_patterns | paste -s -d '|')
	LC_ALL=C awk -v good="$good" '
		{ rest = $0; gsub(good, "", rest); print rest "\t" $0 }' |
		LC_ALL=C grep -aE -f <(bad_patterns | sed 's/.*/^[^\t]*(&)/') |
		LC_ALL=C cut -f 2-
}

# judge_log FILE: success when nothing is bad; else prints the bad lines, marked
# with '>', and a little of what stands around them to standard error.
judge_log() {
	local numbers
	numbers=$(LC_ALL=C tr '\r\t' '  ' <"$1" | LC_ALL=C grep -anE -f <(bad_patterns) |
		filter_bad | cut -d : -f 1 | head -n 20)
	[[ -n $numbers ]] || return 0
	LC_ALL=C tr -d '\r' <"$1" | LC_ALL=C awk -v bad="$numbers" -v prefix="$SAY_PREFIX " '
		BEGIN {
			count = split(bad, line, "\n")
			for (i = 1; i <= count; i++) {
				is_bad[line[i]] = 1
				for (n = line[i] - 3; n <= line[i] + 12; n++)
					show[n] = 1
			}
		}
		NR in show {
			if (last && last != NR - 1)
				print prefix "  ..."
			print prefix (NR in is_bad ? "> " : "  ") $0
			last = NR
			if (++shown == 100) {
				print prefix "  ... and more"
				exit
			}
		}' >&2
	return 1
}
