"""Denoising: the network learns to tell the noise, and a training starts from what it learned."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from roadseg.train.cli import main
from roadseg.train.denoising import DENOISED, Denoiser, pretrain
from roadseg.train.options import TrainOptions
from roadseg.train.run import prepare

LONGER = ("--epochs", "8", "--lr", "1e-2", "--pretrain", "denoise")


@pytest.fixture(scope="module")
def frames(blocks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    for path in sorted((blocks / "images").glob("b_*.png")):
        shutil.copy(path, folder)
    return folder


def test_it_learns_and_a_training_starts_from_it(
    options: Callable[..., TrainOptions],
    argv: Callable[..., list[str]],
    tmp_path: Path,
    frames: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(argv(*LONGER, "--unlabelled", str(frames), out="noise")) == 0
    told = capsys.readouterr().out
    left = [float(line.split()[2]) for line in told.splitlines() if line.startswith("epoch")]
    assert len(left) == 8 and left[-1] < 0.97  # 1 is to tell nothing
    assert "denoising 16 frames" in told
    weights = tmp_path / "noise" / DENOISED
    state = torch.load(weights, weights_only=True)
    started = prepare(options("--weights", str(weights))).step.network.state_dict()
    plain = prepare(options()).step.network.state_dict()
    assert all(torch.equal(started[name], state[name]) for name in state)
    assert {name for name in started if name not in state} == {"head.weight", "head.bias"}
    assert any(not torch.equal(plain[name], state[name]) for name in state if "stages" in name)


def test_the_backbone_may_stay(options: Callable[..., TrainOptions], tmp_path: Path) -> None:
    chosen = options("--pretrain", "denoise", "--epochs", "1", "--backbone-lr", "0")
    denoiser = pretrain(chosen)
    torch.manual_seed(chosen.seed)
    untouched = prepare(options(out="other")).step.network.state_dict()
    trained = dict(denoiser.network.named_parameters())
    same = {
        name: torch.equal(trained[name], untouched[name]) for name in trained if "head" not in name
    }
    assert all(is_same == name.startswith("backbone.") for name, is_same in same.items())


def test_the_noise_is_what_is_asked_for(options: Callable[..., TrainOptions]) -> None:
    """A network that gives what it is given finds the noise in a grey picture, to a factor."""

    class Given(torch.nn.Module):
        stride = 4

        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.tensor((1 + 0.22**2) ** 0.5 / 0.22))

        def forward(self, noisy: torch.Tensor) -> torch.Tensor:
            return self.gain * torch.nn.functional.avg_pool2d(noisy, 4)

    denoiser = object.__new__(Denoiser)
    denoiser.network = Given()  # type: ignore[assignment]
    assert float(denoiser.loss(torch.zeros(2, 3, 32, 32)).detach()) < 1e-10
    assert float(denoiser.loss(torch.ones(2, 3, 32, 32)).detach()) > 1


def test_several_processes_are_refused(
    argv: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(argv("--pretrain", "denoise")) == 2
    assert "pretrain runs in one process: start it without torchrun" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--pretrain noise", "unknown pretrain 'noise': known are denoise, none"),
        ("--pretrain denoise --resume", "pretrain goes with no teacher, resume, qat or prune"),
        ("--pretrain denoise --teacher mobileunet", "pretrain goes with no teacher"),
        ("--pretrain denoise --unlabelled nowhere", "nowhere: there is no such folder or video"),
        ("--pretrain denoise --clip 1", "pretrain does not know clip: leave --clip out"),
        ("--pretrain denoise --accumulate 2", "pretrain does not know accumulate"),
        ("--pretrain denoise --amp bfloat16", "pretrain does not know amp: leave --amp out"),
        ("--pretrain denoise --compile", "pretrain does not know compile: leave --compile out"),
        ("--pretrain denoise --crop 60x64", "both sides must be multiples of 32"),
    ],
)
def test_wrong_options(
    argv: Callable[..., list[str]], capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert main(argv(*words.split())) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
