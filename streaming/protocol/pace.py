"""How fast the steps of a run go: the eta of their reports, and a `done` that never falls."""

from __future__ import annotations

from collections.abc import Hashable
from math import isfinite
from typing import Final

from .events import Progress, encode_json

MIN_ELAPSED: Final = 0.1
"""Seconds that a step must have taken before its first report has an eta."""

MAX_STEPS: Final = 1024
"""How many steps of a run are remembered at a time."""


class Paces:
    """The pace of each step of a run; only the `MAX_STEPS` that reported last are kept.

    A step starts at `since`, the time of the report before its first one. Times are monotonic, in seconds.
    """

    __slots__ = ("_steps", "since")

    def __init__(self, since: float) -> None:
        self.since: float = since
        self._steps: dict[Hashable, Pace] = {}

    def of(self, step: Hashable) -> Pace:
        """The pace of `step`."""
        pace = self._steps.pop(step, None) or Pace(step, self.since)
        self._steps[step] = pace  # at the end: the first is the one that has not reported for longest
        if len(self._steps) > MAX_STEPS:
            del self._steps[next(iter(self._steps))]
        return pace

    def clear(self) -> None:
        """Forgets all steps."""
        self._steps.clear()


class Pace:
    """How fast one step goes: since its first report, or, at that report, since it started.

    Reports of the same millisecond share their eta.
    """

    __slots__ = ("_first", "_first_at", "_millisecond", "_started", "_total", "done", "eta", "step")

    def __init__(self, step: Hashable, started: float) -> None:
        self.step: Hashable = step
        self.done: float = 0
        self.eta: bytes = b""
        self._started = started
        self._first: float = 0
        self._first_at: float | None = None
        self._millisecond = -1
        self._total: float | None = None

    def has_eta_of(self, event: Progress, millisecond: int) -> bool:
        """Whether `eta`, of the last report, is that of this one, too."""
        return (
            self._millisecond == millisecond
            and self._total == event.total
            and event.eta is None
            and (event.total is None or event.done < event.total)  # type: ignore[operator]  # called where there is one
        )

    def update(self, event: Progress, now: float, millisecond: int) -> Progress:
        """Computes `eta`. Returns the event, with the `done` of the last report where its own is less."""
        done = event.done or 0
        if done < self.done:
            event = _with_done(event, self.done)
        else:
            self.done = done
        eta = None if event.total is None or event.eta is not None else self._seconds_left(event.total, now)
        self.eta = b"" if eta is None or not isfinite(eta) else b',"eta":%.1f' % eta
        self._millisecond, self._total = -1 if event.eta is not None else millisecond, event.total
        if self._first_at is None or not self._first:
            self._first, self._first_at = self.done, now
        return event

    def _seconds_left(self, total: float, now: float) -> float | None:
        if self.done >= total:
            return 0.0
        if self._first_at is not None and self.done > self._first:
            return (total - self.done) * (now - self._first_at) / (self.done - self._first)
        elapsed = now - self._started
        return (total - self.done) * elapsed / self.done if self.done and elapsed >= MIN_ELAPSED else None


def _with_done(event: Progress, done: float) -> Progress:
    data = event.data
    data["done"] = done
    return Progress(encode_json(data), done, event.total, event.step, event.eta)
