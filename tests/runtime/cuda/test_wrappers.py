"""What is special to cuda-bindings and to pycuda, over the fake GPU."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from roadseg.runtime.cuda import CudaError

Start = Callable[..., Any]  # see conftest.Trial


def test_bindings_drop_a_recording_that_cannot_become_a_graph(
    start_trial: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = start_trial("cuda-bindings")
    monkeypatch.setattr(trial.package, "cudaGraphInstantiate", lambda graph, flags: (2, None))
    stream = trial.cuda.create_stream()
    trial.cuda.begin_capture(stream)
    with pytest.raises(CudaError, match=r"cudaGraphInstantiate: error number 2 \(CUDA error 2\)"):
        trial.cuda.end_capture(stream)
    trial.fake.destroy_graph(*trial.fake._graphs)  # of the fake, which has made it already
    trial.cuda.destroy_stream(stream)


def test_bindings_tell_the_code_and_cudas_words(start_trial: Start) -> None:
    with pytest.raises(
        CudaError, match=r"^cudaMalloc: error number 2 \(CUDA error 2\)$"
    ) as failure:
        start_trial("cuda-bindings", memory=10).cuda.allocate(11)
    assert failure.value.code == 2


def test_pycuda_gives_the_primary_context_back(start_trial: Start) -> None:
    trial = start_trial("pycuda")
    for _ in range(2):
        trial.cuda.destroy_event(trial.cuda.create_event())
    assert trial.package._retained == 1
    package = trial.package
    cuda = type(trial.cuda)()
    cuda.destroy_event(cuda.create_event())
    assert package._retained == 2
    del cuda
    gc.collect()
    assert package._retained == 1


def test_pycuda_tells_why_it_cannot_start(
    start_trial: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = start_trial("pycuda")

    def fail() -> None:
        raise trial.package.Error("cuInit failed: unknown error")

    monkeypatch.setattr(trial.package, "init", fail)
    with pytest.raises(CudaError, match=r"^cuInit: cuInit failed: unknown error$"):
        trial.cuda.device_count()


def test_pycuda_has_no_graphs(start_trial: Start) -> None:
    cuda = start_trial("pycuda").cuda
    for call in (
        lambda: cuda.begin_capture(1),
        lambda: cuda.end_capture(1),
        lambda: cuda.launch(1, 2),
        lambda: cuda.destroy_graph(1),
    ):
        with pytest.raises(CudaError, match="has no CUDA graphs"):
            call()


def test_pycuda_frees_memory_that_a_failed_copy_holds(
    start_trial: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = start_trial("pycuda")
    cuda, stream = trial.cuda, trial.cuda.create_stream()
    device, host = cuda.allocate(4), cuda.allocate_host(4, False)

    def fail(*arguments: int) -> None:
        raise CudaError("copy", 1, "invalid argument")

    monkeypatch.setattr(trial.fake, "copy_to_device", fail)
    with pytest.raises(CudaError, match="invalid argument") as failure:
        cuda.copy_to_device(device, host, 4, stream)
    cuda.free(device)
    cuda.free_host(host)
    cuda.destroy_stream(stream)
    assert trial.leaks() == []
    assert failure.traceback  # it lived until here
