"""Folders of splits, and the data set that is made of what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from roadseg.data.dataset import Dataset, LabelledImage, Sample
from roadseg.data.splits import SPLITS
from roadseg.runtime.errors import DataError, UsageError, unknown
from roadseg.runtime.images import is_image
from roadseg.runtime.spec import ClassInfo


def split_folders(folder: Path, split: str, known: tuple[str, ...] = SPLITS) -> list[Path]:
    """Return the folders of a split, or of all splits; raises DataError when there is none."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    if split != "all" and split not in known:
        raise unknown("split", split, ("all", *known))
    there = [folder / name for name in known if (folder / name).is_dir()]
    found = [part for part in there if split in ("all", part.name)]
    if not found:
        names = ", ".join(part.name for part in there) or "none"
        raise DataError(f"{folder}: has no split '{split}' (there are: {names})")
    return found


def refuse_split(where: Path, split: str) -> None:
    """Raise UsageError for a split of what has none."""
    if split != "all":
        raise UsageError(f"{where}: has no split '{split}': seg-data convert it, then split that")


def images_in(folder: Path, pattern: str = "*") -> list[Path]:
    """Return the image files in a folder that fit a pattern, sorted."""
    return sorted(path for path in folder.glob(pattern) if is_image(path))


def image_path(value: object, where: str) -> str:
    """Return an image's path as a file has it; raises DataError when it is none."""
    if not isinstance(value, str) or not Path(value).name:
        raise DataError(f"{where}: {value!r} is not the file name of an image")
    return value


def path_name(relative: str | Path) -> tuple[str, str]:
    """Return the name and the group of an image by its path: drive1/0001.jpg is drive1_0001."""
    stem = Path(relative).with_suffix("").as_posix()
    folder = "/".join(part for part in stem.split("/")[:-1] if part not in ("", ".", ".."))
    name = stem.rpartition("/")[2]
    return f"{folder}/{name}".strip("/").replace("/", "_"), folder.replace("/", "_")


def refuse_twins(samples: Iterable[Sample]) -> None:
    """Raise DataError when two images have one name."""
    seen: dict[str, Sample] = {}
    for sample in samples:
        if sample.name in seen:
            raise DataError(f"{sample.image}: has the same name as {seen[sample.name].image}")
        seen[sample.name] = sample


def make_dataset(
    name: str,
    classes: Sequence[ClassInfo],
    samples: Iterable[Sample],
    licence: str,
    read: Callable[[Sample], LabelledImage],
    strays: Iterable[Path] = (),
    notes: Callable[[Sample], list[str]] | None = None,
) -> Dataset:
    """Return a data set of samples in order of their names, each of which is there once."""
    ordered = tuple(sorted(samples, key=lambda sample: sample.name))
    refuse_twins(ordered)
    return Dataset(name, tuple(classes), ordered, licence, read, tuple(strays), notes)
