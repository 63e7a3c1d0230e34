"""Task: the classes that models are scored in, where they are not those of the data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadseg.data.label_map import LabelMap, load_label_map
from roadseg.runtime.errors import DataError
from roadseg.runtime.road_or_other import ROAD_OR_OTHER
from roadseg.runtime.spec import IGNORE, ClassInfo

DRIVABLE = "drivable"  # a label map for any classes: road is what is marked as drivable

Classes = tuple[ClassInfo, ...]


@dataclass(frozen=True)
class Reduction:
    """What ids of one set of classes are in the classes that are scored.

    classes: that are scored, by id.
    ids: (256,) uint8, the scored id by mask value; void stays void.
    """

    classes: Classes
    ids: NDArray[np.uint8]

    def probabilities(self, given: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (scored classes, H, W): the sums of what each class is made of."""
        total = np.zeros((len(self.classes), *given.shape[1:]), np.float32)
        for number, plane in enumerate(given):
            total[self.ids[number]] += plane
        return total


def reduce_data(classes: Classes, maps: Sequence[str]) -> Reduction:
    """Return what the data set's ids are in the scored classes: void where a map is not sure."""
    for name in maps:
        if name == DRIVABLE:
            return _by_drivable(classes)
        one = load_label_map(name)
        if _covers(one, classes):
            return Reduction(one.classes, one.table(classes))
    return Reduction(classes, _table(range(len(classes))))


def reduce_model(model: str, classes: Classes, scored: Classes, maps: Sequence[str]) -> Reduction:
    """Return what a model's ids are in the scored classes.

    A class that a map leaves open ("one of these") counts as the first of them, since a mask says
    one thing. Raises DataError when no map leads from the model's classes to the scored ones.
    """
    wanted = [info.name for info in scored]
    names = [info.name for info in classes]
    if set(names) == set(wanted):
        return Reduction(scored, _table(wanted.index(name) for name in names))
    for name in maps:
        if name == DRIVABLE:
            return _by_drivable(classes)
        one = load_label_map(name)
        if _covers(one, classes) and {info.name for info in one.classes} == set(wanted):
            return Reduction(scored, _table(_first(one, name, wanted) for name in names))
    raise DataError(_why_not(model, names, wanted, maps))


def _covers(one: LabelMap, classes: Classes) -> bool:
    return all(info.name in one.targets for info in classes)


def _first(one: LabelMap, name: str, wanted: list[str]) -> int:
    targets = one.targets[name]
    if len(targets) == len(wanted):
        raise DataError(f"{one.path}: says nothing of '{name}': a model's class must become one")
    return wanted.index(targets[0])


def _by_drivable(classes: Classes) -> Reduction:
    if not any(info.drivable for info in classes):
        raise DataError(
            f"--label-map {DRIVABLE}: no class of {', '.join(one.name for one in classes)} is "
            "marked as drivable"
        )
    return Reduction(ROAD_OR_OTHER, _table(0 if info.drivable else 1 for info in classes))


def _table(ids: Iterable[int]) -> NDArray[np.uint8]:
    values = list(ids)
    table = np.full(256, IGNORE, np.uint8)
    table[: len(values)] = values
    return table


def _why_not(model: str, names: list[str], wanted: list[str], maps: Sequence[str]) -> str:
    parts = [
        f"only the {owner} has {', '.join(name for name in mine if name not in others)}"
        for owner, mine, others in (("model", names, wanted), ("data", wanted, names))
        if set(mine) - set(others)
    ]
    tried = f"--label-map {','.join(maps)} does not lead there" if maps else "give a --label-map"
    return f"--data: its classes are not those of {model}: {'; '.join(parts)}: {tried}"
