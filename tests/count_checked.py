"""Run mypy and fail when it checked fewer files than the stage folders hold.

Without the links in .typings, mypy would find two files and call that a success.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

STAGES = ("data", "train", "calibration", "export", "runtime", "benchmarks")


def main() -> int:
    """Return mypy's exit code, or 1 when it missed files."""
    root = Path(__file__).parents[1]
    run = subprocess.run([sys.argv[1]], cwd=root, capture_output=True, text=True, check=False)
    print(run.stdout + run.stderr, end="")
    if run.returncode:
        return run.returncode
    there = sum(len(list((root / stage).rglob("*.py"))) for stage in STAGES)
    checked = int(re.search(r"in (\d+) source files", run.stdout)[1])  # type: ignore[index]
    if checked < there:
        print(f"mypy checked {checked} files of {there}: is .typings whole?")
    return int(checked < there)


if __name__ == "__main__":
    sys.exit(main())
