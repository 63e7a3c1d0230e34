"""Buffers of both kinds: what they are made of, and that they give it back."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from roadseg.runtime.cuda import CudaError
from roadseg.runtime.cuda.buffers import make_buffer
from roadseg.runtime.cuda.fake_cuda import FakeCuda


@pytest.mark.parametrize(
    ("mapped", "used"),
    [
        (True, {"mapped": 24, "page-locked": 0, "device": 0}),
        (False, {"mapped": 0, "page-locked": 24, "device": 24}),
    ],
)
def test_their_memory(mapped: bool, used: dict[str, int]) -> None:
    cuda = FakeCuda()
    with contextlib.ExitStack() as owner:
        buffer = make_buffer(cuda, (2, 3), np.float32, mapped, owner)
        assert {kind: cuda._memory.used(kind) for kind in used} == used
        assert buffer.array.shape == (2, 3)
        assert not buffer.array.any()
        assert cuda.view(buffer.device, 24).size == 24
    assert cuda.leaks() == []


@pytest.mark.parametrize(("mapped", "call"), [(True, "device_pointer"), (False, "allocate")])
def test_half_a_buffer_is_given_back(
    mapped: bool, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = FakeCuda()

    def fail(_: int) -> int:
        raise CudaError(call, 2, "out of memory")

    monkeypatch.setattr(cuda, call, fail)
    with contextlib.ExitStack() as owner, pytest.raises(CudaError, match="out of memory"):
        make_buffer(cuda, (8,), np.uint8, mapped, owner)
    assert cuda.leaks() == []
