#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# An installed tree serves programs: by pkg-config under both names, by
# find_package, by a plain -I and -L, linked shared and static.
#
# $1: how to install
#  prefix         this build, cmake --install --prefix
#  destdir        this build, DESTDIR as packagers use it
#  relocated      this build, moved elsewhere afterwards; find_package alone
#  libdir LIBDIR  a build configured with that CMAKE_INSTALL_LIBDIR; an absolute
#                 one is given relative to the test's directory: @/lib

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

how=$1
prefix=$tmp/prefix
lib=lib
build=$BUILD_DIR

cat >"$tmp/client.c" <<'END'
#include <errno.h>
#include <xpmem.h>
#include <xpmem_ext.h>

int main(void)
{
	struct xpmem_info info;

	/* both without the module and with it */
	return xpmem_version() == -1 && errno != ENOENT &&
	       xpmem_query(&info, sizeof(info)) != 0;
}
END

install_tree()
{
	"$CMAKE" --install "$build" "$@" >"$tmp/install.log" 2>&1 ||
		die "$(cat "$tmp/install.log")"
}

# compile NAME FLAGS...
compile()
{
	name=$1
	shift
	# shellcheck disable=SC2086
	"$CC" $TEST_CFLAGS -o "$tmp/$name" "$tmp/client.c" "$@"
}

use_pkg_config()
{
	export PKG_CONFIG_PATH="$full_lib/pkgconfig"
	for name in xpmem cray-xpmem; do
		same "$name prefix" "$prefix" \
			"$(pkg-config --variable=prefix $name)"
		same "$name libdir" "$full_lib" \
			"$(pkg-config --variable=libdir $name)"
		same "$name flags" "-I$prefix/include -L$full_lib -lxpmem" \
			"$(pkg-config --cflags --libs $name | sed 's/ *$//')"
		same "$name version" "$version" \
			"$(pkg-config --modversion $name)"
		# shellcheck disable=SC2046
		compile by-pkg-config $(pkg-config --cflags --libs $name)
		LD_LIBRARY_PATH=$full_lib "$tmp/by-pkg-config"
	done
}

use_find_package()
{
	rm -rf "$tmp/consumer"
	mkdir "$tmp/consumer"
	cp "$tmp/client.c" "$tmp/consumer"
	cat >"$tmp/consumer/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.21)
project(consumer C)
find_package(xpmem 3.0 REQUIRED)
add_executable(shared client.c)
target_link_libraries(shared xpmem::xpmem)
add_executable(static client.c)
target_link_libraries(static xpmem::xpmem_static)
enable_testing()
END
	{
		"$CMAKE" -S "$tmp/consumer" -B "$tmp/consumer/build" \
			-DCMAKE_C_COMPILER="$CC" -DCMAKE_C_FLAGS="$TEST_CFLAGS" \
			-Dxpmem_DIR="$full_lib/cmake/xpmem" &&
			"$CMAKE" --build "$tmp/consumer/build" --verbose
	} >"$tmp/consumer.log" 2>&1 || die "$(cat "$tmp/consumer.log")"
	grep -q -- "$full_lib/libxpmem.so" "$tmp/consumer.log" ||
		die "another library was linked: $(cat "$tmp/consumer.log")"
	"$tmp/consumer/build/shared"
	"$tmp/consumer/build/static"
	if readelf -d "$tmp/consumer/build/static" | grep libxpmem; then
		die "xpmem::xpmem_static links the shared library"
	fi
	echo "ok: find_package"
}

# --with-xpmem=DIR of Open MPI and others
use_plain_flags()
{
	compile by-flags -I"$prefix/include" -L"$full_lib" -lxpmem
	LD_LIBRARY_PATH=$full_lib "$tmp/by-flags"
	compile by-archive -I"$prefix/include" "$full_lib/libxpmem.a"
	"$tmp/by-archive"
	echo "ok: -I and -L"
}

if [ "$how" = libdir ]; then
	lib=$(echo "$2" | sed "s|^@|$tmp/absolute|")
	build=$tmp/build
	{
		"$CMAKE" -S "$SOURCE_DIR" -B "$build" -DBUILD_TESTING=OFF -DXPMEM_DAEMON=OFF \
			-DXPMEM_MPI_EXAMPLES=OFF -DXPMEM_MAN=OFF -DXPMEM_CLI=OFF \
			-DXPMEM_FORTRAN=OFF \
			-DCMAKE_C_COMPILER="$CC" \
			-DCMAKE_C_FLAGS="$TEST_CFLAGS" \
			-DCMAKE_INSTALL_PREFIX="$prefix" \
			-DCMAKE_INSTALL_LIBDIR="$lib" &&
			"$CMAKE" --build "$build"
	} >"$tmp/build.log" 2>&1 || die "$(cat "$tmp/build.log")"
else
	lib=$(sed -n 's/^CMAKE_INSTALL_LIBDIR:[A-Z]*=//p' \
		"$BUILD_DIR/CMakeCache.txt")
	case $lib in
	/*) exit 77 ;;
	esac
fi
version=$(sed -n 's/^project(xpmem VERSION \([0-9.]*\).*/\1/p' \
	"$SOURCE_DIR/CMakeLists.txt")
case $lib in
/*) full_lib=$lib ;;
*) full_lib=$prefix/$lib ;;
esac

case $how in
prefix)
	install_tree --prefix "$prefix"
	for file in include/xpmem.h include/xpmem_ext.h include/xpmem_ioctl.h \
		include/xpmem_legacy.h "$lib/libxpmem.so" "$lib/libxpmem.so.0" \
		"$lib/libxpmem.a" lib/udev/rules.d/56-xpmem.rules; do
		[ -e "$prefix/$file" ] || die "$file is not installed"
	done
	if [ -e "$BUILD_DIR/docs/man/xpmem.7" ]; then
		for name in $historic $new; do
			case $name in
			xpmem_init | xpmem_ioctl) continue ;;
			esac
			[ -e "$prefix/share/man/man3/$name.3" ] ||
				die "$name.3 is not installed"
		done
		[ -e "$prefix/share/man/man7/xpmem.7" ] ||
			die "xpmem.7 is not installed"
	fi
	use_pkg_config
	use_find_package
	use_plain_flags
	;;
destdir)
	export DESTDIR="$tmp/image"
	prefix=/opt/xpmem
	install_tree --prefix "$prefix"
	unset DESTDIR
	for name in xpmem cray-xpmem; do
		pc=$tmp/image$prefix/$lib/pkgconfig/$name.pc
		same "$name.pc" "prefix=$prefix" "$(grep ^prefix= "$pc")"
		if grep -F "$tmp" "$pc"; then
			die "$name.pc names the directory of the image"
		fi
	done
	if grep -rlF "$tmp" "$tmp/image" --include='*.cmake'; then
		die "the CMake package names the directory of the image"
	fi
	;;
relocated)
	install_tree --prefix "$prefix"
	mv "$prefix" "$tmp/elsewhere"
	prefix=$tmp/elsewhere
	full_lib=$prefix/$lib
	use_find_package
	;;
libdir)
	install_tree
	use_pkg_config
	use_find_package
	use_plain_flags
	;;
*)
	die "unknown: $how"
	;;
esac
