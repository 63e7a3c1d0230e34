"""Results on a web page."""

from __future__ import annotations

from roadseg.runtime.monitor import Monitor
from roadseg.runtime.result import Result
from roadseg.runtime.sinks.base import Pace, Sink
from roadseg.runtime.web import Address, LivePicture, WebServer


class WebSink(Sink):
    """Shows results to whoever looks at the page; costs nothing while nobody does."""

    name = "web"
    pace = Pace.SPARE

    def __init__(self, address: Address, monitor: Monitor, alpha: float) -> None:
        self._live = LivePicture(monitor.pipeline.segmenter.engine.spec.classes)
        self.server = WebServer(address, monitor, self._live, alpha)
        self.server.start()
        print(f"the page is at {self.server.url}", flush=True)

    def wants(self) -> bool:
        """See Sink."""
        return self._live.wanted

    def write(self, result: Result) -> None:
        """See Sink."""
        self._live.show(result)

    def close(self) -> str:
        """See Sink."""
        self.server.close()
        return ""
