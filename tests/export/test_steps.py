"""Each step of an export against the one before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from roadseg.export.half_weights import restore, store_half
from roadseg.export.mask_head import add_mask_head
from roadseg.export.scores import snr_db
from roadseg.export.simplify import simplify
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.decode import decode
from roadseg.runtime.errors import ModelError


@pytest.fixture
def whole(exported: Path) -> onnx.ModelProto:
    return onnx.load(exported / "mobileunet.onnx")


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (1, 64, 192, 3)).astype(np.uint8)


def run(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"pixels": pixels})[0]


def test_the_checkpoint_gives_the_same_logits(
    whole: onnx.ModelProto, checkpoint: Path, pixels: np.ndarray
) -> None:
    import torch

    from roadseg.train.checkpoint import load_checkpoint

    loaded = load_checkpoint(checkpoint)
    real = (torch.from_numpy(pixels).float() - 127) / 128
    with torch.no_grad():
        expected = loaded.network.eval()(real.permute(0, 3, 1, 2)).numpy()
    assert snr_db(expected, run(whole, pixels)) > 80


def test_the_artefact_is_what_its_users_expect(exported: Path, pixels: np.ndarray) -> None:
    model, spec = read_artifact(exported / "mobileunet.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [each.version for each in model.opset_import if not each.domain] == [18]
    (source,), (target,) = model.graph.input, model.graph.output
    assert source.type.tensor_type.elem_type == TensorProto.UINT8
    assert [each.dim_param or each.dim_value for each in source.type.tensor_type.shape.dim] == [
        *(1, "height", "width", 3)
    ]
    logits = run(model, pixels)
    assert logits.shape == (1, 11, 64 // spec.stride, 192 // spec.stride)
    assert target.name == "logits"
    kinds = {node.op_type for node in model.graph.node}
    assert "BatchNormalization" not in kinds
    assert not kinds & {"Shape", "Gather", "Unsqueeze", "Constant"}


def test_half_weights_are_smaller_and_come_back(whole: onnx.ModelProto, pixels: np.ndarray) -> None:
    half = store_half(whole)
    onnx.checker.check_model(half)
    assert half.ByteSize() < 0.62 * whole.ByteSize()
    expected = run(whole, pixels)
    assert 40 < snr_db(expected, run(half, pixels)) < 120
    back = restore(half)
    assert {node.op_type for node in back.graph.node} == {node.op_type for node in whole.graph.node}
    np.testing.assert_array_equal(run(back, pixels), run(half, pixels))
    assert restore(whole).SerializeToString() == whole.SerializeToString()


def test_the_mask_head_is_the_runtimes_decode(exported: Path, pixels: np.ndarray) -> None:
    model, spec = read_artifact(exported / "mobileunet.onnx")
    baked = add_mask_head(model, spec)
    onnx.checker.check_model(baked)
    mask = run(baked, pixels)
    assert mask.dtype == np.uint8
    assert mask.shape == (1, 64, 192)
    expected = decode(run(model, pixels)[0], np.empty((64, 192), np.uint8))
    assert (mask[0] == expected).mean() > 0.999


def test_simplify_refuses_what_it_cannot_read(whole: onnx.ModelProto) -> None:
    whole.graph.node.append(helper.make_node("Conv", ["nowhere", "else"], ["lost"]))
    whole.graph.output[0].name = "lost"
    with pytest.raises(ModelError, match="cannot be simplified"):
        simplify(whole)


def test_snr_of_known_noise() -> None:
    signal = np.full((10, 10), 2.0)
    assert snr_db(signal, signal) == float("inf")
    assert snr_db(signal, signal + 0.2) == pytest.approx(20)
