"""Files that are whole or not there: written beside their name, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from roadseg.runtime.errors import UsageError


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a path beside `path` (same suffix) to write to; rename it onto `path` on success.

    When the body raises (a full disk, Ctrl-C), nothing is left and an older file stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Raise UsageError when a file cannot be written there, before any work is done for it.

    Its folder is made.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder")
    _check_folder(path.parent, path)
    path.parent.mkdir(parents=True, exist_ok=True)


def check_folder(path: str | Path) -> None:
    """Raise UsageError when files cannot be written in a folder, which may not be there yet."""
    _check_folder(Path(path), Path(path))


def _check_folder(folder: Path, path: Path) -> None:
    try:
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except NotADirectoryError:
        raise UsageError(f"cannot write {path}: {there} is no folder") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file atomically."""
    with atomic_path(path) as part:
        part.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, text.encode())


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
