"""`seg-bench report`: reports and gates from rows that are there already."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadseg.benchmarks.cli import main
from roadseg.benchmarks.ending import collect, finish
from roadseg.benchmarks.gates import Limits
from roadseg.benchmarks.outputs import Outputs
from roadseg.benchmarks.rows import Row, read_rows, write_rows
from roadseg.runtime.errors import UsageError

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def path(tmp_path: Path, rows: list[Row]) -> Path:
    write_rows(tmp_path / "rows.jsonl", rows)
    return tmp_path / "rows.jsonl"


def test_all_reports(path: Path, rows: list[Row], capsys: Capture) -> None:
    out = path.parent / "new" / "bench"
    assert main(["report", str(path), "--out", str(out), "--min-fps", "10"]) == 0
    names = {"rows.jsonl", "report.md", "report.html", "summary.json", "junit.xml"}
    assert {one.name for one in out.iterdir()} == names
    assert read_rows(out / "rows.jsonl") == rows
    assert json.loads((out / "summary.json").read_text())["passed"] is True
    assert ElementTree.parse(out / "junit.xml").getroot()[0].get("tests") == "3"
    text = capsys.readouterr().out
    assert str(out / "report.html") in text
    assert "gates: all 3 passed" in text


def test_several_files_are_one_report(path: Path, make_row: object, capsys: Capture) -> None:
    assert main(["report", str(path), str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5  # header, three results, next


def test_a_named_file_goes_where_it_is_named(path: Path) -> None:
    html = path.parent / "elsewhere.html"
    assert main(["report", str(path), "--out", str(path.parent / "b"), "--html", str(html)]) == 0
    assert html.exists()
    assert not (path.parent / "b" / "report.html").exists()


def test_missed_gates_are_told_one_by_one(path: Path, capsys: Capture) -> None:
    assert main(["report", str(path), "--min-fps", "30", "--min-miou", "72.09%"]) == 1
    missed = capsys.readouterr().err.splitlines()
    assert len(missed) == 2
    assert missed[0].startswith("seg-bench: missed: mobileunet float32")
    assert "wanted at least 30 (min-fps)" in missed[0]
    assert "72.08 % mIoU, wanted at least 72.09 (min-miou)" in missed[1]


def test_a_regression_is_missed(path: Path, rows: list[Row], capsys: Capture) -> None:
    old = path.parent / "old.jsonl"
    faster = {name: value / 1.3 for name, value in rows[0].latency_ms.items()}
    row = Row(**{**rows[0].__dict__, "latency_ms": faster})
    write_rows(old, [row, *rows[1:]])
    again = ["report", str(path), "--compare", str(old)]
    assert main(again) == 1
    assert "+30.0%, may +10%" in capsys.readouterr().err
    assert main([*again, "--tolerance", "40%"]) == 0


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["report"], "name a file of rows"),
        (["report", "none.jsonl"], "none.jsonl: No such file"),
        (["report", "ROWS", "--compare", ""], "--compare names no file"),
        (["report", "ROWS", "--compare", "none.jsonl"], "none.jsonl: No such file"),
        (["report", "ROWS", "--out", "ROWS"], "cannot write ROWS"),
        (["report", "ROWS", "--html", "FOLDER"], "it is a folder"),
        (["report", "ROWS", "--jsonl", "/proc/none/rows.jsonl"], "cannot write /proc/none"),
        (["report", "ROWS", "--tolerance", "much"], "not a share such as 10%"),
        (["report", "ROWS", "--min-fps", "fast"], "invalid float value: 'fast'"),
        (["--n", "0"], "--n is 0: use 1 or more"),
        (["--warmup", "-1"], "--warmup is -1"),
        (["--engine", ""], "--engine names no engine"),
        (["--min-miou", "70"], "--min-miou needs --data"),
        (["--max-growth", "1"], "--max-growth needs --soak"),
        (["--size", "big"], "not WIDTHxHEIGHT"),
    ],
)
def test_wrong_use(path: Path, argv: list[str], words: str, capsys: Capture) -> None:
    for name, real in (("ROWS", str(path)), ("FOLDER", str(path.parent))):
        argv = [word.replace(name, real) for word in argv]
        words = words.replace(name, real)
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        (["--compare", "OTHER"], "no row of the same model"),
        (["--max-outside", "5%"], "no row of kind pipeline to hold to it"),
    ],
)
def test_what_was_measured_is_kept_when_a_gate_cannot_be_held(
    path: Path, rows: list[Row], capsys: Capture, gate: list[str], message: str
) -> None:
    other = path.parent / "other.jsonl"
    write_rows(other, [Row(**{**rows[0].__dict__, "model": "another"})])
    outputs = Outputs.named(str(path.parent / "out"))
    limits = Limits(max_outside=0.05 if "--max-outside" in gate else None)
    earlier = read_rows(other) if "--compare" in gate else []
    with pytest.raises(UsageError, match=message):
        finish(rows, earlier, limits, outputs, "seg-bench")
    assert read_rows(path.parent / "out" / "rows.jsonl") == rows
    assert json.loads((path.parent / "out" / "summary.json").read_text())["passed"] is False
    suite = ElementTree.parse(path.parent / "out" / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")


@pytest.mark.parametrize("measured", [0, 2])
def test_what_was_measured_is_kept_when_it_is_stopped(
    tmp_path: Path, rows: list[Row], measured: int
) -> None:
    def measure() -> Iterator[Row]:
        yield from rows[:measured]
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        collect(measure(), Outputs.named(str(out)))
    assert out.exists() is bool(measured)
    if measured:
        assert read_rows(out / "rows.jsonl") == rows[:measured]
        assert json.loads((out / "summary.json").read_text())["gates"][0]["detail"] == "stopped"


@pytest.mark.parametrize("named", [["--out", "FOLDER"], ["--jsonl", "FOLDER/./rows.jsonl"]])
def test_what_is_compared_with_is_not_written_over(
    path: Path, named: list[str], capsys: Capture
) -> None:
    before = path.read_text()
    named = [word.replace("FOLDER", str(path.parent)) for word in named]
    assert main(["report", str(path), "--compare", str(path), *named]) == 2
    assert "keep the earlier rows elsewhere" in capsys.readouterr().err
    assert path.read_text() == before


def test_the_next_command_measures_the_same(model: Path, tmp_path: Path, capsys: Capture) -> None:
    words = [str(model), "--engine", "onnxruntime", "--size", "32x16", "--threads", "1"]
    words += ["--format", "nv12", "--no-detail", "--n", "2", "--warmup", "0"]
    assert main([*words, "--out", str(tmp_path), "--min-fps", "0.1"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("next: "))
    _, *again = shlex.split(line.removeprefix("next: after a change, "))
    assert again[-2:] == ["--compare", str(tmp_path / "rows.jsonl")]
    assert sorted(again[:-2]) == sorted(words)


def test_corrupt_rows_write_nothing(path: Path, capsys: Capture) -> None:
    path.write_text(path.read_text() + '{"schema": 1, "kind"')
    assert main(["report", str(path), "--out", str(path.parent / "out")]) == 2
    assert f"{path}:8: not JSON" in capsys.readouterr().err
    assert not (path.parent / "out").exists()


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom roadseg.benchmarks.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'onnx', 'onnxruntime', 'openvino', 'torch'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--min-fps" in done.stdout
