"""Rendered roads as a labelled data set: exact masks, a scene being a drive."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from roadseg.data.dataset import Dataset, LabelledImage, Sample
from roadseg.data.splits import SPLITS, split_groups
from roadseg.runtime.errors import UsageError, unknown
from roadseg.runtime.options import Size
from roadseg.runtime.road_classes import ROAD_CLASSES
from roadseg.runtime.roads import PLACES, WEATHERS, RoadRenderer, check_seed, make_scene
from roadseg.runtime.roads.scene import Scene
from roadseg.runtime.sources.query import parse_query
from roadseg.runtime.sources.synthetic import SIZE, check_size

APART = 45  # frames between two of a scene
SCENES = 100_003  # seeds of data sets do not share scenes below this many


@dataclass(frozen=True)
class SyntheticSet:
    """What synthetic:? takes as a data set.

    n: images.
    size: of each.
    per_scene: images of one scene.
    seed: of the set.
    place, weather: of every scene, drawn when not given.
    """

    n: int = 100
    size: Size = SIZE
    per_scene: int = 4
    seed: int = 0
    place: str = ""
    weather: str = ""

    def __post_init__(self) -> None:
        """Check values."""
        check_size(self.size)
        check_seed(self.seed)
        if self.n < 1 or self.per_scene < 1:
            raise UsageError("a set of roads has at least one image, and one image a scene")
        for kind, name, known in (
            ("place", self.place, PLACES),
            ("weather", self.weather, WEATHERS),
        ):
            if name and name not in known:
                raise unknown(kind, name, known)


def open_synthetic(query: str, split: str = "all") -> Dataset:
    """Return a data set that is rendered as it is read; `query` is what follows "synthetic:".

    Scenes are groups; train, val and test are 7 : 1.5 : 1.5 of them.
    """
    options = parse_query(f"synthetic:{query}", SyntheticSet)
    samples = [_sample(options, *divmod(place, options.per_scene)) for place in range(options.n)]
    if split != "all":
        if split not in SPLITS:
            raise unknown("split", split, ("all", *SPLITS))
        wanted = set(split_groups(samples, seed=options.seed)[split])
        samples = [sample for sample in samples if sample.name in wanted]
    licence = "rendered by roadseg, no rights reserved"
    return Dataset("synthetic", ROAD_CLASSES, tuple(samples), licence, _Reader(options))


def _sample(options: SyntheticSet, scene: int, number: int) -> Sample:
    group = f"scene{scene:04d}"
    name = f"{group}_{number:02d}"
    return Sample(name, Path(f"{name}.png"), Path(f"{name}.png"), group, _weather(options, scene))


def _scene(options: SyntheticSet, number: int) -> Scene:
    return make_scene(options.seed * SCENES + number, options.place, options.weather)


@functools.lru_cache(maxsize=1)
def _weather(options: SyntheticSet, scene: int) -> str:
    """Return the name of a scene's weather; samples of one scene are asked for in turn."""
    weather = _scene(options, scene).weather
    return next(name for name, each in WEATHERS.items() if each == weather)


class _Reader:
    """Renders a sample; keeps the renderers of the last scenes."""

    def __init__(self, options: SyntheticSet) -> None:
        self.options = options
        self._renderer = functools.lru_cache(maxsize=2)(self._make)

    def __call__(self, sample: Sample) -> LabelledImage:
        scene, number = sample.name.removeprefix("scene").split("_")
        size = self.options.size
        picture = np.empty((size.height, size.width, 3), np.uint8)
        mask = np.empty((size.height, size.width), np.uint8)
        self._renderer(int(scene)).render(int(number) * APART, picture, mask)
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8), mask

    def _make(self, number: int) -> RoadRenderer:
        options = self.options
        scene = _scene(options, number)
        return RoadRenderer(scene, options.size.width, options.size.height)

    def __reduce__(self) -> tuple[type[_Reader], tuple[SyntheticSet]]:
        """Travel to other processes without the renderers."""
        return _Reader, (self.options,)
