"""INT8 convolutions wish for OpenVINO's direct kernels, and give the same numbers by them."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from roadseg.benchmarks.machine import machine
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.engines.lowering import lower_for_cpu
from roadseg.runtime.engines.openvino_kernels import KERNELS, X86, prefer_direct_kernels
from roadseg.runtime.shipped import resolve_model

ov = pytest.importorskip("openvino", reason="OpenVINO's kernels are asked for")
SIZE = (64, 128)
pytestmark = pytest.mark.skipif(
    platform.machine() not in X86, reason="only processors of x86 have these kernels"
)


def network(name: str) -> Any:
    model, spec = read_artifact(resolve_model(name))
    return ov.Core().read_model(lower_for_cpu(model, spec.multiple).SerializeToString())


def wishes(model: Any, folder: Path) -> dict[str, list[str]]:
    """Return the kernels that layers wish for, by the type of layer, from the text of an IR."""
    ov.serialize(model, folder / "model.xml", folder / "model.bin")
    found: dict[str, list[str]] = {}
    for layer in ElementTree.parse(folder / "model.xml").getroot().iter("layer"):
        for each in layer.findall("rt_info/attribute[@name='primitives_priority']"):
            found.setdefault(layer.attrib["type"], []).append(each.attrib["value"])
    return found


def compiled(model: Any) -> Any:
    model.reshape([1, *SIZE, 3])
    options = {"INFERENCE_PRECISION_HINT": "f32", "PERF_COUNT": "YES"}
    return ov.Core().compile_model(model, "CPU", options)


def test_integer_convolutions_wish_and_depthwise_ones_do_not(tmp_path: Path) -> None:
    model, _ = read_artifact(resolve_model("mobileunet"))
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    groups = [each.i for node in convolutions for each in node.attribute if each.name == "group"]
    found = wishes(prefer_direct_kernels(network("mobileunet-int8")), tmp_path)
    assert found == {"Convolution": [KERNELS] * groups.count(1)}


def test_an_exported_ir_wishes_as_well_once_it_is_read(tmp_path: Path) -> None:
    ov.save_model(network("mobileunet-int8"), tmp_path / "ir.xml", compress_to_fp16=False)
    found = wishes(prefer_direct_kernels(ov.Core().read_model(tmp_path / "ir.xml")), tmp_path)
    assert found == wishes(prefer_direct_kernels(network("mobileunet-int8")), tmp_path)
    assert found["Convolution"]


def test_other_processors_are_asked_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network("mobileunet-int8")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert prefer_direct_kernels(model) is model


def test_a_float_network_is_returned_as_it_is() -> None:
    model = network("mobileunet")
    assert prefer_direct_kernels(model) is model


def test_the_numbers_are_the_same() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3)).astype(np.uint8)
    plain, wished = network("mobileunet-int8"), prefer_direct_kernels(network("mobileunet-int8"))
    logits = [compiled(model)(pixels)[0] for model in (plain, wished)]
    assert logits[0].std() > 1
    assert np.array_equal(*logits)


def test_the_wish_is_granted() -> None:
    if "avx512_vnni" not in machine()["flags"]:
        pytest.skip("the direct kernels that are asked for are those of AVX-512 VNNI")
    request = compiled(prefer_direct_kernels(network("mobileunet-int8"))).create_infer_request()
    request.infer([np.zeros((1, *SIZE, 3), np.uint8)])
    kernels = {info.exec_type for info in request.get_profiling_info()}
    if any("amx" in name for name in kernels):
        pytest.skip("AMX comes before the direct kernels")
    assert "jit_avx512_1x1_I8" in kernels
    assert "brgconv_avx512_1x1_I8" not in kernels
    assert "brgconv_avx512_dw_I8" in kernels


def test_where_nothing_can_be_written_the_network_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network("mobileunet-int8")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert prefer_direct_kernels(model) is model
