"""Sources: where frames come from. open_source("road.mp4") gives one that is open."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

from roadseg.runtime.errors import CorruptFrame, DataError, UsageError
from roadseg.runtime.frame import Frame
from roadseg.runtime.sources.base import Source, SourceInfo, Timeouts

__all__ = ["Source", "SourceInfo", "Timeouts", "is_live", "open_source", "whole_frames"]

STREAMS = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt", "rtp")
KNOWN = (
    "camera:N, camera:NAME, v4l2:///dev/videoN, csi://N, rtsp://…, http://…, udp://…, "
    "gst:PIPELINE, synthetic:, a video file, an image, or a folder of images"
)


def is_live(uri: str) -> bool:
    """Whether a source may go away and come back; known before it is open."""
    kind, colon, _ = uri.partition(":")
    if colon and kind == "synthetic":
        from roadseg.runtime.sources.query import parse_query
        from roadseg.runtime.sources.synthetic import SyntheticOptions

        return parse_query(uri, SyntheticOptions).live
    return bool(colon) and kind in ("camera", "v4l2", "csi", "gst", *STREAMS)


def open_source(uri: str, timeouts: Timeouts | None = None) -> Source:
    """Open a source by what it is called.

    camera:0, camera:NAME or v4l2:///dev/video0, each with ?size=1280x720&fps=30&… (V4l2Options),
    csi://0, rtsp://host/path, gst:PIPELINE, synthetic:?size=960x544&frames=150, a video, an image,
    a folder. Raises SourceError for a camera or stream that is not there, DataError for a file
    that cannot be read, UsageError for anything else.
    """
    kind, colon, rest = uri.partition(":")
    if colon and kind == "synthetic":
        from roadseg.runtime.sources.synthetic import SyntheticSource

        return SyntheticSource(uri)
    if colon and kind in ("camera", "v4l2"):
        return _open_camera(kind, rest, uri, timeouts)
    if colon and kind in STREAMS:
        from roadseg.runtime.sources.stream import StreamSource

        return StreamSource(uri, timeouts)
    if colon and kind in ("gst", "csi"):
        from roadseg.runtime.sources.gstreamer import GStreamerSource

        return GStreamerSource(uri, timeouts)
    if colon and rest.startswith("//"):
        raise UsageError(f"{uri}: unknown kind of source '{kind}': known are {KNOWN}")
    return _open_files(Path(uri))


def whole_frames(source: Source) -> Iterator[tuple[int, Frame]]:
    """Give the frames of a source and their numbers until its end; broken ones are left out.

    A frame is released when the next one is asked for.
    """
    number = -1
    while True:
        number += 1
        try:
            frame = source.read()
        except CorruptFrame:
            continue
        if frame is None:
            return
        try:
            yield number, frame
        finally:
            frame.release()


def _open_camera(kind: str, rest: str, uri: str, timeouts: Timeouts | None) -> Source:
    from roadseg.runtime.sources.query import parse_query
    from roadseg.runtime.sources.v4l2.options import V4l2Options

    name, _, query = rest.partition("?")
    limits = {"timeout": timeouts.read_s, "open_timeout": timeouts.open_s} if timeouts else {}
    options = parse_query(uri, V4l2Options, query, limits)
    if not name or (kind == "v4l2" and not name.startswith("///")):
        raise UsageError(f"{uri}: a camera is camera:N, camera:NAME or v4l2:///dev/videoN")
    if sys.platform != "linux":
        raise UsageError(f"{uri}: cameras are read through V4L2, which is Linux alone")
    from roadseg.runtime.sources.v4l2.cameras import resolve, stable_path
    from roadseg.runtime.sources.v4l2.source import open_camera

    source = open_camera(name[2:] if kind == "v4l2" else resolve(name), options)
    if path := stable_path(source.node):
        stable = f"v4l2://{path}" + (f"?{query}" if query else "")
        source.info = dataclasses.replace(source.info, stable_uri=stable)
    return source


def _open_files(path: Path) -> Source:
    from roadseg.runtime.images import is_image
    from roadseg.runtime.sources.images import open_images
    from roadseg.runtime.sources.video import VideoSource

    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder; a source is {KNOWN}")
    if path.is_dir() or is_image(path):
        return open_images(path)
    if path.is_char_device():
        raise DataError(f"{path} is a device: a camera is given by --camera {path}")
    if not path.is_file():
        raise DataError(f"{path} is a pipe or the like, not a file; a source is {KNOWN}")
    return VideoSource(path)
