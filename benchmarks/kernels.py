"""Time the native kernels beside OpenCV and NumPy doing the same, in one run.

python -m roadseg.benchmarks.kernels

Both sides of a row run on one thread, one after the other in each round, into buffers made
beforehand, so that what else the machine does falls on both.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime import _native
from roadseg.runtime.decode import count_classes, decode
from roadseg.runtime.errors import UsageError, run_cli
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.options import parse_options
from roadseg.runtime.overlay import overlay
from roadseg.runtime.preprocess import preprocess

Run = Callable[[], object]
Pixels = NDArray[np.uint8]

COMMAND = "roadseg.benchmarks.kernels"
FRAME = (1280, 720)
INPUT = (1024, 512)
CLASSES = 11
STRIDE = 4


@dataclass(frozen=True)
class KernelOptions:
    """Time preprocess, decode and overlay beside OpenCV and NumPy, as a Markdown table.

    n: rounds that count.
    """

    n: int = 100


@dataclass(frozen=True)
class Case:
    """One task, done by the kernel and by the libraries."""

    task: str
    kernel: Run
    library: str
    other: Run


def cases() -> list[Case]:
    """Return what is compared."""
    return [*_preprocess_cases(), *_decode_cases(), *_mask_cases()]


def _preprocess_cases() -> list[Case]:
    width, height = FRAME
    noise = np.random.default_rng(1)
    made = []
    for format, shape, code in [
        (PixelFormat.NV12, (height * 3 // 2, width), cv2.COLOR_YUV2RGB_NV12),
        (PixelFormat.YUYV, (height, width, 2), cv2.COLOR_YUV2RGB_YUYV),
        (PixelFormat.BGR, (height, width, 3), cv2.COLOR_BGR2RGB),
    ]:
        frame = Frame(noise.integers(0, 256, shape, np.uint8), format, 0, 0)
        made.append(_preprocess_case(frame, code))
    return made


def _preprocess_case(frame: Frame, code: int) -> Case:
    colours = np.empty((frame.height, frame.width, 3), np.uint8)
    ours, theirs = np.empty((2, INPUT[1], INPUT[0], 3), np.uint8)

    def opencv() -> None:
        cv2.cvtColor(frame.pixels, code, dst=colours)
        cv2.resize(colours, INPUT, dst=theirs)

    task = f"preprocess {frame.format.value} {_words(FRAME)} → {_words(INPUT)}"
    return Case(task, lambda: preprocess(frame, ours), "OpenCV cvtColor + resize", opencv)


def _decode_cases() -> list[Case]:
    return [
        _decode_case(logits, kind, size)
        for size in (INPUT, FRAME)
        for kind, logits in (("areas", areas()), ("noise", _noise()))
    ]


def _decode_case(logits: NDArray[np.float32], kind: str, size: tuple[int, int]) -> Case:
    mask = np.empty(size[::-1], np.uint8)
    large = np.empty((CLASSES, *size[::-1]), np.float32)
    winners = np.empty(size[::-1], np.intp)

    def libraries() -> None:
        for source, target in zip(logits, large, strict=True):
            cv2.resize(source, size, dst=target)
        np.argmax(large, axis=0, out=winners)

    task = f"decode {CLASSES} classes ({kind}) {_words(logits.shape[:0:-1])} → {_words(size)}"
    return Case(task, lambda: decode(logits, mask), "OpenCV resize + NumPy argmax", libraries)


def _noise() -> NDArray[np.float32]:
    """Logits whose winner changes from cell to cell: decode's worst case."""
    shape = (CLASSES, INPUT[1] // STRIDE, INPUT[0] // STRIDE)
    logits = np.random.default_rng(2).standard_normal(shape, np.float32)
    logits *= 3
    return logits


def areas() -> NDArray[np.float32]:
    """Logits of areas with borders between them, as a network gives them."""
    logits = _noise()
    logits /= 10
    down, across = np.mgrid[0 : 1 : logits.shape[1] * 1j, 0 : 1 : logits.shape[2] * 1j]
    for number in range(CLASSES):
        logits[number] += 40 * np.cos(3 * across + 2 * number * down + number)
    return logits


def _mask_cases() -> list[Case]:
    mask = np.empty(FRAME[::-1], np.uint8)
    decode(areas(), mask)
    noise = np.random.default_rng(3)
    pixels = noise.integers(0, 256, (*mask.shape, 3), np.uint8)
    palette = noise.integers(0, 256, (256, 3), np.uint8)
    ours, theirs, colours = (np.empty_like(pixels) for _ in range(3))

    def libraries() -> None:
        np.take(palette, mask, axis=0, out=colours)
        cv2.addWeighted(pixels, 0.5, colours, 0.5, 0, dst=theirs)

    return [
        Case(
            f"overlay {_words(FRAME)}",
            lambda: overlay(pixels, mask, palette, 0.5, ours),
            "NumPy take + OpenCV addWeighted",
            libraries,
        ),
        Case(
            f"count_classes {_words(FRAME)}",
            lambda: count_classes(mask, CLASSES),
            "NumPy bincount",
            lambda: np.bincount(mask.ravel(), minlength=CLASSES),
        ),
    ]


def _words(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"


def _milliseconds(run: Run) -> float:
    start = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - start) / 1e6


def measure(compared: Sequence[Case], n: int) -> list[tuple[list[float], list[float]]]:
    """Return the milliseconds of n rounds, of the kernel and of the library, for each case."""
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in compared]
    for warm in [False] * 3 + [True] * n:
        for case, (kernel, other) in zip(compared, times, strict=True):
            taken = _milliseconds(case.kernel), _milliseconds(case.other)
            if warm:
                kernel.append(taken[0])
                other.append(taken[1])
    return times


def table(
    compared: Sequence[Case], times: Sequence[tuple[list[float], list[float]]], isa: str
) -> str:
    """Return the times as a Markdown table; the ratio is of the medians."""
    lines = [
        "| task | ISA | n | best ms | median ms | beside it | best ms | median ms | ratio |",
        "| --- | --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for case, (kernel, other) in zip(compared, times, strict=True):
        ours, theirs = (f"{min(ms):.2f} | {median(ms):.2f}" for ms in (kernel, other))
        ratio = median(other) / median(kernel)
        lines.append(
            f"| {case.task} | {isa} | {len(kernel)} | {ours} "
            f"| {case.library} | {theirs} | {ratio:.1f} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code."""

    def body() -> None:
        options = parse_options(COMMAND, KernelOptions, argv)
        if options.n < 1:
            raise UsageError(f"--n {options.n}: at least one round is needed")
        cv2.setNumThreads(1)
        compared = cases()
        print(table(compared, measure(compared, options.n), _native.isa()))

    return run_cli(COMMAND, body)


if __name__ == "__main__":
    sys.exit(main())
