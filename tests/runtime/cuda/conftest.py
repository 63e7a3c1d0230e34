"""Each CUDA package's wrapper, over a fake GPU where there is no other."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest

from roadseg.runtime.cuda import Cuda
from roadseg.runtime.cuda.fake_cuda import FakeCuda


class Trial(NamedTuple):
    """A CUDA that is tried.

    fake: the GPU behind it.
    leaks: what was not given back.
    package: the module that the wrapper calls.
    """

    cuda: Cuda
    fake: FakeCuda
    leaks: Callable[[], list[str]]
    package: Any


def stand_in(name: str) -> ModuleType:
    """Load a module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def try_fake(fake: FakeCuda, patch: pytest.MonkeyPatch) -> Trial:
    return Trial(fake, fake, fake.leaks, None)


def try_bindings(fake: FakeCuda, patch: pytest.MonkeyPatch) -> Trial:
    from roadseg.runtime.cuda.bindings_cuda import BindingsCuda

    runtime = stand_in("runtime_on_fake").RuntimeOnFake(fake)
    package = SimpleNamespace(runtime=runtime)
    patch.setitem(sys.modules, "cuda", SimpleNamespace(bindings=package))
    patch.setitem(sys.modules, "cuda.bindings", package)
    return Trial(BindingsCuda(), fake, runtime._leaks, runtime)


def try_pycuda(fake: FakeCuda, patch: pytest.MonkeyPatch) -> Trial:
    from roadseg.runtime.cuda.pycuda_cuda import PycudaCuda

    driver = stand_in("pycuda_on_fake").DriverOnFake(fake)
    patch.setitem(sys.modules, "pycuda", SimpleNamespace(driver=driver))
    patch.setitem(sys.modules, "pycuda.driver", driver)
    cuda = PycudaCuda()
    return Trial(cuda, fake, lambda: driver._leaks() + ["object"] * len(cuda._objects), driver)


TRIALS = {"fake": try_fake, "cuda-bindings": try_bindings, "pycuda": try_pycuda}


@pytest.fixture
def start_trial(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Trial]]:
    """Make a trial of a package by its name; options of FakeCuda. All must be given back."""
    made: list[Trial] = []

    def start(name: str, **options: Any) -> Trial:
        made.append(TRIALS[name](FakeCuda(**options), monkeypatch))
        return made[-1]

    yield start
    assert [trial.leaks() for trial in made] == [[]] * len(made)


@pytest.fixture
def runtime_on_fake() -> Any:
    """The stand-in for cuda.bindings.runtime."""
    return stand_in("runtime_on_fake").RuntimeOnFake(FakeCuda())


@pytest.fixture(params=TRIALS)
def start(
    request: pytest.FixtureRequest, start_trial: Callable[..., Trial]
) -> Callable[..., Trial]:
    """Make a trial, once of each package."""

    def one(**options: Any) -> Trial:
        return start_trial(request.param, **options)

    return one
