"""What seg-run can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roadseg.runtime.errors import UsageError
from roadseg.runtime.options import Size


@dataclass(frozen=True)
class RunOptions:
    """Segment a camera, a video, images or rendered roads: seg-run [MODEL] SOURCE.

    what: MODEL and SOURCE, or SOURCE alone for the network in the package. SOURCE is a video file,
        an image, a folder of images, camera:N, csi://N, a stream (rtsp://…, http://….mjpg,
        udp://…), gst:PIPELINE, or synthetic:?size=960x544&frames=150.
    camera: number, name or device file of a camera, instead of SOURCE; with ?size=1280x720&fps=30
        after it where it matters (see docs/cameras.md).
    engine: auto, onnxruntime, openvino, tensorrt, ncnn or torchscript.
    size: of the network's input; by default the model's own.
    threads: of the engine; 0 leaves it to the engine.
    save: write the overlay as a video (.mp4, .mkv, .avi).
    save_codec: of that video, by FFmpeg's name, such as libx264 or mpeg4; auto: H.264 by the
        hardware where it encodes, else mpeg4 (see docs/video.md).
    masks: write masks as PNG files of class ids to this folder.
    jsonl: write a line of JSON for each frame.
    sheet: write a contact sheet (PNG) of overlays.
    show: show the overlay in a window.
    serve: show the run on a web page, at [HOST:]PORT; of this machine alone unless HOST is given.
    ring: write masks to shared memory under this name, for another process; see docs/ring.md.
    ring_frames: write the frames to the ring too.
    record: keep the seconds around an event as short videos in this folder: a signal (SIGUSR1), a
        source that is lost, or --record-below; see docs/service.md.
    record_seconds: kept before an event, and after it.
    record_below: a share of drivable pixels, 0 to 1; less is an event.
    service: run under systemd: tell it how the run is, reload the model at SIGHUP.
    alpha: how much the overlay covers the picture, 0 to 1.
    post: stages after the network, in the order given: smooth, crf, unknown:0.6, area:64, close:64,
        polygon, free; see docs/postprocess.md.
    camera_model: TOML file of the camera's intrinsics and mounting, for --post free in metres.
    frames: stop after so many masks; 0 is no limit.
    stall_timeout: seconds without a frame after which a live source is opened again.
    open_timeout: seconds that opening a live source may take.
    start_timeout: seconds that a live source may be missing at the start; 0 waits on.
    fail_fast: end with exit code 3 when a live source is not there, stalls or is lost; by default
        it is waited for.
    deadline_ms: count masks that are older than this; 0 counts none.
    selftest: run the model's golden frame on this machine's engine; exit code 1 when it is off.
    list_models: list the networks in the package.
    list_cameras: list the cameras that are here, with their stable names, formats, sizes and rates.
    """

    what: tuple[str, ...] = ()
    camera: str = ""
    engine: str = "auto"
    size: Size | None = None
    threads: int = 0
    save: Path | None = None
    save_codec: str = "auto"
    masks: Path | None = None
    jsonl: Path | None = None
    sheet: Path | None = None
    show: bool = False
    serve: str = ""
    ring: str = ""
    ring_frames: bool = False
    record: Path | None = None
    record_seconds: float = 10.0
    record_below: float = 0.0
    service: bool = False
    alpha: float = 0.5
    post: tuple[str, ...] = ()
    camera_model: Path | None = None
    frames: int = 0
    stall_timeout: float = 3.0
    open_timeout: float = 10.0
    start_timeout: float = 10.0
    fail_fast: bool = False
    deadline_ms: float = 0.0
    selftest: bool = False
    list_models: bool = False
    list_cameras: bool = False

    def __post_init__(self) -> None:
        """Check values."""
        if self.ring_frames and not self.ring:
            raise UsageError("--ring-frames needs --ring NAME")
        if not 0 <= self.alpha <= 1:
            raise UsageError(f"alpha is {self.alpha}: it must be 0 to 1")
        if not 0 <= self.record_below <= 1:
            raise UsageError(f"record-below is {self.record_below:g}: it must be 0 to 1")
        if not 1 <= self.record_seconds <= 3600:
            raise UsageError(f"record-seconds is {self.record_seconds:g}: it must be 1 to 3600")
        if self.record_below and self.record is None:
            raise UsageError("--record-below needs --record FOLDER")
        if self.save_codec != "auto" and self.save is None:
            raise UsageError("--save-codec needs --save FILE")
        if self.frames < 0:
            raise UsageError(f"frames is {self.frames}: it must be 0 (no limit) or more")
        for name, none in (("deadline_ms", "none"), ("start_timeout", "without end")):
            if not 0 <= getattr(self, name) < float("inf"):
                told = f"{name.replace('_', '-')} is {getattr(self, name):g}"
                raise UsageError(f"{told}: it must be 0 ({none}) or more")
        for name in ("stall_timeout", "open_timeout"):
            if not 0 < getattr(self, name) < float("inf"):
                told = f"{name.replace('_', '-')} is {getattr(self, name):g} seconds"
                raise UsageError(f"{told}: it must be more than 0")
