"""The INT8 artefact in each CPU engine's form beside float, in one run: speed and masks.

python -m roadseg.benchmarks.lowerings mobileunet deeplabv3plus --data camvid:FOLDER
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from numpy.typing import NDArray

from roadseg.benchmarks.machine import machine, versions
from roadseg.calibration import calibration_frames
from roadseg.calibration.frames import LabelledFrame, network_inputs
from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.decode import decode
from roadseg.runtime.engines.base import Engine
from roadseg.runtime.engines.onnxruntime_engine import OnnxRuntimeEngine
from roadseg.runtime.engines.openvino_engine import OpenVinoEngine
from roadseg.runtime.errors import run_cli
from roadseg.runtime.options import Size, parse_options
from roadseg.runtime.shipped import resolve_model

COMMAND = "roadseg.benchmarks.lowerings"
WARMUP = 3
SIZE = Size(1024, 512)


@dataclass(frozen=True)
class LoweringOptions:
    """Compare INT8 with float on ONNX Runtime and OpenVINO, as Markdown.

    models: names of shipped networks, or float artefacts with NAME-int8.onnx beside them.
    data: frames to run on, with labels or without.
    frames: how many of its val split.
    rounds: of each frame; times are over frames x rounds.
    threads: of each engine.
    size: of the input.
    """

    models: tuple[str, ...]
    data: str
    frames: int = 25
    rounds: int = 2
    threads: int = 2
    size: Size = SIZE


@dataclass
class Form:
    """A network on an engine in a precision, and what was measured of it.

    spent_ms: of the clock. cpu_ms: of all threads of this process, which other work on the machine
    hardly changes when the engine has one thread.
    """

    name: str
    precision: str
    engine: Engine
    matrix: ConfusionMatrix
    spent_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    same: list[float] = field(default_factory=list)

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Infer, timed."""
        self.engine.input[:] = pixels
        clock, cpu = time.perf_counter_ns(), time.process_time_ns()
        logits = self.engine.infer()
        self.cpu_ms.append((time.process_time_ns() - cpu) / 1e6)
        self.spent_ms.append((time.perf_counter_ns() - clock) / 1e6)
        return logits


def open_forms(model: str, size: Size, threads: int) -> list[Form]:
    """Open a network's float and INT8 artefacts on both engines."""
    path = resolve_model(model)
    whole, spec = read_artifact(path)
    small, small_spec = read_artifact(path.with_stem(f"{path.stem}-int8"))
    kinds: list[tuple[str, str, Engine]] = [
        ("ONNX Runtime", "float32", OnnxRuntimeEngine(whole, spec, size, threads)),
        ("ONNX Runtime", "INT8", OnnxRuntimeEngine(small, small_spec, size, threads)),
        ("OpenVINO", "float32", OpenVinoEngine(whole, spec, size, threads)),
        ("OpenVINO", "bfloat16", OpenVinoEngine(whole, spec, size, threads, "bf16")),
        ("OpenVINO", "INT8", OpenVinoEngine(small, small_spec, size, threads)),
    ]
    return [Form(*kind, ConfusionMatrix(len(spec.classes))) for kind in kinds]


def measure(forms: Sequence[Form], frames: Sequence[LabelledFrame], size: Size, n: int) -> None:
    """Run all forms on each frame in turns; INT8 on ONNX Runtime is what masks are held to."""
    reference = next(form for form in forms if form.precision == "INT8")
    for each, pixels in zip(frames, network_inputs(frames, size), strict=True):
        shape = (each.frame.height, each.frame.width)
        logits = {id(form): form.run(pixels) for _ in range(n) for form in forms}
        masks = {key: decode(value, np.empty(shape, np.uint8)) for key, value in logits.items()}
        for form in forms:
            form.same.append(float((masks[id(form)] == masks[id(reference)]).mean()))
            if each.truth is not None:
                form.matrix.update(each.truth, masks[id(form)])


def table(forms: Sequence[Form]) -> str:
    """Return what was measured as a Markdown table; with how many times faster INT8 is."""
    lines = [
        "| engine | precision | ms best (median) | INT8 faster | CPU ms best | INT8 faster | mIoU "
        "| same pixels as INT8 on ONNX Runtime |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    int8 = {form.name: form for form in forms if form.precision == "INT8"}
    for form in forms:
        clock, cpu = _best(form.spent_ms), _best(form.cpu_ms)
        small = int8[form.name]
        score = f"{100 * form.matrix.miou:.2f}" if form.matrix.counts.any() else ""
        lines.append(
            f"| {form.name} | {form.precision} | {clock:.1f} ({median(form.spent_ms):.1f}) "
            f"| {clock / _best(small.spent_ms):.2f} | {cpu:.1f} | {cpu / _best(small.cpu_ms):.2f} "
            f"| {score} | {100 * float(np.mean(form.same)):.2f} % |"
        )
    return "\n".join(lines)


def _best(values: Sequence[float]) -> float:
    return min(values[WARMUP:] or values)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code."""

    def body() -> None:
        options = parse_options(COMMAND, LoweringOptions, argv, ["models"])
        frames = calibration_frames(options.data, options.frames, "val")
        n = len(frames) * options.rounds
        print(f"{_machine()}; threads {options.threads}, n = {n}, in turns on each frame")
        for model in options.models:
            forms = open_forms(model, options.size, options.threads)
            measure(forms, frames, options.size, options.rounds)
            print(f"\n{model} at {options.size}:\n\n{table(forms)}", flush=True)

    return run_cli(COMMAND, body)


def _machine() -> str:
    told = {key: machine().get(key, "?") for key in ("cpu", "cores", "flags", "load")}
    told |= {key: versions().get(key, "?") for key in ("onnxruntime", "openvino")}
    return ", ".join(f"{key} {value}" for key, value in told.items())


if __name__ == "__main__":
    sys.exit(main())
