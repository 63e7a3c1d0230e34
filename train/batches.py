"""Batches of augmented images: what epoch and index they have decides all that is random."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.train.augmentation import Augmentation
from roadseg.train.labels import LabelledImages

Batch = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class Batches:
    """The batches of an epoch, loaded ahead by threads.

    Order and augmentation are functions of (seed, epoch, index), so neither the number of threads
    nor an interruption changes them. Images that do not fill a batch are left out of the epoch.
    """

    def __init__(
        self,
        images: LabelledImages,
        augmentation: Augmentation,
        size: tuple[int, int],
        batch_size: int,
        seed: int,
        workers: int,
    ) -> None:
        self.images = images
        self.augmentation = augmentation
        self.size = size
        self.batch_size = min(batch_size, len(images))
        self.seed = seed
        self.workers = workers
        cv2.setNumThreads(1)  # the loader's threads are the parallelism

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.images) // self.batch_size

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Give images (N, H, W, 3) and masks (N, H, W), both uint8."""
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.images))
        lots = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        lots = lots[: len(self)]
        if not self.workers:
            yield from (self._load(epoch, lot) for lot in lots)
            return
        with ThreadPoolExecutor(self.workers, "loader") as pool:
            ahead: deque[Future[Batch]] = deque()
            try:
                for lot in lots:
                    ahead.append(pool.submit(self._load, epoch, lot))
                    if len(ahead) > self.workers + 1:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _load(self, epoch: int, lot: NDArray[np.int64]) -> Batch:
        pairs = [self._one(epoch, int(index)) for index in lot]
        return np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs])

    def _one(self, epoch: int, index: int) -> Batch:
        image, mask = self.images[index]
        random = np.random.default_rng((self.seed, epoch, index))
        return self.augmentation.apply(image, mask, self.size, random)
