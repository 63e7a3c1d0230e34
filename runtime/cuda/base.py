"""Cuda: the calls of the CUDA runtime that an engine needs, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from roadseg.runtime.errors import SourceError


class CudaError(SourceError):
    """A call of CUDA failed; `code` is CUDA's own number, 0 where there is none."""

    def __init__(self, call: str, code: int, text: str) -> None:
        super().__init__(f"{call}: {text}" + (f" (CUDA error {code})" if code else ""))
        self.code = code


@dataclass(frozen=True)
class DeviceProperties:
    """A GPU.

    name: as the driver says it, such as "Orin" or "NVIDIA RTX A2000".
    compute_capability: such as (8, 7).
    integrated: it shares its memory with the processor, as on a Jetson.
    maps_host_memory: it reads page-locked memory of the processor in place.
    multiprocessors: how many are on; all Jetson Orins are "Orin" with 8.7, of 4 to 16.
    """

    name: str
    compute_capability: tuple[int, int]
    integrated: bool
    maps_host_memory: bool
    multiprocessors: int

    @property
    def capability(self) -> str:
        """The compute capability as text, such as "8.7"."""
        return ".".join(map(str, self.compute_capability))

    def __str__(self) -> str:
        return (
            f"{self.name} (compute capability {self.capability}, "
            f"{self.multiprocessors} multiprocessors)"
        )


class Cuda(Protocol):
    """Pointers, streams, graphs and events are numbers; all but device_count raise CudaError.

    name: of the package behind it.
    """

    name: str

    def device_count(self) -> int:
        """Return how many GPUs there are; raises CudaError without a driver.

        Nothing of CUDA or TensorRT may be touched before this was asked.
        """

    def properties(self, device: int = 0) -> DeviceProperties:
        """Return what is known of a GPU."""

    def allocate(self, size: int) -> int:
        """Return a pointer to `size` bytes on the device."""

    def free(self, pointer: int) -> None:
        """Give device memory back."""

    def allocate_host(self, size: int, mapped: bool) -> int:
        """Return a pointer to `size` bytes of page-locked host memory.

        mapped: the device can read and write it in place, by device_pointer.
        """

    def free_host(self, pointer: int) -> None:
        """Give page-locked memory back."""

    def device_pointer(self, pointer: int) -> int:
        """Return the device's pointer to mapped host memory."""

    def copy_to_device(self, target: int, source: int, size: int, stream: int) -> None:
        """Queue a copy from page-locked to device memory."""

    def copy_to_host(self, target: int, source: int, size: int, stream: int) -> None:
        """Queue a copy from device to page-locked memory."""

    def create_stream(self) -> int:
        """Return a queue of work that does not wait for the default stream."""

    def synchronize(self, stream: int) -> None:
        """Wait until a stream's work is done; raises CudaError when some of it failed."""

    def destroy_stream(self, stream: int) -> None:
        """Give a stream back."""

    def begin_capture(self, stream: int) -> None:
        """Record what is queued from now on instead of running it."""

    def end_capture(self, stream: int) -> int:
        """Return the recorded work as a graph that can be launched."""

    def launch(self, graph: int, stream: int) -> None:
        """Queue a graph."""

    def destroy_graph(self, graph: int) -> None:
        """Give a graph back."""

    def create_event(self) -> int:
        """Return a mark that notes the device's time when a stream reaches it."""

    def record(self, event: int, stream: int) -> None:
        """Queue a mark."""

    def elapsed_ms(self, start: int, end: int) -> float:
        """Return the milliseconds between two marks that were reached."""

    def destroy_event(self, event: int) -> None:
        """Give a mark back."""
