"""export.html, as it is written and as a browser shows it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from roadseg.export.cli import main


@pytest.fixture(scope="module")
def page(exported: Path, roads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page")
    words = [str(exported / "mobileunet.onnx"), "--int8", "--sensitivity", "--data", str(roads)]
    assert main([*words, "--max-drop", "100", "--out", str(out)]) == 0
    return out / "export.html"


def test_it_tells_the_whole_export(page: Path) -> None:
    text = page.read_text()
    for heading in ("Artefacts", "Nodes, step by step", "What is integer", "What each layer loses"):
        assert heading in text
    for word in ("mobileunet-int8.onnx", "QuantizeLinear", "convolutions in INT8", "dB"):
        assert word in text
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert str(page.parent) not in text
    boxes = re.findall(r"<title>Conv \S+: (\w+)</title>", text)
    assert len(boxes) > 10
    assert set(boxes) == {"INT8"}


def test_the_pictures_are_pictures_and_the_difference_is_marked(page: Path) -> None:
    text = page.read_text()
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)" alt="(\w+)"', text)
    rows = len(found) // 3
    assert rows >= 1
    assert [name for _, name in found] == ["float", "INT8", "difference"] * rows
    for content, name in found:
        raw = np.frombuffer(base64.b64decode(content), np.uint8)
        picture = cv2.imdecode(raw, cv2.IMREAD_COLOR).astype(int)
        assert picture.shape == (240, 480, 3)
        magenta = (picture[..., 0] - picture[..., 1] > 90) & (
            picture[..., 2] - picture[..., 1] > 90
        )
        if name == "difference":
            assert magenta.mean() < 0.2


def test_nothing_is_integer_without_int8(model: Path, tmp_path: Path) -> None:
    words = [str(model), "--fp16", "--head", "mask", "--data", "synthetic:?size=96x64"]
    assert main([*words, "--score-frames", "1", "--out", str(tmp_path)]) == 0
    assert "What is integer" not in (tmp_path / "export.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (500, True)])
def test_a_browser_shows_it(
    page: Path, tmp_path: Path, look: Callable[..., dict[str, Any]], width: int, dark: bool
) -> None:
    found = look(page.read_text(), tmp_path, width, dark)
    assert (found["errors"], found["wide"], found["cut"], found["plots"]) == ([], 0, [], 2)
