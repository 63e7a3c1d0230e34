"""What every row of a session says: machine, versions, command and when it started."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from roadseg.benchmarks.machine import machine, versions
from roadseg.runtime.sources.query import hide_password


def about(words: Sequence[str]) -> dict[str, Any]:
    """Return machine, versions and options of rows measured by `seg-bench WORDS…`, from now."""
    command = shlex.join(["seg-bench", *map(hide_password, words)])
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {
        "machine": machine(),
        "versions": versions(),
        "options": {"command": command, "started": started},
    }
