"""The native module, built from csrc/. Shapes are checked by the functions that call it."""

import numpy as np
from numpy.typing import NDArray

_Bytes = NDArray[np.uint8]

def preprocess(
    pixels: _Bytes, chroma: _Bytes | None, format: str, height: int, out: _Bytes
) -> None: ...
def decode(logits: NDArray[np.float32], mask: _Bytes, confidence: _Bytes | None) -> None: ...
def count_ids(mask: _Bytes, counts: NDArray[np.int64]) -> None: ...
def overlay(pixels: _Bytes, mask: _Bytes, palette: _Bytes, alpha: float, out: _Bytes) -> None: ...
def fence() -> None:
    """Order what this thread wrote before and after it, as other processes see it."""

def isa() -> str:
    """Return the instruction set in use: "baseline", "avx2" or "avx512".

    The best that the CPU has, unless the environment variable ROADSEG_ISA names another.
    """

def isas() -> list[str]:
    """Return the instruction sets that this machine can run, best first."""

def use_isa(name: str) -> None:
    """Use another instruction set, in all threads; ValueError when the machine has it not."""
