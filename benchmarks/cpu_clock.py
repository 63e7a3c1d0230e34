"""Where a pipeline's CPU time goes: in the engine, or in the threads around it."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.engines.base import Engine


class ClockedEngine:
    """An engine, and the CPU time that its caller's thread spent in it. See Engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name, self.spec = engine.name, engine.spec
        self.width, self.height, self.input = engine.width, engine.height, engine.input
        self.inside_ns = 0

    def infer(self) -> NDArray[np.float32]:
        """See Engine."""
        start = time.thread_time_ns()
        logits = self._engine.infer()
        self.inside_ns += time.thread_time_ns() - start
        return logits

    def close(self) -> None:
        """Nothing: it belongs to whoever opened it."""


class CpuClock:
    """CPU seconds since it was made, by the kernel's clock of each thread.

    Python's threads are the pipeline's own; what they spend in `infer`, and all that the engine's
    own threads spend, is the engine's.
    """

    def __init__(self, engine: ClockedEngine) -> None:
        self._engine = engine
        self._start = self._read()

    def spent(self) -> dict[str, float]:
        """Return total_s, engine_s, outside_s by thread (capture_s, infer_s, sinks_s) and share."""
        now = self._read()
        took = {name: (now[name] - self._start.get(name, 0)) / 1e9 for name in now}
        took["infer"] -= took.pop("inside")
        total = took.pop("total")
        outside = sum(took.values())
        by_thread = {f"{name}_s": round(seconds, 4) for name, seconds in took.items()}
        return {
            "total_s": round(total, 4),
            "engine_s": round(total - outside, 4),
            "outside_s": round(outside, 4),
            "outside_share": round(outside / total, 5) if total else 0.0,
            **by_thread,
        }

    def _read(self) -> dict[str, int]:
        read: dict[str, int] = {"capture": 0, "infer": 0, "sinks": 0, "inside": 0, "total": 0}
        for thread in threading.enumerate():
            name = thread.name if thread.name in read else "sinks"  # the caller's own thread
            read[name] += _thread_ns(thread)
        return {**read, "inside": self._engine.inside_ns, "total": time.process_time_ns()}


def _thread_ns(thread: threading.Thread) -> int:
    clock: Any = time.pthread_getcpuclockid(thread.ident or 0)
    return time.clock_gettime_ns(clock)
