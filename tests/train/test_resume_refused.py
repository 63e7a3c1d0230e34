"""What a run does not go on from, and is not written over: one line, and every file as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from roadseg.runtime.errors import ModelError
from roadseg.train import cli
from roadseg.train.checkpoint import load_checkpoint, read

Argv = Callable[..., list[str]]


@pytest.fixture(scope="module", params=["none", "denoise"])
def finished(
    blocks: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> list[str]:
    """The arguments of a run that is done."""
    out = tmp_path_factory.mktemp("finished") / "run"
    words = ["--data", str(blocks), "--out", str(out), "--weights", "none", "--epochs", "1"]
    words += ["--backbone", "mobilenetv2_050", "--crop", "64x64", "--threads", "1"]
    words += ["--pretrain", request.param]
    assert cli.main(words) == 0
    return words


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.startswith("seg-train: ")
    return told


@pytest.mark.parametrize("kept", [0, 1, 1000, 0.5, -1])
def test_damaged_checkpoint_is_refused_in_one_line(
    finished: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: float
) -> None:
    whole = (Path(option(finished, "--out")) / "last.pt").read_bytes()
    length = round(len(whole) * kept) if isinstance(kept, float) else kept
    damaged = tmp_path / "last.pt"
    damaged.write_bytes(whole[:length])
    words = [*finished, "--resume", "--out", str(tmp_path)]
    assert "is not a checkpoint of seg-train" in refused(words, capsys)
    assert damaged.read_bytes() == whole[:length]
    with pytest.raises(ModelError, match="is not a checkpoint of seg-train"):
        load_checkpoint(damaged)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--network", "deeplabv3plus"), "was trained with another network"),
        (("--classes", "road"), "was trained with another classes"),
        (("--holdout", "b"), "was trained with another trained_on"),
        (("--optimizer", "sgd"), "resume with the same --optimizer"),
        (("--optimizer", "adam"), "resume with the same --optimizer"),
        (("--size", "192x128"), "was trained with another width"),
        (("--size", "96x128"), "was trained with another height"),
        (("--batch-size", "4"), "had 1 steps an epoch, with these options there are 3: resume"),
    ],
)
def test_run_is_not_resumed_with_other_options(
    finished: list[str],
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, ...],
    message: str,
) -> None:
    assert message in refused([*finished, "--resume", *change], capsys)


def test_run_is_not_written_over(finished: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    last = Path(option(finished, "--out")) / "last.pt"
    before = last.read_bytes()
    told = f"{last.parent} has a run: go on with --resume, or give another --out"
    assert told in refused(finished, capsys)
    assert last.read_bytes() == before


def test_checkpoint_of_a_newer_version_or_another_tool_is_refused(
    taught: Path, tmp_path: Path
) -> None:
    content = read(taught)
    torch.save(content | {"schema": 99}, tmp_path / "newer.pt")
    with pytest.raises(ModelError, match="newer roadseg"):
        load_checkpoint(tmp_path / "newer.pt")
    torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
    with pytest.raises(ModelError, match="is not a checkpoint of seg-train"):
        load_checkpoint(tmp_path / "foreign.pt")
    torch.save(content | {"average": {}}, tmp_path / "empty.pt")
    with pytest.raises(ModelError, match="its weights do not fit its network"):
        load_checkpoint(tmp_path / "empty.pt")


def test_nothing_is_not_resumed(
    argv: Argv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(argv("--pretrain", "denoise", "--resume"), capsys)
    assert f"there is no checkpoint {tmp_path}/run/last.pt" in told
    assert not list(tmp_path.iterdir())


def test_a_training_and_a_denoising_do_not_go_on_from_each_other(
    argv: Argv,
    taught: Path,
    denoised_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(taught.parent, tmp_path / "taught")
    shutil.copytree(denoised_run, tmp_path / "denoised")
    before = {path: path.read_bytes() for path in tmp_path.glob("*/*.*")}
    told = refused(argv("--pretrain", "denoise", "--resume", out="taught"), capsys)
    assert "taught/last.pt is not a run of --pretrain denoise: give another --out" in told
    for more in ((), ("--qat", "--weights", str(taught))):
        told = refused(argv("--resume", *more, out="denoised"), capsys)
        assert "denoised/last.pt is a run of --pretrain denoise: resume it with that" in told
    for out in ("taught", "denoised"):
        for kind in ("none", "denoise"):
            told = refused(argv("--pretrain", kind, out=out), capsys)
            assert "has a run: go on with --resume, or give another --out" in told
    assert before == {path: path.read_bytes() for path in tmp_path.glob("*/*.*")}


def test_what_it_goes_on_from_is_no_network(
    argv: Argv, denoised_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its head has three channels, as many as the classes here."""
    last = denoised_run / "last.pt"
    told = refused(argv("--weights", str(last)), capsys)
    assert f"{last} is to resume --pretrain denoise: give denoised.pt beside it" in told
    with pytest.raises(ModelError, match=r"is a run of --pretrain denoise: .* its denoised\.pt"):
        load_checkpoint(last)


def test_other_frames_are_not_resumed(
    argv: Argv, denoised_run: Path, blocks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = argv("--pretrain", "denoise", "--resume", "--unlabelled", str(blocks / "images"))
    words[words.index("--out") + 1] = str(denoised_run)
    before = (denoised_run / "last.pt").read_bytes()
    assert "was trained with another trained_on" in refused(words, capsys)
    assert (denoised_run / "last.pt").read_bytes() == before
