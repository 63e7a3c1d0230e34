"""JSON files, read with an error that says where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from roadseg.runtime.errors import DataError


def read_json(path: Path) -> dict[str, Any]:
    """Return a file's object; raises DataError, with the line where it is no JSON."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON ({error.msg})") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text in UTF-8 ({error.reason})") from None
    if not isinstance(raw, dict):
        raise DataError(f"{path}: holds a {type(raw).__name__}, not an object with names")
    return raw


def reason(error: Exception) -> str:
    """Return what is wrong with an entry: the key that is missing, or what the error says."""
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
