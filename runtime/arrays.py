"""What the native kernels can take: checks that end in one clear line."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def check_array(
    array: NDArray[Any], name: str, shape: tuple[int | str, ...], dtype: DTypeLike = np.uint8
) -> None:
    """Raise ValueError unless an array has a dtype and a shape, and rows without gaps.

    shape: an extent that is a word may be any size from 1. Rows may be padded (any row stride).
    """
    wanted = f"{name}: {np.dtype(dtype)} ({', '.join(map(str, shape))}) is needed"
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{wanted}, not {type(array).__name__}")
    fits = len(shape) == array.ndim and all(
        have > 0 if isinstance(want, str) else have == want
        for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype != dtype:
        raise ValueError(f"{wanted}, not {array.dtype} {array.shape}")
    if not _rows_are_whole(array):
        raise ValueError(
            f"{name}: pixels of a row must lie side by side; copy it with numpy.ascontiguousarray"
        )


def check_contiguous(array: NDArray[Any], name: str) -> None:
    """Raise ValueError unless an array is C-contiguous."""
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} must be contiguous; copy it with numpy.ascontiguousarray")


def check_writable(array: NDArray[Any], name: str) -> None:
    """Raise ValueError when an array is read-only."""
    if not array.flags.writeable:
        raise ValueError(f"{name} is read-only; it is what gets filled")


def _rows_are_whole(array: NDArray[Any]) -> bool:
    expected = array.itemsize
    for extent, stride in zip(array.shape[:0:-1], array.strides[:0:-1], strict=True):
        if stride != expected and extent > 1:
            return False
        expected *= extent
    return True
