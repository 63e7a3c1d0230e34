"""Weights in files of their own beside an ONNX graph: read in, so that one file is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from roadseg.runtime.artifact import check_opset, parse_graph
from roadseg.runtime.errors import ModelError


def read_whole(path: Path) -> onnx.ModelProto:
    """Read an ONNX file and the weights that it keeps in files of its folder.

    Raises ModelError for what read_graph refuses, for weights outside of the folder (a graph
    from elsewhere must not make us read any file), and for weights that are missing or cut short.
    """
    model = parse_graph(path)
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            _read_in(tensor, path)
    check_opset(model, path)
    return model


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """Give all tensors of a graph: initialisers, constants, and those of graphs inside."""
    yield from graph.initializer
    for node in graph.node:
        for each in node.attribute:
            if each.HasField("t"):
                yield each.t
            if each.HasField("g"):
                yield from _tensors(each.g)


def _read_in(tensor: TensorProto, path: Path) -> None:
    where = next((e.value for e in tensor.external_data if e.key == "location"), "")
    folder = path.parent.resolve()
    file = (folder / where).resolve()
    if not where or not file.is_relative_to(folder):
        raise ModelError(
            f"{path}: keeps '{tensor.name}' in '{where}', which is not in its folder: such a file "
            "is not read"
        )
    if not file.is_file():
        raise ModelError(f"{path}: keeps '{tensor.name}' in '{where}', which is not there")
    try:
        external_data_helper.load_external_data_for_tensor(tensor, str(folder))
        numpy_helper.to_array(tensor)
    except (OSError, ValueError, onnx.checker.ValidationError):
        shape = "x".join(map(str, tensor.dims))
        kind = helper.tensor_dtype_to_string(tensor.data_type).rpartition(".")[2]
        raise ModelError(
            f"{path}: '{tensor.name}' ({kind}, {shape}) cannot be read from '{where}': is it cut "
            "short?"
        ) from None
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]
