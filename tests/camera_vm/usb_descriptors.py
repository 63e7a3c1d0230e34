"""What a webcam made of software says of itself: USB and UVC 1.0 descriptors, byte by byte."""

from __future__ import annotations

import struct

SIZES = [(640, 360), (1280, 720)]
INTERVALS = [333333, 666666, 2000000]  # 100 ns: 30, 15 and 5 FPS
FORMATS = ["MJPG", "YUYV", "NV12"]
GUIDS = {
    "YUYV": b"YUY2\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71",
    "NV12": b"NV12\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71",
}
BITS = {"YUYV": 16, "NV12": 12}


def frame_bytes(name: str, width: int, height: int) -> int:
    """The most that a frame takes."""
    return width * height * BITS.get(name, 16) // 8


def device() -> bytes:
    return struct.pack(
        "<BBHBBBBHHHBBBB", 18, 1, 0x200, 0xEF, 2, 1, 64, 0x1D6B, 0x0102, 0x0100, 1, 2, 3, 1
    )


def configuration() -> bytes:
    association = struct.pack("<8B", 8, 0x0B, 0, 2, 0x0E, 3, 0, 2)
    body = association + _control_interface() + _streaming_interface()
    return struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), 2, 1, 0, 0x80, 250) + body


def strings(serial: str) -> list[bytes]:
    texts = ("roadseg", "Soft Camera", serial)
    languages = b"\x04\x03\x09\x04"
    return [
        languages,
        *(struct.pack("BB", 2 + 2 * len(t), 3) + t.encode("utf-16le") for t in texts),
    ]


def _control_interface() -> bytes:
    camera = struct.pack("<BBBBHBBHHHB3B", 18, 0x24, 2, 1, 0x0201, 0, 0, 0, 0, 0, 3, 0, 0, 0)
    processing = struct.pack("<BBBBBHBHB", 11, 0x24, 5, 2, 1, 0, 2, 1, 0)  # brightness
    output = struct.pack("<BBBBHBBB", 9, 0x24, 3, 3, 0x0101, 0, 2, 0)
    units = camera + processing + output
    interface = struct.pack("<BBBBBBBBB", 9, 4, 0, 0, 0, 0x0E, 1, 0, 2)
    header = struct.pack("<BBBHHIBB", 13, 0x24, 1, 0x0100, 13 + len(units), 1000000, 1, 1)
    return interface + header + units


def _streaming_interface() -> bytes:
    formats = b"".join(_format(number, name) for number, name in enumerate(FORMATS, 1))
    count = len(FORMATS)
    total = 13 + count + len(formats)
    interface = struct.pack("<BBBBBBBBB", 9, 4, 1, 0, 1, 0x0E, 2, 0, 0)
    header = struct.pack("<BBBBHBBBBBBB", 13 + count, 0x24, 1, count, total, 0x81, 0, 3, 0, 0, 0, 1)
    endpoint = struct.pack("<BBBBHB", 7, 5, 0x81, 2, 512, 0)
    return interface + header + bytes(count) + formats + endpoint


def _format(number: int, name: str) -> bytes:
    if name == "MJPG":
        made = struct.pack("<11B", 11, 0x24, 6, number, len(SIZES), 1, 1, 0, 0, 0, 0)
    else:
        head = (27, 0x24, 4, number, len(SIZES), GUIDS[name], BITS[name])
        made = struct.pack("<5B16s6B", *head, 1, 0, 0, 0, 0)
    made += b"".join(_frame(place, name, *size) for place, size in enumerate(SIZES, 1))
    return made + struct.pack("<6B", 6, 0x24, 0x0D, 1, 1, 4)


def _frame(place: int, name: str, width: int, height: int) -> bytes:
    kind, length = (7 if name == "MJPG" else 5), 26 + 4 * len(INTERVALS)
    largest = frame_bytes(name, width, height)
    head = (length, 0x24, kind, place, 0, width, height, 1000000, 1000000000, largest)
    return struct.pack("<5BHHIIIIB3I", *head, INTERVALS[0], len(INTERVALS), *INTERVALS)
