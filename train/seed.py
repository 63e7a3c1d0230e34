"""Seeds of the generators that are not seeded per use, as NumPy's are."""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_all(*numbers: int) -> None:
    """Seed PyTorch's (of all devices) and Python's random generators from some numbers.

    Done anew with (seed, epoch, rank) at each epoch: so a resumed run draws what it would have.
    """
    seed = mixed_seed(*numbers)
    random.seed(seed)
    torch.manual_seed(seed)


def mixed_seed(*numbers: int) -> int:
    """Return one seed from some numbers, a different one for each choice of them."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
