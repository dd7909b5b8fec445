#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the shared library shows to the linker: symbols, versions, name, needs.

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

lib=$libdir/libxpmem.so.0

# Sanitizers and gcov add symbols and libraries of their own.
if [ -n "$TEST_CFLAGS" ]; then
	ours='[xX][pP][mM][eE][mM]_'
else
	ours=''
fi

expected=$({
	for name in $historic; do
		echo "$name"
	done
	for name in $new; do
		echo "$name@@XPMEM_EXT_3.0"
	done
	echo XPMEM_EXT_3.0
} | LC_ALL=C sort)
same "exported symbols" "$expected" \
	"$(nm -D --defined-only "$lib" | awk '{ print $3 }' |
		grep "^$ours" | LC_ALL=C sort)"

in_map=$(sed -e '/\/\*/,/\*\//d' "$SOURCE_DIR/libxpmem/libxpmem.map" |
	grep -o 'xpmem_[a-z_]*' | LC_ALL=C sort | tr '\n' ' ')
same "the map has the new calls" "$new " "$in_map"

dynamic=$(readelf -dW "$lib")
same "soname" libxpmem.so.0 \
	"$(echo "$dynamic" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')"
case $dynamic in
*NODELETE*) echo "ok: dlclose keeps it" ;;
*) die "dlclose would unload the library, its descriptor open" ;;
esac
if [ -z "$TEST_CFLAGS" ]; then
	same "needed libraries" libc.so.6 \
		"$(echo "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')"
fi

# Of the archive only what is marked for export may be visible to a program's
# shared libraries; the rest is hidden.
leaked=$(readelf -sW "$libdir/libxpmem.a" | awk '
	$5 == "GLOBAL" && $6 == "DEFAULT" && $7 != "UND" { print $8 }' |
	grep "^$ours" | LC_ALL=C sort | tr '\n' ' ')
marked=$(echo "$historic $new" | tr ' ' '\n' | LC_ALL=C sort | tr '\n' ' ')
same "symbols of the archive" "$marked" "$leaked"
