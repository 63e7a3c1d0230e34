"""Workers: what ends them, and what they leave behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadseg.benchmarks.configuration import Configuration
from roadseg.benchmarks.workers import open_workers
from roadseg.runtime.errors import RoadsegError


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_killed_session_leaves_no_worker(model: Path) -> None:
    code = (
        "import sys\n"
        "from roadseg.benchmarks.configuration import Configuration\n"
        "from roadseg.benchmarks.workers import open_workers\n"
        "with open_workers([Configuration('a', sys.argv[1], 'onnxruntime')]) as (one,):\n"
        "    print(one.process.pid, flush=True)\n"
        "    one.ask(run=10**7)\n"
    )
    words = [sys.executable, "-c", code, str(model)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout
        worker = int(session.stdout.readline())
        time.sleep(0.2)
        assert is_running(worker)
        session.kill()
    give_up = time.monotonic() + 20
    while is_running(worker):
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_worker_that_gives_no_answer_in_time(model: Path) -> None:
    with open_workers([Configuration("colours", str(model), "onnxruntime")]) as (worker,):
        worker.until = time.monotonic()
        with pytest.raises(RoadsegError, match=r"^colours on onnxruntime: no end in the time"):
            worker.ask(run=10**7)
    assert not is_running(worker.process.pid)


def test_whatever_a_worker_fails_of_is_one_line(
    model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_workers([Configuration("colours", str(model), "onnxruntime")]) as (worker,):
        with pytest.raises(RoadsegError, match=r"^colours on onnxruntime: TypeError: ") as error:
            worker.ask(run=None)
    assert error.value.exit_code == 1
    assert capfd.readouterr().err == ""
