"""seg-export as a user types it: what it makes, what it says, and each bad input."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from roadseg.calibration import calibration_frames
from roadseg.export import frames
from roadseg.export.cli import main
from roadseg.export.frames import public_name
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.engines import open_engine
from roadseg.runtime.spec import IGNORE, METADATA_KEY

Told = pytest.CaptureFixture[str]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_checkpoint_to_int8(checkpoint: Path, roads: Path, tmp_path: Path, capsys: Told) -> None:
    out = tmp_path / "models"
    words = [str(checkpoint), "--int8", "--data", str(roads), "--out", str(out), "--name", "mine"]
    assert main([*words, "--max-drop", "100", "--half-weights", "--head", "mask"]) == 0
    assert files(out) == ["export.html", "mine-int8-mask.onnx", "mine-int8.onnx", "mine.onnx"]
    told = capsys.readouterr().out
    for column in ("MB", "nodes", "onnxruntime ms", "mIoU", "same pixels", "what changed"):
        assert column in told
    assert "convolutions in INT8" in told
    assert "weights kept as float16" in told
    assert f"next: seg-run {out / 'mine-int8.onnx'} --camera 0" in told
    whole, small = (read_artifact(out / name)[1] for name in ("mine.onnx", "mine-int8.onnx"))
    assert (whole.precision, small.precision) == ("float32", "int8")
    assert small.quantization["method"] == "minmax"
    assert small.quantization["source"] == "roads"
    assert small.source_sha256 != whole.source_sha256
    assert {"onnx", "onnxruntime", "onnxsim", "torch"} <= set(whole.versions)


def test_an_artefact_is_exported_again_at_another_size(
    exported: Path, tmp_path: Path, capsys: Told
) -> None:
    words = [
        str(exported / "mobileunet.onnx"),
        "--int8",
        "--out",
        str(tmp_path),
        "--size",
        "192x128",
    ]
    words += ["--data", "synthetic:?size=96x64", "--calib-frames", "3", "--score-frames", "2"]
    assert main([*words, "--max-disagreement", "100", "--method", "mse"]) == 0
    spec = read_artifact(tmp_path / "mobileunet-int8.onnx")[1]
    assert (spec.width, spec.height) == (192, 128)
    assert "without labels" in capsys.readouterr().out
    engine = open_engine(tmp_path / "mobileunet-int8.onnx")
    engine.input[:] = 90
    assert np.isfinite(engine.infer()).all()


def test_the_same_artefact_comes_of_the_same_frames(
    exported: Path, roads: Path, tmp_path: Path
) -> None:
    words = [str(exported / "mobileunet.onnx"), "--int8", "--data", str(roads), "--max-drop", "100"]
    for name in ("a", "b"):
        assert main([*words, "--out", str(tmp_path / name)]) == 0
    first, second = ((tmp_path / name / "mobileunet-int8.onnx").read_bytes() for name in "ab")
    assert first == second


def test_inspect(exported: Path, capsys: Told) -> None:
    assert main(["--inspect", str(exported / "mobileunet-int8.onnx")]) == 0
    told = capsys.readouterr().out
    assert "mobileunet, int8" in told
    assert "3 road (drivable)" in told
    assert "128x64 RGB uint8" in told


def test_labels_of_other_classes_are_not_scored(
    exported: Path, roads: Path, tmp_path: Path, capsys: Told
) -> None:
    other = tmp_path / "other"
    other.symlink_to(roads)
    path = tmp_path / "renamed.onnx"
    model = onnx.load(exported / "mobileunet.onnx")
    entry = next(each for each in model.metadata_props if each.key == METADATA_KEY)
    raw = json.loads(entry.value)
    raw["classes"][0]["name"] = "heaven"
    entry.value = json.dumps(raw)
    onnx.save(model, path)
    words = [str(path), "--int8", "--data", str(other), "--out", str(tmp_path / "o")]
    assert main([*words, "--max-disagreement", "100"]) == 0
    assert "have other classes: compared pixel by pixel" in capsys.readouterr().out


@pytest.fixture
def bad(exported: Path, checkpoint: Path, tmp_path: Path) -> dict[str, Path]:
    """Models that cannot be exported, by what is wrong with them."""
    whole = (exported / "mobileunet.onnx").read_bytes()
    made = {
        "empty": tmp_path / "empty.onnx",
        "cut": tmp_path / "cut.onnx",
        "foreign": tmp_path / "foreign.onnx",
        "checkpoint": tmp_path / "cut.pt",
        "pickle": tmp_path / "other.pt",
        "folder": tmp_path / "clips",
        "int8": exported / "mobileunet-int8.onnx",
        "float": exported / "mobileunet.onnx",
    }
    made["empty"].write_bytes(b"")
    made["cut"].write_bytes(whole[: len(whole) // 2])
    model = onnx.load_model_from_string(whole)
    del model.metadata_props[:]
    onnx.save(model, made["foreign"])
    made["checkpoint"].write_bytes(checkpoint.read_bytes()[:5000])
    made["pickle"].write_bytes(b"\x80\x04K\x01.")
    made["folder"].mkdir()
    return made


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nowhere.onnx"], 2, "neither a file nor a shipped network"),
        (["nowhere.pt"], 2, "nowhere.pt"),
        (["{empty}"], 2, "the file is empty"),
        (["{cut}"], 2, "cut short"),
        (["{foreign}"], 2, "has no ModelSpec"),
        (["{checkpoint}"], 2, "cut.pt"),
        (["{pickle}"], 2, "other.pt"),
        (["{int8}", "--int8"], 2, "is int8 and ends in logits: export starts from"),
        (["{float}", "--size", "100x64"], 2, "multiples of"),
        (["{float}", "--size", "100"], 2, "is not WIDTHxHEIGHT"),
        (
            ["{float}", "--method", "kl"],
            2,
            "unknown method 'kl': known are entropy, minmax, mse",
        ),
        (["{float}", "--name", "../x"], 2, "the name '../x' cannot begin a file's name"),
        (["{float}", "--name", ".x"], 2, "the name '.x' cannot begin a file's name"),
        (["{float}", "--head", "boxes"], 2, "unknown head 'boxes'"),
        (["{float}", "--int8", "--calib-frames", "0"], 2, "calib_frames is 0"),
        (["{float}", "--int8", "--max-drop", "-1"], 2, "max_drop is -1.0"),
        (["{float}", "--int8", "--data", "{folder}"], 2, "no images in this folder"),
        (["{float}", "--int8", "--data", "nowhere.mp4"], 2, "no such file"),
        (["{float}", "--int8", "--data", "camvid:nowhere"], 2, "no such folder"),
        (["{float}", "--int8", "--data", "synthetic:?colour=1"], 2, "unknown option 'colour'"),
        (["{float}", "--int8", "--seed", "-1"], 2, "seed is -1: it must not be negative"),
        (["--inspect", "{foreign}"], 2, "has no ModelSpec"),
        ([], 2, "no model"),
    ],
)
def test_bad_input(
    bad: dict[str, Path], tmp_path: Path, capsys: Told, words: list[str], code: int, message: str
) -> None:
    out = tmp_path / "out"
    told = [word.format(**bad) for word in words]
    assert main([*told, "--out", str(out)]) == code
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
    assert files(out) == []


def test_a_folder_that_cannot_be_is_told_before_any_work(
    bad: dict[str, Path], capsys: Told
) -> None:
    assert main([str(bad["float"]), "--out", str(bad["cut"])]) == 2
    assert capsys.readouterr().err.strip().endswith("cut.onnx is no folder")


@pytest.mark.parametrize("name", ["source", "road-mask"])
def test_names_that_steps_have_too(exported: Path, tmp_path: Path, capsys: Told, name: str) -> None:
    words = [str(exported / "mobileunet.onnx"), "--name", name, "--out", str(tmp_path)]
    assert main([*words, "--data", "synthetic:?size=96x64", "--score-frames", "1"]) == 0
    assert files(tmp_path) == ["export.html", f"{name}.onnx"]
    assert f"next: seg-run {tmp_path / name}.onnx --camera 0" in capsys.readouterr().out


def test_a_folder_of_the_users_is_not_replaced(
    exported: Path, tmp_path: Path, capsys: Told
) -> None:
    (tmp_path / "mobileunet.onnx").mkdir()
    (tmp_path / "mobileunet.onnx" / "mine").touch()
    words = [str(exported / "mobileunet.onnx"), "--data", "synthetic:?size=96x64"]
    assert main([*words, "--score-frames", "1", "--out", str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert files(tmp_path / "mobileunet.onnx") == ["mine"]


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("camvid:/home/me/CamVid", "camvid:CamVid"),
        ("/home/me/road.mp4", "road.mp4"),
        ("synthetic:?size=96x64", "synthetic:?size=96x64"),
        ("v4l2:///dev/video2", "v4l2:video2"),
        ("rtsp://me:secret@10.0.0.1", "rtsp:10.0.0.1"),
        ("rtsp://10.0.0.1/live?user=me&password=secret", "rtsp:live"),
        ("gst:rtspsrc location=rtsp://me:secret@10.0.0.1 ! decodebin", "gst:"),
    ],
)
def test_what_is_stored_of_where_frames_came_from(uri: str, name: str) -> None:
    assert public_name(uri) == name


def test_a_password_is_not_told(
    model: Path, tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = calibration_frames("synthetic:?size=96x64", 1, "all")
    monkeypatch.setattr(frames, "calibration_frames", lambda *_: rendered)
    words = [str(model), "--int8", "--data", "rtsp://me:secret@10.0.0.1/live"]
    assert main([*words, "--max-disagreement", "100", "--out", str(tmp_path)]) == 0
    told = "".join(capsys.readouterr())
    assert "calibrating with 1 frames of rtsp:live" in told
    assert "secret" not in told


def test_a_gate_that_is_missed_leaves_the_old_artefacts(
    exported: Path, roads: Path, tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    import roadseg.export.gate as gate

    def lost(self: object, whole: object, small: object) -> gate.Loss:
        return gate.Loss(7.0, 0.5, "points of mIoU", "--max-drop")

    monkeypatch.setattr(gate.Limits, "loss", lost)
    (tmp_path / "mobileunet.onnx").write_text("older")
    words = [str(exported / "mobileunet.onnx"), "--int8", "--data", str(roads)]
    assert main([*words, "--out", str(tmp_path), "--score-frames", "1"]) == 1
    assert "INT8 loses 7.00 points of mIoU" in capsys.readouterr().err
    assert files(tmp_path) == ["mobileunet.onnx"]
    assert (tmp_path / "mobileunet.onnx").read_text() == "older"


STOP = """
import os, signal, sys
from roadseg.export import run
run.frames_to_score = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
from roadseg.export.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_stop_leaves_nothing(model: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOP, str(model), "--out", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (130, "seg-export: stopped\n")
    assert files(tmp_path) == []


def test_a_full_disk(exported: Path, tmp_path: Path) -> None:
    """The limit of a file's size stands for a disk that is full: writing fails in the same way."""
    size = (exported / "mobileunet.onnx").stat().st_size // 2
    out = tmp_path / "out"
    words = [
        str(exported / "mobileunet.onnx"),
        "--out",
        str(out),
        "--data",
        "synthetic:?size=96x64",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "roadseg.export.cli", *words, "--score-frames", "1"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "File too large" in done.stderr
    assert files(out) == []


def without(*modules: str) -> dict[str, str]:
    """An environment in which modules cannot be imported."""
    return {**os.environ, "WITHOUT": ",".join(modules)}


BLOCK = """
import os, sys
for name in os.environ["WITHOUT"].split(","):
    sys.modules[name] = None
from importlib import util
real = util.find_spec
util.find_spec = lambda name, *rest: None if sys.modules.get(name, 0) is None else real(name, *rest)
from roadseg.export.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_int8_from_an_artefact_needs_no_torch(exported: Path, tmp_path: Path) -> None:
    words = [str(exported / "mobileunet.onnx"), "--int8", "--out", str(tmp_path)]
    words += ["--data", "synthetic:?size=96x64", "--calib-frames", "2", "--score-frames", "1"]
    done = subprocess.run(
        [sys.executable, "-c", BLOCK, *words, "--max-disagreement", "100"],
        env=without("torch", "timm", "torchvision"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert files(tmp_path) == ["export.html", "mobileunet-int8.onnx", "mobileunet.onnx"]


@pytest.mark.parametrize(
    ("module", "extra", "model"), [("torch", "train", "last.pt"), ("onnxsim", "export", "x.onnx")]
)
def test_a_missing_extra(tmp_path: Path, module: str, extra: str, model: str) -> None:
    (tmp_path / model).write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-c", BLOCK, str(tmp_path / model), "--out", str(tmp_path / "o")],
        env=without(module),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert f"pip install 'roadseg[{extra}]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_labels_of_void_only_are_not_scored(
    exported: Path, roads: Path, tmp_path: Path, capsys: Told
) -> None:
    """Every mask of the data set is void: there is nothing to hold mIoU against."""
    folder = tmp_path / "void"
    shutil.copytree(roads, folder)
    masks = [each for each in folder.rglob("*.png") if "mask" in str(each.parent)]
    assert masks
    for path in masks:
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.full_like(mask, IGNORE))
    words = [str(exported / "mobileunet.onnx"), "--data", str(folder)]
    assert main([*words, "--out", str(tmp_path / "o")]) == 0
    assert "are void throughout: compared pixel by pixel" in capsys.readouterr().out
