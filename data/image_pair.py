"""An image and its mask belong together when they have one size."""

from __future__ import annotations

import cv2

from roadseg.data.dataset import Pixels, Sample
from roadseg.runtime.errors import DataError
from roadseg.runtime.images import is_image, read_image


def check_pair(image: Pixels, size: tuple[int, int], sample: Sample) -> None:
    """Raise DataError when an image (H, W, 3) has another size than its mask: width, height.

    Images are read upright, as their EXIF orientation says; a mask of the stored pixels is named.
    """
    if size == image.shape[1::-1]:
        return
    told = f"{sample.mask}: {size[0]}x{size[1]}, but its image is {image.shape[1]}x{image.shape[0]}"
    if sample.image.is_file() and size == stored_pixels(sample).shape[1::-1]:
        told += " once turned upright by its EXIF orientation: " + (
            "seg-data check --fix turns the mask"
            if sample.mask and is_image(sample.mask)
            else "label the image as it is shown, or store it upright"
        )
    raise DataError(told)


def stored_pixels(sample: Sample) -> Pixels:
    """Return an image as it is stored, (H, W, 3) BGR, not turned by its EXIF orientation."""
    return read_image(sample.image, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
