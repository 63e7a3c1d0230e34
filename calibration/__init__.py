"""Calibration: which frames, which ranges, and the INT8 form of a float network."""

from __future__ import annotations

from roadseg.calibration.bias_correction import channel_means
from roadseg.calibration.equalize import channel_maxima, equalize
from roadseg.calibration.frames import calibration_frames
from roadseg.calibration.quantize import conv_names, quantize
from roadseg.calibration.ranges import METHODS, collect_ranges

__all__ = [
    "METHODS",
    "calibration_frames",
    "channel_maxima",
    "channel_means",
    "collect_ranges",
    "conv_names",
    "equalize",
    "quantize",
]
