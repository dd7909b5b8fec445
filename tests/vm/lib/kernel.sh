# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Turns what the user calls a kernel version into a directory of the cache that
# can be booted; "debug" is built from source by tests/vm/debug-kernel:
#
#	release		the uname release
#	kernel		what qemu boots: the unpacked ELF image, else the bzImage
#	modules/	lib/modules/<release> with depmod's tables, or missing
#
# Invariants:
#  - The image package is unpacked, never installed; apt is only asked to
#    download, which needs no root.
#  - A directory appears under its final name when it is complete, so whoever
#    finds it can use it without a lock.
#  - The image has the same release, and if apt still offers it the same
#    package version, as the headers the module is built against.
#
# Why the ELF image: the bzImage unpacks itself, which takes 5 s of a 9 s boot
# under emulation. The host does the same in 1 s, once. Kernels enter through
# the PVH note then; those built without it boot from the bzImage.

# header_releases VERSION FLAVOUR: releases with headers on this host, oldest
# first. VERSION is like 6.1, FLAVOUR like amd64 or rt-amd64.
header_releases() {
	local path release
	for path in /lib/modules/*/build /usr/src/linux-headers-*; do
		[[ -e $path ]] || continue
		release=${path#/usr/src/linux-headers-}
		release=${release#/lib/modules/}
		release=${release%/build}
		if is_release_of "$release" "$1" "$2"; then
			printf '%s\n' "$release"
		fi
	done | sort -Vu
}

# 6.1 owns 6.1.0-56-amd64 and 6.12 owns 6.12.117+deb12-amd64; rt-amd64 and
# cloud-amd64 are flavours of their own.
is_release_of() {
	local release=$1 version=$2 flavour=$3
	[[ $release == "$version".* && $release == *-"$flavour" ]] || return 1
	case ${release%-"$flavour"} in
	*-rt | *-cloud) return 1 ;;
	esac
}

package_releases() {
	local package
	command -v apt-cache >/dev/null || return 0
	apt-cache pkgnames linux-image-"$1". | while read -r package; do
		if is_release_of "${package#linux-image-}" "$1" "$2"; then
			printf '%s\n' "${package#linux-image-}"
		fi
	done | sort -V
}

# What debug.config gives as local version
is_debug_kernel() { [[ $1 == debug || $1 == *-xpmem-debug ]]; }

# resolve_release VERSION: prints a full release for 6.1, 6.12-rt, debug, a
# release, or a directory with a kernel.
resolve_release() {
	local version=$1 flavour=amd64 release image
	if is_debug_kernel "$version"; then
		image=$("$VM_DIR/debug-kernel") || exit "$EXIT_USAGE"
		cat -- "$image/release"
		return
	fi
	if [[ $version == */* || -d $version ]]; then
		image=$(image_in_dir "$version") ||
			die "no vmlinuz or bzImage in $version"
		release_of_image "$image" || die "$image is not a bzImage"
		return
	fi
	if [[ $version == *-amd64 && $version == *.*.* ]]; then
		printf '%s\n' "$version"
		return
	fi
	if [[ $version =~ ^([0-9]+\.[0-9]+)(-(rt|cloud))?(-amd64)?$ ]]; then
		version=${BASH_REMATCH[1]}
		flavour=${BASH_REMATCH[3]:+${BASH_REMATCH[3]}-}amd64
	else
		die "'$1' is no kernel version: use 6.1, 6.12, 6.1-rt, debug, a release such as 6.1.0-56-amd64, or a directory"
	fi
	release=$(header_releases "$version" "$flavour" | tail -n 1)
	if [[ -z $release ]]; then
		release=$(package_releases "$version" "$flavour" | tail -n 1)
	fi
	[[ -n $release ]] ||
		die "apt knows no kernel $1 for $flavour; 'apt-get update' may be needed"
	printf '%s\n' "$release"
}

image_in_dir() {
	local path
	for path in "$1"/{vmlinuz,bzImage} "$1"/boot/{vmlinuz,bzImage}* \
		"$1"/vmlinuz-* "$1"/arch/x86/boot/bzImage; do
		if [[ -f $path ]]; then
			printf '%s\n' "$path"
			return
		fi
	done
	return 1
}

# Little-endian number of 1, 2 or 4 bytes at an offset.
number_at() { od -An -v -t "u$3" -j "$2" -N "$3" -- "$1" | tr -d ' '; }

# Offsets are those of Documentation/arch/x86/boot.rst.
release_of_image() {
	local offset text
	[[ $(od -An -v -c -j 514 -N 4 -- "$1" | tr -d ' ') == HdrS ]] || return 1
	offset=$(number_at "$1" 526 2)
	IFS=' ' read -r text _ < <(tail -c +$((offset + 513)) -- "$1" | head -c 200 | tr '\0' '\n')
	[[ -n $text ]] && printf '%s\n' "$text"
}

# unpack_image BZIMAGE OUTPUT: fails when the payload is of a kind that can't be
# booted directly; OUTPUT is to be thrown away then.
unpack_image() {
	local image=$1 output=$2 setup offset length magic
	setup=$(number_at "$image" 497 1)
	offset=$((((setup ? setup : 4) + 1) * 512 + $(number_at "$image" 584 4)))
	length=$(number_at "$image" 588 4)
	magic=$(od -An -v -t x1 -j "$offset" -N 4 -- "$image" | tr -d ' ')
	# All but gzip have the unpacked size appended, which their tools reject.
	case $magic in
	1f8b*) set -- gzip -dc ;;
	fd377a58) length=$((length - 4)) && set -- xz -dc ;;
	28b52ffd) length=$((length - 4)) && set -- zstd -qdc ;;
	5d0000*) length=$((length - 4)) && set -- xz --format=lzma -dc ;;
	7f454c46) set -- cat ;;
	*) return 1 ;;
	esac
	command -v "$1" >/dev/null || return 1
	tail -c +$((offset + 1)) -- "$image" | head -c "$length" | "$@" >"$output" || return 1
	# The ELF note of type 18, owner Xen, is the PVH entry point.
	LC_ALL=C grep -aPq '\x04\0\0\0[\x04\x08]\0\0\0\x12\0\0\0Xen\0' "$output"
}

# fetch_package RELEASE DIR: unpacks the image package into DIR.
fetch_package() {
	local release=$1 dir=$2 version name tried=()
	version=$(dpkg-query -W -f '${Version}' "linux-headers-$release" 2>/dev/null) || version=
	need_tool apt-get apt
	for name in ${version:+"linux-image-$release=$version"} "linux-image-$release" \
		"linux-image-$release-unsigned"; do
		tried+=("$name")
		# As root apt warns that its own user can't enter the cache.
		if (cd -- "$dir" && apt-get download -qq -o APT::Sandbox::User=root "$name") >"$dir/apt.log" 2>&1; then
			say "downloaded $name, unpacking it"
			dpkg-deb -x "$dir"/linux-image-*.deb "$dir" || return 1
			rm -f -- "$dir"/linux-image-*.deb "$dir/apt.log"
			rm -rf -- "${dir:?}/usr"
			return
		fi
	done
	say_lines <"$dir/apt.log"
	say "apt can download none of: ${tried[*]}"
	return 1
}

# An administrator may have installed the image; then nothing is downloaded.
link_installed_kernel() {
	local release=$1 dir=$2
	[[ -r /boot/vmlinuz-$release && -d /lib/modules/$release/kernel ]] || return 1
	mkdir -p -- "$dir/boot" "$dir/lib/modules/$release"
	ln -s "/boot/vmlinuz-$release" "$dir/boot/"
	# A copy: the guest's /lib/modules/<release> is this directory, in which a
	# link to there would lead to itself.
	cp -a -- "/lib/modules/$release/kernel" "$dir/lib/modules/$release/"
	cp -- "/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$dir/lib/modules/$release/"
}

# Completes DIR, which has an image and perhaps modules, in place.
finish_kernel() {
	local dir=$1 source=$2 image release modules
	image=$(image_in_dir "$source") || die "no kernel image in $source"
	release=$(release_of_image "$image") || die "$image is not a bzImage"
	printf '%s\n' "$release" >"$dir/release"
	if unpack_image "$image" "$dir/kernel.new" 2>/dev/null; then
		mv -- "$dir/kernel.new" "$dir/kernel"
	else
		rm -f -- "$dir/kernel.new"
		cp -L -- "$image" "$dir/kernel"
	fi
	for modules in "$source/lib/modules/$release" "$source/usr/lib/modules/$release"; do
		[[ -d $modules ]] || continue
		if [[ $source != "$dir" ]]; then
			mkdir -p -- "$dir/lib/modules"
			cp -a -- "$modules" "$dir/lib/modules/"
			modules=$dir/lib/modules/$release
		fi
		need_tool depmod kmod
		depmod -b "$dir" "$release"
		ln -s "lib/modules/$release" "$dir/modules"
		# The guest's /lib/modules/<release> is this directory; a module
		# built inside a guest needs the headers there.
		if [[ ! -e $modules/build ]]; then
			ln -sfn "/usr/src/linux-headers-$release" "$modules/build"
		fi
		break
	done
}

build_package_kernel() {
	local release=$1 final=$2 work=$2.new
	[[ ! -d $final ]] || return 0
	rm -rf -- "$work"
	mkdir -p -- "$work"
	say "getting kernel $release (once)"
	if ! link_installed_kernel "$release" "$work" && ! fetch_package "$release" "$work"; then
		rm -rf -- "$work"
		die "no kernel $release: it is neither installed nor can apt download it"
	fi
	finish_kernel "$work" "$work"
	mv -- "$work" "$final"
}

build_dir_kernel() {
	local source=$1 final=$2 work=$2.new
	[[ ! -d $final ]] || return 0
	rm -rf -- "$work" "${final%-*}"-*
	mkdir -p -- "$work"
	say "preparing the kernel in $source"
	finish_kernel "$work" "$source"
	mv -- "$work" "$final"
}

# get_kernel VERSION: sets KERNEL_DIR and KERNEL_RELEASE.
get_kernel() {
	local version=$1 image key
	if is_debug_kernel "$version"; then
		KERNEL_DIR=$("$VM_DIR/debug-kernel") || exit "$EXIT_USAGE"
		KERNEL_RELEASE=$(<"$KERNEL_DIR/release")
		return
	fi
	if [[ $version == */* || -d $version ]]; then
		image=$(image_in_dir "$version") ||
			die "no vmlinuz or bzImage in $version"
		version=$(cd -- "$version" && pwd -P)
		# A rebuilt kernel is another kernel: its time is in the name. So
		# is that of the modules' directory, which modules_install renews.
		key=$(printf '%s' "$version" | sha256sum | cut -c 1-12)
		key=dir-$key-$(stat -Lc %Y "$image" "$version"/lib/modules/* 2>/dev/null | tr -d '\n')
		KERNEL_DIR=$VM_CACHE/kernel/$key
		with_lock "$VM_CACHE/kernel/${key%-*}.lock" build_dir_kernel "$version" "$KERNEL_DIR"
		KERNEL_RELEASE=$(<"$KERNEL_DIR/release")
		return
	fi
	KERNEL_RELEASE=$(resolve_release "$version") || exit
	KERNEL_DIR=$VM_CACHE/kernel/$KERNEL_RELEASE
	with_lock "$VM_CACHE/kernel/$KERNEL_RELEASE.lock" build_package_kernel "$KERNEL_RELEASE" "$KERNEL_DIR"
}
