"""Masks as PNG files of class ids."""

from __future__ import annotations

from pathlib import Path

from roadseg.runtime.errors import UsageError
from roadseg.runtime.images import write_png
from roadseg.runtime.result import Result
from roadseg.runtime.sinks.base import Sink


class MaskSink(Sink):
    """Writes FOLDER/NAME.png, 8 bits of class id, of the frame's own size."""

    name = "masks"
    reads_pixels = False

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file: --masks needs a folder")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._written = 0

    def write(self, result: Result) -> None:
        """See Sink."""
        write_png(self.folder / f"{result.frame.name}.png", result.mask)
        self._written += 1

    def close(self) -> str:
        """See Sink; every file was whole when it got its name."""
        return f"masks {self.folder}, {self._written} files" if self._written else ""
