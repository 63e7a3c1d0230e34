"""CUDA by pycuda, for Jetsons that have it already. It has no graphs: work is queued each time."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from roadseg.runtime.cuda.base import CudaError, DeviceProperties

NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING, for which pycuda has no name


class PycudaCuda:
    """See Cuda. Not verified on a device.

    pycuda frees an object when Python drops it, so each is kept here under its number. It can do so
    only while its context is current.
    """

    name = "pycuda"

    def __init__(self) -> None:
        self._objects: dict[int, Any] = {}
        self._driver: Any = None
        self._context: Any = None

    def device_count(self) -> int:
        """See Cuda."""
        with self._calling("cuDeviceGetCount") as driver:
            return int(driver.Device.count())

    def properties(self, device: int = 0) -> DeviceProperties:
        """See Cuda."""
        with self._calling("properties") as driver:
            found, kinds = driver.Device(device), driver.device_attribute
            return DeviceProperties(
                name=str(found.name()),
                compute_capability=tuple(found.compute_capability()),
                integrated=bool(found.get_attribute(kinds.INTEGRATED)),
                maps_host_memory=bool(found.get_attribute(kinds.CAN_MAP_HOST_MEMORY)),
                multiprocessors=int(found.get_attribute(kinds.MULTIPROCESSOR_COUNT)),
            )

    def _load(self) -> Any:
        """Return pycuda's module of the driver, which was started."""
        if self._driver is None:
            try:
                import pycuda.driver as driver

                driver.init()
            except ImportError as error:  # it links libcuda.so.1, which is the driver's
                raise CudaError("pycuda", 0, f"cannot be loaded ({error})") from None
            except Exception as error:  # pycuda's own, which cannot be named before it is imported
                raise CudaError("cuInit", 0, str(error)) from None
            self._driver = driver
        return self._driver

    @contextlib.contextmanager
    def _calling(self, call: str) -> Iterator[Any]:
        """Give the driver's module; its errors become CudaError."""
        driver = self._load()
        try:
            yield driver
        except driver.Error as error:
            raise CudaError(call, 0, str(error)) from None

    @contextlib.contextmanager
    def _current(self, call: str) -> Iterator[Any]:
        """Give the driver's module while the device's primary context is current.

        That is the context that TensorRT works in. It is taken off again each time: pycuda aborts
        the process when a thread ends, or Python does, while a context of pycuda is current.
        """
        with self._calling(call) as driver:
            if self._context is None:
                self._context = driver.Device(0).retain_primary_context()
                weakref.finalize(self, self._context.detach)  # or pycuda warns when it drops it
            self._context.push()
            try:
                yield driver
            finally:
                self._context.pop()

    def _keep(self, number: int, made: Any) -> int:
        self._objects[number] = made
        return number

    def allocate(self, size: int) -> int:
        """See Cuda."""
        with self._current("mem_alloc") as driver:
            made = driver.mem_alloc(size)
            return self._keep(int(made), made)

    def free(self, pointer: int) -> None:
        """See Cuda."""
        with self._current("free"):
            self._objects.pop(pointer).free()

    def allocate_host(self, size: int, mapped: bool) -> int:
        """See Cuda."""
        with self._current("pagelocked_empty") as driver:
            flags = driver.host_alloc_flags.DEVICEMAP if mapped else 0
            array = driver.pagelocked_empty(size, np.uint8, mem_flags=flags)
            return self._keep(int(array.ctypes.data), array)

    def free_host(self, pointer: int) -> None:
        """See Cuda. The array may live on, in the traceback of a copy that failed."""
        with self._current("free_host"):
            self._objects.pop(pointer).base.free()

    def device_pointer(self, pointer: int) -> int:
        """See Cuda."""
        with self._current("get_device_pointer"):
            return int(self._objects[pointer].base.get_device_pointer())

    def copy_to_device(self, target: int, source: int, size: int, stream: int) -> None:
        """See Cuda."""
        with self._current("memcpy_htod_async") as driver:
            host = self._objects[source][:size]
            driver.memcpy_htod_async(target, host, self._objects[stream])

    def copy_to_host(self, target: int, source: int, size: int, stream: int) -> None:
        """See Cuda."""
        with self._current("memcpy_dtoh_async") as driver:
            host = self._objects[target][:size]
            driver.memcpy_dtoh_async(host, source, self._objects[stream])

    def create_stream(self) -> int:
        """See Cuda."""
        with self._current("Stream") as driver:
            made = driver.Stream(NON_BLOCKING)
            return self._keep(int(made.handle), made)

    def synchronize(self, stream: int) -> None:
        """See Cuda."""
        with self._current("synchronize"):
            self._objects[stream].synchronize()

    def destroy_stream(self, stream: int) -> None:
        """See Cuda."""
        self._drop(stream)

    def begin_capture(self, stream: int) -> None:
        """Raise CudaError: pycuda has no graphs."""
        raise CudaError("pycuda", 0, "has no CUDA graphs")

    def end_capture(self, stream: int) -> int:
        """See begin_capture."""
        raise CudaError("pycuda", 0, "has no CUDA graphs")

    def launch(self, graph: int, stream: int) -> None:
        """See begin_capture."""
        raise CudaError("pycuda", 0, "has no CUDA graphs")

    def destroy_graph(self, graph: int) -> None:
        """See begin_capture."""
        raise CudaError("pycuda", 0, "has no CUDA graphs")

    def create_event(self) -> int:
        """See Cuda."""
        with self._current("Event") as driver:
            made = driver.Event()
            return self._keep(id(made), made)

    def record(self, event: int, stream: int) -> None:
        """See Cuda."""
        with self._current("record"):
            self._objects[event].record(self._objects[stream])

    def elapsed_ms(self, start: int, end: int) -> float:
        """See Cuda."""
        with self._current("time_till"):
            return float(self._objects[start].time_till(self._objects[end]))

    def destroy_event(self, event: int) -> None:
        """See Cuda."""
        self._drop(event)

    def _drop(self, number: int) -> None:
        with self._current("destroy"):
            del self._objects[number]
