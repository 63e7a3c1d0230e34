"""Ranges on tensors whose distribution is known."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roadseg.calibration import METHODS, collect_ranges
from roadseg.calibration.ranges import PIXEL_RANGE, _least_divergence
from roadseg.export import options
from roadseg.runtime.errors import UsageError


@pytest.fixture
def identity() -> onnx.ModelProto:
    """Cast, Sub, Mul, Transpose, a convolution that triples, Relu, an output convolution."""
    tensors = {
        "mean": np.float32(127),
        "scale": np.float32(1 / 128),
        "triple": np.eye(3, dtype=np.float32)[..., None, None] * 3,
        "out": np.ones((2, 3, 1, 1), np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["real", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["normal"]),
        helper.make_node("Transpose", ["normal"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "triple"], ["tripled"]),
        helper.make_node("Relu", ["tripled"], ["positive"]),
        helper.make_node("Conv", ["positive", "out"], ["logits"]),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, "h", "w", 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2, "h", "w"])
    made = [numpy_helper.from_array(np.asarray(v), name) for name, v in tensors.items()]
    graph = helper.make_graph(nodes, "identity", [pixels], [logits], made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def frames(*values: int) -> list[np.ndarray]:
    return [np.full((32, 64, 3), value, np.uint8) for value in values]


def test_minmax_is_the_largest_over_all_frames(identity: onnx.ModelProto) -> None:
    ranges = collect_ranges(identity, frames(100, 191, 130))
    assert ranges == {"planes": PIXEL_RANGE, "positive": pytest.approx(3 * 64 / 128)}


def test_a_rare_outlier_is_cut_by_percentile_and_mse(identity: onnx.ModelProto) -> None:
    random = np.random.default_rng(0)
    usual = [random.integers(120, 136, (256, 256, 3)).astype(np.uint8) for _ in range(20)]
    usual[3][5, 7, 1] = 255
    largest, percentile, least, entropy = (
        collect_ranges(identity, usual, method)["positive"]
        for method in ("minmax", "percentile", "mse", "entropy")
    )
    assert largest == pytest.approx(3.0)
    assert percentile < 0.3
    assert least < 0.5
    assert entropy < 0.5


def test_entropy_keeps_what_is_evenly_used() -> None:
    values = np.linspace(0, 4, 50_000, dtype=np.float32)
    assert _least_divergence(values) == pytest.approx(4.0)
    bulk = np.concatenate([values, np.full(3, 40.0, np.float32)])
    assert 4.0 <= _least_divergence(bulk) < 6.0
    assert _least_divergence(np.zeros(100, np.float32)) < 1e-6


def test_the_command_offers_every_method() -> None:
    assert set(options.METHODS) == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_progress_and_seed(identity: onnx.ModelProto, method: str) -> None:
    seen: list[int] = []
    first = collect_ranges(identity, frames(1, 2, 3), method, progress=seen.append)
    assert seen == [1, 2, 3]
    assert first == collect_ranges(identity, frames(1, 2, 3), method)


def test_an_unknown_method(identity: onnx.ModelProto) -> None:
    with pytest.raises(
        UsageError, match="unknown calibration method 'kl': known are entropy, minmax"
    ):
        collect_ranges(identity, frames(1), "kl")
