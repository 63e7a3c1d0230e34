"""Runs a step in a process of its own, so that whatever ends it becomes a line of the report."""

from __future__ import annotations

import json
import subprocess
import sys

from roadseg.benchmarks.device.outcome import FAILED, Outcome

STEPS = "roadseg.benchmarks.device.steps"


def run_step(
    step: str, subject: str, *arguments: object, timeout_s: float, module: str = STEPS
) -> Outcome:
    """Run a step and return its outcome; a crash, a traceback and a silence are FAILED."""
    command = [sys.executable, "-m", module, step, *map(str, arguments)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        return Outcome(step, subject, FAILED, f"no end after {timeout_s:g} s")
    if done.returncode:
        return Outcome(step, subject, FAILED, _how_it_ended(done))
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
        return Outcome(step, subject, answer["state"], answer["detail"], answer["figures"])
    except (IndexError, ValueError, KeyError, TypeError):
        return Outcome(step, subject, FAILED, _how_it_ended(done))


def _how_it_ended(done: subprocess.CompletedProcess[str]) -> str:
    last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "")
    code = done.returncode
    end = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"{end}: {last.strip()[:300]}" if last else end
