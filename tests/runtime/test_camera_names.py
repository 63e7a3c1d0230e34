"""Names of cameras, as udev links them, in a tree of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadseg.runtime.errors import SourceError, UsageError
from roadseg.runtime.sources.v4l2 import cameras

LINK = "usb-maker_Road_Camera_0001-video-index0"


@pytest.fixture
def by_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of links; the machine's own devices are out of sight."""
    folder = tmp_path / "by-id"
    folder.mkdir()
    (tmp_path / "video4").touch()
    (folder / LINK).symlink_to(tmp_path / "video4")
    monkeypatch.setattr(cameras, "LINKS", (folder, tmp_path / "by-path"))
    monkeypatch.setattr(cameras, "CLASS", tmp_path / "class")
    monkeypatch.setattr(cameras, "_nodes", list)
    return folder


def test_a_part_of_the_name_is_enough(by_id: Path) -> None:
    assert cameras.resolve(LINK) == cameras.resolve("road_camera") == str(by_id / LINK)
    assert cameras.stable_path(str(by_id.parent / "video4")) == str(by_id / LINK)


def test_a_link_that_udev_is_making_is_no_other_camera(by_id: Path) -> None:
    """It is made under a hidden name and renamed; a moment before, the node may be the old one."""
    (by_id.parent / "video5").touch()
    (by_id / f".#{LINK}10358abf026c2c7f3").symlink_to(by_id.parent / "video5")
    assert cameras.resolve("Road_Camera") == str(by_id / LINK)


def test_a_link_that_leads_nowhere_is_no_camera(by_id: Path) -> None:
    (by_id.parent / "video4").unlink()
    with pytest.raises(SourceError, match="there is no camera 'Road_Camera'"):
        cameras.resolve("Road_Camera")


def test_two_cameras_of_one_name_are_told(by_id: Path) -> None:
    (by_id.parent / "video5").touch()
    (by_id / LINK.replace("0001", "0002")).symlink_to(by_id.parent / "video5")
    with pytest.raises(UsageError, match="several cameras are called 'Road_Camera'"):
        cameras.resolve("Road_Camera")
