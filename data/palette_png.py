"""PNG files with a palette: what their pixels are by number, which OpenCV does not tell."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np

from roadseg.data.dataset import Pixels

START = b"\x89PNG\r\n\x1a\n"
GREY, PALETTE = 0, 3  # colour types


def read_palette(content: bytes) -> tuple[Pixels, Pixels] | None:
    """Return pixels by number (H, W) and the palette (colours, 3) RGB, of a PNG file's bytes.

    None when it has no palette or cannot be decoded. The file is decoded as if it were grey: its
    header is changed to say so, and the palette left out.
    """
    if not content.startswith(START) or content[25:26] != bytes([PALETTE]):
        return None
    palette, grey = np.zeros((0, 3), np.uint8), [START]
    for kind, body in _chunks(content):
        if kind == b"PLTE":
            palette = np.frombuffer(body[: len(body) // 3 * 3], np.uint8).reshape(-1, 3)
        if kind == b"IHDR":
            body = body[:9] + bytes([GREY]) + body[10:]
        if kind in (b"IHDR", b"IDAT", b"IEND"):
            check = zlib.crc32(kind + body)
            grey.append(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check))
    pixels = cv2.imdecode(np.frombuffer(b"".join(grey), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 2:
        return None
    depth = content[24]
    return np.asarray(pixels // (255 // (2**depth - 1)), np.uint8), palette


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(START)
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        yield content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        place += 12 + length
