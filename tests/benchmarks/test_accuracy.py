"""seg-bench --data: rows, reports and sheets of a network whose masks are known."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.benchmarks import measure
from roadseg.benchmarks.cli import main
from roadseg.benchmarks.rows import Row, read_rows
from roadseg.runtime.engines.onnxruntime_engine import OnnxRuntimeEngine
from roadseg.runtime.images import read_image

Capture = pytest.CaptureFixture[str]
COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
QUICK = ("--n", "1", "--warmup", "0", "--engine", "onnxruntime")


def classes(names: dict[str, tuple[int, int, int]], drivable: str = "red") -> str:
    return "".join(
        f'[[classes]]\nname = "{name}"\ncolor = {list(color)}\ndrivable = '
        f"{'true' if name == drivable else 'false'}\n"
        for name, color in names.items()
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four drives by day and night, 64x32: left red, right green; some labels are wrong."""
    folder = tmp_path / "stripes"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(4):
        image = np.zeros((32, 64, 3), np.uint8)
        image[:, :32], image[:, 32:] = (20, 20, 230), (20, 230, 20)
        mask = np.zeros((32, 64), np.uint8)
        mask[:, 32:] = 1
        mask[: 8 * number, 32:] = 2  # called green, said to be blue
        name = f"d{number}_{'night' if number > 1 else 'day'}_0.png"
        cv2.imwrite(str(folder / "images" / name), image)
        cv2.imwrite(str(folder / "masks" / name), mask)
    about = 'name = "stripes"\ngroup = "^(d.)"\ncondition = "(day|night)"\n'
    (folder / "dataset.toml").write_text(about + classes(COLORS))
    return folder


def score(*words: object, out: Path) -> Row:
    argv = [*map(str, words), *QUICK, "--split", "all", "--out", str(out)]
    assert main(argv) == 0
    return next(row for row in read_rows(out / "rows.jsonl") if row.kind == "accuracy")


def test_a_row_has_all_scores(model: Path, data: Path, tmp_path: Path) -> None:
    row = score(model, "--data", data, out=tmp_path / "out")
    assert row.confusion["classes"] == ["red", "green", "blue"]
    assert row.confusion["counts"] == [[4096, 0, 0], [0, 2560, 0], [0, 1536, 0]]
    assert row.iou == pytest.approx({"red": 1.0, "green": 2560 / 4096, "blue": 0.0})
    assert row.class_scores["green"]["precision"] == pytest.approx(2560 / 4096)
    assert row.class_scores["green"]["recall"] == 1
    assert row.class_scores["red"]["dice"] == 1
    assert row.class_scores["red"]["boundary_iou"] == 1
    assert row.class_scores["red"]["average_precision"] == pytest.approx(1)
    parts = {(part["by"], part["name"]): part for part in row.parts}
    assert parts["group", "d0"]["miou"] == row.groups["d0"] == 1
    assert parts["condition", "day"]["n"] == 2
    assert parts["condition", "day"]["miou"] > parts["condition", "night"]["miou"]
    assert row.interval["groups"] == 4
    assert row.interval["low"] <= (row.miou or 0) <= row.interval["high"]


def test_reports_show_them(model: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    row = score(model, "--data", data, "--worst", 2, out=out)
    assert [frame["name"] for frame in row.worst] == ["d3_night_0", "d2_night_0"]
    sheet = read_image(out / "worst-colours.png")
    assert sheet.shape[1] == 4 * (360 + 6) + 6
    page, text = (out / "report.html").read_text(), (out / "report.md").read_text()
    for words in ("Confusion matrices", "Precision over recall", "mIoU of each condition"):
        assert f'aria-label="{words}"' in page
    assert "blue, called green: 100.00 % of 1536 pixels" in page
    assert "| colours float32 | d3_night_0 | d3 |" in text or "| d3_night_0 | d3 |" in text
    assert "interval" in json.loads((out / "summary.json").read_text())["verdict"][-1]


def test_without_detail(model: Path, data: Path, tmp_path: Path) -> None:
    row = score(model, "--data", data, "--no-detail", out=tmp_path / "out")
    assert row.curves == {}
    assert set(row.class_scores["red"]) == {"dice", "precision", "recall"}


def test_a_label_map_leads_from_the_model_to_the_data(
    model: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    warm = {"warm": (255, 0, 0), "cold": (0, 0, 255)}
    about = data / "dataset.toml"
    about.write_text(about.read_text().partition("[[classes]]")[0] + classes(warm, drivable="warm"))
    for path in (data / "masks").iterdir():
        cv2.imwrite(str(path), np.minimum(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), 1))
    argv = [str(model), "--data", str(data), "--split", "all", *QUICK]
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert "only the model has red, green, blue; only the data has warm, cold" in error
    mapped = tmp_path / "map.toml"
    text = 'source = "colours"\ntarget = "warmth"\n[map]\nred = "warm"\ngreen = "cold"\n'
    mapped.write_text(text + 'blue = "cold"\n' + classes(warm))
    row = score(model, "--data", data, "--label-map", mapped, out=tmp_path / "out")
    assert row.iou == {"warm": 1, "cold": 1}
    assert row.options["label_map"] == [str(mapped)]
    mapped.write_text(text + "blue = []\n" + classes(warm))
    assert main([*argv, "--label-map", str(mapped)]) == 2
    assert "says nothing of 'blue'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [([], "its classes are not those of"), (["--label-map", "none"], "unknown label map 'none'")],
)
def test_data_that_does_not_fit_costs_no_measurement(
    model: Path,
    data: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    about = data / "dataset.toml"
    about.write_text(about.read_text().replace("blue", "grey"))
    monkeypatch.setattr(measure, "measure_latency", None)
    assert main([str(model), "--data", str(data), "--split", "all", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_corrupt_image_does_not_lose_the_speed(
    model: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    image = data / "images" / "d3_night_0.png"
    image.write_bytes(image.read_bytes()[:50])
    argv = [str(model), "--data", str(data), "--split", "all", *QUICK, "--soak", "2"]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert str(image) in told.err
    assert "ms p50" in told.out
    assert [row.kind for row in read_rows(tmp_path / "out" / "rows.jsonl")] == ["latency", "soak"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["passed"] is False
    assert summary["gates"][0]["detail"] in told.err


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_that_gives_no_numbers_is_told(
    model: Path, data: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    infer = OnnxRuntimeEngine.infer
    monkeypatch.setattr(
        OnnxRuntimeEngine, "infer", lambda self: np.full_like(infer(self), value, np.float32)
    )
    assert main([str(model), "--data", str(data), "--split", "all", *QUICK]) == 2
    error = capsys.readouterr().err
    assert "on onnxruntime: its logits of d0_day_0 are no finite numbers" in error
    assert error.count("\n") == 1


def test_with_a_baseline_all_are_scored_on_the_road(
    model: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    argv = [str(model), "classical:otsu", "--data", str(data), "--split", "all", "--n", "1"]
    assert main([*argv, "--warmup", "0", "--out", str(out)]) == 0
    assert "all are scored on these" in capsys.readouterr().err
    rows = [row for row in read_rows(out / "rows.jsonl") if row.kind == "accuracy"]
    assert [row.engine for row in rows] == ["onnxruntime", "classical"]
    assert [set(row.iou) for row in rows] == [{"road", "other"}] * 2
    assert rows[0].miou == 1
    assert rows[1].options["sha256"] == ""


def test_test_time_augmentation_is_in_the_row(model: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    row = score(model, "--data", data, "--tta", "flip,0.5,2", out=out)
    assert row.options["tta"] == ["flip", "0.5", "2"]
    assert row.options["tta_passes"] == 6
    assert row.iou["red"] > 0.95  # scales blur the edge, no more
    timed = read_rows(out / "rows.jsonl")[0]
    assert (timed.kind, timed.options["tta_passes"]) == ("latency", 6)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--worst", "3"], "--worst needs --data and --out"),
        (["--worst", "-1"], "--worst is -1"),
        (["--tta", "flop"], "--tta flop: give flip, and scales"),
    ],
)
def test_wrong_use(argv: list[str], words: str, capsys: Capture) -> None:
    assert main(argv) == 2
    assert words in capsys.readouterr().err
