"""The cameras of this machine, by names that stay when they are plugged in again."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from roadseg.runtime import _v4l2
from roadseg.runtime.errors import SourceError, UsageError
from roadseg.runtime.options import Size
from roadseg.runtime.sources.v4l2.faults import cameras_here, source_error
from roadseg.runtime.sources.v4l2.negotiation import PIXEL_FORMATS
from roadseg.runtime.sources.v4l2.opening import open_within
from roadseg.runtime.sources.v4l2.options import format_name

CLASS = Path("/sys/class/video4linux")
LINKS = (Path("/dev/v4l/by-id"), Path("/dev/v4l/by-path"))  # made by udev
LISTING_S = 4.0  # for each camera

Name = tuple[str, Path, str]  # what a camera is called, the path to open, the node that it leads to


@dataclass(frozen=True)
class Camera:
    """A device node that gives pictures.

    node: such as /dev/video0; it may be another after the camera was unplugged.
    card, driver: the name that its driver gives it, and the driver's own.
    names: links to the node that stay the same: by-id (this very camera), by-path (this socket).
    formats: lines of what it offers, or why that is not known.
    """

    node: str
    card: str
    driver: str
    names: tuple[str, ...]
    formats: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the camera as text."""
        return [f"{self.node}  {self.card} ({self.driver})", *self.names, *self.formats]


def list_cameras() -> list[Camera]:
    """Return the cameras that are here; one that does not answer says so in its formats."""
    return [camera for node in _nodes() if (camera := _look_at(node)) is not None]


def resolve(name: str) -> str:
    """Return the device file of a camera's name: the link where there is one, for it stays.

    name: a number, the name of a link of by-id or by-path, or a part of it or of the card's name
    that only one camera has. Raises SourceError when no camera, UsageError when several have it.
    """
    if name.isdigit():
        return f"/dev/video{name}"
    known = [*_links(), *((_card(node), Path(node), _target(node)) for node in _nodes())]
    exact = {target: path for text, path, target in known if text == name}
    found = exact or _by_camera(known, name)
    if len(found) > 1:
        raise UsageError(
            f"several cameras are called '{name}': {', '.join(map(str, found.values()))}"
        )
    if not found:
        raise SourceError(f"there is no camera '{name}' (cameras here: {cameras_here()})")
    return str(next(iter(found.values())))


def stable_path(node: str) -> str:
    """Return the link of by-id or by-path that leads to a node, "" where udev made none."""
    return next((str(link) for _, link, target in _links() if target == _target(node)), "")


def _by_camera(known: list[Name], part: str) -> dict[str, Path]:
    """Return the first path of each node that has `part` in a name and gives pictures."""
    found: dict[str, Path] = {}
    for text, path, target in known:
        if part.lower() in text.lower() and _is_first(target):
            found.setdefault(target, path)
    return found


def _is_first(node: str) -> bool:
    """Whether a node is its camera's first; a webcam's second one has metadata alone."""
    index = CLASS / Path(node).name / "index"
    return not index.exists() or index.read_text().strip() == "0"


def _links() -> Iterator[Name]:
    """Give the links that lead somewhere.

    udev takes them away a moment after their camera, and makes a new one under a hidden name first.
    """
    for folder in LINKS:
        for link in sorted(folder.glob("[!.]*")):
            with contextlib.suppress(OSError):
                yield link.name, link, str(link.resolve(strict=True))


def _target(node: str) -> str:
    return str(Path(node).resolve())


def _nodes() -> list[str]:
    names = [path.name for path in CLASS.glob("video*")] if CLASS.is_dir() else []
    names = names or [path.name for path in Path("/dev").glob("video*")]
    return [f"/dev/{name}" for name in sorted(names, key=_number)]


def _number(name: str) -> int:
    digits = re.search(r"\d+$", name)
    return int(digits[0]) if digits else 0


def _card(node: str) -> str:
    path = CLASS / Path(node).name / "name"
    return path.read_text().strip() if path.exists() else ""


def _look_at(node: str) -> Camera | None:
    names = tuple(str(link) for _, link, target in _links() if target == node)
    try:
        return open_within(LISTING_S, node, lambda: _Look(node, names)).camera
    except OSError as error:
        fault: Exception = source_error(error, node)
    except SourceError as error:
        fault = error
    return Camera(node, _card(node), "?", names, (str(fault),))


class _Look:
    """What a device says of itself; None when it gives no pictures."""

    def __init__(self, node: str, names: tuple[str, ...]) -> None:
        self._device = _v4l2.Device(node)
        capability = self._device.capability
        self.camera: Camera | None = None
        if capability.capture and capability.streaming:
            formats = tuple(_offers(self._device))
            self.camera = Camera(node, capability.card, capability.driver, names, formats)
        self.close()

    def close(self) -> None:
        self._device.close()


def _offers(device: _v4l2.Device) -> Iterator[str]:
    """Give a line for each set of formats that come in the same sizes and rates."""
    groups: dict[str, list[str]] = {}
    others = []
    for one in device.formats():
        name = format_name(one.fourcc)
        if one.fourcc in PIXEL_FORMATS:
            copied = "" if PIXEL_FORMATS[one.fourcc] else " (decoded: a copy)"
            sizes = "; ".join(_sizes(device, one.fourcc)) or "any size"
            groups.setdefault(sizes, []).append(name + copied)
        else:
            others.append(name)
    yield from (f"{', '.join(names)}: {sizes}" for sizes, names in groups.items())
    if others:
        yield f"not read: {', '.join(others)}"


def _sizes(device: _v4l2.Device, fourcc: str) -> Iterator[str]:
    for low_w, high_w, _, low_h, high_h, _ in device.sizes(fourcc):
        size = str(Size(high_w, high_h))
        shown = size if low_w == high_w else f"{Size(low_w, low_h)} to {size}"
        yield f"{shown} {_rates(device, fourcc, high_w, high_h)}".strip()


def _rates(device: _v4l2.Device, fourcc: str, width: int, height: int) -> str:
    intervals = device.intervals(fourcc, width, height)
    rates = [
        f"{denominator / numerator:g}"
        if (numerator, denominator) == tuple(longest)
        else f"{longest[1] / longest[0]:g} to {denominator / numerator:g}"
        for numerator, denominator, *longest in intervals
    ]
    return f"@ {', '.join(rates)} FPS" if rates else ""
