"""Runs a classical baseline as if it were a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.classical import FindRoad, classical_spec, load_method
from roadseg.runtime.errors import UsageError
from roadseg.runtime.options import Size


class ClassicalEngine:
    """See Engine. Its two logits are the evidence of road and its negative, at stride 1."""

    name = "classical"

    def __init__(self, model: str, size: Size | None) -> None:
        self.spec = classical_spec(model)
        self.width, self.height = (
            (size.width, size.height) if size else (self.spec.width, self.spec.height)
        )
        self.spec.check_size(self.width, self.height)
        self._find_road: FindRoad | None = load_method(model)
        self.input: NDArray[np.uint8] = np.zeros((self.height, self.width, 3), np.uint8)
        self._output: NDArray[np.float32] = np.zeros((2, self.height, self.width), np.float32)

    def infer(self) -> NDArray[np.float32]:
        """See Engine."""
        if self._find_road is None:
            raise RuntimeError("the engine is closed")
        self._output[0] = self._find_road(self.input)
        np.negative(self._output[0], out=self._output[1])
        return self._output

    def close(self) -> None:
        """See Engine."""
        self._find_road = None


def open_classical(model: str, engine: str, size: Size | None) -> ClassicalEngine:
    """Open "classical:METHOD"; raises UsageError when another engine is asked for."""
    if engine not in ("auto", ClassicalEngine.name):
        raise UsageError(f"{model} is no network and does not run on {engine}: leave --engine auto")
    return ClassicalEngine(model, size)
