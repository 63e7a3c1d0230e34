"""The CUDA kernels as the real compilers make them: architectures, registers, spills, no driver."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from roadseg.runtime.cuda_kernels import CudaKernels
from roadseg.runtime.decode import decode
from roadseg.runtime.errors import SourceError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.preprocess import preprocess

CSRC = Path(__file__).parents[2] / "runtime" / "csrc"
ARCHITECTURES = {"sm_87", "sm_110", "sm_86", "sm_89", "sm_120"}

# Registers of a thread: 56 let 9 blocks of 128 threads live on a multiprocessor, 80 let 6.
REGISTERS = {"preprocess_kernel": 56, "decode_kernel": 80}
INSTANCES = {"preprocess_kernel": 6, "decode_kernel": 2}  # formats, aligned or not; confidence

HAS_DRIVER = Path("/dev/nvidiactl").exists() or Path("/dev/nvmap").exists()  # a Jetson's: nvmap

needs_nvcc = pytest.mark.skipif(
    not (shutil.which("nvcc") and shutil.which("cmake")), reason="nvcc or cmake is not installed"
)


@dataclass(frozen=True)
class Usage:
    """What the assembler says of one kernel."""

    kernel: str
    architecture: str
    registers: int
    spilled: int


def usages(log: str) -> Iterator[Usage]:
    """Read the lines that `ptxas --verbose` prints for each kernel."""
    pattern = (
        r"entry function '(\S+)' for '(sm_\d+)'.*?(\d+) bytes stack frame, (\d+) bytes spill"
        r" stores, (\d+) bytes spill loads.*?Used (\d+) registers"
    )
    for mangled, architecture, frame, stores, loads, registers in re.findall(pattern, log, re.S):
        kernel = next(name for name in REGISTERS if name in mangled)
        spilled = int(frame) + int(stores) + int(loads)
        yield Usage(kernel, architecture, int(registers), spilled)


def assert_within_budget(found: list[Usage], architecture: str) -> None:
    for kernel, budget in REGISTERS.items():
        of_kernel = [u for u in found if (u.kernel, u.architecture) == (kernel, architecture)]
        assert len(of_kernel) == INSTANCES[kernel]
        assert all(0 < u.registers <= budget and not u.spilled for u in of_kernel), of_kernel


@dataclass(frozen=True)
class Build:
    """A library and what the compilers printed."""

    library: Path
    log: str


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The library as CMake makes it."""
    folder = tmp_path_factory.mktemp("cuda")
    configure = ["cmake", "-S", str(CSRC), "-B", str(folder)]
    configure += ["-DCMAKE_CUDA_FLAGS=--resource-usage --Werror=all-warnings"]
    log = ""
    for command in (configure, ["cmake", "--build", str(folder)]):
        run = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert run.returncode == 0, run.stdout[-4000:]
        log += run.stdout
    return Build(folder / "libroadseg_cuda.so", log)


@pytest.mark.slow
@needs_nvcc
def test_compiles_for_every_architecture_within_budget(build: Build) -> None:
    found = list(usages(build.log))
    built = {usage.architecture for usage in found}
    assert {"sm_87", "sm_86", "sm_89"} <= built <= ARCHITECTURES
    for architecture in built:
        assert_within_budget(found, architecture)


@pytest.mark.slow
@needs_nvcc
def test_loads_without_a_driver_and_says_so(build: Build) -> None:
    if HAS_DRIVER:
        pytest.skip("this machine has a driver")
    kernels = CudaKernels(build.library)
    with pytest.raises(SourceError, match=r"CUDA: .*(driver|device)"):
        kernels.decode(0, 3, 6, 8, 0, 16, 12, 16)
    with pytest.raises(SourceError, match=r"CUDA: .*(driver|device)"):
        kernels.preprocess(0, PixelFormat.NV12, 8, 6, 8, 0, 4, 4)


@pytest.mark.slow
@needs_nvcc
def test_equals_the_cpu_on_a_device(build: Build) -> None:
    if not HAS_DRIVER:
        pytest.skip("no CUDA device")
    torch = pytest.importorskip("torch")
    kernels, noise = CudaKernels(build.library), np.random.default_rng(1)
    frame = Frame(noise.integers(0, 256, (540, 640), np.uint8), PixelFormat.NV12, 0, 0)
    pixels = torch.from_numpy(frame.pixels).cuda()
    out = torch.empty((256, 512, 3), dtype=torch.uint8, device="cuda")
    stream = torch.cuda.current_stream().cuda_stream
    kernels.preprocess(
        *(pixels.data_ptr(), frame.format, 640, 360, 640, out.data_ptr(), 512, 256, stream)
    )
    np.testing.assert_array_equal(out.cpu(), preprocess(frame, np.empty((256, 512, 3), np.uint8)))

    logits = noise.normal(0, 3, (11, 64, 128)).astype(np.float32)
    values = torch.from_numpy(logits).cuda()
    planes = torch.empty((2, 256, 512), dtype=torch.uint8, device="cuda")
    mask, confidence = planes
    kernels.decode(
        *(values.data_ptr(), 11, 64, 128, mask.data_ptr(), 512, 256, 512),
        *(confidence.data_ptr(), stream),
    )
    expected = np.empty((2, 256, 512), np.uint8)
    decode(logits, *expected)
    np.testing.assert_array_equal(planes.cpu(), expected)


def nvrtc() -> ctypes.CDLL:
    """The compiler library of CUDA 12.6, which is JetPack 6's."""
    spec = find_spec("nvidia")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        library = Path(folder) / "cuda_nvrtc" / "lib" / "libnvrtc.so.12"
        if library.exists():
            return ctypes.CDLL(str(library))
    pytest.skip("nvidia-cuda-nvrtc-cu12 is not installed")


@dataclass(frozen=True)
class Compiled:
    """What NVRTC made: 0 when done, its log, and the PTX code."""

    result: int
    log: str
    ptx: str


def compiled_by_nvrtc(compiler: ctypes.CDLL, source: Path, architecture: str) -> Compiled:
    program = ctypes.c_void_p()
    text, name = source.read_bytes(), source.name.encode()
    assert not compiler.nvrtcCreateProgram(ctypes.byref(program), text, name, 0, None, None)
    options = [b"-std=c++17", b"-I" + str(CSRC).encode(), b"--ptxas-options=-v"]
    options.append(b"-arch=" + architecture.encode())
    packed = (ctypes.c_char_p * len(options))(*options)
    result = compiler.nvrtcCompileProgram(program, len(options), packed)
    log, ptx = (_text(compiler, program, name) for name in ("ProgramLog", "PTX"))
    compiler.nvrtcDestroyProgram(ctypes.byref(program))
    return Compiled(int(result), log, ptx)


def _text(compiler: ctypes.CDLL, program: ctypes.c_void_p, name: str) -> str:
    size = ctypes.c_size_t()
    getattr(compiler, f"nvrtcGet{name}Size")(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value or 1)
    getattr(compiler, f"nvrtcGet{name}")(program, text)
    return text.value.decode()


def test_compiles_with_jetpack_6s_compiler_within_budget() -> None:
    compiler = nvrtc()
    found: list[Usage] = []
    for name in ("preprocess.cu", "decode.cu"):
        compiled = compiled_by_nvrtc(compiler, CSRC / name, "sm_87")
        assert compiled.result == 0, compiled.log
        found += usages(compiled.log)
    assert_within_budget(found, "sm_87")


def test_no_product_is_fused_with_a_sum() -> None:
    """A fused one is rounded once instead of twice: other bits than the CPU's."""
    compiled = compiled_by_nvrtc(nvrtc(), CSRC / "decode.cu", "compute_87")
    assert compiled.result == 0, compiled.log
    assert "mul.rn.f32" in compiled.ptx and "div.rn.f32" in compiled.ptx
    assert "fma." not in compiled.ptx and "div.approx" not in compiled.ptx
