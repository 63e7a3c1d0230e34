"""The steps of a device check, each run in a process of its own.

python -m roadseg.benchmarks.device.steps STEP ARGUMENTS…

A library that crashes, as they do on machines that their makers did not have, then ends one step
and not the check. The last line on standard output is the outcome: {"state", "detail", "figures"}.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roadseg.benchmarks.device.outcome import FAILED, OK, SKIPPED, WRONG
from roadseg.runtime.errors import RoadsegError, SourceError

Found = tuple[str, str, dict[str, Any]]  # state, detail, figures

AGREEMENT_FRAMES = 4
# Percent of pixels, by precision. INT8 engines round ties differently, and rendered roads, which
# no network has learnt from, have many of them; an engine that computes something else is far off.
LEAST_AGREEMENT = {"float32": 99.0, "float16": 99.0, "int8": 96.0}


def convert(model: str, target: str, out: str) -> Found:
    """Write a network for an engine that does not run ONNX."""
    from roadseg.export.targets import TARGETS
    from roadseg.runtime.artifact import read_artifact

    chosen, precision = TARGETS[target], read_artifact(model)[1].precision
    if precision not in chosen.precisions:
        return SKIPPED, f"{target} takes {' and '.join(chosen.precisions)}, not {precision}", {}
    return OK, chosen.convert(Path(model), Path(out)), {}


def selftest(model: str, engine: str, file: str) -> Found:
    """Run the golden frame of a network; opening includes the build of a plan, where one is."""
    from roadseg.runtime.artifact import read_graph
    from roadseg.runtime.engines import open_engine
    from roadseg.runtime.golden import check_golden, read_golden

    golden, start = read_golden(read_graph(model), model), time.monotonic()
    with contextlib.closing(open_engine(file, engine, golden.size)) as opened:
        seconds = time.monotonic() - start
        verdict = check_golden(opened, golden)
        least = LEAST_AGREEMENT[opened.spec.precision]
    detail = (
        f"{verdict.agreement:.2f} % of the golden frame's pixels, {verdict.latency_ms:.1f} ms a "
        f"frame, opened in {seconds:.1f} s"
    )
    figures = {"agreement": verdict.agreement, "ms": verdict.latency_ms, "open_s": seconds}
    return OK if verdict.agreement >= least else WRONG, detail, {**figures, "least": least}


def agreement(model: str, engine: str, file: str) -> Found:
    """Compare an engine's masks with ONNX Runtime's on rendered roads."""
    import numpy as np

    from roadseg.runtime.engines import open_engine
    from roadseg.runtime.segmenter import Segmenter
    from roadseg.runtime.sources import open_source

    first, second = open_engine(model, "onnxruntime"), open_engine(file, engine)
    both, shares = (Segmenter(first), Segmenter(second)), []
    with open_source(f"synthetic:?frames={AGREEMENT_FRAMES}&seed=7&size=960x544") as source:
        while frame := source.read():
            left, right = (segmenter(frame).mask for segmenter in both)
            shares.append(100 * float(np.mean(left == right)))
            frame.release()
    mean, least = float(np.mean(shares)), LEAST_AGREEMENT[first.spec.precision]
    detail = f"{mean:.2f} % of pixels as ONNX Runtime, on {len(shares)} rendered roads"
    figures = {"agreement": mean, "least": least, "frames": len(shares)}
    return OK if mean >= least else WRONG, detail, figures


def kernels(rounds: str) -> Found:
    """Time the native kernels beside OpenCV and NumPy."""
    from statistics import median

    from roadseg.benchmarks.kernels import cases, measure
    from roadseg.runtime import _native

    compared = cases()
    times = measure(compared, int(rounds))
    figures: dict[str, dict[str, Any]] = {
        case.task: {"ms": median(ours), "library_ms": median(theirs), "library": case.library}
        for case, (ours, theirs) in zip(compared, times, strict=True)
    }
    faster = sum(each["ms"] < each["library_ms"] for each in figures.values())
    detail = f"{_native.isa()}, {faster} of {len(compared)} faster than the library, n {rounds}"
    return OK, detail, {"isa": _native.isa(), "tasks": figures}


def live(uri: str, frames: str) -> Found:
    """Segment a live source with the network in the package; no picture is kept."""
    from roadseg.runtime.engines import open_engine
    from roadseg.runtime.pipeline import Pipeline
    from roadseg.runtime.segmenter import Segmenter
    from roadseg.runtime.shipped import DEFAULT_MODEL
    from roadseg.runtime.sources import open_source

    start = time.monotonic()
    with contextlib.closing(open_engine(DEFAULT_MODEL)) as engine:
        try:
            opened = open_source(uri)
        except SourceError as error:  # no camera, or not one of pictures
            return SKIPPED, str(error), {}
        with opened as source:
            pipeline = Pipeline(source, Segmenter(engine), int(frames))
            with contextlib.closing(pipeline.results()) as results:
                for _ in results:
                    pass
        ledger, info, name = pipeline.ledger, source.info, engine.name
    seconds = time.monotonic() - start
    ages = {f"p{share}": round(ledger.age.percentile(share), 2) for share in (50, 90, 99)}
    counts = ("captured", "shown", "dropped", "stale", "corrupt")
    figures: dict[str, Any] = {each: getattr(ledger, each) for each in counts}
    figures |= {"engine": name, "width": info.width, "height": info.height}
    figures |= {"fps": round(ledger.shown / seconds, 2), "age_ms": ages}
    detail = (
        f"{info.width}x{info.height} on {name}: {figures['fps']} FPS, age p50 {ages['p50']} ms, "
        f"p99 {ages['p99']} ms; {ledger.lines(seconds)[0]}"
    )
    return OK if ledger.balances and ledger.shown else WRONG, detail, figures


STEPS: dict[str, Callable[..., Found]] = {
    step.__name__: step for step in (convert, selftest, agreement, kernels, live)
}


def main() -> None:
    """Run the step that the arguments name."""
    step, *arguments = sys.argv[1:]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            state, detail, figures = STEPS[step](*arguments)
    except RoadsegError as error:
        state, detail, figures = FAILED, str(error), {}
    print(json.dumps({"state": state, "detail": detail, "figures": figures}), flush=True)


if __name__ == "__main__":
    main()
