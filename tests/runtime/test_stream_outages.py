"""Streams that stop, freeze and change over loopback: they come back, and the ledger is exact."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from stream_frames import check_stripes, next_whole

from roadseg.runtime.engines import open_engine
from roadseg.runtime.ledger import Ledger
from roadseg.runtime.pipeline import Pipeline
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.sources.reconnecting import open_reconnecting
from roadseg.runtime.sources.survival import Survival

SURVIVAL = Survival(stall_s=2.0, open_s=20.0, first_delay_s=0.05, longest_delay_s=0.3, seed=0)

Fault = Callable[[Any], None]


def stops(camera: Any) -> None:
    camera.stop()
    time.sleep(0.3)
    camera.start()


def freezes(camera: Any) -> None:
    camera.frozen.set()
    time.sleep(0.3)
    threading.Timer(2.5, camera.frozen.clear).start()


def changes(camera: Any) -> None:
    picture = np.full((32, 48, 3), 128, np.uint8)
    camera.stop()
    camera.picture = cv2.imencode(".jpg", picture)[1].tobytes()
    camera.start()


@pytest.mark.parametrize("fault", [stops, freezes, changes])
def test_a_camera_comes_back_and_the_ledger_is_exact(
    mjpeg_camera: Any, model: Path, fault: Fault
) -> None:
    mjpeg_camera.cut = {3}
    ledger = Ledger()
    with open_reconnecting(mjpeg_camera.url, SURVIVAL, ledger.outages) as source:
        pipeline = Pipeline(source, Segmenter(open_engine(model, "onnxruntime")), 0, ledger)
        sequences, shapes = [], set()
        for result in pipeline.results():
            sequences.append(result.frame.sequence)
            shapes.add(result.mask.shape)
            if len(sequences) == 5:
                fault(mjpeg_camera)
            if ledger.outages.count and len(sequences) > 20:
                break
    assert ledger.balances
    assert sequences == sorted(set(sequences))
    assert ledger.outages.count == 1
    assert mjpeg_camera.served >= 2
    assert ledger.dropped == 0
    assert ledger.corrupt in (1, 2)  # in each connection the fourth
    assert ledger.copies == ledger.captured - ledger.corrupt
    assert shapes == ({(64, 96), (32, 48)} if fault is changes else {(64, 96)})


def test_an_rtsp_camera_comes_back(rtsp_camera: Any) -> None:
    with open_reconnecting(rtsp_camera.url, SURVIVAL) as source:
        first = next_whole(source)
        stops(rtsp_camera)
        outages = source.outages  # type: ignore[attr-defined]
        while not outages.count:
            last = next_whole(source)
    assert last.sequence > first.sequence


def test_a_udp_sender_comes_back(udp_camera: Any) -> None:
    with open_reconnecting(udp_camera.url, SURVIVAL) as source:
        next_whole(source)
        threading.Timer(2.5, udp_camera.start).start()
        udp_camera.stop()
        outages = source.outages  # type: ignore[attr-defined]
        while not outages.count:
            check_stripes(next_whole(source))
