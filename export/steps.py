"""The steps of an export; each adds an artefact that was held to the one before it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from roadseg.calibration import conv_names
from roadseg.export.frames import calibrate, say
from roadseg.export.gate import Gate, Limits
from roadseg.export.half_weights import restore, store_half
from roadseg.export.mask_head import add_mask_head, mask_agreement
from roadseg.export.quantizer import Quantizer, check_convolutions
from roadseg.export.report import Artifact
from roadseg.export.sensitivity import layers_table, measure_layers
from roadseg.export.simplify import simplify
from roadseg.export.targets import Target, verify
from roadseg.export.to_fp16 import check_overflow, to_fp16
from roadseg.export.to_onnx import with_spec
from roadseg.export.work import SOURCE, Work, require_snr
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.errors import CheckFailed
from roadseg.runtime.files import sha256
from roadseg.runtime.spec import ModelSpec

LEAST_SNR_DB = 60.0  # of two float32 graphs
LEAST_SNR_DB_HALF = 40.0  # where weights or all values are rounded to float16
LEAST_MASK_AGREEMENT = 99.9  # percent of pixels, of the mask head and the runtime's decode


def make_float(work: Work, model: onnx.ModelProto, how: str) -> None:
    """Simplify a graph."""
    source = work.write(SOURCE, with_spec(model, work.spec))
    simple = simplify(restore(model))
    change = f"{how}, simplified: {len(model.graph.node)} → {len(simple.graph.node)} nodes"
    least = LEAST_SNR_DB
    if work.options.half_weights:
        simple, change = store_half(simple), f"{change}; weights kept as float16"
        least = LEAST_SNR_DB_HALF
    name = work.spec.name
    path = work.write(name, with_spec(simple, work.spec))
    found = work.score(source, path)
    require_snr("the simplified graph differs from its source", found, least)
    work.add(Artifact(name, path, change), found)


def _rounded_spec(work: Work, **changes: Any) -> ModelSpec:
    """Return the spec of what is made of the float artefact, whose metrics it has not."""
    return work.spec.replace(metrics={}, source_sha256=sha256(work.whole.path), **changes)


def make_fp16(work: Work) -> None:
    """Turn the float artefact to float16, after a look at the largest values."""
    model = restore(onnx.load(work.whole.path))
    options = replace(work.options, method="minmax", bias_correction=False, equalize=False)
    ranges = calibrate(options, model, work.size).ranges
    check_overflow(ranges)
    name = f"{work.spec.name}-fp16"
    spec = _rounded_spec(work, precision="float16")
    path = work.write(name, with_spec(to_fp16(model), spec))
    found = work.score(work.whole.path, path)
    require_snr("float16 differs from float32", found, LEAST_SNR_DB_HALF)
    change = f"float16; largest activation {max(ranges.values()):.0f}"
    work.add(Artifact(name, path, change), found)


def make_int8(work: Work) -> None:
    """Calibrate, and quantise within the gate."""
    model = restore(onnx.load(work.whole.path))
    check_convolutions(model)
    quantizer = _quantizer(work, model)
    gate = Gate(Limits(work.options.max_drop, work.options.max_disagreement), quantizer, print, say)
    if work.options.sensitivity:
        gate.losses = measure_layers(quantizer, say)
    name = f"{work.spec.name}-int8"
    path = gate.pass_through(name)
    if gate.losses:
        print(layers_table(gate.losses), flush=True)
    work.losses = gate.losses
    work.add(Artifact(name, path, _what_is_integer(path, model)), quantizer.score(path)[1])


def _quantizer(work: Work, model: onnx.ModelProto) -> Quantizer:
    found = calibrate(work.options, model, work.size)
    spec = _rounded_spec(work, precision="int8", quantization=found.told)
    return Quantizer(
        model=found.model,
        path=work.whole.path,
        spec=spec,
        ranges=found.ranges,
        frames=work.frames,
        size=work.size,
        folder=work.folder,
        means=found.means,
    )


def _what_is_integer(path: Path, model: onnx.ModelProto) -> str:
    kept = read_artifact(path)[1].quantization["float_layers"]
    if kept:
        print(f"in float: {', '.join(kept)}")
    count = len(conv_names(model))
    return f"{count - len(kept)} of {count} convolutions in INT8"


def make_target(work: Work, target: Target) -> None:
    """Write the last artefact that another runtime takes for it; run it, where it runs here."""
    goal = work.last(target.precisions)
    out = work.folder / f"{goal.name}{target.suffix}"
    change = target.convert(goal.path, out)
    name = f"{goal.name} {target.name}"
    if not target.engine:
        work.artifacts.append(Artifact(name, out, change))
        return
    agreement = verify(goal.path, out, target, work.frames, work.size)
    work.artifacts.append(
        Artifact(name, out, f"{change}; beside {goal.name}", (target.engine,), agreement)
    )


def make_mask(work: Work) -> None:
    """Bake decode into the goal."""
    goal = work.goal
    name = f"{goal.name}-mask"
    path = work.write(name, add_mask_head(*read_artifact(goal.path)))
    agreement = mask_agreement(goal.path, path, work.frames, work.size)
    if agreement < LEAST_MASK_AGREEMENT:
        raise CheckFailed(
            f"the mask head agrees with decode in {agreement:.2f} % of pixels, "
            f"{LEAST_MASK_AGREEMENT} are needed"
        )
    told = f"upsampling and argmax inside; {agreement:.2f} % as decode"
    work.artifacts.append(Artifact(name, path, told))
