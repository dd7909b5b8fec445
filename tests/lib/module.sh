# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the kernel modules for a guest's kernel. To be sourced:
#
#	module_kdir RELEASE
#
# prints the build tree of a kernel: Debian's headers or that of the debug kernel.
#
#	module_build SOURCE RELEASE OUTPUT
#
# builds SOURCE/kmod and the test modules, which are the directories of
# SOURCE/tests/guest with a Kbuild, for the kernel RELEASE in the directory
# OUTPUT, as OUTPUT/kmod/xpmem.ko and OUTPUT/NAME/NAME.ko. The kernel's build
# system writes beside the sources, so they are copied: one tree serves any
# number of kernels, and stays clean. What has not changed is not copied and not
# built again. Test modules may use what xpmem exports, and find its headers in
# $(src)/../kmod.

MODULE_CACHE=${XPMEM_VM_CACHE:-$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)/build/vm}

module_kdir() {
	local dir
	for dir in "/lib/modules/$1/build" "/usr/src/linux-headers-$1" \
		"$MODULE_CACHE"/kernel/debug-*/lib/modules/"$1"/build; do
		if [[ -e $dir/Makefile ]]; then
			printf '%s\n' "$dir"
			return
		fi
	done
	printf 'no kernel headers for %s: install linux-headers-%s\n' "$1" "$1" >&2
	return 1
}

module_build() {
	local source=$1 release=$2 output=$3 kdir
	kdir=$(module_kdir "$release") || return
	mkdir -p "$output/kmod/compat" "$output/include/uapi"
	cp -u --preserve=timestamps "$source"/kmod/{Kbuild,Makefile,*.[ch]} "$output/kmod/" &&
		cp -u --preserve=timestamps "$source"/kmod/compat/*.[ch] "$output/kmod/compat/" &&
		cp -u --preserve=timestamps "$source"/include/uapi/*.h "$output/include/uapi/" &&
		make -s -C "$output/kmod" KDIR="$kdir" &&
		module_build_tests "$source" "$kdir" "$(realpath "$output")"
}

module_build_tests() {
	local source=$1 kdir=$2 output=$3 kbuild name
	for kbuild in "$source"/tests/guest/*/Kbuild; do
		name=$(basename "${kbuild%/Kbuild}")
		mkdir -p "$output/$name"
		cp -u --preserve=timestamps "${kbuild%/Kbuild}"/{Kbuild,*.[ch]} "$output/$name/" &&
			make -s -C "$kdir" M="$output/$name" CONFIG_DEBUG_INFO_BTF_MODULES= \
				KBUILD_EXTRA_SYMBOLS="$output/kmod/Module.symvers" modules || return
	done
}
