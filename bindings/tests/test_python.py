# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package xpmem, with the stand-in for its library (stand_in.c)."""

from __future__ import annotations

import errno
import gc
import mmap
import os
import unittest

import xpmem

PAGE = mmap.PAGESIZE


def private(pages: int) -> mmap.mmap:
    return mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def is_mapped(address: int) -> bool:
    with open("/proc/self/maps", encoding="ascii") as maps:
        for line in maps:
            first, last = (int(x, 16) for x in line.split()[0].split("-"))
            if first <= address < last:
                return True
    return False


class Package(unittest.TestCase):
    def setUp(self) -> None:
        self.memory = private(4)
        self.memory[:5] = b"owner"
        self.segment = xpmem.share(self.memory)

    def assert_errno(self, number: int, function, *arguments, **named) -> None:
        with self.assertRaises(OSError) as caught:
            function(*arguments, **named)
        self.assertEqual(caught.exception.errno, number)

    def test_version(self) -> None:
        self.assertTrue(xpmem.available())
        self.assertEqual(xpmem.version(), (3, 1, 2))
        info = xpmem.query()
        self.assertEqual(info.page_size, PAGE)
        self.assertEqual(info.library_version, (3, 1, 2))

    def test_same_memory(self) -> None:
        with xpmem.get(self.segment.id, write=True) as permit:
            with permit.attach(size=PAGE) as attachment:
                self.assertEqual(attachment.view[:5], b"owner")
                attachment.view[0:5] = b"other"
        self.assertEqual(self.memory[:5], b"other")

    def test_offset(self) -> None:
        self.memory[PAGE : PAGE + 3] = b"two"
        with xpmem.get(self.segment.id) as permit:
            self.assertEqual(permit.attach(PAGE, size=PAGE).view[:3], b"two")

    def test_other_process(self) -> None:
        child = os.fork()
        if child == 0:
            try:
                with xpmem.get(self.segment.id, write=True) as permit:
                    permit.attach(size=PAGE).view[0] = ord("O")
                os._exit(0)
            finally:
                os._exit(1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(self.memory[:5], b"Owner")

    def test_readonly(self) -> None:
        with xpmem.get(self.segment.id) as permit:
            attachment = permit.attach(size=PAGE)
            self.assertTrue(attachment.view.readonly)
            with self.assertRaises(TypeError):
                attachment.view[0] = 1

    def test_errors(self) -> None:
        self.assert_errno(errno.EINVAL, xpmem.make, 1, PAGE)
        self.assert_errno(errno.EINVAL, xpmem.share, self.memory, mode=0o1000)
        with self.assertRaises(FileNotFoundError):
            xpmem.get(1 << 16 | 999)
        with xpmem.get(self.segment.id) as permit:
            self.assert_errno(errno.EINVAL, permit.attach, 1, size=PAGE)
            self.assert_errno(errno.EINVAL, permit.attach, size=5 * PAGE)

    def test_text_names_call(self) -> None:
        with self.assertRaisesRegex(OSError, "xpmem_get: No such file"):
            xpmem.get(1 << 16 | 999)

    def test_not_whole_pages(self) -> None:
        with self.assertRaises(ValueError):
            xpmem.share(bytearray(PAGE + 1))
        with self.assertRaises(ValueError):
            xpmem.make(address=PAGE)

    def test_segment_keeps_buffer(self) -> None:
        with self.assertRaises(BufferError):
            self.memory.close()
        self.segment.remove()
        self.memory.close()

    def test_removed(self) -> None:
        self.segment.remove()
        self.segment.remove()
        with self.assertRaises(FileNotFoundError):
            xpmem.get(self.segment.id)

    def test_detach_unmaps(self) -> None:
        permit = xpmem.get(self.segment.id)
        attachment = permit.attach(size=PAGE)
        view = attachment.view
        self.assertTrue(is_mapped(attachment.address))
        attachment.detach()
        attachment.detach()
        self.assertFalse(is_mapped(attachment.address))
        for use in (lambda: view[0], lambda: attachment.view, attachment.prefault):
            with self.assertRaises(ValueError):
                use()

    def test_detach_with_slice(self) -> None:
        permit = xpmem.get(self.segment.id)
        attachment = permit.attach(size=PAGE)
        part = attachment.view[1:3]
        for undo in (attachment.detach, permit.release):
            with self.assertRaises(BufferError):
                undo()
        self.assertEqual(part, b"wn")
        self.assertEqual(attachment.view[:5], b"owner")
        del part
        permit.release()
        self.assertFalse(is_mapped(attachment.address))

    def test_view_outlives_objects(self) -> None:
        permit = xpmem.get(self.segment.id)
        attachment = permit.attach(size=PAGE)
        address, part = attachment.address, attachment.view[1:3]
        del attachment
        gc.collect()
        with self.assertRaises(BufferError):
            permit.release()
        self.assertEqual(part, b"wn")
        del part
        self.assertFalse(is_mapped(address))
        permit.release()

    def test_dropped_attachment(self) -> None:
        permit = xpmem.get(self.segment.id)
        attachment = permit.attach(size=PAGE)
        address = attachment.address
        del attachment
        gc.collect()
        self.assertFalse(is_mapped(address))

    def test_prefault(self) -> None:
        with xpmem.get(self.segment.id, write=True) as permit:
            attachment = permit.attach(size=PAGE)
            attachment.prefault(write=True)
            self.assert_errno(errno.EINVAL, attachment.prefault, 1)

    def test_remote_without_library(self) -> None:
        self.assert_errno(errno.EOPNOTSUPP, xpmem.make_remote, 0, PAGE)

    def test_array(self) -> None:
        try:
            import numpy
        except ImportError:
            self.skipTest("no NumPy")
        with xpmem.get(self.segment.id, write=True) as permit:
            attachment = permit.attach(size=PAGE)
            array = attachment.array("float64", offset=8, count=2)
            array[:] = (1.5, 2.5)
            with self.assertRaises(BufferError):
                attachment.detach()
            del array
        self.assertEqual(numpy.frombuffer(self.memory, "float64", 2, 8).tolist(), [1.5, 2.5])


if __name__ == "__main__":
    unittest.main()
