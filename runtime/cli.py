"""seg-run: camera, video or images -> masks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from roadseg.runtime.errors import UsageError, run_cli
from roadseg.runtime.options import parse_options
from roadseg.runtime.run_options import RunOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_cli("seg-run", lambda: _run(parse_options("seg-run", RunOptions, argv, ["what"])))


def _run(options: RunOptions) -> int:
    if options.list_models:
        return _list_models()
    if options.list_cameras:
        return _list_cameras()
    if options.selftest:
        return _selftest(options)
    model, uri = choose(options.what, options.camera)
    from roadseg.runtime.run import run

    return run(options, model, uri)


def _selftest(options: RunOptions) -> int:
    from roadseg.runtime.selftest import selftest
    from roadseg.runtime.shipped import DEFAULT_MODEL

    if len(options.what) > 1 or options.camera:
        raise UsageError("--selftest takes a model and no source: its frame is in the model")
    selftest(options.what[0] if options.what else DEFAULT_MODEL, options.engine, options.threads)
    return 0


def choose(what: Sequence[str], camera: str) -> tuple[str, str]:
    """Return the model and the source's URI; raises UsageError when they are not told."""
    from roadseg.runtime.classical import is_classical
    from roadseg.runtime.engines.kinds import SUFFIXES
    from roadseg.runtime.shipped import DEFAULT_MODEL, shipped_models

    if camera:
        if len(what) > 1:
            raise UsageError(f"--camera {camera} and the source '{what[1]}': give one of them")
        uri = f"v4l2://{camera}" if camera.startswith("/") else f"camera:{camera}"
        return (what[0] if what else DEFAULT_MODEL), uri
    if len(what) == 2:
        return what[0], what[1]
    if len(what) > 2:
        raise UsageError(f"'{what[2]}' is one word too many: seg-run [MODEL] SOURCE")
    if not what:
        raise UsageError("no source: give --camera 0, a video, a folder of images, or synthetic:")
    suffix = Path(what[0]).suffix.lower()
    if what[0] in shipped_models() or suffix in SUFFIXES or is_classical(what[0]):
        raise UsageError(f"{what[0]} is a model: give a source too, such as --camera 0")
    return DEFAULT_MODEL, what[0]


def _list_models() -> int:
    from roadseg.runtime.artifact import read_artifact
    from roadseg.runtime.classical import METHODS, PREFIX
    from roadseg.runtime.shipped import shipped_models

    for name, path in shipped_models().items():
        spec = read_artifact(path)[1]
        score = spec.metrics.get("miou_val")
        told = f"  mIoU {score:.1f} on val" if score is not None else ""
        size = f"{spec.width}x{spec.height}"
        megabytes = path.stat().st_size / 1e6
        print(f"{name:22} {spec.precision:8} {size:10} {megabytes:5.1f} MB{told}")
    print(f"without a network, road or other: {', '.join(PREFIX + name for name in METHODS)}")
    return 0


def _list_cameras() -> int:
    from roadseg.runtime.sources.v4l2.cameras import list_cameras

    cameras = list_cameras()
    for camera in cameras:
        print("\n  ".join(camera.lines()))
    if not cameras:
        print("there are no cameras here (no /dev/video*)", file=sys.stderr)
    return 0 if cameras else 3


if __name__ == "__main__":
    sys.exit(main())
