"""The engine on the fake GPU: its buffers, streams and graph, and that it gives all back."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.cuda import CudaError, DeviceProperties
from roadseg.runtime.cuda.fake_cuda import DISCRETE, INTEGRATED, STEP_MS, FakeCuda
from roadseg.runtime.engines import open_engine
from roadseg.runtime.engines.tensorrt_engine import TensorRtEngine
from roadseg.runtime.errors import ModelError, SourceError
from roadseg.runtime.options import Size
from roadseg.runtime.tensorrt import fake_running
from roadseg.runtime.tensorrt.fake_running import FakeContext, FakeRuntime
from roadseg.runtime.tensorrt.platform import Platform

UNMAPPED = DeviceProperties("Old", (5, 3), True, False, multiprocessors=1)
MakePlatform = Callable[..., Platform]


def opened(model: Path, platform: Platform, size: Size | None = None) -> TensorRtEngine:
    graph, spec = read_artifact(model)
    return TensorRtEngine(graph, spec, size or Size(64, 32), 0, platform)


def fake(platform: Platform) -> FakeCuda:
    assert isinstance(platform.cuda, FakeCuda)
    return platform.cuda


@pytest.mark.parametrize("device", [DISCRETE, INTEGRATED, UNMAPPED], ids=lambda each: each.name)
@pytest.mark.parametrize("captures", [True, False], ids=["graph", "queued"])
def test_the_contract_of_engines(
    model: Path, make_platform: MakePlatform, device: object, captures: bool
) -> None:
    platform = make_platform(device, captures=captures)
    engine = opened(model, platform)
    assert engine.replays_graph is captures
    assert engine.input.shape == (32, 64, 3)
    assert engine.input.dtype == np.uint8
    assert engine.input.flags.c_contiguous
    engine.input[:] = (200, 10, 30)
    first = engine.infer()
    assert first.shape == (3, 8, 16)
    np.testing.assert_allclose(first[:, 0, 0], [200, 10, 30], atol=1e-3)
    engine.input[:] = (5, 90, 8)
    second = engine.infer()
    assert np.shares_memory(first, second)
    np.testing.assert_allclose(second[:, 7, 15], [5, 90, 8], atol=1e-3)
    engine.close()
    engine.close()
    assert fake(platform).leaks() == []
    with pytest.raises(RuntimeError, match="closed"):
        engine.infer()


def test_nothing_is_copied_where_memory_is_shared(model: Path, make_platform: MakePlatform) -> None:
    copied, shared = make_platform(DISCRETE), make_platform(INTEGRATED)
    for platform in (copied, shared):
        opened(model, platform).infer()
    assert "copy_to_device" in fake(copied).calls
    assert not {"copy_to_device", "copy_to_host"} & set(fake(shared).calls)


def test_a_frame_is_one_launch_and_one_wait(model: Path, make_platform: MakePlatform) -> None:
    platform = make_platform()
    engine = opened(model, platform)
    calls = fake(platform).calls
    calls.clear()
    for _ in range(3):
        engine.infer()
    assert calls == ["launch", "synchronize"] * 3


@pytest.mark.parametrize(
    "options",
    [{"capturable": False}, {"spoils": True}, {"capturable": False, "spoils": True}],
    ids=["no run", "no graph", "neither"],
)
def test_a_run_that_cannot_be_captured_is_queued(
    model: Path, make_platform: MakePlatform, options: dict[str, bool]
) -> None:
    platform = make_platform(**options)
    engine = opened(model, platform)
    assert not engine.replays_graph
    engine.input[:] = (7, 8, 9)
    np.testing.assert_allclose(engine.infer()[:, 0, 0], [7, 8, 9], atol=1e-3)
    engine.close()
    assert fake(platform).leaks() == []


@pytest.mark.parametrize(
    ("method", "answer", "kind", "message"),
    [
        ("set_input_shape", False, ModelError, r"cannot take an input of 64x32"),
        ("get_tensor_shape", (1, 3, 8, 15), ModelError, r"gives logits of \(1, 3, 8, 15\)"),
        ("set_tensor_address", False, SourceError, r"cannot use the buffer of pixels"),
        ("execute_async_v3", False, SourceError, r"cannot run its plan"),
    ],
)
def test_what_tensorrt_refuses_is_told(
    model: Path,
    make_platform: MakePlatform,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    answer: object,
    kind: type[Exception],
    message: str,
) -> None:
    monkeypatch.setattr(FakeContext, method, lambda *arguments: answer)
    platform = make_platform()
    with pytest.raises(kind, match=f"colours: .*{message}"):
        opened(model, platform)
    assert fake(platform).leaks() == []


def test_a_failure_of_the_gpu_is_told(model: Path, make_platform: MakePlatform) -> None:
    platform = make_platform()
    engine = opened(model, platform)

    def fail() -> None:
        raise CudaError("kernel", 719, "unspecified launch failure")

    fake(platform).queue(engine._stream, fail)
    with pytest.raises(SourceError, match="unspecified launch failure"):
        engine.infer()
    fake(platform).queue(engine._stream, fail)  # what nobody waits for is not told twice
    engine.close()
    assert fake(platform).leaks() == []


def test_what_is_queued_ends_before_its_context(model: Path, make_platform: MakePlatform) -> None:
    """As when Ctrl-C comes between a frame's launch and the wait for it."""
    platform, had_context = make_platform(), []
    engine = opened(model, platform)
    fake(platform).queue(engine._stream, lambda: had_context.append(engine._context is not None))
    engine.close()
    assert had_context == [True]


def with_planes(graph: onnx.GraphProto) -> None:
    graph.output.append(helper.make_tensor_value_info("planes", TensorProto.FLOAT, None))


def with_float_pixels(graph: onnx.GraphProto) -> None:
    graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def with_whole_logits(graph: onnx.GraphProto) -> None:
    graph.node[-1].output[0] = "real logits"
    graph.node.append(helper.make_node("Cast", ["real logits"], ["logits"], to=TensorProto.INT32))
    graph.output[0].type.tensor_type.elem_type = TensorProto.INT32


@pytest.mark.parametrize("change", [with_planes, with_float_pixels, with_whole_logits])
def test_other_tensors_are_refused(
    model: Path, make_platform: MakePlatform, change: Callable[[onnx.GraphProto], None]
) -> None:
    changed, spec = read_artifact(model)
    change(changed.graph)
    platform = make_platform()
    with pytest.raises(ModelError, match="must take uint8 pixels and give float32 logits alone"):
        TensorRtEngine(changed, spec, Size(64, 32), 0, platform)
    assert fake(platform).leaks() == []


def test_what_tensorrt_made_ends_in_order(
    model: Path, make_platform: MakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The context before its memory and stream; the runtime, which made all, after both."""
    runtimes: list[Any] = []
    contexts: list[Any] = []
    seen: list[tuple[bool, bool]] = []

    class Watched(FakeRuntime):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            runtimes.append(weakref.ref(self))

    monkeypatch.setattr(fake_running, "FakeRuntime", Watched)
    platform = make_platform()
    for call in ("free", "destroy_stream"):
        original = getattr(platform.cuda, call)

        def watched(number: int, original: Any = original) -> None:
            gc.collect()
            seen.append((contexts[0]() is not None, runtimes[0]() is not None))
            original(number)

        monkeypatch.setattr(platform.cuda, call, watched)
    engine = opened(model, platform)
    contexts.append(weakref.ref(engine._context))
    engine.close()
    assert seen == [(False, True)] * 3  # two buffers and the stream
    gc.collect()
    assert runtimes[0]() is None


def test_the_time_on_the_device(model: Path, make_platform: MakePlatform) -> None:
    engine = opened(model, make_platform(DISCRETE))
    engine.infer()
    assert engine.device_ms == pytest.approx(STEP_MS * 4)  # upload, network, download, mark


@pytest.mark.parametrize("memory", [0, 7000])
def test_too_little_memory_leaves_nothing(
    model: Path, make_platform: MakePlatform, memory: int
) -> None:
    platform = make_platform(DISCRETE, memory=memory)
    with pytest.raises(CudaError, match="out of memory"):
        opened(model, platform)
    assert fake(platform).leaks() == []


def test_seg_run_opens_it_by_name(
    model: Path, make_platform: MakePlatform, machine: Callable[[Platform], Platform]
) -> None:
    platform = machine(make_platform())
    engine = open_engine(model, "tensorrt", Size(128, 96))
    assert engine.name == "tensorrt"
    assert engine.infer().shape == (3, 24, 32)
    engine.close()
    assert fake(platform).leaks() == []


def test_a_graph_that_tensorrt_cannot_take(
    model: Path, make_platform: MakePlatform, tmp_path: Path
) -> None:
    graph = onnx.load(model)
    graph.graph.node[-1].op_type = "NoSuchOperator"
    onnx.save(graph, tmp_path / "strange.onnx")
    with pytest.raises(ModelError, match=r"cannot load it \(node 'logits', NoSuchOperator: no imp"):
        opened(tmp_path / "strange.onnx", make_platform())


def test_shipped_networks_give_the_masks_of_onnx_runtime(make_platform: MakePlatform) -> None:
    from roadseg.runtime.shipped import shipped_models

    path = shipped_models()["deeplabv3plus-int8"]
    size = Size(128, 64)
    engine, plain = opened(path, make_platform(INTEGRATED), size), open_engine(path, size=size)
    pixels = np.random.default_rng(0).integers(0, 256, engine.input.shape).astype(np.uint8)
    for each in (engine, plain):
        each.input[:] = pixels
    same = engine.infer().argmax(0) == plain.infer().argmax(0)
    assert same.mean() > 0.95
