"""What --loss is told: losses by name, with their weights."""

from __future__ import annotations

from roadseg.runtime.errors import UsageError, unknown

LOSSES = ("bce", "boundary", "cross-entropy", "dice", "focal", "lovasz", "ohem")
WEIGHED = ("cross-entropy", "focal", "ohem")  # by --class-weights
DEFAULT_LOSS = "cross-entropy+0.5*dice"


def parse_loss(text: str) -> dict[str, float]:
    """Read "cross-entropy+0.5*dice" into {"cross-entropy": 1.0, "dice": 0.5}.

    Raises UsageError for what is not a sum of known losses, each at most once.
    """
    terms: dict[str, float] = {}
    for part in text.split("+"):
        weight, _, name = part.rpartition("*")
        name = name.strip()
        if name not in LOSSES:
            raise unknown("loss", name, LOSSES)
        if name in terms:
            raise UsageError(f"loss {text}: {name} is there twice")
        terms[name] = _weight(text, weight.strip() or "1")
    if set(terms) == {"boundary"}:
        raise UsageError("loss boundary sees outlines alone: add another, cross-entropy+boundary")
    return terms


def _weight(text: str, word: str) -> float:
    try:
        weight = float(word)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise UsageError(f"loss {text}: '{word}' is not a weight, a number of more than 0")
    return weight
