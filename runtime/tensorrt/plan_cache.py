"""Plans that were built before on this machine; what differs is built again, with the reason."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from roadseg.runtime.artifact import spec_beside
from roadseg.runtime.errors import ModelError, UsageError
from roadseg.runtime.files import check_writable
from roadseg.runtime.spec import ModelSpec
from roadseg.runtime.tensorrt.builder import build_plan
from roadseg.runtime.tensorrt.options import PlanOptions
from roadseg.runtime.tensorrt.plan import PlanKey, read_plan, read_record, write_plan
from roadseg.runtime.tensorrt.platform import Platform
from roadseg.runtime.tensorrt.timing_cache import load_timings, save_timings

if TYPE_CHECKING:
    import onnx

KEPT = 16  # plans; those that were used last


class PlanCache:
    """A folder of plans, by default in the user's cache."""

    def __init__(self, folder: Path | None = None) -> None:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self.folder = folder or Path(base) / "roadseg" / "plans"

    def take(
        self, model: onnx.ModelProto, spec: ModelSpec, options: PlanOptions, platform: Platform
    ) -> Path:
        """Return the plan of an artefact for this machine, building it when it is not there.

        Why it is built is told on stderr, since a build takes seconds to minutes. Raises UsageError
        when the folder cannot be written to, before that.
        """
        content = onnx_content(model)
        key = PlanKey.of(content, platform, options)
        name = re.sub(r"[^\w.-]", "_", f"{spec.name}-{spec.precision}")  # whatever a file says
        path = self.folder / f"{name}-{key.digest()}.plan"
        why = self._why(path, key)
        if why is None:
            path.touch()  # used last
            return path
        self._check_writable(path)
        tell(f"TensorRT builds a plan of {spec.name} {spec.precision} at {options.sizes}: {why}")
        make_plan(path, content, spec, options, platform)
        self._drop_oldest(path)
        return path

    def drop(self, path: Path) -> None:
        """Take a plan away."""
        for each in (path, spec_beside(path)):
            each.unlink(missing_ok=True)

    @staticmethod
    def _check_writable(path: Path) -> None:
        try:
            check_writable(path)
        except UsageError as error:
            raise UsageError(f"{error}: set XDG_CACHE_HOME to a folder that plans fit in") from None

    def _why(self, path: Path, key: PlanKey) -> str | None:
        """Return why a plan must be built; None when it is there and whole."""
        if not path.exists():
            return self._nearest_difference(path, key)
        try:
            return "; ".join(key.differences(read_plan(path)[1].key)) or None
        except ModelError as error:
            return f"the one that was kept cannot be used ({error})"

    def _nearest_difference(self, path: Path, key: PlanKey) -> str:
        """Return what changed since the plan of this artefact that is most like it."""
        name = path.stem.rpartition("-")[0]
        found: list[list[str]] = []
        for other in self.folder.glob(f"{name}-*.plan"):
            with contextlib.suppress(ModelError):
                found.append(key.differences(read_record(other).key))
        fewest: list[str] = min(found, key=len, default=[])
        return "; ".join(fewest) or "there is none yet"

    def _drop_oldest(self, built: Path) -> None:
        """Keep the plan that was just built, whatever the clock says, and the latest others."""
        with contextlib.suppress(OSError):  # another process drops them too
            others = [each for each in self.folder.glob("*.plan") if each != built]
            others.sort(key=lambda each: each.stat().st_mtime)
            for path in others[: 1 - KEPT]:
                self.drop(path)


def make_plan(
    path: Path, content: bytes, spec: ModelSpec, options: PlanOptions, platform: Platform
) -> str:
    """Build a plan, write it and its JSON, and return a line about it, which is told too."""
    timings = load_timings(platform)
    built = build_plan(platform.trt, content, spec.name, options, timings)
    save_timings(platform, built.timing_cache)
    write_plan(path, built, PlanKey.of(content, platform, options), spec)
    told = (
        f"TensorRT {platform.version} plan for {platform.device}, {len(built.plan) / 1e6:.1f} MB, "
        f"built in {built.seconds:.0f} s"
    )
    told += f"; {built.placement}" if built.placement else ""
    tell(told)
    return told


def onnx_content(model: onnx.ModelProto) -> bytes:
    """Return the bytes of a graph, the same for the same graph."""
    return bytes(model.SerializeToString(deterministic=True))


def tell(line: str) -> None:
    """Print a line where it does not mix with results."""
    print(line, file=sys.stderr, flush=True)
