"""Two processes on the CPU, started by torchrun: they compute what one does, and end together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from one_step import computed

from roadseg.train.checkpoint import DENOISING, read

HERE = Path(__file__).parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
CLI = ["-m", "roadseg.train.cli"]
LIMIT = 300  # seconds until a test gives up on a process

Argv = Callable[..., list[str]]


def start(*words: str) -> subprocess.Popen[str]:
    """Start a command with a process group of its own, which Ctrl-C goes to."""
    pipe = subprocess.PIPE
    quiet = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        words, stdout=pipe, stderr=pipe, text=True, start_new_session=True, env=quiet
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end; return the exit code, stdout and stderr."""
    try:
        out, err = process.communicate(timeout=LIMIT)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out, err


def told(err: str) -> list[str]:
    """The lines of seg-train, without torchrun's own."""
    return [line for line in err.splitlines() if line.startswith("seg-train: ")]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + LIMIT
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def workers(process: subprocess.Popen[str]) -> dict[int, int]:
    """The processes that a torchrun has started, by rank."""
    found = {}
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        ranks = [int(each[5:]) for each in variables if each.startswith(b"RANK=")]
        found.update(dict.fromkeys(ranks, int(pid)))
    return found


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], tolerance: float) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(
            value, other[name], rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.slow
def test_loss_gradients_and_statistics_are_the_whole_batch_s(tmp_path: Path) -> None:
    file = tmp_path / "step.pt"
    code, _, err = finished(start(*TORCHRUN, str(HERE / "one_step.py"), str(file)))
    assert code == 0, err
    shared = torch.load(file, weights_only=True)
    assert int(shared["processes"]["count"]) == 2
    assert shared["threads"]["inside"] > 0
    assert shared["threads"]["behind"] == 0  # one that is left can abort the process at its end
    alone = computed()
    same(alone["plain"], shared["plain"], 1e-9)
    same(alone["collectives"], shared["collectives"], 0)
    ranges = [name for name in alone["rounds"] if name.endswith("input_range")]
    assert len(ranges) > 20
    same(*({name: run["rounds"][name] for name in ranges} for run in (alone, shared)), 1e-5)


def history(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in row.items() if key not in ("elapsed_s", "images_per_s")}
        for row in content["history"]
    ]


@pytest.mark.slow
def test_two_processes_one_killed_and_resumed_learn_what_one_does(
    argv: Argv, tmp_path: Path
) -> None:
    """Killed after its first epochs, a run ends, tells of it, and resumes to the same weights."""
    script = str(HERE / "in_float64.py")
    more = ["--epochs", "4", "--evaluate-every", "2", "--clip", "1", "--accumulate", "2"]
    more += ["--schedule", "onecycle"]
    code, _, err = finished(start(sys.executable, script, *argv(*more, out="one")))
    assert code == 0, err

    words = argv(*more, out="two")
    last = tmp_path / "two" / "last.pt"
    process = start(*TORCHRUN, script, *words)
    wait_for(last, process)
    os.kill(workers(process)[1], signal.SIGKILL)
    code, out, err = finished(process)
    assert code != 0 and len(told(err)) <= 1, err
    assert "[rank" not in err, err  # no traceback of a worker
    assert out.count("images to train on") == 1 and "epoch   1" in out

    code, out, err = finished(start(*TORCHRUN, script, *words, "--resume"))
    assert code == 0, err
    assert out.count("mean IoU") == 1
    one, two = (read(tmp_path / name / "last.pt") for name in ("one", "two"))
    same(one["model"], two["model"], 1e-5)
    same(one["average"], two["average"], 1e-5)
    assert torch.equal(one["matrix"], two["matrix"])
    for mine, other in zip(history(one), history(two), strict=True):
        assert mine.pop("loss") == pytest.approx(other.pop("loss"), rel=1e-6)
        assert mine == other
    assert not list((tmp_path / "two").glob(".*part*"))


@pytest.mark.slow
def test_teachers_and_auxiliary_heads_see_the_whole_batch(
    argv: Argv, taught: Path, tmp_path: Path
) -> None:
    script = str(HERE / "in_float64.py")
    more = ["--deep-supervision", "0.4", "--cutmix", "0.5", "--teacher", str(taught)]
    for command, out in (([sys.executable], "one"), (TORCHRUN, "two")):
        code, _, err = finished(start(*command, script, *argv(*more, out=out)))
        assert code == 0, err
    one, two = (read(tmp_path / name / "last.pt") for name in ("one", "two"))
    assert any(name.startswith("auxiliary.") for name in one["model"])
    same(one["model"], two["model"], 1e-5)
    assert torch.equal(one["matrix"], two["matrix"])


@pytest.mark.slow
def test_two_processes_tell_the_same_noise(argv: Argv, tmp_path: Path) -> None:
    script = str(HERE / "in_float64.py")
    more = ["--pretrain", "denoise", "--accumulate", "2", "--optimizer", "sgd"]
    for command, out in (([sys.executable], "one"), (TORCHRUN, "two")):
        code, told, err = finished(start(*command, script, *argv(*more, out=out)))
        assert code == 0 and told.count("denoising 12 frames") == 1, err
    one, two = (read(tmp_path / name / "last.pt", DENOISING) for name in ("one", "two"))
    same(one["model"], two["model"], 1e-5)
    for mine, other in zip(history(one), history(two), strict=True):
        assert mine["loss"] == pytest.approx(other["loss"], rel=1e-6)


@pytest.mark.slow
def test_ctrl_c_ends_all_processes(argv: Argv, tmp_path: Path) -> None:
    process = start(*TORCHRUN, *CLI, *argv("--epochs", "9999"))
    wait_for(tmp_path / "run" / "last.pt", process)
    pids = workers(process)
    os.killpg(process.pid, signal.SIGINT)
    code, _, err = finished(process)
    assert code != 0
    assert all(line.startswith("seg-train: stopped") for line in told(err)), err
    assert len(told(err)) <= 1, err
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())
    assert read(tmp_path / "run" / "last.pt")["state"]["epoch"] >= 1
    assert not list((tmp_path / "run").glob(".*part*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--lr nan", "lr is nan"),
        ("--batch-size 3", "batch_size 3 cannot be shared by 2 processes in 1 pieces each"),
    ],
)
def test_what_is_wrong_is_told_once(argv: Argv, words: str, message: str) -> None:
    code, out, err = finished(start(*TORCHRUN, *CLI, *argv(*words.split(" "))))
    assert code != 0 and not out
    assert len(told(err)) == 1 and message in told(err)[0], err


def test_ranks_without_torchrun_are_told(
    argv: Argv, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from roadseg.train.cli import main

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    assert main(argv()) == 2
    assert "WORLD_SIZE is set, but not by torchrun" in capsys.readouterr().err
