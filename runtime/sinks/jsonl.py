"""A line of JSON for each frame."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from roadseg.runtime.decode import count_classes
from roadseg.runtime.errors import UsageError
from roadseg.runtime.result import Result
from roadseg.runtime.sinks.base import Sink
from roadseg.runtime.spec import ClassInfo


class JsonlSink(Sink):
    """Appends a line as each frame comes, so that the file can be followed while it grows.

    A line: sequence, name, timestamp_ns (monotonic clock), age_ms, stages_ms, drivable (share of
    the frame that a car may drive on), shares {class: share of the frame} and unknown (share
    without a class). Where post-processing was asked for them: polygon [[x, y], …] and free
    {pixels, metres, resolution_m, blocked_by}, see Findings.
    """

    name = "jsonl"
    reads_pixels = False

    def __init__(self, path: Path, classes: Sequence[ClassInfo]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._classes = tuple(classes)
        self._file = _open_alone(path)
        self._lines = 0
        self._whole = 0  # bytes of whole lines

    def write(self, result: Result) -> None:
        """See Sink."""
        line = (json.dumps(self._row(result)) + "\n").encode()
        written = os.write(self._file, line)
        if written < len(line):  # a full disk takes a part and fails at the next write
            os.write(self._file, line[written:])
        self._whole += len(line)
        self._lines += 1

    def _row(self, result: Result) -> dict[str, Any]:
        counts = count_classes(result.mask, len(self._classes))
        shares = {
            info.name: round(int(count) / result.mask.size, 5)
            for info, count in zip(self._classes, counts, strict=True)
        }
        return {
            "sequence": result.frame.sequence,
            "name": result.frame.name,
            "timestamp_ns": result.frame.timestamp_ns,
            "age_ms": round(result.age_ns / 1e6, 3),
            "stages_ms": {name: round(ns / 1e6, 3) for name, ns in result.stages_ns.items()},
            "drivable": round(sum(shares[i.name] for i in self._classes if i.drivable), 5),
            "shares": shares,
            "unknown": round(1 - int(counts.sum()) / result.mask.size, 5),
            **result.findings.told(self._classes),
        }

    def close(self) -> str:
        """See Sink; a line that was cut by a full disk is taken away."""
        if os.fstat(self._file).st_size > self._whole and self.path.is_file():
            os.ftruncate(self._file, self._whole)
        os.close(self._file)
        return f"JSON lines {self.path}, {self._lines}"


def _open_alone(path: Path) -> int:
    """Return the descriptor of an emptied file, or of a pipe; raises UsageError for another run's.

    The lock on it ends with the process.
    """
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder")
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    if stat.S_ISREG(os.fstat(file).st_mode):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise UsageError(f"--jsonl {path}: another run writes there") from None
        os.ftruncate(file, 0)
    return file
