"""Sensors read from trees of files, shaped as the kernel's documents say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roadseg.runtime.cli import main
from roadseg.runtime.monitor import Monitor
from roadseg.runtime.sensors import Readings, SensorLog, SensorThread
from roadseg.runtime.sensors.ina3221 import RailMeter, find_rails
from roadseg.runtime.sensors.rapl import RaplMeter, find_zones
from roadseg.runtime.sensors.thermal import slowing, temperatures
from roadseg.runtime.web.metrics import metrics

HWMON, POWERCAP = "sys/class/hwmon", "sys/class/powercap"
THERMAL, CPU = "sys/class/thermal", "sys/devices/system/cpu"
Write = Callable[[dict[str, object]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files under a root; returns it."""

    def written(files: dict[str, object]) -> Path:
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{content}\n")
        return tmp_path

    return written


def chip(number: int, **rails: tuple[str, int, int]) -> dict[str, object]:
    """An INA3221: channel = (label, mV, mA)."""
    files: dict[str, object] = {f"{HWMON}/hwmon{number}/name": "ina3221"}
    for channel, (label, millivolts, milliamperes) in rails.items():
        at = f"{HWMON}/hwmon{number}"
        files |= {
            f"{at}/in{channel[1:]}_label": label,
            f"{at}/in{channel[1:]}_enable": 1,
            f"{at}/in{channel[1:]}_input": millivolts,
            f"{at}/curr{channel[1:]}_input": milliamperes,
        }
    files[f"{HWMON}/hwmon{number}/in7_label"] = "sum of shunt voltages"
    return files


ORIN_NANO = {
    **chip(
        1, c1=("VDD_IN", 5000, 1200), c2=("VDD_CPU_GPU_CV", 5000, 400), c3=("VDD_SOC", 5000, 300)
    ),
    f"{HWMON}/hwmon0/name": "pwmfan",
    f"{HWMON}/hwmon2/name": "soctherm_oc",
    f"{HWMON}/hwmon2/oc1_event_cnt": 4,
    f"{THERMAL}/thermal_zone0/type": "cpu-thermal",
    f"{THERMAL}/thermal_zone0/temp": 51250,
    f"{THERMAL}/thermal_zone1/type": "tj-thermal",
    f"{THERMAL}/thermal_zone1/temp": 52500,
    f"{THERMAL}/thermal_zone2/type": "cv0-thermal",  # asleep: its temp cannot be read
    f"{THERMAL}/thermal_zone3/type": "PMIC-Die",
    f"{THERMAL}/thermal_zone3/temp": 100000,
    f"{THERMAL}/cooling_device0/type": "pwm-fan",
    f"{THERMAL}/cooling_device0/cur_state": 2,
    f"{THERMAL}/cooling_device1/type": "cpufreq-cpu0",
    f"{THERMAL}/cooling_device1/cur_state": 0,
    f"{CPU}/cpufreq/policy0/scaling_cur_freq": 1510400,
    f"{CPU}/cpufreq/policy0/scaling_max_freq": 1510400,
    "sys/class/devfreq/17000000.gpu/cur_freq": 624750000,
    "sys/class/devfreq/17000000.gpu/max_freq": 624750000,
    "sys/class/devfreq/13e10000.emc/cur_freq": 2133000000,
}
X86 = {
    f"{POWERCAP}/intel-rapl:0/name": "package-0",
    f"{POWERCAP}/intel-rapl:0/energy_uj": 262_000_000_000,
    f"{POWERCAP}/intel-rapl:0/max_energy_range_uj": 262_143_328_850,
    f"{POWERCAP}/intel-rapl:0:0/name": "core",
    f"{POWERCAP}/intel-rapl:0:0/energy_uj": 1_000_000,
    f"{POWERCAP}/intel-rapl:0:1/name": "dram",
    f"{POWERCAP}/intel-rapl:0:1/energy_uj": 5_000_000,
    f"{POWERCAP}/intel-rapl:0:1/max_energy_range_uj": 65_712_999_613,
    f"{POWERCAP}/intel-rapl-mmio:0/name": "package-0",
    f"{POWERCAP}/intel-rapl-mmio:0/energy_uj": 262_000_000_000,
    f"{CPU}/cpu0/thermal_throttle/core_throttle_count": 7,
    f"{CPU}/cpu0/thermal_throttle/package_throttle_count": 7,
    f"{CPU}/cpufreq/policy0/scaling_cur_freq": 3200000,
    f"{CPU}/cpufreq/policy0/scaling_max_freq": 4200000,
}


def test_the_input_rail_is_the_total_and_is_added_up_over_time(write: Write) -> None:
    root = write(ORIN_NANO)
    assert [rail.name for rail in find_rails(root)] == ["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"]
    meter = RailMeter(find_rails(root))
    assert meter.name == "VDD_IN"
    assert meter.joules(10.0) == 0.0
    assert meter.joules(12.0) == pytest.approx(12.0)  # 6 W for 2 s
    write({f"{HWMON}/hwmon1/curr1_input": 2000})
    assert meter.joules(13.0) == pytest.approx(12.0 + 8.0)  # from 6 W to 10 W in 1 s
    (root / f"{HWMON}/hwmon1/curr1_input").unlink()
    assert meter.joules(14.0) == pytest.approx(20.0)
    write({f"{HWMON}/hwmon1/curr1_input": 2000})
    assert meter.joules(15.0) == pytest.approx(40.0), "a reading that failed leaves no gap"


def test_without_an_input_rail_all_are_summed(write: Write) -> None:
    agx = chip(0, c1=("VDD_GPU_SOC", 20000, 200), c2=("VDD_CPU_CV", 20000, 50), c3=("NC", 0, 0))
    root = write({**agx, **chip(1, c1=("VIN_SYS_5V0", 5000, 1000), c2=("OFF", 5000, 9000))})
    write({f"{HWMON}/hwmon1/in2_enable": 0})
    meter = RailMeter(find_rails(root))
    assert meter.name == "VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0"
    meter.joules(0.0)
    assert meter.joules(1.0) == pytest.approx(4 + 1 + 5)


def test_rapl_adds_packages_and_memory_and_counters_begin_anew(write: Write) -> None:
    root = write(X86)
    meter = RaplMeter(find_zones(root))
    assert meter.name == "package-0 + dram"
    assert meter.joules(0) == 0.0
    write({f"{POWERCAP}/intel-rapl:0/energy_uj": 262_100_000_000})
    assert meter.joules(1) == pytest.approx(100.0)
    write({f"{POWERCAP}/intel-rapl:0/energy_uj": 56_671_150})
    write({f"{POWERCAP}/intel-rapl:0:1/energy_uj": 6_000_000})
    assert meter.joules(2) == pytest.approx(100.0 + 100.0 + 1.0)


def test_rapl_without_a_range_never_gives_energy_back(write: Write) -> None:
    root = write(X86)
    (root / f"{POWERCAP}/intel-rapl:0/max_energy_range_uj").unlink()
    meter = RaplMeter(find_zones(root))
    write({f"{POWERCAP}/intel-rapl:0/energy_uj": 56_671_150})
    assert meter.joules(1) == 0.0
    write({f"{POWERCAP}/intel-rapl:0/energy_uj": 66_671_150})
    assert meter.joules(2) == pytest.approx(10.0)


def test_the_platform_counter_has_all_others(write: Write) -> None:
    at = f"{POWERCAP}/intel-rapl:1"
    root = write({**X86, f"{at}/name": "psys", f"{at}/energy_uj": 5, f"{at}/x": 1})
    assert RaplMeter(find_zones(root)).name == "psys"


def test_temperatures_leave_out_what_is_asleep_or_always_the_same(write: Write) -> None:
    root = write(ORIN_NANO)
    write({f"{THERMAL}/thermal_zone4/type": "gpu-thermal"})
    write({f"{THERMAL}/thermal_zone4/temp": -256000})
    assert temperatures(root) == {"cpu-thermal": 51.25, "tj-thermal": 52.5}


def test_only_cooling_that_slows_a_processor_is_throttling(write: Write) -> None:
    root = write(ORIN_NANO)
    assert slowing(root) == []  # the fan turns
    write({f"{THERMAL}/cooling_device1/cur_state": 3})
    assert slowing(root) == ["cpufreq-cpu0"]


@pytest.mark.parametrize(
    ("files", "change", "reason"),
    [
        (ORIN_NANO, {f"{THERMAL}/cooling_device1/cur_state": 1}, "cpufreq-cpu0"),
        (ORIN_NANO, {f"{HWMON}/hwmon2/oc1_event_cnt": 5}, "over-current oc1"),
        (
            ORIN_NANO,
            {f"{CPU}/cpufreq/policy0/scaling_max_freq": 1113600},
            "cpu0 down to 1114 of 1510 MHz",
        ),
        (
            ORIN_NANO,
            {"sys/class/devfreq/17000000.gpu/max_freq": 306000000},
            "17000000.gpu down to 306 of 625 MHz",
        ),
        (
            X86,
            {f"{CPU}/cpu0/thermal_throttle/core_throttle_count": 8},
            "core thermal throttling",
        ),
        (
            {"sys/class/drm/card1/gt/gt0/throttle_reason_status": 0},
            {"sys/class/drm/card1/gt/gt0/throttle_reason_status": 1},
            "card1 throttled",
        ),
        (
            {"sys/devices/platform/soc/soc:firmware/get_throttled": "50000"},
            {"sys/devices/platform/soc/soc:firmware/get_throttled": "50005"},
            "under-voltage",
        ),
    ],
)
def test_throttling_is_flagged_once_and_with_its_reason(
    write: Write, files: dict[str, object], change: dict[str, object], reason: str
) -> None:
    log = SensorLog(write(files))
    assert log.update().throttled == []
    write(change)
    log.update()
    assert log.update().throttled[0] == reason
    write(files)  # what was seen stays
    assert log.update().throttled[0] == reason


def test_a_counter_that_sleeps_at_first_is_not_throttling(write: Write) -> None:
    root = write({**ORIN_NANO, f"{HWMON}/hwmon2/oc1_event_cnt": ""})
    log = SensorLog(root)
    write({f"{HWMON}/hwmon2/oc1_event_cnt": 5})
    assert log.update().throttled == []
    write({f"{HWMON}/hwmon2/oc1_event_cnt": 6})
    assert log.update().throttled == ["over-current oc1"]


def test_a_clock_that_idles_is_not_throttled(write: Write) -> None:
    log = SensorLog(write(X86))
    write({f"{CPU}/cpufreq/policy0/scaling_cur_freq": 800000})
    seen = log.update()
    assert seen.throttled == []
    assert seen.clocks == {"cpu0": (800.0, 4200.0)}


def test_a_machine_that_tells_nothing_shows_nothing(tmp_path: Path) -> None:
    log = SensorLog(tmp_path)
    thread = SensorThread(log, every_s=0.001)
    seen = thread.close()
    assert not log.found
    assert seen.line(10) == ""
    assert seen.figures(10) == {}


def test_garbage_in_files_is_nothing(write: Write) -> None:
    log = SensorLog(write(dict.fromkeys(ORIN_NANO, "none")))
    assert log.update().line(1) == ""


def test_the_thread_keeps_the_hottest(write: Write) -> None:
    thread = SensorThread(SensorLog(write(ORIN_NANO)), every_s=3600)
    write({f"{THERMAL}/thermal_zone0/temp": 71000})
    thread.log.update()
    write({f"{THERMAL}/thermal_zone0/temp": 40000})
    seen = thread.close()
    assert (seen.max_celsius, seen.hottest) == (71.0, "cpu-thermal")
    assert seen.celsius["cpu-thermal"] == 40.0
    assert thread.close() is seen


def test_the_line_and_the_figures() -> None:
    seen = Readings(10.0, "VDD_IN", 60.0, {}, 61.5, "tj-thermal", {}, ["cpufreq-cpu0"])
    energy, heat = "6.0 W mean, 0.200 J a frame (VDD_IN)", "61.5 °C at most (tj-thermal)"
    assert seen.line(300) == f"{energy}; {heat}; throttled: cpufreq-cpu0"
    assert seen.figures(300) == {
        "joules_per_frame": 0.2,
        "watts": 6.0,
        "max_c": 61.5,
        "meter": "VDD_IN",
        "throttled": "cpufreq-cpu0",
    }
    parts = [json.loads(json.dumps(vars(seen))), vars(Readings(5.0, "VDD_IN", 15.0))]
    whole = Readings.sum(parts)
    assert (whole.seconds, whole.joules, whole.watts) == (15.0, 75.0, 5.0)
    assert (whole.max_celsius, whole.throttled) == (61.5, ["cpufreq-cpu0"])


def test_metrics_have_what_the_machine_tells(
    write: Write, serve: Callable[..., Any], tmp_path: Path
) -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is missing")
    pipeline = serve().pipeline
    log = SensorLog(write(ORIN_NANO))
    write({f"{THERMAL}/cooling_device1/cur_state": 1})
    log.update()
    text = metrics(Monitor(pipeline, log), 0, 0)
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["roadseg_energy_joules_total", "VDD_IN"] > 0
    assert values["roadseg_temperature_celsius", "tj-thermal"] == 52.5
    assert values["roadseg_clock_hertz", "17000000.gpu"] == 624_750_000
    assert values["roadseg_throttled",] == 1
    bare = metrics(Monitor(pipeline, SensorLog(tmp_path / "nothing")), 0, 0)
    for name in ("energy", "celsius", "clock", "throttled"):
        assert name not in bare


def test_seg_run_ends_with_what_the_machine_tells(
    write: Write,
    model: Path,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = write(ORIN_NANO)
    monkeypatch.setattr("roadseg.runtime.run.SensorLog", lambda: SensorLog(root))
    assert main([str(model), str(images)]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("6.0 W mean, ")
    assert line.endswith(" J a frame (VDD_IN); 52.5 °C at most (tj-thermal)")


def test_seg_run_tells_nothing_of_a_machine_that_tells_nothing(
    model: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("roadseg.runtime.run.SensorLog", lambda: SensorLog(tmp_path / "nothing"))
    assert main([str(model), str(images)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("age ")
