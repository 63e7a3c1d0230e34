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
    cuda = _load(purpose)
    try:
        count = cuda.device_count()
    except CudaError as error:
        raise SourceError(f"{purpose} needs an NVIDIA GPU: {_explain(error)}") from None
    if not count:
        raise SourceError(f"{purpose} needs an NVIDIA GPU: there is none on this machine")
    return cuda


def has_device() -> bool:
    """Whether a driver and a device are here."""
    try:
        open_cuda("")
    except (MissingExtra, SourceError):
        return False
    return True


def _load(purpose: str) -> Cuda:
    """Return cuda-bindings where it is installed, else pycuda, as many Jetsons have it."""
    if _is_installed("cuda.bindings"):
        from roadseg.runtime.cuda.bindings_cuda import BindingsCuda

        return BindingsCuda()
    if _is_installed("pycuda"):
        from roadseg.runtime.cuda.pycuda_cuda import PycudaCuda

        return PycudaCuda()
    raise MissingExtra("cuda-bindings", "cuda", purpose)


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
