#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# $1 lint:     every call has a page, and mandoc finds nothing in the pages
#    examples: the example of every page compiles without a warning, and does
#              not crash where there is no module; guest.man_examples is with it

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

man=$SOURCE_DIR/docs/man

lint()
{
	for name in $historic $new; do
		case $name in
		xpmem_init | xpmem_ioctl) continue ;;	# in no header
		esac
		[ -e "$man/$name.3.scd" ] || die "no page for $name"
		grep -q "\*$name\*(3)" "$man/xpmem.7.scd" ||
			die "xpmem.7 does not mention $name"
	done
	for tool in scdoc mandoc; do
		command -v $tool >/dev/null || {
			echo "skipped: no $tool"
			exit 77
		}
	done
	for source in "$man"/*.scd; do
		page=$tmp/$(basename "$source" .scd)
		scdoc <"$source" >"$page" || die "scdoc refused $source"
		# scdoc puts a paragraph macro after each heading
		mandoc -T lint -W warning "$page" >"$tmp/lint" 2>&1 || :
		if grep -v 'skipping paragraph macro: PP' "$tmp/lint"; then
			die "mandoc complains of $source"
		fi
		echo "ok: $(basename "$page")"
	done
}

examples()
{
	for source in "$man"/*.scd; do
		name=$(basename "$source" .scd)
		"$SOURCE_DIR/tests/unit/man-example" "$source" "$tmp/$name.c"
		[ -s "$tmp/$name.c" ] || {
			grep -q '^# EXAMPLES' "$source" || {
				case $name in
				xpmem_*.3 | xpmem.7) die "$name: no example" ;;
				esac
				continue
			}
			die "$name: no program in EXAMPLES"
		}
		# shellcheck disable=SC2086
		"$CC" -std=gnu11 -Wall -Wextra -Werror $TEST_CFLAGS \
			-I"$include" -o "$tmp/$name.out" "$tmp/$name.c" \
			-L"$libdir" -lxpmem || die "$name: does not compile"
		if [ ! -e /dev/xpmem ]; then
			status=0
			LD_LIBRARY_PATH=$libdir timeout 10 "$tmp/$name.out" \
				>/dev/null 2>"$tmp/stderr" || status=$?
			same "$name without the module" 1 "$status"
			grep -q 'No such file' "$tmp/stderr" ||
				die "$name does not say why it failed"
		fi
		echo "ok: $name"
	done
}

"$1"
