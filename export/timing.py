"""Latency of artefacts on the engines that are here, measured in turns."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from roadseg.export.report import Artifact, Timing
from roadseg.runtime.engines import installed_engines, open_engine
from roadseg.runtime.options import Size

WARMUP, ROUNDS = 3, 15


def time_artifacts(artifacts: Sequence[Artifact], size: Size) -> dict[tuple[str, str], Timing]:
    """Return timings by (artefact, engine); each round runs all once, so that noise hits all."""
    engines = {
        (each.name, engine): open_engine(each.path, engine, size)
        for each in artifacts
        for engine in each.engines
    }
    noise = np.random.default_rng(0).integers(0, 256, (size.height, size.width, 3))
    spent: dict[tuple[str, str], list[float]] = {key: [] for key in engines}
    for engine in engines.values():
        engine.input[:] = noise
    for number in range(WARMUP + ROUNDS):
        for key, engine in engines.items():
            start = time.perf_counter_ns()
            engine.infer()
            if number >= WARMUP:
                spent[key].append((time.perf_counter_ns() - start) / 1e6)
    for engine in engines.values():
        engine.close()
    return {key: Timing(min(each), float(np.median(each))) for key, each in spent.items()}


def slower_than_float(
    timings: Mapping[tuple[str, str], Timing], float_name: str, int8_name: str
) -> list[str]:
    """Return a line for each engine on which INT8 is not faster than float, with figures."""
    lines = []
    for engine in installed_engines():
        whole, small = timings[float_name, engine].best, timings[int8_name, engine].best
        if small >= whole:
            lines.append(
                f"INT8 is not faster on {engine} here: {small:.1f} ms, float {whole:.1f} ms "
                f"(best of {ROUNDS})"
            )
    return lines
