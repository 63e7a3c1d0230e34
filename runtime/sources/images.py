"""An image file, or a folder of them, as a source."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from roadseg.runtime.errors import CorruptFrame, DataError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.images import is_image, read_image
from roadseg.runtime.sources.base import OpenSource, SourceInfo


class ImageSource(OpenSource):
    """Images by name, each at its own size.

    A file that cannot be read raises CorruptFrame; the next read goes on with the next file.
    """

    def __init__(self, uri: str, files: Sequence[Path]) -> None:
        self._files = files
        self._next = 0
        self.info = SourceInfo(uri, 0, 0, fps=0.0, frames=len(files), live=False)

    def read(self) -> Frame | None:
        """See Source."""
        if self._next >= len(self._files):
            return None
        number, path = self._next, self._files[self._next]
        self._next += 1
        try:
            pixels = read_image(path)
        except DataError as error:
            raise CorruptFrame(str(error)) from None
        return Frame(pixels, PixelFormat.BGR, time.monotonic_ns(), number, path.stem)

    def close(self) -> None:
        """See Source."""
        self._next = len(self._files)


def open_images(path: Path) -> ImageSource:
    """Open an image file or a folder of images.

    Raises DataError for a folder without images or with two images of one name.
    """
    if path.is_file():
        return ImageSource(str(path), [path])
    files = sorted(file for file in path.iterdir() if is_image(file) and file.is_file())
    if not files:
        raise DataError(f"{path}: there are no images in this folder")
    seen: dict[str, Path] = {}
    for file in files:
        if file.stem in seen:
            raise DataError(f"{path}: {seen[file.stem].name} and {file.name} have one name")
        seen[file.stem] = file
    return ImageSource(str(path), files)
