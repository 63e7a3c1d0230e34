"""The web page of a run: the live overlay, its numbers, and what other machines read of it.

`seg-run --serve 8080` serves it: http.server of the standard library, and files that are here.
"""

from __future__ import annotations

from roadseg.runtime.web.address import Address
from roadseg.runtime.web.live_picture import LivePicture
from roadseg.runtime.web.server import WebServer

__all__ = ["Address", "LivePicture", "WebServer"]
