#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What can be told of the packaging files without building a package. $1:
#
#  version        they all have the project's version
#  dkms           dkms.conf is short, and has no step before make
#  rpm            the spec parses, with each part and without
#  spack          the recipe is Python
#  modulefile     it sets what it should, and nothing that is not in the prefix
#  systemd        the services are well shut in, and of one mind with what is installed
#  observability  alerts and dashboard name metrics that the daemon exports
#  bpftrace       the scripts name tracepoints and fields that the module has

# shellcheck disable=SC2013 # words without blanks
# shellcheck source-path=SCRIPTDIR source=../unit/common.sh
. "$(dirname "$0")/../unit/common.sh"

packaging=$SOURCE_DIR/packaging
version=$(sed -n 's/^project(xpmem VERSION \([0-9.]*\).*/\1/p' "$SOURCE_DIR/CMakeLists.txt")

need() {
	command -v "$1" >/dev/null || exit 77
}

case $1 in
version)
	same changelog "xpmem ($version) " "$(sed 's/unstable.*//;q' "$packaging/debian/changelog")"
	same spec "$version" "$(sed -n 's/^Version: *//p' "$packaging/rpm/xpmem.spec")"
	same spack "$version" "$(sed -n 's/^ *version("\([0-9.]*\)".*/\1/p' "$packaging/spack/package.py")"
	same modulefile "$version" "$(sed -n 's/^set version //p' "$packaging/modulefiles/xpmem")"
	same python "$version" "$(sed -n 's/^version = "\(.*\)"$/\1/p' "$SOURCE_DIR/bindings/python/pyproject.toml")"
	same module "$version" "$(sed -n 's/^MODULE_VERSION("\(.*\)");$/\1/p' "$SOURCE_DIR/kmod/main.c")"
	;;
dkms)
	conf=$packaging/dkms/dkms.conf
	[ "$(wc -l <"$conf")" -lt 12 ] || die "dkms.conf has 12 lines or more"
	! grep -E '^(PRE_BUILD|POST_|PRE_|PATCH)' "$conf" || die "dkms.conf has a step of its own"
	(
		kernel_source_dir=/kernel
		# shellcheck source=/dev/null
		eval "$(sed -e 's/\[0\]//' "$conf" | grep -v '^#')"
		same make "make -C kmod KDIR=$kernel_source_dir" "$MAKE"
		same name "xpmem kmod" "$BUILT_MODULE_NAME $BUILT_MODULE_LOCATION"
	)
	;;
rpm)
	need rpmspec
	spec=$packaging/rpm/xpmem.spec
	for without in '' fortran daemon tools; do
		rpmspec --parse ${without:+--without "$without"} "$spec" >"$tmp/spec" 2>"$tmp/error" ||
			die "$without: $(cat "$tmp/error")"
		[ ! -s "$tmp/error" ] || die "$(cat "$tmp/error")"
		case $without in
		'') for name in kmod-xpmem-dkms libxpmem-devel xpmemd; do
			grep -q "^%files -n $name" "$tmp/spec" || die "no package $name"
		done ;;
		daemon) ! grep -q '^%files -n xpmemd' "$tmp/spec" || die "xpmemd is still there" ;;
		*) ! grep -q "^%files.*$without" "$tmp/spec" || die "$without is still there" ;;
		esac
	done
	;;
spack)
	need python3
	python3 -c 'import ast, sys
tree = ast.parse(open(sys.argv[1], encoding="utf-8").read())
assert any(isinstance(node, ast.ClassDef) and node.name == "Xpmem" for node in tree.body)' \
		"$packaging/spack/package.py"
	;;
modulefile)
	need tclsh
	mkdir -p "$tmp/xpmem/lib"
	cat >"$tmp/run.tcl" <<'END'
foreach name {module-whatis conflict} { proc $name args {} }
proc setenv {name value} { puts "$name=$value" }
proc prepend-path {name value} { puts "$name=$value" }
source [lindex $argv 0]
ModulesHelp
END
	sed "s|^set prefix .*|set prefix $tmp/xpmem|" "$packaging/modulefiles/xpmem" >"$tmp/modulefile"
	tclsh "$tmp/run.tcl" "$tmp/modulefile" >"$tmp/out" 2>"$tmp/help" || die "$(cat "$tmp/help")"
	for line in XPMEM_DIR= CPATH=/include LD_LIBRARY_PATH=/lib PKG_CONFIG_PATH=/lib/pkgconfig; do
		grep -qx "${line%%=*}=$tmp/xpmem${line#*=}" "$tmp/out" || die "no $line: $(cat "$tmp/out")"
	done
	;;
systemd)
	# What a service may do, as systemd counts it: 10.0 is everything
	for unit in xpmemd xpmemd-net; do
		file=$packaging/systemd/$unit.service
		program=$(sed -n "s|^ExecStart=\([^ ]*\).*|\1|p" "$file")
		case $program in
		/usr/sbin/xpmemd | /usr/libexec/xpmemd-net) ;;
		*) die "$unit starts $program" ;;
		esac
		grep -qx "${program#/}" "$packaging/debian/xpmemd.install" || die "no package has $program"
	done
	same socket "$(sed -n 's/^ExecStart=.* --net-socket=//p' "$packaging/systemd/xpmemd.service")" \
		"$(sed -n 's/^ExecStart=.* --socket=//p' "$packaging/systemd/xpmemd-net.service")"
	user=$(sed -n 's/^User=//p' "$packaging/systemd/xpmemd-net.service")
	grep -q "^u $user " "$packaging/sysusers.d/xpmemd.conf" || die "nobody makes the user $user"
	grep -q "DEFAULT_NET_USER \"$user\"" "$SOURCE_DIR/daemon/config.c" || die "xpmemd expects another user"
	need systemd-analyze
	for unit in xpmemd xpmemd-net; do
		# --threshold is in tenths
		systemd-analyze security --offline=true --no-pager --threshold=20 \
			"$packaging/systemd/$unit.service" >"$tmp/security" 2>&1 ||
			die "$unit.service: $(grep -E '✗|→' "$tmp/security" || cat "$tmp/security")"
	done
	;;
observability)
	need python3
	sh "$packaging/observability/check" "$SOURCE_DIR"
	;;
bpftrace)
	for script in "$packaging"/observability/bpftrace/*.bt; do
		for event in $(sed -n 's/^tracepoint:xpmem:\([a-z_]*\)$/\1/p' "$script"); do
			grep -Eq "^(TRACE|DEFINE)_EVENT\(([a-z_]+, )?$event," "$SOURCE_DIR/kmod/trace.h" ||
				die "$script: no tracepoint $event"
		done
		for field in $(grep -o 'args->[a-z_]*' "$script" | sed 's/args->//' | sort -u); do
			grep -Eq "__(field|array)\([a-z0-9 ]+, ${field}[,)]" "$SOURCE_DIR/kmod/trace.h" ||
				die "$script: no field $field"
		done
		for probe in $(sed -n 's/^k\(ret\)*probe:\([a-z_]*\)$/\2/p' "$script"); do
			grep -q "^[a-z].*[ *]$probe(" "$SOURCE_DIR"/kmod/*.c || die "$script: no function $probe"
		done
	done
	;;
*)
	die "unknown: $1"
	;;
esac
