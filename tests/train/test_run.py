from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from roadseg.train.checkpoint import load_checkpoint
from roadseg.train.cli import main
from roadseg.train.inputs import count_shared
from roadseg.train.labels import open_splits
from roadseg.train.options import TrainOptions
from roadseg.train.run import train
from roadseg.train.trainer import Trainer

Options = Callable[..., TrainOptions]
PICTURES = ("curves.png", "confusion.png", "predictions.png")


def rows(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def learned(blocks: Path, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A run long enough to learn that a class is a colour."""
    out = tmp_path_factory.mktemp("learned") / "run"
    options = TrainOptions(
        (str(blocks),),
        out,
        weights="none",
        backbone="mobilenetv2_050",
        network_options='{"depths": [1, 1, 1, 1, 1, 1, 1], "widths": [24, 24, 24], "blocks": 1}',
        crop=TrainOptions.crop.parse("64x64"),
        scale_min=0.8,
        scale_max=1.25,
        batch_size=4,
        epochs=16,
        lr=1e-2,
        backbone_lr=1.0,
        ema=0.8,
        evaluate_every=8,
        threads=1,
    )
    return train(options)


def test_it_learns(learned: Trainer) -> None:
    history = learned.state.history
    assert history[-1]["loss"] < history[0]["loss"] / 3
    assert history[-1]["miou"] > 0.9


def test_best_checkpoint_predicts_what_was_measured(learned: Trainer, blocks: Path) -> None:
    from roadseg.train.evaluation import evaluate_each, total

    loaded = load_checkpoint(learned.options.out / "best.pt")
    _, (validation,) = open_splits([str(blocks)], "train", "val", (), "all")
    matrices = evaluate_each(loaded.network, loaded.spec, validation)
    miou = total(matrices, 3).miou
    assert miou == pytest.approx(learned.state.best, abs=1e-6)
    assert loaded.spec.metrics["miou_val"] == pytest.approx(100 * miou, abs=0.01)
    assert loaded.spec.trained_on["dataset"] == "blocks"
    assert loaded.spec.trained_on["groups"] == ["a", "b"]
    assert loaded.options["epochs"] == "16"


def test_pictures_are_drawn_and_differ(learned: Trainer) -> None:
    seen = set()
    for name in PICTURES:
        pixels = cv2.imread(str(learned.options.out / name))
        assert pixels is not None and min(pixels.shape[:2]) >= 300, name
        assert len(np.unique(pixels.astype(np.int64) @ (1, 256, 65536))) > 20, name
        seen.add(pixels.tobytes())
    assert len(seen) == len(PICTURES)


def test_sheet_shows_the_classes_in_their_colours(learned: Trainer) -> None:
    pixels = cv2.imread(str(learned.options.out / "predictions.png"))
    for info in learned.spec.classes:
        assert (pixels == np.array(info.color[::-1])).all(2).mean() > 0.02, info.name


def test_metrics_have_a_row_an_epoch(learned: Trainer) -> None:
    found = rows(learned.options.out)
    assert [row["epoch"] for row in found] == list(range(1, 17))
    assert [row["epoch"] for row in found if "miou" in row] == [8, 16]
    assert found[-1] == learned.state.history[-1]


def test_tensorboard_has_the_scalars(learned: Trainer) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="tensorboard is not installed",
    )
    events = accumulator.EventAccumulator(str(learned.options.out / "tensorboard")).Reload()
    losses = events.Scalars("loss")
    assert [event.step for event in losses] == list(range(1, 17))
    assert losses[-1].value == pytest.approx(learned.state.history[-1]["loss"])
    assert [event.step for event in events.Scalars("iou/road")] == [8, 16]


def test_end_tells_scores_pictures_and_the_next_command(
    argv: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv(out="my run")) == 0
    told = capsys.readouterr().out
    miou: Any = rows(tmp_path / "my run")[-1]["miou"]
    assert f"mean IoU  {100 * miou:5.1f}" in told
    for word in ("road", "grass", "car", *PICTURES):
        assert word in told
    assert f"next: seg-export '{tmp_path}/my run/best.pt' --int8 --data" in told
    assert "\r" not in told


def test_one_class_is_trained_against_all_others(options: Options, tmp_path: Path) -> None:
    trainer = train(options("--classes", "road", "--class-weights", "balanced"))
    assert trainer.spec.class_names == ("other", "road")
    assert set(trainer.state.history[-1]["iou"]) <= {"other", "road"}


def test_images_that_are_validated_on_and_trained_on_are_told(
    options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = train(options("--split", "all", "--epochs", "1")).spec
    told = "4 of the images to validate on are trained on as well: the validation is not"
    assert told in capsys.readouterr().out
    assert spec.trained_on["val_images_learned"] == 4
    spec = train(options("--epochs", "1", out="apart")).spec
    assert "as well" not in capsys.readouterr().out
    assert "val_images_learned" not in spec.trained_on


def test_rendered_images_of_two_seeds_are_not_the_same() -> None:
    uris = ["synthetic:n=8&per_scene=1", "synthetic:n=8&per_scene=1&seed=3"]
    training, validation = open_splits(uris, "train", "val")
    names = [
        {sample.name for part in parts for sample in part.samples}
        for parts in (training, validation)
    ]
    assert names[0] & names[1] and not count_shared(training, validation)


def test_held_out_drive_is_what_is_validated(options: Options) -> None:
    trainer = train(options("--split", "all", "--holdout", "b", "--epochs", "1"))
    assert trainer.spec.trained_on["groups"] == ["a", "c"]
    assert trainer.spec.trained_on["holdout"] == ["b"]
    assert trainer.spec.trained_on["val_split"] == ""
    assert {sample.group for sample in trainer.validation.images.samples} == {"b"}


@pytest.mark.parametrize("amp", ["bfloat16", "float16"])
def test_mixed_precision_trains(options: Options, amp: str) -> None:
    trainer = train(options("--amp", amp, "--epochs", "1"))
    assert trainer.step.precision is getattr(torch, amp)
    assert np.isfinite(trainer.state.history[0]["loss"])
    logits = trainer.step.network.eval()(torch.zeros(1, 3, 64, 64))
    assert logits.dtype is torch.float32
    assert torch.isfinite(logits).all()


def test_minutes_end_a_run_with_the_rate_annealed(options: Options, tmp_path: Path) -> None:
    more = ("--epochs", "99999", "--max-minutes", "0.03", "--evaluate-every", "99999")
    trainer = train(options(*more))
    assert 0 < trainer.state.epoch < 99999
    assert "miou" in trainer.state.history[-1]
    assert trainer.state.history[-1]["lr"] < 0.5 * trainer.options.lr


def test_sgd_cosine_and_deeplab_train(options: Options) -> None:
    config = '{"depths": [1, 1, 1, 1, 1], "aspp_width": 16, "width": 16, "rates": [2], "blocks": 1}'
    more = ("--optimizer", "sgd", "--schedule", "cosine", "--ema", "0", "--loss", "cross-entropy")
    named = ("--network", "deeplabv3plus", "--network-options", config)
    trainer = train(options(*more, *named, "--epochs", "1"))
    assert trainer.spec.name == "deeplabv3plus"


TARGET = "".join(
    f'[[classes]]\nname = "{name}"\ncolor = [{place}, 9, 9]\n'
    for place, name in enumerate(("road", "grass", "car"))
)


def merge_road_and_grass(folder: Path) -> None:
    """Make road and grass of a copy of the blocks one class, ground."""
    for path in (folder / "masks").iterdir():
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.where(mask == 255, 255, mask == 2).astype(np.uint8))
    about = 'name = "land"\ngroup = "^([^_]+)_"\n'
    for name in ("ground", "car"):
        about += f'[[classes]]\nname = "{name}"\ncolor = [9, 9, 9]\n'
    (folder / "dataset.toml").write_text(about)


def test_one_network_learns_from_two_sets(blocks: Path, options: Options, tmp_path: Path) -> None:
    """The second set does not tell road and grass apart, and is scored in its own terms."""
    land = tmp_path / "land"
    shutil.copytree(blocks, land)
    merge_road_and_grass(land)
    maps = {"blocks": ["road", "grass", "car"], "land": ["ground", "car"]}
    for source, names in maps.items():
        lines = [f'{name} = "{name}"' for name in names if name != "ground"]
        lines += ['ground = ["road", "grass"]'] if "ground" in names else []
        text = f'source = "{source}"\ntarget = "blocks"\n{TARGET}[map]\n' + "\n".join(lines)
        (tmp_path / f"{source}.toml").write_text(text)
    files = ",".join(str(tmp_path / f"{source}.toml") for source in maps)
    words = ["--data", f"{blocks},{land}", "--label-maps", files, "--lr", "0.01", "--epochs", "8"]
    trainer = train(options(*words))
    other = trainer.state.history[-1]["others"]["land"]
    assert set(other["iou"]) == {"car", "road/grass"}
    assert other["miou"] > 0.5
    assert trainer.spec.trained_on["dataset"] == "blocks + land"
    assert trainer.spec.trained_on["images"] == 24
