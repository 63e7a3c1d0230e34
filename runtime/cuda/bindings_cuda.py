"""CUDA by NVIDIA's cuda-bindings, which import without a driver and return error codes."""

from __future__ import annotations

from typing import Any

from roadseg.runtime.cuda.base import CudaError, DeviceProperties


class BindingsCuda:
    """See Cuda."""

    name = "cuda-bindings"

    def __init__(self) -> None:
        from cuda.bindings import runtime

        self._runtime: Any = runtime

    def _call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the runtime; return its value."""
        code, *values = getattr(self._runtime, function)(*arguments)
        if int(code):
            text = self._runtime.cudaGetErrorString(code)[1]
            raise CudaError(function, int(code), text.decode(errors="replace"))
        return values[0] if values else None

    def device_count(self) -> int:
        """See Cuda."""
        return int(self._call("cudaGetDeviceCount"))

    def properties(self, device: int = 0) -> DeviceProperties:
        """See Cuda."""
        found = self._call("cudaGetDeviceProperties", device)
        return DeviceProperties(
            name=found.name.decode(errors="replace"),
            compute_capability=(int(found.major), int(found.minor)),
            integrated=bool(found.integrated),
            maps_host_memory=bool(found.canMapHostMemory),
            multiprocessors=int(found.multiProcessorCount),
        )

    def allocate(self, size: int) -> int:
        """See Cuda."""
        return int(self._call("cudaMalloc", size))

    def free(self, pointer: int) -> None:
        """See Cuda."""
        self._call("cudaFree", pointer)

    def allocate_host(self, size: int, mapped: bool) -> int:
        """See Cuda."""
        kind = "cudaHostAllocMapped" if mapped else "cudaHostAllocDefault"
        return int(self._call("cudaHostAlloc", size, getattr(self._runtime, kind)))

    def free_host(self, pointer: int) -> None:
        """See Cuda."""
        self._call("cudaFreeHost", pointer)

    def device_pointer(self, pointer: int) -> int:
        """See Cuda."""
        return int(self._call("cudaHostGetDevicePointer", pointer, 0))

    def copy_to_device(self, target: int, source: int, size: int, stream: int) -> None:
        """See Cuda."""
        self._copy("cudaMemcpyHostToDevice", target, source, size, stream)

    def copy_to_host(self, target: int, source: int, size: int, stream: int) -> None:
        """See Cuda."""
        self._copy("cudaMemcpyDeviceToHost", target, source, size, stream)

    def _copy(self, kind: str, target: int, source: int, size: int, stream: int) -> None:
        way = getattr(self._runtime.cudaMemcpyKind, kind)
        self._call("cudaMemcpyAsync", target, source, size, way, stream)

    def create_stream(self) -> int:
        """See Cuda."""
        return int(self._call("cudaStreamCreateWithFlags", self._runtime.cudaStreamNonBlocking))

    def synchronize(self, stream: int) -> None:
        """See Cuda."""
        self._call("cudaStreamSynchronize", stream)

    def destroy_stream(self, stream: int) -> None:
        """See Cuda."""
        self._call("cudaStreamDestroy", stream)

    def begin_capture(self, stream: int) -> None:
        """See Cuda. What other threads do meanwhile does not disturb it."""
        mode = self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)

    def end_capture(self, stream: int) -> int:
        """See Cuda."""
        recorded = self._call("cudaStreamEndCapture", stream)
        try:
            return int(self._call("cudaGraphInstantiate", recorded, 0))
        finally:
            self._call("cudaGraphDestroy", recorded)

    def launch(self, graph: int, stream: int) -> None:
        """See Cuda."""
        self._call("cudaGraphLaunch", graph, stream)

    def destroy_graph(self, graph: int) -> None:
        """See Cuda."""
        self._call("cudaGraphExecDestroy", graph)

    def create_event(self) -> int:
        """See Cuda."""
        return int(self._call("cudaEventCreate"))

    def record(self, event: int, stream: int) -> None:
        """See Cuda."""
        self._call("cudaEventRecord", event, stream)

    def elapsed_ms(self, start: int, end: int) -> float:
        """See Cuda."""
        return float(self._call("cudaEventElapsedTime", start, end))

    def destroy_event(self, event: int) -> None:
        """See Cuda."""
        self._call("cudaEventDestroy", event)
