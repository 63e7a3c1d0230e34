"""The ledger balances whatever happens: files, live sources, drops, corrupt frames, early ends."""

from __future__ import annotations

import contextlib
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from roadseg.runtime import pipeline as pipeline_module
from roadseg.runtime.engines import open_engine
from roadseg.runtime.errors import SourceError
from roadseg.runtime.frame import Frame
from roadseg.runtime.ledger import KEPT, Ledger, Samples
from roadseg.runtime.pipeline import Pipeline
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.sources import open_source


def make_pipeline(uri: str, model: Path, limit: int = 0) -> Pipeline:
    return Pipeline(open_source(uri), Segmenter(open_engine(model, "onnxruntime")), limit)


def test_a_file_gives_every_frame_and_its_mask(video: Path, model: Path) -> None:
    pipeline = make_pipeline(str(video), model)
    for number, result in enumerate(pipeline.results()):
        assert result.frame.sequence == number
        expected = (np.arange(96) * 3 // 96 + number) % 3
        inside = [15, 47, 80]  # of the stripes, away from their borders
        np.testing.assert_array_equal(result.mask[32, inside], expected[inside])
        assert result.mask.shape == (64, 96)
        assert result.age_ns >= sum(result.stages_ns.values())
    ledger = pipeline.ledger
    assert (ledger.captured, ledger.shown, ledger.stale) == (12, 12, 0)
    assert ledger.balances
    assert set(ledger.stages) == {"preprocess", "infer", "decode", "sinks"}


def test_images_of_different_sizes(images: Path, model: Path) -> None:
    shapes = [result.mask.shape for result in make_pipeline(str(images), model).results()]
    assert shapes == [(64, 96), (65, 97), (50, 130)]


def test_a_live_source_gives_the_newest_frame_when_sinks_are_slow(model: Path) -> None:
    pipeline = make_pipeline("synthetic:?size=64x32&frames=60&fps=200&live=1", model)
    sequences = []
    for result in pipeline.results():
        sequences.append(result.frame.sequence)
        time.sleep(0.03)
    assert sequences == sorted(set(sequences))
    assert pipeline.ledger.stale > 0
    assert pipeline.ledger.captured == 60
    assert pipeline.ledger.balances


def test_stopping_early_counts_what_was_under_way(video: Path, model: Path) -> None:
    pipeline = make_pipeline(str(video), model)
    with contextlib.closing(pipeline.results()) as results:
        next(results)
        next(results)
    assert pipeline.ledger.shown == 1  # the second was taken and not finished
    assert pipeline.ledger.stale >= 1
    assert pipeline.ledger.balances


def test_a_stop_ends_behind_what_is_made(model: Path) -> None:
    pipeline = make_pipeline("synthetic:?size=64x32&fps=200&live=1", model)
    taken = 0
    for result in pipeline.results():
        taken += 1
        assert result.frame.sequence < 1000, "it was not stopped"
        if taken == 5:
            pipeline.stop()
    assert taken >= 5
    assert pipeline.ledger.shown == taken
    assert pipeline.ledger.balances


def test_an_interrupt_just_when_a_result_is_taken(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = make_pipeline("synthetic:?size=64x32&fps=200&live=1", model)
    get = pipeline._results.get

    def interrupted() -> object:
        result = get()
        if pipeline.ledger.shown == 3:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(pipeline._results, "get", interrupted)
    with pytest.raises(KeyboardInterrupt):
        for _ in pipeline.results():
            pass
    assert pipeline.ledger.shown == 3
    assert pipeline.ledger.balances


def test_a_limit_reads_no_more_of_a_file(video: Path, model: Path) -> None:
    pipeline = make_pipeline(str(video), model, limit=5)
    assert len(list(pipeline.results())) == 5
    assert (pipeline.ledger.captured, pipeline.ledger.shown) == (5, 5)


def test_a_damaged_image_is_counted_and_told(images: Path, model: Path) -> None:
    (images / "road1.png").write_bytes(b"")
    pipeline = make_pipeline(str(images), model)
    assert [result.frame.name for result in pipeline.results()] == ["road0", "road2"]
    assert pipeline.ledger.corrupt == 1
    assert pipeline.ledger.dropped == 0
    assert pipeline.ledger.balances
    assert "road1.png" in str(pipeline.faults[0])


def test_injected_faults_are_all_accounted_for(model: Path) -> None:
    uri = "synthetic:?size=64x32&frames=50&seed=3&drop=0.2&corrupt=0.1"
    pipeline = make_pipeline(uri, model)
    shown = [result.frame.sequence for result in pipeline.results()]
    ledger = pipeline.ledger
    assert ledger.balances
    assert ledger.dropped > 0
    assert ledger.corrupt > 0
    assert ledger.shown == len(shown)
    gaps = set(range(shown[0], shown[-1])) - set(shown)
    assert len(gaps) <= ledger.dropped + ledger.corrupt


class Unplugged:
    """Wraps a source; its device fails after some frames."""

    def __init__(self, uri: str, after: int) -> None:
        self.inner = open_source(uri)
        self.info = self.inner.info
        self.left = after

    def read(self) -> Frame | None:
        if not self.left:
            raise SourceError("the camera is gone")
        self.left -= 1
        return self.inner.read()

    def cancel(self) -> None:
        self.inner.cancel()

    def close(self) -> None:
        self.inner.close()

    def __enter__(self) -> Unplugged:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_a_device_that_fails_ends_the_run_after_its_frames(video: Path, model: Path) -> None:
    source = Unplugged(str(video), after=4)
    pipeline = Pipeline(source, Segmenter(open_engine(model, "onnxruntime")))
    seen = 0
    with pytest.raises(SourceError, match="the camera is gone"):
        for _ in pipeline.results():
            seen += 1
    assert pipeline.ledger.captured == 4
    assert seen == pipeline.ledger.shown
    assert pipeline.ledger.balances


@pytest.mark.parametrize("ends_late", [True, False])
def test_a_frame_that_an_engine_hangs_with_is_accounted_for(
    model: Path, monkeypatch: pytest.MonkeyPatch, ends_late: bool
) -> None:
    monkeypatch.setattr(pipeline_module, "JOIN_S", 0.2)
    pipeline = make_pipeline("synthetic:?size=64x32&fps=100&live=1", model)
    inner, hangs, go_on = pipeline.segmenter.engine.infer, threading.Event(), threading.Event()
    with contextlib.closing(pipeline.results()) as results:
        next(results)

        def infer() -> NDArray[np.float32]:
            hangs.set()
            go_on.wait()
            if not ends_late:
                raise RuntimeError("the engine failed")
            return inner()

        monkeypatch.setattr(pipeline.segmenter.engine, "infer", infer)
        hangs.wait()
        if not ends_late:
            go_on.set()
    assert pipeline.ledger.captured > 1
    assert pipeline.ledger.balances
    go_on.set()
    pipeline._threads[1].join()
    assert pipeline.ledger.balances, "not twice either"


def test_nothing_of_image_size_is_allocated_per_frame(model: Path) -> None:
    """Buffers are made with the first frames; later ones allocate next to nothing."""
    pipeline = make_pipeline("synthetic:?size=640x480&frames=1", model)
    frame = pipeline.source.read()
    assert frame is not None
    segment = pipeline.segmenter
    for _ in range(3):
        segment(frame)
    tracemalloc.start()
    try:
        segment(frame)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            segment(frame)
        grown = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert grown < 640 * 480 / 10


def test_percentiles_are_of_the_newest_and_memory_stays_flat() -> None:
    samples = Samples()
    assert samples.percentile(50) == 0.0
    for value in range(KEPT + 100):
        samples.add(value * 1_000_000)
    assert samples.percentile(0) == 100.0
    assert samples.max == KEPT + 99


def test_the_ledger_says_when_it_does_not_balance() -> None:
    assert "≠" in Ledger(captured=2, shown=1).lines(1.0)[0]
    assert "=" in Ledger(captured=2, shown=1, stale=1).lines(1.0)[0]


def test_the_ledger_tells_deadlines_copies_and_outages() -> None:
    ledger = Ledger(captured=3, deadline_ns=50_000_000)
    for age_ms in (10, 50, 60):
        ledger.add_shown(age_ms * 1_000_000)
    ledger.add_copy("OpenCV converts")
    ledger.add_copy("OpenCV converts")
    ledger.outages.add(2_500_000_000, 400_000_000)
    ledger.outages.add(1_000_000_000, 300_000_000)
    told = ledger.lines(1.0)
    assert told[1] == "copies 2; OpenCV converts"
    assert told[2] == (
        "reconnects 2, down 3.5 s (longest 2.5 s), first frame 300 ms after the last return"
    )
    assert told[3] == "deadline 50 ms: 1 of 3 masks missed it"
    assert told[5].split() == ["ms", "p50", "p90", "p99", "p99.9", "max"]
    assert told[-1].split() == ["age", "50.0", "58.0", "59.8", "60.0", "60.0"]


def test_a_videos_copies_are_counted(video: Path, model: Path) -> None:
    pipeline = make_pipeline(str(video), model)
    assert len(list(pipeline.results())) == pipeline.ledger.copies == 12
    assert list(pipeline.ledger.copy_reasons) == ["OpenCV converts what it decodes to BGR"]


def test_no_thread_allocates_an_image_per_frame(model: Path) -> None:
    """Capture, infer and the caller's thread together, behind a camera."""
    pipeline = make_pipeline("synthetic:?size=640x480&fps=200&live=1&format=yuyv", model)
    tracemalloc.start()
    try:
        with contextlib.closing(pipeline.results()) as results:
            for _ in range(20):
                next(results)
                time.sleep(0.02)  # queues fill: as many buffers are made as there can be
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(40):
                next(results)
            grown = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert grown < 640 * 480 / 10


def test_slow_sinks_take_no_more_memory_later(model: Path) -> None:
    """All masks of a camera's pipeline are made with its first frame."""
    pipeline = make_pipeline("synthetic:?size=640x480&fps=200&live=1&format=yuyv", model)
    with contextlib.closing(pipeline.results()) as results:
        next(results)
        next(results)  # the first is in the ledger, whose samples have their memory now
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(5):
                time.sleep(0.1)  # masks wait, as many as can
                next(results)
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
    assert grown < 640 * 480 / 4
