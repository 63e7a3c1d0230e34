"""What the masks of a run's data sets mean: a class, one of several classes, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadseg.data import Dataset
from roadseg.data.label_map import load_label_map, shipped_label_maps
from roadseg.runtime.errors import DataError, UsageError, unknown
from roadseg.runtime.spec import IGNORE, ClassInfo

Pixels = NDArray[np.uint8]
Matrix = NDArray[np.bool_]  # (source classes, run's classes): what a source class may be

OTHER = ClassInfo("other", (0, 0, 0))


@dataclass(frozen=True)
class ClassMap:
    """The classes of a run, and what the values of one data set's masks are among them.

    A label below len(classes) is that class. Those from there on are groups: the pixel is one of
    several classes that the data set does not tell apart.

    classes: by id.
    table: label by a mask's value, (256,) uint8.
    groups: (groups, classes) bool: the classes that each group's pixels may be.
    """

    classes: tuple[ClassInfo, ...]
    table: Pixels
    groups: Matrix

    @property
    def labels(self) -> int:
        """The number of labels: classes, then groups."""
        return len(self.classes) + len(self.groups)

    def label_names(self) -> list[str]:
        """Return the labels' names, that of a group as "pole/sign/fence"."""
        names = [info.name for info in self.classes]
        return names + ["/".join(names[i] for i in row.nonzero()[0]) for row in self.groups]

    @property
    def known(self) -> NDArray[np.int64]:
        """The labels that this data set's masks have, sorted."""
        return np.setdiff1d(np.unique(self.table), IGNORE)

    def label_of_class(self) -> Pixels:
        """Return by class the label that this data set has for it, (classes,) uint8.

        `labels`, which no pixel has, for a class that the data set does not know.
        """
        found = np.full(len(self.classes), self.labels, np.uint8)
        for label in self.known[::-1]:
            is_group = label >= len(self.classes)
            found[self.groups[label - len(self.classes)] if is_group else label] = label
        return found


def class_maps(
    datasets: Sequence[Dataset], label_maps: Sequence[str], choice: str
) -> list[ClassMap]:
    """Return what each data set's masks mean in a run.

    label_maps: one for each data set, all to the same classes. Without them the first data set's
    classes are learned, and a map in the package must join each of the others to it.
    choice: "all", or one class's name: id 1 for it, 0 for all others.
    Raises UsageError or DataError when the sets cannot be joined, or for an unknown class.
    """
    if label_maps:
        classes, matrices = _by_maps(datasets, label_maps)
    else:
        classes = datasets[0].classes
        matrices = [np.eye(len(classes), dtype=bool)]
        matrices += [_joined(datasets[0], other) for other in datasets[1:]]
    if choice != "all":
        classes, matrices = _one_class(classes, matrices, choice)
    rows = {tuple(row) for matrix in matrices for row in matrix if 1 < row.sum() < len(classes)}
    groups = np.array(sorted(rows, reverse=True), bool).reshape(-1, len(classes))
    return [ClassMap(tuple(classes), _table(matrix, groups), groups) for matrix in matrices]


def _by_maps(
    datasets: Sequence[Dataset], names: Sequence[str]
) -> tuple[tuple[ClassInfo, ...], list[Matrix]]:
    if len(names) != len(datasets):
        raise UsageError(
            f"{len(names)} label maps for {len(datasets)} data sets: give one for each"
        )
    maps = [load_label_map(name) for name in names]
    for each, dataset in zip(maps, datasets, strict=True):
        if each.classes != maps[0].classes:
            raise DataError(f"{each.path}: leads to '{each.target}', {maps[0].path} to others")
        if each.source != dataset.name:
            raise DataError(f"{each.path}: is for {each.source}, not for {dataset.name}")
    pairs = zip(maps, datasets, strict=True)
    return maps[0].classes, [each.matrix(dataset.classes) for each, dataset in pairs]


def _joined(first: Dataset, other: Dataset) -> Matrix:
    """Return what the classes of another data set may be among the first one's."""
    if other.classes == first.classes:
        return np.eye(len(first.classes), dtype=bool)
    there, back = f"{other.name}_to_{first.name}", f"{first.name}_to_{other.name}"
    known = shipped_label_maps()
    if there in known:
        return load_label_map(there).matrix(other.classes)
    if back in known:
        return np.asarray(load_label_map(back).matrix(first.classes).T)
    raise UsageError(
        f"no label map joins {other.name} to {first.name}: give --label-maps, one for each data "
        f"set; known are {', '.join(known)}, or a .toml file"
    )


def _one_class(
    classes: Sequence[ClassInfo], matrices: Sequence[Matrix], choice: str
) -> tuple[tuple[ClassInfo, ...], list[Matrix]]:
    """Reduce to one class against all others."""
    names = [info.name for info in classes]
    if choice not in names:
        raise unknown("class", choice, ["all", *names])
    place = names.index(choice)
    is_other = np.arange(len(names)) != place
    reduced = [np.stack([m[:, is_other].any(1), m[:, place]], 1) for m in matrices]
    return (OTHER, classes[place]), reduced


def _table(matrix: Matrix, groups: Matrix) -> Pixels:
    """Return a set's labels by mask value: IGNORE for what may be any class."""
    table = np.full(256, IGNORE, np.uint8)
    for value, row in enumerate(matrix):
        if row.sum() == 1:
            table[value] = row.argmax()
        elif 1 < row.sum() < len(row):
            table[value] = len(row) + int((groups == row).all(1).argmax())
    return table
