"""The project's plain layout: a folder with images/, masks/ and a dataset.toml.

name = "my roads"              # optional: the folder's name
licence = "CC BY 4.0"          # optional
ignore = [255]                 # optional: mask values without a class
group = "^([^_]+)_"            # optional: finds the drive in an image's name
condition = "(day|night)"      # optional: finds weather or light in it

[[classes]]                    # class 0, then 1, …
name = "road"
color = [128, 64, 128]
drivable = true

Images may lie in sub-folders of images/, masks then in the same ones of masks/; the sub-folder is
the group unless `group` is given. Masks hold class ids (one channel) or the classes' colours.
Splits are lists of names in splits/train.txt, splits/val.txt, …, as `seg-data split` writes them;
splits/PUBLISHED is beside those that came with the data, as `seg-data convert` writes them.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from pathlib import Path
from typing import Any

from roadseg.data.dataset import Dataset, Sample
from roadseg.data.formats.folders import refuse_twins
from roadseg.data.labelled_files import LabelledFiles
from roadseg.data.splits import read_names
from roadseg.runtime.errors import DataError, RoadsegError
from roadseg.runtime.images import is_image
from roadseg.runtime.spec import IGNORE, ClassInfo

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ABOUT = "dataset.toml"


def open_plain(folder: Path, split: str) -> Dataset:
    """Open a folder in the plain layout; `split` is "all" or a list in splits/."""
    about = read_about(folder / ABOUT)
    classes = about["classes"]
    masks = _by_name(folder / "masks")
    samples = [
        Sample(name, image, masks.pop(name, None), *_drive_and_condition(name, about))
        for name, image in _by_name(folder / "images").items()
    ]
    strays = tuple(masks.values())
    if split != "all":
        samples = _of_split(samples, folder, split)
    samples = [dataclasses.replace(s, name=s.name.replace("/", "_")) for s in samples]
    samples.sort(key=lambda sample: sample.name)
    refuse_twins(samples)
    reader = LabelledFiles(classes, void=about["ignore"])
    return Dataset(
        about["name"] or folder.resolve().name,
        classes,
        tuple(samples),
        about["licence"],
        reader,
        strays,
    )


def plain_folder(uri: str, what: str) -> Path:
    """Return the folder of a data set in the plain layout; raises DataError for other layouts.

    what: is done to it in place, for the message.
    """
    folder = Path(os.path.expanduser(uri))
    if not folder.is_dir():
        raise DataError(f"{uri}: {what} a folder in the plain layout: seg-data convert first")
    return folder


def names_on_disk(folder: Path, dataset: Dataset) -> dict[str, str]:
    """Return the path in images/ without suffix, as lists in splits/ have it, by sample name."""
    images = folder / "images"
    return {
        sample.name: sample.image.relative_to(images).with_suffix("").as_posix()
        for sample in dataset.samples
    }


def read_about(path: Path) -> dict[str, Any]:
    """Read a dataset.toml: name, licence, ignore, classes, group and condition (patterns or None).

    Raises DataError when it is missing, is not TOML, or says something that cannot be used.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path.parent}: has no {ABOUT}: write one, or say which format it has, such as "
            f"camvid:{path.parent}"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    known = {"name", "licence", "ignore", "group", "condition", "classes"}
    if set(raw) - known:
        raise DataError(f"{path}: unknown key '{min(set(raw) - known)}': known are {sorted(known)}")
    ignore = raw.get("ignore", IGNORE)
    try:
        classes = tuple(class_info(entry) for entry in raw["classes"])
        names = [info.name for info in classes]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"class '{twice}' is there twice")
        if not 1 <= len(classes) <= IGNORE:
            raise ValueError(f"{len(classes)} classes: a mask of 8 bits takes 1 to {IGNORE}")
        void = [int(value) for value in (ignore if isinstance(ignore, list) else [ignore])]
        if not all(0 <= value <= 255 for value in void):
            raise ValueError(f"ignore is {ignore}: values of masks are 0 to 255")
        return {
            "name": str(raw.get("name", "")),
            "licence": str(raw.get("licence", "")),
            "ignore": void,
            **{
                key: re.compile(raw[key]) if raw.get(key) else None
                for key in ("group", "condition")
            },
            "classes": classes,
        }
    except (KeyError, TypeError, ValueError, re.error, RoadsegError) as error:
        raise DataError(f"{path}: {_reason(error)}") from None


def class_info(entry: dict[str, Any]) -> ClassInfo:
    """Return the class that a [[classes]] entry describes."""
    return ClassInfo(entry["name"], tuple(entry["color"]), bool(entry.get("drivable", False)))


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _by_name(folder: Path) -> dict[str, Path]:
    """Return image files by their path in the folder, without suffix."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if not is_image(path):
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise DataError(f"{path}: has the same name as {found[name].name}")
        found[name] = path
    return found


def _drive_and_condition(name: str, about: dict[str, Any]) -> tuple[str, str]:
    group, condition = about["group"], about["condition"]
    drive = _found(name, group) if group else name.rpartition("/")[0]
    return drive, _found(name, condition) if condition else ""


def _found(name: str, pattern: re.Pattern[str]) -> str:
    match = pattern.search(name)
    return (match.group(1 if pattern.groups else 0) or "") if match else ""


def _of_split(samples: list[Sample], folder: Path, split: str) -> list[Sample]:
    """Keep the samples that are named in splits/SPLIT.txt."""
    path = folder / "splits" / f"{split}.txt"
    if not path.is_file():
        raise DataError(f"{path}: there is no such split: seg-data split {folder}")
    wanted = set(read_names(path))
    missing = wanted - {sample.name for sample in samples}
    if missing:
        raise DataError(f"{path}: '{min(missing)}' is no image in {folder / 'images'}")
    return [sample for sample in samples if sample.name in wanted]
