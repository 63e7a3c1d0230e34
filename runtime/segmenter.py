"""Segmenter: the hot path. A frame's pixels in, a mask of the frame's size out."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.decode import decode
from roadseg.runtime.engines.base import Engine
from roadseg.runtime.frame import Frame
from roadseg.runtime.preprocess import preprocess

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Segmented:
    """What came of a frame; views of buffers that the next call fills again.

    mask: (H, W) uint8 of class ids.
    logits: (classes, h, w) float32 that it was decoded from.
    stages_ns: nanoseconds by stage.
    """

    mask: Mask
    logits: NDArray[np.float32]
    stages_ns: dict[str, int]


class Segmenter:
    """preprocess → infer → decode, in buffers that are made once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._mask: Mask = np.empty((0, 0), np.uint8)
        self._next: Engine | None = None
        self._closed = False
        self._lock = threading.Lock()  # of the two above

    def __call__(self, frame: Frame, mask: Mask | None = None) -> Segmented:
        """Segment a frame into `mask` (H, W), by default into a buffer of its own.

        That buffer is used again by the next call.
        """
        if mask is None:
            mask = self._own_mask(frame.height, frame.width)
        if self._next is not None:
            self._take_next()
        start = time.perf_counter_ns()
        preprocess(frame, self.engine.input)
        filled = time.perf_counter_ns()
        logits = self.engine.infer()
        inferred = time.perf_counter_ns()
        decode(logits, mask)
        end = time.perf_counter_ns()
        stages = {
            "preprocess": filled - start,
            "infer": inferred - filled,
            "decode": end - inferred,
        }
        return Segmented(mask, logits, stages)

    def swap(self, engine: Engine) -> None:
        """Use another engine from the next frame on; the one before is closed then.

        May be called from any thread, while a frame is under way.
        """
        with self._lock:
            unused = engine if self._closed else self._next
            self._next = None if self._closed else engine
        if unused is not None:
            unused.close()

    def close(self) -> None:
        """Close the engine, and the one that was to follow it; may be called twice."""
        with self._lock:
            self._closed, following, self._next = True, self._next, None
        self.engine.close()
        if following is not None:
            following.close()

    def _take_next(self) -> None:
        with self._lock:
            following, self._next = self._next, None
        if following is not None:
            before, self.engine = self.engine, following
            before.close()

    def _own_mask(self, height: int, width: int) -> Mask:
        if self._mask.shape != (height, width):
            self._mask = np.empty((height, width), np.uint8)
        return self._mask
