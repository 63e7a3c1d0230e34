from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.train.cli import main


def test_a_sheet_is_written_and_nothing_is_trained(
    argv: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--show-augmentation", "--weather", "0.5", "--cutmix", "1"]
    assert main(argv(*words)) == 0
    path = tmp_path / "run" / "augmentation.png"
    assert capsys.readouterr().out == f"wrote {path}\n"
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    sheet = cv2.imread(str(path))
    assert sheet is not None and sheet.shape[0] > sheet.shape[1] > 1000
    # Each of 15 rows has pictures: many colours, between strips of paper.
    busy = (sheet != 255).any(2).mean(1) > 0.1
    rows = int((np.diff(busy.astype(int)) == 1).sum()) + int(busy[0])
    assert rows >= 15
