"""A model that is changed while a run goes on: engines are closed, and a bad one is not taken."""

from __future__ import annotations

import time
from pathlib import Path

from roadseg.runtime.engines import open_engine
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.service import EventLog, Notifier, Reloader
from roadseg.runtime.sources import open_source


def test_an_engine_that_is_swapped_is_closed_whenever(model: Path) -> None:
    class Closable:
        def __init__(self) -> None:
            self.inner = open_engine(model, "onnxruntime")
            self.closed = False

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def close(self) -> None:
            self.closed = True
            self.inner.close()

    engines = [Closable() for _ in range(4)]
    first, second, third, late = engines
    segmenter = Segmenter(first)  # type: ignore[arg-type]
    with open_source("synthetic:?size=96x64&frames=2") as source:
        frame = source.read()
        assert frame
        segmenter(frame)
        segmenter.swap(second)  # type: ignore[arg-type]
        assert not first.closed  # a frame may be under way
        segmenter.swap(third)  # type: ignore[arg-type]
        assert second.closed
        segmenter(frame)
    assert (first.closed, third.closed) == (True, False)
    assert segmenter.engine is third
    segmenter.close()
    segmenter.swap(late)  # type: ignore[arg-type]
    assert all(engine.closed for engine in engines)


def test_a_reload_that_fails_leaves_the_engine(model: Path) -> None:
    lines: list[str] = []

    def broken() -> None:
        raise RuntimeError("no\nmemory")

    segmenter = Segmenter(open_engine(model, "onnxruntime"))
    before = segmenter.engine
    reloader = Reloader(broken, segmenter, EventLog(0.0, lines.append), Notifier({}))  # type: ignore[arg-type]
    reloader.start()
    give_up = time.monotonic() + 60
    while reloader.busy:
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert lines == ["not reloaded, the model from before goes on: no memory"]
    assert segmenter.engine is before
