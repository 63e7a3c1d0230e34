"""The frames of an export: those that are scored, and the ranges of those that calibrate."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import onnx
from numpy.typing import NDArray

from roadseg.calibration import (
    calibration_frames,
    channel_maxima,
    channel_means,
    collect_ranges,
    equalize,
)
from roadseg.calibration.cache import load_ranges, ranges_key, save_ranges
from roadseg.calibration.frames import LabelledFrame, is_dataset, is_plain, network_inputs
from roadseg.data import open_dataset
from roadseg.export.options import RENDERED, ExportOptions
from roadseg.export.trained_ranges import trained_ranges
from roadseg.runtime.options import Size
from roadseg.runtime.spec import IGNORE, ModelSpec

FEW_TO_CALIBRATE, FEW_TO_SCORE = 24, 12  # of rendered roads, which take time to make


def frames_uri(options: ExportOptions) -> str:
    """Return where frames come from."""
    return options.data or RENDERED


def public_name(uri: str) -> str:
    """Leave folders, users and passwords out of what is stored in an artefact."""
    kind, colon, rest = uri.partition(":")
    if colon and kind == "synthetic":
        return uri
    if kind == "gst":
        return "gst:"  # a pipeline may hold anything
    if "://" in uri:
        parts = urlsplit(uri)
        return f"{kind}:{Path(parts.path).name or parts.hostname or ''}"
    return f"{kind}:{Path(rest).name}" if colon else Path(uri).name


def frames_to_score(options: ExportOptions, spec: ModelSpec) -> list[LabelledFrame]:
    """Return the frames of the split to score on; labels that do not fit are dropped, and told."""
    uri = frames_uri(options)
    count = options.score_frames if options.data else min(options.score_frames, FEW_TO_SCORE)
    frames = calibration_frames(uri, count, options.score_split, options.seed + 1)
    if not is_dataset(uri):
        return frames
    names = [info.name for info in open_dataset(uri).classes]
    if names != list(spec.class_names):
        return _without_labels(frames, f"the labels of {uri} have other classes")
    if all(each.truth is None or (each.truth == IGNORE).all() for each in frames):
        return _without_labels(frames, f"the labels of {uri} are void throughout")
    return frames


def _without_labels(frames: Sequence[LabelledFrame], reason: str) -> list[LabelledFrame]:
    print(f"{reason}: compared pixel by pixel")
    return [LabelledFrame(each.frame, None) for each in frames]


@dataclass(frozen=True)
class Calibrated:
    """What calibration found.

    model: the float network to quantise: the one that was given, equalised when asked for.
    ranges: by tensor. means: by input of a convolution, None unless asked for.
    told: what the ModelSpec tells of how it was done.
    """

    model: onnx.ModelProto
    ranges: dict[str, float]
    means: dict[str, NDArray[np.float64]] | None
    told: dict[str, Any]


def calibrate(options: ExportOptions, model: onnx.ModelProto, size: Size) -> Calibrated:
    """Run the calibration frames through a float network.

    One that was trained for INT8 keeps its ranges: frames give only those of tensors that no
    convolution reads, which the CPU engines quantise too.
    """
    trained = trained_ranges(model)
    if trained:
        options = replace(options, bias_correction=False, equalize=False)
    uri = frames_uri(options)
    count = options.calib_frames if options.data else min(options.calib_frames, FEW_TO_CALIBRATE)
    frames = calibration_frames(uri, count, options.calib_split, options.seed)
    source = public_name(uri)
    print(f"calibrating with {len(frames)} frames of {source}, {options.method}", flush=True)
    if is_plain(frames):
        print("warning: each calibration frame is nearly one colour: not of roads")
    told = {
        "method": "qat" if trained else options.method,
        "frames": len(frames),
        "source": source,
        "seed": options.seed,
        "bias_correction": options.bias_correction,
        "equalize": options.equalize,
    }
    if options.equalize:
        model = equalize(model, channel_maxima(model, network_inputs(frames, size)))
    ranges = _ranges(options, model, frames, size) | trained
    if trained:
        print(f"{len(trained)} ranges are those that the network was trained with")
    means = None
    if options.bias_correction:
        means = channel_means(model, network_inputs(frames, size))
    return Calibrated(model, ranges, means, told)


def _ranges(
    options: ExportOptions, model: onnx.ModelProto, frames: Sequence[LabelledFrame], size: Size
) -> dict[str, float]:
    key = ranges_key(model, frames, size, options.method, options.seed)
    if found := load_ranges(key):
        print("calibrated before, with these frames: ranges taken from the cache")
        return found

    def progress(done: int) -> None:
        say(f"calibrated {done}/{len(frames)}")

    inputs = network_inputs(frames, size)
    ranges = collect_ranges(model, inputs, options.method, options.seed, progress)
    save_ranges(key, ranges)
    return ranges


def say(text: str) -> None:
    """Tell how far it is, in a live line, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)
