"""A run of seg-run: model and source opened, masks to the sinks, and at the end what came of it."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import time
from collections.abc import Sequence
from functools import partial

from roadseg.runtime.camera_model import CameraModel
from roadseg.runtime.engines import open_engine
from roadseg.runtime.engines.base import Engine
from roadseg.runtime.ledger import Ledger
from roadseg.runtime.monitor import Monitor
from roadseg.runtime.pipeline import Pipeline
from roadseg.runtime.postprocess import open_stages
from roadseg.runtime.progress import LiveLine
from roadseg.runtime.run_options import RunOptions
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.sensors import SensorLog, SensorThread
from roadseg.runtime.service import Upkeep, listen, supervise
from roadseg.runtime.sinks import FanOut, open_sinks
from roadseg.runtime.sources.base import Source, SourceInfo
from roadseg.runtime.sources.reconnecting import open_reconnecting
from roadseg.runtime.sources.survival import Survival

STOP_SIGNALS = signal.SIGINT, signal.SIGTERM  # a service's stop, or a script's: like Ctrl-C


def run(options: RunOptions, model: str, uri: str) -> int:
    """Segment a source until it ends or is stopped; return the exit code."""
    for number in _stop_signals(options.service):
        signal.signal(number, signal.default_int_handler)
    requests = listen(options.service, options.record is not None)
    reopen = partial(open_engine, model, options.engine, options.size, options.threads)
    upkeep = Upkeep(options.service, requests, reopen)
    engine = reopen()
    ledger = Ledger(deadline_ns=round(options.deadline_ms * 1e6))
    line = LiveLine(upkeep.log.tell if options.service else None)
    survival = Survival(
        options.stall_timeout, options.open_timeout, options.start_timeout, options.fail_fast
    )
    with contextlib.closing(engine):
        segmenter = _segmenter(options, engine)  # before a camera is waited for
        with open_reconnecting(uri, survival, ledger.outages, line.tell) as source:
            _greet(engine, source.info, segmenter)
            return _segment(options, segmenter, source, ledger, line, upkeep)


def _greet(engine: Engine, info: SourceInfo, segmenter: Segmenter) -> None:
    """Say what runs, and what was agreed on with the camera."""
    spec, size = engine.spec, f" {info.width}x{info.height}" if info.width else ""
    print(
        f"{spec.name} {spec.precision} on {engine.name} at {engine.width}x{engine.height}, "
        f"from {info.uri}{size}"
    )
    for note in filter(None, (info.detail, *(stage.note for stage in segmenter.stages))):
        print(note)
    sys.stdout.flush()


def _segmenter(options: RunOptions, engine: Engine) -> Segmenter:
    camera = CameraModel.read(options.camera_model) if options.camera_model else None
    return Segmenter(engine, open_stages(options.post, engine.spec.classes, camera))


def _segment(
    options: RunOptions,
    segmenter: Segmenter,
    source: Source,
    ledger: Ledger,
    line: LiveLine,
    upkeep: Upkeep,
) -> int:
    pipeline = Pipeline(source, segmenter, options.frames, ledger)
    log = SensorLog()
    monitor = Monitor(pipeline, log)
    classes = segmenter.engine.spec.classes
    opened = open_sinks(options, source.info, classes, monitor)
    sinks = FanOut(opened, source.info.live)
    monitor.tallies = sinks.tallies
    sensors, start = SensorThread(log), time.monotonic()
    stops = _stop_on_signal(pipeline, _stop_signals(options.service))
    line.start(source.info.frames or 0)
    try:
        with (
            supervise(upkeep, monitor, opened),
            contextlib.closing(pipeline.results()) as results,
        ):
            for result in results:
                sinks.write(result)
                monitor.note(result)
                line.show(ledger, result.age_ns)
    except KeyboardInterrupt:
        pass
    finally:
        line.clear()
        pipeline.segmenter.close()
        told = sensors.close().line(pipeline.ledger.shown)
        _tell(pipeline, time.monotonic() - start, [*([told] if told else []), *sinks.close()])
    if pipeline.faults and not source.info.live:
        more = f" (and {ledger.corrupt - 1} more)" if ledger.corrupt > 1 else ""
        raise type(pipeline.faults[0])(f"{pipeline.faults[0]}{more}")
    if sinks.failed:
        return 1
    return 130 if stops and not source.info.live else 0


def _stop_signals(service: bool) -> tuple[signal.Signals, ...]:
    """Return what ends a run: a hangup too, unless it asks a service to reload or nohup is used."""
    if service or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return STOP_SIGNALS
    return *STOP_SIGNALS, signal.SIGHUP


def _stop_on_signal(pipeline: Pipeline, signals: Sequence[signal.Signals]) -> list[int]:
    """Let a signal end the run behind what is under way, and the next one at once.

    A hangup is no next one: a session that is dropped sends several.
    Returns the list that the first one's number is put into.
    """
    stops: list[int] = []

    def stop(number: int, _: object) -> None:
        stops.append(number)
        for each in signals:
            hangup = each == signal.SIGHUP
            signal.signal(each, _leave_terminal if hangup else signal.default_int_handler)
        _leave_terminal()
        pipeline.stop()

    for number in signals:
        signal.signal(number, stop)
    return stops


def _leave_terminal(*_: object) -> None:
    """Tell nobody what would be told on a terminal that is gone: writing there is an error."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # closed, or no file at all
            file = stream.fileno()
            if stat.S_ISCHR(os.fstat(file).st_mode) and not os.isatty(file):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, file)
                os.close(nowhere)


def _tell(pipeline: Pipeline, seconds: float, ends: Sequence[str]) -> None:
    if pipeline.ledger.captured:
        print("\n".join(pipeline.ledger.lines(seconds)))
    for line in ends:
        print(line)
