"""cuda.bindings.runtime with a FakeCuda behind it: the names that are used, codes and values alike.

test_stand_ins.py holds it beside the genuine module.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from roadseg.runtime.cuda.base import CudaError
from roadseg.runtime.cuda.fake_cuda import FakeCuda
from roadseg.runtime.cuda.fake_memory import CudaMisuse

Code = tuple[int]
Answer = tuple[int, Any]  # the code and a value


class RuntimeOnFake:
    """The module: its functions return (code,) or (code, value)."""

    cudaStreamNonBlocking = 1
    cudaHostAllocDefault, cudaHostAllocMapped = 0, 2

    class cudaMemcpyKind(enum.IntEnum):
        cudaMemcpyHostToHost = 0
        cudaMemcpyHostToDevice = 1
        cudaMemcpyDeviceToHost = 2
        cudaMemcpyDeviceToDevice = 3

    class cudaStreamCaptureMode(enum.IntEnum):
        cudaStreamCaptureModeGlobal = 0
        cudaStreamCaptureModeThreadLocal = 1
        cudaStreamCaptureModeRelaxed = 2

    def __init__(self, fake: FakeCuda) -> None:
        self._fake = fake
        self._numbers = itertools.count(1)
        self._recorded: dict[int, int] = {}  # graphs as they were captured: the executable ones

    def _leaks(self) -> list[str]:
        return self._fake.leaks() + ["captured graph"] * len(self._recorded)

    def cudaGetErrorString(self, error: int) -> Answer:
        return 0, f"error number {error}".encode()

    def cudaGetDeviceCount(self) -> Answer:
        return _one(self._fake.device_count)

    def cudaGetDeviceProperties(self, device: int) -> Answer:
        code, found = _one(self._fake.properties, device)
        if code:
            return code, None
        major, minor = found.compute_capability
        return 0, SimpleNamespace(
            name=found.name.encode(),
            major=major,
            minor=minor,
            integrated=int(found.integrated),
            canMapHostMemory=int(found.maps_host_memory),
            multiProcessorCount=found.multiprocessors,
        )

    def cudaMalloc(self, size: int) -> Answer:
        return _one(self._fake.allocate, size)

    def cudaFree(self, devPtr: int) -> Code:
        return _none(self._fake.free, devPtr)

    def cudaHostAlloc(self, size: int, flags: int) -> Answer:
        return _one(self._fake.allocate_host, size, {0: False, 2: True}[flags])

    def cudaFreeHost(self, ptr: int) -> Code:
        return _none(self._fake.free_host, ptr)

    def cudaHostGetDevicePointer(self, pHost: int, flags: int) -> Answer:
        _require(flags == 0, "CUDA wants flags of 0")
        return _one(self._fake.device_pointer, pHost)

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, kind: Any, stream: int) -> Code:
        _require(isinstance(kind, self.cudaMemcpyKind), f"{kind!r} is no cudaMemcpyKind")
        ways = {1: self._fake.copy_to_device, 2: self._fake.copy_to_host}
        return _none(ways[kind], dst, src, count, stream)

    def cudaStreamCreateWithFlags(self, flags: int) -> Answer:
        _require(flags == self.cudaStreamNonBlocking, "it would wait for the default stream")
        return _one(self._fake.create_stream)

    def cudaStreamSynchronize(self, stream: int) -> Code:
        return _none(self._fake.synchronize, stream)

    def cudaStreamDestroy(self, stream: int) -> Code:
        return _none(self._fake.destroy_stream, stream)

    def cudaStreamBeginCapture(self, stream: int, mode: Any) -> Code:
        modes = self.cudaStreamCaptureMode
        _require(
            mode is modes.cudaStreamCaptureModeThreadLocal, "other threads' calls would end it"
        )
        return _none(self._fake.begin_capture, stream)

    def cudaStreamEndCapture(self, stream: int) -> Answer:
        code, graph = _one(self._fake.end_capture, stream)
        if code:
            return code, None
        number = next(self._numbers) * 1000
        self._recorded[number] = graph
        return 0, number

    def cudaGraphInstantiate(self, graph: int, flags: int) -> Answer:
        _require(flags == 0, "no flag of CUDA's fits")
        return 0, self._recorded[graph]

    def cudaGraphDestroy(self, graph: int) -> Code:
        del self._recorded[graph]
        return (0,)

    def cudaGraphLaunch(self, graphExec: int, stream: int) -> Code:
        return _none(self._fake.launch, graphExec, stream)

    def cudaGraphExecDestroy(self, graphExec: int) -> Code:
        return _none(self._fake.destroy_graph, graphExec)

    def cudaEventCreate(self) -> Answer:
        return _one(self._fake.create_event)

    def cudaEventRecord(self, event: int, stream: int) -> Code:
        return _none(self._fake.record, event, stream)

    def cudaEventElapsedTime(self, start: int, end: int) -> Answer:
        return _one(self._fake.elapsed_ms, start, end)

    def cudaEventDestroy(self, event: int) -> Code:
        return _none(self._fake.destroy_event, event)


def _one(call: Callable[..., Any], *arguments: Any) -> Answer:
    """Return the code and the value of a call."""
    try:
        return 0, call(*arguments)
    except CudaError as error:
        return error.code, None


def _none(call: Callable[..., Any], *arguments: Any) -> Code:
    """Return the code alone, of a call without a value."""
    return _one(call, *arguments)[:1]


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CudaMisuse(otherwise)
