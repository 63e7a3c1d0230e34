"""A plan's file and the JSON beside it: the ModelSpec, and what the plan was built of and for.

A plan belongs to one version of TensorRT and one kind of GPU; another one's is refused here,
with a line that says which, before TensorRT sees it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadseg.runtime.artifact import read_spec_beside, spec_beside
from roadseg.runtime.errors import ModelError, UsageError
from roadseg.runtime.files import write_bytes, write_text
from roadseg.runtime.spec import ModelSpec
from roadseg.runtime.tensorrt.builder import Built
from roadseg.runtime.tensorrt.options import PlanOptions
from roadseg.runtime.tensorrt.platform import Platform

ENTRY = "plan"  # of the JSON, beside the ModelSpec's own fields
SHOWN_DIGITS = 12  # of a hash, in a message


@dataclass(frozen=True)
class PlanKey:
    """All that a plan depends on.

    onnx_sha256: of the ONNX file it was built from.
    tensorrt: version.
    gpu: name.
    compute_capability: such as "8.7".
    multiprocessors: of the GPU.
    options: what it was built for.
    """

    onnx_sha256: str
    tensorrt: str
    gpu: str
    compute_capability: str
    multiprocessors: int
    options: PlanOptions

    @classmethod
    def of(cls, content: bytes, platform: Platform, options: PlanOptions) -> PlanKey:
        """Return the key of an ONNX file's plan on this machine."""
        return cls(
            onnx_sha256=hashlib.sha256(content).hexdigest(),
            tensorrt=platform.version,
            gpu=platform.device.name,
            compute_capability=platform.device.capability,
            multiprocessors=platform.device.multiprocessors,
            options=options,
        )

    @property
    def device(self) -> str:
        """The GPU as text, such as "Orin (8.7, 16 multiprocessors)"."""
        return f"{self.gpu} ({self.compute_capability}, {self.multiprocessors} multiprocessors)"

    def digest(self) -> str:
        """Return the key as a short hash."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differences(self, other: PlanKey) -> list[str]:
        """Return in which parts the other key differs, a line each: what it has, what this has."""
        found = []
        if self.onnx_sha256 != other.onnx_sha256:
            kept, here = (each.onnx_sha256[:SHOWN_DIGITS] for each in (other, self))
            found.append(f"the ONNX file changed (SHA-256 {kept}… → {here}…)")
        if self.tensorrt != other.tensorrt:
            found.append(f"TensorRT {other.tensorrt} → {self.tensorrt}")
        if self.device != other.device:
            found.append(f"GPU {other.device} → {self.device}")
        return found + self.options.differences(other.options)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        return {**values, "options": self.options.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PlanKey:
        """Return what to_dict gave; raises KeyError, TypeError or ValueError for anything else."""
        names = ("onnx_sha256", "tensorrt", "gpu", "compute_capability")
        texts = {name: str(values[name]) for name in names}
        return cls(
            **texts,
            multiprocessors=int(values["multiprocessors"]),
            options=PlanOptions.from_dict(values["options"]),
        )


@dataclass(frozen=True)
class PlanRecord:
    """What the JSON beside a plan says of it.

    key: what it was built of and for.
    sha256: of the plan's own bytes.
    build_seconds: that it took.
    placement: layers on DLA and GPU, {} for a plan without a DLA.
    """

    key: PlanKey
    sha256: str
    build_seconds: float = 0.0
    placement: dict[str, Any] = field(default_factory=dict)


def write_plan(path: Path, built: Built, key: PlanKey, spec: ModelSpec) -> None:
    """Write a plan and its JSON; the spec's size becomes the one that the plan is tuned for."""
    best = key.options.best
    spec = spec.replace(width=best.width, height=best.height)
    about = {
        **key.to_dict(),
        "sha256": hashlib.sha256(built.plan).hexdigest(),
        "build_seconds": round(built.seconds, 1),
        "placement": built.placement.to_dict() if built.placement else {},
    }
    write_bytes(path, built.plan)
    write_text(
        spec_beside(path), json.dumps({**json.loads(spec.to_json()), ENTRY: about}, indent=1)
    )


def read_record(path: Path) -> PlanRecord:
    """Read what the JSON beside a plan says of it; raises ModelError when that is not there."""
    beside = spec_beside(path)
    read_spec_beside(path)
    try:
        about = json.loads(beside.read_text())[ENTRY]
        return PlanRecord(
            PlanKey.from_dict(about),
            str(about["sha256"]),
            float(about.get("build_seconds", 0)),
            dict(about.get("placement", {})),
        )
    except (KeyError, TypeError, ValueError, UsageError):
        raise ModelError(
            f"{beside}: does not say what {path.name} was built for: build it with roadseg"
        ) from None


def read_plan(path: Path) -> tuple[bytes, PlanRecord]:
    """Read a plan and its record; raises ModelError when either is missing or not whole."""
    record = read_record(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise ModelError(f"{path}: the plan is not the one that its JSON tells of, or cut short")
    return content, record


def check_fits(path: Path, key: PlanKey, platform: Platform) -> None:
    """Raise ModelError when a plan was built for another TensorRT or another GPU."""
    wrong = []
    if not _fits_version(key, platform.version):
        wrong.append(f"TensorRT {key.tensorrt}, here is {platform.version}")
    if not _fits_gpu(key, platform):
        wrong.append(f"{key.device}, here is {platform.device}")
    if wrong:
        raise ModelError(
            f"{path} was built for {'; and for '.join(wrong)}: run its .onnx file with "
            "--engine tensorrt, which builds it here"
        )


def _fits_version(key: PlanKey, version: str) -> bool:
    """The same version, or a later one of the same major number for a compatible plan."""
    if key.tensorrt == version:
        return True
    there, here = (_numbers(each) for each in (key.tensorrt, version))
    return key.options.version_compatible and there[:1] == here[:1] and there <= here


def _fits_gpu(key: PlanKey, platform: Platform) -> bool:
    device = platform.device
    here = device.name, device.capability, device.multiprocessors
    if (key.gpu, key.compute_capability, key.multiprocessors) == here:
        return True
    if key.options.hardware == "ampere+":
        return device.compute_capability >= (8, 0)
    same = key.compute_capability == device.capability
    return key.options.hardware == "same-capability" and same


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
