"""Trivial data on which a network can be seen to learn: a class is a colour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.runtime.options import parse_options
from roadseg.train.options import TrainOptions

CLASSES = {"road": (40, 60, 200), "grass": (50, 190, 60), "car": (210, 60, 50)}
NETWORK = '{"depths": [1, 1, 1, 1, 1, 1, 1], "widths": [16, 16, 16, 16], "blocks": 1}'
ABOUT = 'name = "blocks"\nlicence = "CC0-1.0"\ngroup = "^([^_]+)_"\n'


def write_blocks(folder: Path, drives: dict[str, int], void: bool = True) -> None:
    """Write images of 96 x 64 in 16 x 16 blocks of noisy class colours, and their masks."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    random = np.random.default_rng(5)
    palette = np.array(list(CLASSES.values()), np.float64)
    for drive, count in drives.items():
        for number in range(count):
            mask = random.integers(0, len(CLASSES), (4, 6)).repeat(16, 0).repeat(16, 1)
            image = palette[mask] + random.normal(0, 12, (64, 96, 3))
            if void:
                mask[:4] = 255
            name = f"{drive}_{number:03d}.png"
            pixels = np.clip(image, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / "images" / name), pixels[..., ::-1])
            cv2.imwrite(str(folder / "masks" / name), mask.astype(np.uint8))
    entries = "".join(
        f'[[classes]]\nname = "{name}"\ncolor = {list(color)}\n' for name, color in CLASSES.items()
    )
    (folder / "dataset.toml").write_text(ABOUT + entries)


@pytest.fixture(scope="session")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in the plain layout: drives a and b to train on (12 images), c to validate (4)."""
    folder = tmp_path_factory.mktemp("blocks") / "data"
    drives = {"a": 8, "b": 4, "c": 4}
    write_blocks(folder, drives)
    (folder / "splits").mkdir()
    for split, kept in (("train", "ab"), ("val", "c")):
        names = [f"{d}_{n:03d}" for d, count in drives.items() if d in kept for n in range(count)]
        (folder / "splits" / f"{split}.txt").write_text("\n".join(names))
    return folder


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Threads of PyTorch that share two cores with others wait for each other."""
    import torch

    torch.set_num_threads(1)


Argv = Callable[..., list[str]]


def short_run(blocks: Path, out: Path) -> list[str]:
    """Return the arguments of a run that takes a second or two."""
    base = ["--data", str(blocks), "--out", str(out), "--weights", "none"]
    base += ["--backbone", "mobilenetv2_050", "--network-options", NETWORK]
    base += ["--crop", "64x64", "--batch-size", "4", "--threads", "1", "--workers", "1"]
    return [*base, "--epochs", "2", "--evaluate-every", "2"]


@pytest.fixture
def argv(blocks: Path, tmp_path: Path) -> Argv:
    """Arguments of a run that takes a second or two; those given are added."""
    return lambda *more, out="run": [*short_run(blocks, tmp_path / out), *more]


@pytest.fixture(scope="session")
def taught(blocks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of such a run, to learn from."""
    from roadseg.train.cli import main

    out = tmp_path_factory.mktemp("taught") / "run"
    assert main(short_run(blocks, out)) == 0
    return out / "best.pt"


@pytest.fixture(scope="session")
def denoised_run(blocks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of --pretrain denoise that is done."""
    from roadseg.train.cli import main

    out = tmp_path_factory.mktemp("denoised") / "run"
    assert main([*short_run(blocks, out), "--pretrain", "denoise"]) == 0
    return out


@pytest.fixture
def options(argv: Argv) -> Callable[..., TrainOptions]:
    """The same as options."""
    return lambda *more, **name: parse_options("seg-train", TrainOptions, argv(*more, **name))
