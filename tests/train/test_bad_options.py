"""Every wrong option ends in one line that says what to do, exit code 2, and nothing written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.train.cli import main

Argv = Callable[..., list[str]]


def refused(words: list[str], capsys: pytest.CaptureFixture[str], folder: Path) -> str:
    capsys.readouterr()
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith("seg-train: ")
    assert told.count("\n") == 1
    assert not list(folder.glob("run*"))
    return told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--epochs 0", "epochs is 0: it must be at least 1"),
        ("--epochs many", "invalid int value: 'many'"),
        ("--batch-size 0", "batch_size is 0"),
        ("--batch-size 1 --crop 32x32", "give a larger --crop or --batch-size"),
        ("--workers -1", "workers is -1"),
        ("--threads -1", "threads is -1"),
        ("--lr 0", "lr is 0.0: it must be more than 0"),
        ("--lr nan", "lr is nan"),
        ("--lr inf", "lr is inf"),
        ("--backbone-lr -1", "backbone_lr is -1.0"),
        ("--weight-decay -0.1", "weight_decay is -0.1"),
        ("--loss dise", "unknown loss 'dise': known are bce, boundary"),
        ("--loss focal+", "unknown loss ''"),
        ("--loss dice+2*dice", "loss dice+2*dice: dice is there twice"),
        ("--loss x*dice", "loss x*dice: 'x' is not a weight, a number of more than 0"),
        ("--loss dice+0*focal", "'0' is not a weight"),
        ("--loss nan*dice", "'nan' is not a weight"),
        ("--loss boundary", "sees outlines alone: add another, cross-entropy+boundary"),
        ("--loss dice --class-weights sqrt", "class_weights weigh cross-entropy, focal, ohem"),
        ("--deep-supervision -1", "deep_supervision is -1.0"),
        ("--deep-supervision nan", "deep_supervision is nan"),
        ("--ema 1", "ema is 1.0: it must be at least 0 and less than 1"),
        ("--clip -1", "clip is -1.0"),
        ("--accumulate 0", "accumulate is 0"),
        ("--accumulate 3", "batch_size 4 cannot be shared by 1 processes in 3 pieces"),
        ("--patience -1", "patience is -1"),
        ("--profile -1", "profile is -1"),
        ("--warmup -1", "warmup is -1.0"),
        ("--evaluate-every -1", "evaluate_every is -1"),
        ("--max-minutes -1", "max_minutes is -1.0"),
        ("--seed -1", "seed is -1"),
        ("--scale-min 0", "scale_min is 0.0"),
        ("--scale-min 2 --scale-max 1", "scale_max 1.0 is less than scale_min 2.0"),
        ("--aspect 0.9", "aspect is 0.9: it must be at least 1"),
        ("--scale-max nan", "scale_max is nan"),
        ("--flip 1.5", "flip is 1.5: it must be 0 to 1"),
        ("--rotation 90", "rotation is 90.0: it must be 0 to 45"),
        ("--color -1", "color is -1.0: it must be 0 to 2"),
        ("--weather 2", "weather is 2.0: it must be 0 to 1"),
        ("--weather rain", "invalid float value: 'rain'"),
        ("--elastic -0.1", "elastic is -0.1"),
        ("--blur nan", "blur is nan"),
        ("--noise 7", "noise is 7.0"),
        ("--jpeg 50", "jpeg is 50.0"),
        ("--cutmix -1", "cutmix is -1.0"),
        ("--show-augmentation --data nowhere", "nowhere: there is no such data set"),
        ("--optimizer lion", "unknown optimizer 'lion': known are adam, adamw, sgd"),
        ("--schedule step", "unknown schedule 'step': known are cosine, onecycle, poly"),
        ("--amp fp16", "unknown amp 'fp16': known are auto, bfloat16, float16, off"),
        ("--class-weights yes", "unknown class_weights 'yes'"),
        ("--device tpu", "unknown device 'tpu': known are auto, cpu, cuda"),
        ("--crop 64", "'64' is not WIDTHxHEIGHT, such as 1024x512"),
        ("--crop 60x64", "crop 60x64: both sides must be multiples of 32"),
        ("--crop 0x64", "crop 0x64: both sides must be multiples of 32"),
        ("--size 100x64", "both sides must be multiples of 32; try 96x64"),
        ("--network resunet", "unknown network 'resunet': known are deeplabv3plus, "),
        ("--backbone resnet", "unknown backbone 'resnet': light ones are"),
        ("--network-options {]", "network_options is not JSON"),
        ("--network-options [1]", "network_options is neither JSON nor a file: [1]"),
        ("--network-options none.json", "network_options is neither JSON nor a file"),
        ('--network-options {"widths":[-1,8,8,8]}', "cannot be used (Trying to create tensor"),
        ('--network-options {"pruned":[1]}', "cannot be used ("),
        ('--network-options {"width":3}', "unknown network option 'width'"),
        ("--weights none.pt", "no weights at none.pt"),
        ("--data nowhere", "nowhere: there is no such data set"),
        ("--data camvid:nowhere", "nowhere: there is no such folder"),
        ("--split test", "there is no such split"),
        ("--holdout z", "unknown group 'z': known are a, b"),
        ("--classes sky", "unknown class 'sky': known are all, car, grass, road"),
        ("--resume", "there is no checkpoint"),
        ("--colour red", "unrecognized arguments"),
    ],
)
def test_wrong_option(
    argv: Argv, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert message in refused(argv(*words.split(" ")), capsys, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "network_options is neither JSON nor a file"),
        (b"[1]", "network_options is [1]: give names and values"),
        (b'"roadnet"', 'network_options is "roadnet": give names and values'),
    ],
)
def test_file_of_no_network_options(
    argv: Argv, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    file = tmp_path / "options.json"
    file.write_bytes(content)
    assert message in refused(argv("--network-options", str(file)), capsys, tmp_path)


def test_a_batch_of_fewer_images_than_data_sets_is_told(
    argv: Argv, blocks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = argv("--data", f"{blocks},{blocks}", "--batch-size", "1")
    message = "batch_size 1 has no image for each of 2 data sets: give a larger --batch-size"
    assert message in refused(words, capsys, tmp_path)


@pytest.mark.parametrize("kind", ["none", "denoise"])
def test_no_folder_to_write_to_is_told_before_any_work(
    argv: Argv, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    (tmp_path / "file").write_text("kept")
    for out in ("file", "file/run"):
        told = refused(argv("--pretrain", kind, out=out), capsys, tmp_path)
        assert f"cannot write {tmp_path / out}: {tmp_path / 'file'} is no folder" in told
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize(("drives", "purpose"), [("ab", "train"), ("c", "validate")])
def test_labels_that_are_all_void_are_told(
    blocks: Path,
    argv: Argv,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    drives: str,
    purpose: str,
) -> None:
    folder = tmp_path / "void"
    shutil.copytree(blocks, folder)
    for path in (folder / "masks").glob(f"[{drives}]_*"):
        cv2.imwrite(str(path), np.full((64, 96), 255, np.uint8))
    told = refused(argv("--data", str(folder)), capsys, tmp_path)
    assert f"blocks: no labelled image to {purpose} on" in told


def test_missing_data_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(["--out", str(tmp_path / "run")], capsys, tmp_path)
    assert "the following arguments are required: --data" in told


def test_no_cuda_is_told(argv: Argv, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    told = refused(argv("--device", "cuda"), capsys, tmp_path)
    assert "PyTorch finds no CUDA device; give --device cpu" in told


def test_images_without_masks_are_told(
    blocks: Path, argv: Argv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "bare"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    (folder / "dataset.toml").write_text((blocks / "dataset.toml").read_text())
    cv2.imwrite(str(folder / "images" / "a_0.png"), np.zeros((64, 64, 3), np.uint8))
    words = argv("--data", str(folder), "--split", "all", "--val-split", "all")
    assert "no labelled image to train on" in refused(words, capsys, tmp_path)


def test_damaged_image_is_told(
    blocks: Path, argv: Argv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "damaged"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
        for path in (blocks / part).iterdir():
            (folder / part / path.name).write_bytes(path.read_bytes())
    (folder / "dataset.toml").write_text((blocks / "dataset.toml").read_text())
    victim = folder / "images" / "b_001.png"
    victim.write_bytes(victim.read_bytes()[:900])
    for workers in ("0", "2"):
        words = argv("--data", str(folder), "--split", "all", "--val-split", "all")
        told = refused([*words, "--workers", workers], capsys, tmp_path)
        assert "b_001.png: the PNG is cut short" in told


def test_loss_that_overflows_is_told(
    argv: Argv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = argv("--lr", "1e30", "--warmup", "0", "--optimizer", "sgd", "--epochs", "9")
    assert main(words) == 1
    told = capsys.readouterr().err
    assert "try a lower --lr or --clip 1, from the start" in told and told.count("\n") == 1
    assert not list(tmp_path.rglob("*.pt"))  # what is no number is not kept


def test_help_needs_no_torch() -> None:
    code = (
        "import sys\nfrom roadseg.train.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'cv2', 'matplotlib', 'timm'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--backbone-lr" in done.stdout
