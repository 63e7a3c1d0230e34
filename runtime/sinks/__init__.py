"""Sinks: where masks go. Each is chosen by an option of seg-run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from roadseg.runtime.errors import UsageError
from roadseg.runtime.files import check_writable
from roadseg.runtime.images import is_image
from roadseg.runtime.monitor import Monitor
from roadseg.runtime.run_options import RunOptions
from roadseg.runtime.sinks.base import Pace, Sink
from roadseg.runtime.sinks.fan_out import FanOut
from roadseg.runtime.sources.base import SourceInfo
from roadseg.runtime.spec import ClassInfo

__all__ = ["FanOut", "Pace", "Sink", "open_sinks"]


def open_sinks(
    options: RunOptions,
    info: SourceInfo,
    classes: Sequence[ClassInfo],
    monitor: Monitor | None = None,
) -> list[Sink]:
    """Open the sinks that are asked for; when one cannot be opened, those before it are closed.

    monitor: of the run, which the web page shows.
    Raises UsageError for an output that would take the place of what is read.
    """
    _spare_source(options, info)
    sinks: list[Sink] = []
    try:
        for sink in _opened(options, info, classes, monitor):
            sinks.append(sink)
    except BaseException:
        for sink in sinks:
            with contextlib.suppress(Exception):
                sink.close()
        raise
    return sinks


def _spare_source(options: RunOptions, info: SourceInfo) -> None:
    source = Path(info.uri)
    if info.live or not os.path.exists(source):  # a pipeline is too long for Path.exists
        return
    outputs = [options.save, options.sheet, options.jsonl]
    if options.masks:
        outputs.append(options.masks if source.is_dir() else options.masks / f"{source.stem}.png")
    for path in filter(None, outputs):
        if path.exists() and (path.samefile(source) or _is_in(source, path)):
            raise UsageError(f"{path} is what is read: write to another place")


def _is_in(folder: Path, path: Path) -> bool:
    """Whether a file is an image of a folder."""
    return is_image(path) and path.parent.samefile(folder)


def _opened(
    options: RunOptions, info: SourceInfo, classes: Sequence[ClassInfo], monitor: Monitor | None
) -> Iterator[Sink]:
    from roadseg.runtime.sinks.jsonl import JsonlSink
    from roadseg.runtime.sinks.masks import MaskSink
    from roadseg.runtime.sinks.painter import Painter
    from roadseg.runtime.sinks.ring import RingSink
    from roadseg.runtime.sinks.sheet import SheetSink
    from roadseg.runtime.sinks.video import VideoSink
    from roadseg.runtime.sinks.window import WindowSink

    for path in filter(None, (options.save, options.sheet)):
        check_writable(path)  # they are written at the end of what may be a long run
    shared = Painter(classes, options.alpha)

    def painter() -> Painter:
        """Of a live source each sink paints in its own thread, of a file one paints for all."""
        return Painter(classes, options.alpha) if info.live else shared

    if options.show:
        yield WindowSink(painter())
    if options.save:
        yield VideoSink(options.save, info, painter(), options.save_codec)
    if options.masks:
        yield MaskSink(options.masks)
    if options.sheet:
        yield SheetSink(options.sheet, painter())
    if options.ring:
        yield RingSink(options.ring, len(classes), options.ring_frames)
    if options.record:
        from roadseg.runtime.sinks.record import RecordSink

        seconds, below = options.record_seconds, options.record_below
        yield RecordSink(options.record, seconds, below, info, painter())
    if options.serve and monitor:
        from roadseg.runtime.sinks.web import WebSink
        from roadseg.runtime.web import Address

        yield WebSink(Address.parse(options.serve), monitor, options.alpha)
    if options.jsonl:  # the last one: it empties the file
        yield JsonlSink(options.jsonl, classes)
