"""The commands of examples/train_networks.sh: as it gives them, read by the tools that get them.

TRY=1 runs all of them for an epoch each; that takes minutes and is done by hand.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from roadseg.benchmarks.cli import BenchOptions
from roadseg.export.options import ExportOptions
from roadseg.runtime.options import parse_options
from roadseg.train.averaging import AveragingOptions, parse_part
from roadseg.train.logit_adjustment import LogitAdjustmentOptions
from roadseg.train.options import TrainOptions

SCRIPT = Path(__file__).parents[1] / "examples" / "train_networks.sh"
STEPS = ("camvid", "both")
RECORDER = '#!/bin/bash\n{ printf "%q " "$(basename "$0")" "$@"; echo; } >> "$RECORD"\n'


def commands(tmp_path: Path) -> list[list[str]]:
    """Run the script with commands that write down what they get."""
    folder, record = tmp_path / "bin", tmp_path / "record"
    folder.mkdir(exist_ok=True)
    for name in ("seg-train", "seg-export", "seg-bench", "python3"):
        (folder / name).write_text(RECORDER)
        (folder / name).chmod(0o755)
    env = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "RECORD": str(record)}
    record.unlink(missing_ok=True)
    words = ["bash", str(SCRIPT), "CAMVID", "IDD", str(tmp_path / "runs")]
    subprocess.run(words, env=env, check=True)
    return [shlex.split(line) for line in record.read_text().splitlines()]


@pytest.fixture
def stages(tmp_path: Path) -> list[str]:
    """The folders of the trainings, which trainings that ran would have made."""
    names = [f"{network}_{stage}" for network in ("mobileunet", "deeplabv3plus") for stage in STEPS]
    names.insert(2, "mobileunet_more")
    parts = ("small", "large", "more", "one", "other", "third", "fourth")
    names += [f"roadnet_{part}" for part in parts]
    names += ["mobileunet_camvid_held", "mobileunet_both_held"]
    for name in names:
        (tmp_path / "runs" / name).mkdir(parents=True)
    return names


def parsed(words: list[str]) -> Any:
    kinds: dict[str, tuple[type[Any], list[str]]] = {
        "roadseg.train.averaging": (AveragingOptions, ["out", "parts"]),
        "roadseg.train.logit_adjustment": (LogitAdjustmentOptions, ["out", "model"]),
        "seg-train": (TrainOptions, []),
        "seg-export": (ExportOptions, ["model"]),
        "seg-bench": (BenchOptions, ["models"]),
    }
    if words[:2] == ["python3", "-m"]:
        words = words[2:]
    kind, positional = kinds[words[0]]
    return parse_options(words[0], kind, words[1:], positional)


def test_every_stage_starts_from_one_before_it(tmp_path: Path, stages: list[str]) -> None:
    made: list[Path] = []
    trained = []
    for options in map(parsed, commands(tmp_path)):
        if isinstance(options, TrainOptions):
            used = [options.weights, *options.teacher]
            assert all(Path(name) in made for name in used if name not in ("imagenet", "none"))
            made.append(options.out / "last.pt")
            trained.append(options.out.name)
        elif isinstance(options, AveragingOptions):
            assert all(parse_part(word)[0] in made for word in options.parts)
            made.append(options.out)
        elif isinstance(options, LogitAdjustmentOptions):
            assert Path(options.model) in made
            made.append(options.out)
        elif isinstance(options, ExportOptions):
            assert Path(options.model) in made
            name = options.name or Path(options.model).stem
            made += [options.out / f"{name}.onnx", options.out / f"{name}-int8.onnx"]
    assert trained == stages


def test_what_is_done_is_left_and_what_was_stopped_goes_on(
    tmp_path: Path, stages: list[str]
) -> None:
    runs = tmp_path / "runs"
    for name in stages:
        (runs / name / "done").unlink(missing_ok=True)
    (runs / stages[0] / "done").touch()
    (runs / stages[1] / "last.pt").touch()
    trained = [each for each in map(parsed, commands(tmp_path)) if isinstance(each, TrainOptions)]
    resumed = [(each.out.name, each.resume) for each in trained]
    assert resumed == [(name, name == stages[1]) for name in stages[1:]]
