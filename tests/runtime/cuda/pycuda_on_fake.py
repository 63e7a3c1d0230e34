"""pycuda.driver with a FakeCuda behind it: the names that are used, as pycuda 2026.1 has them.

As there, a call needs a current context, a thread that ends with one aborts the process, and what
Python drops is freed, if its context is current at that moment. Methods are no functions of Python
there: the traceback of a failed call does not hold the object. Here neither.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
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

    device_attribute = SimpleNamespace(
        MULTIPROCESSOR_COUNT=16, INTEGRATED=18, CAN_MAP_HOST_MEMORY=19
    )
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

    def _do(self, call: Callable[..., Any], *arguments: Any) -> Any:
        with self._call():
            return call(*arguments)

    def _record(self, event: int, stream: Any) -> None:
        stream = stream.handle
        self._do(self._fake.record, event, stream)

    def _time_till(self, event: int, other: Any) -> float:
        other = other._number
        return float(self._do(self._fake.elapsed_ms, event, other))

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
            return _DeviceAllocation(self, fake.allocate(bytes), fake.free)

    def pagelocked_empty(
        self, shape: int, dtype: DTypeLike, order: str = "C", mem_flags: int = 0
    ) -> NDArray[Any]:
        with self._call() as fake:
            if dtype is not np.uint8:
                raise CudaMisuse("numbers of bytes are meant")
            pointer = fake.allocate_host(shape, {0: False, 2: True}[mem_flags])
            return np.asarray(_PagelockedHostAllocation(self, pointer, shape))

    def memcpy_htod_async(self, dest: int, src: NDArray[Any], stream: Any = None) -> None:
        stream = stream.handle
        self._do(self._fake.copy_to_device, dest, src.ctypes.data, src.nbytes, stream)

    def memcpy_dtoh_async(self, dest: NDArray[Any], src: int, stream: Any = None) -> None:
        stream = stream.handle
        self._do(self._fake.copy_to_host, dest.ctypes.data, src, dest.nbytes, stream)

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
        found = self._found
        return {16: found.multiprocessors, 18: found.integrated, 19: found.maps_host_memory}[attr]

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


class _Allocation:
    def __init__(self, driver: DriverOnFake, pointer: int, free: Callable[[int], None]) -> None:
        self._driver, self._pointer, self._free = driver, pointer, free

    def free(self) -> None:
        self._driver._do(self._free, self._pointer)
        self._pointer = 0

    def __del__(self) -> None:
        if self._pointer:
            self._driver._drop("memory", self._free, self._pointer)


class _DeviceAllocation(_Allocation):
    def __int__(self) -> int:
        return self._pointer


class _PagelockedHostAllocation(_Allocation):
    def __init__(self, driver: DriverOnFake, pointer: int, size: int) -> None:
        super().__init__(driver, pointer, driver._fake.free_host)
        self.get_device_pointer = partial(driver._do, driver._fake.device_pointer, pointer)
        self.__array_interface__ = {
            "shape": (size,),
            "typestr": "|u1",
            "data": (pointer, False),
            "version": 3,
        }


class _Stream:
    def __init__(self, driver: DriverOnFake, handle: int) -> None:
        self._driver, self.handle = driver, handle
        self.synchronize = partial(driver._do, driver._fake.synchronize, handle)

    def __del__(self) -> None:
        self._driver._drop("stream", self._driver._fake.destroy_stream, self.handle)


class _Event:
    def __init__(self, driver: DriverOnFake, number: int) -> None:
        self._driver, self._number = driver, number
        self.record = partial(driver._record, number)
        self.time_till = partial(driver._time_till, number)

    def __del__(self) -> None:
        self._driver._drop("event", self._driver._fake.destroy_event, self._number)
