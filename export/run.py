"""An export from its options, step by step; files get their names when all of them are right."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import onnxruntime
import onnxsim

from roadseg.calibration import conv_names
from roadseg.calibration.frames import LabelledFrame
from roadseg.export.frames import (
    calibrate,
    frames_to_score,
    frames_uri,
    public_name,
    say,
)
from roadseg.export.gate import Gate, Limits
from roadseg.export.golden import add_golden
from roadseg.export.half_weights import restore, store_half
from roadseg.export.mask_head import add_mask_head, mask_agreement
from roadseg.export.options import ExportOptions
from roadseg.export.page import Story, export_page
from roadseg.export.quantizer import ENGINE, Quantizer
from roadseg.export.report import Artifact, aligned, cells
from roadseg.export.samples import Sample, compare_masks
from roadseg.export.scores import Score, score
from roadseg.export.sensitivity import LayerLoss, layers_table, measure_layers
from roadseg.export.simplify import simplify
from roadseg.export.targets import TARGETS, Target, verify
from roadseg.export.timing import ROUNDS, slower_than_float, time_artifacts
from roadseg.export.to_fp16 import check_overflow, to_fp16
from roadseg.export.to_onnx import checkpoint_to_onnx, with_spec
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.errors import CheckFailed, ModelError
from roadseg.runtime.files import sha256
from roadseg.runtime.options import Size
from roadseg.runtime.shipped import resolve_model
from roadseg.runtime.spec import ModelSpec

LEAST_SNR_DB = 60.0  # of the float artefact at the logits, its source being the signal
LEAST_SNR_DB_HALF = 40.0  # where its weights are rounded to float16
PAGE, SAMPLES = "export.html", 3
LEAST_MASK_AGREEMENT = 99.9  # percent of pixels, of the mask head and the runtime's decode


def export(options: ExportOptions) -> list[Artifact]:
    """Make the artefacts; returns them as they lie in the folder, the last being the goal."""
    source = Path(options.model)
    is_checkpoint = source.suffix == ".pt"
    path = source if is_checkpoint else resolve_model(options.model)
    model, spec = checkpoint_to_onnx(path) if is_checkpoint else read_artifact(path)
    spec = float_spec(options, spec, path)
    print(f"{spec.name} from {path}, at {spec.width}x{spec.height}", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out, prefix=".export-") as folder:
        work = Work(options, spec, Path(folder))
        work.make_float(model, "traced" if is_checkpoint else "read")
        if options.fp16:
            work.make_fp16()
        if options.int8:
            work.make_int8()
        for name in options.to:
            work.make_target(TARGETS[name])
        if options.head == "mask":
            work.make_mask()
        work.report()
        return work.deliver()


def float_spec(options: ExportOptions, spec: ModelSpec, path: Path) -> ModelSpec:
    """Return the float artefact's spec; raises ModelError for what cannot be exported."""
    if spec.precision != "float32" or spec.output != "logits":
        raise ModelError(
            f"{path} is {spec.precision} and ends in {spec.output}: export starts from a "
            "checkpoint or a float32 artefact with logits"
        )
    size = options.size or Size(spec.width, spec.height)
    spec.check_size(size.width, size.height)
    versions = {
        **spec.versions,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "onnxsim": onnxsim.__version__,
    }
    return spec.replace(
        name=options.name or spec.name,
        width=size.width,
        height=size.height,
        versions=versions,
        source_sha256=sha256(path),
    )


class Work:
    """The artefacts under way, in a folder that is not the final one."""

    def __init__(self, options: ExportOptions, spec: ModelSpec, folder: Path) -> None:
        self.options, self.spec, self.folder = options, spec, folder
        self.size = Size(spec.width, spec.height)
        self.uri = frames_uri(options)
        self.frames: list[LabelledFrame] = []
        self.artifacts: list[Artifact] = []
        self.scores: dict[str, Score] = {}
        self.losses: Sequence[LayerLoss] = ()

    def make_float(self, model: onnx.ModelProto, how: str) -> None:
        """Simplify, and hold the result to its source on the frames that all is scored on."""
        self.frames = frames_to_score(self.options, self.spec)
        source = self._write("source", with_spec(model, self.spec))
        simple = simplify(restore(model))
        name = self.spec.name
        change = f"{how}, simplified: {len(model.graph.node)} → {len(simple.graph.node)} nodes"
        if self.options.half_weights:
            simple, change = store_half(simple), f"{change}; weights kept as float16"
        path = self._write(name, with_spec(simple, self.spec))
        add_golden(path, self.size)
        self.artifacts.append(Artifact(name, path, change))
        both = score({"source": source, name: path}, self.frames, self.size, ENGINE)
        self.scores[name] = both[name]
        least = LEAST_SNR_DB_HALF if self.options.half_weights else LEAST_SNR_DB
        if both[name].snr_db < least:
            raise CheckFailed(
                f"the simplified graph differs from its source: {both[name].snr_db:.0f} dB at "
                f"the logits, {least:.0f} are needed"
            )

    def make_fp16(self) -> None:
        """Turn the float artefact to float16, after a look at the largest values."""
        whole = self.artifacts[0]
        model = restore(onnx.load(whole.path))
        options = replace(self.options, method="minmax", bias_correction=False)
        ranges = calibrate(options, model, self.size).ranges
        check_overflow(ranges)
        name = f"{self.spec.name}-fp16"
        spec = self.spec.replace(precision="float16", source_sha256=sha256(whole.path))
        path = self._write(name, with_spec(to_fp16(model), spec))
        add_golden(path, self.size)
        largest = max(ranges.values())
        self.artifacts.append(Artifact(name, path, f"float16; largest activation {largest:.0f}"))
        both = score({"": whole.path, name: path}, self.frames, self.size, ENGINE)
        self.scores[name] = both[name]
        if both[name].snr_db < LEAST_SNR_DB_HALF:
            raise CheckFailed(
                f"float16 differs from float32: {both[name].snr_db:.0f} dB at the logits, "
                f"{LEAST_SNR_DB_HALF:.0f} are needed"
            )

    def make_int8(self) -> None:
        """Calibrate, quantise within the gate, score beside float."""
        options, whole = self.options, self.artifacts[0]
        model = restore(onnx.load(whole.path))
        name = f"{self.spec.name}-int8"
        found = calibrate(options, model, self.size)
        spec = self.spec.replace(
            precision="int8", quantization=found.told, source_sha256=sha256(whole.path)
        )
        quantizer = Quantizer(
            *(model, whole.path, spec, found.ranges, self.frames, self.size, self.folder),
            means=found.means,
        )
        limits = Limits(options.max_drop, options.max_disagreement)
        gate = Gate(limits, quantizer, print, say)
        if options.sensitivity:
            gate.losses = measure_layers(quantizer, say)
        path = gate.pass_through(name)
        if gate.losses:
            print(layers_table(gate.losses), flush=True)
        kept = read_artifact(path)[1].quantization["float_layers"]
        count = len(conv_names(model))
        change = f"{count - len(kept)} of {count} convolutions in INT8"
        add_golden(path, self.size)
        self.artifacts.append(Artifact(name, path, change))
        self.scores[name] = quantizer.score(path)[1]
        self.losses = gate.losses
        if kept:
            print(f"in float: {', '.join(kept)}")

    def make_target(self, target: Target) -> None:
        """Write the goal for another runtime, and hold its masks to it."""
        goal = next(a for a in reversed(self.artifacts) if a.path.suffix == ".onnx")
        out = self.folder / f"{goal.name}{target.suffix}"
        change = target.convert(goal.path, out)
        agreement = verify(goal.path, out, target, self.frames, self.size)
        self.artifacts.append(
            Artifact(f"{goal.name} {target.name}", out, f"{change}; {agreement:.2f} % as ONNX")
        )

    def make_mask(self) -> None:
        """Bake decode into the last artefact, and hold its masks to the runtime's."""
        before = next(a for a in reversed(self.artifacts) if a.path.suffix == ".onnx")
        model, spec = read_artifact(before.path)
        name = f"{before.name}-mask"
        path = self._write(name, add_mask_head(model, spec))
        agreement = mask_agreement(before.path, path, self.frames, self.size)
        if agreement < LEAST_MASK_AGREEMENT:
            raise CheckFailed(
                f"the mask head agrees with decode in {agreement:.2f} % of pixels, "
                f"{LEAST_MASK_AGREEMENT} are needed"
            )
        change = f"upsampling and argmax inside; {agreement:.2f} % as decode"
        self.artifacts.append(Artifact(name, path, change))

    def report(self) -> None:
        """Time what the engines can run; print the table and write the page."""
        timed = {a.name: a.path for a in self.artifacts if a.name in self.scores}
        timings = time_artifacts(timed, self.size)
        rows = cells(self.artifacts, self.scores, timings)
        labels = "with labels" if self.frames[0].truth is not None else "without labels"
        notes = [
            f"latency: inference at {self.size}, best (median) of {ROUNDS}, in turns; scored on "
            f"{len(self.frames)} frames of {public_name(self.uri)}, {labels}, beside the artefact "
            "before"
        ]
        if self.options.int8:
            name = self.artifacts[0].name
            notes += slower_than_float(timings, name, f"{name}-int8")
        print("\n".join(["", aligned(rows), *notes]))
        self._write_page(rows, notes)

    def _write_page(self, rows: list[list[str]], notes: list[str]) -> None:
        """Write export.html beside the artefacts."""
        steps = [("source", self.folder / "source.onnx")]
        steps += [(artifact.name, artifact.path) for artifact in self.artifacts]
        samples: list[Sample] = []
        if self.options.int8:
            name = self.spec.name
            whole, small = (self.folder / f"{each}.onnx" for each in (name, f"{name}-int8"))
            samples = compare_masks(whole, small, self.frames, self.size, ENGINE, SAMPLES)
        words = f"{self.size}, from {public_name(self.uri)}"
        graphs = [(name, onnx.load(path)) for name, path in steps if path.suffix == ".onnx"]
        story = Story(f"roadseg export: {self.spec.name}", words, rows, graphs)
        story.losses, story.samples, story.notes = self.losses, samples, notes
        (self.folder / PAGE).write_text(export_page(story))

    def deliver(self) -> list[Artifact]:
        """Give the files their names in the folder that was asked for."""
        done = [replace(a, path=self.options.out / a.path.name) for a in self.artifacts]
        (self.folder / "source.onnx").unlink()
        for path in sorted(self.folder.iterdir()):
            if not path.name.startswith("."):
                os.replace(path, self.options.out / path.name)
        return done

    def _write(self, name: str, model: onnx.ModelProto) -> Path:
        path = self.folder / f"{name}.onnx"
        onnx.save(model, path)
        return path
