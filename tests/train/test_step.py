"""One step, and what ends or measures a run of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from roadseg.train.batches import Batch
from roadseg.train.cli import main
from roadseg.train.options import TrainOptions
from roadseg.train.run import prepare, train
from roadseg.train.seed import seed_all
from roadseg.train.step_times import PARTS, StepTimes, times_table

Options = Callable[..., TrainOptions]
Argv = Callable[..., list[str]]


@pytest.fixture
def batch() -> Batch:
    """Four images without void, so that all pieces of it weigh the same."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (4, 64, 64, 3), np.uint8)
    return images, random.integers(0, 3, (4, 64, 64), np.uint8)


def gradients(options: TrainOptions, batch: Batch) -> dict[str, Tensor]:
    """The gradients of a step with norms that keep their statistics."""
    step = prepare(options).step
    step.network.eval()
    step(batch, 1, 0.0)
    return {
        name: parameter.grad
        for name, parameter in step.network.named_parameters()
        if parameter.grad is not None
    }


def norm(found: dict[str, Tensor]) -> float:
    return float(torch.linalg.vector_norm(torch.stack([g.norm() for g in found.values()])))


@pytest.mark.parametrize("pieces", ["2", "4"])
def test_gradients_of_pieces_add_up(options: Options, batch: Batch, pieces: str) -> None:
    whole = gradients(options("--loss", "cross-entropy"), batch)
    parts = gradients(options("--loss", "cross-entropy", "--accumulate", pieces), batch)
    assert norm(whole) > 0
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-3, atol=1e-4 * norm(whole))


def test_gradient_is_clipped_to_its_norm(options: Options, batch: Batch) -> None:
    free = norm(gradients(options(), batch))
    assert norm(gradients(options("--clip", str(2 * free)), batch)) == pytest.approx(free)
    for amp in ("off", "float16"):
        clipped = gradients(options("--clip", str(free / 3), "--amp", amp), batch)
        assert norm(clipped) == pytest.approx(free / 3, rel=1e-3), amp


def test_patience_ends_a_run(options: Options) -> None:
    more = ("--lr", "1e-9", "--epochs", "99", "--evaluate-every", "1", "--patience", "2")
    trainer = train(options(*more))
    assert trainer.state.epoch == len(trainer.state.mious) < 99
    assert trainer.state.without_gain == 2
    assert max(trainer.state.mious[-2:]) <= trainer.state.mious[-3] == trainer.state.best
    again = train(options(*more, "--resume"))
    assert again.state.epoch == trainer.state.epoch


def test_random_numbers_follow_from_seed_epoch_and_rank() -> None:
    def drawn(*numbers: int) -> list[float]:
        seed_all(*numbers)
        return torch.rand(4).tolist()

    assert drawn(0, 3, 1) == drawn(0, 3, 1)
    assert len({tuple(drawn(0, *more)) for more in ((3, 1), (3, 0), (1, 3), ())}) == 4


def test_profile_tells_where_the_time_goes_and_writes_nothing(
    argv: Argv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv("--profile", "4")) == 0
    out = capsys.readouterr().out
    rows = {line.rsplit(None, 2)[0]: line.split() for line in out.splitlines() if "%" in line}
    shares = [float(rows[part][-1].rstrip("%")) for part in PARTS]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert rows["teachers"][-1] == "0.0%"  # there are none
    assert sum(share > 0 for share in shares) >= len(PARTS) - 2, shares  # one may round to 0
    assert "network's forward and backward" in out and "of 4 steps" in out
    assert not list(tmp_path.iterdir())


def test_parts_and_the_rest_are_the_whole() -> None:
    times = StepTimes(torch.device("cpu"))
    times.seconds |= {"forward": 1.0, "backward": 2.0, "loss": 1.0}
    times.started -= 5.0
    times.stop()
    assert times.seconds["other"] == pytest.approx(1.0, abs=0.2)
    assert times.network_share == pytest.approx(0.6, abs=0.03)
    assert "1.6 images/s" in times_table(times, 2, 4)


def test_missing_compiler_is_told(
    argv: Argv, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """PyTorch's compiler is asked for a C++ compiler that is not there."""
    from torch._inductor import config

    with config.patch({"cpp.cxx": ("no-such-compiler",)}):
        assert main(argv("--compile")) == 1
    told = capsys.readouterr().err
    assert told.startswith("seg-train: torch.compile failed: leave --compile out")
    assert told.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("default")  # those of PyTorch's own compiler
def test_compiled_network_learns_the_same(options: Options, batch: Batch) -> None:
    plain = gradients(options(), batch)
    compiled = gradients(options("--compile"), batch)
    assert compiled.keys() == plain.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(compiled[name], gradient, rtol=1e-2, atol=1e-3 * norm(plain))
