from __future__ import annotations

import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from roadseg.runtime.spec import ClassInfo, ModelSpec
from roadseg.train.evaluation import evaluate_each, normalize, predict, total

SPEC = ModelSpec(
    "brightest",
    (ClassInfo("red", (255, 0, 0)), ClassInfo("green", (0, 255, 0)), ClassInfo("blue", (0, 0, 1))),
    64,
    32,
)


class Brightest(nn.Module):
    """A network whose class is the brightest colour of 4 x 4 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.Conv2d(3, 3, 4, 4, bias=False)
        with torch.no_grad():
            self.pool.weight.zero_()
            self.pool.weight[range(3), range(3)] = 1 / 16

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.pool(image)
        return logits


def test_normalisation_is_the_specs() -> None:
    images = torch.tensor([0, 127, 255], dtype=torch.uint8).reshape(1, 1, 1, 3)
    plain = torch.tensor([-127 / 128, 0.0, 1.0]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(normalize(images, SPEC), plain)


@pytest.mark.parametrize("size", [(32, 64), (64, 128), (50, 90)])
def test_masks_have_the_images_size(size: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), np.uint8)
    half = size[1] // 2
    image[:, :half, 0], image[:, half:, 2] = 200, 200
    mask = predict(Brightest(), SPEC, image)  # type: ignore[arg-type]
    assert mask.shape == size and mask.dtype == np.uint8
    edge = size[1] // 16
    assert (mask[:, : half - edge] == 0).all() and (mask[:, half + edge :] == 2).all()


def test_each_image_has_its_confusion_without_void() -> None:
    image = np.zeros((32, 64, 3), np.uint8)
    image[..., 1] = 90
    labels = np.full((32, 64), 1, np.uint8)
    labels[:8] = 255
    wrong = np.full((32, 64), 2, np.uint8)
    found = evaluate_each(Brightest(), SPEC, [(image, labels), (image, wrong)])  # type: ignore[arg-type]
    assert [one.miou for one in found] == [1.0, 0.0]
    assert total(found, 3).counts.tolist() == [[0, 0, 0], [0, 24 * 64, 0], [0, 32 * 64, 0]]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_large_blocks_are_kept_and_used_again() -> None:
    code = """
import ctypes, numpy as np, resource
from roadseg.train.allocator import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(4 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
default = faults()
assert keep_freed_memory()
np.ones(4 << 20, np.uint8)
kept = faults()
assert kept < default / 10, (default, kept)
"""
    environment = {"MALLOC_MMAP_THRESHOLD_": "131072"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
