"""Work: the artefacts of an export while they are made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx

from roadseg.calibration.frames import LabelledFrame
from roadseg.export.golden import add_golden
from roadseg.export.options import ExportOptions
from roadseg.export.quantizer import ENGINE
from roadseg.export.report import Artifact
from roadseg.export.scores import Score, score
from roadseg.export.sensitivity import LayerLoss
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.engines import installed_engines
from roadseg.runtime.errors import CheckFailed
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec

SOURCE = ".source"  # the graph that the float artefact is held to; it is not delivered


@dataclass
class Work:
    """The artefacts under way, in a folder that is not the final one.

    options: what was asked for.
    spec: of the float artefact.
    folder: where files are made.
    frames: that all is scored on.
    artifacts: done so far; the first is the float one.
    scores: by artefact, beside the one that it was made from.
    losses: by layer, where they were measured.
    """

    options: ExportOptions
    spec: ModelSpec
    folder: Path
    frames: Sequence[LabelledFrame]
    artifacts: list[Artifact] = field(default_factory=list)
    scores: dict[str, Score] = field(default_factory=dict)
    losses: Sequence[LayerLoss] = ()

    @property
    def size(self) -> Size:
        """The input size of all artefacts."""
        return Size(self.spec.width, self.spec.height)

    @property
    def whole(self) -> Artifact:
        """The float artefact."""
        return self.artifacts[0]

    @property
    def goal(self) -> Artifact:
        """The last artefact that this project's engines run from ONNX."""
        return next(each for each in reversed(self.artifacts) if each.name in self.scores)

    def last(self, precisions: Collection[str]) -> Artifact:
        """The last ONNX artefact of one of these precisions."""
        return next(
            each
            for each in reversed(self.artifacts)
            if each.name in self.scores and read_artifact(each.path)[1].precision in precisions
        )

    def write(self, name: str, model: onnx.ModelProto) -> Path:
        """Write a graph as NAME.onnx."""
        path = self.folder / f"{name}.onnx"
        onnx.save(model, path)
        return path

    def add(self, artifact: Artifact, found: Score) -> None:
        """Take an ONNX artefact and its score; its golden frame is made now."""
        add_golden(artifact.path, self.size)
        self.artifacts.append(replace(artifact, engines=installed_engines()))
        self.scores[artifact.name] = found

    def score(self, before: Path, path: Path) -> Score:
        """Score an artefact beside the one that it was made from."""
        return score({"before": before, "after": path}, self.frames, self.size, ENGINE)["after"]

    def deliver(self) -> list[Artifact]:
        """Give the files their names in the folder that was asked for."""
        out = self.options.out
        for path in sorted(self.folder.iterdir()):
            if not path.name.startswith("."):
                _replace(path, out / path.name)
        return [replace(each, path=out / each.path.name) for each in self.artifacts]


def _replace(path: Path, target: Path) -> None:
    """Rename a file or a folder (.mlpackage is one) onto what was there before."""
    if path.is_dir() and target.is_dir():
        shutil.rmtree(target)
    os.replace(path, target)


def require_snr(what: str, found: Score, least_db: float) -> None:
    """Raise CheckFailed when an artefact's logits are too far from those it was made from."""
    if not found.snr_db >= least_db:  # also where logits are no numbers
        raise CheckFailed(
            f"{what}: {found.snr_db:.0f} dB signal to noise at the logits, "
            f"{least_db:.0f} are needed"
        )
