"""What the kernel tells in small files; what cannot be read is None."""

from __future__ import annotations

from pathlib import Path


def read_text(path: Path) -> str | None:
    """Return a file's text without its end of line; None when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:  # sensors that sleep answer EAGAIN or EINVAL
        return None


def read_int(path: Path) -> int | None:
    """Return a file's number, hexadecimal with 0x; None when there is none."""
    try:
        return int(read_text(path) or "", 0)
    except ValueError:
        return None


def listed(folder: Path, pattern: str) -> list[Path]:
    """Return what a folder has under a pattern, by name; nothing when it is not there."""
    return sorted(folder.glob(pattern)) if folder.is_dir() else []
