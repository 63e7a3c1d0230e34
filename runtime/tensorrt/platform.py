"""The TensorRT and the GPU of this machine."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

from roadseg.runtime.cuda import Cuda, DeviceProperties, open_cuda
from roadseg.runtime.errors import UsageError

OLDEST, NEWEST = (10, 3), 11  # what this code was checked against: 10.3 to 11.4
HOW_TO_INSTALL = (
    "on a Jetson it is part of JetPack (sudo apt install python3-libnvinfer, and make the "
    "environment with --system-site-packages), elsewhere pip install tensorrt"
)


@dataclass(frozen=True)
class Platform:
    """What builds and runs plans here.

    trt: the tensorrt module.
    cuda: the calls of CUDA.
    device: the GPU.
    """

    trt: Any
    cuda: Cuda
    device: DeviceProperties

    @property
    def version(self) -> str:
        """Of TensorRT, such as "10.3.0"."""
        return str(self.trt.__version__)


def open_platform(purpose: str = "engine tensorrt") -> Platform:
    """Return this machine's TensorRT and GPU.

    TensorRT crashes the process when it is used without a driver, so CUDA is asked first.
    Raises MissingExtra or UsageError without the packages, SourceError without driver or GPU.
    """
    cuda = open_cuda(purpose)
    return Platform(load_tensorrt(purpose), cuda, cuda.properties())


def load_tensorrt(purpose: str) -> Any:
    """Import tensorrt; raises UsageError when it is missing, broken or of another age."""
    try:
        trt = importlib.import_module("tensorrt")
    except ModuleNotFoundError:
        raise UsageError(
            f"{purpose} needs tensorrt, which is not installed: {HOW_TO_INSTALL}"
        ) from None
    except (ImportError, OSError) as error:  # its own libraries are missing
        reason = str(error).splitlines()[0]
        raise UsageError(f"{purpose}: tensorrt cannot be loaded ({reason})") from None
    check_version(str(getattr(trt, "__version__", "")))
    return trt


def check_version(version: str) -> None:
    """Raise UsageError for a TensorRT that is too old or too new."""
    found = re.match(r"(\d+)\.(\d+)", version)
    numbers = (int(found[1]), int(found[2])) if found else (0, 0)
    if numbers < OLDEST or numbers[0] > NEWEST:
        raise UsageError(
            f"TensorRT {version or 'of unknown version'} cannot be used: "
            f"{'.'.join(map(str, OLDEST))} to {NEWEST}.x can"
        )
