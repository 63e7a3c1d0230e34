"""Batches of augmented images: what epoch and index they have decides all that is random."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.train.augmentation import Augmentation, cut_mix

Batch = tuple[NDArray[np.uint8], NDArray[np.uint8]]
Place = tuple[int, int, int]  # data set, image, and how often the epoch has been there before

OWN, CUT = 0, 1  # ends of seeds: of an image's own changes, of what is cut and mixed


class Batches:
    """The batches of an epoch, loaded ahead by threads.

    An epoch goes once through the first data set; each batch has `mix[k]` images of data set k,
    whose own turns go on as long as that takes, spread over the batch, so that any stretch of it
    has its share of each. Order and augmentation are functions of (seed, epoch, place), so neither
    the number of threads nor an interruption changes them. Images that do not fill a batch are
    left out of the epoch.

    Of several processes, each loads its part of every batch: see `share`.
    """

    def __init__(
        self,
        parts: Sequence[Sequence[Batch]],
        augmentation: Augmentation,
        size: tuple[int, int],
        mix: Sequence[int],
        seed: int,
        workers: int,
    ) -> None:
        self.parts = parts
        self.augmentation = augmentation
        self.size = size
        self.mix = [min(count, len(part)) for count, part in zip(mix, parts, strict=True)]
        self.batch_size = sum(self.mix)
        shares = [(place + 0.5) / count for count in self.mix for place in range(count)]
        self._spread = np.argsort(shares, kind="stable")
        self.seed = seed
        self.workers = workers
        self._own = slice(None)
        cv2.setNumThreads(1)  # the loader's threads are the parallelism

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.parts[0]) // self.mix[0]

    def share(self, rank: int, processes: int) -> None:
        """Load from now on the images rank, rank + processes, … of each batch."""
        self._own = slice(rank, None, processes)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Give images (N, H, W, 3) and masks (N, H, W), both uint8."""
        lots = self._lots(epoch)
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

    def _lots(self, epoch: int) -> list[list[Place]]:
        """Return the places of each batch."""
        lots: list[list[Place]] = [[] for _ in range(len(self))]
        for number, (part, count) in enumerate(zip(self.parts, self.mix, strict=True)):
            random = np.random.default_rng((self.seed, epoch, number))
            turns = -(-len(lots) * count // len(part))
            order = [
                (number, int(index), turn)
                for turn in range(turns)
                for index in random.permutation(len(part))
            ]
            for place, lot in enumerate(lots):
                lot += order[place * count : (place + 1) * count]
        return [[lot[place] for place in self._spread] for lot in lots]

    def _load(self, epoch: int, lot: list[Place]) -> Batch:
        one = cache(lambda place: self._one(epoch, lot[place]))
        pairs = []
        for place in range(len(lot))[self._own]:
            random = np.random.default_rng((self.seed, epoch, *lot[place], CUT))
            # The next one may be another process's: it is loaded here, too, when it is needed.
            is_cut = random.random() < self.augmentation.cutmix
            pairs.append(
                cut_mix(one(place), one((place + 1) % len(lot)), random) if is_cut else one(place)
            )
        return np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs])

    def _one(self, epoch: int, place: Place) -> Batch:
        number, index, _ = place
        random = np.random.default_rng((self.seed, epoch, *place, OWN))
        return self.augmentation.apply(*self.parts[number][index], self.size, random)


def share_batch(batch_size: int, sets: int) -> tuple[int, ...]:
    """Return how many images of each data set make a batch: as even as can be, the first most."""
    return tuple(batch_size // sets + (place < batch_size % sets) for place in range(sets))
