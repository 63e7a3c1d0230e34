"""seg-run: camera, video or images -> masks."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from roadseg.runtime.errors import UsageError, run_cli
from roadseg.runtime.options import Size, parse_options

if TYPE_CHECKING:
    from roadseg.runtime.engines.base import Engine
    from roadseg.runtime.ledger import Ledger
    from roadseg.runtime.pipeline import Pipeline
    from roadseg.runtime.progress import LiveLine
    from roadseg.runtime.sources.base import Source


@dataclass(frozen=True)
class RunOptions:
    """Segment a camera, a video, images or rendered roads: seg-run [MODEL] SOURCE.

    what: MODEL and SOURCE, or SOURCE alone for the network in the package. SOURCE is a video file,
        an image, a folder of images, camera:N, csi://N, a stream (rtsp://…, http://….mjpg,
        udp://…), gst:PIPELINE, or synthetic:?size=960x544&frames=150.
    camera: number, name or device file of a camera, instead of SOURCE; with ?size=1280x720&fps=30
        after it where it matters (see docs/cameras.md).
    engine: auto, onnxruntime, openvino, tensorrt, ncnn or torchscript.
    size: of the network's input; by default the model's own.
    threads: of the engine; 0 leaves it to the engine.
    save: write the overlay as a video (.mp4, .mkv, .avi).
    masks: write masks as PNG files of class ids to this folder.
    jsonl: write a line of JSON for each frame.
    sheet: write a contact sheet (PNG) of overlays.
    show: show the overlay in a window.
    serve: show the run on a web page, at [HOST:]PORT; of this machine alone unless HOST is given.
    ring: write masks to shared memory under this name, for another process; see docs/ring.md.
    ring_frames: write the frames to the ring too.
    alpha: how much the overlay covers the picture, 0 to 1.
    frames: stop after so many masks; 0 is no limit.
    stall_timeout: seconds without a frame after which a live source is opened again.
    open_timeout: seconds that opening a live source may take.
    start_timeout: seconds that a live source may be missing at the start; 0 waits on.
    fail_fast: end with exit code 3 when a live source is not there, stalls or is lost; by default
        it is waited for.
    deadline_ms: count masks that are older than this; 0 counts none.
    selftest: run the model's golden frame on this machine's engine; exit code 1 when it is off.
    list_models: list the networks in the package.
    list_cameras: list the cameras that are here, with their stable names, formats, sizes and rates.
    """

    what: tuple[str, ...] = ()
    camera: str = ""
    engine: str = "auto"
    size: Size | None = None
    threads: int = 0
    save: Path | None = None
    masks: Path | None = None
    jsonl: Path | None = None
    sheet: Path | None = None
    show: bool = False
    serve: str = ""
    ring: str = ""
    ring_frames: bool = False
    alpha: float = 0.5
    frames: int = 0
    stall_timeout: float = 3.0
    open_timeout: float = 10.0
    start_timeout: float = 10.0
    fail_fast: bool = False
    deadline_ms: float = 0.0
    selftest: bool = False
    list_models: bool = False
    list_cameras: bool = False

    def __post_init__(self) -> None:
        """Check values."""
        if not 0 <= self.alpha <= 1:
            raise UsageError(f"alpha is {self.alpha}: it must be 0 to 1")
        if self.frames < 0:
            raise UsageError(f"frames is {self.frames}: it must be 0 (no limit) or more")
        for name, none in (("deadline_ms", "none"), ("start_timeout", "without end")):
            if not 0 <= getattr(self, name) < float("inf"):
                told = f"{name.replace('_', '-')} is {getattr(self, name):g}"
                raise UsageError(f"{told}: it must be 0 ({none}) or more")
        for name in ("stall_timeout", "open_timeout"):
            if not 0 < getattr(self, name) < float("inf"):
                told = f"{name.replace('_', '-')} is {getattr(self, name):g} seconds"
                raise UsageError(f"{told}: it must be more than 0")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_cli("seg-run", lambda: _run(parse_options("seg-run", RunOptions, argv, ["what"])))


def _run(options: RunOptions) -> int:
    if options.list_models:
        return _list_models()
    if options.list_cameras:
        return _list_cameras()
    if options.selftest:
        return _selftest(options)
    model, uri = choose(options.what, options.camera)
    from roadseg.runtime.engines import open_engine
    from roadseg.runtime.ledger import Ledger
    from roadseg.runtime.progress import LiveLine
    from roadseg.runtime.sources.reconnecting import open_reconnecting
    from roadseg.runtime.sources.survival import Survival

    for number in (
        signal.SIGTERM,
        signal.SIGINT,
    ):  # a service, or a job of a script, ends like Ctrl-C
        signal.signal(number, signal.default_int_handler)
    engine = open_engine(model, options.engine, options.size, options.threads)
    ledger, line = Ledger(deadline_ns=round(options.deadline_ms * 1e6)), LiveLine()
    survival = Survival(
        options.stall_timeout, options.open_timeout, options.start_timeout, options.fail_fast
    )
    with (
        contextlib.closing(engine),
        open_reconnecting(uri, survival, ledger.outages, line.tell) as source,
    ):
        spec, info = engine.spec, source.info
        print(
            f"{spec.name} {spec.precision} on {engine.name} at {engine.width}x{engine.height}, "
            f"from {info.uri}" + (f" {info.width}x{info.height}" if info.width else ""),
            flush=True,
        )
        if info.detail:
            print(info.detail, flush=True)
        return _segment(options, engine, source, ledger, line)


def _selftest(options: RunOptions) -> int:
    from roadseg.runtime.selftest import selftest
    from roadseg.runtime.shipped import DEFAULT_MODEL

    if len(options.what) > 1 or options.camera:
        raise UsageError("--selftest takes a model and no source: its frame is in the model")
    selftest(options.what[0] if options.what else DEFAULT_MODEL, options.engine, options.threads)
    return 0


def choose(what: Sequence[str], camera: str) -> tuple[str, str]:
    """Return the model and the source's URI; raises UsageError when they are not told."""
    from roadseg.runtime.classical import is_classical
    from roadseg.runtime.engines.kinds import SUFFIXES
    from roadseg.runtime.shipped import DEFAULT_MODEL, shipped_models

    if camera:
        if len(what) > 1:
            raise UsageError(f"--camera {camera} and the source '{what[1]}': give one of them")
        uri = f"v4l2://{camera}" if camera.startswith("/") else f"camera:{camera}"
        return (what[0] if what else DEFAULT_MODEL), uri
    if len(what) == 2:
        return what[0], what[1]
    if len(what) > 2:
        raise UsageError(f"'{what[2]}' is one word too many: seg-run [MODEL] SOURCE")
    if not what:
        raise UsageError("no source: give --camera 0, a video, a folder of images, or synthetic:")
    suffix = Path(what[0]).suffix.lower()
    if what[0] in shipped_models() or suffix in SUFFIXES or is_classical(what[0]):
        raise UsageError(f"{what[0]} is a model: give a source too, such as --camera 0")
    return DEFAULT_MODEL, what[0]


def _segment(
    options: RunOptions, engine: Engine, source: Source, ledger: Ledger, line: LiveLine
) -> int:
    from roadseg.runtime.monitor import Monitor
    from roadseg.runtime.pipeline import Pipeline
    from roadseg.runtime.segmenter import Segmenter
    from roadseg.runtime.sinks import FanOut, SinkOptions, open_sinks

    pipeline = Pipeline(source, Segmenter(engine), options.frames, ledger)
    monitor = Monitor(pipeline)
    chosen = SinkOptions(**{one.name: getattr(options, one.name) for one in fields(SinkOptions)})
    sinks = FanOut(open_sinks(chosen, source.info, engine.spec.classes, monitor), source.info.live)
    monitor.tallies = sinks.tallies
    start, stopped = time.monotonic(), False
    line.start(source.info.frames or 0)
    try:
        with contextlib.closing(pipeline.results()) as results:
            for result in results:
                sinks.write(result)
                monitor.note(result)
                line.show(ledger, result.age_ns)
    except KeyboardInterrupt:
        stopped = True
    finally:
        line.clear()
        _tell(pipeline, time.monotonic() - start, sinks.close())
    if pipeline.faults and not source.info.live:
        more = f" (and {ledger.corrupt - 1} more)" if ledger.corrupt > 1 else ""
        raise type(pipeline.faults[0])(f"{pipeline.faults[0]}{more}")
    if sinks.failed:
        return 1
    return 130 if stopped and not source.info.live else 0


def _tell(pipeline: Pipeline, seconds: float, ends: Sequence[str]) -> None:
    if pipeline.ledger.captured:
        print("\n".join(pipeline.ledger.lines(seconds)))
    for line in ends:
        print(line)


def _list_models() -> int:
    from roadseg.runtime.artifact import read_artifact
    from roadseg.runtime.classical import METHODS, PREFIX
    from roadseg.runtime.shipped import shipped_models

    for name, path in shipped_models().items():
        spec = read_artifact(path)[1]
        score = spec.metrics.get("miou_val")
        told = f"  mIoU {score:.1f} on val" if score is not None else ""
        size = f"{spec.width}x{spec.height}"
        megabytes = path.stat().st_size / 1e6
        print(f"{name:22} {spec.precision:8} {size:10} {megabytes:5.1f} MB{told}")
    print(f"without a network, road or other: {', '.join(PREFIX + name for name in METHODS)}")
    return 0


def _list_cameras() -> int:
    from roadseg.runtime.sources.v4l2.cameras import list_cameras

    cameras = list_cameras()
    for camera in cameras:
        print("\n  ".join(camera.lines()))
    if not cameras:
        print("there are no cameras here (no /dev/video*)", file=sys.stderr)
    return 0 if cameras else 3


if __name__ == "__main__":
    sys.exit(main())
