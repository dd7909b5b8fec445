#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Fortran example, both of its processes: fortran.sh PROGRAM
set -eu

tmp=$(mktemp -d "${TMPDIR:-/tmp}/xpmem-fortran.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
"$1" owner "$tmp/segid" &
"$1" attacher "$tmp/segid"
wait $!
