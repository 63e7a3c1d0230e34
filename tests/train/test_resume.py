"""Runs that are repeated, resumed, and really killed at moments that the test does not choose."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from roadseg.train import cli
from roadseg.train.checkpoint import DENOISING, FORMAT, load_checkpoint, read
from roadseg.train.denoising import pretrain
from roadseg.train.loop import Loop
from roadseg.train.options import TrainOptions
from roadseg.train.run import train

Options = Callable[..., TrainOptions]
EPOCHS = 8
ALL = "--optimizer adam --weight-decay 0 --schedule onecycle --clip 1 --accumulate 2"
EVERYTHING = (*ALL.split(), "--amp", "float16", "--patience", "9")
KINDS = {"none": FORMAT, "denoise": DENOISING}  # of last.pt, by --pretrain

both = pytest.mark.parametrize("kind", KINDS)


def equal(one: object, other: object) -> bool:
    """Compare nested containers of tensors bit by bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def learned(folder: Path, kind: str = "none") -> dict[str, object]:
    """All that was learned: weights, their average, the optimizer's state, the scores."""
    content = read(folder / "last.pt", KINDS[kind])
    keys = ("model", "average", "optimizer", "scaler", *(("matrix",) if kind == "none" else ()))
    found = {key: content[key] for key in keys}
    scores = [(row["epoch"], row["loss"], row.get("miou")) for row in content["history"]]
    return found | {"scores": scores}


def epochs(folder: Path) -> list[int]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["epoch"] for line in lines]


def usable(folder: Path, kind: str) -> dict[str, torch.Tensor]:
    """The weights that a run leaves to be used."""
    if kind == "none":
        return dict(load_checkpoint(folder / "best.pt").network.state_dict())
    found: dict[str, torch.Tensor] = torch.load(folder / "denoised.pt", weights_only=True)
    return found


def carry_out(options: TrainOptions) -> Loop:
    return train(options) if options.pretrain == "none" else pretrain(options)


@both
def test_same_seed_same_run(options: Options, tmp_path: Path, kind: str) -> None:
    for out, words in (("one", "--workers 1"), ("two", "--workers 3"), ("three", "--seed 1")):
        carry_out(options("--pretrain", kind, *words.split(), out=out))
    one = learned(tmp_path / "one", kind)
    assert equal(one, learned(tmp_path / "two", kind))
    assert not equal(one, learned(tmp_path / "three", kind))


@both
def test_killed_at_any_moment_it_resumes_to_the_same_bits(
    argv: Callable[..., list[str]], tmp_path: Path, kind: str
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["roadseg.train.run", "timm"])
    more = ("--epochs", str(EPOCHS), "--evaluate-every", "4", "--pretrain", kind)

    whole = context.Process(target=cli.main, args=(argv(*more, out="whole"),))
    whole.start()
    whole.join()

    chance = random.Random(11)
    last = tmp_path / "killed" / "last.pt"
    kills = 0
    while True:
        resume = ("--resume",) if last.exists() else ()
        before = last.stat().st_mtime_ns if resume else 0
        process = context.Process(target=cli.main, args=(argv(*more, *resume, out="killed"),))
        process.start()
        while process.is_alive() and not (last.exists() and last.stat().st_mtime_ns > before):
            time.sleep(0.002)
        process.join(chance.uniform(0, 0.4))
        if process.is_alive():
            kills += 1
            process.kill()
        process.join()
        if process.exitcode == 0:
            break
    assert kills >= 2
    assert equal(learned(tmp_path / "whole", kind), learned(tmp_path / "killed", kind))
    assert epochs(tmp_path / "killed") == list(range(1, EPOCHS + 1))
    assert equal(usable(tmp_path / "whole", kind), usable(tmp_path / "killed", kind))
    assert not list((tmp_path / "killed").glob(".*part*"))


def interrupt(patch: pytest.MonkeyPatch, at: int) -> None:
    """Let Ctrl-C be pressed in the second step of an epoch, counted from 0."""

    def interrupted(loop: Loop, epoch: int) -> Iterator[torch.Tensor]:
        for number, loss in enumerate(steps(loop, epoch)):
            if (epoch, number) == (at, 1):
                raise KeyboardInterrupt
            yield loss

    steps = Loop.steps
    patch.setattr(Loop, "steps", interrupted)


@both
def test_with_all_that_has_a_state_it_resumes_to_the_same_bits(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    more = ("--epochs", "4", *EVERYTHING, "--pretrain", kind)
    carry_out(options(*more, out="whole"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt(patch, 2)
        carry_out(options(*more, out="stopped"))
    assert epochs(tmp_path / "stopped") == [1, 2]
    carry_out(options(*more, "--resume", out="stopped"))
    assert equal(learned(tmp_path / "whole", kind), learned(tmp_path / "stopped", kind))


@both
@pytest.mark.parametrize(
    ("epoch", "told"),
    [
        (0, "seg-train: stopped in its first epoch: nothing is kept\n"),
        (1, "seg-train: stopped after epoch 1: go on with --resume\n"),
    ],
)
def test_ctrl_c_tells_how_to_go_on(
    argv: Callable[..., list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    epoch: int,
    told: str,
) -> None:
    interrupt(monkeypatch, epoch)
    assert cli.main(argv("--pretrain", kind)) == 130
    assert capsys.readouterr().err == told
    assert (tmp_path / "run").exists() is bool(epoch)


@both
def test_finished_run_resumes_to_nothing_but_its_report(
    options: Options, tmp_path: Path, kind: str
) -> None:
    more = ("--pretrain", kind)
    carry_out(options(*more))
    before = learned(tmp_path / "run", kind)
    for name in (".last.1.part.pt", ".denoised.1.part.pt"):  # half-written when it was killed
        (tmp_path / "run" / name).touch()
    carry_out(options(*more, "--resume"))
    assert not list((tmp_path / "run").glob(".*part*"))
    assert equal(before, learned(tmp_path / "run", kind))
    assert epochs(tmp_path / "run") == [1, 2]
    carry_out(options(*more, "--resume", "--epochs", "3"))
    assert epochs(tmp_path / "run") == [1, 2, 3]


@both
def test_what_it_goes_on_with_are_the_options_given(options: Options, kind: str) -> None:
    carry_out(options("--pretrain", kind, "--epochs", "1", "--backbone-lr", "0.5"))
    changed = "--epochs 2 --resume --lr 1e-9 --weight-decay 0 --backbone-lr 1".split()
    run = carry_out(options("--pretrain", kind, *changed))
    groups = run.step.optimizer.param_groups
    assert {(group["peak"], group["weight_decay"]) for group in groups} == {(1e-9, 0.0)}
    assert all(group["lr"] < 1e-9 for group in groups)
