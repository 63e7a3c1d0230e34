"""The live line: drawn on a terminal only; what is new of a source is printed always."""

from __future__ import annotations

import io
import sys
import time

import pytest

from roadseg.runtime.ledger import Ledger
from roadseg.runtime.outages import SourceState, SourceStatus
from roadseg.runtime.progress import LiveLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def away(changed: bool) -> SourceStatus:
    since = time.monotonic_ns() - 12_000_000_000
    return SourceStatus(SourceState.LOST, since, 3, "no camera", changed)


def test_a_terminal_shows_frames_and_how_long_a_source_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    LiveLine().show(Ledger(shown=6), 21_000_000)
    assert "frame 7" in terminal.getvalue() and "age 21 ms" in terminal.getvalue()
    LiveLine().tell(away(changed=False))
    assert "source lost for 12 s, attempt 4: no camera" in terminal.getvalue()
    assert "\n" not in terminal.getvalue()
    LiveLine().tell(away(changed=True))
    assert terminal.getvalue().endswith("source lost: no camera\n")


def test_a_log_has_the_news_only(capsys: pytest.CaptureFixture[str]) -> None:
    line = LiveLine()
    line.show(Ledger(), 1)
    line.tell(away(changed=False))
    line.tell(away(changed=True))
    line.clear()
    assert capsys.readouterr().err == "source lost: no camera\n"
