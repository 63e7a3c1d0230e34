"""The fake GPU finds what a real one would answer with a crash, wrong values or a leak."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from roadseg.runtime.cuda import CudaError
from roadseg.runtime.cuda.fake_cuda import INTEGRATED, FakeCuda
from roadseg.runtime.cuda.fake_memory import ALIAS, CudaMisuse


def double_free(cuda: FakeCuda) -> None:
    pointer = cuda.allocate(4)
    cuda.free(pointer)
    cuda.free(pointer)


def use_after_free(cuda: FakeCuda) -> None:
    stream, device, host = cuda.create_stream(), cuda.allocate(4), cuda.allocate_host(4, False)
    cuda.copy_to_device(device, host, 4, stream)
    cuda.free(device)  # the copy still waits
    cuda.synchronize(stream)


def freed_as_another_kind(cuda: FakeCuda) -> None:
    cuda.free(cuda.allocate_host(4, True))


def host_pointer_on_the_device(cuda: FakeCuda) -> None:
    cuda.view(cuda.allocate_host(4, True), 4)


def unmapped_memory_on_the_device(cuda: FakeCuda) -> None:
    cuda.view(cuda.allocate_host(4, False) | ALIAS, 4)


def pageable_memory(cuda: FakeCuda) -> None:
    stream = cuda.create_stream()
    cuda.copy_to_device(cuda.allocate(4), np.zeros(4, np.uint8).ctypes.data, 4, stream)
    cuda.synchronize(stream)


def device_as_host(cuda: FakeCuda) -> None:
    stream, device = cuda.create_stream(), cuda.allocate(4)
    cuda.copy_to_device(device, cuda.allocate(4), 4, stream)
    cuda.synchronize(stream)


def too_far(cuda: FakeCuda) -> None:
    cuda.view(cuda.allocate(4), 5)


def unfinished_stream(cuda: FakeCuda) -> None:
    stream, event = cuda.create_stream(), cuda.create_event()
    cuda.record(event, stream)
    cuda.destroy_stream(stream)


def ended_stream(cuda: FakeCuda) -> None:
    stream = cuda.create_stream()
    cuda.destroy_stream(stream)
    cuda.synchronize(stream)


def ended_graph(cuda: FakeCuda) -> None:
    stream = cuda.create_stream()
    cuda.begin_capture(stream)
    graph = cuda.end_capture(stream)
    cuda.destroy_graph(graph)
    cuda.launch(graph, stream)


def ended_event(cuda: FakeCuda) -> None:
    stream, event = cuda.create_stream(), cuda.create_event()
    cuda.destroy_event(event)
    cuda.record(event, stream)


def time_of_an_ended_event(cuda: FakeCuda) -> None:
    event = cuda.create_event()
    cuda.destroy_event(event)
    cuda.elapsed_ms(event, event)


def captured_stream(cuda: FakeCuda) -> None:
    stream = cuda.create_stream()
    cuda.begin_capture(stream)
    cuda.destroy_stream(stream)


def event_twice(cuda: FakeCuda) -> None:
    event = cuda.create_event()
    cuda.destroy_event(event)
    cuda.destroy_event(event)


@pytest.mark.parametrize(
    "misuse",
    [
        double_free,
        use_after_free,
        freed_as_another_kind,
        host_pointer_on_the_device,
        unmapped_memory_on_the_device,
        pageable_memory,
        device_as_host,
        too_far,
        unfinished_stream,
        ended_stream,
        ended_graph,
        ended_event,
        time_of_an_ended_event,
        captured_stream,
        event_twice,
    ],
)
def test_the_fake_finds(misuse: Callable[[FakeCuda], None]) -> None:
    with pytest.raises(CudaMisuse):
        misuse(FakeCuda())


def test_the_fake_fails_as_cuda_does() -> None:
    cuda = FakeCuda(memory=10, captures=False)
    stream, event = cuda.create_stream(), cuda.create_event()
    for call in (
        lambda: cuda.allocate(11),
        lambda: cuda.allocate(0),
        lambda: cuda.begin_capture(stream),
        lambda: cuda.end_capture(stream),
        lambda: cuda.elapsed_ms(event, event),
        lambda: cuda.device_pointer(cuda.allocate_host(4, False)),
        lambda: cuda.properties(1),
    ):
        with pytest.raises(CudaError):
            call()
    capturing = FakeCuda()
    stream = capturing.create_stream()
    capturing.begin_capture(stream)
    for call in (
        lambda: capturing.synchronize(stream),
        lambda: capturing.begin_capture(stream),
    ):
        with pytest.raises(CudaError):
            call()


def test_nothing_runs_before_somebody_waits() -> None:
    cuda = FakeCuda()
    stream, host = cuda.create_stream(), cuda.allocate_host(1, True)
    device = cuda.allocate(1)
    cuda.view(cuda.device_pointer(host), 1)[:], cuda.view(device, 1)[:] = 3, 5
    cuda.copy_to_device(device, host, 1, stream)
    assert cuda.view(device, 1)[0] == 5
    cuda.synchronize(stream)
    assert cuda.view(device, 1)[0] == 3


def test_leaks_are_counted() -> None:
    cuda = FakeCuda(device=INTEGRATED)
    cuda.allocate(1)
    cuda.allocate_host(1, True)
    stream = cuda.create_stream()
    cuda.create_event()
    cuda.begin_capture(stream)
    cuda.end_capture(stream)
    assert cuda.leaks() == ["device memory", "mapped memory", "stream", "graph", "event"]
