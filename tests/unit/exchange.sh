#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One libxpmem.so.0 takes the place of another.  Programs linked with either run
# with the other, all symbols resolved, and ld.so says nothing.  Only a program
# that uses a new call needs this library, and ld.so says so.

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

here=$SOURCE_DIR/tests/unit
mkdir "$tmp/other"
"$CC" -shared -fPIC -Wl,-soname,libxpmem.so.0 \
	-o "$tmp/other/libxpmem.so.0" "$here/exchange_stand_in.c"
ln -s libxpmem.so.0 "$tmp/other/libxpmem.so"

# link NAME LIBDIR SOURCE
link()
{
	# the sanitizers' flags make the program load their runtimes first
	# shellcheck disable=SC2086
	"$CC" $TEST_CFLAGS -I"$include" -o "$tmp/$1" "$3" -L"$2" -lxpmem
}

# run NAME LIBDIR: prints what the program printed
run()
{
	LD_BIND_NOW=1 LD_LIBRARY_PATH=$2 "$tmp/$1" 2>"$tmp/stderr" ||
		die "$1 with $2: exit status $?: $(cat "$tmp/stderr")"
	[ ! -s "$tmp/stderr" ] || die "$1 with $2: $(cat "$tmp/stderr")"
}

link for-other "$tmp/other" "$here/exchange_client.c"
link for-ours "$libdir" "$here/exchange_client.c"

# expect WHAT EXPECTED NAME LIBDIR
expect()
{
	found=$(run "$3" "$4")
	same "$1" "$2" "$found"
}

with_other='version 26005
failed 0'
expect "linked with the other, run with the other" "$with_other" \
	for-other "$tmp/other"
expect "linked with ours, run with the other" "$with_other" \
	for-ours "$tmp/other"
if [ -e /dev/xpmem ]; then
	run for-other "$libdir"
else
	with_ours='version ffffffff
failed 8'
	expect "linked with ours, run with ours" "$with_ours" \
		for-ours "$libdir"
	expect "linked with the other, run with ours" "$with_ours" \
		for-other "$libdir"
fi

cat >"$tmp/new.c" <<'END'
#include <xpmem_ext.h>

int main(void)
{
	struct xpmem_info info;

	return xpmem_query(&info, sizeof(info)) > 0;
}
END
link new "$libdir" "$tmp/new.c"
run new "$libdir"
if LD_LIBRARY_PATH=$tmp/other "$tmp/new" 2>"$tmp/stderr"; then
	die "a program that needs a new call ran with a library without it"
fi
grep -q XPMEM_EXT_3.0 "$tmp/stderr" || die "$(cat "$tmp/stderr")"
echo "ok: a new call with the other is refused by name"
