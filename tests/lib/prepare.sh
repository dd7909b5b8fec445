# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What ./run-demo and ./run-tests do first. To be sourced, in the top directory:
#
#	prepare KERNEL PRESET...
#
# gets packages, a kernel for the guest, the builds of the CMake presets and the
# modules, and exits 2 when it can't. It announces PRESETS + 3 steps. Sets RELEASE
# (the guest's kernel) and MODULES (a directory, see module.sh). What is there
# already is not made again.

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
	RELEASE=$(tests/vm/vm release "$kernel") && tests/vm/vm kernel "$RELEASE" >/dev/null || exit 2
	for preset in "$@"; do
		bootstrap_step "building library, examples and tests ($preset)"
		prepare_build "$preset" || exit 2
	done
	bootstrap_step "building the module for $RELEASE"
	MODULES=build/modules/$RELEASE
	bootstrap_logged build/log/module.log module_build . "$RELEASE" "$MODULES" || exit 2
}

# prepare_build PRESET: configures once, builds what changed
prepare_build() {
	[[ -e build/$1/build.ninja || -e build/$1/Makefile ]] ||
		bootstrap_logged "build/log/configure-$1.log" cmake --preset "$1" || return
	bootstrap_logged "build/log/build-$1.log" cmake --build --preset "$1" --parallel
}
