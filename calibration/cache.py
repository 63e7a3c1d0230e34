"""Ranges that were found before: kept by the hash of the network, the frames and the method."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import onnx

from roadseg.calibration import ranges
from roadseg.calibration.frames import LabelledFrame
from roadseg.runtime.files import write_text
from roadseg.runtime.options import Size


def ranges_key(
    model: onnx.ModelProto, frames: Sequence[LabelledFrame], size: Size, method: str, seed: int
) -> str:
    """Return the SHA-256 of all that ranges depend on; metadata of the model does not count.

    The code that finds ranges counts too: a new version finds them again.
    """
    digest = hashlib.sha256(f"{size} {method} {seed}".encode())
    digest.update(Path(ranges.__file__).read_bytes())
    digest.update(model.graph.SerializeToString(deterministic=True))
    for each in frames:
        digest.update(f"{each.frame.format} {each.frame.pixels.shape}".encode())
        digest.update(each.frame.pixels.tobytes())
        digest.update(b"" if each.frame.chroma is None else each.frame.chroma.tobytes())
    return digest.hexdigest()


def load_ranges(key: str) -> dict[str, float] | None:
    """Return the ranges of a key, None when they are not there or cannot be read."""
    try:
        content = json.loads(_path(key).read_text())
        return {str(name): float(value) for name, value in content.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return None


def save_ranges(key: str, found: dict[str, float]) -> None:
    """Keep ranges; a folder that cannot be written to is no error, they are found again."""
    try:
        write_text(_path(key), json.dumps(found, indent=1))
    except OSError:
        return


def _path(key: str) -> Path:
    """In the user's cache folder, as the XDG base directories say."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "roadseg" / "ranges" / f"{key}.json"
