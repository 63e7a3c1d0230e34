"""What pruning saved, in latency: the network beside the whole one that it was pruned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from roadseg.calibration import collect_ranges, quantize
from roadseg.export.report import Artifact
from roadseg.export.simplify import simplify
from roadseg.export.timing import ROUNDS, time_artifacts
from roadseg.export.to_onnx import trace, with_spec
from roadseg.export.work import Work
from roadseg.runtime.engines import installed_engines

WHOLE = ".unpruned"  # names of files that are not delivered


def pruning_saving(work: Work) -> str:
    """Time the pruned artefacts and whole ones of random weights, in turns; return lines."""
    kinds = {"": work.whole.name}
    if work.options.int8:
        kinds["-int8"] = f"{work.whole.name}-int8"
    paths = {name: work.folder / f"{name}.onnx" for name in kinds.values()}
    paths |= {f"{WHOLE}{kind}": path for kind, path in _write_whole(work, kinds).items()}
    engines = installed_engines()
    artifacts = [Artifact(name, path, "", engines) for name, path in paths.items()]
    timings = time_artifacts(artifacts, work.size)
    lines = []
    for kind, name in kinds.items():
        for engine in engines:
            after, before = timings[name, engine], timings[f"{WHOLE}{kind}", engine]
            lines.append(
                f"pruned: {name} on {engine} {after.best:.1f} ms, {before.best:.1f} ms before "
                f"({100 * (1 - after.best / before.best):.0f} % less, best of {ROUNDS})"
            )
    return "\n".join(lines)


def _write_whole(work: Work, kinds: dict[str, str]) -> dict[str, Path]:
    """Write the whole network in each kind; its weights do not matter to its latency."""
    from roadseg.train.networks import build_network

    config = work.spec.network | {"pruned": {}}
    network = build_network(config, len(work.spec.classes)).eval()
    model = simplify(trace(network, work.spec))
    forms = {"": model}
    if "-int8" in kinds:
        shape = (work.size.height, work.size.width, 3)
        noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        forms["-int8"] = quantize(model, collect_ranges(model, [noise]))
    paths = {kind: work.folder / f"{WHOLE}{kind}.onnx" for kind in forms}
    for kind, form in forms.items():
        spec = work.spec.replace(precision="int8" if kind else "float32")
        onnx.save(with_spec(form, spec), paths[kind])
    return paths
