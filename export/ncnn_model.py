"""The two files of an ncnn network: layers as text (.param), their weights in order (.bin).

The formats are those of ncnn's wiki, "param and model file structure" and "operators".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = "7767517"
FLOAT32_TAG, INT8_TAG = 0, 0x000D4B38  # before weights, which may be of several types

Parameter = int | float | Sequence[float]


@dataclass
class Layer:
    """One layer.

    kind: ncnn's name of it, such as "Convolution".
    inputs, outputs: names of blobs.
    parameters: by ncnn's number; a sequence becomes an array.
    weights: as they stand in the .bin file.
    """

    kind: str
    inputs: list[str]
    outputs: list[str]
    parameters: dict[int, Parameter] = field(default_factory=dict)
    weights: list[bytes] = field(default_factory=list)

    def line(self, number: int) -> str:
        """Return its line of the .param file."""
        words = [f"{self.kind:<24} layer{number:<6} {len(self.inputs)} {len(self.outputs)}"]
        words += [*self.inputs, *self.outputs]
        words += [_parameter(*each) for each in self.parameters.items()]
        return " ".join(words)


def _parameter(number: int, value: Parameter) -> str:
    if isinstance(value, (int, float)):
        return f"{number}={_text(value)}"
    words = ",".join(_text(float(each)) for each in value)
    return f"-{23300 + number}={len(value)},{words}"


def _text(value: float) -> str:
    """Return a number; ncnn takes one with a point or an exponent for a float."""
    return str(value) if isinstance(value, int) else f"{np.float32(value):e}"


def tagged(weights: NDArray[Any]) -> bytes:
    """Return weights behind the tag of their type, filled up to four bytes."""
    tag = INT8_TAG if weights.dtype == np.int8 else FLOAT32_TAG
    content: bytes = np.ascontiguousarray(weights).tobytes()
    return tag.to_bytes(4, "little") + content + bytes(-len(content) % 4)


def plain(values: NDArray[Any]) -> bytes:
    """Return values that are always float32: biases and scales."""
    return np.ascontiguousarray(values, np.float32).tobytes()


def write_ncnn(layers: Sequence[Layer], param: Path, weights: Path) -> None:
    """Write both files."""
    whole = _with_splits(layers)
    blobs = sum(len(layer.outputs) for layer in whole)
    lines = [layer.line(number) for number, layer in enumerate(whole)]
    param.write_text("\n".join([MAGIC, f"{len(whole)} {blobs}", *lines, ""]))
    weights.write_bytes(b"".join(part for layer in whole for part in layer.weights))


def _with_splits(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers with a Split behind each blob that several read: ncnn wants one reader."""
    readers = Counter(name for layer in layers for name in layer.inputs)
    made: list[Layer] = []
    taken: Counter[str] = Counter()
    for layer in layers:
        inputs = list(layer.inputs)
        for place, name in enumerate(inputs):
            if readers[name] > 1:
                inputs[place] = f"{name}_{taken[name]}"
                taken[name] += 1
        made.append(Layer(layer.kind, inputs, layer.outputs, layer.parameters, layer.weights))
        for name in layer.outputs:
            if readers[name] > 1:
                copies = [f"{name}_{number}" for number in range(readers[name])]
                made.append(Layer("Split", [name], copies))
    return made
