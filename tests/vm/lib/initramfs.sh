# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the initramfs of a kernel: a static busybox, the two programs that
# bring the guest up (guest-boot, guest-init) and the few modules needed to
# mount the host's file system. Everything else the guest takes from there.
#
# Invariants:
#  - The archive is named after a checksum of all that goes into it, so an edit
#    of guest-init is seen by the next run and no stale one is ever booted.
#  - It is not compressed: emulated decompression costs more than reading.

# What must be there before the root is; a kernel may have any of it built in.
readonly BOOT_MODULES=(virtio_pci 9pnet_virtio 9p overlay)

# Prints the module files in the order in which they must be loaded.
boot_module_files() {
	local dir=$1 release=$2 name word file
	[[ -d $dir/modules ]] || return 0
	for name in "${BOOT_MODULES[@]}"; do
		modprobe -d "$dir" -S "$release" --show-depends "$name" 2>/dev/null |
			while read -r word file _; do
				if [[ $word == insmod ]]; then
					printf '%s\n' "$file"
				fi
			done
	done | awk '!seen[$0]++'
}

# Debian's cloud kernels, for one, have no 9p.
check_boot_modules() {
	local dir=$1 release=$2 name
	[[ -d $dir/modules ]] || return 0
	need_tool modprobe kmod
	for name in "${BOOT_MODULES[@]}"; do
		modprobe -d "$dir" -S "$release" --show-depends "$name" >/dev/null 2>&1 ||
			die "kernel $release cannot be a guest: it has no $name"
	done
}

build_initramfs() {
	local dir=$1 release=$2 final=$3 busybox=$4 root file name
	[[ ! -e $final ]] || return 0
	need_tool cpio cpio
	check_boot_modules "$dir" "$release"
	root=$(mktemp -d -- "$dir/initramfs.XXXXXX")
	mkdir -p -- "$root/bin" "$root/modules"
	cp -- "$busybox" "$root/bin/busybox"
	cp -- "$VM_DIR/guest-boot" "$root/init"
	cp -- "$VM_DIR/guest-init" "$root/guest-init"
	chmod 755 "$root/init" "$root/guest-init"
	while read -r file; do
		name=${file##*/}
		case $name in
		*.xz) xz -dc -- "$file" >"$root/modules/${name%.xz}" ;;
		*.zst) zstd -qdc -- "$file" >"$root/modules/${name%.zst}" ;;
		*.gz) gzip -dc -- "$file" >"$root/modules/${name%.gz}" ;;
		*) cp -- "$file" "$root/modules/" ;;
		esac
		name=${name%.xz} name=${name%.zst} name=${name%.gz}
		printf '%s\n' "$name" >>"$root/modules/order"
	done < <(boot_module_files "$dir" "$release")
	(cd -- "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$root.cpio"
	rm -rf -- "$root"
	rm -f -- "$dir"/initramfs-*.cpio
	mv -- "$root.cpio" "$final"
}

# Sets INITRAMFS for the kernel chosen by get_kernel.
get_initramfs() {
	local busybox key
	need_tool busybox busybox-static
	busybox=$(command -v busybox)
	# ldd succeeds for dynamic programs only.
	if ldd "$busybox" >/dev/null 2>&1; then
		die "$busybox is linked dynamically: install the Debian package busybox-static"
	fi
	key=$(cat -- "$busybox" "$VM_DIR/guest-boot" "$VM_DIR/guest-init" "$VM_DIR/lib/initramfs.sh" |
		sha256sum | cut -c 1-12)
	INITRAMFS=$KERNEL_DIR/initramfs-$key.cpio
	[[ -e $INITRAMFS ]] ||
		with_lock "$VM_CACHE/kernel/initramfs.lock" \
			build_initramfs "$KERNEL_DIR" "$KERNEL_RELEASE" "$INITRAMFS" "$busybox"
}
