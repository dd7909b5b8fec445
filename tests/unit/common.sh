# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2034
#
# For the test scripts.  ctest sets: SOURCE_DIR and BUILD_DIR of the project,
# CC, CXX (empty: there is none), TEST_CFLAGS (what programs that load the
# library under test must be compiled with, sanitizers for instance), CMAKE.
# A test fails by die or any failing command, and is skipped by exit 77.

set -eu

tmp=$(mktemp -d "${TMPDIR:-/tmp}/xpmem-test.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

include=$SOURCE_DIR/include
libdir=$BUILD_DIR/libxpmem

die()
{
	echo "FAILED: $*" >&2
	exit 1
}

# same WHAT EXPECTED FOUND
same()
{
	[ "$2" = "$3" ] || die "$1: expected '$2', found '$3'"
	echo "ok: $1"
}

# The names that every libxpmem.so.0 exports, and those that this one adds.
historic="xpmem_attach xpmem_detach xpmem_get xpmem_init xpmem_ioctl xpmem_make
xpmem_release xpmem_remove xpmem_version"
new="xpmem_make_remote xpmem_prefault xpmem_query"
