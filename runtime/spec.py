"""ModelSpec: what an artefact needs to be used rightly, as JSON inside the artefact."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import Any

from roadseg.runtime.errors import ModelError

METADATA_KEY = "roadseg"  # the ONNX metadata_props entry
SCHEMA = 1
IGNORE = 255  # the id in a mask of pixels that have no class

Color = tuple[int, int, int]


@dataclass(frozen=True)
class ClassInfo:
    """One class of a mask: its name, its colour (RGB) and whether a car may drive on it."""

    name: str
    color: Color
    drivable: bool = False

    def __post_init__(self) -> None:
        """Check the name and the colour."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9_/ -]*", self.name):
            raise ModelError(f"class name '{self.name}': use lower-case letters, digits, _ and -")
        fit = all(isinstance(value, int) and 0 <= value <= 255 for value in self.color)
        if len(self.color) != 3 or not fit:
            raise ModelError(
                f"class '{self.name}': colour {self.color} is not three whole numbers of 0 to 255"
            )


@dataclass(frozen=True)
class ModelSpec:
    """Everything that is needed to run an artefact and to know where it came from.

    name: what the network is called in tables and file names.
    classes: by class id.
    width, height: the input size that it was made for, in pixels; others may be asked for.
    multiple: both sides of an input must be multiples of this.
    stride: of the logits: (1, classes, height / stride, width / stride) float32.
    output: "logits", or "mask" for a graph that ends in (1, height, width) uint8.
    color_order, input_layout: of the uint8 input, "RGB" and "NHWC".
    mean, scale: the folded normalisation, (pixel - mean) / scale.
    precision: "float32", "float16" or "int8".
    network: how to build it again: architecture, backbone and their options.
    trained_on: data sets, splits, groups held out, licence.
    metrics: figures measured of this very network by name, such as "miou_val" (percent).
    quantization: method, frames and options of the calibration, layers kept in float.
    versions: of the tools that made it.
    source_sha256: of the file that it was made from.
    """

    name: str
    classes: tuple[ClassInfo, ...]
    width: int
    height: int
    multiple: int = 32
    stride: int = 4
    output: str = "logits"
    color_order: str = "RGB"
    input_layout: str = "NHWC"
    mean: float = 127.0
    scale: float = 128.0
    precision: str = "float32"
    network: dict[str, Any] = field(default_factory=dict)
    trained_on: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    quantization: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    source_sha256: str = ""
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Check what every user of the spec relies on."""
        if self.schema > SCHEMA:
            raise ModelError(
                f"ModelSpec schema {self.schema} is newer than this roadseg knows ({SCHEMA}): "
                "pip install -U roadseg"
            )
        if not 2 <= len(self.classes) <= 32:
            raise ModelError(f"a ModelSpec needs 2 to 32 classes, not {len(self.classes)}")
        for name in ("width", "height", "multiple", "stride"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ModelError(
                    f"{self.name}: its ModelSpec has {name} {value!r}: it must be a whole number "
                    "of at least 1; export it again"
                )
        self.check_size(self.width, self.height)

    def check_size(self, width: int, height: int) -> None:
        """Raise ModelError when the network cannot take an input of width x height."""
        step = self.multiple
        if width < step or height < step or width % step or height % step:
            near = [max(step, round(side / step) * step) for side in (width, height)]
            raise ModelError(
                f"{self.name} cannot take {width}x{height}: both sides must be multiples of "
                f"{step}; try {near[0]}x{near[1]}"
            )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by class id."""
        return tuple(info.name for info in self.classes)

    def replace(self, **changes: Any) -> ModelSpec:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def to_json(self, indent: int | None = None) -> str:
        """Return the spec as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=indent)

    @classmethod
    def from_json(cls, text: str, where: str = "ModelSpec") -> ModelSpec:
        """Read a spec written by to_json; `where` names the file in errors.

        Fields that this version does not know are left out, so that a newer minor version's
        artefact still loads; a missing or ill-typed field raises ModelError.
        """
        try:
            raw = json.loads(text)
            known = {entry.name for entry in dataclasses.fields(cls)}
            values = {key: value for key, value in raw.items() if key in known}
            values["classes"] = tuple(
                ClassInfo(entry["name"], tuple(entry["color"]), bool(entry.get("drivable", False)))
                for entry in values["classes"]
            )
            return cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{where}: its ModelSpec cannot be read ({error})") from None


def missing_spec(path: object) -> ModelError:
    """Return the error for a model file without a ModelSpec."""
    return ModelError(
        f"{path} has no ModelSpec, so its classes and input are unknown: export it with seg-export"
    )
