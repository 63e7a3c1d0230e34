"""The kinds of engines: which package each needs, and which files it runs."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from roadseg.runtime.artifact import PLAN_SUFFIXES
from roadseg.runtime.engines.base import Engine
from roadseg.runtime.errors import MissingExtra, UsageError
from roadseg.runtime.tensorrt.platform import HOW_TO_INSTALL


@dataclass(frozen=True)
class EngineKind:
    """One kind of engine; its module is not imported before it is opened.

    name: what --engine calls it.
    package: that it needs, as it is imported.
    extra: of roadseg that installs the package.
    suffixes: of the files that it runs; .onnx is run by several.
    opener: "module:class", opened with (graph or path, spec, size, threads).
    hint: how the package is installed, where no extra does it.
    needs_cuda: it runs on an NVIDIA GPU.
    """

    name: str
    package: str
    extra: str
    suffixes: tuple[str, ...]
    opener: str
    hint: str = ""
    needs_cuda: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether its package is here, and the GPU that it needs."""
        if importlib.util.find_spec(self.package) is None:
            return False
        from roadseg.runtime.cuda import has_device

        return not self.needs_cuda or has_device()

    def load(self) -> Callable[..., Engine]:
        """Return its class; raises MissingExtra or UsageError without its package."""
        if importlib.util.find_spec(self.package) is None:
            if self.hint:
                raise UsageError(
                    f"engine {self.name} needs {self.package}, which is not installed: {self.hint}"
                )
            raise MissingExtra(self.package, self.extra, f"engine {self.name}")
        module, _, name = self.opener.partition(":")
        made: Any = getattr(importlib.import_module(f"roadseg.runtime.engines.{module}"), name)
        return made  # type: ignore[no-any-return]


KINDS = {
    kind.name: kind
    for kind in (
        EngineKind(
            "onnxruntime",
            "onnxruntime",
            "",
            (".onnx",),
            "onnxruntime_engine:OnnxRuntimeEngine",
        ),
        EngineKind(
            "tensorrt",
            "tensorrt",
            "cuda",
            (".onnx", *PLAN_SUFFIXES),
            "tensorrt_engine:TensorRtEngine",
            hint=HOW_TO_INSTALL,
            needs_cuda=True,
        ),
        EngineKind(
            "openvino", "openvino", "openvino", (".onnx", ".xml"), "openvino_engine:OpenVinoEngine"
        ),
        EngineKind("ncnn", "ncnn", "ncnn", (".param",), "ncnn_engine:NcnnEngine"),
        EngineKind(
            "torchscript",
            "torch",
            "train",
            (".torchscript",),
            "torchscript_engine:TorchScriptEngine",
        ),
    )
}
SUFFIXES = tuple(dict.fromkeys(suffix for kind in KINDS.values() for suffix in kind.suffixes))
