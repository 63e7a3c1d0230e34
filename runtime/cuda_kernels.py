"""preprocess and decode on device memory, when roadseg was built with its CUDA kernels.

Both give the bytes that their CPU namesakes give. They take addresses and sizes and know nothing
of who made the memory or the stream, so they work with any CUDA binding and any engine.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

from roadseg.runtime import _native
from roadseg.runtime.decode import MAX_CLASSES
from roadseg.runtime.errors import SourceError, UsageError
from roadseg.runtime.frame import PixelFormat

LIBRARY = Path(_native.__file__).with_name("libroadseg_cuda.so")
MAX_EXTENT = 32767
FORMATS = {PixelFormat.RGB: 0, PixelFormat.BGR: 1, PixelFormat.NV12: 2, PixelFormat.YUYV: 3}
BYTES_A_PIXEL = {PixelFormat.RGB: 3, PixelFormat.BGR: 3, PixelFormat.NV12: 1, PixelFormat.YUYV: 2}

_POINTER, _INT, _LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64


class CudaKernels:
    """The compiled kernels. A launch is put on its stream and returns at once.

    Addresses are those of device memory, or of host memory that is mapped for the device. A stream
    is a cudaStream_t as a number, 0 the default stream; its device must be the current one.
    """

    def __init__(self, library: Path = LIBRARY) -> None:
        """Load the library; raises UsageError when it is not there."""
        if not library.exists():
            raise UsageError(
                "roadseg was built without its CUDA kernels; in its checkout, with nvcc: "
                "pip install . -C cmake.define.ROADSEG_CUDA=ON"
            )
        loaded = ctypes.CDLL(str(library))
        self._preprocess = loaded.roadseg_cuda_preprocess
        self._preprocess.restype = ctypes.c_char_p
        self._preprocess.argtypes = [
            *(_POINTER, _INT, _INT, _INT, _LONG),
            *(_POINTER, _INT, _INT, _POINTER),
        ]
        self._decode = loaded.roadseg_cuda_decode
        self._decode.restype = ctypes.c_char_p
        self._decode.argtypes = [
            *(_POINTER, _INT, _INT, _INT),
            *(_POINTER, _INT, _INT, _LONG, _POINTER, _POINTER),
        ]

    def preprocess(
        self,
        pixels: int,
        format: PixelFormat,
        width: int,
        height: int,
        row_stride: int,
        out: int,
        out_width: int,
        out_height: int,
        stream: int = 0,
    ) -> None:
        """Fill `out` with a frame as RGB, resized bilinearly.

        pixels: address of the first row of (height, width) pixels in `format`, rows row_stride
        bytes apart; NV12's rows of chroma follow those of luma at the same distance.
        out: address of (out_height, out_width, 3) uint8, contiguous: an engine's input.
        Raises ValueError for sizes that do not fit, SourceError when the launch fails.
        """
        _check_extents("frame", width, height)
        _check_extents("out", out_width, out_height)
        if format not in FORMATS:
            known = ", ".join(one.value for one in FORMATS)
            raise ValueError(f"{format.value} frame: the CUDA kernels read {known}")
        _check_chroma(format, width, height)
        if abs(row_stride) < width * BYTES_A_PIXEL[format]:
            raise ValueError(f"frame: rows of {width} pixels overlap with row_stride {row_stride}")
        code = FORMATS[format]
        _check_launch(
            self._preprocess(
                *(pixels, code, width, height, row_stride, out, out_width, out_height, stream)
            )
        )

    def decode(
        self,
        logits: int,
        classes: int,
        height: int,
        width: int,
        mask: int,
        mask_width: int,
        mask_height: int,
        mask_stride: int,
        confidence: int | None = None,
        stream: int = 0,
    ) -> None:
        """Fill `mask` with the class of the largest logit, resized bilinearly, at each pixel.

        logits: address of (classes, height, width) float32, contiguous, finite; 2 to 32 classes.
        mask: address of (mask_height, mask_width) uint8, rows mask_stride bytes apart.
        confidence: the same layout, or None: round(255 * softmax of the winning class).
        Raises ValueError for sizes that do not fit, SourceError when the launch fails.
        """
        _check_extents("logits", width, height)
        _check_extents("mask", mask_width, mask_height)
        if not 2 <= classes <= MAX_CLASSES:
            raise ValueError(f"logits: 2 to {MAX_CLASSES} classes can be decoded, not {classes}")
        if abs(mask_stride) < mask_width:
            raise ValueError(f"mask: rows of {mask_width} overlap with mask_stride {mask_stride}")
        _check_launch(
            self._decode(
                *(logits, classes, height, width),
                *(mask, mask_width, mask_height, mask_stride, confidence, stream),
            )
        )


def _check_launch(failure: bytes | None) -> None:
    if failure:
        raise SourceError(f"CUDA: {failure.decode()}")


def _check_extents(name: str, width: int, height: int) -> None:
    if not (0 < width <= MAX_EXTENT and 0 < height <= MAX_EXTENT):
        raise ValueError(f"{name}: 1 to {MAX_EXTENT} rows and columns, not {width}x{height}")


def _check_chroma(format: PixelFormat, width: int, height: int) -> None:
    if format is PixelFormat.NV12 and (width % 2 or height % 2):
        raise ValueError(f"NV12 frame: an even width and height are needed, not {width}x{height}")
    if format is PixelFormat.YUYV and width % 2:
        raise ValueError(f"YUYV frame: an even width is needed, not {width}")
