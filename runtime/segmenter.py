"""Segmenter: the hot path. A frame's pixels in, a mask of the frame's size out."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.decode import decode
from roadseg.runtime.engines.base import Engine
from roadseg.runtime.findings import Findings
from roadseg.runtime.frame import Frame
from roadseg.runtime.postprocess.base import Stage, Work
from roadseg.runtime.postprocess.scratch import Scratch
from roadseg.runtime.preprocess import preprocess

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Segmented:
    """What came of a frame; views of buffers that the next call fills again.

    mask: (H, W) uint8 of class ids.
    logits: (classes, h, w) float32 that it was decoded from.
    stages_ns: nanoseconds by stage.
    findings: of post-processing.
    """

    mask: Mask
    logits: NDArray[np.float32]
    stages_ns: dict[str, int]
    findings: Findings = field(default_factory=Findings)


class Segmenter:
    """preprocess → infer → decode → stages, in buffers that are made once.

    stages: of post-processing; what they keep is of one stream, so a Segmenter with stages is too.
    """

    def __init__(self, engine: Engine, stages: Sequence[Stage] = ()) -> None:
        self.engine, self.stages = engine, tuple(stages)
        self._before = [stage for stage in stages if stage.before_decode]
        self._after = [stage for stage in stages if not stage.before_decode]
        self._is_confident = any(stage.needs_confidence for stage in stages)
        self._mask, self._confidence = Scratch(np.uint8), Scratch(np.uint8)
        self._next: Engine | None = None
        self._closed = False
        self._lock = threading.Lock()  # of the two above

    def __call__(self, frame: Frame, mask: Mask | None = None) -> Segmented:
        """Segment a frame into `mask` (H, W), by default into a buffer of its own.

        That buffer is used again by the next call.
        """
        shape = frame.height, frame.width
        if mask is None:
            mask = self._mask.shaped(*shape)
        if self._next is not None:
            self._take_next()
        laps = _Laps()
        preprocess(frame, self.engine.input)
        laps.end("preprocess")
        work = Work(frame, self.engine.infer(), mask)
        laps.end("infer")
        self._run(self._before, work, laps)
        if self._is_confident:
            work.confidence = self._confidence.shaped(*shape)
        decode(work.logits, mask, work.confidence)
        laps.end("decode")
        self._run(self._after, work, laps)
        return Segmented(mask, work.logits, laps.ns, work.findings)

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

    @staticmethod
    def _run(stages: Sequence[Stage], work: Work, laps: _Laps) -> None:
        for stage in stages:
            stage(work)
            laps.end(stage.name)


class _Laps:
    """Nanoseconds from one end to the next, by name."""

    def __init__(self) -> None:
        self.ns: dict[str, int] = {}
        self._last = time.perf_counter_ns()

    def end(self, name: str) -> None:
        now = time.perf_counter_ns()
        self.ns[name] = now - self._last
        self._last = now
