"""A machine with a GPU that is not there: the fake CUDA and the fake TensorRT."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from roadseg.runtime.cuda import fake_cuda
from roadseg.runtime.cuda.fake_cuda import FakeCuda
from roadseg.runtime.tensorrt import platform as platform_module
from roadseg.runtime.tensorrt.fake_tensorrt import FakeTensorRt
from roadseg.runtime.tensorrt.platform import Platform

MakePlatform = Callable[..., Platform]


def fake_platform(
    device: fake_cuda.DeviceProperties = fake_cuda.DISCRETE, **options: object
) -> Platform:
    """Return a machine with a GPU; options of the fake CUDA and the fake TensorRT."""
    mine = {name: options.pop(name) for name in ("captures", "memory") if name in options}
    cuda = FakeCuda(device=device, **mine)  # type: ignore[arg-type]
    cuda.device_count()
    return Platform(FakeTensorRt(cuda, **options), cuda, device)  # type: ignore[arg-type]


@pytest.fixture
def make_platform() -> MakePlatform:
    return fake_platform


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Platform], Platform]:
    """Make this machine the fake one, for what opens engines by name."""

    def pretend(platform: Platform) -> Platform:
        import importlib.util

        from roadseg.runtime import cuda

        found = importlib.util.find_spec

        def find(name: str) -> object:
            return object() if name == "tensorrt" else found(name)

        monkeypatch.setattr(importlib.util, "find_spec", find)
        monkeypatch.setattr(cuda, "_load", lambda purpose: platform.cuda)
        monkeypatch.setattr(platform_module, "load_tensorrt", lambda purpose: platform.trt)
        return platform

    return pretend


@pytest.fixture(autouse=True)
def empty_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts without plans."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
