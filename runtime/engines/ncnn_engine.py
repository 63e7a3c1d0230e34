"""ncnn on the CPU. It forces two copies: of the pixels into planes, and of its output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import ModelError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec

INPUT, OUTPUT = "pixels", "logits"


class NcnnEngine:
    """See Engine. Takes NAME.ncnn.param, with NAME.ncnn.bin beside it.

    ncnn reads float32 planes: from_pixels makes them of the bytes in one native pass. Its output
    is padded to whole cache lines and its own, so it is copied into the engine's buffer.
    """

    name = "ncnn"

    def __init__(self, model: Path, spec: ModelSpec, size: Size, threads: int) -> None:
        self.spec, self.width, self.height = spec, size.width, size.height
        self.input: NDArray[np.uint8] = np.zeros((size.height, size.width, 3), np.uint8)
        shape = (len(spec.classes), size.height // spec.stride, size.width // spec.stride)
        self._output: NDArray[np.float32] = np.zeros(shape, np.float32)
        self._net: Any = _load(model, threads)

    def infer(self) -> NDArray[np.float32]:
        """See Engine."""
        if self._net is None:
            raise RuntimeError("the engine is closed")
        import ncnn

        planes = ncnn.Mat.from_pixels(
            self.input, ncnn.Mat.PixelType.PIXEL_RGB, self.width, self.height
        )
        extractor = self._net.create_extractor()
        extractor.input(INPUT, planes)
        failed, found = extractor.extract(OUTPUT)
        if failed:
            raise ModelError(f"{self.spec.name}: ncnn failed to run it (code {failed})")
        np.copyto(self._output, np.asarray(found))
        return self._output

    def close(self) -> None:
        """See Engine."""
        self._net = None


def _load(model: Path, threads: int) -> Any:
    # Its threads wait for each other between layers. By default they spin, which costs a processor
    # that is also busy with cameras and masks dearly: measured on two busy cores, 16 times.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import ncnn

    weights = model.with_suffix(".bin")
    net = ncnn.Net()
    if threads:
        net.opt.num_threads = threads
    # float32 means float32: on ARM processors ncnn's own choice is float16.
    for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "bf16_packed"):
        if hasattr(net.opt, f"use_{name}"):
            setattr(net.opt, f"use_{name}", False)
    if net.load_param(str(model)) or not weights.is_file() or net.load_model(str(weights)):
        raise ModelError(f"{model}: ncnn cannot load it, or {weights.name} beside it")
    return net
