"""What happens to a training image and its mask, as a function of a seed."""

from roadseg.train.augmentation.augmentation import Augmentation
from roadseg.train.augmentation.cut_mix import cut_mix
from roadseg.train.augmentation.geometry import GRAY
from roadseg.train.augmentation.weather import WEATHER

__all__ = ["GRAY", "WEATHER", "Augmentation", "cut_mix"]
