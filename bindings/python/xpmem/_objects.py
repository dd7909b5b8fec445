# SPDX-License-Identifier: LGPL-2.1-or-later
"""Segments, permits and attachments.

An attachment must not be unmapped while Python can still read it: the interpreter would
crash. Everything that can (memoryviews, slices of them, NumPy arrays) holds one ctypes array
at the mapping's address alive. So detach() gives up this package's own references to
that array and looks whether it is gone.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _library
from ._library import call, call_ext

if TYPE_CHECKING:
    import numpy


class Info(NamedTuple):
    """What xpmem_query(3) tells."""

    features: int
    max_address: int
    module_version: tuple[int, int, int]
    library_version: tuple[int, int, int]
    page_size: int


def _split_version(number: int) -> tuple[int, int, int]:
    return number >> 16, number >> 12 & 0xF, number & 0xFFF


def version() -> tuple[int, int, int]:
    """Version of the loaded module. FileNotFoundError: it is not loaded."""
    return _split_version(call("xpmem_version"))


def available() -> bool:
    """Whether there is a library and a module to work with."""
    try:
        version()
    except OSError:
        return False
    return True


def query() -> Info:
    """What the module and the library are and can do."""
    info = _library.Info()
    call_ext("xpmem_query", ctypes.byref(info), ctypes.sizeof(info))
    return Info(
        info.features,
        info.max_address,
        _split_version(info.module_version),
        _split_version(info.library_version),
        info.page_size,
    )


class Segment:
    """Memory of this process that others can attach, known to them by its id."""

    def __init__(self, segid: int, keep: object = None) -> None:
        self._id = segid
        self._removed = False
        self._keep = keep

    @property
    def id(self) -> int:
        return self._id

    def remove(self) -> None:
        """Attachers of it get SIGBUS from now on. A second call does nothing."""
        if not self._removed:
            call("xpmem_remove", self._id)
            self._removed = True
            self._keep = None

    def __enter__(self) -> Segment:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<xpmem.Segment {self._id}{' removed' if self._removed else ''}>"


def make(address: int | None = None, size: int | None = None, *, mode: int = 0o600) -> Segment:
    """Make [address, address + size) a segment; with neither, all memory of the process.

    Both are page multiples. mode: permission bits, as those of a file.
    """
    if (address is None) != (size is None):
        raise ValueError("address and size go together")
    if size is None:
        size = _library.MAXADDR_SIZE
    return Segment(call("xpmem_make", address, size, _library.PERMIT_MODE, mode))


def _buffer_range(buffer: Any) -> tuple[int, int, object]:
    flat = memoryview(buffer).cast("B")
    memory = (ctypes.c_char * flat.nbytes).from_buffer(flat)
    address = ctypes.addressof(memory)
    if address % _library.PAGE_SIZE or flat.nbytes % _library.PAGE_SIZE:
        raise ValueError(
            "a segment is whole pages, and this buffer is not: take an mmap.mmap(-1, size)"
        )
    return address, flat.nbytes, memory


def share(buffer: Any, *, mode: int = 0o600) -> Segment:
    """Make a writable buffer of whole pages, such as an mmap.mmap, a segment.

    The segment keeps the buffer alive, and its size, until it is removed.
    """
    address, size, memory = _buffer_range(buffer)
    segid = call("xpmem_make", address, size, _library.PERMIT_MODE, mode)
    return Segment(segid, memory)


def make_remote(
    address: int, size: int, *, mode: int = 0o600, write: bool = True, last_copy: bool = False
) -> Segment:
    """Make a segment that processes of other partitions can attach, too.

    write: they may store. last_copy: what is lost with a partition is what it last was
    here. See xpmem_make_remote(3); a library without the call gives EOPNOTSUPP.
    """
    return _make_remote(address, size, None, mode, write, last_copy)


def share_remote(
    buffer: Any, *, mode: int = 0o600, write: bool = True, last_copy: bool = False
) -> Segment:
    """The same of a buffer, as share() has it.

    It must be private memory: mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).
    """
    address, size, memory = _buffer_range(buffer)
    return _make_remote(address, size, memory, mode, write, last_copy)


def _make_remote(
    address: int, size: int, keep: object, mode: int, write: bool, last_copy: bool
) -> Segment:
    flags = write * _library.REMOTE_WRITE | last_copy * _library.REMOTE_LAST_COPY
    segid = ctypes.c_longlong()
    call_ext(
        "xpmem_make_remote",
        address,
        size,
        _library.PERMIT_MODE,
        mode,
        flags,
        ctypes.byref(segid),
    )
    return Segment(segid.value, keep)


def get(segid: int, *, write: bool = False) -> Permit:
    """Get a permit for a segment, for loads or, with write, for loads and stores."""
    flags = _library.RDWR if write else _library.RDONLY
    return Permit(call("xpmem_get", segid, flags, _library.PERMIT_MODE, None), write)


class Permit:
    """The right to attach a segment, of this process alone."""

    def __init__(self, apid: int, write: bool) -> None:
        self._id = apid
        self._write = write
        self._released = False
        self._attachments: weakref.WeakSet[Attachment] = weakref.WeakSet()
        # What is mapped; views outlive attachments
        self._mappings: list[weakref.ref[Any]] = []

    @property
    def id(self) -> int:
        return self._id

    def attach(self, offset: int = 0, *, size: int, address: int | None = None) -> Attachment:
        """Map size bytes from offset on, which is a page multiple.

        address: a page multiple, where the attachment shall be; what is mapped there
        is replaced, also what Python needs.
        """
        addr = _library.Addr(self._id, offset)
        at = call("xpmem_attach", addr, size, address)
        attachment = Attachment(at, size, self._write)
        self._attachments.add(attachment)
        self._mappings = [m for m in self._mappings if m() is not None]
        self._mappings.append(attachment._memory)
        return attachment

    def release(self) -> None:
        """Give it back, and detach what was attached. A second call does nothing.

        BufferError: a view of an attachment is in use.
        """
        if self._released:
            return
        for attachment in list(self._attachments):
            attachment.detach()
        if any(mapping() is not None for mapping in self._mappings):
            raise BufferError("views of an attachment are in use")
        call("xpmem_release", self._id)
        self._released = True

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<xpmem.Permit {self._id}{' released' if self._released else ''}>"


def _detach_unused(address: int, pid: int) -> None:
    # A child inherits no attachment; what it has at the address is another.
    if os.getpid() == pid:
        call("xpmem_detach", address)


class Attachment:
    """A part of a segment, mapped into this process."""

    def __init__(self, address: int, size: int, write: bool) -> None:
        # A class of its own, that the array can be referred to weakly
        kind: Any = type("_Mapping", (ctypes.c_ubyte * size,), {})
        memory = kind.from_address(address)
        self._address = address
        self._size = size
        self._write = write
        self._set_memory(memory)

    def _set_memory(self, memory: Any) -> None:
        view = memoryview(memory).cast("B")
        self._view: memoryview | None = view if self._write else view.toreadonly()
        self._memory = weakref.ref(memory)
        self._finalizer = weakref.finalize(memory, _detach_unused, self._address, os.getpid())
        self._finalizer.atexit = False

    @property
    def address(self) -> int:
        return self._address

    @property
    def size(self) -> int:
        return self._size

    @property
    def view(self) -> memoryview:
        """The bytes. detach() releases it: an access then raises ValueError."""
        if self._view is None:
            raise ValueError("the attachment is detached")
        return self._view

    def array(self, dtype: Any = "uint8", count: int = -1, offset: int = 0) -> numpy.ndarray[Any, Any]:
        """A NumPy array of it, without a copy. ImportError: there is no NumPy."""
        import numpy

        return numpy.frombuffer(self.view, dtype=dtype, count=count, offset=offset)

    def prefault(self, offset: int = 0, size: int | None = None, *, write: bool = False) -> None:
        """Fault pages in, for stores with write. OSError EFAULT: the owner has none."""
        if self._view is None:
            raise ValueError("the attachment is detached")
        if size is None:
            size = self._size - offset
        flags = _library.PREFAULT_WRITE if write else 0
        call_ext("xpmem_prefault", self._address + offset, size, flags, None)

    def detach(self) -> None:
        """Unmap it. A second call does nothing.

        BufferError: a slice of the view or an array is in use; nothing has changed then.
        """
        if self._view is None:
            return
        self._view.release()
        self._view = None
        self._finalizer.detach()
        memory = self._memory()
        if memory is not None:
            # Somebody else has it, or it would have gone with the view.
            self._set_memory(memory)
            raise BufferError("views of the attachment are in use")
        call("xpmem_detach", self._address)

    def __enter__(self) -> Attachment:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.detach()

    def __repr__(self) -> str:
        state = "" if self._view is not None else " detached"
        return f"<xpmem.Attachment {self._size} bytes at {self._address:#x}{state}>"
