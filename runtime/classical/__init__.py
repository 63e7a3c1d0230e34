"""Classical baselines: road or other without a network, as `classical:otsu` where a model is asked.

They are what a network has to beat. Each is a method from the textbook and the same three things
that a road scene allows (prior.py), nothing that was fitted to a data set.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadseg.runtime.errors import MissingExtra, unknown
from roadseg.runtime.road_or_other import ROAD_OR_OTHER
from roadseg.runtime.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["METHODS", "PREFIX", "Method", "classical_spec", "is_classical", "load_method"]

PREFIX = "classical:"
EXTRA = "classical"
WIDTH, HEIGHT, MULTIPLE = 320, 192, 16

# RGB pixels (H, W, 3) uint8 to evidence of road (H, W) float32: above 0 is road.
FindRoad = Callable[["NDArray[np.uint8]"], "NDArray[np.float32]"]


@dataclass(frozen=True)
class Method:
    """A baseline: the module in this folder, its function, and the package that it needs."""

    module: str
    function: str
    package: str = "cv2"


METHODS = {
    "fixed": Method("threshold", "fixed_threshold"),
    "otsu": Method("threshold", "otsu_threshold"),
    "canny": Method("contours", "canny_contours"),
    "region-growing": Method("region", "grow_region"),
    "watershed": Method("watershed", "watershed_basins", "skimage"),
    "kmeans": Method("clusters", "k_means", "sklearn"),
    "mean-shift": Method("region", "mean_shift"),
    "gmm": Method("mixture", "gaussian_mixture", "sklearn"),
}
PACKAGES = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


def is_classical(model: object) -> bool:
    """Return whether a model's name is that of a classical baseline."""
    return str(model).startswith(PREFIX)


def classical_spec(model: str) -> ModelSpec:
    """Return the ModelSpec of "classical:METHOD"; raises UsageError for an unknown method."""
    method = model.removeprefix(PREFIX)
    if method not in METHODS:
        raise unknown("classical method", method, METHODS)
    return ModelSpec(
        name=model,
        classes=ROAD_OR_OTHER,
        width=WIDTH,
        height=HEIGHT,
        multiple=MULTIPLE,
        stride=1,
        precision="classical",
        network={"method": method},
    )


def load_method(model: str) -> FindRoad:
    """Return the function of "classical:METHOD"; raises MissingExtra without its package."""
    method = METHODS[model.removeprefix(PREFIX)]
    if importlib.util.find_spec(method.package) is None:
        raise MissingExtra(PACKAGES[method.package], EXTRA, model)
    module = importlib.import_module(f"roadseg.runtime.classical.{method.module}")
    found: FindRoad = getattr(module, method.function)
    return found
