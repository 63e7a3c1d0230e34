"""A tiny artefact that really runs, and real data where there is some."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import virtual_machine

from roadseg.runtime import cuda as cuda_package
from roadseg.runtime.cuda import fake_cuda
from roadseg.runtime.cuda.fake_cuda import FakeCuda
from roadseg.runtime.spec import METADATA_KEY, ClassInfo, ModelSpec
from roadseg.runtime.tensorrt import platform as platform_module
from roadseg.runtime.tensorrt.fake_tensorrt import FakeTensorRt
from roadseg.runtime.tensorrt.platform import Platform

SPEC = ModelSpec(
    name="colours",
    classes=(
        ClassInfo("red", (255, 0, 0), drivable=True),
        ClassInfo("green", (0, 255, 0)),
        ClassInfo("blue", (0, 0, 255)),
    ),
    width=64,
    height=32,
    multiple=4,
)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets and clips; tests that need it skip without it."""
    folder = os.environ.get("ROADSEG_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("real data is needed: set ROADSEG_DATA to its folder")
    return Path(folder)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real artefact: a class per colour channel, the brightest one of each 4 x 4 pixels wins."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.zeros((3, 3, 4, 4), np.float32)
    weights[range(3), range(3)] = 1 / 16
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["real"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weights"], ["logits"], strides=[4, 4]),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, "height", "width", 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3, "h", "w"])
    tensors = [numpy_helper.from_array(weights, "weights")]
    graph = helper.make_graph(nodes, "colours", [pixels], [logits], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, {METADATA_KEY: SPEC.to_json()})
    path = tmp_path_factory.mktemp("model") / "colours.onnx"
    onnx.save(made, path)
    return path


@pytest.fixture(scope="session")
def roads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered roads in the plain layout: 12 images of 6 drives, split."""
    from roadseg.data.cli import main

    folder = tmp_path_factory.mktemp("data") / "roads"
    uri = "synthetic:?n=12&per_scene=2&size=128x64&seed=4"
    assert main(["convert", uri, "--out", str(folder)]) == 0
    assert main(["split", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def checkpoint(roads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a very small MobileUNet that has seen a few roads."""
    pytest.importorskip("torch", reason="training needs PyTorch")
    from roadseg.train.cli import main

    out = tmp_path_factory.mktemp("runs") / "tiny"
    small = '{"depths": [1, 1, 1, 1, 1, 1, 1], "widths": [16, 16, 16, 16], "blocks": 1}'
    words = ["--data", str(roads), "--out", str(out), "--backbone", "mobilenetv2_050"]
    words += ["--weights", "none", "--network-options", small, "--size", "128x64"]
    words += ["--crop", "64x64", "--batch-size", "4", "--epochs", "12", "--threads", "1"]
    assert main([*words, "--workers", "1", "--lr", "0.01"]) == 0
    return out / "last.pt"


@pytest.fixture(scope="session")
def exported(checkpoint: Path, roads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its float and INT8 artefacts: mobileunet.onnx and mobileunet-int8.onnx."""
    from roadseg.export.cli import main

    out = tmp_path_factory.mktemp("exported")
    words = [str(checkpoint), "--int8", "--data", str(roads), "--out", str(out)]
    assert main([*words, "--max-drop", "100"]) == 0
    return out


def beside(name: str) -> ModuleType:
    """Load a module that stands beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def look() -> Callable[..., dict[str, Any]]:
    """Load a page in a real browser; see browser.look."""
    found: Callable[..., dict[str, Any]] = beside("browser").look
    return found


@pytest.fixture(scope="session")
def open_tab() -> Callable[..., Any]:
    """Open a page in a browser that stays open; see tab.Tab."""
    found: Callable[..., Any] = beside("tab").Tab
    return found


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what tests find out of the user's cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True, scope="session")
def camera_vms(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, virtual_machine.CameraVm]]:
    """Boot the selected tests' VMs before the first test: each takes minutes of one core."""
    wishes = {item.name: item.get_closest_marker("camera_vm") for item in request.session.items}
    with contextlib.ExitStack() as started:
        machines = {}
        for name, wish in wishes.items():
            if wish and not virtual_machine.missing():
                told = (tmp_path_factory.mktemp("vm") / "told").open("w+b")
                model = request.getfixturevalue("model")
                machine = virtual_machine.start(model, told, *wish.args, **wish.kwargs)
                started.callback(machine.stop)
                machines[name] = machine
        yield machines


@pytest.fixture
def camera_vm(
    request: pytest.FixtureRequest, camera_vms: dict[str, virtual_machine.CameraVm]
) -> virtual_machine.CameraVm:
    """The VM that runs what the test's mark camera_vm names."""
    if missing := virtual_machine.missing():
        pytest.skip(f"a VM needs {', '.join(missing)}: see docs/cameras.md")
    return camera_vms[request.node.name]


def fake_platform(
    device: fake_cuda.DeviceProperties = fake_cuda.DISCRETE, **options: object
) -> Platform:
    """Return a machine with a GPU; options of the fake CUDA and the fake TensorRT."""
    mine = {name: options.pop(name) for name in ("captures", "spoils", "memory") if name in options}
    cuda = FakeCuda(device=device, **mine)  # type: ignore[arg-type]
    cuda.device_count()
    return Platform(FakeTensorRt(cuda, **options), cuda, device)  # type: ignore[arg-type]


@pytest.fixture
def make_platform() -> Callable[..., Platform]:
    """Make a machine with a GPU that is not there; see fake_platform."""
    return fake_platform


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Platform], Platform]:
    """Make this machine the fake one, for what opens engines by name."""

    def pretend(platform: Platform) -> Platform:
        found = importlib.util.find_spec

        def find(name: str) -> object:
            return object() if name == "tensorrt" else found(name)

        monkeypatch.setattr(importlib.util, "find_spec", find)
        monkeypatch.setattr(cuda_package, "_installed", lambda: [platform.cuda])
        monkeypatch.setattr(platform_module, "load_tensorrt", lambda purpose: platform.trt)
        return platform

    return pretend
