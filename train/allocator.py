"""The C library's memory allocator, told to keep what a training step frees."""

from __future__ import annotations

import ctypes

# glibc's numbers of mallopt's parameters, and their values here.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
SETTINGS = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 512 << 20))


def keep_freed_memory() -> bool:
    """Let glibc's malloc reuse large blocks instead of giving them back; False on other libraries.

    By default every activation is an mmap of its own: the kernel clears its pages at each step,
    which takes a third of the time of training a light network on a CPU.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
        ctypes.CDLL(None).gnu_get_libc_version.restype = ctypes.c_char_p  # glibc alone has it
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(parameter, value) for parameter, value in SETTINGS)
