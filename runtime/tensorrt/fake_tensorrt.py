"""A TensorRT without a GPU, for tests: its names and rules, with ONNX Runtime inside.

A plan is the ONNX file with a head that says what it was built for. It is refused on another
version or GPU, or cut short, as TensorRT refuses its own. A run reads and writes the fake CUDA's
memory when its stream is synchronised. Every name here is one of the genuine package's; a test
holds them beside each other.
"""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

from roadseg.runtime.cuda.fake_cuda import FakeCuda


class TensorIOMode(enum.Enum):
    """Which way a tensor goes."""

    NONE = 0
    INPUT = 1
    OUTPUT = 2


class Severity(enum.Enum):
    """Of a line in the log."""

    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ILogger:
    """What a log derives from."""

    def log(self, severity: Any, msg: str) -> None:
        """Take a line."""


class FakeTensorRt:
    """The module: `FakeTensorRt(cuda)` stands where `import tensorrt` would.

    version: that it says it has.
    dla_cores: how many it finds.
    capturable: whether a run can be captured in a CUDA graph.
    refuses: layers that the DLA cannot run, by name.
    """

    ILogger = ILogger
    TensorIOMode = TensorIOMode
    NetworkDefinitionCreationFlag = enum.IntEnum("NetworkDefinitionCreationFlag", "STRONGLY_TYPED")
    BuilderFlag = enum.IntEnum(
        "BuilderFlag", "DEBUG GPU_FALLBACK REFIT TF32 VERSION_COMPATIBLE DIRECT_IO"
    )
    MemoryPoolType = enum.IntEnum("MemoryPoolType", "WORKSPACE DLA_MANAGED_SRAM")
    DeviceType = enum.IntEnum("DeviceType", "GPU DLA")
    ProfilingVerbosity = enum.IntEnum("ProfilingVerbosity", "LAYER_NAMES_ONLY DETAILED NONE")
    HardwareCompatibilityLevel = enum.IntEnum("HardwareCompatibilityLevel", "NONE AMPERE_PLUS")
    OnnxParserFlag = enum.IntEnum("OnnxParserFlag", "NATIVE_INSTANCENORM")

    def __init__(
        self,
        cuda: FakeCuda,
        version: str = "10.3.0",
        dla_cores: int = 0,
        capturable: bool = True,
        refuses: tuple[str, ...] = (),
    ) -> None:
        self.cuda, self.__version__ = cuda, version
        self.dla_cores, self.capturable, self.refuses = dla_cores, capturable, refuses
        self.builds = 0

    def Builder(self, logger: Any) -> Any:
        """See tensorrt.Builder."""
        self._require_driver()
        from roadseg.runtime.tensorrt.fake_building import FakeBuilder

        return FakeBuilder(self, logger)

    def OnnxParser(self, network: Any, logger: Any) -> Any:
        """See tensorrt.OnnxParser."""
        from roadseg.runtime.tensorrt.fake_building import FakeParser

        return FakeParser(network)

    def Runtime(self, logger: Any) -> Any:
        """See tensorrt.Runtime."""
        self._require_driver()
        from roadseg.runtime.tensorrt.fake_running import FakeRuntime

        return FakeRuntime(self, logger)

    def nptype(self, trt_type: Any) -> Any:
        """See tensorrt.nptype."""
        return np.dtype(trt_type).type

    def _require_driver(self) -> None:
        """Fail where the genuine one would crash the process."""
        if "device_count" not in self.cuda.calls or not self.cuda.devices:
            raise AssertionError("TensorRT is used before CUDA said that there is a device")

    def head(self) -> dict[str, str]:
        """Return what a plan of this version and GPU begins with."""
        return {"version": self.__version__, "gpu": str(self.cuda.device)}
