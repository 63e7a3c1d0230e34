"""The ring in shared memory, read by the examples in Python and in C."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.runtime import ring
from roadseg.runtime.errors import UsageError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.result import Result
from roadseg.runtime.ring import FOLDER, HEADER, SLOT, ring_path
from roadseg.runtime.sinks.painter import to_bgr
from roadseg.runtime.sinks.ring import RingSink

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="there is no /dev/shm here")


@pytest.fixture
def name() -> Iterator[str]:
    """A ring's name; nothing may be left of it."""
    name = f"roadseg-test-{os.getpid()}"
    yield name
    left = [path for path in FOLDER.iterdir() if name in path.name]
    for path in left:
        path.unlink()
    assert left == []


def result(number: int, width: int = 96, height: int = 64) -> Result:
    """A result whose mask and pixels are its number throughout."""
    pixels = np.full((height * 3 // 2, width), number % 256, np.uint8)
    mask = np.full((height, width), number % 256, np.uint8)
    frame = Frame(pixels, PixelFormat.NV12, 1000 + number, number, f"{number:06d}")
    return Result(frame, mask, {}, 7)


def view(name: str) -> np.memmap:  # type: ignore[type-arg]
    return np.memmap(FOLDER / name, np.uint8, "r")


def test_the_layout_is_as_documented() -> None:
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| (\w+) \|", (ROOT / "docs/ring.md").read_text(), re.M)
    fields = {**dict(HEADER.fields or {}), **dict(SLOT.fields or {})}
    told = {field: int(at) for at, field in rows}
    assert told.pop("mask") == SLOT.itemsize == 64
    assert told == {field: fields[field][1] for field in fields if field != "reserved"}
    assert HEADER.itemsize == 128


def test_header_masks_and_frames(name: str) -> None:
    sink = RingSink(name, classes=11, frames=True)
    for number in range(6):
        sink.write(result(number))
    memory = view(name)
    header = memory[:128].view(HEADER)[0]
    assert header["magic"] == b"RSEGRING"
    assert (header["width"], header["height"], header["classes"]) == (96, 64, 11)
    assert (header["written"], header["slots"], header["format"]) == (6, 4, b"NV12")
    start = 128 + 5 % 4 * int(header["slot_bytes"])
    slot = memory[start : start + 64].view(SLOT)[0]
    assert (slot["lock"], slot["sequence"]) == (4, 5)  # written twice
    assert (slot["timestamp_ns"], slot["age_ns"]) == (1005, 7)
    assert (memory[start + 64 :][: 96 * 64] == 5).all()
    at = start + int(header["frame_offset"])
    assert (memory[at:][: int(header["frame_bytes"])] == 5).all()
    assert (FOLDER / name).stat().st_mode & 0o077 == 0, "others may not look"
    assert sink.close() == f"ring {name}, 6 masks"
    assert memory[72] == 1
    assert not (FOLDER / name).exists()


def test_frames_of_another_size_make_a_new_ring(name: str) -> None:
    sink = RingSink(name, 11, frames=False)
    sink.write(result(0))
    old = view(name)
    sink.write(result(1, 32, 16))
    new = view(name)
    assert (old[72], new[72]) == (1, 0)
    assert tuple(new[32:40].view("<u4")) == (32, 16)
    assert new[60] == 0  # no frames
    sink.close()


def test_a_name_that_is_in_use_or_foreign_is_refused(name: str) -> None:
    sink = RingSink(name, 11, frames=False)
    sink.write(result(0))
    with pytest.raises(UsageError, match="is written by another run"):
        ring_path(name)
    sink.close()
    (FOLDER / name).write_bytes(b"something else")
    with pytest.raises(UsageError, match="is there and is not a ring"):
        ring_path(name)
    (FOLDER / name).unlink()


def test_two_runs_that_wait_for_their_first_mask(name: str) -> None:
    first, second = RingSink(name, 11, frames=False), RingSink(name, 11, frames=False)
    first.write(result(0))
    with pytest.raises(UsageError, match="is written by another run"):
        second.write(result(1))
    second.close()
    assert view(name)[64] == 1, "the first one's"
    first.close()


def test_a_name_that_is_no_longer_its_own_stays(name: str) -> None:
    sink = RingSink(name, 11, frames=False)
    sink.write(result(0))
    (FOLDER / name).unlink()
    (FOLDER / name).write_bytes(b"another's")
    sink.close()
    assert (FOLDER / name).read_bytes() == b"another's"
    (FOLDER / name).unlink()


def test_a_frame_whose_chroma_lies_apart_is_written_as_nv12(name: str) -> None:
    luma, chroma = np.full((64, 96), 5, np.uint8), np.full((32, 96), 9, np.uint8)
    frame = Frame(luma, PixelFormat.NV12M, 0, 0, "", chroma=chroma)
    sink = RingSink(name, 11, frames=True)
    sink.write(Result(frame, np.zeros((64, 96), np.uint8), {}, 0))
    header = view(name)[:128].view(HEADER)[0]
    assert (header["format"], header["frame_bytes"]) == (b"NV12", 96 * 96)
    start = 128 + int(header["frame_offset"])
    pixels = view(name)[start : start + 96 * 96].reshape(96, 96)
    assert (pixels[:64] == 5).all()
    assert (pixels[64:] == 9).all()
    sink.close()


def test_padded_rows_of_yu12_are_written_without_padding(name: str) -> None:
    padded = np.random.default_rng(0).integers(0, 256, (96, 128), np.uint8)
    frame = Frame(padded[:, :96], PixelFormat.YU12, 0, 0)
    sink = RingSink(name, 11, frames=True)
    sink.write(Result(frame, np.zeros((64, 96), np.uint8), {}, 0))
    start = 128 + int(view(name)[:128].view(HEADER)[0]["frame_offset"])
    pixels = view(name)[start : start + 96 * 96].reshape(96, 96)
    written = cv2.cvtColor(np.array(pixels), cv2.COLOR_YUV2BGR_I420)
    np.testing.assert_array_equal(written, to_bgr(frame))
    sink.close()


def test_frames_of_another_format_make_a_new_ring(name: str) -> None:
    sink = RingSink(name, 11, frames=True)
    first = result(0)
    sink.write(first)
    old = view(name)
    sink.write(replace(first, frame=replace(first.frame, format=PixelFormat.NV21)))
    assert (old[72], view(name)[72]) == (1, 0)
    assert bytes(view(name)[44:48]) == b"NV21"
    sink.close()


def test_the_name_of_a_killed_run_is_taken_over(name: str) -> None:
    (FOLDER / name).write_bytes(b"RSEGRING" + bytes(120))
    sink = RingSink(name, 11, frames=False)
    sink.write(result(0))
    assert view(name)[64] == 1
    sink.close()


def test_a_full_memory_is_an_error_and_leaves_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ring.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        RingSink(name, 11, frames=False).write(result(0))
    assert not [path for path in FOLDER.iterdir() if name in path.name]


@pytest.fixture(scope="session")
def c_reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in C, compiled."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    program = tmp_path_factory.mktemp("c") / "read_ring"
    words = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program)]
    subprocess.run([*words, str(ROOT / "examples/read_ring.c"), "-lrt"], check=True)
    return program


@pytest.mark.parametrize("language", ["python", "c"])
def test_readers_see_whole_masks_while_the_writer_does_not_wait(
    name: str, language: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mask is one value throughout: a torn one would count two. One slot: they often meet."""
    monkeypatch.setattr(ring, "SLOTS", 1)
    reader = [sys.executable, str(ROOT / "examples/read_ring.py"), name]
    if language == "c":
        reader = [str(request.getfixturevalue("c_reader")), name]
    sink = RingSink(name, 256, frames=False)
    results = [result(number, 640, 480) for number in range(8)]
    sink.write(results[0])
    process = subprocess.Popen(reader, stdout=subprocess.PIPE, text=True)
    lines: list[str] = []
    listener = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
    listener.start()
    try:
        give_up = time.monotonic() + 60
        written = 1
        while len(lines) < 40 and time.monotonic() < give_up:
            sink.write(results[written % 8])
            written += 1
            time.sleep(0.0002)
    finally:
        sink.close()
        code = process.wait(60)
        listener.join()
        assert process.stdout
        process.stdout.close()
    assert code == 0, "the reader ends when the ring is closed"
    assert len(lines) >= 40
    for line in lines:
        sequence, *counts = line.split()
        expected = f"{sequence}:{640 * 480}" if language == "c" else str(640 * 480)
        assert [count for count in counts if count != "0"] == [expected]


def test_a_torn_mask_shows(name: str) -> None:
    """The reader that looks at no lock would be seen by the test above."""
    mixed = result(3)
    mixed.mask[10:] = 4
    sink = RingSink(name, 256, frames=False)
    sink.write(mixed)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "examples/read_ring.py"), name],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    counts = process.stdout.readline().split()[1:]
    sink.close()
    process.communicate(timeout=60)
    assert len([count for count in counts if count != "0"]) == 2
