"""seg-run MODEL --selftest: does this engine on this machine give the masks that it should?"""

from __future__ import annotations

import contextlib

from roadseg.runtime.errors import CheckFailed

LEAST_AGREEMENT = 98.0  # percent of the golden frame's pixels


def selftest(model: str, engine_name: str, threads: int) -> None:
    """Run the artefact's golden frame and print agreement and latency.

    Raises CheckFailed when the masks are off, ModelError when there is no golden frame.
    """
    from roadseg.runtime.artifact import read_graph
    from roadseg.runtime.engines import open_engine
    from roadseg.runtime.golden import check_golden, read_golden
    from roadseg.runtime.shipped import resolve_model

    path = resolve_model(model)
    golden = read_golden(read_graph(path), path)
    with contextlib.closing(open_engine(path, engine_name, golden.size, threads)) as engine:
        verdict = check_golden(engine, golden)
        print(
            f"{engine.spec.name} {engine.spec.precision} on {engine.name} at {golden.size}: "
            f"{verdict.agreement:.2f} % of the golden frame's pixels agree, "
            f"{verdict.latency_ms:.1f} ms a frame"
        )
    if verdict.agreement < LEAST_AGREEMENT:
        raise CheckFailed(
            f"{path}: {verdict.agreement:.2f} % of pixels agree, {LEAST_AGREEMENT:g} are needed: "
            f"engine {engine.name} computes something else here"
        )
