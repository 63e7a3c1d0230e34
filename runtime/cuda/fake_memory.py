"""The memory of a fake GPU: the host's own, of which each pointer knows whose it is.

The device cannot read page-locked memory that is not mapped, the host no memory of the device, and
nothing is used or freed after its end.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.cuda.base import CudaError

ALIAS = 1 << 60  # the device's pointers to mapped memory differ from the host's


class CudaMisuse(RuntimeError):
    """What a GPU would answer with a crash, wrong values or a leak."""


@dataclass
class _Block:
    kind: str  # "device", "page-locked" or "mapped"
    memory: Any
    alive: bool = True


class FakeMemory:
    """Blocks of the kinds "device", "page-locked" and "mapped", by their addresses."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}

    def leaks(self) -> list[str]:
        """Return the kinds of what was not freed."""
        return [f"{each.kind} memory" for each in self._blocks.values() if each.alive]

    def used(self, kind: str) -> int:
        """Return how many bytes of a kind are not freed."""
        alive = (each for each in self._blocks.values() if each.alive and each.kind == kind)
        return sum(ctypes.sizeof(each.memory) for each in alive)

    def allocate(self, size: int, kind: str) -> int:
        """Return the address of new memory, not zeros; raises CudaError for nothing."""
        if size < 1:
            raise CudaError("allocate", 1, "invalid argument")
        memory = (ctypes.c_uint8 * size)()
        pointer = ctypes.addressof(memory)
        ctypes.memset(pointer, 0xCD, size)
        self._blocks[pointer] = _Block(kind, memory)
        return pointer

    def free(self, pointer: int, kinds: tuple[str, ...]) -> None:
        """Free memory that must be of one of the kinds; raises CudaMisuse."""
        block = self._block(pointer)
        if block.kind not in kinds:
            raise CudaMisuse(f"{block.kind} memory is freed as {' or '.join(kinds)}")
        block.alive = False  # the memory stays, so that its pointer is never given out again
        ctypes.memset(pointer, 0xDD, ctypes.sizeof(block.memory))

    def alias(self, pointer: int) -> int:
        """Return the device's pointer to mapped memory; raises CudaError for other memory."""
        if self._block(pointer).kind != "mapped":
            raise CudaError("device_pointer", 1, "invalid argument: the memory is not mapped")
        return pointer | ALIAS

    def of_device(self, pointer: int, size: int) -> NDArray[np.uint8]:
        """Return the bytes behind a pointer of the device; raises CudaMisuse."""
        block = self._block(pointer & ~ALIAS)
        if block.kind != ("mapped" if pointer & ALIAS else "device"):
            raise CudaMisuse(f"the device cannot read {block.kind} memory by this pointer")
        return _bytes(block, size)

    def of_host(self, pointer: int, size: int) -> NDArray[np.uint8]:
        """Return the bytes behind a pointer of the host; raises CudaMisuse."""
        block = self._block(pointer)
        if block.kind == "device":
            raise CudaMisuse("the host cannot read device memory")
        return _bytes(block, size)

    def _block(self, pointer: int) -> _Block:
        block = self._blocks.get(pointer)
        if block is None:
            raise CudaMisuse(f"{pointer:#x} is no pointer of this CUDA")
        if not block.alive:
            raise CudaMisuse(f"{block.kind} memory is used after it was freed")
        return block


def _bytes(block: _Block, size: int) -> NDArray[np.uint8]:
    if size > ctypes.sizeof(block.memory):
        raise CudaMisuse(f"{size} bytes of {ctypes.sizeof(block.memory)}")
    return np.frombuffer(memoryview(block.memory), np.uint8)[:size]
