"""What the kernel's errors mean for who has a camera in front of them."""

from __future__ import annotations

import errno
import glob

from roadseg.runtime.errors import SourceError, SourceLost

LOST = {
    errno.ENODEV: "went away: unplugged, or its driver was unbound",
    errno.ENXIO: "went away: unplugged, or its driver was unbound",
    errno.ESTALE: "gets another signal: its size or rate changed",
    errno.ENOLINK: "gets no signal: nothing is plugged in, or it is off",
    errno.ENOLCK: "gets a signal that is not stable",
    errno.ERANGE: "gets a signal that it cannot receive",
}
TEXTS = {
    errno.EBUSY: "is in use by another program (fuser -v {node} names it)",
    errno.EACCES: "may not be opened: add the user to the group 'video'",
    errno.EPERM: "may not be opened: add the user to the group 'video'",
    errno.ENOTTY: "is no camera",
    errno.ENOMEM: "has no memory for so many buffers of this size",
    errno.EIO: "failed while streaming (EIO)",
}


def source_error(error: OSError, node: str) -> SourceError:
    """Return what an error of the kernel is for the source on a device node."""
    code = error.errno or 0
    if code == errno.ENOENT:
        return SourceError(f"there is no camera {node} (cameras here: {cameras_here()})")
    if code in LOST:
        return SourceLost(f"{node} {LOST[code]}")
    if code in TEXTS:
        return SourceError(f"{node} {TEXTS[code].format(node=node)}")
    return SourceError(f"{node}: {error.strerror}")


def cameras_here() -> str:
    """Return the device nodes that are there, in words."""
    return ", ".join(sorted(glob.glob("/dev/video*"))) or "none"
