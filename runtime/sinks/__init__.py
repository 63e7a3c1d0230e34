"""Sinks: where masks go. Each is chosen by an option of seg-run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from roadseg.runtime.sinks.base import Sink
from roadseg.runtime.sources.base import SourceInfo
from roadseg.runtime.spec import ClassInfo

__all__ = ["Sink", "close_sinks", "open_sinks"]


def open_sinks(
    info: SourceInfo,
    classes: Sequence[ClassInfo],
    *,
    save: Path | None = None,
    masks: Path | None = None,
    jsonl: Path | None = None,
    sheet: Path | None = None,
    show: bool = False,
    alpha: float = 0.5,
) -> list[Sink]:
    """Open the sinks that are asked for; when one cannot be opened, those before it are closed."""
    from roadseg.runtime.sinks.jsonl import JsonlSink
    from roadseg.runtime.sinks.masks import MaskSink
    from roadseg.runtime.sinks.painter import Painter
    from roadseg.runtime.sinks.sheet import SheetSink
    from roadseg.runtime.sinks.video import VideoSink
    from roadseg.runtime.sinks.window import WindowSink

    painter = Painter(classes, alpha)
    sinks: list[Sink] = []
    try:
        if show:
            sinks.append(WindowSink(painter))
        if save:
            sinks.append(VideoSink(save, info, painter))
        if masks:
            sinks.append(MaskSink(masks))
        if sheet:
            sinks.append(SheetSink(sheet, painter))
        if jsonl:
            sinks.append(JsonlSink(jsonl, classes))
    except BaseException:
        close_sinks(sinks)
        raise
    return sinks


def close_sinks(sinks: Sequence[Sink]) -> list[str]:
    """Close all; returns what they made. When some fail, the first error is raised at the end."""
    made, errors = [], []
    for sink in sinks:
        try:
            made.append(sink.close())
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return [line for line in made if line]
