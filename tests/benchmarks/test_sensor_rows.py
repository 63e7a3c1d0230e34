"""Energy and heat in rows and tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roadseg.benchmarks import worker as worker_module
from roadseg.benchmarks.configuration import Configuration
from roadseg.benchmarks.latency import measure_latency
from roadseg.benchmarks.results import results
from roadseg.benchmarks.rows import Row
from roadseg.benchmarks.table import table
from roadseg.benchmarks.worker import Worker
from roadseg.runtime.errors import UsageError
from roadseg.runtime.sensors import SensorLog

SENSORS = {"joules_per_frame": 0.2, "watts": 6.0, "max_c": 61.5, "meter": "VDD_IN"}
HWMON = {"name": "ina3221", "in1_label": "VDD_IN", "in1_input": "5000", "curr1_input": "1200"}


class InProcess:
    """A worker's handle without the process."""

    def __init__(self, model: Path) -> None:
        self.configuration = Configuration("colours", str(model), "onnxruntime")
        self.worker = Worker(self.configuration)
        self.about = self.worker.describe()
        self.key = ("colours", "onnxruntime", "float32", 64, 32)

    def ask(self, **command: Any) -> dict[str, Any]:
        answer = worker_module._answer(self.worker, command)
        return dict(json.loads(json.dumps(answer)))


def test_a_worker_measures_the_energy_of_its_own_turns(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = tmp_path / "sys/class/hwmon/hwmon0"
    chip.mkdir(parents=True)
    for name, content in HWMON.items():
        (chip / name).write_text(content)
    monkeypatch.setattr(worker_module, "SensorLog", lambda: SensorLog(tmp_path))
    (row,) = measure_latency([InProcess(model)], 20, 1, lambda _: None)  # type: ignore[list-item]
    assert row.sensors["meter"] == "VDD_IN"
    assert row.sensors["watts"] == pytest.approx(6.0)
    least = 6.0 * sum(row.samples_ms) / 1e3 / row.n
    assert row.sensors["joules_per_frame"] >= round(least, 4) - 1e-4
    assert Row.from_json(row.to_json()) == row


def test_where_the_machine_tells_nothing_rows_have_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "SensorLog", lambda: SensorLog(tmp_path))
    (row,) = measure_latency([InProcess(model)], 2, 0, lambda _: None)  # type: ignore[list-item]
    assert row.sensors == {}


def test_the_table_has_columns_for_what_was_measured(make_row: Callable[..., Row]) -> None:
    names = [name for name, _ in table(results([make_row(20.0)]))[0]]
    assert not {"energy", "power", "heat", "throttled"} & set(names)
    headers, cells = table(results([make_row(20.0, sensors={**SENSORS, "throttled": "cpu0"})]))
    shown = dict(zip([name for name, _ in headers], cells[0], strict=True))
    assert [shown[name] for name in ("energy", "power", "heat", "throttled")] == [
        *("0.200", "6.0", "62", "yes")
    ]


def test_wrong_figures_are_told(make_row: Callable[..., Row]) -> None:
    raw = json.loads(make_row(20.0, sensors=SENSORS).to_json())
    raw["sensors"]["watts"] = "many"
    with pytest.raises(UsageError, match="not the figures of sensors"):
        Row.from_json(json.dumps(raw))
