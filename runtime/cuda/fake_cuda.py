"""A CUDA without a GPU, for tests: work waits in its stream, and misuse is an error.

Copies and kernels run when their stream is synchronised, never before, so code that forgets to
wait reads old values. Nothing is used or given back after its end.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.cuda.base import CudaError, DeviceProperties
from roadseg.runtime.cuda.fake_memory import CudaMisuse, FakeMemory

Work = Callable[[], None]
STEP_MS = 0.5  # what each piece of work takes on the fake device's clock

DISCRETE = DeviceProperties("Fake RTX", (8, 6), False, True, multiprocessors=26)
INTEGRATED = DeviceProperties("Fake Orin", (8, 7), True, True, multiprocessors=16)


class FakeCuda:
    """See Cuda.

    devices: how many GPUs it says there are.
    device: the first of them.
    captures: whether streams can be captured.
    spoils: whether what is captured cannot become a graph, which its end tells.
    memory: bytes that can be allocated on the device.
    """

    name = "fake"

    def __init__(
        self,
        devices: int = 1,
        device: DeviceProperties = DISCRETE,
        captures: bool = True,
        spoils: bool = False,
        memory: int = 1 << 40,
    ) -> None:
        self.devices, self.device = devices, device
        self.captures, self.spoils, self.memory = captures, spoils, memory
        self.clock_ms = 0.0
        self.calls: list[str] = []
        self._numbers = itertools.count(1)
        self._memory = FakeMemory()
        self._streams: dict[int, list[Work]] = {}
        self._recordings: dict[int, list[Work]] = {}
        self._graphs: dict[int, list[Work]] = {}
        self._events: dict[int, float | None] = {}

    def leaks(self) -> list[str]:
        """Return what was not given back."""
        others: dict[str, dict[int, Any]] = {
            "stream": self._streams,
            "graph": self._graphs,
            "event": self._events,
        }
        return self._memory.leaks() + [kind for kind, alive in others.items() for _ in alive]

    def view(self, pointer: int, size: int) -> NDArray[np.uint8]:
        """Return the bytes behind a pointer of the device, as a kernel sees them."""
        return self._memory.of_device(pointer, size)

    def queue(self, stream: int, work: Work) -> None:
        """Queue work, as the launch of a kernel does; a stream that is captured records it."""
        self._stream(stream)
        self._recordings.get(stream, self._streams[stream]).append(work)

    def is_captured(self, stream: int) -> bool:
        """Return whether a stream records instead of running."""
        return stream in self._recordings

    def device_count(self) -> int:
        """See Cuda."""
        self.calls.append("device_count")
        return self.devices

    def properties(self, device: int = 0) -> DeviceProperties:
        """See Cuda."""
        if device >= self.devices:
            raise CudaError("properties", 101, "invalid device ordinal")
        return self.device

    def allocate(self, size: int) -> int:
        """See Cuda."""
        if self._memory.used("device") + size > self.memory:
            raise CudaError("allocate", 2, "out of memory")
        return self._memory.allocate(size, "device")

    def free(self, pointer: int) -> None:
        """See Cuda."""
        self._memory.free(pointer, ("device",))

    def allocate_host(self, size: int, mapped: bool) -> int:
        """See Cuda."""
        if mapped and not self.device.maps_host_memory:
            raise CudaError("allocate_host", 801, "operation not supported")
        return self._memory.allocate(size, "mapped" if mapped else "page-locked")

    def free_host(self, pointer: int) -> None:
        """See Cuda."""
        self._memory.free(pointer, ("mapped", "page-locked"))

    def device_pointer(self, pointer: int) -> int:
        """See Cuda."""
        return self._memory.alias(pointer)

    def copy_to_device(self, target: int, source: int, size: int, stream: int) -> None:
        """See Cuda."""
        self.calls.append("copy_to_device")
        memory = self._memory
        self.queue(
            stream,
            lambda: _copy(memory.of_device(target, size), memory.of_host(source, size)),
        )

    def copy_to_host(self, target: int, source: int, size: int, stream: int) -> None:
        """See Cuda."""
        self.calls.append("copy_to_host")
        memory = self._memory
        self.queue(
            stream,
            lambda: _copy(memory.of_host(target, size), memory.of_device(source, size)),
        )

    def create_stream(self) -> int:
        """See Cuda."""
        number = next(self._numbers)
        self._streams[number] = []
        return number

    def synchronize(self, stream: int) -> None:
        """See Cuda."""
        self.calls.append("synchronize")
        if stream in self._recordings:
            raise CudaError("synchronize", 900, "not permitted when stream is capturing")
        waiting, self._streams[stream] = self._stream(stream), []
        for work in waiting:
            work()
            self.clock_ms += STEP_MS

    def destroy_stream(self, stream: int) -> None:
        """See Cuda."""
        if self._stream(stream) or stream in self._recordings:
            raise CudaMisuse("a stream is destroyed with work that nobody waited for")
        del self._streams[stream]

    def begin_capture(self, stream: int) -> None:
        """See Cuda."""
        self._stream(stream)
        if not self.captures:
            raise CudaError("begin_capture", 801, "operation not supported")
        if stream in self._recordings:
            raise CudaError("begin_capture", 900, "the stream is captured already")
        self._recordings[stream] = []

    def end_capture(self, stream: int) -> int:
        """See Cuda."""
        if stream not in self._recordings:
            raise CudaError("end_capture", 1, "the stream is not captured")
        recorded = self._recordings.pop(stream)
        if self.spoils:
            raise CudaError("end_capture", 901, "operation failed due to a previous error")
        number = next(self._numbers)
        self._graphs[number] = recorded
        return number

    def launch(self, graph: int, stream: int) -> None:
        """See Cuda."""
        self.calls.append("launch")
        if graph not in self._graphs:
            raise CudaMisuse("a graph is launched after its end")
        for work in self._graphs[graph]:
            self.queue(stream, work)

    def destroy_graph(self, graph: int) -> None:
        """See Cuda."""
        self._end(self._graphs, graph, "graph")

    def create_event(self) -> int:
        """See Cuda."""
        number = next(self._numbers)
        self._events[number] = None
        return number

    def record(self, event: int, stream: int) -> None:
        """See Cuda."""
        self._event(event)
        self._events[event] = None
        self.queue(stream, lambda: self._events.update({event: self.clock_ms}))

    def elapsed_ms(self, start: int, end: int) -> float:
        """See Cuda."""
        first, last = self._event(start), self._event(end)
        if first is None or last is None:
            raise CudaError("elapsed_ms", 600, "device not ready")
        return last - first

    def destroy_event(self, event: int) -> None:
        """See Cuda."""
        self._end(self._events, event, "event")

    def _stream(self, stream: int) -> list[Work]:
        if stream not in self._streams:
            raise CudaMisuse(f"{stream} is no stream, or one after its end")
        return self._streams[stream]

    def _event(self, event: int) -> float | None:
        if event not in self._events:
            raise CudaMisuse(f"{event} is no event, or one after its end")
        return self._events[event]

    def _end(self, alive: dict[int, Any], number: int, kind: str) -> None:
        if number not in alive:
            raise CudaMisuse(f"the end of a {kind} that is not there")
        del alive[number]


def _copy(target: NDArray[np.uint8], source: NDArray[np.uint8]) -> None:
    target[:] = source
