"""Test-time augmentation on a real engine."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.benchmarks.evaluation.augmented_engine import AugmentedEngine
from roadseg.runtime.engines import open_engine
from roadseg.runtime.engines.base import Engine
from roadseg.runtime.errors import ModelError
from roadseg.runtime.options import Size


class Opener:
    """Opens the model at a size, and remembers what it opened."""

    def __init__(self, model: Path, largest: int = 10_000) -> None:
        self.model, self.largest = model, largest
        self.engines: list[Engine] = []

    def __call__(self, size: Size | None) -> Engine:
        if size and size.width > self.largest:
            raise ModelError("too large")
        self.engines.append(open_engine(self.model, "onnxruntime", size))
        return self.engines[-1]


def test_logits_are_the_mean_over_copies(model: Path) -> None:
    opener = Opener(model)
    engine = AugmentedEngine(opener, ["flip", "0.5"])
    picture = np.random.default_rng(1).integers(0, 255, (32, 64, 3), np.uint8)
    engine.input[:] = picture
    found = engine.infer().copy()
    assert engine.passes == 4
    assert [(one.width, one.height) for one in opener.engines] == [(64, 32), (32, 16)]
    wanted = np.zeros_like(found)
    for one in opener.engines:
        small = cv2.resize(picture, (one.width, one.height))
        for flipped in (False, True):
            one.input[:] = small[:, ::-1] if flipped else small
            logits = one.infer()[:, :, ::-1] if flipped else one.infer()
            wanted += [cv2.resize(plane.copy(), (16, 8)) for plane in logits]
    np.testing.assert_allclose(found, wanted / 4, atol=1e-3)
    np.testing.assert_array_equal(engine.input, picture)


def test_a_network_that_is_symmetric_gains_nothing_from_flips(model: Path) -> None:
    plain, mirrored = (AugmentedEngine(Opener(model), words) for words in ([], ["flip"]))
    for engine in (plain, mirrored):
        engine.input[:] = np.random.default_rng(2).integers(0, 255, (32, 64, 3), np.uint8)
    np.testing.assert_allclose(plain.infer(), mirrored.infer(), atol=1e-3)


def test_a_size_that_fails_closes_the_others(model: Path) -> None:
    opener = Opener(model, largest=100)
    with pytest.raises(ModelError, match="too large"):
        AugmentedEngine(opener, ["4"])
    with pytest.raises(RuntimeError, match="closed"):
        opener.engines[0].infer()
