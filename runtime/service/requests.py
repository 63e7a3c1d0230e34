"""What signals ask of a run. A handler only notes it; the supervisor's thread does it."""

from __future__ import annotations

import enum
import signal
from queue import SimpleQueue


class Request(enum.Enum):
    """What a signal asks for."""

    RELOAD = "open the model again (SIGHUP)"
    RECORD = "keep the last seconds (SIGUSR1)"


Requests = SimpleQueue[Request]  # its put may interrupt itself, which a handler needs


def listen(reload: bool, record: bool) -> Requests:
    """Take over the signals that are asked for; those that come before a supervisor runs wait.

    reload: SIGHUP. Without it that ends a run, as SIGTERM does.
    """
    requests: Requests = SimpleQueue()
    if reload:
        signal.signal(signal.SIGHUP, lambda *_: requests.put(Request.RELOAD))
    if record:
        signal.signal(signal.SIGUSR1, lambda *_: requests.put(Request.RECORD))
    return requests
