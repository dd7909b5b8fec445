#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two processes: one shares memory, the other attaches it and doubles what is there.

The parent is the owner. It gives its child the segment's id by a pipe, which also tells
when the child is done: what one process stored before writing to a pipe, another sees after
reading from it.
"""

import mmap
import os
import struct
import sys

import xpmem

COUNT = 100_000
FORMAT = f"{COUNT}q"
SIZE = -(-struct.calcsize(FORMAT) // mmap.PAGESIZE) * mmap.PAGESIZE


def attacher(segid: int) -> None:
    with xpmem.get(segid, write=True) as permit, permit.attach(size=SIZE) as attachment:
        values = struct.unpack_from(FORMAT, attachment.view)
        if values != tuple(range(COUNT)):
            sys.exit("attacher: not what the owner wrote")
        struct.pack_into(FORMAT, attachment.view, 0, *(2 * value for value in values))
    print("attacher: saw the owner's numbers", flush=True)


def main() -> None:
    if not xpmem.available():
        sys.exit("XPMEM is not available: is the module loaded?")
    to_child, to_parent = os.pipe(), os.pipe()
    memory = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    child = os.fork()
    if child == 0:
        attacher(struct.unpack("q", os.read(to_child[0], 8))[0])
        os.write(to_parent[1], b"d")
        os._exit(0)
    os.close(to_parent[1])
    with xpmem.share(memory) as segment:
        struct.pack_into(FORMAT, memory, 0, *range(COUNT))
        os.write(to_child[1], struct.pack("q", segment.id))
        done = os.read(to_parent[0], 1)
        values = struct.unpack_from(FORMAT, memory)
    os.waitpid(child, 0)
    if done != b"d" or values != tuple(range(0, 2 * COUNT, 2)):
        sys.exit("owner: not what the attacher wrote")
    print("owner: all numbers doubled")


if __name__ == "__main__":
    main()
