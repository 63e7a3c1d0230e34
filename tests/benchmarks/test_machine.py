from __future__ import annotations

import os
from pathlib import Path

import pytest

from roadseg.benchmarks.machine import machine, versions


def test_this_machine() -> None:
    found = machine()
    assert found["cpu"]
    assert 1 <= found["cores"] <= len(os.sched_getaffinity(0))
    assert found["ram_gb"] > 0
    assert found["load"] >= 0
    assert os.uname().nodename not in str(found.values())


def test_an_arm_board_is_named_by_its_device_tree(tmp_path: Path) -> None:
    files = {
        "proc/cpuinfo": "processor : 0\nFeatures\t: fp asimd aes asimddp\nCPU part : 0xd42\n",
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano\0",
        "proc/meminfo": "MemTotal:        8388608 kB\n",
        "proc/loadavg": "0.42 0.1 0.1 1/100 1\n",
        "sys/fs/cgroup/cpu.max": "100000 100000\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
        "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1510400\n",
        "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    found = machine(tmp_path)
    del found["kernel"], found["arch"]
    assert found == {
        "cpu": "NVIDIA Jetson Orin Nano",
        "cores": 1,
        "flags": ["asimd", "asimddp"],
        "ram_gb": 8.0,
        "os": "Ubuntu 22.04.5 LTS",
        "governor": "schedutil",
        "mhz": 1510.4,
        "load": 0.42,
    }


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    found = machine(tmp_path)
    assert found["cpu"]
    assert not {"ram_gb", "governor", "mhz", "load", "flags"} & set(found)


def test_versions() -> None:
    found = versions()
    assert {"python", "roadseg", "onnxruntime", "numpy", "opencv"} <= set(found)


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("350000 100000", 3), ("50000 100000", 1), ("max 100000", 8), ("1600000 100000", 8)],
)
def test_cores_that_a_container_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    path = tmp_path / "sys/fs/cgroup/cpu.max"
    path.parent.mkdir(parents=True)
    path.write_text(f"{limit}\n")
    assert machine(tmp_path)["cores"] == cores
