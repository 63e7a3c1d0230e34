"""Rows made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from roadseg.benchmarks.latency import percentiles
from roadseg.benchmarks.rows import Row

MACHINE = {
    "cpu": "Test CPU",
    "cores": 2,
    "flags": ["avx2", "avx512_vnni"],
    "ram_gb": 15.6,
    "os": "Debian GNU/Linux 12",
    "kernel": "6.1.0",
    "load": 0.2,
}
VERSIONS = {"python": "3.11.9", "roadseg": "0.1.0", "onnxruntime": "1.23.2"}
IOU = {"road": 0.951, "pavement": 0.802, "car": 0.831, "pole": 0.302, "sky": 0.921}


def latency(middle: float = 20.0, model: str = "mobileunet", **changes: Any) -> Row:
    """A latency row with samples around `middle` ms and a tail."""
    random = np.random.default_rng(int(middle * 10))
    samples = middle * (1 + random.gamma(2.0, 0.02, 50))
    samples[-1] *= 1.6
    values: dict[str, Any] = {
        "n": 50,
        "warmup": 10,
        "latency_ms": percentiles(samples),
        "stages_ms": {
            "preprocess": middle * 0.05,
            "infer": middle * 0.85,
            "decode": middle * 0.08,
        },
        "fps": round(1000 / float(samples.mean()), 2),
        "memory_mb": 150.0,
        "samples_ms": tuple(round(float(value), 3) for value in samples),
        "machine": MACHINE,
        "versions": VERSIONS,
        "options": {"command": f"seg-bench {model}", "threads": 0, "started": "2026-01-02T03:04Z"},
    }
    names = {"engine": "onnxruntime", "precision": "float32", "width": 1024, "height": 512}
    return Row("latency", model, **{**names, **values, **changes})


def accuracy(miou: float = 0.725, model: str = "mobileunet", **changes: Any) -> Row:
    """An accuracy row."""
    names = {"engine": "onnxruntime", "precision": "float32", "width": 1024, "height": 512}
    iou = {name: min(1.0, value * miou / 0.725) for name, value in IOU.items()}
    values = {"n": 101, "miou": miou, "iou": iou, "pixel_accuracy": 0.93, "machine": MACHINE}
    groups = {"0006R0": miou - 0.05, "0016E5": miou + 0.02}
    return Row("accuracy", model, **{**names, **values, "groups": groups, **changes})


def soak(slope: float = 0.01, **changes: Any) -> Row:
    """A soak row."""
    names = {"engine": "onnxruntime", "precision": "float32", "width": 1024, "height": 512}
    rss = [[frame, 150 + slope * frame / 1000] for frame in range(0, 2001, 100)]
    values = {"rss_mb": rss, "slope_mb_per_1000": slope, "allocated_kb": 3.0, "frame_kb": 512.0}
    return Row(
        "soak", "mobileunet", n=2000, soak=values, **{**names, "machine": MACHINE, **changes}
    )


@pytest.fixture
def rows() -> list[Row]:
    """Three configurations, timed and scored, and one soaked."""
    int8 = {"precision": "int8", "model": "mobileunet-int8"}
    vino = {**int8, "engine": "openvino"}
    return [
        latency(40.2),
        latency(22.4, **int8),
        latency(16.1, **vino),
        accuracy(0.725),
        accuracy(0.721, **int8),
        accuracy(0.7208, **vino),
        soak(),
    ]


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """Make a latency row."""
    return latency
