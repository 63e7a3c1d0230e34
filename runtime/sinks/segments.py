"""Segments: the last seconds of a run as short videos in a folder, the oldest taken away."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from roadseg.runtime.result import Result
from roadseg.runtime.sinks.painter import Painter
from roadseg.runtime.sinks.video import STILLS_FPS, VideoSink
from roadseg.runtime.sources.base import SourceInfo

SEGMENT_S = 1.0  # what a killed process loses at most


@dataclass(frozen=True)
class Segment:
    """A whole video; `end_s` is when its last frame was taken, on the source's clock."""

    path: Path
    end_s: float


class Segments:
    """A ring on disk. A segment has its name when it is whole; what is under way is hidden.

    seconds: that are kept.
    """

    def __init__(self, folder: Path, seconds: float, info: SourceInfo, painter: Painter) -> None:
        self.folder, self.seconds = folder, seconds
        self._info, self._painter = info, painter
        self.kept: deque[Segment] = deque()
        self._video: VideoSink | None = None
        self._shape = (0, 0)
        self._start_s = self.now_s = 0.0
        self._number = 0

    def write(self, result: Result) -> Segment | None:
        """Add a frame; returns the segment that was finished before it, if one was."""
        now, finished = self._clock_s(result), None
        if self._video and (now - self._start_s >= SEGMENT_S or self._shape != result.mask.shape):
            finished = self.finish()
        self.now_s = now
        if self._video is None:
            self._start_s, self._shape = now, result.mask.shape
            path = self.folder / f"{self._number:08d}.mp4"
            self._number += 1
            self._video = VideoSink(path, self._info, self._painter)
        self._video.write(result)
        return finished

    def finish(self) -> Segment | None:
        """End the segment that is under way; returns it, None when there is none."""
        if self._video is None:
            return None
        video, self._video = self._video, None
        video.close()
        self.kept.append(Segment(video.path, self.now_s))
        while self.kept[0].end_s < self.now_s - self.seconds:
            self.kept.popleft().path.unlink(missing_ok=True)
        return self.kept[-1]

    def _clock_s(self, result: Result) -> float:
        """Return when a frame was taken; of a file, its place in it."""
        if self._info.live:
            return result.frame.timestamp_ns / 1e9
        return result.frame.sequence / (self._info.fps or STILLS_FPS)
