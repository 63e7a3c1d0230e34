"""Ring: the newest masks in shared memory, for other processes. docs/ring.md has the layout."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime import _native
from roadseg.runtime.errors import UsageError
from roadseg.runtime.frame import Frame, copy_pixels
from roadseg.runtime.result import Result

FOLDER = Path("/dev/shm")  # where Linux shows the names of POSIX shared memory
MAGIC = b"RSEGRING"
VERSION = 1
SLOTS = 4
ALIGNED = 64  # bytes: headers and planes begin at a cache line

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("header_bytes", "<u4"),
        ("slots", "<u4"),
        ("slot_header_bytes", "<u4"),
        ("slot_bytes", "<u8"),
        ("width", "<u4"),
        ("height", "<u4"),
        ("classes", "<u4"),
        ("format", "S4"),
        ("frame_offset", "<u8"),
        ("frame_bytes", "<u8"),
        ("written", "<u8"),
        ("closed", "<u4"),
        ("reserved", "V52"),
    ]
)
SLOT = np.dtype(
    [
        ("lock", "<u8"),
        ("sequence", "<u8"),
        ("timestamp_ns", "<i8"),
        ("age_ns", "<i8"),
        ("reserved", "V32"),
    ]
)


def ring_path(name: str) -> Path:
    """Return the file of a ring's name.

    Raises UsageError for a name that cannot be one, that another run writes, or that is not a ring.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise UsageError(f"--ring '{name}': a name of letters, digits, _, - and . is needed")
    path = FOLDER / name
    _refuse_taken(path)
    return path


def _refuse_taken(path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise UsageError(f"{path} is there and is not a ring: choose another name")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"ring '{path.name}' is written by another run") from None


def format_code(frame: Frame) -> bytes:
    """Return a frame's format as V4L2 calls it, four characters."""
    known = {"BGR": "BGR3", "RGB": "RGB3", "NV12M": "NV12"}
    code = known.get(frame.format.value, frame.format.value)
    return code.encode()


class RingWriter:
    """Writes results into a ring of SLOTS; readers never make it wait.

    Each slot has a counter that is odd while the slot is written (a seqlock; Hemminger, Linux 2.5):
    a reader that saw it change reads again. The file appears under its name when its header is
    whole, and a lock on it, which ends with the process, tells others that it is in use.

    Raises UsageError when another run has begun to write the name meanwhile.
    """

    def __init__(self, path: Path, classes: int, first: Result, frames: bool) -> None:
        _refuse_taken(path)
        self.path = path
        self.shape = first.mask.shape
        self._pixels = _stacked(first.frame) if frames else (0,)
        self._format = format_code(first.frame) if frames else b""
        mask_end = SLOT.itemsize + _aligned(first.mask.size)
        frame_bytes = int(np.prod(self._pixels))
        slot_bytes = mask_end + _aligned(frame_bytes)
        self._map = self._create(HEADER.itemsize + SLOTS * slot_bytes)
        self._header = self._view((1,), HEADER, 0, 0)
        self._slots = self._view((SLOTS,), SLOT, HEADER.itemsize, slot_bytes)
        start = HEADER.itemsize
        u8 = np.dtype(np.uint8)
        self._masks = self._view((SLOTS, *self.shape), u8, start + SLOT.itemsize, slot_bytes)
        self._frames = self._view((SLOTS, *self._pixels), u8, start + mask_end, slot_bytes)
        self._header[0] = (
            *(MAGIC, VERSION, HEADER.itemsize, SLOTS, SLOT.itemsize, slot_bytes),
            *(self.shape[1], self.shape[0], classes, self._format),
            *(mask_end, frame_bytes, 0, 0, b""),
        )
        self._written = 0
        os.rename(self._part, path)

    def _create(self, size: int) -> mmap.mmap:
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        # Others may not look through the camera unless they are let.
        self._file = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            os.posix_fallocate(self._file, 0, size)  # a full /dev/shm is an error, not a SIGBUS
            return mmap.mmap(self._file, size)
        except BaseException:
            self._part.unlink()
            os.close(self._file)
            raise

    def _view(
        self, shape: tuple[int, ...], kind: np.dtype[Any], start: int, stride: int
    ) -> NDArray[Any]:
        inner = np.empty(shape[1:], kind).strides
        array: NDArray[Any] = np.ndarray(shape, kind, self._map, start, (stride, *inner))
        return array

    def fits(self, result: Result) -> bool:
        """Return whether a result has the sizes and the format that the ring was made for."""
        frame = result.frame
        same = self._pixels == _stacked(frame) and self._format == format_code(frame)
        return result.mask.shape == self.shape and (same or not self._format)

    def write(self, result: Result) -> None:
        """Write a result into the oldest slot, and then count it."""
        number = self._written % SLOTS
        slot = self._slots[number : number + 1]
        slot["lock"] += 1
        _native.fence()
        slot["sequence"] = result.frame.sequence
        slot["timestamp_ns"] = result.frame.timestamp_ns
        slot["age_ns"] = result.age_ns
        np.copyto(self._masks[number], result.mask)
        if self._frames.size:
            self._copy_frame(self._frames[number], result.frame)
        _native.fence()
        slot["lock"] += 1
        _native.fence()
        self._written += 1
        self._header["written"] = self._written

    @staticmethod
    def _copy_frame(slot: NDArray[np.uint8], frame: Frame) -> None:
        rows = len(frame.pixels)
        copy_pixels(frame, slot[:rows])
        if frame.chroma is not None:
            np.copyto(slot[rows:], frame.chroma)

    def close(self) -> None:
        """Tell readers that no more comes, and take the name away while it is this ring's."""
        self._header["closed"] = 1
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self.path.stat(), os.fstat(self._file)):
                self.path.unlink()
        os.close(self._file)


def _stacked(frame: Frame) -> tuple[int, ...]:
    """Return the shape of a frame's pixels, chroma of its own below them: NV12M is then NV12."""
    rows, *others = frame.pixels.shape
    return (rows + (0 if frame.chroma is None else len(frame.chroma)), *others)


def _aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED
