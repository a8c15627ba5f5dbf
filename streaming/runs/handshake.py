"""The handshake of a start with another service: whether it accepts the run, before the start is answered."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Problem
from ..runtime.worker import Worker


class Handshake:
    """The wait of a start for the answer of another service, `patience` seconds at most, or as long as it takes.

    `send_heartbeat`, which the caller of `wait` sets, sends a heartbeat to the viewers here, from any thread.
    """

    def __init__(self, worker: Worker, patience: float | None) -> None:
        self.refusal: Problem | None = None
        self.send_heartbeat: Callable[[], None] = lambda: None
        self.patience = patience
        self._worker = worker
        self._signal = worker.signal()
        self.settled: bool = False

    def settle(self, refusal: Problem | None = None) -> None:
        """Ends the wait, from any thread; the first call counts."""
        if not self.settled:
            self.settled, self.refusal = True, refusal
            self._worker.soon(self._signal.set)

    def give_up(self) -> None:
        """Ends the wait without an answer; called in the hub."""
        self._signal.set()

    def wait(self) -> None:
        """Waits for the answer."""
        self._signal.wait(self.patience)
