"""Pipeline: camera to mask, as seg-run does it, at a camera's pace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from roadseg.benchmarks.configuration import Configuration
from roadseg.benchmarks.latency import Progress, with_options
from roadseg.benchmarks.rows import Row
from roadseg.benchmarks.soak import slope_per_1000
from roadseg.benchmarks.workers import WorkerHandle, open_workers
from roadseg.runtime.sources.query import hide_password

SOAK_RATE = 1000.0  # frames a second: more than any engine takes, so it never waits
WARMUP_S = 2.0


@dataclass(frozen=True)
class Camera:
    """What a pipeline is fed with.

    uri: of a live source.
    pixel_format, rate: as asked for; "" and 0.0 where the source decides.
    post: stages after the network.
    """

    uri: str
    pixel_format: str = ""
    rate: float = 0.0
    post: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The URI without user and password: reports are published."""
        return hide_password(self.uri)

    @classmethod
    def synthetic(
        cls, size: object, pixel_format: str, rate: float, post: tuple[str, ...] = ()
    ) -> Camera:
        """Return a camera of rendered roads, frames made beforehand."""
        layout = pixel_format.lower()
        uri = f"synthetic:?live=1&size={size}&format={layout}&fps={rate:g}"
        return cls(uri, pixel_format, rate, post)


def measure_pipelines(
    configurations: Sequence[Configuration],
    cameras: Sequence[Camera],
    seconds: float,
    progress: Progress,
    about: dict[str, Any],
) -> Iterator[Row]:
    """Run every camera through every configuration, each in a process of its own.

    Two that turn out the same ("auto" and the engine it chose) are measured once.
    """
    seen = set()
    for configuration in configurations:
        for camera in cameras:
            with open_workers([configuration]) as (worker,):
                if (worker.key, camera) in seen:
                    continue
                seen.add((worker.key, camera))
                progress(f"{configuration.model}: {camera.name} for {seconds:g} s")
                answer = _ask(worker, camera, seconds)
                yield pipeline_row(worker, camera, answer, about)


def measure_pipeline_soak(
    configurations: Sequence[Configuration],
    camera: Camera,
    minutes: float,
    progress: Progress,
    about: dict[str, Any],
) -> Iterator[Row]:
    """Run a camera that never waits for many minutes; give a row of memory over frames each."""
    for configuration in configurations:
        with open_workers([configuration]) as (worker,):
            progress(f"{configuration.model}: soak of {minutes:g} minutes")
            answer = _ask(worker, camera, minutes * 60)
            answer["allocated_kb"] = worker.ask(allocated=camera.uri)["allocated_kb"]
            yield soak_row(worker, camera, answer, about)


def _ask(worker: WorkerHandle, camera: Camera, seconds: float) -> dict[str, Any]:
    asked = {"uri": camera.uri, "post": camera.post, "warmup_s": WARMUP_S, "seconds": seconds}
    return worker.ask(pipeline=asked)


def pipeline_row(
    worker: WorkerHandle, camera: Camera, answer: dict[str, Any], about: dict[str, Any]
) -> Row:
    """Make a row of kind "pipeline" of what a worker answered."""
    return Row(
        "pipeline",
        *worker.key,
        n=answer["n"],
        stages_ms=_rounded(answer["stages_ms"]),
        age_ms=_rounded(answer["age_ms"]),
        fps=round(answer["n"] / answer["seconds"], 2),
        memory_mb=round(answer["memory_mb"], 1),
        ledger=answer["ledger"],
        cpu=answer["cpu"],
        **_options(worker, camera, answer, about),
    )


def soak_row(
    worker: WorkerHandle, camera: Camera, answer: dict[str, Any], about: dict[str, Any]
) -> Row:
    """Make a row of kind "soak" of what a worker answered."""
    rss = [[number, round(mb, 2)] for number, mb in answer["rss_mb"]]
    slope = slope_per_1000(rss)
    per_hour = slope * answer["n"] / 1000 / answer["seconds"] * 3600
    width, height = map(int, answer["frame_size"].split("x"))
    soak = {
        "rss_mb": rss,
        "slope_mb_per_1000": round(slope, 4),
        "slope_mb_per_hour": round(per_hour, 2),
        "allocated_kb": round(answer["allocated_kb"], 1),
        "frame_kb": round(width * height / 1024, 1),
    }
    return Row(
        "soak",
        *worker.key,
        n=answer["n"],
        fps=round(answer["n"] / answer["seconds"], 2),
        memory_mb=round(answer["memory_mb"], 1),
        soak=soak,
        ledger=answer["ledger"],
        **_options(worker, camera, answer, about),
    )


def _options(
    worker: WorkerHandle, camera: Camera, answer: dict[str, Any], about: dict[str, Any]
) -> dict[str, Any]:
    return with_options(
        worker,
        about,
        pixel_format=camera.pixel_format,
        frame_size=answer["frame_size"],
        rate=camera.rate,
        source=camera.name,
        **({"post": list(camera.post)} if camera.post else {}),
        seconds=round(answer["seconds"], 2),
        warmup_s=WARMUP_S,
    )


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
