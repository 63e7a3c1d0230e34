"""Test-time augmentation: the mean of logits over mirrored and scaled copies of an input."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.benchmarks.evaluation.augmentation import FLIP, parse_scales
from roadseg.runtime.engines.base import Engine
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec

OpenAt = Callable[["Size | None"], Engine]


class AugmentedEngine:
    """See Engine. Runs the network several times for one input, and costs as much.

    The input itself always counts, at its own size and at each scale, mirrored too when asked for.
    Scaled copies are of the input, not of the frame: a scale above 1 adds no detail. Other sizes
    are rounded to what the network takes, and their logits resized to those of the input.
    """

    def __init__(self, open_at: OpenAt, words: Sequence[str]) -> None:
        scales = parse_scales(words)
        self._flip = FLIP in words
        self._engines = [open_at(None)]
        first = self._engines[0]
        self.name, self.spec = first.name, first.spec
        self.width, self.height = first.width, first.height
        self.input: NDArray[np.uint8] = np.zeros_like(first.input)
        try:
            for scale in scales:
                size = scaled_size(first.spec, self.width * scale, self.height * scale)
                self._engines.append(open_at(size))
        except BaseException:
            self.close()
            raise
        spec = first.spec
        shape = (len(spec.classes), self.height // spec.stride, self.width // spec.stride)
        self._output: NDArray[np.float32] = np.zeros(shape, np.float32)

    @property
    def passes(self) -> int:
        """How often a network runs for one frame."""
        return len(self._engines) * (2 if self._flip else 1)

    def infer(self) -> NDArray[np.float32]:
        """See Engine."""
        self._output[:] = 0
        for engine in self._engines:
            cv2.resize(self.input, (engine.width, engine.height), dst=engine.input)
            self._add(engine.infer())
            if self._flip:
                engine.input[:] = engine.input[:, ::-1].copy()
                self._add(engine.infer()[:, :, ::-1])
        self._output /= self.passes
        return self._output

    def _add(self, logits: NDArray[np.float32]) -> None:
        height, width = self._output.shape[1:]
        for total, plane in zip(self._output, logits, strict=True):
            total += cv2.resize(np.ascontiguousarray(plane), (width, height))

    def close(self) -> None:
        """See Engine."""
        for engine in self._engines:
            engine.close()


def scaled_size(spec: ModelSpec, width: float, height: float) -> Size:
    """Return the nearest size that the network takes."""
    step = spec.multiple
    return Size(*(max(step, round(side / step) * step) for side in (width, height)))
