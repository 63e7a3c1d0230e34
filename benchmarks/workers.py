"""The parent's side of workers: start one per configuration, command it, end it."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from roadseg.benchmarks.configuration import Configuration
from roadseg.benchmarks.rows import Key
from roadseg.runtime import errors
from roadseg.runtime.errors import RoadsegError
from roadseg.runtime.spec import ClassInfo


class WorkerHandle:
    """A running worker; `about` is what it said of its configuration.

    until: when its last answer must be there, by the monotonic clock.
    """

    def __init__(self, configuration: Configuration, until: float | None = None) -> None:
        self.configuration, self.until = configuration, until
        # A session of its own: Ctrl-C reaches the parent alone, which then ends its workers.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "roadseg.benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        self.about: dict[str, Any] = {}

    def open(self) -> None:
        """Let it open its engine; raises the worker's error."""
        self.about = self.ask(open=self.configuration.to_dict())

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; raises the worker's error as it was.

        Raises RoadsegError when the worker ended, or gave no answer in time.
        """
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            self._wait(self.process.stdout)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RoadsegError(f"{self._name()}: its process ended with {self._how_it_ended()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise self._error(answer["error"], answer["message"])
        return answer

    @property
    def key(self) -> Key:
        """The key of its rows."""
        about = self.about
        size = (about["width"], about["height"])
        return (self.configuration.model, about["engine"], about["precision"], *size)

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes of its model, by id."""
        return tuple(
            ClassInfo(name, tuple(color), drivable)
            for name, color, drivable in self.about["classes"]
        )

    def close(self) -> None:
        """End the process and wait for it."""
        with suppress(BrokenPipeError):
            if self.process.stdin:
                self.process.stdin.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def _wait(self, answers: IO[str]) -> None:
        """Wait for an answer to begin: one at a time is asked for, so none is read ahead."""
        if self.until is not None:
            left = max(0.0, self.until - time.monotonic())
            if not select.select([answers], [], [], left)[0]:
                raise RoadsegError(f"{self._name()}: no end in the time that it was given")

    def _error(self, name: str, message: str) -> RoadsegError:
        """Rebuild a worker's error, so that it has the exit code of its class."""
        kind = getattr(errors, name, None)
        if kind is None:
            return RoadsegError(f"{self._name()}: {name}: {message}")
        error: RoadsegError = RoadsegError.__new__(kind)
        Exception.__init__(error, message)
        return error

    def _name(self) -> str:
        return f"{self.configuration.model} on {self.configuration.engine}"

    def _how_it_ended(self) -> str:
        code = self.process.wait()
        if code == -9:
            return "signal 9 (out of memory?)"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


@contextmanager
def open_workers(
    configurations: Sequence[Configuration], timeout_s: float | None = None
) -> Iterator[list[WorkerHandle]]:
    """Start a worker for each configuration; end them all at the end, whatever happens.

    Two that turn out the same ("auto" and the engine it chose) are measured once. All that they
    are asked must be answered within `timeout_s`, their opening included.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    started: list[WorkerHandle] = []
    try:
        opened: dict[Key, WorkerHandle] = {}
        for configuration in configurations:
            handle = WorkerHandle(configuration, until)
            started.append(handle)
            handle.open()
            if opened.setdefault(handle.key, handle) is not handle:
                handle.close()
        yield list(opened.values())
    finally:
        for handle in started:
            handle.close()
