"""Reloader: another engine for a run that goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable

from roadseg.runtime.engines.base import Engine
from roadseg.runtime.errors import ModelError
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.service.event_log import EventLog
from roadseg.runtime.service.notifier import Notifier


class Reloader:
    """Opens the model again in a thread of its own, which may take minutes (a TensorRT plan).

    Frames go on with the old engine meanwhile. A model that cannot be opened, or whose classes are
    others than those that the sinks were opened for, is told of, and the old one stays.
    """

    def __init__(
        self, reopen: Callable[[], Engine], segmenter: Segmenter, log: EventLog, notifier: Notifier
    ) -> None:
        self._reopen, self._segmenter = reopen, segmenter
        self._log, self._notifier = log, notifier
        self._classes = segmenter.engine.spec.classes
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a reload is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin a reload, when none is under way."""
        self._notifier.reloading()
        self._thread = threading.Thread(target=self._reload, name="reload", daemon=True)
        self._thread.start()

    def _reload(self) -> None:
        try:
            engine = self._open()
        except Exception as error:  # whatever a file that is not a model does to its reader
            reason = " ".join(str(error).split()) or type(error).__name__
            self._log.tell("no reload", f"not reloaded, the model from before goes on: {reason}")
        else:
            self._segmenter.swap(engine)
            self._log.tell("reload", f"reloaded {engine.spec.name} {engine.spec.precision}")
        self._notifier.ready()

    def _open(self) -> Engine:
        engine = self._reopen()
        if engine.spec.classes != self._classes:
            engine.close()
            raise ModelError(f"{engine.spec.name} has other classes: restart to use it")
        return engine
