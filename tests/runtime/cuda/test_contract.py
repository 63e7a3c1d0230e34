"""One contract over every CUDA: over a fake GPU always, and over a real one where there is one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from roadseg.runtime.cuda import Cuda, CudaError, DeviceProperties, has_device
from roadseg.runtime.cuda.buffers import make_buffer
from roadseg.runtime.cuda.fake_cuda import DISCRETE, INTEGRATED, STEP_MS
from roadseg.runtime.cuda.fake_memory import CudaMisuse

Start = Callable[..., Any]  # see conftest.Trial


def bindings() -> Cuda:
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    from roadseg.runtime.cuda.bindings_cuda import BindingsCuda

    return BindingsCuda()


def pycuda() -> Cuda:
    pytest.importorskip("pycuda", reason="pycuda is not installed")
    from roadseg.runtime.cuda.pycuda_cuda import PycudaCuda

    return PycudaCuda()


UNMAPPED = DeviceProperties("Old", (5, 3), True, False, multiprocessors=1)
REAL = {"real cuda-bindings": bindings, "real pycuda": pycuda}


@pytest.fixture(params=["fake", "cuda-bindings", "pycuda", *REAL])
def cuda(request: pytest.FixtureRequest, start_trial: Start) -> Cuda:
    if request.param not in REAL:
        found: Cuda = start_trial(request.param).cuda
        return found
    if not has_device():
        pytest.skip("there is no NVIDIA GPU")
    return REAL[request.param]()


def test_devices(cuda: Cuda) -> None:
    found = cuda.properties()
    assert found.name
    assert found.compute_capability >= (5, 0)
    assert f"compute capability {found.capability}" in str(found)
    assert cuda.device_count() >= 1
    with pytest.raises(CudaError):
        cuda.properties(99)


@pytest.mark.parametrize("mapped", [False, True])
def test_what_is_uploaded_comes_back(cuda: Cuda, mapped: bool) -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    with contextlib.ExitStack() as owner:
        stream = cuda.create_stream()
        owner.callback(cuda.destroy_stream, stream)
        buffer = make_buffer(cuda, values.shape, values.dtype, mapped, owner)
        assert not buffer.array.any()
        buffer.array[:] = values
        buffer.upload(stream)
        cuda.synchronize(stream)
        if not mapped:
            buffer.array[:] = 0
        buffer.download(stream)
        cuda.synchronize(stream)
        np.testing.assert_array_equal(buffer.array, values)


def test_a_graph_is_replayed(cuda: Cuda) -> None:
    with contextlib.ExitStack() as owner:
        stream = cuda.create_stream()
        owner.callback(cuda.destroy_stream, stream)
        buffer = make_buffer(cuda, (8,), np.uint8, False, owner)
        try:
            cuda.begin_capture(stream)
        except CudaError:
            pytest.skip(f"{cuda.name} has no graphs")
        buffer.upload(stream)
        graph = cuda.end_capture(stream)
        owner.callback(cuda.destroy_graph, graph)
        for value in (3, 7):
            buffer.array[:] = value
            cuda.launch(graph, stream)
            cuda.synchronize(stream)
            buffer.array[:] = 0
            buffer.download(stream)
            cuda.synchronize(stream)
            assert (buffer.array == value).all()


def test_events(cuda: Cuda) -> None:
    stream, start, end = cuda.create_stream(), cuda.create_event(), cuda.create_event()
    cuda.record(start, stream)
    cuda.record(end, stream)
    cuda.synchronize(stream)
    assert cuda.elapsed_ms(start, end) >= 0
    for event in (start, end):
        cuda.destroy_event(event)
    cuda.destroy_stream(stream)


@pytest.mark.parametrize("device", [DISCRETE, INTEGRATED, UNMAPPED])
def test_what_a_device_is(start: Start, device: DeviceProperties) -> None:
    assert start(device=device).cuda.properties() == device


def test_devices_are_counted(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(devices=3).cuda.device_count() == 3
    trial = start()

    def fail() -> int:
        raise CudaError("device_count", 100, "no CUDA-capable device is detected")

    monkeypatch.setattr(trial.fake, "device_count", fail)
    with pytest.raises(CudaError, match=r"100"):
        trial.cuda.device_count()


def test_a_copy_is_of_its_bytes_alone(start: Start) -> None:
    cuda, fake = (trial := start()).cuda, trial.fake
    stream, host, device = cuda.create_stream(), cuda.allocate_host(4, False), cuda.allocate(4)
    of_host, of_device = fake._memory.of_host(host, 4), fake.view(device, 4)
    of_host[:], of_device[:] = (1, 2, 3, 4), 0
    cuda.copy_to_device(device, host, 3, stream)
    cuda.synchronize(stream)
    assert of_device.tolist() == [1, 2, 3, 0]
    of_device[:] = (5, 6, 7, 8)
    cuda.copy_to_host(host, device, 2, stream)
    cuda.synchronize(stream)
    assert of_host.tolist() == [5, 6, 3, 4]
    cuda.free(device)
    cuda.free_host(host)
    cuda.destroy_stream(stream)


def test_each_stream_is_its_own(start: Start) -> None:
    cuda, fake = (trial := start()).cuda, trial.fake
    streams = [cuda.create_stream(), cuda.create_stream()]
    host, device = cuda.allocate_host(1, False), cuda.allocate(1)
    fake._memory.of_host(host, 1)[:], fake.view(device, 1)[:] = 7, 0
    cuda.copy_to_device(device, host, 1, streams[0])
    assert fake.view(device, 1)[0] == 0  # it waits
    cuda.synchronize(streams[1])
    assert fake.view(device, 1)[0] == 0
    cuda.synchronize(streams[0])
    assert fake.view(device, 1)[0] == 7
    for each in streams:
        cuda.destroy_stream(each)
    cuda.free(device)
    cuda.free_host(host)


def test_the_device_sees_mapped_memory_in_place(start: Start) -> None:
    cuda, fake = (trial := start()).cuda, trial.fake
    host = cuda.allocate_host(2, True)
    fake.view(cuda.device_pointer(host), 2)[:] = (8, 9)
    assert fake._memory.of_host(host, 2).tolist() == [8, 9]
    cuda.free_host(host)
    plain = cuda.allocate_host(2, False)
    with pytest.raises(CudaError):
        cuda.device_pointer(plain)
    cuda.free_host(plain)


def test_what_was_given_back_is_gone(start: Start) -> None:
    cuda, fake = (trial := start()).cuda, trial.fake
    device, host, mapped = (
        cuda.allocate(4),
        cuda.allocate_host(5, False),
        cuda.allocate_host(6, True),
    )
    kinds = ("device", "page-locked", "mapped")
    assert [fake._memory.used(kind) for kind in kinds] == [4, 5, 6]
    cuda.free(device)
    cuda.free_host(host)
    cuda.free_host(mapped)
    for read in (lambda: fake.view(device, 4), lambda: fake._memory.of_host(host, 4)):
        with pytest.raises(CudaMisuse, match="after it was freed"):
            read()


def test_events_tell_the_time_between_them(start: Start) -> None:
    cuda = start().cuda
    stream, first, last = cuda.create_stream(), cuda.create_event(), cuda.create_event()
    host, device = cuda.allocate_host(1, False), cuda.allocate(1)
    cuda.record(first, stream)
    cuda.copy_to_device(device, host, 1, stream)
    cuda.record(last, stream)
    with pytest.raises(CudaError, match=r"not ready|CUDA error 600"):
        cuda.elapsed_ms(first, last)
    cuda.synchronize(stream)
    assert cuda.elapsed_ms(first, last) == pytest.approx(2 * STEP_MS)
    for event in (first, last):
        cuda.destroy_event(event)
    cuda.free(device)
    cuda.free_host(host)
    cuda.destroy_stream(stream)


def test_failures_are_told(start: Start) -> None:
    trial = start(memory=10, captures=False, device=UNMAPPED)
    cuda, fake = trial.cuda, trial.fake
    stream = cuda.create_stream()

    def fail() -> None:
        raise CudaError("kernel", 719, "unspecified launch failure")

    fake.queue(stream, fail)
    for call in (
        lambda: cuda.synchronize(stream),
        lambda: cuda.allocate(11),
        lambda: cuda.allocate_host(0, False),
        lambda: cuda.allocate_host(1, True),
        lambda: cuda.begin_capture(stream),
    ):
        with pytest.raises(CudaError):
            call()
    cuda.destroy_stream(stream)


def test_a_capture_that_was_spoilt_leaves_nothing(start: Start) -> None:
    cuda = start(spoils=True).cuda
    stream = cuda.create_stream()
    with contextlib.suppress(CudaError):  # pycuda cannot even begin
        cuda.begin_capture(stream)
    with pytest.raises(CudaError):
        cuda.end_capture(stream)
    cuda.synchronize(stream)
    cuda.destroy_stream(stream)


def test_every_thread_can_call(start: Start) -> None:
    """Pycuda aborts the process when a thread ends whose context is current still."""
    cuda = start().cuda
    stream, device = cuda.create_stream(), cuda.allocate(4)
    failures: list[Exception] = []

    def work() -> None:
        try:
            host = cuda.allocate_host(4, False)
            cuda.copy_to_device(device, host, 4, stream)
            cuda.synchronize(stream)
            cuda.free_host(host)
            with pytest.raises(CudaError):
                cuda.allocate(0)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []
    cuda.free(device)
    cuda.destroy_stream(stream)
