"""Biases fitted to mIoU: they make up for a head that prefers a class, and change nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from roadseg.runtime.engines import open_engine
from roadseg.train.checkpoint import load_checkpoint, read, save
from roadseg.train.cli import main as seg_train
from roadseg.train.logit_adjustment import main
from roadseg.train.miou_biases import Sampled, fit_biases

Told = pytest.CaptureFixture[str]


def sampled(labels: np.ndarray, logits: np.ndarray, to_label: list[int]) -> Sampled:
    table = np.array(to_label, np.uint8)
    return Sampled("x", logits.astype(np.float32), labels.astype(np.uint8), table, np.unique(table))


@pytest.fixture
def mixed() -> tuple[np.ndarray, np.ndarray]:
    """Labels of three classes, and logits that tell them but prefer the second by 2."""
    random = np.random.default_rng(0)
    labels = random.choice(3, 3000, p=[0.7, 0.2, 0.1])
    logits = random.normal(0, 0.4, (3, 3000))
    logits[labels, np.arange(3000)] += 2
    return labels, logits + np.array([[0], [2], [0]])


def test_a_preference_is_found(mixed: tuple[np.ndarray, np.ndarray]) -> None:
    sample = sampled(*mixed, [0, 1, 2])
    biases = fit_biases([sample])
    assert sample.miou(np.zeros(3, np.float32)) < 0.8 < 0.99 < sample.miou(biases)
    assert biases[1] - max(biases[0], biases[2]) == pytest.approx(-2, abs=0.8)


def test_classes_that_are_not_told_apart_are_as_right(
    mixed: tuple[np.ndarray, np.ndarray],
) -> None:
    labels, logits = mixed
    joined = sampled(np.where(labels == 2, 4, 3), logits + np.array([[0], [0], [9]]), [3, 4, 4])
    assert joined.miou(np.array([0, -2, -9], np.float32)) < 0.9  # the second is never the third
    alone = sampled(np.where(labels == 0, 3, 4), logits + np.array([[0], [0], [1]]), [3, 4, 4])
    assert alone.miou(np.array([0, -2, -1], np.float32)) > 0.99


def test_what_cannot_get_better_stays(mixed: tuple[np.ndarray, np.ndarray]) -> None:
    labels, _ = mixed
    sample = sampled(labels, np.eye(3)[:, labels], [0, 1, 2])
    assert sample.miou(np.zeros(3, np.float32)) == 1
    assert not fit_biases([sample]).any()


@pytest.fixture
def spoilt(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint whose head prefers the second class by 2."""
    average = read(checkpoint)["average"]
    average["head.bias"][1] += 2
    save(tmp_path / "spoilt.pt", load_checkpoint(checkpoint).spec, {"average": average})
    return tmp_path / "spoilt.pt"


def test_a_checkpoint_is_adjusted(spoilt: Path, roads: Path, tmp_path: Path, capsys: Told) -> None:
    out = tmp_path / "new" / "adjusted.pt"
    assert main([str(out), str(spoilt), "--data", str(roads)]) == 0
    told = capsys.readouterr().out
    before, after = read(spoilt)["average"], read(out)["average"]
    moved = [name for name in after if not torch.equal(after[name], before[name])]
    assert moved == ["head.bias"]
    spec = load_checkpoint(out).spec
    biases = (after["head.bias"] - before["head.bias"]).numpy()
    assert spec.trained_on["logit_adjustment"] == pytest.approx(
        dict(zip(spec.class_names, biases, strict=True)), abs=1e-5
    )
    assert biases[1] == biases.min() <= -1
    scores = [line.split() for line in told.splitlines() if "mIoU" in line]
    assert [line[:2] for line in scores] == [
        ["synthetic,", "fitted:"],
        ["synthetic,", "validated:"],
    ]
    for line in scores:
        assert float(line[5]) > float(line[3]) + 5
    assert f"next: seg-export {out} --int8 --data {roads}" in told


def test_an_artefact_is_adjusted(exported: Path, roads: Path, tmp_path: Path) -> None:
    model, out = exported / "mobileunet.onnx", tmp_path / "adjusted.pt"
    assert main([str(out), str(model), "--data", str(roads)]) == 0
    made = load_checkpoint(out)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 128, 3)).astype(np.uint8)
    engine = open_engine(model, threads=1)
    engine.input[:] = pixels
    biases = np.array(list(made.spec.trained_on["logit_adjustment"].values()), np.float32)
    wanted = engine.infer() + biases[:, None, None]
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    found = made.network((planes - made.spec.mean) / made.spec.scale)[0].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    variances = [
        value for name, value in made.network.state_dict().items() if "running_var" in name
    ]
    assert not any(torch.all(value == 1) for value in variances)  # measured, to train on


def test_biases_of_two_fits_are_told_as_one(spoilt: Path, roads: Path, tmp_path: Path) -> None:
    once, twice = tmp_path / "once.pt", tmp_path / "twice.pt"
    assert main([str(once), str(spoilt), "--data", str(roads), "--images", "2"]) == 0
    assert main([str(twice), str(once), "--data", str(roads)]) == 0
    moved = read(twice)["average"]["head.bias"] - read(spoilt)["average"]["head.bias"]
    told = load_checkpoint(twice).spec.trained_on["logit_adjustment"]
    assert list(told.values()) == pytest.approx(moved.tolist(), abs=1e-5)
    assert load_checkpoint(once).spec.trained_on["logit_adjustment"] != told


def test_a_held_out_drive_is_reported_on(
    taught: Path, blocks: Path, tmp_path: Path, capsys: Told
) -> None:
    words = [str(tmp_path / "out.pt"), str(taught), "--data", str(blocks), "--holdout", "b"]
    assert main([*words, "--images", "2"]) == 0
    told = capsys.readouterr().out
    assert told.count("(2000 pixels)") == 2


def test_a_training_goes_on_from_it(
    taught: Path, blocks: Path, tmp_path: Path, argv: Callable[..., list[str]]
) -> None:
    out = tmp_path / "adjusted.pt"
    assert main([str(out), str(taught), "--data", str(blocks)]) == 0
    assert seg_train(argv("--weights", str(out), "--epochs", "1")) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{out} {taught}", "the following arguments are required: --data"),
        ("{out} nowhere.pt --data {blocks}", "there is no checkpoint nowhere.pt"),
        ("{out} {blocks} --data {blocks}", "there is no checkpoint"),
        ("{out} mobileunet-int8 --data {blocks}", "is int8: training starts from a float32"),
        ("{out} mobileunet --data {blocks}", "mobileunet tells apart sky, building"),
        ("{out} {taught} --data {blocks} --classes road", "the data other, road"),
        ("{out} {taught} --data {blocks} --holdout z", "unknown group 'z': known are"),
        ("{out} {taught} --data {blocks} --images 0", "images is 0: give 1 or more"),
        ("{folder} {taught} --data {blocks}", "it is a folder"),
    ],
)
def test_what_cannot_be_adjusted(
    words: str, message: str, taught: Path, blocks: Path, tmp_path: Path, capsys: Told
) -> None:
    out = tmp_path / "new" / "adjusted.pt"
    given = {"out": out, "taught": taught, "blocks": blocks, "folder": tmp_path}
    assert main(words.format(**given).split()) == 2
    told = capsys.readouterr().err
    assert message in told and told.startswith("logit_adjustment: ") and told.count("\n") == 1
    assert not out.parent.exists()
