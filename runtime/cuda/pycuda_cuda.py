"""CUDA by pycuda, for Jetsons that have it already. It has no graphs: work is queued each time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from roadseg.runtime.cuda.base import CudaError, DeviceProperties

T = TypeVar("T")


class PycudaCuda:
    """See Cuda. Not verified on a device.

    pycuda frees an object when Python drops it, so each is kept here under its number.
    """

    name = "pycuda"

    def __init__(self) -> None:
        self._objects: dict[int, Any] = {}
        self._threads = threading.local()  # those in which the context is current
        self._driver: Any = None
        self._context: Any = None

    def device_count(self) -> int:
        """See Cuda."""
        try:
            import pycuda.driver as driver

            driver.init()
            self._driver = driver
            return int(driver.Device.count())
        except ImportError as error:  # it links libcuda.so.1, which is the driver's
            raise CudaError("pycuda", 0, f"cannot be loaded ({error})") from None
        except Exception as error:  # pycuda's own, which cannot be named before it is imported
            raise CudaError("cuInit", 0, str(error)) from None

    def properties(self, device: int = 0) -> DeviceProperties:
        """See Cuda."""
        if self._driver is None:
            self.device_count()
        found = self._driver.Device(device)
        kinds = self._driver.device_attribute
        return DeviceProperties(
            name=str(found.name()),
            compute_capability=tuple(found.compute_capability()),
            integrated=bool(found.get_attribute(kinds.INTEGRATED)),
            maps_host_memory=bool(found.get_attribute(kinds.CAN_MAP_HOST_MEMORY)),
        )

    def _call(self, name: str, body: Callable[[Any], T]) -> T:
        """Run a body with the driver, the device's primary context being current.

        That is the context that TensorRT works in; each thread makes it current once.
        """
        if self._driver is None:
            self.device_count()
        try:
            if not hasattr(self._threads, "entered"):
                if self._context is None:
                    self._context = self._driver.Device(0).retain_primary_context()
                self._context.push()
                self._threads.entered = True
            return body(self._driver)
        except self._driver.Error as error:
            raise CudaError(name, 0, str(error)) from None

    def _keep(self, number: int, made: Any) -> int:
        self._objects[number] = made
        return number

    def allocate(self, size: int) -> int:
        """See Cuda."""
        made = self._call("mem_alloc", lambda driver: driver.mem_alloc(size))
        return self._keep(int(made), made)

    def free(self, pointer: int) -> None:
        """See Cuda."""
        self._call("free", lambda _: self._objects.pop(pointer).free())

    def allocate_host(self, size: int, mapped: bool) -> int:
        """See Cuda."""

        def body(driver: Any) -> Any:
            flags = driver.host_alloc_flags.DEVICEMAP if mapped else 0
            return driver.pagelocked_empty(size, np.uint8, mem_flags=flags)

        array = self._call("pagelocked_empty", body)
        return self._keep(int(array.ctypes.data), array)

    def free_host(self, pointer: int) -> None:
        """See Cuda."""
        self._call("free", lambda _: self._objects.pop(pointer).base.free())

    def device_pointer(self, pointer: int) -> int:
        """See Cuda."""
        found = self._call(
            "get_device_pointer", lambda _: self._objects[pointer].base.get_device_pointer()
        )
        return int(found)

    def copy_to_device(self, target: int, source: int, size: int, stream: int) -> None:
        """See Cuda."""
        self._call(
            "memcpy_htod_async",
            lambda driver: driver.memcpy_htod_async(
                target, self._objects[source][:size], self._objects[stream]
            ),
        )

    def copy_to_host(self, target: int, source: int, size: int, stream: int) -> None:
        """See Cuda."""
        self._call(
            "memcpy_dtoh_async",
            lambda driver: driver.memcpy_dtoh_async(
                self._objects[target][:size], source, self._objects[stream]
            ),
        )

    def create_stream(self) -> int:
        """See Cuda."""
        made = self._call("Stream", lambda driver: driver.Stream())
        return self._keep(int(made.handle), made)

    def synchronize(self, stream: int) -> None:
        """See Cuda."""
        self._call("synchronize", lambda _: self._objects[stream].synchronize())

    def destroy_stream(self, stream: int) -> None:
        """See Cuda."""
        self._call("Stream", lambda _: self._objects.pop(stream))

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
        made = self._call("Event", lambda driver: driver.Event())
        return self._keep(id(made), made)

    def record(self, event: int, stream: int) -> None:
        """See Cuda."""
        self._call("record", lambda _: self._objects[event].record(self._objects[stream]))

    def elapsed_ms(self, start: int, end: int) -> float:
        """See Cuda."""
        return float(
            self._call("time_till", lambda _: self._objects[start].time_till(self._objects[end]))
        )

    def destroy_event(self, event: int) -> None:
        """See Cuda."""
        self._call("Event", lambda _: self._objects.pop(event))
