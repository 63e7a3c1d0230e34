"""CUDA: the few calls that an engine needs, from the package that this machine has."""

from __future__ import annotations

import importlib
import importlib.util

from roadseg.runtime.cuda.base import Cuda, CudaError, DeviceProperties
from roadseg.runtime.errors import MissingExtra, SourceError

__all__ = ["Cuda", "CudaError", "DeviceProperties", "has_device", "open_cuda"]

NO_DRIVER, NO_DEVICE, STUB_LIBRARY = 35, 100, 34  # codes of cudaGetDeviceCount


def open_cuda(purpose: str) -> Cuda:
    """Return CUDA with at least one device; nothing but the count of devices was asked before.

    purpose: what needs it, for the messages.
    Raises MissingExtra without cuda-bindings and pycuda, SourceError without driver or device.
    """
    every = _installed()
    if not every:
        raise MissingExtra("cuda-bindings", "cuda", purpose)
    failures = []
    for cuda in every:
        try:
            if cuda.device_count():
                return cuda
            failures.append("there is none on this machine")
        except CudaError as error:
            failures.append(_explain(error))
    raise SourceError(f"{purpose} needs an NVIDIA GPU: {failures[0]}")


def has_device() -> bool:
    """Whether a driver and a device are here."""
    try:
        open_cuda("")
    except (MissingExtra, SourceError):
        return False
    return True


def _installed() -> list[Cuda]:
    """Return what is installed: cuda-bindings first, then pycuda, as many Jetsons have it."""
    found: list[Cuda] = []
    if _is_installed("cuda.bindings"):
        from roadseg.runtime.cuda.bindings_cuda import BindingsCuda

        found.append(BindingsCuda())
    if _is_installed("pycuda"):
        from roadseg.runtime.cuda.pycuda_cuda import PycudaCuda

        found.append(PycudaCuda())
    return found


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the parent
        return False


def _explain(error: CudaError) -> str:
    known = {
        NO_DRIVER: "no driver, or one that is older than the CUDA package here "
        "(JetPack 6: pip install 'cuda-bindings>=12.8,<13')",
        NO_DEVICE: "the driver sees no device",
        STUB_LIBRARY: "libcuda.so.1 is the toolkit's stub and not the driver's",
    }
    return known.get(error.code, str(error))
