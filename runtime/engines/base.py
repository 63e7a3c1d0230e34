"""Engine: what runs a network. Everything that infers is an implementation of it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.spec import ModelSpec


class Engine(Protocol):
    """A network bound to one input size, with buffers made once.

    name: "onnxruntime", "openvino", …
    spec: of the artefact that it runs.
    width, height: of the input it was opened for.
    input: (height, width, 3) uint8, contiguous; the caller fills it.
    """

    name: str
    spec: ModelSpec
    width: int
    height: int
    input: NDArray[np.uint8]

    def infer(self) -> NDArray[np.float32]:
        """Run on what `input` holds.

        Returns a view of the engine's output buffer, valid until the next call:
        logits (classes, height / stride, width / stride) float32.
        """

    def close(self) -> None:
        """Free the engine; may be called twice."""
