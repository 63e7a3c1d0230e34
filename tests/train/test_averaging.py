"""Averaging: the mean of weights, in a checkpoint that is one; networks that differ are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from roadseg.export.simplify import simplify
from roadseg.export.to_onnx import checkpoint_to_onnx, with_spec
from roadseg.train.averaging import main
from roadseg.train.checkpoint import load_checkpoint, read, save
from roadseg.train.cli import main as seg_train
from roadseg.train.networks.folding import layers


@pytest.fixture
def taught_on(taught: Path, tmp_path: Path, argv: Callable[..., list[str]]) -> Path:
    """A checkpoint that went on from `taught` with a drive held out that it had learned."""
    more = ("--weights", str(taught), "--holdout", "b", "--epochs", "1", "--seed", "1")
    assert seg_train(argv(*more, out="on")) == 0
    return tmp_path / "on" / "last.pt"


def test_it_is_the_weighted_mean(taught: Path, taught_on: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "both.pt"
    assert main([str(out), f"{taught}:1", f"{taught_on}:3"]) == 0
    both = load_checkpoint(out).network.state_dict()
    one = load_checkpoint(taught).network.state_dict()
    other = load_checkpoint(taught_on).network.state_dict()
    for name, value in both.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.25 * one[name] + 0.75 * other[name])
        else:
            assert torch.equal(value, other[name])
    assert any(not torch.equal(one[name], other[name]) for name in one if "running_var" in name)


def test_it_tells_what_it_learned_from(taught: Path, taught_on: Path, tmp_path: Path) -> None:
    out = tmp_path / "both.pt"
    assert main([str(out), f"{taught}:0.3", f"{taught_on}:0.7"]) == 0
    spec = load_checkpoint(out).spec
    assert spec.metrics == {}
    assert sorted(spec.trained_on["groups"]) == ["a", "b"]
    assert spec.trained_on["holdout"] == []  # the first one has learned it
    assert [(each["file"], each["share"]) for each in spec.trained_on["averaged"]] == [
        ("run/best.pt", 0.3),
        ("on/last.pt", 0.7),
    ]


def test_a_training_goes_on_from_it(
    taught: Path, taught_on: Path, tmp_path: Path, argv: Callable[..., list[str]]
) -> None:
    out = tmp_path / "both.pt"
    assert main([str(out), f"{taught}:0.5", f"{taught_on}:0.5"]) == 0
    assert seg_train(argv("--weights", str(out), "--epochs", "1")) == 0


def test_what_went_on_from_an_artefact_is_averaged_with_it(
    taught: Path, tmp_path: Path, argv: Callable[..., list[str]]
) -> None:
    artefact = tmp_path / "taught.onnx"
    onnx.save(with_spec(*checkpoint_to_onnx(taught)), artefact)
    words = argv("--weights", str(artefact), "--epochs", "1", "--network-options", "", out="on")
    assert seg_train(words) == 0
    start = load_checkpoint(tmp_path / "on" / "start.pt")
    images = torch.randn(1, 3, 32, 64)
    with torch.no_grad():
        wanted, found = load_checkpoint(taught).network(images), start.network(images)
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)
    assert start.spec.trained_on == load_checkpoint(taught).spec.trained_on
    parts = [f"{tmp_path}/on/{name}.pt:0.5" for name in ("start", "last")]
    assert main([str(tmp_path / "both.pt"), *parts]) == 0


def test_other_weights_need_no_copy_of_their_start(taught_on: Path) -> None:
    assert not (taught_on.parent / "start.pt").exists()


def test_an_artefact_is_made_of_it(taught: Path, taught_on: Path, tmp_path: Path) -> None:
    out = tmp_path / "both.pt"
    assert main([str(out), f"{taught}:0.5", f"{taught_on}:0.5"]) == 0
    assert checkpoint_to_onnx(out)[1].trained_on["averaged"]


@torch.no_grad()
def blown_up(path: Path, out: Path, factor: float) -> None:
    """Write a checkpoint that computes the same: its norms undo a factor of the weights."""
    content, loaded = read(path), load_checkpoint(path)
    for conv, norm in layers(loaded.network):
        conv.weight.mul_(factor)
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.mul_(factor)
        norm.running_var.copy_((norm.running_var + norm.eps) * factor**2 - norm.eps)
    save(out, loaded.spec, content | {"average": loaded.network.state_dict()})


def test_a_factor_that_norms_undo_does_not_change_the_folded_mean(
    taught: Path, taught_on: Path, tmp_path: Path
) -> None:
    blown_up(taught_on, tmp_path / "blown.pt", 10.0)
    images = torch.randn(1, 3, 32, 64)
    outputs = {}
    for name, path, more in (
        ("mean", taught_on, ["--folded"]),
        ("blown", tmp_path / "blown.pt", ["--folded"]),
        ("raw", tmp_path / "blown.pt", []),
    ):
        out = tmp_path / f"{name}_mean.pt"
        assert main([str(out), f"{taught}:0.6", f"{path}:0.4", *more]) == 0
        with torch.no_grad():
            outputs[name] = load_checkpoint(out).network(images)
    torch.testing.assert_close(outputs["blown"], outputs["mean"], atol=1e-3, rtol=1e-3)
    assert (outputs["raw"] - outputs["mean"]).abs().max() > 0.1


def test_the_folded_mean_is_the_mean_of_the_artefacts_weights(
    taught: Path, taught_on: Path, tmp_path: Path
) -> None:
    out = tmp_path / "both.pt"
    assert main([str(out), f"{taught}:0.25", f"{taught_on}:0.75", "--folded"]) == 0
    one, other, both = map(exported, (taught, taught_on, out))
    assert one.keys() == other.keys() == both.keys()
    for name, value in both.items():
        np.testing.assert_allclose(value, 0.25 * one[name] + 0.75 * other[name], atol=1e-5)


def exported(path: Path) -> dict[str, NDArray[np.float32]]:
    """The weights of a checkpoint's artefact, with norms folded, by name."""
    model = simplify(checkpoint_to_onnx(path)[0])
    tensors = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    return {name: each for name, each in tensors.items() if each.dtype == np.float32}


@pytest.fixture
def others(taught: Path, tmp_path: Path) -> dict[str, Path]:
    """The same weights under other classes, and as another network."""
    content = read(taught)
    spec = load_checkpoint(taught).spec
    average = {"average": content["average"]}
    renamed = spec.replace(classes=spec.classes[::-1])
    save(tmp_path / "classes.pt", renamed, average)
    save(tmp_path / "quantized.pt", spec.replace(mean=0.0), average)
    (tmp_path / "damaged.pt").write_bytes(taught.read_bytes()[:1000])
    return {path.stem: path for path in tmp_path.glob("*.pt")}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{taught}:0.3 {classes}:0.7", "differ in classes: average alike ones"),
        ("{taught}:0.3 {quantized}:0.7", "differ in mean: average alike ones"),
        ("{taught}:0.3 {damaged}:0.7", "damaged.pt is not a checkpoint of seg-train, or is"),
        ("{taught}:0.3 nowhere.pt:0.7", "there is no checkpoint nowhere.pt"),
        ("{taught}:0.3", "averaging takes two checkpoints or more"),
        ("{taught}:0.3 {taught}", "give a checkpoint and its share, such as runs/last.pt:0.7"),
        ("{taught}:0.3 {taught}:-1", "give a checkpoint and its share"),
        ("{taught}:0.3 {taught}:nan", "give a checkpoint and its share"),
        ("{taught}:0.3 :1", "give a checkpoint and its share"),
    ],
)
def test_what_cannot_be_averaged(
    words: str,
    message: str,
    taught: Path,
    others: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out" / "both.pt"
    assert main([str(out), *words.format(taught=taught, **others).split()]) == 2
    told = capsys.readouterr().err
    assert message in told and told.startswith("averaging: ") and told.count("\n") == 1
    assert not out.parent.exists()


def test_a_folder_is_no_checkpoint_to_write(
    taught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), f"{taught}:0.3", f"{taught}:0.7"]) == 2
    assert capsys.readouterr().err == f"averaging: cannot write {tmp_path}: it is a folder\n"


def test_another_network_is_refused(
    taught: Path,
    tmp_path: Path,
    argv: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = argv("--network", "roadnet", "--backbone", "", "--network-options", "", "--epochs", "1")
    assert seg_train(words) == 0
    other = tmp_path / "run" / "last.pt"
    assert main([str(tmp_path / "both.pt"), f"{taught}:0.3", f"{other}:0.7"]) == 2
    assert "are of different networks or options of it" in capsys.readouterr().err
    assert main([str(tmp_path / "both.pt"), f"{other}:0.3", f"{other}:0.7", "--folded"]) == 2
    assert "follows no convolution: leave --folded out" in capsys.readouterr().err
