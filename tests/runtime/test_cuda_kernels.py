"""The CUDA kernels, run whole on the CPU by a shim, beside the CPU kernels: every bit the same."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from roadseg.runtime import cuda_kernels
from roadseg.runtime.cuda_kernels import FORMATS, CudaKernels
from roadseg.runtime.decode import decode
from roadseg.runtime.errors import SourceError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.preprocess import preprocess

Pixels = NDArray[np.uint8]
BGR, RGB, NV12, YUYV = PixelFormat.BGR, PixelFormat.RGB, PixelFormat.NV12, PixelFormat.YUYV

CSRC = Path(__file__).parents[2] / "runtime" / "csrc"
SHIM = Path(__file__).parent / "cuda_shim"
SOURCES = [str(CSRC / f"{name}.cu") for name in ("preprocess", "decode")]
COMPILE = ["g++", "-std=c++17", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]
COMPILE += ["-Wno-unknown-pragmas", f"-I{SHIM}", f"-I{CSRC}", "-x", "c++"]

needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="g++ is not installed")

# ((width, height) of the frame, of the output): as a camera's, 1:1, shrunk, tiny, odd outputs.
SIZES = [
    ((64, 48), (128, 96)),
    ((320, 180), (256, 128)),
    ((98, 62), (98, 62)),
    ((130, 50), (77, 91)),
    ((2, 2), (37, 5)),
    ((200, 150), (1, 1)),
    ((640, 360), (99, 53)),
]
ODD_SIZES = [((63, 47), (101, 33)), ((1, 1), (9, 4)), ((33, 1), (20, 3)), ((17, 9), (17, 9))]

# ((w, h) of the logits, (W, H) of the mask): ratios of 4, 8, 2, 5.6, 1, below 1, tiny, odd.
MASK_SIZES = [
    ((64, 32), (256, 128)),
    ((32, 16), (256, 128)),
    ((40, 20), (80, 40)),
    ((61, 37), (203, 111)),
    ((50, 20), (50, 20)),
    ((50, 40), (33, 17)),
    ((3, 2), (100, 65)),
    ((1, 1), (5, 3)),
    ((200, 4), (1, 1)),
]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> CudaKernels:
    """The kernels of the .cu files, a launch being a loop on the CPU."""
    library = tmp_path_factory.mktemp("shim") / "libroadseg_cuda.so"
    subprocess.run([*COMPILE, "-shared", "-fPIC", *SOURCES, "-o", str(library)], check=True)
    return CudaKernels(library)


def random_frame(format: PixelFormat, size: tuple[int, int], padding: int, shift: int) -> Frame:
    """Rows may be padded, and begin at any address: shift bytes after a multiple of 64."""
    width, height = size
    rows = height * 3 // 2 if format is NV12 else height
    row_bytes = width * cuda_kernels.BYTES_A_PIXEL[format] + padding
    buffer = np.random.default_rng(7).integers(0, 256, rows * row_bytes + 128, np.uint8)
    start = -buffer.ctypes.data % 64 + shift
    channels = cuda_kernels.BYTES_A_PIXEL[format]
    plane = buffer[start : start + rows * row_bytes].reshape(rows, row_bytes)
    pixels = plane[:, : width * channels]
    if channels > 1:
        strides = (row_bytes, channels, 1)
        pixels = np.lib.stride_tricks.as_strided(pixels, (rows, width, channels), strides)
    return Frame(pixels, format, timestamp_ns=0, sequence=0)


def cuda_preprocess(kernels: CudaKernels, frame: Frame, out: Pixels) -> None:
    kernels.preprocess(
        *(frame.pixels.ctypes.data, frame.format, frame.width, frame.height),
        *(frame.pixels.strides[0], out.ctypes.data, out.shape[1], out.shape[0]),
    )


@needs_compiler
@pytest.mark.parametrize(("padding", "shift"), [(0, 0), (64, 0), (6, 2), (5, 1)])
@pytest.mark.parametrize("format", FORMATS)
def test_preprocess_equals_the_cpu(
    kernels: CudaKernels, format: PixelFormat, padding: int, shift: int
) -> None:
    odd = ODD_SIZES if format in (RGB, BGR) else []
    for size, out_size in SIZES + odd:
        frame = random_frame(format, size, padding, shift)
        expected = preprocess(frame, np.empty((out_size[1], out_size[0], 3), np.uint8))
        room = np.full(expected.size + 64, 99, np.uint8)
        out = room[32 + shift : 32 + shift + expected.size].reshape(expected.shape)
        cuda_preprocess(kernels, frame, out)
        np.testing.assert_array_equal(out, expected, str((size, out_size)))
        assert (room[: 32 + shift] == 99).all()
        assert (room[32 + shift + expected.size :] == 99).all()


@needs_compiler
def test_preprocess_of_a_frame_stored_bottom_up(kernels: CudaKernels) -> None:
    upright = random_frame(RGB, (40, 30), 0, 0)
    flipped = Frame(upright.pixels[::-1], RGB, 0, 0)
    out, expected = np.empty((2, 20, 50, 3), np.uint8)
    cuda_preprocess(kernels, flipped, out)
    np.testing.assert_array_equal(out, preprocess(flipped, expected))


def noise(classes: int, size: tuple[int, int]) -> NDArray[np.float32]:
    return np.random.default_rng(3).normal(0, 3, (classes, *size[::-1])).astype(np.float32)


def coarse(classes: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Few different values, as INT8 gives them: many ties."""
    return np.round(noise(classes, size) / 3) * np.float32(0.7)


def near_ties(classes: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Two classes one rounding apart everywhere, in areas that one of them wins."""
    logits = noise(classes, size) * np.float32(0.01)
    logits[0] += 50
    logits[1] = np.nextafter(logits[0], np.float32(np.inf))
    return logits


def cuda_decode(
    kernels: CudaKernels, logits: NDArray[np.float32], mask: Pixels, confidence: Pixels | None
) -> None:
    kernels.decode(
        *(logits.ctypes.data, *logits.shape, mask.ctypes.data, mask.shape[1], mask.shape[0]),
        *(mask.strides[0], None if confidence is None else confidence.ctypes.data),
    )


@needs_compiler
@pytest.mark.parametrize("confident", [False, True])
@pytest.mark.parametrize("logits_of", [noise, coarse, near_ties])
@pytest.mark.parametrize("classes", [2, 3, 11, 19, 32])
def test_decode_equals_the_cpu(
    kernels: CudaKernels, classes: int, logits_of: object, confident: bool
) -> None:
    for size, mask_size in MASK_SIZES:
        logits = logits_of(classes, size)  # type: ignore[operator]
        expected = np.empty((2, *mask_size[::-1]), np.uint8)
        decode(logits, expected[0], expected[1] if confident else None)
        for padding in (0, 1, 8):
            room = np.full((2, mask_size[1] + 1, mask_size[0] + padding), 99, np.uint8)
            mask, confidence = room[:, :-1, : mask_size[0]]
            cuda_decode(kernels, logits, mask, confidence if confident else None)
            np.testing.assert_array_equal(mask, expected[0], str((size, mask_size)))
            if confident:
                np.testing.assert_array_equal(confidence, expected[1], str((size, mask_size)))
            else:
                assert (confidence == 99).all()
            assert (room[:, -1] == 99).all() and (room[:, :, mask_size[0] :] == 99).all()


@needs_compiler
@pytest.mark.parametrize("classes", range(2, 33))
def test_every_class_can_win(kernels: CudaKernels, classes: int) -> None:
    logits = np.zeros((classes, 8, classes * 2), np.float32)
    wins = np.repeat(np.arange(classes), 2)
    logits[wins, :, np.arange(classes * 2)] = 5
    mask = np.empty((8, classes * 2), np.uint8)
    cuda_decode(kernels, logits, mask, None)
    np.testing.assert_array_equal(mask, np.tile(wins, (8, 1)))


@needs_compiler
def test_stays_inside_of_its_buffers(tmp_path: Path) -> None:
    """Buffers of just the size that is needed, under the sanitizers of addresses and behaviour."""
    program = tmp_path / "exact_buffers"
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]
    sources = [*SOURCES, str(SHIM / "exact_buffers.cpp")]
    compiled = subprocess.run(
        [*COMPILE, *flags, *sources, "-o", str(program)], capture_output=True, text=True
    )
    if "cannot find" in compiled.stderr and "san" in compiled.stderr:
        pytest.skip("g++ has no sanitizers here")
    assert compiled.returncode == 0, compiled.stderr
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    run = subprocess.run([str(program)], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr[:4000]
    assert int(run.stdout) > 100


@needs_compiler
def test_a_failed_launch_is_told(kernels: CudaKernels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cuda_kernels.FORMATS, RGB, 9)
    with pytest.raises(SourceError, match="CUDA: invalid argument"):
        kernels.preprocess(0, RGB, 8, 6, 24, 0, 4, 4)
