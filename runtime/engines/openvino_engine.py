"""OpenVINO on the CPU, its input and output tensors bound once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.engines.lowering import lower_for_cpu
from roadseg.runtime.engines.openvino_kernels import prefer_direct_kernels
from roadseg.runtime.errors import ModelError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec

if TYPE_CHECKING:
    import onnx


class OpenVinoEngine:
    """See Engine. Takes an ONNX graph, which it lowers, or the file of an OpenVINO IR.

    precision: of what is not INT8, as OpenVINO names it: f32, or bf16 where the processor has it.
    """

    name = "openvino"

    def __init__(
        self,
        model: onnx.ModelProto | Path,
        spec: ModelSpec,
        size: Size,
        threads: int,
        precision: str = "f32",
    ) -> None:
        import openvino as ov

        self.spec, self.width, self.height = spec, size.width, size.height
        self.input: NDArray[np.uint8] = np.zeros((size.height, size.width, 3), np.uint8)
        shape = (len(spec.classes), size.height // spec.stride, size.width // spec.stride)
        self._output: NDArray[np.float32] = np.zeros(shape, np.float32)
        source = model
        if not isinstance(source, Path):
            source = lower_for_cpu(source, spec.multiple).SerializeToString()
        self._request: Any = _compile(source, spec, size, threads, precision).create_infer_request()
        self._request.set_input_tensor(ov.Tensor(self.input[None], shared_memory=True))
        self._request.set_output_tensor(ov.Tensor(self._output[None], shared_memory=True))

    def infer(self) -> NDArray[np.float32]:
        """See Engine."""
        if self._request is None:
            raise RuntimeError("the engine is closed")
        self._request.start_async()
        self._request.wait()
        return self._output

    def close(self) -> None:
        """See Engine."""
        self._request = None


def _compile(
    source: bytes | Path, spec: ModelSpec, size: Size, threads: int, precision: str
) -> Any:
    import openvino as ov

    options = {
        "PERFORMANCE_HINT": "LATENCY",
        # float32 means float32: OpenVINO's own choice on some processors is bfloat16.
        "INFERENCE_PRECISION_HINT": precision,
    }
    if threads:
        options["INFERENCE_NUM_THREADS"] = str(threads)
    core = ov.Core()
    try:
        network = prefer_direct_kernels(core.read_model(source))
        network.reshape([1, size.height, size.width, 3])
        return core.compile_model(network, "CPU", options)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1]
        raise ModelError(f"{spec.name}: OpenVINO cannot load it ({reason})") from None
