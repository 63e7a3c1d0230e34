"""Copies: results that outlive the pipeline's buffers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.frame import Pixels, copy_pixels
from roadseg.runtime.result import Result
from roadseg.runtime.sources.buffers import Buffers


class Copies:
    """Copies results into buffers that are used again; sinks that wait share one copy.

    Sinks never hold the frame itself: its buffer may be one of four that a camera has, and a sink
    that hangs with it would stop the camera.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Buffers] = {}
        self.made = 0

    def copy(self, result: Result, holders: int, pixels: bool) -> Result:
        """Return a copy; it is free again when `holders` have called its frame's release.

        pixels: whether the frame's pixels are copied too; without, they must not be read.
        """
        self.made += 1
        frame = result.frame
        mask, *free = self._lend("mask", result.mask)
        np.copyto(mask, result.mask)
        picture, chroma = np.broadcast_to(np.uint8(0), frame.pixels.shape), None
        if pixels:
            picture, free_picture = self._lend("pixels", frame.pixels)
            copy_pixels(frame, picture)
            free.append(free_picture)
        if pixels and frame.chroma is not None:
            chroma, free_chroma = self._lend("chroma", frame.chroma)
            np.copyto(chroma, frame.chroma)
            free.append(free_chroma)
        share = _Share(holders, tuple(free))
        frame = replace(frame, pixels=picture, chroma=chroma, release=share.release)
        return replace(result, frame=frame, mask=mask)

    def _lend(self, kind: str, array: NDArray[np.uint8]) -> tuple[Pixels, Callable[[], None]]:
        """Return a buffer of an array's shape, and what gives it back."""
        if kind not in self._buffers or self._buffers[kind].shape != array.shape:
            self._buffers[kind] = Buffers(array.shape)  # of images, each may have its own size
        buffers = self._buffers[kind]
        copy = buffers.lend()
        return copy, buffers.returner(copy)


class _Share:
    """Counts those who hold a copy."""

    def __init__(self, holders: int, give_back: tuple[Callable[[], None], ...]) -> None:
        self._holders, self._give_back = holders, give_back
        self._lock = threading.Lock()

    def release(self) -> None:
        """One holder less; the last one gives the buffers back."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            for give in self._give_back:
                give()
