"""Cameras on loopback that stop, stall, send rubbish and come back: MJPEG over HTTP, RTSP, UDP."""

from __future__ import annotations

import itertools
import signal
import socket
import subprocess
import threading
import time
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SYSTEM_PYTHON = "/usr/bin/python3"
FPS = 50


def free_port() -> int:
    """Return a port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()


class MjpegCamera:
    """An HTTP camera: /road.mjpg; /locked.mjpg wants a password; any other path is not there.

    frames: until a connection ends, None for no end.
    frozen: while it is set, connections stay open and nothing is sent.
    cut, rubbish: numbers of frames, counted in each connection, that are cut short or no picture.
    """

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        self.picture = jpeg(picture)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/road.mjpg"
        self.frames: int | None = None
        self.frozen = threading.Event()
        self.cut: set[int] = set()
        self.rubbish: set[int] = set()
        self.served = 0
        self._server: ThreadingHTTPServer | None = None
        self._down = threading.Event()
        self.start()

    def start(self) -> None:
        camera = self
        self._down = down = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.serve(self, down)

            def log_message(self, *_: Any) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """End the connections and refuse new ones."""
        self._down.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._server = None

    def serve(self, request: BaseHTTPRequestHandler, down: threading.Event) -> None:
        if request.path != "/road.mjpg":
            request.send_error(401 if request.path == "/locked.mjpg" else 404)
            return
        self.served += 1
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        for number in itertools.count() if self.frames is None else range(self.frames):
            while self.frozen.is_set() and not down.is_set():
                time.sleep(0.01)
            if down.wait(1 / FPS):
                return
            body = self._body(number)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
            try:
                request.wfile.write(head.encode() + body + b"\r\n")
            except OSError:
                return

    def _body(self, number: int) -> bytes:
        if number in self.rubbish:
            return b"this is no picture " * 50
        return self.picture[: len(self.picture) // 2] if number in self.cut else self.picture


class UdpCamera:
    """Sends MPEG-TS to a port of this machine until it is stopped."""

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        self.port = free_port()
        self.url = f"udp://127.0.0.1:{self.port}"
        self._picture = picture
        self.start()

    def start(self) -> None:
        self._down = threading.Event()
        self._thread = threading.Thread(target=self._send, args=(self._down,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._down.set()
        self._thread.join()

    def _send(self, down: threading.Event) -> None:
        import av

        height, width = self._picture.shape[:2]
        with av.open(f"{self.url}?pkt_size=1316", "w", format="mpegts") as container:
            stream: Any = container.add_stream("mpeg4", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.bit_rate, stream.codec_context.gop_size = 4_000_000, 20
            for number in itertools.count():
                frame: Any = av.VideoFrame.from_ndarray(self._picture, format="bgr24")
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                container.mux(stream.encode(frame))
                if down.wait(1 / FPS):
                    return


class RtspCamera:
    """gst-rtsp-server in a process of its own; freeze() stops it without a word."""

    def __init__(self, codec: str) -> None:
        self.codec, self.port = codec, free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/cam"
        self.start()

    def start(self) -> None:
        words = [SYSTEM_PYTHON, str(Path(__file__).with_name("rtsp_camera.py"))]
        self._process = subprocess.Popen(
            [*words, str(self.port), self.codec],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def rtsp_missing() -> str:
    """Return why there can be no RTSP camera here, "" when there can."""
    code = (
        "import gi; gi.require_version('GstRtspServer', '1.0')\n"
        "gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None)\n"
        "assert all(map(Gst.ElementFactory.find, ('x264enc', 'rtph264pay', 'videotestsrc')))"
    )
    if not Path(SYSTEM_PYTHON).exists():
        return f"there is no {SYSTEM_PYTHON}"
    there = subprocess.run([SYSTEM_PYTHON, "-c", code], capture_output=True).returncode == 0
    return "" if there else "gst-rtsp-server and x264enc are not installed for the system's Python"
