"""The golden frame: a small picture and its mask in the artefact, to test any engine with."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import ModelError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.options import Size
from roadseg.runtime.roads import RoadRenderer, make_scene

if TYPE_CHECKING:
    import onnx

    from roadseg.runtime.engines.base import Engine

Pixels = NDArray[np.uint8]

GOLDEN_KEY = "roadseg.golden"  # metadata: JSON of two PNGs in base64 and the size they are for
SIZE = Size(256, 128)
SEED, NUMBER = 21, 40  # of the scene and the frame that is rendered
ROUNDS = 20


@dataclass(frozen=True)
class Golden:
    """A picture (H, W, 3) BGR, its mask (H, W), and the input size that it was made at."""

    picture: Pixels
    mask: Pixels
    size: Size

    def to_json(self) -> str:
        """Return what is stored in the artefact."""
        return json.dumps(
            {"frame": _pack(self.picture), "mask": _pack(self.mask), "size": str(self.size)}
        )


@dataclass(frozen=True)
class Verdict:
    """How an engine did on the golden frame.

    agreement: percent of pixels that have the golden mask's class.
    latency_ms: median from frame to mask.
    """

    agreement: float
    latency_ms: float


def golden_picture() -> Pixels:
    """Return a rendered road (128, 256, 3) BGR: it is free of other people's rights."""
    picture = np.empty((SIZE.height, SIZE.width, 3), np.uint8)
    mask = np.empty((SIZE.height, SIZE.width), np.uint8)
    scene = make_scene(SEED, "city", "clear")
    RoadRenderer(scene, SIZE.width, SIZE.height).render(NUMBER, picture, mask)
    return picture


def segment(engine: Engine, picture: Pixels) -> tuple[Pixels, float]:
    """Return the picture's mask, and the median milliseconds of a frame."""
    from roadseg.runtime.segmenter import Segmenter

    segmenter = Segmenter(engine)
    frame = Frame(picture, PixelFormat.BGR, 0, 0)
    spent = []
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        mask = segmenter(frame).mask
        spent.append((time.perf_counter_ns() - start) / 1e6)
    return mask.copy(), float(np.median(spent))


def read_golden(model: onnx.ModelProto, where: object) -> Golden:
    """Return a graph's golden frame; raises ModelError when there is none that can be read."""
    for entry in model.metadata_props:
        if entry.key == GOLDEN_KEY:
            return _parse(entry.value, where)
    raise ModelError(f"{where}: has no golden frame: export it again with seg-export")


def _parse(text: str, where: object) -> Golden:
    try:
        raw = json.loads(text)
        picture, mask = _unpack(raw["frame"], 3), _unpack(raw["mask"], 2)
        size = Size(*(int(side) for side in raw["size"].split("x")))
    except (ValueError, KeyError, TypeError, AttributeError, cv2.error):
        raise ModelError(f"{where}: its golden frame is damaged") from None
    if picture.shape[:2] != mask.shape:
        raise ModelError(f"{where}: its golden frame is damaged")
    return Golden(picture, mask, size)


def check_golden(engine: Engine, golden: Golden) -> Verdict:
    """Run an engine on the golden frame; the engine must be open at the golden size."""
    mask, latency = segment(engine, golden.picture)
    return Verdict(100 * float((mask == golden.mask).mean()), latency)


def _pack(picture: Pixels) -> str:
    content = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    return base64.b64encode(content.tobytes()).decode()


def _unpack(text: str, dimensions: int) -> Pixels:
    raw = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    picture = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != dimensions:
        raise ValueError("not a picture")
    return np.asarray(picture, np.uint8)
