"""Where a stream's buffers lie: the driver's memory, ours, or dma-bufs."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime import _v4l2
from roadseg.runtime._v4l2 import Stream
from roadseg.runtime.errors import SourceError

Pixels = NDArray[np.uint8]

PAGE = mmap.PAGESIZE
HEAP = "/dev/dma_heap/system"
DMA_HEAP_IOCTL_ALLOC = 0xC0184800
KINDS = {
    "mmap": _v4l2.MMAP,
    "expbuf": _v4l2.MMAP,
    "userptr": _v4l2.USERPTR,
    "dmabuf": _v4l2.DMABUF,
}


def anonymous_pages(size: int) -> Pixels:
    """Return page-aligned memory of our own."""
    return np.frombuffer(mmap.mmap(-1, size), np.uint8)


def heap_dmabuf(size: int) -> int:
    """Return a new dma-buf of the system's heap, as a file descriptor. Raises SourceError."""
    try:
        heap = os.open(HEAP, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(f"mode=dmabuf needs {HEAP}: {error.strerror}") from None
    try:
        request = bytearray(struct.pack("QIIQ", size, 0, os.O_RDWR | os.O_CLOEXEC, 0))
        fcntl.ioctl(heap, DMA_HEAP_IOCTL_ALLOC, request)
    finally:
        os.close(heap)
    return int(struct.unpack("QIIQ", request)[1])


@dataclass(frozen=True)
class Memory:
    """What gives memory that the driver does not; called once for each plane of each buffer.

    pages: size in bytes to page-aligned, contiguous uint8 (mode userptr), which may be mapped for
        a GPU too.
    dmabuf: size in bytes to the descriptor of a dma-buf (mode dmabuf); the source closes it.
    """

    pages: Callable[[int], Pixels] = anonymous_pages
    dmabuf: Callable[[int], int] = heap_dmabuf


class StreamMemory:
    """The planes of a stream's buffers as arrays, for as long as the stream is open."""

    def __init__(self, stream: Stream, mode: str, sizes: list[int], memory: Memory) -> None:
        self._stream, self._memory = stream, memory
        self._sizes = [-(-size // PAGE) * PAGE for size in sizes]
        self.dmabufs: list[list[int]] = []
        self._owned: list[int] = []
        add = {
            "mmap": stream.map,
            "expbuf": self._export,
            "userptr": self._lend_pages,
            "dmabuf": self._import,
        }[mode]
        try:
            self.planes: list[list[Pixels]] = [add(index) for index in range(stream.count)]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the dma-bufs that were made for the stream, once it is closed."""
        self.planes = []
        while self._owned:
            os.close(self._owned.pop())

    def _export(self, index: int) -> list[Pixels]:
        fds = self._stream.export_planes(index)
        self.dmabufs.append(fds)
        return self._stream.map_dmabufs(index, fds, [os.lseek(fd, 0, os.SEEK_END) for fd in fds])

    def _lend_pages(self, index: int) -> list[Pixels]:
        planes = [self._memory.pages(size) for size in self._sizes]
        for plane in planes:
            if plane.ctypes.data % PAGE:
                raise ValueError(f"a buffer must begin at a page: at a multiple of {PAGE}")
        self._stream.use_memory(index, planes)
        return planes

    def _import(self, index: int) -> list[Pixels]:
        fds = []
        for size in self._sizes:
            fds.append(self._memory.dmabuf(size))
            self._owned.append(fds[-1])
        self.dmabufs.append(fds)
        self._stream.use_dmabufs(index, fds, self._sizes)
        return self._stream.map_dmabufs(index, fds, self._sizes)
