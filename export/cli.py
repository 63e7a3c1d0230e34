"""seg-export: checkpoint -> ONNX -> INT8, verified."""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from roadseg.export.options import ExportOptions
from roadseg.runtime.errors import MissingExtra, run_cli
from roadseg.runtime.options import parse_options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_cli(
        "seg-export", lambda: _export(parse_options("seg-export", ExportOptions, argv, ["model"]))
    )


def _export(options: ExportOptions) -> int:
    if options.inspect:
        return _inspect(options.inspect)
    if importlib.util.find_spec("onnxsim") is None:
        raise MissingExtra("onnxsim", "export", "seg-export")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: nothing is left behind
    from roadseg.export.run import export

    artifacts = export(options)
    goal = [each for each in artifacts if each.path.suffix == ".onnx" and each.engines]
    print(f"next: seg-run {goal[-1].path} --camera 0")
    return 0


def _inspect(model: Path) -> int:
    from roadseg.export.report import describe
    from roadseg.runtime.artifact import read_artifact
    from roadseg.runtime.shipped import resolve_model

    path = resolve_model(model)
    print(describe(read_artifact(path)[1], path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
