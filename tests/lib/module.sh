# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the kernel modules for a guest's kernel. To be sourced:
#
#	module_build SOURCE RELEASE OUTPUT
#
# builds SOURCE/kmod and the test module SOURCE/tests/guest/pagestat for the
# kernel RELEASE in the directory OUTPUT, as OUTPUT/kmod/xpmem.ko and
# OUTPUT/pagestat/pagestat.ko. The kernel's build system writes beside the
# sources, so they are copied: one tree serves any number of kernels, and stays
# clean. What has not changed is not copied and not built again.

module_kdir() {
	local dir
	for dir in "/lib/modules/$1/build" "/usr/src/linux-headers-$1"; do
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
	mkdir -p "$output/kmod/compat" "$output/include/uapi" "$output/pagestat"
	cp -u --preserve=timestamps "$source"/kmod/{Kbuild,Makefile,*.[ch]} "$output/kmod/" &&
		cp -u --preserve=timestamps "$source"/kmod/compat/*.[ch] "$output/kmod/compat/" &&
		cp -u --preserve=timestamps "$source"/include/uapi/*.h "$output/include/uapi/" &&
		cp -u --preserve=timestamps "$source"/tests/guest/pagestat/{Kbuild,*.[ch]} "$output/pagestat/" &&
		make -s -C "$output/kmod" KDIR="$kdir" &&
		make -s -C "$kdir" M="$(realpath "$output/pagestat")" CONFIG_DEBUG_INFO_BTF_MODULES= modules
}
