"""seg-bench device-check: tries everything, writes one report, says what was wrong."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from roadseg.benchmarks.configuration import Configuration
from roadseg.benchmarks.device.child import run_step
from roadseg.benchmarks.device.outcome import FAILED, OK, SKIPPED, Outcome, text_table
from roadseg.benchmarks.device.report import device_page
from roadseg.benchmarks.latency import measure_latency
from roadseg.benchmarks.machine import machine, versions
from roadseg.benchmarks.outputs import Outputs
from roadseg.benchmarks.rows import Row
from roadseg.benchmarks.workers import open_workers
from roadseg.runtime.engines.kinds import KINDS, EngineKind
from roadseg.runtime.errors import RoadsegError, UsageError
from roadseg.runtime.files import write_text
from roadseg.runtime.options import parse_options
from roadseg.runtime.progress_line import Progress
from roadseg.runtime.sensors.snapshot import snapshot
from roadseg.runtime.shipped import shipped_models

COMMAND = "seg-bench device-check"
LIVE = "synthetic:?size=1280x720&fps=30&live=1"
CAMERAS = "/dev/video*"


@dataclass(frozen=True)
class DeviceOptions:
    """Try all that roadseg does on this machine, and write one report that can be sent.

    out: the report, one HTML file with all figures as JSON inside.
    n: frames that are timed for each network and engine.
    frames: of the live run, and of each camera.
    camera: try the cameras that are there; no picture is kept.
    timeout: seconds that one step may take; the build of a TensorRT plan takes minutes.
    """

    out: Path = Path("roadseg-device-check.html")
    n: int = 100
    frames: int = 300
    camera: bool = True
    timeout: float = 900.0

    def __post_init__(self) -> None:
        """Check values."""
        if min(self.n, self.frames, self.timeout) < 1:
            raise UsageError("--n, --frames and --timeout must be 1 or more")


@dataclass(frozen=True)
class Pair:
    """A network and an engine that runs it here, and the file that it runs."""

    model: str
    kind: EngineKind
    file: Path

    @property
    def name(self) -> str:
        """Such as "mobileunet on ncnn"."""
        return f"{self.model} on {self.kind.name}"


def device_check(words: Sequence[str]) -> int:
    """Run the command; return 1 when something that ran was wrong or did not come to an end."""
    options = parse_options(COMMAND, DeviceOptions, words)
    Outputs(html=options.out).check()
    check = DeviceCheck(options)
    try:
        check.run()
    except KeyboardInterrupt:  # what was found out until then is not lost
        check.outcomes.append(Outcome("all", "what was left", SKIPPED, "stopped by Ctrl-C"))
        _report(check)
        raise
    _report(check)
    return int(any(each.is_bad for each in check.outcomes))


def _report(check: DeviceCheck) -> None:
    outcomes, out = [without_owner(each) for each in check.outcomes], check.options.out
    write_text(out, device_page(check.about, outcomes, check.rows))
    print(text_table(check.outcomes))
    print(f"report: {out}: please send it; it names the machine, not its owner or host")


def without_owner(outcome: Outcome) -> Outcome:
    """Return an outcome whose paths do not tell the owner's name: ~/FILE."""
    home = os.path.expanduser("~")
    return replace(outcome, detail=outcome.detail.replace(f"{home}/", "~/"))


class DeviceCheck:
    """The steps in order, and what came of them."""

    def __init__(self, options: DeviceOptions) -> None:
        self.options = options
        self.outcomes: list[Outcome] = []
        self.rows: list[Row] = []
        self.about: dict[str, Any] = {}
        self.progress = Progress()

    def run(self) -> None:
        """Do all steps; whatever fails becomes an outcome, and the others go on."""
        started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.about = {"machine": machine(), "versions": versions(), "started": started}
        self.about["board"] = _board()
        self.about["sensors_before"] = snapshot()
        try:
            self._all_steps()
        finally:
            self.about["sensors_after"] = snapshot()
            self.progress.clear()

    def _all_steps(self) -> None:
        with tempfile.TemporaryDirectory(prefix="roadseg-") as folder:
            pairs = list(self._pairs(Path(folder)))
            for pair in pairs:
                self._step("selftest", pair.name, *self._file(pair))
            for pair in pairs:
                if pair.kind.name != "onnxruntime":
                    self._step("agreement", pair.name, *self._file(pair))
            for model in shipped_models():
                self._latency(model, [pair for pair in pairs if pair.model == model])
        self._step("kernels", "preprocess, decode, overlay", min(self.options.n, 100))
        self._step("live", "rendered roads, 30 FPS", LIVE, self.options.frames)
        self._cameras()

    def _file(self, pair: Pair) -> tuple[Path, str, Path]:
        return shipped_models()[pair.model], pair.kind.name, pair.file

    def _step(self, step: str, subject: str, *arguments: object) -> Outcome:
        self.progress(f"{step}: {subject}")
        found = run_step(step, subject, *arguments, timeout_s=self.options.timeout)
        self.outcomes.append(found)
        return found

    def _pairs(self, folder: Path) -> Iterator[Pair]:
        """Give what can run here; say of each engine that is not here why."""
        for kind in KINDS.values():
            if not kind.is_installed:
                self.outcomes.append(Outcome("engine", kind.name, SKIPPED, _why_not(kind)))
                continue
            for model, path in shipped_models().items():
                if ".onnx" in kind.suffixes:
                    yield Pair(model, kind, path)
                elif file := self._convert(model, path, kind, folder):
                    yield Pair(model, kind, file)

    def _convert(self, model: str, path: Path, kind: EngineKind, folder: Path) -> Path | None:
        from roadseg.export.targets import TARGETS

        target = next(each for each in TARGETS.values() if each.engine == kind.name)
        file = folder / f"{model}{target.suffix}"
        found = self._step("convert", f"{model} for {kind.name}", path, target.name, file)
        return file if found.state == OK else None

    def _latency(self, model: str, pairs: Sequence[Pair]) -> None:
        """Time the engines of one network in turns; one that cannot be opened is left out."""
        asked = [Configuration(model, str(pair.file), pair.kind.name) for pair in pairs]
        usable = [each for each in asked if self._opens(each)]
        about = {"machine": self.about["machine"], "versions": self.about["versions"]}
        options = {"command": COMMAND, "started": self.about["started"]}
        try:
            with open_workers(usable, self.options.timeout) as workers:
                rows = measure_latency(
                    workers, self.options.n, 10, self.progress, **about, options=options
                )
        except RoadsegError as error:
            self.outcomes.append(Outcome("latency", model, FAILED, str(error)))
            return
        for row in rows:
            p50, p99 = row.latency_ms["p50"], row.latency_ms["p99"]
            detail = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {row.fps} FPS, n {row.n}"
            self.outcomes.append(Outcome("latency", f"{model} on {row.engine}", OK, detail))
        self.rows += rows

    def _opens(self, configuration: Configuration) -> bool:
        try:
            with open_workers([configuration], self.options.timeout):
                return True
        except RoadsegError as error:
            subject = f"{configuration.model} on {configuration.engine}"
            self.outcomes.append(Outcome("latency", subject, FAILED, str(error)))
            return False

    def _cameras(self) -> None:
        devices = sorted(glob.glob(CAMERAS))
        if not devices or not self.options.camera:
            reason = "--no-camera" if devices else f"there is no {CAMERAS}"
            self.outcomes.append(Outcome("live", "cameras", SKIPPED, reason))
            return
        for device in devices:
            self._step("live", device, f"v4l2://{device}", self.options.frames)


def _why_not(kind: EngineKind) -> str:
    try:
        kind.load()
    except RoadsegError as error:
        return str(error)
    return f"{kind.package} is installed, but there is no device that it runs on"


def _board() -> dict[str, str]:
    """Return what a Jetson says of its release and its power mode; nothing elsewhere."""
    files = {"release": "/etc/nv_tegra_release", "power mode": "/var/lib/nvpmodel/status"}
    found = {}
    for name, path in files.items():
        try:
            found[name] = Path(path).read_text().strip()
        except OSError:
            continue
    return found
