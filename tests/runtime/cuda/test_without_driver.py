"""A machine without a driver, a GPU or a package: one line and an exit code, never a crash."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from roadseg.runtime import cuda as cuda_package
from roadseg.runtime.cli import main as seg_run
from roadseg.runtime.cuda import Cuda, CudaError, has_device, open_cuda
from roadseg.runtime.cuda.fake_cuda import FakeCuda
from roadseg.runtime.engines import installed_engines
from roadseg.runtime.errors import MissingExtra, SourceError, UsageError
from roadseg.runtime.tensorrt.platform import check_version, load_tensorrt, open_platform

Told = pytest.CaptureFixture[str]
CALLS: list[Callable[[Cuda], object]] = [
    lambda cuda: cuda.device_count(),
    lambda cuda: cuda.properties(),
    lambda cuda: cuda.allocate(16),
    lambda cuda: cuda.free(64),
    lambda cuda: cuda.allocate_host(16, False),
    lambda cuda: cuda.allocate_host(16, True),
    lambda cuda: cuda.free_host(64),
    lambda cuda: cuda.device_pointer(64),
    lambda cuda: cuda.copy_to_device(64, 128, 16, 7),
    lambda cuda: cuda.copy_to_host(64, 128, 16, 7),
    lambda cuda: cuda.create_stream(),
    lambda cuda: cuda.synchronize(7),
    lambda cuda: cuda.destroy_stream(7),
    lambda cuda: cuda.begin_capture(7),
    lambda cuda: cuda.end_capture(7),
    lambda cuda: cuda.launch(7, 8),
    lambda cuda: cuda.destroy_graph(7),
    lambda cuda: cuda.create_event(),
    lambda cuda: cuda.record(7, 8),
    lambda cuda: cuda.elapsed_ms(7, 8),
    lambda cuda: cuda.destroy_event(7),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_each_call_is_one_that_cuda_bindings_know(number: int) -> None:
    """Without a driver the genuine package takes the arguments and answers with a code."""
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    if has_device():
        pytest.skip("there is a GPU: the contract runs on it")
    from roadseg.runtime.cuda.bindings_cuda import BindingsCuda

    with pytest.raises(CudaError, match=r"cuda\w+: .+ \(CUDA error \d+\)") as error:
        CALLS[number](BindingsCuda())
    assert error.value.code in (34, 35, 100)


class NoDriver(FakeCuda):
    """A CUDA whose first call fails."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code

    def device_count(self) -> int:
        raise CudaError("cudaGetDeviceCount", self.code, "it failed")


@pytest.mark.parametrize(
    ("cuda", "message"),
    [
        (NoDriver(35), "no driver, or one that is older than the CUDA package here"),
        (NoDriver(100), "the driver sees no device"),
        (NoDriver(34), r"libcuda\.so\.1 is the toolkit's stub"),
        (NoDriver(999), r"cudaGetDeviceCount: it failed \(CUDA error 999\)"),
        (FakeCuda(devices=0), "there is none on this machine"),
    ],
)
def test_no_device(cuda: Cuda, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_package, "_installed", lambda: [cuda])
    with pytest.raises(SourceError, match=f"engine tensorrt needs an NVIDIA GPU: {message}"):
        open_platform()
    assert not has_device()


def test_the_second_package_serves_where_the_first_is_too_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = FakeCuda()
    monkeypatch.setattr(cuda_package, "_installed", lambda: [NoDriver(35), second])
    assert open_cuda("engine tensorrt") is second


def test_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_package, "_is_installed", lambda module: False)
    with pytest.raises(MissingExtra, match=r"needs cuda-bindings.*roadseg\[cuda\]"):
        open_cuda("engine tensorrt")


def test_pycuda_serves_where_it_is_there_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_package, "_is_installed", lambda module: module == "pycuda")
    with pytest.raises(SourceError, match="pycuda: cannot be loaded"):
        open_cuda("engine tensorrt")  # its module links the driver


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A package tensorrt that can be found, and crashes the test when it is used."""
    path = tmp_path / "tensorrt.py"
    path.write_text("__version__ = '10.3.0'\ndef __getattr__(name): raise SystemError(name)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    return path


def test_seg_run_without_tensorrt(capsys: Told) -> None:
    pytest.importorskip("onnx")
    if "tensorrt" in installed_engines():
        pytest.skip("TensorRT is here")
    assert seg_run(["mobileunet-int8", "synthetic:?frames=1", "--engine", "tensorrt"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "engine tensorrt needs tensorrt, which is not installed: on a Jetson" in told


def test_seg_run_without_a_driver(tensorrt: Path, capsys: Told) -> None:
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    if has_device():
        pytest.skip("there is a GPU")
    assert "tensorrt" not in installed_engines()
    assert seg_run(["mobileunet-int8", "synthetic:?frames=1", "--engine", "tensorrt"]) == 3
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "engine tensorrt needs an NVIDIA GPU: " in told


def test_a_broken_tensorrt(tensorrt: Path) -> None:
    tensorrt.write_text("raise OSError('libnvinfer.so.10: cannot open shared object file')")
    with pytest.raises(UsageError, match=r"tensorrt cannot be loaded \(libnvinfer\.so\.10"):
        load_tensorrt("engine tensorrt")


@pytest.mark.parametrize("version", ["10.3.0", "10.13.3.9", "11.4.0.106", "10.16.1"])
def test_versions_that_can_be_used(version: str) -> None:
    check_version(version)


@pytest.mark.parametrize("version", ["8.6.1", "10.2.0", "12.0.0", ""])
def test_other_versions(version: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be used: 10\.3 to 11\.x can"):
        check_version(version)
