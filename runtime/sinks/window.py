"""The overlay in a window."""

from __future__ import annotations

import os

import cv2

from roadseg.runtime.errors import UsageError
from roadseg.runtime.result import Result
from roadseg.runtime.sinks.base import Pace, Sink
from roadseg.runtime.sinks.painter import Painter

TITLE = "roadseg (q ends)"
QUIT_KEYS = {ord("q"), 27}


class WindowSink(Sink):
    """Shows each overlay; q or Escape ends the run. Not verified on a display."""

    name = "window"
    pace = Pace.AT_ONCE  # windows belong to the main thread

    def __init__(self, painter: Painter) -> None:
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise UsageError("--show: there is no display here; use --save or --sheet")
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
        except cv2.error:
            raise UsageError(
                "--show: this OpenCV has no windows: pip uninstall opencv-python-headless && "
                "pip install opencv-python"
            ) from None
        self._painter = painter

    def write(self, result: Result) -> None:
        """See Sink; raises KeyboardInterrupt when the user ends the run."""
        cv2.imshow(TITLE, self._painter.paint(result))
        if cv2.waitKey(1) & 0xFF in QUIT_KEYS:
            raise KeyboardInterrupt

    def close(self) -> str:
        """See Sink."""
        cv2.destroyAllWindows()
        return ""
