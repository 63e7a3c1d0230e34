"""INT8 by roadseg beside INT8 by onnxruntime.quantization, from the same frames, in one run.

python -m roadseg.benchmarks.quantizers mobileunet --data camvid:FOLDER

examples/modelopt_int8.py makes a file for --also with NVIDIA ModelOpt.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from roadseg.calibration import (
    calibration_frames,
    channel_maxima,
    channel_means,
    collect_ranges,
    equalize,
    quantize,
)
from roadseg.calibration.frames import LabelledFrame, network_inputs
from roadseg.data.confusion import ConfusionMatrix
from roadseg.export.half_weights import restore
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.decode import decode
from roadseg.runtime.engines.lowering import lower_for_cpu
from roadseg.runtime.errors import run_cli
from roadseg.runtime.options import Size, parse_options
from roadseg.runtime.shipped import resolve_model

COMMAND = "roadseg.benchmarks.quantizers"

Make = Callable[[onnx.ModelProto, Sequence[NDArray[np.uint8]]], onnx.ModelProto]


@dataclass(frozen=True)
class QuantizerOptions:
    """Compare quantisers on one network, as a Markdown table.

    model: float ONNX artefact, or name of a shipped network.
    data: labelled data set; calibrated on its train split, scored on val.
    calib_frames: frames to calibrate with.
    score_frames: frames to score on.
    threads: of ONNX Runtime; 0 leaves it to it.
    also: ONNX files of other quantisers, made from the same float network; scored beside the rest.
    save: write float.onnx and frames.npy for other quantisers into this folder, and end.
    """

    model: str
    data: str
    calib_frames: int = 64
    score_frames: int = 101
    threads: int = 0
    also: tuple[str, ...] = ()
    save: Path | None = None


def ours(model: onnx.ModelProto, inputs: Sequence[NDArray[np.uint8]]) -> onnx.ModelProto:
    """roadseg's artefact, as its engine for ONNX Runtime loads it."""
    means = channel_means(model, inputs)
    return lower_for_cpu(quantize(model, collect_ranges(model, inputs), means=means))


def equalized(model: onnx.ModelProto, inputs: Sequence[NDArray[np.uint8]]) -> onnx.ModelProto:
    """The same from equalised channels."""
    return ours(equalize(model, channel_maxima(model, inputs)), inputs)


def artefact(model: onnx.ModelProto, inputs: Sequence[NDArray[np.uint8]]) -> onnx.ModelProto:
    """roadseg's artefact as it lies in its file, in TensorRT's form."""
    return quantize(model, collect_ranges(model, inputs), means=channel_means(model, inputs))


def defaults(model: onnx.ModelProto, inputs: Sequence[NDArray[np.uint8]]) -> onnx.ModelProto:
    """quantize_static of ONNX Runtime with its default options."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Gives the inputs one by one."""

        def __init__(self) -> None:
            self.left = iter(inputs)

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            """Return the next input, None at the end."""
            pixels = next(self.left, None)
            return None if pixels is None else {"pixels": pixels[None]}

    logging.getLogger().setLevel(logging.ERROR)  # it advises to run its own preprocessing
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, before)
        quantize_static(before, after, Reader())
        return onnx.load(after)


MAKERS: dict[str, Make] = {
    "roadseg, lowered for ONNX Runtime": ours,
    "roadseg, equalised": equalized,
    "roadseg, as in the file": artefact,
    "onnxruntime.quantization, defaults": defaults,
}


@dataclass
class Entry:
    """One form of the network, and what was measured of it."""

    name: str
    session: onnxruntime.InferenceSession
    seconds: float
    integer: str
    matrix: ConfusionMatrix
    same: list[float]
    spent_ms: list[float]
    cpu_ms: list[float]


def entries(
    model: onnx.ModelProto,
    inputs: Sequence[NDArray[np.uint8]],
    also: Sequence[str] = (),
    threads: int = 0,
) -> Iterator[Entry]:
    """Give the float network, then each quantiser's form of it, then those of other files."""
    yield _entry("float32", model, 0.0, threads)
    for name, make in MAKERS.items():
        start = time.perf_counter()
        made = make(model, inputs)
        yield _entry(name, made, time.perf_counter() - start, threads)
    for path in also:
        foreign = onnx.load(path)
        told = {entry.key: entry.value for entry in foreign.metadata_props}
        yield _entry(Path(path).stem, foreign, float(told.get("seconds", 0.0)), threads)


def _entry(name: str, model: onnx.ModelProto, seconds: float, threads: int) -> Entry:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    classes = session.get_outputs()[0].shape[1]
    return Entry(name, session, seconds, _integer(model), ConfusionMatrix(classes), [], [], [])


def _integer(model: onnx.ModelProto) -> str:
    """Return how many convolutions read integers on both sides."""
    producer = {name: node for node in model.graph.node for name in node.output}

    def is_integer(name: str) -> bool:
        node = producer.get(name)
        if node is not None and node.op_type == "Transpose":  # of the pixels
            node = producer.get(node.input[0])
        return node is not None and node.op_type == "DequantizeLinear"

    layers = [node for node in model.graph.node if node.op_type in ("Conv", "QLinearConv")]
    quantized = sum(
        node.op_type == "QLinearConv" or all(map(is_integer, node.input[:2])) for node in layers
    )
    return f"{quantized} of {len(layers)}"


def save(folder: Path, model: onnx.ModelProto, inputs: Sequence[NDArray[np.uint8]]) -> None:
    """Write what another quantiser starts from."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "float.onnx")
    np.save(folder / "frames.npy", np.stack(inputs))
    print(f"written: {folder / 'float.onnx'}, {folder / 'frames.npy'}")


def measure(forms: Sequence[Entry], frames: Sequence[LabelledFrame], size: Size) -> None:
    """Run all forms on each frame, in turns; the first is what masks are compared with."""
    for each, pixels in zip(frames, network_inputs(frames, size), strict=True):
        shape = (each.frame.height, each.frame.width)
        reference = np.empty(shape, np.uint8)
        for form in forms:
            start, cpu = time.perf_counter_ns(), time.process_time_ns()
            logits = form.session.run(None, {"pixels": pixels[None]})[0][0]
            form.cpu_ms.append((time.process_time_ns() - cpu) / 1e6)
            form.spent_ms.append((time.perf_counter_ns() - start) / 1e6)
            mask = decode(logits, np.empty(shape, np.uint8))
            reference = mask if form is forms[0] else reference
            form.same.append(float((mask == reference).mean()))
            if each.truth is not None:
                form.matrix.update(each.truth, mask)


def table(forms: Sequence[Entry]) -> str:
    """Return what was measured as a Markdown table."""
    lines = [
        "| INT8 by | integer convolutions | mIoU | same pixels | ms best (median) | CPU ms best "
        "| s to make |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for form in forms:
        score = f"{100 * form.matrix.miou:.2f}" if form.matrix.counts.any() else ""
        lines.append(
            f"| {form.name} | {form.integer} | {score} | {100 * float(np.mean(form.same)):.2f} % "
            f"| {min(form.spent_ms):.1f} ({median(form.spent_ms):.1f}) | {min(form.cpu_ms):.1f} "
            f"| {form.seconds:.0f} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code."""

    def body() -> None:
        options = parse_options(COMMAND, QuantizerOptions, argv, ["model"])
        model, spec = read_artifact(resolve_model(options.model))
        size = Size(spec.width, spec.height)
        calibrating = calibration_frames(options.data, options.calib_frames, "train")
        inputs = [pixels.copy() for pixels in network_inputs(calibrating, size)]
        if options.save:
            return save(options.save, restore(model), inputs)
        frames = calibration_frames(options.data, options.score_frames, "val")
        with contextlib.redirect_stdout(sys.stderr):
            forms = list(entries(restore(model), inputs, options.also, options.threads))
        measure(forms, frames, size)
        print(f"{spec.name} at {size}, {len(inputs)} frames calibrate, n = {len(frames)}\n")
        print(table(forms))

    return run_cli(COMMAND, body)


if __name__ == "__main__":
    sys.exit(main())
