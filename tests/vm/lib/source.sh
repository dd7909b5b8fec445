# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The kernel's sources, from Debian's package, unpacked into the cache: the debug
# kernel is built from them, and their tools check the module. To be sourced after
# common.sh.

readonly SOURCE_PACKAGE=linux-source-6.1

source_version() { dpkg-query -W -f '${Version}' "$SOURCE_PACKAGE"; }

source_dir() { printf '%s/debug/%s-%s\n' "$VM_CACHE" "$SOURCE_PACKAGE" "$(source_version)"; }

# unpack_source: prints the directory, which is there after this. That of another
# version goes, and with it what was built from it.
unpack_source() {
	local dir
	dir=$(source_dir)
	mkdir -p -- "$VM_CACHE/debug"
	with_lock "$VM_CACHE/debug.lock" unpack_source_locked "$dir" || return
	printf '%s\n' "$dir"
}

unpack_source_locked() {
	local dir=$1
	[[ ! -d $dir ]] || return 0
	rm -rf -- "${VM_CACHE:?}/debug"
	mkdir -p -- "$dir.new"
	tar -C "$dir.new" --strip-components=1 -xf "/usr/src/$SOURCE_PACKAGE.tar.xz" &&
		mv -- "$dir.new" "$dir"
}
