"""What came of one step of a device check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

OK, WRONG, FAILED, SKIPPED = "ok", "wrong", "failed", "skipped"


@dataclass(frozen=True)
class Outcome:
    """One line of the check.

    step: such as "selftest".
    subject: what it was done with, such as "mobileunet on onnxruntime".
    state: OK, WRONG (it ran and gave what it should not), FAILED (it did not come to an end) or
        SKIPPED (it cannot be done here).
    detail: figures in words, or the reason.
    figures: the same for programs.
    """

    step: str
    subject: str
    state: str
    detail: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def is_bad(self) -> bool:
        """Whether the check as a whole is not passed."""
        return self.state in (WRONG, FAILED)

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)


def text_table(outcomes: Sequence[Outcome]) -> str:
    """Return the lines in columns, and a count of each state."""
    rows = [(each.state, each.step, each.subject, each.detail) for each in outcomes]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:3]
    lines = [
        "  ".join([*(w.ljust(n) for w, n in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", summary(outcomes)])


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return how many lines have each state."""
    counts = ((state, sum(e.state == state for e in outcomes)) for state in STATES)
    return ", ".join(f"{count} {state}" for state, count in counts)


STATES = (OK, WRONG, FAILED, SKIPPED)
