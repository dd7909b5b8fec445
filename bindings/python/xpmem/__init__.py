# SPDX-License-Identifier: LGPL-2.1-or-later
"""Map memory of one process into others, without pinning it.

An owner makes whole pages of its memory a segment and tells others the segment's id:

    memory = mmap.mmap(-1, 1 << 20)
    segment = xpmem.share(memory)
    print(segment.id)

Another process of the node gets a permit for it, attaches, and loads and stores:

    with xpmem.get(segid, write=True) as permit, permit.attach(size=1 << 20) as attachment:
        attachment.view[0:5] = b"hello"          # a memoryview of bytes
        attachment.array("float64")[100] = 4.2   # a numpy.ndarray

Errors are OSError with the errno of the man pages xpmem_make(3) and so on; OSError's
subclasses say which: PermissionError, FileNotFoundError. An access to memory that the
owner does not have (any more) is no exception: it raises the signal SIGBUS, as it does in
C; Attachment.prefault() asks first, for memory that stays.

Segments and permits last until remove() and release(), or the end of the process, not
until Python drops the object. What is attached stays so while a view of it is there. After
a fork the child has none of it.

No two processes see a value change at the same time without some synchronization between
them, and Python has no atomic operations on memory: let a pipe, a lock or MPI say when.
"""

from ._objects import (
    Attachment,
    Info,
    Permit,
    Segment,
    available,
    get,
    make,
    make_remote,
    query,
    share,
    share_remote,
    version,
)

__all__ = [
    "Attachment",
    "Info",
    "Permit",
    "Segment",
    "available",
    "get",
    "make",
    "make_remote",
    "query",
    "share",
    "share_remote",
    "version",
]
