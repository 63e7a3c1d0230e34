"""Label maps: what a data set's classes are in another set of classes, from a small TOML file.

source = "camvid"                  # the data set whose classes are mapped
target = "road"                    # a set in class_sets.py; or give [[classes]] as in dataset.toml

[map]
sky = "sky"
road = ["drivable", "lane mark"]   # one of these: the source does not tell which
egocar = []                        # may be any class
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadseg.data.class_sets import CLASS_SETS
from roadseg.data.dataset import Dataset, LabelledImage, Pixels, Sample
from roadseg.runtime.errors import DataError, RoadsegError, unknown
from roadseg.runtime.spec import IGNORE, ClassInfo

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).with_name("label_maps")


@dataclass(frozen=True)
class LabelMap:
    """What classes of one data set are among the classes of another set.

    source: name of the data set.
    target: name of the set of classes.
    classes: of the target, by id.
    targets: by source class, the target classes that it may be; all of them where the map is [].
    path: its file, for messages.
    """

    source: str
    target: str
    classes: tuple[ClassInfo, ...]
    targets: Mapping[str, tuple[str, ...]]
    path: Path

    def matrix(self, classes: Sequence[ClassInfo]) -> NDArray[np.bool_]:
        """Return which target classes each source class may be: (source, target) bool.

        A row with one True is a plain label. A row with several says "one of these", for a loss
        that does not punish a data set for classes that it does not tell apart. Raises DataError,
        with file and line, for a source class that the map misses.
        """
        for info in classes:
            if info.name not in self.targets:
                where = f"{self.path}:{_line(self.path.read_text(encoding='utf-8'), '[map]')}"
                raise DataError(
                    f"{where}: misses the class '{info.name}' of {self.source}: add "
                    f"\"{info.name}\" = '…', or = [] for a class that says nothing"
                )
        rows = [[info.name in self.targets[name.name] for info in self.classes] for name in classes]
        return np.array(rows, bool)

    def table(self, classes: Sequence[ClassInfo]) -> Pixels:
        """Return the target id by mask value, (256,) uint8: IGNORE where it may be several."""
        matrix = self.matrix(classes)
        table = np.full(256, IGNORE, np.uint8)
        table[: len(matrix)] = np.where(matrix.sum(1) == 1, matrix.argmax(1), IGNORE)
        return table

    def apply(self, dataset: Dataset) -> Dataset:
        """Return the data set with masks of target ids, IGNORE where a class may be several."""
        read = _Mapped(dataset, self.table(dataset.classes))
        return dataclasses.replace(dataset, classes=self.classes, read=read)


@dataclass(frozen=True)
class _Mapped:
    dataset: Dataset
    table: Pixels

    def __call__(self, sample: Sample) -> LabelledImage:
        image, mask = self.dataset.load(sample)
        return image, self.table[mask]


def shipped_label_maps() -> tuple[str, ...]:
    """Return the names of the label maps in the package, such as camvid_to_road."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_label_map(name: str | Path) -> LabelMap:
    """Load a label map by the name of one in the package, or from a TOML file.

    Raises DataError, with file and line, for what cannot be used.
    """
    path = FOLDER / f"{name}.toml" if str(name) in shipped_label_maps() else Path(name)
    if path.suffix != ".toml" and not path.is_file():
        raise unknown("label map", str(name), [*shipped_label_maps(), "a .toml file"])
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    for key in ("source", "target", "map"):
        if not isinstance(raw.get(key), dict if key == "map" else str):
            raise DataError(f"{path}: '{key}' is missing or of another type")
    classes = _target_classes(raw, path)
    names = [info.name for info in classes]
    targets = {
        source: _targets(value, names, f"{path}:{_line(text, source)}", raw["target"])
        for source, value in raw["map"].items()
    }
    return LabelMap(raw["source"], raw["target"], classes, targets, path)


def _target_classes(raw: dict[str, Any], path: Path) -> tuple[ClassInfo, ...]:
    from roadseg.data.plain import class_info

    try:
        if "classes" in raw:
            if raw["classes"] == []:
                raise ValueError("there are none")
            return tuple(class_info(entry) for entry in raw["classes"])
    except (KeyError, TypeError, ValueError, RoadsegError) as error:
        raise DataError(f"{path}: classes: {error}") from None
    if raw["target"] not in CLASS_SETS:
        line = _line(path.read_text(encoding="utf-8"), "target")
        known = ", ".join(sorted(CLASS_SETS))
        raise DataError(
            f"{path}:{line}: unknown target '{raw['target']}': known are {known}; or give its "
            "classes as [[classes]] with name and color"
        )
    return CLASS_SETS[raw["target"]]


def _targets(value: object, known: list[str], where: str, target: str) -> tuple[str, ...]:
    """Return the target classes of a map's entry; all of them for []."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list):
        raise DataError(f"{where}: {value!r} is not a class of {target}, nor a list of them")
    for name in names:
        if name not in known:
            listed = ", ".join(known)
            raise DataError(f"{where}: '{name}' is no class of {target}: known are {listed}")
    return tuple(names) or tuple(known)


def _line(text: str, key: str) -> int:
    """Return the number of the line that starts with a key or header; tomllib does not tell it."""
    pattern = rf"^\s*(?:{re.escape(key)}|[\"']{re.escape(key)}[\"']\s*=)"
    match = re.search(rf"{pattern}(?![\w-])", text, re.MULTILINE)
    return text.count("\n", 0, match.end()) + 1 if match else 1
