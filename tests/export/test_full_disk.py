"""A real file system that fills up, wherever an export is then: one line, nothing half-written."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadseg.export import targets
from roadseg.export.cli import main

Told = pytest.CaptureFixture[str]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"a small file system cannot be mounted: {error}")
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def leave(folder: Path, room: int) -> None:
    """Fill a file system but for some bytes."""
    with (folder / "others").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - room))


@pytest.mark.parametrize("target", ["", "openvino", "ncnn", "torchscript", "coreml"])
def test_a_disk_that_fills_up(
    exported: Path, disk: Path, target: str, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = exported / "mobileunet.onnx"
    (disk / "mobileunet.onnx").write_bytes(b"older")
    words = [str(model), "--data", "synthetic:?size=96x64", "--score-frames", "1"]
    if not target:
        leave(disk, model.stat().st_size // 2)
    else:
        pytest.importorskip({"torchscript": "torch", "coreml": "coremltools"}.get(target, target))
        words += ["--to", target]
        real = targets.TARGETS[target].convert

        def fill_then_convert(artifact: Path, out: Path) -> str:
            leave(disk, 50_000)
            return real(artifact, out)

        monkeypatch.setattr(targets.TARGETS[target], "convert", fill_then_convert)
    assert main([*words, "--out", str(disk)]) == 1
    err = capsys.readouterr().err
    assert re.search("No space left on device|disk full", err)
    assert len(err.splitlines()) == 1
    assert sorted(path.name for path in disk.iterdir()) == ["mobileunet.onnx", "others"]
    assert (disk / "mobileunet.onnx").read_bytes() == b"older"
