"""A worker: one configuration in its own process, measured on command.

A process each keeps one engine's memory peak and thread pool out of another's figures. Commands
are read from standard input and answered on standard output, a line of JSON each:

    {"open": CONFIGURATION}  → {"name", "precision", "engine", "width", "height", …}
    {"run": N}               → {"total_ns": [N], "stages_ns": {stage: [N]}, "sensors": {…}}
    {"soak": N}              → {"rss_mb": [[frame, MB], …], "allocated_kb", "frame_kb"}
    {"peak": true}           → {"memory_mb"}
    {"pipeline": {"uri", "post", "warmup_s", "seconds"}} → see run_pipeline
    {"allocated": URI}       → {"allocated_kb"}

An error is answered by {"error": its class, "message"}, and ends the worker; so does end of input.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import signal
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any, TextIO

from roadseg.benchmarks.configuration import Configuration
from roadseg.benchmarks.frames import road_frames
from roadseg.benchmarks.memory import peak_mb, resident_mb
from roadseg.runtime.errors import RoadsegError
from roadseg.runtime.sensors import SensorLog

if TYPE_CHECKING:
    from roadseg.runtime.frame import Frame
    from roadseg.runtime.segmenter import Segmenter

SOAK_SAMPLES = 200
TRACED_FRAMES = 20
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


class Worker:
    """An open segmenter and the frames it is measured with."""

    def __init__(self, configuration: Configuration) -> None:
        from roadseg.runtime.segmenter import Segmenter

        self.engine = configuration.open_engine()
        self.segmenter: Segmenter = Segmenter(self.engine)
        size = configuration.frame_size
        width, height = (size.width, size.height) if size else (self.width, self.height)
        self.frames: list[Frame] = road_frames(width, height, configuration.pixel_format)
        self.sha256 = configuration.sha256
        self.passes = getattr(self.engine, "passes", 1)
        self.next = 0

    @property
    def width(self) -> int:
        """Width of the network's input."""
        return self.engine.width

    @property
    def height(self) -> int:
        """Height of the network's input."""
        return self.engine.height

    def describe(self) -> dict[str, Any]:
        """Return what a row says of the configuration."""
        spec, frame = self.engine.spec, self.frames[0]
        return {
            "name": spec.name,
            "precision": spec.precision,
            "engine": self.engine.name,
            "width": self.width,
            "height": self.height,
            "frame_size": f"{frame.width}x{frame.height}",
            "sha256": self.sha256,
            "passes": self.passes,
            "classes": [dataclasses.astuple(info) for info in spec.classes],
        }

    def segment(self) -> dict[str, int]:
        """Segment the next frame; return the nanoseconds of each stage."""
        frame = self.frames[self.next % len(self.frames)]
        self.next += 1
        return dict(self.segmenter(frame).stages_ns)

    def run(self, count: int) -> dict[str, Any]:
        """Time `count` frames, each from frame in to mask out."""
        sensors, total = SensorLog(), list[int]()
        stages: dict[str, list[int]] = {}
        for _ in range(count):
            start = time.perf_counter_ns()
            spent = self.segment()
            total.append(time.perf_counter_ns() - start)
            for stage, value in spent.items():
                stages.setdefault(stage, []).append(value)
        seen = sensors.update()
        return {"total_ns": total, "stages_ns": stages, "sensors": vars(seen)}

    def soak(self, count: int) -> dict[str, Any]:
        """Watch resident memory over `count` frames, then what each frame allocates."""
        every = max(1, count // SOAK_SAMPLES)
        rss = [(0, resident_mb())]
        for number in range(1, count + 1):
            self.segment()
            if number % every == 0 or number == count:
                rss.append((number, resident_mb()))
        frame_kb = self.frames[0].width * self.frames[0].height / 1024
        return {"rss_mb": rss, "allocated_kb": self.allocated_kb(), "frame_kb": frame_kb}

    def allocated_kb(self) -> float:
        """Return the most that Python and NumPy allocated for one frame, in KiB."""
        worst = 0
        tracemalloc.start()
        try:
            for number in range(TRACED_FRAMES):
                before = tracemalloc.get_traced_memory()[0]
                tracemalloc.reset_peak()
                self.segment()
                grown = tracemalloc.get_traced_memory()[1] - before
                # The first frames pay for tracing itself (caches of line numbers).
                worst = max(worst, grown) if number >= TRACED_FRAMES // 2 else 0
        finally:
            tracemalloc.stop()
        return worst / 1024


def serve(commands: TextIO, answers: TextIO) -> None:
    """Answer commands until the input ends or one fails."""
    worker: Worker | None = None
    for line in commands:
        command = json.loads(line)
        try:
            if "open" in command:
                worker = Worker(Configuration.from_dict(command["open"]))
            answer = _answer(worker, command) if worker else {}
        except Exception as error:  # whatever an engine, or a frame too large for memory, does
            words = str(error) if isinstance(error, RoadsegError) else " ".join(str(error).split())
            answer = {"error": type(error).__name__, "message": words}
        print(json.dumps(answer), file=answers, flush=True)
        if "error" in answer:
            return


def _answer(worker: Worker, command: dict[str, Any]) -> dict[str, Any]:
    if "run" in command:
        return worker.run(int(command["run"]))
    if "soak" in command:
        return worker.soak(int(command["soak"]))
    if "pipeline" in command:
        from roadseg.benchmarks.pipeline_run import run_pipeline

        return run_pipeline(worker.engine, **command["pipeline"])
    if "allocated" in command:
        from roadseg.benchmarks.pipeline_run import pipeline_allocated_kb

        return {"allocated_kb": pipeline_allocated_kb(worker.engine, command["allocated"])}
    if "peak" in command:
        return {"memory_mb": peak_mb()}
    return worker.describe()


def main() -> None:
    """Serve on the standard streams; what libraries print goes to standard error.

    On Linux a session that is killed takes its workers with it, also in a long soak.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
