#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every call of the headers is in both bindings, and each constant of theirs has the
# headers' value: constants.sh SOURCE
set -eu

top=$1 failed=0
calls=$(sed -n 's/^[a-z_ ]* \**\(xpmem_[a-z_]*\)(.*/\1/p' "$top/include/xpmem.h" "$top/include/xpmem_ext.h")
for call in $calls; do
	for file in bindings/fortran/xpmem.f90 bindings/python/xpmem/_library.py; do
		grep -q "\\b$call\\b" "$top/$file" || { echo "$file lacks $call" >&2; failed=1; }
	done
done

# What a name is in a header, in the first 2 words after it
value() {
	sed -n -e "s/.*#define $1[ \t]*//p" -e "s/^[ \t]*$1 = \([0-9]*\).*/\1/p" \
		"$top/include/xpmem.h" "$top/include/xpmem_ext.h" | sed -e 's|/\*.*||' -e 's/[()]//g' \
		-e 's/UL*//g' | head -n 1
}

same() {
	header=$(value "$2")
	[ -n "$header" ] || return 0
	# shellcheck disable=SC2004 # it is an expression
	[ $(($header)) -eq $(($3)) ] || { echo "$1: $2 is $3, in the header $header" >&2; failed=1; }
}

for name in PERMIT_MODE RDONLY RDWR FEATURE_PREFAULT FEATURE_REMOTE PREFAULT_WRITE \
	REMOTE_WRITE REMOTE_LAST_COPY; do
	fortran=$(sed -n "s/.*:: XPMEM_$name = \([0-9]*\).*/\1/p" "$top/bindings/fortran/xpmem.f90")
	same xpmem.f90 "XPMEM_$name" "$fortran"
	python=$(sed -n "s/^$name = \([0-9]*\)$/\1/p" "$top/bindings/python/xpmem/_library.py")
	[ -z "$python" ] || same _library.py "XPMEM_$name" "$python"
done
if [ -z "$calls" ] || [ -z "$(value XPMEM_RDWR)" ]; then
	echo "read nothing in the headers" >&2
	failed=1
fi
exit $failed
