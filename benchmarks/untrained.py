"""Speed of networks before they are trained, beside a shipped one, in one run.

python -m roadseg.benchmarks.untrained '{"architecture": "roadnet"}' --threads 1

How long INT8 takes does not depend on the weights: here they are random, and the ranges are those
of a picture of noise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import onnx

from roadseg.benchmarks.lowerings import WARMUP, Form
from roadseg.benchmarks.machine import machine, versions
from roadseg.calibration import collect_ranges, quantize
from roadseg.data.confusion import ConfusionMatrix
from roadseg.export.half_weights import restore
from roadseg.export.simplify import simplify
from roadseg.export.to_onnx import trace
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.engines.base import Engine
from roadseg.runtime.engines.onnxruntime_engine import OnnxRuntimeEngine
from roadseg.runtime.engines.openvino_engine import OpenVinoEngine
from roadseg.runtime.errors import MissingExtra, UsageError, run_cli
from roadseg.runtime.options import Size, parse_options
from roadseg.runtime.shipped import resolve_model
from roadseg.runtime.spec import ModelSpec

COMMAND = "roadseg.benchmarks.untrained"
SIZE = Size(1024, 512)


@dataclass(frozen=True)
class UntrainedOptions:
    """Time networks with random weights on ONNX Runtime and OpenVINO, as Markdown.

    networks: JSON of each one's config, such as {"architecture": "roadnet"}.
    beside: a shipped network; the others' speed is told as times its own.
    n: runs of each form, in turns.
    threads: of each engine.
    size: of the input.
    """

    networks: tuple[str, ...]
    beside: str = "mobileunet"
    n: int = 30
    threads: int = 1
    size: Size = SIZE

    def __post_init__(self) -> None:
        """Check what nothing could be timed with."""
        for name, least in (("n", 1), ("threads", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"--{name} is {getattr(self, name)}: use {least} or more")


@dataclass
class Candidate:
    """A network's forms, and what it costs.

    weights: of its convolutions, in millions. gmac: a frame.
    """

    name: str
    weights: float
    gmac: float
    forms: list[Form]


def shipped(name: str, options: UntrainedOptions) -> Candidate:
    """Open a shipped network."""
    path = resolve_model(name)
    whole, spec = read_artifact(path)
    small, _ = read_artifact(path.with_stem(f"{path.stem}-int8"))
    return open_candidate(name, whole, small, spec, options)


def untrained(text: str, options: UntrainedOptions) -> Candidate:
    """Build a network of a config and take it to INT8; raises UsageError for a wrong config."""
    try:
        from roadseg.train.networks import build_network, complete_config
        from roadseg.train.networks.reparameterized import merge_branches
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "train", "networks that are built") from None
    try:
        config = complete_config(json.loads(text))
    except (ValueError, AttributeError) as error:
        raise UsageError(f"'{text}' is no JSON of a network's options ({error})") from None
    classes = read_artifact(resolve_model(options.beside))[1].classes
    network = build_network(config, len(classes)).eval()
    merge_branches(network, config)
    size, name = options.size, config["architecture"]
    spec = ModelSpec(name, classes, size.width, size.height, network.multiple, network.stride)
    whole = simplify(trace(network, spec))
    noise = np.random.default_rng(0).integers(0, 256, (size.height, size.width, 3))
    small = quantize(whole, collect_ranges(whole, [noise.astype(np.uint8)]))
    return open_candidate(text, whole, small, spec, options)


def open_candidate(
    name: str,
    whole: onnx.ModelProto,
    small: onnx.ModelProto,
    spec: ModelSpec,
    options: UntrainedOptions,
) -> Candidate:
    """Open float and INT8 on both engines."""
    size, threads = options.size, options.threads
    spec.check_size(size.width, size.height)
    kinds: list[tuple[str, str, Engine]] = [
        (engine.name, precision, engine(model, spec, size, threads))
        for engine in (OnnxRuntimeEngine, OpenVinoEngine)
        for precision, model in (("float32", whole), ("INT8", small))
    ]
    forms = [Form(*kind, ConfusionMatrix(len(spec.classes))) for kind in kinds]
    return Candidate(name, *cost(whole, size), forms)


def cost(model: onnx.ModelProto, size: Size) -> tuple[float, float]:
    """Return a float graph's weights in millions and its multiplications a frame in 10^9."""
    fixed = restore(model)
    dims = fixed.graph.input[0].type.tensor_type.shape.dim
    dims[1].dim_value, dims[2].dim_value = size.height, size.width
    del fixed.graph.value_info[:], fixed.graph.output[:]
    inferred = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph.value_info
    shapes = {each.name: each.type.tensor_type.shape.dim for each in inferred}
    sizes = {each.name: int(np.prod(each.dims)) for each in fixed.graph.initializer}
    convs = [node for node in fixed.graph.node if node.op_type == "Conv"]
    weights = sum(sizes[name] for node in convs for name in node.input[1:])
    places = [np.prod([dim.dim_value for dim in shapes[n.output[0]][2:]]) for n in convs]
    macs = sum(sizes[n.input[1]] * place for n, place in zip(convs, places, strict=True))
    return weights / 1e6, float(macs) / 1e9


def measure(candidates: Sequence[Candidate], n: int, size: Size) -> None:
    """Run all forms of all networks n times in turns."""
    random = np.random.default_rng(1)
    for _ in range(WARMUP + n):
        pixels = random.integers(0, 256, (size.height, size.width, 3)).astype(np.uint8)
        for candidate in candidates:
            for form in candidate.forms:
                form.run(pixels)


def table(candidates: Sequence[Candidate], is_one_thread: bool) -> str:
    """Return best (median) milliseconds of each form, and INT8's speed as times the first's.

    Of one thread it is the processor's time, which other work on the machine hardly changes; of
    more, which also wait for each other, the clock's.
    """
    names = [f"{form.name} {form.precision}" for form in candidates[0].forms]
    lines = [f"| network | million weights | GMAC | {' | '.join(names)} |"]
    lines.append("| --- |" + " ---: |" * (2 + len(names)))
    times = [
        [(form.cpu_ms if is_one_thread else form.spent_ms)[WARMUP:] for form in each.forms]
        for each in candidates
    ]
    for each, own in zip(candidates, times, strict=True):
        cells = [f"{min(spent):.1f} ({median(spent):.1f})" for spent in own]
        for place, form in enumerate(each.forms):
            if form.precision == "INT8":
                cells[place] += f" {min(times[0][place]) / min(own[place]):.2f} times"
        lines.append(
            f"| {each.name} | {each.weights:.2f} | {each.gmac:.2f} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code."""

    def body() -> None:
        options = parse_options(COMMAND, UntrainedOptions, argv, ["networks"])
        candidates = [shipped(options.beside, options)]
        candidates += [untrained(text, options) for text in options.networks]
        measure(candidates, options.n, options.size)
        told = {key: machine().get(key, "?") for key in ("cpu", "cores", "flags", "load")}
        told |= {key: versions().get(key, "?") for key in ("onnxruntime", "openvino")}
        print(", ".join(f"{key} {value}" for key, value in told.items()))
        print(f"{options.size}, threads {options.threads}, n = {options.n}; ms best (median)\n")
        print(table(candidates, options.threads == 1))

    return run_cli(COMMAND, body)


if __name__ == "__main__":
    sys.exit(main())
