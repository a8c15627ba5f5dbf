"""One queued run of this worker, which writes its events until one has claimed it: its start, and its place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import gevent

from ..errors import Refused, StoreAway
from ..protocol.events import Event, Progress, encode_json, make_event
from ..protocol.recorder import Recorder
from ..protocol.state import Fold
from ..stores.base import RunInfo
from .linger import Linger

if TYPE_CHECKING:
    from .run import Run
    from .runner import Runner

AGAIN: Final = 1.0
"""Seconds between two events with a new place, and between two tries to end a run while the store is away."""

STEP: Final = "queue"
"""The step of the progress of a queued run."""


class QueuedRun:
    """A queued run that this worker keeps: its events, its cancel, and the policy for when its last viewer has left.

    `begin` begins the run from what its start had here, and `discard` deletes that; one that another worker has started
    has neither. `shared` says that others have been given its files.
    """

    def __init__(
        self,
        runner: Runner,
        info: RunInfo,
        fold: Fold | None = None,
        begin: Callable[[Fold], Run] | None = None,
        discard: Callable[[], None] = lambda: None,
    ) -> None:
        self.info = info
        self.begin = begin
        self.discard = discard
        self.recorder: Recorder = Recorder(runner.clock, fold=fold)
        self._runner = runner
        self._store = runner.store
        self._linger = Linger(runner.clock, info.linger)
        self._unwatch: Callable[[], None] = lambda: None
        self.shared = False
        self._place: int | None = None
        self._told = 0.0
        self._open = False

    def open(self) -> None:
        """Writes its first event, if it has none, and heeds what others ask of it."""
        self._open = True
        if not self.recorder.last:
            self._write(make_event("start", {"run": self.info.id, "operation": self.info.operation}))
        self._unwatch = self._store.watch(self.info.id, self._apply_control, events=False)
        self._apply_control()

    def close(self) -> None:
        """Leaves the run to the worker that has claimed it."""
        self._open = False
        self._unwatch()
        self._linger.stop()

    def is_due(self, now: float) -> bool:
        """Whether it is to have a progress with its place: once at the least, then for its viewers."""
        if not self._open or self._place is None:
            return self._open
        return now - self._told >= AGAIN and self._store.control(self.info.id).viewers > 0

    def tell_place(self, place: int, eta: float | None, now: float) -> None:
        """Writes its place, 1 for the next one, where that has changed; `eta` is when it begins, in seconds."""
        self._told = now
        if self._open and place != self._place:
            self._place = place
            self._write(place_event(place, eta))

    def _write(self, event: Event) -> None:
        self.recorder.add(event)
        with contextlib.suppress(Refused):  # another worker has it
            self._store.append(self.info.id, self.recorder.take(), self.recorder.fold)

    def _apply_control(self) -> None:
        if not self._open:
            return
        control = self._store.control(self.info.id)
        if control.lost is not None:
            self._runner.queue.lose(self)
        elif control.cancel is not None:
            self.close()
            gevent.spawn(self._end)
        else:
            self._linger.update(control.viewers, control.watched, self._abandon)

    def _end(self) -> None:
        while True:
            try:
                self._runner.queue.end(self.info.id, self._store.control(self.info.id).cancel or "requested")
            except StoreAway:
                gevent.sleep(AGAIN)
            else:
                return

    def _abandon(self) -> None:
        if self._open and not self._store.abandon(self.info.id):
            self._linger.restart()
            self._apply_control()


def place_event(place: int, eta: float | None = None) -> Event:
    """The progress of a run at a place in the queue; 0 is that of one that begins."""
    message = f"Waiting: place {place} in the queue." if place else "Its turn has come."
    data = {"message": message, "place": place, "step": STEP}
    if eta is not None:
        data["eta"] = eta = round(eta, 1)
    return Progress(encode_json(data), None, None, STEP, eta)
