"""Runs over a source that goes away and comes back: the ledger stays exact, all is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from roadseg.runtime.cli import main
from roadseg.runtime.engines import open_engine
from roadseg.runtime.errors import (
    UsageError,
)
from roadseg.runtime.ledger import Ledger
from roadseg.runtime.pipeline import Pipeline
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.sources.reconnecting import open_reconnecting
from roadseg.runtime.sources.survival import Survival

QUICK = Survival(stall_s=0.2, open_s=0.5, first_delay_s=0.01, longest_delay_s=0.05, seed=0)
RENDERED = replace(QUICK, open_s=60.0)  # a busy machine renders for a while before the first frame
FAULTS = "size=64x32&fps=200&live=1&drop=0.05&corrupt=0.05&lose=0.03&away=0.2&stall=0.03&change=0.1"


@pytest.mark.parametrize("seed", range(2))
def test_the_ledger_is_exact_over_outages(model: Path, seed: int) -> None:
    ledger = Ledger()
    uri = f"synthetic:?{FAULTS}&seed={seed}"
    with open_reconnecting(uri, RENDERED, ledger.outages) as source:
        pipeline = Pipeline(source, Segmenter(open_engine(model, "onnxruntime")), 60, ledger)
        results = [
            (result.frame.sequence, result.frame.timestamp_ns, result.mask.shape)
            for result in pipeline.results()
        ]
    numbers, times, shapes = zip(*results, strict=True)
    assert ledger.balances
    assert ledger.shown == 60
    assert ledger.outages.count >= 1
    assert list(numbers) == sorted(set(numbers))
    assert list(times) == sorted(set(times))
    assert set(shapes) == {(32, 64), (16, 32)}
    # As many numbers as frames: an outage leaves no gap that would count as drops of the sensor.
    assert numbers[-1] - numbers[0] < ledger.captured
    assert ledger.captured - ledger.dropped <= numbers[-1] + 3


def test_seg_run_waits_tells_and_counts(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = "synthetic:?size=64x32&fps=100&live=1&lose=0.05&away=0.1&change=0.05&seed=11"
    words = [str(model), uri, "--frames", "30", "--save", str(tmp_path / "road.mp4")]
    assert main([*words, "--deadline-ms", "0.001", "--stall-timeout", "1"]) == 0
    told = capsys.readouterr()
    assert "source live: back after" in told.err
    assert "source lost: synthetic" in told.err
    assert "frames are now 32x16" in told.err
    assert "reconnects" in told.out
    assert "deadline 0.001 ms: 30 of 30 masks missed it" in told.out
    assert "copies 0\n" in told.out


def test_a_camera_that_never_comes_ends_seg_run(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(model), "--camera", "9999", "--start-timeout", "0.3"]) == 3
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("source connecting: there is no camera /dev/video9999")
    assert told[-1].startswith("seg-run: there is no camera /dev/video9999")
    assert told[-1].endswith("; waited 0.3 s, --start-timeout 0 waits on")


@pytest.mark.parametrize("fault", ["lose", "stall"])
def test_fail_fast_ends_seg_run(
    model: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    uri = f"synthetic:?size=64x32&fps=100&live=1&{fault}=0.1&seed=21"
    assert main([str(model), uri, "--fail-fast", "--stall-timeout", "0.3"]) == 3
    told = capsys.readouterr()
    assert told.err.splitlines()[-1].startswith("seg-run: ")
    assert "captured" in told.out
    assert "≠" not in told.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stall-timeout", "0"], "stall-timeout is 0 seconds"),
        (["--open-timeout", "nan"], "open-timeout is nan seconds"),
        (["--start-timeout", "-1"], "start-timeout is -1"),
        (["--deadline-ms", "-1"], "deadline-ms is -1"),
    ],
)
def test_limits_are_checked(
    model: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main([str(model), "synthetic:?live=1", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("lose=0.1", "add live=1"),
        ("live=1&lose=1", "lose is a share"),
        ("live=1&away=-1", "away is -1.0 seconds"),
        ("live=1&change=0.1&format=nv12", "bgr or yuyv"),
    ],
)
def test_faults_that_cannot_be_had(query: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_reconnecting(f"synthetic:?{query}", QUICK)
