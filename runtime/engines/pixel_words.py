"""The first convolution over words of four bytes instead of pixels of three.

Integer kernels multiply four bytes at a time. A pixel has three, so one product in four is wasted.
A row of pixels is the same bytes as a row of words, 3 words for 4 pixels. A kernel that steps by 4
pixels steps by 3 words: it can read words, with zeros for the bytes before and behind its pixels.
The 6 pixels of a kernel are 18 bytes, in 5 words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

    from roadseg.runtime.engines.qdq import QdqGraph

CHANNELS, WORD = 3, 4  # bytes
PERIOD = 4  # pixels that fill whole words


def can_read_words(node: onnx.NodeProto) -> bool:
    """Whether a node is a Conv of planes that steps across by whole words, its padding told."""
    given = {each.name: each for each in node.attribute}
    if node.op_type != "Conv" or ("auto_pad" in given and given["auto_pad"].s != b"NOTSET"):
        return False
    strides = given["strides"].ints if "strides" in given else (1, 1)
    dilations = given["dilations"].ints if "dilations" in given else (1, 1)
    group = given["group"].i if "group" in given else 1
    return strides[-1] % PERIOD == 0 and max(dilations) == 1 and group == 1


def read_words(graph: QdqGraph, node: onnx.NodeProto, weights: onnx.NodeProto) -> None:
    """Make a Conv of planes (N, 3, H, W) one of words (N, 4, H, 3 W / 4), with the same result.

    weights: the DequantizeLinear of its int8 weights (M, 3, kH, kW).
    """
    given = {each.name: each for each in node.attribute}
    top, left, bottom, right = given["pads"].ints if "pads" in given else (0, 0, 0, 0)
    whole = graph.constant(weights.input[0])
    before = -(-left * CHANNELS // WORD)
    words = _words(whole, skipped=before * WORD - left * CHANNELS)
    # As many results as before, in every width of whole words.
    steps = (left + right - whole.shape[3]) // PERIOD
    after = max(0, steps * CHANNELS + words.shape[3] - before)
    strides = [given["strides"].ints[0], given["strides"].ints[1] * CHANNELS // WORD]
    _set(node, kernel_shape=words.shape[2:], pads=(top, before, bottom, after), strides=strides)
    weights.input[0] = graph.add_constant(f"{weights.input[0]}_words", words)


def _words(whole: NDArray[Any], skipped: int) -> NDArray[Any]:
    """Return weights (M, 4, kH, words) of weights (M, 3, kH, kW) behind so many bytes of 0."""
    outputs, _, height, width = whole.shape
    count = -(-(skipped + width * CHANNELS) // WORD)
    row = np.zeros((outputs, height, count * WORD), whole.dtype)
    pixels = whole.transpose(0, 2, 3, 1).reshape(outputs, height, -1)
    row[:, :, skipped : skipped + width * CHANNELS] = pixels
    return np.ascontiguousarray(row.reshape(outputs, height, count, WORD).transpose(0, 3, 1, 2))


def _set(node: onnx.NodeProto, **values: Any) -> None:
    from onnx import helper

    kept = [each for each in node.attribute if each.name not in values]
    made = [helper.make_attribute(name, [int(v) for v in value]) for name, value in values.items()]
    del node.attribute[:]
    node.attribute.extend(kept + made)
