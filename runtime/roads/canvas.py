"""Canvas: painting the things of a scene, each with its class."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.roads.camera import NEAR, Camera, Points, clipped
from roadseg.runtime.roads.weather import Color, Pixels

SHIFT = 4  # bits below the pixel that OpenCV's polygons are placed with
FAR_OUT = 30_000  # pixels; OpenCV's coordinates are 16.4 bits

Corner = tuple[float, float, float]  # (t, y, s): right of the middle, up, along the road; metres
FULL_TURN = np.linspace(0, 2 * np.pi, 16, endpoint=False)
CIRCLE = [(float(np.cos(turn)), float(np.sin(turn))) for turn in FULL_TURN]


class Canvas:
    """A picture (H, W, 3) BGR and its mask (H, W), painted in the order of the calls by finish().

    Until then polygons are only noted, so that all their corners are projected at once.
    """

    def __init__(self, picture: Pixels, mask: Pixels, camera: Camera) -> None:
        self.picture, self.mask, self.camera = picture, mask, camera
        self.weather = camera.scene.weather
        self._corners: list[Corner] = []
        self._starts: list[int] = []
        self._colors: list[Color] = []
        self._labels: list[int | None] = []
        self._textures: list[tuple[int, Callable[[], None]]] = []  # after which polygon

    def polygon(
        self, corners: Iterable[Corner], color: Color, label: int | None, *, lit: bool = True
    ) -> None:
        """Paint a convex polygon of road coordinates; label None leaves the mask as it is."""
        self._starts.append(len(self._corners))
        self._corners.extend(corners)
        self._colors.append(self.weather.lit(color) if lit else color)
        self._labels.append(label)

    def disc(self, center: Corner, radius: float, color: Color, label: int) -> None:
        """Paint a disc across the road; radius in metres."""
        t, y, s = center
        self.polygon([(t + radius * u, y + radius * v, s) for u, v in CIRCLE], color, label)

    def bar(
        self, a: Corner, b: Corner, width: float, color: Color, label: int, *, lit: bool = True
    ) -> None:
        """Paint a bar of a width in metres between two points, facing the camera."""
        t, y = b[0] - a[0], b[1] - a[1]
        half = width / 2 / (math.hypot(t, y) + 1e-9)
        u, v = -y * half, t * half
        corners = [
            (p[0] + sign * u, p[1] + sign * v, p[2])
            for p, sign in ((a, 1), (b, 1), (b, -1), (a, -1))
        ]
        self.polygon(corners, color, label, lit=lit)

    def textured(self, corners: Points, texture: Pixels, label: int) -> None:
        """Paint a texture on a quad of camera space, all of it in front of the near plane.

        corners: (4, 3), top left, top right, bottom right, bottom left.
        """
        self._textures.append((len(self._starts), lambda: self._textured(corners, texture, label)))

    def sprite(self, foot: Points, height: float, sprites: Sequence[Pixels], label: int) -> None:
        """Paint a sprite that stands at foot (3,) in camera space and is `height` m high.

        sprites: the same BGRA picture, each time half as large.
        """
        if foot[2] >= NEAR:
            paint = functools.partial(self._sprite, foot, height, sprites, label)
            self._textures.append((len(self._starts), paint))

    def finish(self) -> None:
        """Paint all that was noted."""
        textures = iter([*self._textures, (-1, lambda: None)])
        after, paint = next(textures)
        polygons = self._projected()
        for number, label in enumerate(self._labels):
            while after == number:
                paint()
                after, paint = next(textures)
            found = next(polygons)
            if found is not None:
                cv2.fillConvexPoly(self.picture, *found, cv2.LINE_8, SHIFT)
                if label is not None:
                    cv2.fillConvexPoly(self.mask, found[0], label, cv2.LINE_8, SHIFT)
        while after >= 0:
            paint()
            after, paint = next(textures)

    def _projected(self) -> Iterator[tuple[NDArray[np.int32], Color] | None]:
        """Give each polygon's corners in fixed-point pixels and its colour; None if not in view."""
        if not self._starts:
            return
        starts = np.array(self._starts)
        placed = self.camera.place(self._corners)
        nearest = np.minimum.reduceat(placed[:, 2], starts)
        mean = np.add.reduceat(placed[:, 2], starts) / np.diff(starts, append=len(placed))
        ahead = np.maximum(placed, (-np.inf, -np.inf, NEAR))
        pixels = self._fixed(self.camera.project(ahead))
        in_view = self._in_view(pixels, starts) | (nearest < NEAR)
        haze = 1 - np.exp(-np.maximum(mean, 0) / self.weather.visibility)[:, None]
        colors = np.array(self._colors)
        colors = (colors + haze * (np.array(self.weather.haze) - colors)).tolist()
        ends = [*self._starts[1:], len(placed)]
        for number, (start, end) in enumerate(zip(self._starts, ends, strict=True)):
            if not in_view[number]:
                yield None
            elif nearest[number] >= NEAR:
                yield pixels[start:end], colors[number]
            else:
                cut = clipped(placed[start:end])
                yield (
                    (self._fixed(self.camera.project(cut)), colors[number])
                    if len(cut) > 2
                    else None
                )

    def _fixed(self, pixels: Points) -> NDArray[np.int32]:
        fixed: NDArray[np.int32] = (pixels.clip(-FAR_OUT, FAR_OUT) * (1 << SHIFT)).astype(np.int32)
        return fixed

    def _in_view(self, pixels: NDArray[np.int32], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
        size = np.array([self.camera.width, self.camera.height]) << SHIFT
        first = np.minimum.reduceat(pixels, starts)
        last = np.maximum.reduceat(pixels, starts)
        return np.asarray(((last >= 0) & (first < size)).all(1))

    def _textured(self, corners: Points, texture: Pixels, label: int) -> None:
        pixels = self.camera.project(corners)
        box = self._box(pixels)
        if box is None:
            return
        x, y, x_end, y_end = box
        rows, columns = texture.shape[:2]
        flat = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
        local = (pixels - (x, y)).astype(np.float32)
        warp = cv2.getPerspectiveTransform(flat, local)
        size = (x_end - x, y_end - y)
        warped = np.asarray(
            cv2.warpPerspective(texture, warp, size, borderMode=cv2.BORDER_REPLICATE), np.uint8
        )
        inside = np.zeros((size[1], size[0]), np.uint8)
        cv2.fillConvexPoly(inside, self._fixed(local.astype(np.float64)), 255, cv2.LINE_8, SHIFT)
        self._paste(warped, inside, x, y, float(corners[:, 2].mean()), label)

    def _sprite(self, foot: Points, height: float, sprites: Sequence[Pixels], label: int) -> None:
        (pixel,) = self.camera.project(foot[None])
        wanted = height * self.camera.focal / foot[2]
        sprite = [each for each in sprites if each.shape[0] >= wanted or each is sprites[0]][-1]
        scale = wanted / sprite.shape[0]
        rows, columns = round(sprite.shape[0] * scale), round(sprite.shape[1] * scale)
        left, top = round(float(pixel[0]) - columns / 2), round(float(pixel[1]) - rows)
        x, y = max(left, 0), max(top, 0)
        x_end = min(left + columns, self.picture.shape[1])
        y_end = min(top + rows, self.picture.shape[0])
        if rows < 2 or columns < 2 or x >= x_end or y >= y_end:
            return
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scaled = np.asarray(cv2.resize(sprite, (columns, rows), interpolation=way), np.uint8)
        part = scaled[y - top : y_end - top, x - left : x_end - left]
        inside = (part[..., 3] > 127).astype(np.uint8)
        self._paste(np.ascontiguousarray(part[..., :3]), inside, x, y, float(foot[2]), label)

    def _box(self, pixels: Points) -> tuple[int, int, int, int] | None:
        """Return the part of the picture that holds the points: left, top, right, bottom."""
        height, width = self.mask.shape
        x, y = np.clip(np.floor(pixels.min(0)), 0, (width, height)).astype(int)
        x_end, y_end = np.clip(np.ceil(pixels.max(0)) + 1, 0, (width, height)).astype(int)
        return (int(x), int(y), int(x_end), int(y_end)) if x < x_end and y < y_end else None

    def _paste(
        self, picture: Pixels, inside: Pixels, x: int, y: int, distance: float, label: int
    ) -> None:
        """Paint where `inside` is set, through the air."""
        haze = self.weather.faded(distance)
        if haze > 0.02:
            air = np.empty_like(picture)
            air[:] = self.weather.haze
            cv2.addWeighted(picture, 1 - haze, air, haze, 0, picture)
        rows, columns = inside.shape
        area = self.picture[y : y + rows, x : x + columns]
        cv2.copyTo(picture, inside, area)
        self.mask[y : y + rows, x : x + columns][inside > 0] = label
