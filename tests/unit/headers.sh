#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each public header compiles alone, twice in one file and with the others in
# any order, without a warning.  $1 is the language: a -std of the C or C++
# compiler.  Those of the library do so in gnu89, too.

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

std=$1
case $std in
c++* | gnu++*)
	[ -n "$CXX" ] || exit 77
	compiler=$CXX
	suffix=cc
	;;
*)
	compiler=$CC
	suffix=c
	;;
esac

headers="xpmem.h xpmem_ext.h"
case $std in
gnu89) ;;
*) headers="$headers xpmem_ioctl.h xpmem_legacy.h" ;;
esac
# What daemons say to each other checks its sizes, for which C99 has no word.
case $std in
gnu89 | c99) ;;
*) headers="$headers xpmem_proto.h" ;;
esac

compile()
{
	"$compiler" "-std=$std" -Wall -Wextra -Wundef -pedantic -Werror \
		-I"$include" -I"$include/uapi" -c -o "$tmp/test.o" "$1" ||
		die "$(cat "$1")"
}

for header in $headers; do
	printf '#include <%s>\n#include <%s>\nint unused;\n' \
		"$header" "$header" >"$tmp/alone.$suffix"
	compile "$tmp/alone.$suffix"
	echo "ok: $header alone"
	for other in $headers; do
		printf '#include <%s>\n#include <%s>\nint unused;\n' \
			"$header" "$other" >"$tmp/both.$suffix"
		compile "$tmp/both.$suffix"
	done
done

# What clients write.  Open MPI has an xpmem_addr_t of its own.
cat >"$tmp/client.$suffix" <<'END'
#include <xpmem.h>

typedef struct xpmem_addr xpmem_addr_t;

int use(void *where);
int use(void *where)
{
	xpmem_addr_t addr;
	xpmem_segid_t segid = xpmem_make(0, XPMEM_MAXADDR_SIZE,
					 XPMEM_PERMIT_MODE, (void *)0600);

	addr.apid = xpmem_get(segid, XPMEM_RDWR, XPMEM_PERMIT_MODE,
			      (void *)0666);
	addr.offset = 0;
	where = xpmem_attach(addr, 4096, where);
	return xpmem_version() + xpmem_detach(where) +
	       xpmem_release(addr.apid) + xpmem_remove(segid) +
	       XPMEM_RDONLY + XPMEM_ERRNO_NOPROC;
}
END
compile "$tmp/client.$suffix"
echo "ok: a client"

# The library's two headers need the C library alone.
"$compiler" "-std=$std" -I"$include" -M "$tmp/client.$suffix" |
	tr ' ' '\n' >"$tmp/needed"
if grep -E '/(linux|asm|asm-generic|uapi)/' "$tmp/needed"; then
	die "xpmem.h includes headers of the kernel"
fi
echo "ok: no header of the kernel"
