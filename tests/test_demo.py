"""What `make demo` runs, in the environment of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_demo_makes_what_it_says(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "examples" / "demo.py"), "--out", str(tmp_path / "demo")]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [Path(line.strip()) for line in done.stdout.split("Look at")[-1].splitlines() if line]
    assert {path.name for path in told} == {"road.mp4", "sheet.png", "report.html"}
    assert all(path.stat().st_size > 10_000 for path in told)
    capture = cv2.VideoCapture(str(tmp_path / "demo" / "road.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 150
