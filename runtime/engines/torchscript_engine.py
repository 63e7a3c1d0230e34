"""TorchScript on the CPU. The input is shared with torch; the output, which torch makes anew for
each frame, is copied into the engine's buffer.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import ModelError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec

if TYPE_CHECKING:
    import torch


class TorchScriptEngine:
    """See Engine. Threads are torch's, and so those of all of this process."""

    name = "torchscript"

    def __init__(self, model: Path, spec: ModelSpec, size: Size, threads: int) -> None:
        import torch

        if threads:
            torch.set_num_threads(threads)
        self.spec, self.width, self.height = spec, size.width, size.height
        self.input: NDArray[np.uint8] = np.zeros((size.height, size.width, 3), np.uint8)
        shape = (len(spec.classes), size.height // spec.stride, size.width // spec.stride)
        self._output: NDArray[np.float32] = np.zeros(shape, np.float32)
        self._pixels: torch.Tensor = torch.from_numpy(self.input[None])
        self._logits: torch.Tensor = torch.from_numpy(self._output[None])
        self._network: Any = _load(model)

    def infer(self) -> NDArray[np.float32]:
        """See Engine."""
        if self._network is None:
            raise RuntimeError("the engine is closed")
        import torch

        with torch.inference_mode():
            self._logits.copy_(self._network(self._pixels))
        return self._output

    def close(self) -> None:
        """See Engine."""
        self._network = None


def _load(model: Path) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            # torch calls TorchScript deprecated; it still runs what was exported with it.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            network: Any = torch.jit.load(model, map_location="cpu")  # type: ignore[no-untyped-call]
            return torch.jit.freeze(network.eval())
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{model}: torch cannot load it ({reason})") from None
