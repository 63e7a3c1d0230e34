"""Ranges that a network was trained with (seg-train --qat), in the metadata of a float graph."""

from __future__ import annotations

import json
from collections.abc import Sequence

import onnx

from roadseg.runtime.engines.qdq import TRAINED_RANGES_KEY
from roadseg.runtime.errors import ModelError


def add_trained_ranges(model: onnx.ModelProto, ranges: Sequence[float]) -> None:
    """Note the ranges of a traced graph's convolutions, given in the order of computing.

    Raises ModelError when two convolutions read one tensor with different ranges.
    """
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    by_tensor: dict[str, float] = {}
    for node, value in zip(convs, ranges, strict=True):
        if by_tensor.setdefault(node.input[0], value) != value:
            raise ModelError(f"{node.input[0]} was trained with two ranges, {value} is one")
    entry = model.metadata_props.add()
    entry.key, entry.value = TRAINED_RANGES_KEY, json.dumps(by_tensor)


def trained_ranges(model: onnx.ModelProto) -> dict[str, float]:
    """Return the ranges of a float graph, {} when it was not trained for INT8.

    Raises ModelError when they are not those of its convolutions' inputs.
    """
    for entry in model.metadata_props:
        if entry.key == TRAINED_RANGES_KEY:
            found = {name: float(value) for name, value in json.loads(entry.value).items()}
            inputs = {node.input[0] for node in model.graph.node if node.op_type == "Conv"}
            if found.keys() != inputs:
                raise ModelError("the ranges that it was trained with are of another graph")
            return found
    return {}
