"""Denoising: the network learns to tell the noise, and a training starts from what it learned."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from roadseg.runtime.spec import ClassInfo, ModelSpec
from roadseg.train.checkpoint import DENOISED
from roadseg.train.cli import main
from roadseg.train.denoising import DenoisingStep, prepare_denoising, pretrain
from roadseg.train.options import TrainOptions
from roadseg.train.run import prepare

Options = Callable[..., TrainOptions]
Argv = Callable[..., list[str]]
OUTS = "run", "again"
LONGER = ("--epochs", "8", "--lr", "1e-2", "--pretrain", "denoise")


@pytest.fixture(scope="module")
def frames(blocks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    for path in sorted((blocks / "images").glob("b_*.png")):
        shutil.copy(path, folder)
    return folder


def test_it_learns_and_a_training_starts_from_it(
    options: Options,
    argv: Argv,
    tmp_path: Path,
    frames: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(argv(*LONGER, "--unlabelled", str(frames), out="noise")) == 0
    told = capsys.readouterr().out
    left = [float(line.split()[2]) for line in told.splitlines() if line.startswith("epoch ")]
    assert len(left) == 8 and left[-1] < 0.97  # 1 is to tell nothing
    assert "denoising 16 frames" in told
    weights = tmp_path / "noise" / DENOISED
    state = torch.load(weights, weights_only=True)
    started = prepare(options("--weights", str(weights))).step.network.state_dict()
    plain = prepare(options()).step.network.state_dict()
    assert all(torch.equal(started[name], state[name]) for name in state)
    assert {name for name in started if name not in state} == {"head.weight", "head.bias"}
    assert any(not torch.equal(plain[name], state[name]) for name in state if "stages" in name)


def test_the_backbone_may_stay(options: Options, tmp_path: Path) -> None:
    chosen = options("--pretrain", "denoise", "--epochs", "1", "--backbone-lr", "0")
    denoiser = pretrain(chosen)
    torch.manual_seed(chosen.seed)
    untouched = prepare(options(out="other")).step.network.state_dict()
    trained = dict(denoiser.step.network.named_parameters())
    same = {
        name: torch.equal(trained[name], untouched[name]) for name in trained if "head" not in name
    }
    assert all(is_same == name.startswith("backbone.") for name, is_same in same.items())


def test_the_noise_is_what_is_asked_for(options: Options) -> None:
    """A network that gives what it is given finds the noise in a grey picture, to a factor."""

    class Given(torch.nn.Module):
        stride = 4

        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.tensor((1 + 0.22**2) ** 0.5 / 0.22))

        def forward(self, noisy: torch.Tensor) -> torch.Tensor:
            return self.gain * torch.nn.functional.avg_pool2d(noisy, 4)

    classes = (ClassInfo("one", (0, 0, 0)), ClassInfo("other", (9, 9, 9)))
    spec = ModelSpec("given", classes, 32, 32)
    step = DenoisingStep(options(), Given(), spec)  # type: ignore[arg-type]
    labels = np.zeros((2, 32, 32), np.uint8)

    def loss(grey: int) -> float:
        return float(step((np.full((2, 32, 32, 3), grey, np.uint8), labels), 1, 0.0))

    assert loss(127) < 1e-10  # what normalises to 0
    assert loss(255) > 1


def test_each_step_has_noise_of_its_own(options: Options) -> None:
    denoiser = prepare_denoising(options("--pretrain", "denoise", "--lr", "1e-30", "--ema", "0"))
    batch = next(denoiser.batches.epoch(0))
    one, two, again = (float(denoiser.step(batch, number, 1.0)) for number in (1, 2, 1))
    assert one == again != two


def test_its_files_and_lines_are_those_of_a_training(
    argv: Argv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv("--pretrain", "denoise")) == 0
    told = capsys.readouterr().out
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        line = f"epoch {row['epoch']:3d}  {row['loss']:.3f} of the noise is left  "
        assert f"{line}{row['images_per_s']:.1f} images/s  0:0" in told
    assert [row["step"] for row in rows] == [3, 6]
    assert f"options, kept in {tmp_path}/run/recipe.toml:" in told
    curves = cv2.imread(str(tmp_path / "run" / "curves.png"))
    assert curves is not None and curves.shape[1] < 3 * curves.shape[0]  # two plots: no mIoU
    assert main(argv("--recipe", str(tmp_path / "run" / "recipe.toml"), out="again")) == 0
    states = [torch.load(tmp_path / name / DENOISED, weights_only=True) for name in OUTS]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("more", ["--amp bfloat16", "--accumulate 2", "--clip 1e-9"])
def test_its_steps_are_those_of_a_training(options: Options, more: str) -> None:
    """Each option changes what is computed, not what is asked for."""
    found = []
    for out, words in (("plain", ""), ("other", more)):
        chosen = f"--pretrain denoise --epochs 1 --lr 1e-2 --optimizer sgd {words}".split()
        found.append(pretrain(options(*chosen, out=out)).state.history[0]["loss"])
    assert found[0] != found[1]
    assert found[0] == pytest.approx(found[1], rel=0.1)


def test_profile_and_augmentation_are_shown(
    argv: Argv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv("--pretrain", "denoise", "--profile", "2")) == 0
    assert "of 2 steps" in capsys.readouterr().out and not list(tmp_path.iterdir())
    assert main(argv("--pretrain", "denoise", "--show-augmentation")) == 0
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["augmentation.png"]


def test_minutes_end_it_with_the_rate_annealed(options: Options) -> None:
    more = ("--pretrain", "denoise", "--epochs", "200", "--max-minutes", "0.03")
    denoiser = pretrain(options(*more))
    assert 0 < denoiser.state.epoch < 200
    assert denoiser.state.history[-1]["lr"] < 0.5 * denoiser.options.lr


def next_words(told: str) -> list[str]:
    """The command after next:, as words."""
    (line,) = [line for line in told.splitlines() if line.startswith("next: ")]
    return shlex.split(line.removeprefix("next: "))


@pytest.mark.parametrize(
    "words",
    [
        "--split all --holdout b --classes road --size 96x64 --ema 0.5",
        "--weights mobileunet --network-options=",
        '--network unet --backbone= --network-options {"widths":[8,8,8,8]}',
    ],
)
def test_the_next_command_trains_from_it(
    argv: Argv,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: str,
) -> None:
    more = ("--pretrain", "denoise", "--epochs", "1", *words.split())
    assert main(argv(*more, out="my run")) == 0
    command = next_words(capsys.readouterr().out)
    assert command[0] == "seg-train" and "--ema" not in command
    short = ["--epochs", "1", "--batch-size", "4", "--threads", "1"]
    assert main([*command[1:], *short]) == 0
    assert "weights denoised.pt" in capsys.readouterr().out
    assert (tmp_path / "my run-trained" / "best.pt").exists()


def test_what_is_no_number_is_not_kept(
    argv: Argv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--pretrain denoise --lr 1e30 --warmup 0 --optimizer sgd --epochs 9"
    assert main(argv(*words.split())) == 1
    told = capsys.readouterr().err
    assert "try a lower --lr or --clip 1" in told and told.count("\n") == 1
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--pretrain noise", "unknown pretrain 'noise': known are denoise, none"),
        ("--pretrain denoise --teacher mobileunet", "pretrain goes with no teacher, qat or prune"),
        ("--pretrain denoise --accumulate 3", "batch_size 4 cannot be shared by 1 processes"),
        ("--pretrain denoise --unlabelled nowhere", "nowhere: there is no such folder or video"),
        ("--pretrain denoise --crop 60x64", "both sides must be multiples of 32"),
    ],
)
def test_wrong_options(
    argv: Argv, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert main(argv(*words.split())) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
