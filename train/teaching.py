"""What a run learns beside its labels: from teachers, and from frames without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from roadseg.runtime.errors import UsageError
from roadseg.runtime.spec import ModelSpec
from roadseg.train.distillation import Distillation
from roadseg.train.options import TrainOptions
from roadseg.train.pseudo_labels import PseudoLabels
from roadseg.train.teachers import Teacher, open_teachers


def build_distillation(
    options: TrainOptions, spec: ModelSpec, device: torch.device
) -> Distillation | None:
    """Open the teachers, make the rule of pseudo-labels; None for a run without teachers."""
    if not options.teacher:
        return None
    teachers = open_teachers(options.teacher, spec.classes, options.crop, device)
    _warn(options, teachers)
    pseudo = PseudoLabels(options.pseudo_confidence) if options.pseudo_confidence else None
    return Distillation(teachers, options.distill_weight, options.distill_temperature, pseudo)


def _warn(options: TrainOptions, teachers: list[Teacher]) -> None:
    """Tell of a teacher that has learned what is held out: its student learns it as well."""
    for name, teacher in zip(options.teacher, teachers, strict=True):
        seen = sorted(set(options.holdout) & set(teacher.spec.trained_on.get("groups", ())))
        if seen:
            print(
                f"teacher {name} has learned {', '.join(seen)}, held out here: the validation is "
                "not of roads that nobody has seen"
            )


def unlabelled_count(options: TrainOptions) -> int:
    """Return how many images of a batch are frames without labels.

    Raises UsageError when none is left for each of the data sets.
    """
    share = options.unlabelled_share
    if options.mix:
        return max(1, round(sum(options.mix) * share / (1 - share)))
    count = max(1, round(options.batch_size * share))
    if options.batch_size - count < len(options.data):
        raise UsageError(
            f"batch_size {options.batch_size} with unlabelled_share {share} leaves "
            f"{options.batch_size - count} labelled images in a batch: give a larger --batch-size"
        )
    return count


def teaching_provenance(options: TrainOptions) -> dict[str, Any]:
    """Return what a spec says of teachers and frames without labels; nothing where none are."""
    told = {
        "teachers": [Path(name).name for name in options.teacher],
        "unlabelled": [path.name for path in options.unlabelled],
    }
    return {key: names for key, names in told.items() if names}
