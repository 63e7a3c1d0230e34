"""TensorRT's log: kept, so that an error can be told in its own words."""

from __future__ import annotations

from typing import Any


def make_log(trt: Any, verbose: bool = False) -> Any:
    """Return a logger of TensorRT that keeps what it is told.

    lines: (severity, message) in order, without VERBOSE ones unless they are asked for.
    """

    class Log(trt.ILogger):  # type: ignore[misc]  # its base is known at run time only
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.lines: list[tuple[str, str]] = []

        def log(self, severity: Any, message: str) -> None:
            name = str(getattr(severity, "name", severity))
            if verbose or name != "VERBOSE":
                self.lines.append((name, message))

    return Log()


def reason(log: Any, otherwise: str = "it gives no reason") -> str:
    """Return the last error that was logged, in one line."""
    errors = [text for severity, text in log.lines if "ERROR" in severity]
    return " ".join(errors[-1].split()) if errors else otherwise
