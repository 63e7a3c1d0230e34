"""The stand-in for cuda-bindings beside the genuine package, which needs no driver for that."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import pytest

from roadseg.runtime.cuda import has_device

ENUMERATIONS = ("cudaMemcpyKind", "cudaStreamCaptureMode")


@pytest.fixture
def genuine() -> ModuleType:
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    from cuda.bindings import runtime

    return runtime  # type: ignore[no-any-return]


def functions(module: Any) -> dict[str, inspect.Signature]:
    found = inspect.getmembers(module, inspect.ismethod)
    return {name: inspect.signature(each) for name, each in found if name.startswith("cuda")}


def test_functions_take_the_same_arguments(genuine: ModuleType, runtime_on_fake: Any) -> None:
    found = functions(runtime_on_fake)
    assert len(found) > 20
    for name, signature in found.items():
        expected = inspect.signature(getattr(genuine, name))
        assert [*signature.parameters] == [*expected.parameters], name


def test_as_many_values_come_back(genuine: ModuleType, runtime_on_fake: Any) -> None:
    if has_device():
        pytest.skip("there is a GPU: the contract runs on it")
    special = {
        "error": genuine.cudaError_t.cudaErrorMemoryAllocation,
        "kind": genuine.cudaMemcpyKind.cudaMemcpyHostToDevice,
        "mode": genuine.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal,
    }
    for name, signature in functions(runtime_on_fake).items():
        arguments = [special.get(each, 0) for each in signature.parameters]
        count = {"Code": 1, "Answer": 2}[signature.return_annotation]
        assert len(getattr(genuine, name)(*arguments)) == count, name


def test_constants_are_the_same(genuine: ModuleType, runtime_on_fake: Any) -> None:
    for name in ("cudaStreamNonBlocking", "cudaHostAllocDefault", "cudaHostAllocMapped"):
        assert getattr(runtime_on_fake, name) == int(getattr(genuine, name)), name
    for enumeration in ENUMERATIONS:
        for name, value in getattr(runtime_on_fake, enumeration).__members__.items():
            assert int(getattr(getattr(genuine, enumeration), name)) == value, name


def test_properties_are_the_same(genuine: ModuleType, runtime_on_fake: Any) -> None:
    code, found = runtime_on_fake.cudaGetDeviceProperties(0)
    assert code == 0
    empty = genuine.cudaDeviceProp()
    for name, value in vars(found).items():
        assert isinstance(getattr(empty, name), type(value)), name
    empty.name = b"Orin".ljust(256, b"\0")
    assert empty.name == b"Orin"
