"""GStreamer's C functions that a source needs, by ctypes.

Python's bindings for GStreamer belong to the system's interpreter and copy each buffer they map;
the C library is on every Jetson, works from any virtual environment, and gives the buffer itself.
Structures are those of GStreamer 1.x, whose layout is kept stable.
"""

from __future__ import annotations

import ctypes
import functools
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any

from roadseg.runtime.errors import UsageError

NEEDED = "apt install gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
NO_TIME = 2**64 - 1  # GST_CLOCK_TIME_NONE, GST_BUFFER_OFFSET_NONE
NULL, PAUSED, PLAYING = 1, 3, 4  # GstState
FAILURE, NO_PREROLL = 0, 3  # GstStateChangeReturn
ERROR = 1 << 1  # GstMessageType
READ = 1  # GstMapFlags
TIME = 3  # GstFormat
CORRUPTED = 1 << 8  # GstBufferFlags


class GError(ctypes.Structure):
    """Why a call failed."""

    _fields_ = [("domain", ctypes.c_uint32), ("code", c_int), ("message", c_char_p)]


class MiniObject(ctypes.Structure):
    """What buffers and samples begin with."""

    _fields_ = [
        ("type", c_size_t),
        ("refcount", c_int),
        ("lockstate", c_int),
        ("flags", c_uint),
        ("functions", c_void_p * 3),
        ("priv_uint", c_uint),
        ("priv_pointer", c_void_p),
    ]


class Buffer(ctypes.Structure):
    """A buffer: its times (ns of the pipeline's running time) and its number."""

    _fields_ = [
        ("mini_object", MiniObject),
        ("pool", c_void_p),
        ("pts", c_uint64),
        ("dts", c_uint64),
        ("duration", c_uint64),
        ("offset", c_uint64),
        ("offset_end", c_uint64),
    ]


class MapInfo(ctypes.Structure):
    """A buffer's memory while it is mapped."""

    _fields_ = [
        ("memory", c_void_p),
        ("flags", c_int),
        ("data", c_void_p),
        ("size", c_size_t),
        ("maxsize", c_size_t),
        ("user_data", c_void_p * 4),
        ("reserved", c_void_p * 4),
    ]


class VideoInfo(ctypes.Structure):
    """Size, rate and layout of raw video."""

    _fields_ = [
        ("finfo", c_void_p),
        ("interlace_mode", c_int),
        ("flags", c_int),
        ("width", c_int),
        ("height", c_int),
        ("size", c_size_t),
        ("views", c_int),
        ("chroma_site", c_int),
        ("colorimetry", c_int * 4),
        ("par", c_int * 2),
        ("fps", c_int * 2),
        ("offset", c_size_t * 4),
        ("stride", c_int * 4),
        ("reserved", c_void_p * 8),
    ]


class VideoMeta(ctypes.Structure):
    """Layout of one buffer, where it differs from what its caps say."""

    _fields_ = [
        ("meta_flags", c_int),
        ("meta_info", c_void_p),
        ("buffer", c_void_p),
        ("flags", c_int),
        ("format", c_int),
        ("id", c_int),
        ("width", c_uint),
        ("height", c_uint),
        ("planes", c_uint),
        ("offset", c_size_t * 4),
        ("stride", c_int * 4),
    ]


ERRORS = POINTER(POINTER(GError))
SIGNATURES: dict[str, dict[str, tuple[Any, list[Any]]]] = {
    "libgstreamer-1.0.so.0": {
        "gst_init_check": (c_int, [c_void_p, c_void_p, ERRORS]),
        "gst_parse_launch": (c_void_p, [c_char_p, ERRORS]),
        "gst_bin_get_by_name": (c_void_p, [c_void_p, c_char_p]),
        "gst_element_set_state": (c_int, [c_void_p, c_int]),
        "gst_element_get_bus": (c_void_p, [c_void_p]),
        "gst_element_get_clock": (c_void_p, [c_void_p]),
        "gst_element_get_base_time": (c_uint64, [c_void_p]),
        "gst_element_get_static_pad": (c_void_p, [c_void_p, c_char_p]),
        "gst_pad_get_current_caps": (c_void_p, [c_void_p]),
        "gst_clock_get_time": (c_uint64, [c_void_p]),
        "gst_bus_timed_pop_filtered": (c_void_p, [c_void_p, c_uint64, c_int]),
        "gst_message_parse_error": (None, [c_void_p, ERRORS, c_void_p]),
        "gst_caps_get_structure": (c_void_p, [c_void_p, c_uint]),
        "gst_structure_get_string": (c_char_p, [c_void_p, c_char_p]),
        "gst_sample_get_buffer": (c_void_p, [c_void_p]),
        "gst_sample_get_caps": (c_void_p, [c_void_p]),
        "gst_sample_get_segment": (c_void_p, [c_void_p]),
        "gst_segment_to_running_time": (c_uint64, [c_void_p, c_int, c_uint64]),
        "gst_buffer_map": (c_int, [c_void_p, POINTER(MapInfo), c_int]),
        "gst_buffer_unmap": (None, [c_void_p, POINTER(MapInfo)]),
        "gst_mini_object_unref": (None, [c_void_p]),
        "gst_object_unref": (None, [c_void_p]),
    },
    "libgstapp-1.0.so.0": {
        "gst_app_sink_try_pull_sample": (c_void_p, [c_void_p, c_uint64]),
        "gst_app_sink_is_eos": (c_int, [c_void_p]),
    },
    "libgstvideo-1.0.so.0": {
        "gst_video_info_from_caps": (c_int, [POINTER(VideoInfo), c_void_p]),
        "gst_buffer_get_video_meta": (POINTER(VideoMeta), [c_void_p]),
    },
    "libglib-2.0.so.0": {"g_error_free": (None, [POINTER(GError)])},
}


class Library:
    """The functions of SIGNATURES as attributes; calls release the GIL."""

    def __init__(self) -> None:
        for name, functions in SIGNATURES.items():
            try:
                library = ctypes.CDLL(name)
            except OSError:
                raise UsageError(f"GStreamer is not installed ({name}): {NEEDED}") from None
            for function, (result, arguments) in functions.items():
                call = getattr(library, function)
                call.restype, call.argtypes = result, arguments
                setattr(self, function, call)
        error = POINTER(GError)()
        if not self.gst_init_check(None, None, byref(error)):
            raise UsageError(f"GStreamer does not start: {self.message(error)}")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name} is not among the functions that are bound")

    def message(self, error: Any) -> str:
        """Return an error's text and free it; "" for none."""
        if not error:
            return ""
        text = (error.contents.message or b"").decode(errors="replace")
        self.g_error_free(error)
        return text


@functools.cache
def gstreamer() -> Library:
    """Return the library, loaded and started once; UsageError when it is not installed."""
    return Library()
