# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2207
# Made by xpmem --completion
_xpmem() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local words=''
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		words='--help --version --completion'
		words+=' status'
		words+=' segments'
		words+=' attachments'
		words+=' partitions'
		words+=' topo'
		words+=' top'
		words+=' trace'
		words+=' drain'
		words+=' doctor'
	else
		# what stands after an option with an argument is a file or nothing
		case $before in
		--root | --socket | --svg)
			COMPREPLY=($(compgen -f -- "$word"))
			return
			;;
		esac
		case ${COMP_WORDS[1]}:$before in
		segments:--pid) return ;;
		segments:--uid) return ;;
		attachments:--pid) return ;;
		attachments:--uid) return ;;
		attachments:--owner) return ;;
		topo:--svg) return ;;
		top:--batch) return ;;
		top:--delay) return ;;
		top:--sort) return ;;
		trace:--event) return ;;
		trace:--segid) return ;;
		trace:--pid) return ;;
		trace:--seconds) return ;;
		trace:--count) return ;;
		drain:--segid) return ;;
		drain:--pid) return ;;
		drain:--uid) return ;;
		esac
		case ${COMP_WORDS[1]} in
		status) words='--help --json --root --socket' ;;
		segments) words='--help --numa --pid --uid --json --root --socket' ;;
		attachments) words='--help --pid --uid --owner --json --root --socket' ;;
		partitions) words='--help --json --root --socket' ;;
		topo) words='--help --svg --json --root --socket' ;;
		top) words='--help --batch --delay --sort --json --root --socket' ;;
		trace) words='--help --event --segid --pid --seconds --count --json --root --socket' ;;
		drain) words='--help --segid --pid --uid --dry-run --json --root --socket' ;;
		doctor) words='--help --json --root --socket' ;;
		esac
	fi
	COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _xpmem xpmem
