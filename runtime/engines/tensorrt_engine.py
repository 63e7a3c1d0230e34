"""TensorRT on an NVIDIA GPU: buffers bound once, one CUDA graph replayed for each frame."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.cuda import CudaError
from roadseg.runtime.cuda.buffers import Buffer, make_buffer
from roadseg.runtime.errors import ModelError, SourceError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec
from roadseg.runtime.tensorrt.log import make_log, reason
from roadseg.runtime.tensorrt.options import NO_DLA, PlanOptions
from roadseg.runtime.tensorrt.plan import PlanRecord, check_fits, read_plan
from roadseg.runtime.tensorrt.plan_cache import PlanCache
from roadseg.runtime.tensorrt.platform import Platform, open_platform

if TYPE_CHECKING:
    import onnx


class TensorRtEngine:
    """See Engine. Takes an ONNX graph, whose plan is built or taken from the cache, or a plan.

    replays_graph: whether frames run as one CUDA graph; where it cannot be captured they are
        queued piece by piece.
    """

    name = "tensorrt"

    def __init__(
        self,
        model: onnx.ModelProto | Path,
        spec: ModelSpec,
        size: Size,
        threads: int,
        platform: Platform | None = None,
    ) -> None:
        self.spec, self.width, self.height = spec, size.width, size.height
        self._platform = platform or open_platform()
        self._cuda = self._platform.cuda
        with contextlib.ExitStack() as made:
            self._engine, self._context = self._open(model, size, made)
            self._stream = self._cuda.create_stream()
            made.callback(self._cuda.destroy_stream, self._stream)
            self._events = [self._event(made), self._event(made)]
            self._bind(size, made)
            made.callback(self._settle)
            self._graph = self._capture(made)
            self._made = made.pop_all()
        self._is_open = True

    @property
    def replays_graph(self) -> bool:
        """See the class."""
        return self._graph is not None

    def infer(self) -> NDArray[np.float32]:
        """See Engine. Raises SourceError when the GPU fails."""
        if not self._is_open:
            raise RuntimeError("the engine is closed")
        start, end = self._events
        self._cuda.record(start, self._stream)
        if self._graph is None:
            self._queue()
        else:
            self._cuda.launch(self._graph, self._stream)
        self._cuda.record(end, self._stream)
        self._cuda.synchronize(self._stream)
        return self._logits

    @property
    def device_ms(self) -> float:
        """Milliseconds that the last infer took on the GPU, copies included, by its own clock."""
        start, end = self._events
        return self._cuda.elapsed_ms(start, end)

    def close(self) -> None:
        """See Engine. Its input and output must not be touched afterwards."""
        if self._is_open:
            self._settle()  # a frame that was broken off still runs in the context
        self._is_open = False
        self._engine = self._context = None  # before their memory and stream
        self._made.close()

    def _settle(self) -> None:
        """Wait for what is queued still, before its memory goes; a failure was told already."""
        with contextlib.suppress(CudaError):
            self._cuda.synchronize(self._stream)

    def _open(
        self, model: onnx.ModelProto | Path, size: Size, made: contextlib.ExitStack
    ) -> tuple[Any, Any]:
        """Return the engine and its context; a kept plan that TensorRT refuses is built again."""
        if isinstance(model, Path):
            return self._load(model, size, made)
        cache, options = PlanCache(), PlanOptions.of_size(size)
        path = cache.take(model, self.spec, options, self._platform)
        try:
            return self._load(path, size, made)
        except ModelError:
            cache.drop(path)
        path = cache.take(model, self.spec, options, self._platform)
        return self._load(path, size, made)

    def _load(self, path: Path, size: Size, made: contextlib.ExitStack) -> tuple[Any, Any]:
        content, record = read_plan(path)
        check_fits(path, record.key, self._platform)
        options = record.key.options
        if not options.takes(size):
            raise ModelError(f"{path} takes inputs of {options.sizes}, not of {size}")
        return deserialize(self._platform.trt, content, path, record, made)

    def _bind(self, size: Size, made: contextlib.ExitStack) -> None:
        """Make the buffers and tell the context where they are."""
        context = self._context
        pixels, logits = tensor_names(self._platform.trt, self._engine, self.spec)
        device = self._platform.device
        mapped = device.integrated and device.maps_host_memory
        if not context.set_input_shape(pixels, (1, size.height, size.width, 3)):
            raise ModelError(f"{self.spec.name}: its plan cannot take an input of {size}")
        shape = tuple(context.get_tensor_shape(logits))
        expected = len(self.spec.classes), size.height // self.spec.stride
        if shape != (1, *expected, size.width // self.spec.stride):
            raise ModelError(f"{self.spec.name}: its plan gives logits of {shape}")
        buffers = {
            name: make_buffer(self._cuda, each, kind, mapped, made)
            for name, each, kind in (
                (pixels, (1, size.height, size.width, 3), np.uint8),
                (logits, shape, np.float32),
            )
        }
        for name, buffer in buffers.items():
            if not context.set_tensor_address(name, buffer.device):
                raise SourceError(f"{self.spec.name}: TensorRT cannot use the buffer of {name}")
        self._input: Buffer = buffers[pixels]
        self._output: Buffer = buffers[logits]
        self.input: NDArray[np.uint8] = self._input.array[0]
        self._logits: NDArray[np.float32] = self._output.array[0]

    def _queue(self) -> None:
        """Queue all of a frame's work."""
        self._input.upload(self._stream)
        if not self._context.execute_async_v3(self._stream):
            raise SourceError(f"{self.spec.name}: TensorRT cannot run its plan")
        self._output.download(self._stream)

    def _capture(self, made: contextlib.ExitStack) -> int | None:
        """Return a frame's work as a CUDA graph; None where it cannot be captured.

        It runs once before: TensorRT allocates in a plan's first run, which no capture allows.
        """
        cuda, stream = self._cuda, self._stream
        self._queue()
        cuda.synchronize(stream)
        try:
            cuda.begin_capture(stream)
        except CudaError:
            return None
        try:
            self._queue()
        except SourceError:
            with contextlib.suppress(CudaError):
                cuda.destroy_graph(cuda.end_capture(stream))
            return None
        try:
            graph = cuda.end_capture(stream)
        except CudaError:
            return None
        made.callback(cuda.destroy_graph, graph)
        return graph

    def _event(self, made: contextlib.ExitStack) -> int:
        event = self._cuda.create_event()
        made.callback(self._cuda.destroy_event, event)
        return event


def deserialize(
    trt: Any, content: bytes, path: Path, record: PlanRecord, made: contextlib.ExitStack
) -> tuple[Any, Any]:
    """Return TensorRT's engine and context; `made` keeps what they need alive.

    Raises ModelError with TensorRT's reason.
    """
    log = make_log(trt)
    runtime = trt.Runtime(log)
    options = record.key.options
    if options.dla_core != NO_DLA:
        runtime.DLA_core = options.dla_core
    if options.version_compatible:  # such a plan brings code of the TensorRT that built it
        runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(content)
    context = None if engine is None else engine.create_execution_context()
    if context is None:
        raise ModelError(f"{path}: TensorRT cannot load it ({reason(log)})")
    made.callback(lambda kept: None, (log, runtime))
    return engine, context


def tensor_names(trt: Any, engine: Any, spec: ModelSpec) -> tuple[str, str]:
    """Return the names of the pixels and the logits; raises ModelError for other tensors."""
    modes: dict[str, list[str]] = {"INPUT": [], "OUTPUT": []}
    for number in range(engine.num_io_tensors):
        name = engine.get_tensor_name(number)
        modes[engine.get_tensor_mode(name).name].append(name)
    kinds = [
        [(trt.nptype(engine.get_tensor_dtype(name))) for name in modes[mode]] for mode in modes
    ]
    if kinds != [[np.uint8], [np.float32]]:
        raise ModelError(
            f"{spec.name}: its plan must take uint8 pixels and give float32 logits alone"
        )
    return modes["INPUT"][0], modes["OUTPUT"][0]
