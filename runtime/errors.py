"""The error tree: every error a user can cause, each with the exit code its command ends with.

RoadsegError            1  the work failed
├── CheckFailed         1  a gate was missed: accuracy, agreement, regression
├── UsageError          2  an option, name or file that cannot be used
│   ├── DataError       2  a data set, image or mask that cannot be read
│   │   └── CorruptFrame 2 one frame of a source; those after it may be whole
│   ├── ModelError      2  a model file that is corrupt, foreign or does not fit
│   └── MissingExtra    2  an optional dependency is not installed
└── SourceError         3  a camera, stream or device failed
    ├── SourceLost      3  the device or stream went away
    └── SourceStalled   3  no frame came in time
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable


class RoadsegError(Exception):
    """Base of all errors that are told to the user in one line."""

    exit_code = 1


class CheckFailed(RoadsegError):
    """The work was done and missed its gate."""


class UsageError(RoadsegError):
    """What was asked for cannot be done; the message says what can."""

    exit_code = 2


class DataError(UsageError):
    """A data set, image or mask that cannot be read or does not fit."""


class CorruptFrame(DataError):
    """A frame of a source that cannot be decoded; reading may go on with the next."""


class ModelError(UsageError):
    """A model file that is corrupt, has no ModelSpec, or cannot take what it is given."""


class MissingExtra(UsageError):
    """An optional dependency is missing; the message has the command that installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed: pip install 'roadseg[{extra}]'"
        )


class SourceError(RoadsegError):
    """A camera, stream or device that is not there or failed."""

    exit_code = 3


class SourceLost(SourceError):
    """The device or stream went away; it may come back under the same name."""


class SourceStalled(SourceError):
    """No frame came in time; closing and opening again may cure it."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not one of the known ones."""
    return UsageError(f"unknown {kind} '{name}': known are {', '.join(sorted(known))}")


def run_cli(command: str, body: Callable[[], int | None]) -> int:
    """Run a command's body; turn its errors into one line on stderr and an exit code.

    Ctrl-C gives 130 and what its KeyboardInterrupt says, a full disk or a missing permission one
    line and 1. What a terminal cannot show (… in ASCII, a file's name that is not UTF-8) is written
    as an escape.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return body() or 0
    except RoadsegError as error:
        code, line = error.exit_code, str(error)
    except KeyboardInterrupt as stop:
        code, line = 130, str(stop) or "stopped"
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        code, line = 1, f"{error.strerror or error}{where}"
    print(f"{command}: {line}", file=sys.stderr)
    return code
