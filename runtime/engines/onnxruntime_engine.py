"""ONNX Runtime on the CPU, its input and output bound once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.engines.lowering import lower_for_cpu
from roadseg.runtime.errors import ModelError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec

if TYPE_CHECKING:
    import onnx
    import onnxruntime


class OnnxRuntimeEngine:
    """See Engine."""

    name = "onnxruntime"

    def __init__(self, model: onnx.ModelProto, spec: ModelSpec, size: Size, threads: int) -> None:
        import onnxruntime as ort

        self.spec, self.width, self.height = spec, size.width, size.height
        self.input: NDArray[np.uint8] = np.zeros((size.height, size.width, 3), np.uint8)
        shape = (len(spec.classes), size.height // spec.stride, size.width // spec.stride)
        self._output: NDArray[np.float32] = np.zeros(shape, np.float32)
        graph = lower_for_cpu(model, spec.multiple).SerializeToString()
        self._session: onnxruntime.InferenceSession | None = _session(graph, spec, size, threads)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(
            self._session.get_inputs()[0].name, ort.OrtValue.ortvalue_from_numpy(self.input[None])
        )
        self._binding.bind_ortvalue_output(
            self._session.get_outputs()[0].name,
            ort.OrtValue.ortvalue_from_numpy(self._output[None]),
        )

    def infer(self) -> NDArray[np.float32]:
        """See Engine."""
        if self._session is None:
            raise RuntimeError("the engine is closed")
        self._session.run_with_iobinding(self._binding)
        return self._output

    def close(self) -> None:
        """See Engine."""
        self._session = None


def _session(
    graph: bytes, spec: ModelSpec, size: Size, threads: int
) -> onnxruntime.InferenceSession:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    for name, value in (("height", size.height), ("width", size.width)):
        options.add_free_dimension_override_by_name(name, value)
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions have no common base
        reason = str(error).splitlines()[0]
        raise ModelError(f"{spec.name}: ONNX Runtime cannot load it ({reason})") from None
