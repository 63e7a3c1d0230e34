"""pycuda.driver with a FakeCuda behind it: the names that are used, as pycuda 2026.1 has them.

As there, a call needs a current context, a thread that ends with one aborts the process, and what
Python drops is freed, if its context is current at that moment.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from roadseg.runtime.cuda.base import CudaError
from roadseg.runtime.cuda.fake_cuda import FakeCuda
from roadseg.runtime.cuda.fake_memory import CudaMisuse


class DriverOnFake:
    """The module."""

    class Error(Exception):
        """What every failed call raises."""

    device_attribute = SimpleNamespace(INTEGRATED=18, CAN_MAP_HOST_MEMORY=19)
    host_alloc_flags = SimpleNamespace(PORTABLE=1, DEVICEMAP=2, WRITECOMBINED=4)

    def __init__(self, fake: FakeCuda) -> None:
        self._fake = fake
        self._contexts = threading.local()
        self._current: list[int] = []  # threads, once for each context that is current in them
        self._retained, self._lost, self._started = 0, [], False  # type: ignore[var-annotated]
        driver = self

        class Device(_Device):
            _driver = driver

        self.Device = Device

    def _leaks(self) -> list[str]:
        """Return what was not given back, was dropped without a context, or stays current."""
        return self._fake.leaks() + self._lost + ["current context"] * len(self._current)

    @contextlib.contextmanager
    def _call(self, in_context: bool = True) -> Iterator[FakeCuda]:
        if not self._started:
            raise self.Error("cuda call failed: initialization error")
        if in_context and threading.get_ident() not in self._current:
            raise self.Error("cuda call failed: invalid device context")
        try:
            yield self._fake
        except CudaError as error:
            raise self.Error(str(error)) from None

    def _drop(self, kind: str, free: Any, number: int) -> None:
        """Free what Python drops."""
        if threading.get_ident() in self._current:
            free(number)
        else:
            self._lost.append(f"{kind} dropped without a context")

    def init(self, flags: int = 0) -> None:
        self._started = True

    def mem_alloc(self, bytes: int) -> _DeviceAllocation:
        with self._call() as fake:
            return _DeviceAllocation(self, fake.allocate(bytes))

    def pagelocked_empty(
        self, shape: int, dtype: DTypeLike, order: str = "C", mem_flags: int = 0
    ) -> NDArray[Any]:
        with self._call() as fake:
            if dtype is not np.uint8:
                raise CudaMisuse("numbers of bytes are meant")
            pointer = fake.allocate_host(shape, {0: False, 2: True}[mem_flags])
            return np.asarray(_PagelockedHostAllocation(self, pointer, shape))

    def memcpy_htod_async(self, dest: int, src: NDArray[Any], stream: Any = None) -> None:
        with self._call() as fake:
            fake.copy_to_device(dest, src.ctypes.data, src.nbytes, stream.handle)

    def memcpy_dtoh_async(self, dest: NDArray[Any], src: int, stream: Any = None) -> None:
        with self._call() as fake:
            fake.copy_to_host(dest.ctypes.data, src, dest.nbytes, stream.handle)

    def Stream(self, flags: int = 0) -> _Stream:
        if flags != 1:
            raise CudaMisuse("it would wait for the default stream")
        with self._call() as fake:
            return _Stream(self, fake.create_stream())

    def Event(self, flags: int = 0) -> _Event:
        with self._call() as fake:
            return _Event(self, fake.create_event())


class _Device:
    _driver: DriverOnFake

    def __init__(self, number: int) -> None:
        with self._driver._call(in_context=False) as fake:
            self._found = fake.properties(number)

    @classmethod
    def count(cls) -> int:
        with cls._driver._call(in_context=False) as fake:
            return fake.device_count()

    def name(self) -> str:
        return self._found.name

    def compute_capability(self) -> tuple[int, int]:
        return self._found.compute_capability

    def get_attribute(self, attr: int) -> int:
        return int({18: self._found.integrated, 19: self._found.maps_host_memory}[attr])

    def retain_primary_context(self) -> _Context:
        self._driver._retained += 1
        return _Context(self._driver)


class _Context:
    def __init__(self, driver: DriverOnFake) -> None:
        self._driver = driver

    def push(self) -> None:
        self._driver._current.append(threading.get_ident())

    def pop(self) -> None:
        self._driver._current.remove(threading.get_ident())

    def detach(self) -> None:
        self._driver._retained -= 1


class _DeviceAllocation:
    def __init__(self, driver: DriverOnFake, pointer: int) -> None:
        self._driver, self._pointer = driver, pointer

    def __int__(self) -> int:
        return self._pointer

    def free(self) -> None:
        with self._driver._call() as fake:
            fake.free(self._pointer)
        self._pointer = 0

    def __del__(self) -> None:
        if self._pointer:
            self._driver._drop("memory", self._driver._fake.free, self._pointer)


class _PagelockedHostAllocation:
    def __init__(self, driver: DriverOnFake, pointer: int, size: int) -> None:
        self._driver, self._pointer = driver, pointer
        self.__array_interface__ = {
            "shape": (size,),
            "typestr": "|u1",
            "data": (pointer, False),
            "version": 3,
        }

    def get_device_pointer(self) -> int:
        with self._driver._call() as fake:
            return fake.device_pointer(self._pointer)

    def free(self) -> None:
        with self._driver._call() as fake:
            fake.free_host(self._pointer)
        self._pointer = 0

    def __del__(self) -> None:
        if self._pointer:
            self._driver._drop("memory", self._driver._fake.free_host, self._pointer)


class _Stream:
    def __init__(self, driver: DriverOnFake, handle: int) -> None:
        self._driver, self.handle = driver, handle

    def synchronize(self) -> None:
        with self._driver._call() as fake:
            fake.synchronize(self.handle)

    def __del__(self) -> None:
        self._driver._drop("stream", self._driver._fake.destroy_stream, self.handle)


class _Event:
    def __init__(self, driver: DriverOnFake, number: int) -> None:
        self._driver, self._number = driver, number

    def record(self, stream: Any = None) -> _Event:
        with self._driver._call() as fake:
            fake.record(self._number, stream.handle)
        return self

    def time_till(self, other: _Event) -> float:
        with self._driver._call() as fake:
            return fake.elapsed_ms(self._number, other._number)

    def __del__(self) -> None:
        self._driver._drop("event", self._driver._fake.destroy_event, self._number)
