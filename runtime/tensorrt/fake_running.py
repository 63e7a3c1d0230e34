"""What the fake TensorRT opens and runs plans with."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.tensorrt.fake_building import MAGIC
from roadseg.runtime.tensorrt.fake_tensorrt import FakeTensorRt, Severity, TensorIOMode


class FakeRuntime:
    """See tensorrt.Runtime."""

    def __init__(self, trt: FakeTensorRt, logger: Any) -> None:
        self.trt, self.logger = trt, logger
        self.DLA_core, self.engine_host_code_allowed = -1, False

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Any:
        """See the class."""
        try:
            magic, size, head, content = serialized_engine.split(b"\n", 3)
            about = json.loads(head)
            whole = magic + b"\n" == MAGIC and int(size) == len(content)
        except ValueError:
            whole = False
        if not whole:
            self.logger.log(Severity.ERROR, "Magic tag does not match")
            return None
        profile = about.pop("profile")
        if about != self.trt.head():
            self.logger.log(Severity.ERROR, f"built by {about}")
            return None
        return FakeEngine(self.trt, content, profile)


class FakeEngine:
    """See tensorrt.ICudaEngine."""

    def __init__(self, trt: FakeTensorRt, content: bytes, profile: dict[str, Any]) -> None:
        import onnx
        import onnxruntime as ort

        self.trt, self.profile = trt, profile
        graph = onnx.load_model_from_string(content).graph
        self.modes: dict[str, TensorIOMode] = {
            each.name: TensorIOMode.INPUT for each in graph.input
        }
        self.modes |= {each.name: TensorIOMode.OUTPUT for each in graph.output}
        self.kinds = {
            each.name: onnx.helper.tensor_dtype_to_np_dtype(each.type.tensor_type.elem_type)
            for each in (*graph.input, *graph.output)
        }
        options = ort.SessionOptions()
        options.log_severity_level = 3
        self.session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    @property
    def num_io_tensors(self) -> int:
        """See the class."""
        return len(self.modes)

    def get_tensor_name(self, index: int) -> str:
        """See the class."""
        return list(self.modes)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        """See the class."""
        return self.modes[name]

    def get_tensor_dtype(self, name: str) -> Any:
        """See the class."""
        return self.kinds[name]

    def create_execution_context(self) -> Any:
        """See the class."""
        return FakeContext(self)


class FakeContext:
    """See tensorrt.IExecutionContext. Its first run allocates, which no capture allows."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine, self._has_run = engine, False
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        """See the class."""
        least, _, most = self.engine.profile[name]
        sides = zip(least, shape, most, strict=True)
        if not all(low <= side <= high for low, side, high in sides):
            return False
        self.shapes[name] = tuple(shape)
        zeros = {name: np.zeros(shape, self.engine.kinds[name])}
        names = [each.name for each in self.engine.session.get_outputs()]
        for output, value in zip(names, self.engine.session.run(names, zeros), strict=True):
            self.shapes[output] = value.shape
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        """See the class."""
        return self.shapes[name]

    def set_tensor_address(self, name: str, memory: int) -> bool:
        """See the class."""
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        """See the class."""
        trt = self.engine.trt
        if trt.cuda.is_captured(stream_handle) and not (trt.capturable and self._has_run):
            return False
        trt.cuda.queue(stream_handle, self._run)
        return True

    def _run(self) -> None:
        outputs = [name for name, mode in self.engine.modes.items() if mode is TensorIOMode.OUTPUT]
        inputs = {name: self._view(name) for name in self.engine.modes if name not in outputs}
        for name, value in zip(outputs, self.engine.session.run(outputs, inputs), strict=True):
            self._view(name)[...] = value
        self._has_run = True

    def _view(self, name: str) -> NDArray[Any]:
        """Return a tensor's values in the device's memory."""
        shape, kind = self.shapes[name], np.dtype(self.engine.kinds[name])
        size = int(np.prod(shape)) * kind.itemsize
        memory = self.engine.trt.cuda.view(self.addresses[name], size)
        return memory.view(kind).reshape(shape)
