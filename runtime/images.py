"""Image files, read strictly: a file that is cut short is an error, not a half-grey picture."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")  # no stuffed zero, restart or fill
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def is_image(path: Path) -> bool:
    """Return whether a file's name is that of an image; hidden files are not."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_image(path: str | Path, flags: int = cv2.IMREAD_COLOR) -> NDArray[np.uint8]:
    """Read an image file: (H, W, 3) uint8 BGR, or as OpenCV's imread flags say.

    Raises DataError for a file that is missing, empty, cut short or not an image.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    return decode_image(content, path, flags)


def decode_image(content: bytes, where: object, flags: int = cv2.IMREAD_COLOR) -> NDArray[np.uint8]:
    """Decode an image file's bytes as read_image does; `where` names them in errors."""
    fault = find_fault(content)
    if fault:
        raise DataError(f"{where}: {fault}")
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise DataError(f"{where}: not an image that can be decoded")
    return np.asarray(pixels)


def find_fault(content: bytes) -> str:
    """Return what is wrong with an image file's bytes, "" when nothing shows.

    OpenCV decodes a JPEG that was cut short and fills the rest with grey, so the marker that
    ends a file is looked for.
    """
    if not content:
        return "the file is empty"
    tail = content.rstrip(b"\0")[-4096:]
    if content.startswith(JPEG_START) and JPEG_END not in tail and not _ends_before(content):
        return "the JPEG is cut short (no end marker)"
    if content.startswith(PNG_START) and PNG_END not in tail + b"\0":
        return "the PNG is cut short (no end chunk)"
    return ""


def _ends_before(content: bytes) -> bool:
    """Whether a JPEG ends somewhere: phones append a video. Thumbnails in it have ends too."""
    place = len(JPEG_START)
    while found := JPEG_MARKER.search(content, place):
        if found[0] == JPEG_END:
            return True
        place = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
    return False


def write_png(path: str | Path, pixels: NDArray[np.uint8], level: int = 1) -> None:
    """Write an 8-bit PNG, (H, W) or (H, W, 3) BGR, atomically; level 0 to 9 of compression."""
    from roadseg.runtime.files import write_bytes

    done, content = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, level])
    if not done:
        raise DataError(f"{path}: cannot be written as PNG")
    write_bytes(path, content.tobytes())
