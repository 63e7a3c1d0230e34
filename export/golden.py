"""Puts a golden frame into an artefact."""

from __future__ import annotations

import contextlib
from pathlib import Path

import onnx

from roadseg.export.quantizer import ENGINE
from roadseg.runtime.artifact import read_graph
from roadseg.runtime.engines import open_engine
from roadseg.runtime.golden import GOLDEN_KEY, Golden, golden_picture, segment
from roadseg.runtime.options import Size


def add_golden(path: Path, size: Size) -> None:
    """Segment the golden picture with an artefact and store both in it.

    The reference is ONNX Runtime on the machine of the export, whose masks were scored there.
    """
    picture = golden_picture()
    with contextlib.closing(open_engine(path, ENGINE, size)) as engine:
        mask, _ = segment(engine, picture)
    model = read_graph(path)
    kept = [entry for entry in model.metadata_props if entry.key != GOLDEN_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    entry = model.metadata_props.add()
    entry.key, entry.value = GOLDEN_KEY, Golden(picture, mask, size).to_json()
    onnx.save(model, path)
