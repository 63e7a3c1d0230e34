"""Recipes: those in the package train, a run's own gives it again, and bad ones are told."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from roadseg.runtime.options import parse_options
from roadseg.train import cli
from roadseg.train.checkpoint import read
from roadseg.train.options import TrainOptions
from roadseg.train.outputs import Outputs
from roadseg.train.recipe import FOLDER, RECIPE, recipe_text, shipped_recipes, with_recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# What makes each recipe quick here; the rest of it stays as it is.
SMALL = '{"depths": [1, 1, 1, 1, 1, 1, 1], "widths": [8, 8, 8, 8], "stem_stride": 4, "blocks": 1}'
LIGHT = ["--backbone", "mobilenetv2_050", "--network-options", SMALL, "--weights", "none"]
RESNET = ["--backbone", "mobilenetv2_050", "--network-options", '{"width": 8}']
QUICK = {
    "light-camvid": LIGHT,
    "light-roads": LIGHT,
    "binary-unet": ["--network-options", '{"widths": [8, 16]}'],
    "cityscapes-resnet101": RESNET,
}


def resolve(*words: str) -> TrainOptions:
    return parse_options("seg-train", TrainOptions, with_recipe(words))


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outputs, "draw", lambda *_: None)


@pytest.mark.parametrize("name", sorted(QUICK))
def test_recipe_trains(
    name: str, roads: Path, tmp_path: Path, no_pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "cityscapes-resnet101":
        pytest.importorskip("segmentation_models_pytorch", reason="the extra 'networks'")
    data = f"{roads},{roads}" if name == "light-roads" else str(roads)
    words = ["--recipe", name, "--data", data, "--out", str(tmp_path), *QUICK[name]]
    words += ["--size", "128x64", "--crop", "64x64", "--batch-size", "4", "--epochs", "1"]
    assert cli.main([*words, "--threads", "1", "--workers", "0"]) == 0
    kept = tomllib.loads((tmp_path / RECIPE).read_text())
    assert (tmp_path / RECIPE).read_text() in capsys.readouterr().out
    given = {word[2:].replace("-", "_") for word in words if word.startswith("--")}
    for key, value in tomllib.loads((FOLDER / f"{name}.toml").read_text()).items():
        assert key in given or kept[key] == value, key
    losses = [row["loss"] for row in read(tmp_path / "last.pt")["history"]]
    assert len(losses) == 1 and losses[0] > 0


def test_recipes_are_told_by_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(QUICK) == shipped_recipes()
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    told = " ".join(capsys.readouterr().out.split()).replace("- ", "-")
    for name in shipped_recipes():
        assert name in told


def test_kept_recipe_gives_the_run_again(
    argv: Callable[..., list[str]], tmp_path: Path, no_pictures: None
) -> None:
    assert cli.main(argv()) == 0
    first = tmp_path / "run"
    again = ["--recipe", str(first / RECIPE), "--out", str(tmp_path / "again")]
    assert cli.main(again) == 0
    one, other = (read(folder / "last.pt") for folder in (first, tmp_path / "again"))
    assert all(torch.equal(value, other["model"][key]) for key, value in one["model"].items())
    assert (first / RECIPE).read_bytes() == (tmp_path / "again" / RECIPE).read_bytes()
    assert cli.main([*again, "--resume", "--epochs", "3"]) == 0
    assert tomllib.loads((tmp_path / "again" / RECIPE).read_text())["epochs"] == 3


def test_command_line_overrides_whatever_its_place(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'data = ["a", "b"]\nmix = [3, 5]\nlr = 1\nresume = true\nout = "runs/x"\nholdout = []\n'
        'size = "64x32"\nnetwork_options = {stride = 2, widths = [8, 16]}\n'
    )
    for words in (["--recipe", str(file), "--lr=2"], ["lr=2", f"recipe={file}"]):
        options = resolve(*words)
        assert (options.data, options.mix, options.lr) == (("a", "b"), (3, 5), 2.0)
        assert options.resume and options.out == Path("runs/x") and str(options.size) == "64x32"
        assert json.loads(options.network_options) == {"stride": 2, "widths": [8, 16]}
    assert not resolve("--recipe", str(file), "--no-resume").resume


def test_text_of_options_reads_back(tmp_path: Path) -> None:
    words = ["--data", 'a "quoted" \\ path,ü', "--out", "x", "--lr", "1e-7", "--qat"]
    options = resolve(*words, "--weights", "w.pt", "--size", "64x32", "--mix", "1,2")
    file = tmp_path / "kept.toml"
    file.write_text(recipe_text(options, {"a": [1, {"b": True}]}), encoding="utf-8")
    again = resolve("--recipe", str(file), "--out", "x")
    assert json.loads(again.network_options) == {"a": [1, {"b": True}]}
    same = {k: v for k, v in vars(again).items() if k not in ("recipe", "network_options")}
    assert same == {key: getattr(options, key) for key in same}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 'many'", 'epochs is "many": it must be a whole number'),
        ("epochs = 1.5", "epochs is 1.5: it must be a whole number"),
        ("epochs = true", "epochs is true: it must be a whole number"),
        ("lr = '1'", 'lr is "1": it must be a number'),
        ("qat = 1", "qat is 1: it must be true or false"),
        ("network = 3", "network is 3: it must be text"),
        ("network_options = 3", "network_options is 3: it must be text"),
        ("crop = '64'", 'crop is "64": it must be WIDTHxHEIGHT'),
        ("crop = 64", "crop is 64: it must be WIDTHxHEIGHT"),
        ("data = 'a'", 'data is "a": it must be a list, each text'),
        ("mix = [1, 'a']", 'mix is [1, "a"]: it must be a list, each a whole number'),
        ("lr = 2020-01-01", 'lr is "2020-01-01": it must be a number'),
        ("learning_rate = 1", "'learning_rate': known are"),
        ("recipe = 'light-camvid'", "'recipe': known are"),
        ("[train]\nlr = 1", "'train': known are"),
        ("lr = ", "the recipe cannot be read (Invalid value"),
        ("\xff", "the recipe cannot be read ("),
    ],
)
def test_bad_recipe_is_told_in_one_line_with_file_and_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(text.encode("latin-1"))
    assert cli.main(["--recipe", str(file), "--data", "a", "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert message in told and str(file) in told and told.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--recipe heavy", "unknown recipe 'heavy': known are a .toml file, binary-unet, "),
        ("--recipe none.toml", "none.toml: the recipe cannot be read (No such file"),
        ("--recipe folder.toml", "folder.toml: the recipe cannot be read (Is a directory)"),
        ("--recipe", "argument --recipe: expected one argument"),
        ("--recipe binary-unet", "the following arguments are required: --data"),
    ],
)
def test_wrong_recipe_option(
    words: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.toml").mkdir()
    assert cli.main(["--out", "run", *words.split()]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
