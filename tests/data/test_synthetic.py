"""Rendered roads: the same from the same seed, exact masks, different scenes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from roadseg.data import open_dataset
from roadseg.runtime.errors import UsageError
from roadseg.runtime.roads import PLACES, WEATHERS, RoadRenderer, make_scene
from roadseg.runtime.roads.labels import CAR, ROAD, SKY

WIDTH, HEIGHT = 160, 96


def render(seed: int, number: int, place: str = "", weather: str = "") -> tuple[np.ndarray, ...]:
    renderer = RoadRenderer(make_scene(seed, place, weather), WIDTH, HEIGHT)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    mask = np.full((HEIGHT, WIDTH), 99, np.uint8)
    renderer.render(number, picture, mask)
    return picture, mask


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("weather", WEATHERS)
def test_every_place_in_every_weather(place: str, weather: str) -> None:
    picture, mask = render(3, 40, place, weather)
    assert mask.max() < 11
    assert (mask[:10] == SKY).mean() + (mask[:10] != ROAD).mean() > 1
    assert (mask[-20:] == ROAD).mean() > 0.3
    assert picture.std() > 5
    # Things end where their mask does: colours change more across its edges than elsewhere.
    step = np.abs(np.diff(picture.astype(int), axis=1)).sum(2)
    edge = np.diff(mask.astype(int), axis=1) != 0
    assert step[edge].mean() > 1.2 * step[~edge].mean()


def test_a_frame_depends_on_seed_and_number_alone() -> None:
    renderer = RoadRenderer(make_scene(5), WIDTH, HEIGHT)
    first, second = (np.zeros((HEIGHT, WIDTH, 3), np.uint8) for _ in range(2))
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    renderer.render(7, first, mask)
    renderer.render(90, second, mask)
    renderer.render(7, second, mask)
    np.testing.assert_array_equal(first, second)
    assert np.abs(first.astype(int) - render(6, 7)[0]).mean() > 10
    assert np.abs(first.astype(int) - render(5, 8)[0]).mean() > 1


def test_a_long_drive_never_runs_out_of_road() -> None:
    renderer = RoadRenderer(make_scene(2, "city", "clear"), WIDTH, HEIGHT)
    picture, mask = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    cars = 0
    for number in range(0, 400_000, 20_000):
        renderer.render(number, picture, mask)
        assert (mask == ROAD).mean() > 0.1
        cars += bool((mask == CAR).any())
    assert cars > 10


def test_as_a_data_set() -> None:
    whole = open_dataset("synthetic:?n=40&size=96x64")
    assert len(whole.samples) == 40
    assert len(whole.groups) == 10
    splits = {
        split: open_dataset("synthetic:?n=40&size=96x64", split)
        for split in ("train", "val", "test")
    }
    assert [len(part.samples) for part in splits.values()] == [28, 8, 4]
    groups = [set(part.groups) for part in splits.values()]
    assert groups[0].isdisjoint(groups[1] | groups[2])
    image, mask = whole.load(whole.samples[5])
    assert image.shape == (64, 96, 3)
    assert mask.shape == (64, 96)
    travelled = pickle.loads(pickle.dumps(whole.read))
    np.testing.assert_array_equal(travelled(whole.samples[5])[0], image)
    other = open_dataset("synthetic:?n=40&size=96x64&seed=1")
    assert np.abs(other.load(other.samples[5])[0].astype(int) - image).mean() > 10


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?n=0", "at least one image"),
        ("?size=5x5", "from 16 to 4096 pixels"),
        ("?size=wide", "'size' is 'wide', which is not WIDTHxHEIGHT"),
        ("?n=many", "'n' is 'many', which is not a whole number"),
        ("?place=moon", "unknown place 'moon': known are city, country, suburb"),
        ("?weather=hail", "unknown weather 'hail'"),
        ("?m=3", "unknown option 'm': known are n, size"),
        ("?seed=-1", "seed is -1"),
        ("frames", "unknown option 'frames'"),
    ],
)
def test_bad_queries(query: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_dataset(f"synthetic:{query}")
    with pytest.raises(UsageError, match="unknown split 'extra'"):
        open_dataset("synthetic:?n=20&size=32x32", "extra")
