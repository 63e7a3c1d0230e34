"""Buffers that the host fills or reads and the device computes with; made once."""

from __future__ import annotations

import contextlib
import ctypes
import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from roadseg.runtime.cuda.base import Cuda


class Buffer(Protocol):
    """One array, as the host and as the device see it.

    array: of the host, in page-locked memory; not to be touched after the buffer is given back.
    device: the device's pointer to the same values.
    """

    array: NDArray[Any]
    device: int

    def upload(self, stream: int) -> None:
        """Queue what the device needs to see the host's values."""

    def download(self, stream: int) -> None:
        """Queue what the host needs to see the device's values."""


class MappedBuffer:
    """See Buffer. One memory for both, nothing to copy: for GPUs that share it anyway."""

    def __init__(self, cuda: Cuda, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._cuda = cuda
        self._host = cuda.allocate_host(_size(shape, dtype), mapped=True)
        try:
            self.device = cuda.device_pointer(self._host)
        except Exception:
            cuda.free_host(self._host)
            raise
        self.array = _array(self._host, shape, dtype)

    def upload(self, stream: int) -> None:
        """See Buffer."""

    def download(self, stream: int) -> None:
        """See Buffer."""

    def free(self) -> None:
        """Give the memory back."""
        self._cuda.free_host(self._host)


class CopiedBuffer:
    """See Buffer. Page-locked on the host, a copy on the device: for GPUs with their own memory."""

    def __init__(self, cuda: Cuda, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._cuda, self._size = cuda, _size(shape, dtype)
        self._host = cuda.allocate_host(self._size, mapped=False)
        try:
            self.device = cuda.allocate(self._size)
        except Exception:
            cuda.free_host(self._host)
            raise
        self.array = _array(self._host, shape, dtype)

    def upload(self, stream: int) -> None:
        """See Buffer."""
        self._cuda.copy_to_device(self.device, self._host, self._size, stream)

    def download(self, stream: int) -> None:
        """See Buffer."""
        self._cuda.copy_to_host(self._host, self.device, self._size, stream)

    def free(self) -> None:
        """Give both back."""
        self._cuda.free(self.device)
        self._cuda.free_host(self._host)


def make_buffer(
    cuda: Cuda,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    mapped: bool,
    owner: contextlib.ExitStack,
) -> Buffer:
    """Return a buffer of zeros; `owner` gives it back."""
    kind: type[MappedBuffer | CopiedBuffer] = MappedBuffer if mapped else CopiedBuffer
    made = kind(cuda, shape, dtype)
    owner.callback(made.free)
    made.array[...] = 0
    return made


def _size(shape: tuple[int, ...], dtype: DTypeLike) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize


def _array(pointer: int, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return a view of memory that someone else owns."""
    memory = (ctypes.c_uint8 * _size(shape, dtype)).from_address(pointer)
    return np.frombuffer(memoryview(memory), np.dtype(dtype)).reshape(shape)
