"""How an export ends: a table, and a page with pictures."""

from __future__ import annotations

import onnx

from roadseg.export.frames import frames_uri, public_name
from roadseg.export.page import Story, export_page
from roadseg.export.quantizer import ENGINE
from roadseg.export.report import aligned, cells
from roadseg.export.samples import Sample, compare_masks
from roadseg.export.timing import ROUNDS, slower_than_float, time_artifacts
from roadseg.export.work import SOURCE, Work

PAGE, SAMPLES = "export.html", 3


def summarize(work: Work) -> None:
    """Time what the engines can run; print the table and write the page beside the artefacts."""
    own = [each for each in work.artifacts if each.name in work.scores]
    others = [each for each in work.artifacts if each.name not in work.scores]
    # Apart: the waiting threads of other runtimes would slow these down.
    timings = time_artifacts(own, work.size) | time_artifacts(others, work.size)
    rows = cells(work.artifacts, work.scores, timings)
    notes = [_how(work)]
    small = f"{work.whole.name}-int8"
    if small in work.scores:
        notes += slower_than_float(timings, work.whole.name, small)
    print("\n".join(["", aligned(rows), *notes]))
    story = _story(work)
    story.table, story.notes = rows, notes
    (work.folder / PAGE).write_text(export_page(story))


def _how(work: Work) -> str:
    labels = "with labels" if work.frames[0].truth is not None else "without labels"
    return (
        f"latency: inference at {work.size}, best (median) of {ROUNDS}, in turns; scored on "
        f"{len(work.frames)} frames of {public_name(frames_uri(work.options))}, {labels}, beside "
        "the artefact before"
    )


def _story(work: Work) -> Story:
    """Return what the page tells, but for the table."""
    words = f"{work.size}, from {public_name(frames_uri(work.options))}"
    story = Story(f"roadseg export: {work.spec.name}", words, losses=work.losses)
    steps = [("source", work.folder / f"{SOURCE}.onnx")]
    steps += [(each.name, each.path) for each in work.artifacts if each.path.suffix == ".onnx"]
    story.graphs = [(name, onnx.load(path)) for name, path in steps]
    story.samples = _samples(work)
    return story


def _samples(work: Work) -> list[Sample]:
    small = work.folder / f"{work.whole.name}-int8.onnx"
    if not small.is_file():
        return []
    return compare_masks(work.whole.path, small, work.frames, work.size, ENGINE, SAMPLES)
