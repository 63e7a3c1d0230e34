"""seg-train in float64: all that differs between one process and several is the order of sums.

In float32 that is enough for a ReLU of a small network to be on or off, and then for another run.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from roadseg.runtime.spec import ModelSpec
from roadseg.train import cli, evaluation, step, teachers


def normalize(images: Tensor, spec: ModelSpec) -> Tensor:
    return exact(images, spec).double()


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    exact = evaluation.normalize
    evaluation.normalize = step.normalize = teachers.normalize = normalize
    sys.exit(cli.main())
