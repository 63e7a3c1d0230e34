"""synthetic: as a source: formats, a camera's clock, injected faults, and wrong options."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from roadseg.runtime.errors import CorruptFrame, UsageError
from roadseg.runtime.frame import Frame
from roadseg.runtime.sources import open_source
from roadseg.runtime.sources.synthetic import _to_and_fro


def frames(uri: str, count: int) -> list[Frame]:
    with open_source(uri) as source:
        read = [source.read() for _ in range(count)]
    return [frame for frame in read if frame is not None]


@pytest.mark.parametrize(
    ("name", "code"), [("nv12", cv2.COLOR_YUV2BGR_NV12), ("yuyv", cv2.COLOR_YUV2BGR_YUYV)]
)
def test_formats_show_the_same_picture(name: str, code: int) -> None:
    (plain,) = frames("synthetic:?size=96x64&frames=1&place=city", 1)
    (other,) = frames(f"synthetic:?size=96x64&frames=1&place=city&format={name}", 1)
    assert (other.width, other.height) == (96, 64)
    back = cv2.cvtColor(other.pixels, code).astype(int)
    smooth = cv2.blur(plain.pixels, (5, 5)).astype(int)
    assert np.abs(cv2.blur(back.astype(np.uint8), (5, 5)).astype(int) - smooth).mean() < 4


def test_it_has_no_end_unless_told() -> None:
    with open_source("synthetic:?size=32x32") as source:
        assert source.info.frames is None
        assert not source.info.live
        for number in range(40):
            frame = source.read()
            assert frame is not None
            assert frame.sequence == number
            frame.release()


def test_a_live_source_keeps_a_clock() -> None:
    read = frames("synthetic:?size=32x32&live=1&fps=50&frames=6", 9)
    assert [frame.sequence for frame in read] == list(range(6))
    steps = np.diff([frame.timestamp_ns for frame in read])
    np.testing.assert_allclose(steps, 20e6, atol=2)


def test_to_and_fro() -> None:
    assert [_to_and_fro(number, 4) for number in range(9)] == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert [_to_and_fro(number, 1) for number in range(3)] == [0, 0, 0]


def test_faults_are_the_same_each_time() -> None:
    def drive() -> list[int | str]:
        seen: list[int | str] = []
        with open_source("synthetic:?size=32x32&frames=60&drop=0.2&corrupt=0.2") as source:
            while True:
                try:
                    frame = source.read()
                except CorruptFrame as error:
                    seen.append(str(error))
                    continue
                if frame is None:
                    return seen
                seen.append(frame.sequence)

    first = drive()
    assert first == drive()
    corrupt = [each for each in first if isinstance(each, str)]
    assert 4 < len(corrupt) < 24
    assert 4 < 60 - len(first) < 24


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("size=8x8", "from 16 to 4096 pixels, not at 8x8"),
        ("size=9999x64", "from 16 to 4096"),
        ("format=jpeg", "unknown format 'jpeg': known are bgr, nv12, yuyv"),
        ("format=nv12&size=33x32", "even width and height"),
        ("frames=-1", "frames must not be negative"),
        ("fps=0", "fps must be positive"),
        ("drop=1.5", "drop is a share from 0 to 1"),
        ("live=perhaps", "which is not 1 or 0"),
        ("fps=fast", "'fps' is 'fast', which is not a number"),
        ("seed=-3", "seed"),
        ("weather=snow", "unknown weather 'snow': known are clear, dusk, fog"),
    ],
)
def test_wrong_options(query: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_source(f"synthetic:?{query}")
