# SPDX-License-Identifier: LGPL-2.1-or-later
"""The calls of libxpmem.so.0, by ctypes, with errors as OSError.

The library is loaded at the first call, so that importing the package never fails. No call
is made through a symbol that the library lacks: other libxpmem.so.0 have only the historic
ones.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from ctypes import c_int, c_longlong, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from typing import Any

PERMIT_MODE = 1
RDONLY = 1
RDWR = 2
MAXADDR_SIZE = ctypes.c_size_t(-1).value
PREFAULT_WRITE = 1
REMOTE_WRITE = 1
REMOTE_LAST_COPY = 2

FAILED = ctypes.c_void_p(-1).value
PAGE_SIZE = os.sysconf("SC_PAGESIZE")


class Addr(ctypes.Structure):
    """struct xpmem_addr"""

    _fields_ = [("apid", c_longlong), ("offset", ctypes.c_long)]


class Info(ctypes.Structure):
    """struct xpmem_info"""

    _fields_ = [
        ("features", c_uint64),
        ("max_address", c_uint64),
        ("module_version", c_uint32),
        ("library_version", c_uint32),
        ("page_size", c_uint32),
        ("reserved", c_uint32),
    ]


# name: result, arguments
SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "xpmem_version": (c_int, []),
    "xpmem_make": (c_longlong, [c_void_p, c_size_t, c_int, c_void_p]),
    "xpmem_remove": (c_int, [c_longlong]),
    "xpmem_get": (c_longlong, [c_longlong, c_int, c_int, c_void_p]),
    "xpmem_release": (c_int, [c_longlong]),
    "xpmem_attach": (c_void_p, [Addr, c_size_t, c_void_p]),
    "xpmem_detach": (c_int, [c_void_p]),
    "xpmem_query": (c_int, [ctypes.POINTER(Info), c_size_t]),
    "xpmem_prefault": (c_int, [c_void_p, c_size_t, c_uint, ctypes.POINTER(c_size_t)]),
    "xpmem_make_remote": (
        c_int,
        [c_void_p, c_size_t, c_int, c_void_p, c_uint, ctypes.POINTER(c_longlong)],
    ),
}


@functools.cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL("libxpmem.so.0", use_errno=True)


@functools.cache
def _function(name: str) -> Any:
    try:
        function = getattr(_library(), name)
    except AttributeError:
        raise error(errno.EOPNOTSUPP, name) from None
    function.restype, function.argtypes = SIGNATURES[name]
    return function


def error(number: int, name: str) -> OSError:
    """An OSError whose text names the call."""
    return OSError(number, f"{name}: {os.strerror(number)}")


def call(name: str, *arguments: Any) -> int:
    """A historic call: its result, or OSError with errno."""
    result: int | None = _function(name)(*arguments)
    if result == -1 or result == FAILED:
        raise error(ctypes.get_errno(), name)
    return result or 0


def call_ext(name: str, *arguments: Any) -> None:
    """A call of xpmem_ext.h, which returns 0 or -errno."""
    result: int = _function(name)(*arguments)
    if result < 0:
        raise error(-result, name)
