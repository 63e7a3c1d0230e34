"""A network of another tool, its description, and what refusing it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from foreign_network import DESCRIBED, network

from roadseg.export.cli import main


@pytest.fixture
def described(tmp_path: Path) -> Callable[..., Path]:
    """Write a description with some values changed; None takes one away."""

    def write(**changes: object) -> Path:
        values = {name: v for name, v in {**DESCRIBED, **changes}.items() if v is not None}
        path = tmp_path / "theirs.json"
        path.write_text(json.dumps(values))
        return path

    return write


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.onnx"
    onnx.save(network(), path)
    return path


@pytest.fixture
def refused(
    described: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Export a changed network; return the one line that refuses it. Nothing is written."""

    def export(
        change: Callable[[onnx.ModelProto], None],
        *words: str,
        values: dict[str, Any] | None = None,
        code: int = 2,
    ) -> str:
        model, path, out = network(), tmp_path / "theirs.onnx", tmp_path / "out"
        change(model)
        path.write_bytes(model.SerializeToString())
        spec = described(**(values or {}))
        assert main([str(path), "--spec", str(spec), *words, "--out", str(out)]) == code
        line = capsys.readouterr().err
        assert len(line.splitlines()) == 1
        assert not list(out.glob("*"))
        return line

    return export
