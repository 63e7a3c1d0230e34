"""Which frames are taken, of what, and what is said when there are none."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from roadseg.calibration import calibration_frames
from roadseg.calibration.frames import spread
from roadseg.runtime.errors import DataError, UsageError
from roadseg.runtime.frame import Frame, PixelFormat


def test_places_are_spread_and_seeded() -> None:
    places = spread(1000, 10, seed=1)
    assert [place // 100 for place in places] == list(range(10))
    assert places == spread(1000, 10, seed=1)
    assert places != spread(1000, 10, seed=2)
    assert spread(3, 10, seed=0) == [0, 1, 2]


def test_a_data_set_gives_frames_with_labels(roads: Path) -> None:
    frames = calibration_frames(str(roads), 4, "train")
    assert len(frames) == 4
    for each in frames:
        assert each.truth is not None
        assert each.truth.shape == (64, 128)
    val = calibration_frames(str(roads), 100, "val")
    names = {each.frame.pixels.tobytes() for each in frames}
    assert names.isdisjoint(each.frame.pixels.tobytes() for each in val)


def test_videos_folders_and_endless_roads(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 32)
    )
    for number in range(20):
        writer.write(np.full((32, 64, 3), 10 * number, np.uint8))
        cv2.imwrite(str(tmp_path / f"{number:02d}.png"), np.full((32, 64, 3), number, np.uint8))
    writer.release()
    for uri in (str(tmp_path / "clip.avi"), str(tmp_path)):
        taken = calibration_frames(uri, 5, "train")
        places = [each.frame.sequence for each in taken]
        assert [place // 4 for place in places] == [0, 1, 2, 3, 4]
        others = calibration_frames(uri, 5, "train", seed=1)
        assert [each.frame.sequence for each in others] != places
        assert all(each.truth is None for each in taken)
        means = [each.frame.pixels.mean() for each in taken]
        assert all(a < b for a, b in itertools.pairwise(means))
    assert len(calibration_frames("synthetic:?size=64x32", 3, "train")) == 3


class OneBuffer:
    """A camera with one buffer, which it fills again once it was given back."""

    def __init__(self) -> None:
        self.info = SimpleNamespace(frames=6)
        self.buffer = np.zeros((32, 64, 3), np.uint8)
        self.is_lent, self.count = False, 0

    def __enter__(self) -> OneBuffer:
        return self

    def __exit__(self, *_: object) -> None:
        self.buffer[:] = 255

    def read(self) -> Frame:
        assert not self.is_lent, "a camera has no more buffers"
        self.is_lent = True
        self.buffer[:] = self.count
        self.count += 1
        return Frame(self.buffer, PixelFormat.RGB, 0, self.count, release=self.give_back)

    def give_back(self) -> None:
        self.is_lent = False


def test_frames_of_a_camera_are_copied_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roadseg.calibration.frames.open_source", lambda uri: OneBuffer())
    taken = calibration_frames("v4l2:///dev/video0", 3, "train")
    assert [int(each.frame.pixels.max()) // 2 for each in taken] == [0, 1, 2]


def test_a_corrupt_frame_is_passed_over(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((32, 64, 3), np.uint8))
    (tmp_path / "1.png").write_bytes(b"")
    assert len(calibration_frames(str(tmp_path), 3, "train")) == 2


def test_sources_without_frames(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images in this folder"):
        calibration_frames(str(tmp_path), 3, "train")
    (tmp_path / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match="there are no frames in it"):
        calibration_frames(str(tmp_path), 3, "train")
    with pytest.raises(DataError, match="no such file"):
        calibration_frames("nowhere.mp4", 3, "train")
    with pytest.raises(DataError, match="at least 1 is needed"):
        calibration_frames("synthetic:", 0, "train")


def test_a_split_that_is_not_there(roads: Path) -> None:
    with pytest.raises((DataError, UsageError), match="extra"):
        calibration_frames(str(roads), 3, "extra")
