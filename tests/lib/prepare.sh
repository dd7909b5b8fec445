# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What ./run-demo and ./run-tests do first. To be sourced, in the top directory:
#
#	prepare KERNEL PRESET...
#
# gets packages, a kernel for the guest (with its headers, or built from source if
# KERNEL is debug), the builds of the CMake presets and the modules, and exits 2
# when it can't. It announces PRESETS + 3 steps, one more when headers must be
# installed. Sets RELEASE (the guest's kernel) and MODULES (a directory, see
# module.sh). What is there already is not made again.

# shellcheck source=tests/lib/bootstrap.sh
source tests/lib/bootstrap.sh
# shellcheck source=tests/lib/module.sh
source tests/lib/module.sh

prepare() {
	local kernel=$1 preset
	shift
	bootstrap_packages packages.txt
	mkdir -p build/log
	bootstrap_step "getting kernel $kernel for the guest"
	RELEASE=$(prepare_release "$kernel") || exit 2
	module_kdir "$RELEASE" >/dev/null 2>&1 || prepare_headers "$RELEASE"
	tests/vm/vm kernel "$RELEASE" >/dev/null || exit 2
	for preset in "$@"; do
		bootstrap_step "building library, examples and tests ($preset)"
		prepare_build "$preset" || exit 2
	done
	bootstrap_step "building the module for $RELEASE"
	MODULES=build/modules/$RELEASE
	bootstrap_logged build/log/module.log module_build . "$RELEASE" "$MODULES" || exit 2
}

# The newest that apt knows, if there are no headers: which takes package lists.
prepare_release() {
	if [[ $1 =~ ^[0-9.]+(-rt)?$ ]] && ! tests/vm/vm release "$1" >/dev/null 2>&1 &&
		bootstrap_can_install; then
		bootstrap_note "apt-get update"
		bootstrap_apt update >/dev/null 2>build/log/apt.log
	fi
	tests/vm/vm release "$1"
}

# The kernels of packages.txt come with theirs.
prepare_headers() {
	BOOTSTRAP_STEPS=$((BOOTSTRAP_STEPS + 1))
	printf 'linux-headers-%s\n' "$1" >build/log/packages-headers
	bootstrap_packages build/log/packages-headers
}

# prepare_build PRESET: configures once, builds what changed
prepare_build() {
	[[ -e build/$1/build.ninja || -e build/$1/Makefile ]] ||
		bootstrap_logged "build/log/configure-$1.log" cmake --preset "$1" || return
	bootstrap_logged "build/log/build-$1.log" cmake --build --preset "$1" --parallel "$(nproc)"
}
