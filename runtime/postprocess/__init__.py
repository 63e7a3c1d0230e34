"""Post-processing: stages between the network and the sinks, chosen by seg-run --post.

    logits ─► [smooth] ─► decode ─► [crf, unknown, area, close, polygon, free] ─► mask, findings

Each is a file with one class; the ledger has the time of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from roadseg.runtime.camera_model import CameraModel
from roadseg.runtime.errors import UsageError, unknown
from roadseg.runtime.postprocess.base import Stage, Work
from roadseg.runtime.spec import ClassInfo

__all__ = ["Stage", "Work", "open_stages"]

Maker = Callable[..., Stage]


def open_stages(
    asked: Sequence[str], classes: Sequence[ClassInfo], camera: CameraModel | None = None
) -> list[Stage]:
    """Make the stages that are asked for, each a NAME or NAME:NUMBER, in their order.

    Raises UsageError for a name that is not known, a number that does not fit, a stage that is
    asked for twice, one whose work crf would undo, and a camera model that no stage uses.
    """
    makers = _makers(classes, camera)
    stages = [_made(word, makers) for word in asked]
    names = [stage.name for stage in stages]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--post: {name} is there twice")
    for stage in stages[: names.index("crf")] if "crf" in names else ():
        if not stage.before_decode:
            raise UsageError(f"--post: crf makes the mask anew: name it before {stage.name}")
    if camera and "free" not in names:
        raise UsageError("--camera-model is for distances: it needs --post free")
    return stages


def _makers(classes: Sequence[ClassInfo], camera: CameraModel | None) -> dict[str, Maker]:
    from roadseg.runtime.postprocess.confidence_threshold import ConfidenceThreshold
    from roadseg.runtime.postprocess.dense_crf import DenseCrf
    from roadseg.runtime.postprocess.drivable_polygon import DrivablePolygon
    from roadseg.runtime.postprocess.free_ahead import FreeAhead
    from roadseg.runtime.postprocess.hole_closing import HoleClosing
    from roadseg.runtime.postprocess.minimum_area import MinimumArea
    from roadseg.runtime.postprocess.smoothing import Smoothing

    drivable = [number for number, one in enumerate(classes) if one.drivable]
    return {
        "smooth": Smoothing,
        "unknown": ConfidenceThreshold,
        "area": MinimumArea,
        "close": partial(HoleClosing, drivable),
        "crf": DenseCrf,
        "polygon": partial(DrivablePolygon, drivable),
        "free": partial(FreeAhead, drivable, camera),
    }


def _made(word: str, makers: dict[str, Maker]) -> Stage:
    name, colon, text = word.partition(":")
    if name not in makers:
        raise unknown("stage", name, makers)
    if not colon:
        return makers[name]()
    try:
        number = float(text)
    except ValueError:
        raise UsageError(f"--post {word}: '{text}' is not a number") from None
    return makers[name](number)
