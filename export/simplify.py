"""Simplify an ONNX graph with onnxsim: constants folded, batch norms merged into convolutions."""

from __future__ import annotations

import onnx

from roadseg.runtime.errors import MissingExtra, ModelError


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the simplified model; symbolic sizes and metadata stay.

    Raises ModelError when onnxsim fails, MissingExtra when it is not installed. What the two
    compute is not compared here.
    """
    try:
        import onnxsim
    except ModuleNotFoundError:
        raise MissingExtra("onnxsim", "export", "seg-export") from None
    try:
        made: onnx.ModelProto = onnxsim.simplify(model)[0]
    except Exception as error:  # onnxsim raises what its C++ parts raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"the graph cannot be simplified ({reason})") from None
    _constants_to_initializers(made)
    return made


def _constants_to_initializers(model: onnx.ModelProto) -> None:
    """Turn Constant nodes into initialisers, which every rewrite and parser can look up."""
    graph = model.graph
    for node in [each for each in graph.node if each.op_type == "Constant"]:
        value = next((a.t for a in node.attribute if a.name == "value"), None)
        if value is None:
            continue
        tensor = graph.initializer.add()
        tensor.CopyFrom(value)
        tensor.name = node.output[0]
        graph.node.remove(node)
