"""What crosses into the library of CUDA kernels: arguments whole, nothing that does not fit."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from roadseg.runtime.cuda_kernels import CudaKernels
from roadseg.runtime.errors import SourceError, UsageError
from roadseg.runtime.frame import PixelFormat

RGB, NV12, YUYV, GREY = PixelFormat.RGB, PixelFormat.NV12, PixelFormat.YUYV, PixelFormat.GREY

needs_compiler = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")

# Takes what the kernels take, writes it to `told`, and answers with `answer`.
RECORDER = """
#include <stdint.h>
typedef int64_t L;
L told[10];
const char *answer;
#define TELL(...) L all[] = {__VA_ARGS__}; for (int i = 0; i < sizeof all / 8; i++) told[i] = all[i]
const char *roadseg_cuda_preprocess(char *pixels, int format, int w, int h, L stride,
                                    char *out, int W, int H, char *stream) {
  TELL((L)pixels, format, w, h, stride, (L)out, W, H, (L)stream);
  return answer;
}
const char *roadseg_cuda_decode(char *logits, int classes, int h, int w, char *mask, int W, int H,
                                L stride, char *confidence, char *stream) {
  TELL((L)logits, classes, h, w, (L)mask, W, H, stride, (L)confidence, (L)stream);
  return answer;
}
"""


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with the kernels' interface that keeps its arguments."""
    source = tmp_path_factory.mktemp("recorder") / "recorder.c"
    source.write_text(RECORDER)
    library = source.with_suffix(".so")
    subprocess.run(["gcc", "-shared", "-fPIC", source, "-o", library], check=True)
    return library


@needs_compiler
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 7, "format": YUYV}, "YUYV frame: an even width is needed, not 7"),
        ({"width": 7, "format": NV12}, "NV12 frame: an even width and height .* not 7x6"),
        ({"format": GREY}, "GREY frame: the CUDA kernels read RGB, BGR, NV12, YUYV"),
        ({"out_height": 32768}, "out: 1 to 32767 rows and columns, not 4x32768"),
        ({"height": 5, "format": NV12}, "NV12 frame: an even width and height .* not 8x5"),
        ({"height": 0}, "frame: 1 to 32767 rows and columns, not 8x0"),
        ({"out_width": 40000}, "out: 1 to 32767 rows and columns, not 40000x4"),
        ({"row_stride": 23}, "frame: rows of 8 pixels overlap with row_stride 23"),
    ],
)
def test_preprocess_refuses(recorder: Path, change: dict[str, object], message: str) -> None:
    good = {"pixels": 0, "format": RGB, "width": 8, "height": 6, "row_stride": 24}
    good |= {"out": 0, "out_width": 4, "out_height": 4}
    with pytest.raises(ValueError, match=message):
        CudaKernels(recorder).preprocess(**(good | change))  # type: ignore[arg-type]


@needs_compiler
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": 1}, "2 to 32 classes can be decoded, not 1"),
        ({"classes": 33}, "not 33"),
        ({"width": 0}, "logits: 1 to 32767 rows and columns, not 0x6"),
        ({"mask_height": 0}, "mask: 1 to 32767 rows and columns, not 16x0"),
        ({"mask_stride": 15}, "mask: rows of 16 overlap with mask_stride 15"),
    ],
)
def test_decode_refuses(recorder: Path, change: dict[str, int], message: str) -> None:
    good = {"logits": 0, "classes": 3, "height": 6, "width": 8, "mask": 0}
    good |= {"mask_width": 16, "mask_height": 12, "mask_stride": 16}
    with pytest.raises(ValueError, match=message):
        CudaKernels(recorder).decode(**(good | change))


@needs_compiler
def test_arguments_arrive_whole(recorder: Path) -> None:
    kernels = CudaKernels(recorder)
    told = (ctypes.c_int64 * 10).in_dll(ctypes.CDLL(str(recorder)), "told")
    wide = [(number << 40) + number for number in range(1, 6)]  # as addresses and strides may be
    pixels, out, stream, confidence, stride = wide
    kernels.preprocess(pixels, NV12, 8, 6, -stride, out, 5, 32767, stream)
    assert told[:9] == [pixels, 2, 8, 6, -stride, out, 5, 32767, stream]
    kernels.decode(pixels, 3, 7, 9, out, 32767, 5, -stride, confidence, stream)
    assert told[:] == [pixels, 3, 7, 9, out, 32767, 5, -stride, confidence, stream]
    kernels.preprocess(pixels, YUYV, 8, 5, 16, out, 5, 4)
    assert told[8] == 0  # the default stream
    kernels.decode(pixels, 3, 7, 9, out, 4, 5, 4)
    assert told[8:] == [0, 0]


@needs_compiler
def test_each_failure_is_told(recorder: Path) -> None:
    kernels = CudaKernels(recorder)
    answer = ctypes.c_char_p.in_dll(ctypes.CDLL(str(recorder)), "answer")
    answer.value = b"out of memory"
    for launch in (
        lambda: kernels.preprocess(1, RGB, 8, 5, 24, 2, 5, 4),
        lambda: kernels.decode(1, 3, 7, 9, 2, 4, 5, 4),
    ):
        with pytest.raises(SourceError, match=r"^CUDA: out of memory$"):
            launch()
    answer.value = None


def test_a_build_without_cuda_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ROADSEG_CUDA=ON"):
        CudaKernels(tmp_path / "libroadseg_cuda.so")
