"""From what an operation yields to the frames of its log: numbers, timestamps, eta, and the grammar.

One recorder serves one run, in the hub. It is the path of every event, so it does little, and each thing once.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import isfinite
from typing import Final

from ..clock import Clock, stamp
from .events import Event, Progress, Question, encode_json
from .frames import Block
from .sse import frame
from .state import Fold

TELLING: Final = 0.1
"""Seconds after the beginning of a step before its first report says anything about its pace."""

STEPS: Final = 1024
"""How many steps may take turns without one of them being forgotten."""


class Recorder:
    """Takes events one by one, gives them back as blocks of frames.

    With a `fold` it goes on where the producer before it left off.
    """

    __slots__ = (
        "_clock",
        "_frames",
        "_pace",
        "_paces",
        "_progress",
        "_since",
        "_stamp",
        "fold",
        "last",
        "lifecycle",
        "millisecond",
        "size",
    )

    def __init__(self, clock: Clock, *, lifecycle: bool = True, fold: Fold | None = None) -> None:
        self.fold = fold or Fold()
        self.last = self.fold.last_event_id
        self.size = 0
        self.lifecycle = lifecycle
        self.millisecond = -1
        self._clock = clock
        self._frames: list[bytes] = []
        self._stamp = b""
        self._pace: _Pace | None = None
        self._paces: dict[Hashable, _Pace] = {}
        self._since = clock.monotonic()
        self._progress: tuple[Progress, bytes] | None = None
        if not lifecycle:
            self.fold.state = "running"

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, event: Event) -> None:
        """Takes the next event. Raises `RunClosed` where the grammar has no place for it."""
        millisecond = int(self._clock.now() * 1000)
        if millisecond != self.millisecond:
            self.millisecond = millisecond
            self._stamp = stamp(millisecond).encode()
        more = b""
        if event.__class__ is Progress:
            event, more = self._paced(event)
        elif self.lifecycle:
            self._fold(event)
        self.last += 1
        encoded = frame(self.last, event, self._stamp, more)
        self._frames.append(encoded)
        self.size += len(encoded)

    def take(self) -> Block:
        """The frames since the last time, with `fold` brought up to them."""
        block = Block(self.last - len(self._frames) + 1, self._frames, self.size)
        self._frames, self.size = [], 0
        if self._progress is not None:
            event, more = self._progress
            self.fold.progress = b"%b%b}" % (event.body[:-1], more)
            self._progress = None
        self.fold.last_event_id = self.last
        self.fold.updated = self._stamp.decode()
        return block

    def _fold(self, event: Event) -> None:
        if event.text and event.name == "progress":
            return  # a gateway's, in another vocabulary: a snapshot could not show it
        self.fold.add(event.name, event.body, "")
        if event.name == "attempt":
            self._pace = self._progress = None
            self._paces.clear()

    def _paced(self, event: Progress) -> tuple[Progress, bytes]:
        """`event` with `done` that does not fall within its step, and the eta that is to be added."""
        if self.fold.state not in ("running", "waiting"):
            self.fold.add(event.name, event.body, "")
        more = b""
        if event.done is not None:
            pace = self._pace
            if pace is None or pace.step != event.step:
                pace = self._pace = self._pace_of(event.step)
            if pace.done <= event.done and pace.holds(event, self.millisecond):
                pace.done, more = event.done, pace.eta
            else:
                event, more = pace.follow(event, self._clock.monotonic(), self.millisecond)
                self._since = self._clock.monotonic()
        self._progress = (event, more)
        return event, more

    def _pace_of(self, step: Hashable) -> _Pace:
        """The pace of a step, which others may have come between; the last one used stands last."""
        pace = self._paces.pop(step, None) or _Pace(step, self._since)
        self._paces[step] = pace
        if len(self._paces) > STEPS:
            del self._paces[next(iter(self._paces))]
        return pace


class _Pace:
    """How fast one step goes: since its first report, or, at that report, since it began at `since`.

    Reports of the same millisecond share their eta.
    """

    __slots__ = ("_at", "_first", "_millisecond", "_since", "_total", "done", "eta", "step")

    def __init__(self, step: Hashable, since: float) -> None:
        self.step = step
        self.done: float = 0
        self.eta = b""
        self._since = since
        self._first: float = 0
        self._at: float | None = None
        self._millisecond = -1
        self._total: float | None = None

    def holds(self, event: Progress, millisecond: int) -> bool:
        """Whether the eta of the last report is that of this one, too."""
        return (
            self._millisecond == millisecond
            and self._total == event.total
            and event.eta is None
            and (event.total is None or event.done < event.total)  # type: ignore[operator]  # asked where there is one
        )

    def follow(self, event: Progress, now: float, millisecond: int) -> tuple[Progress, bytes]:
        done = event.done or 0
        if done < self.done:
            event = _with_done(event, self.done)
        else:
            self.done = done
        eta = None if event.total is None or event.eta is not None else self._left(event.total, now)
        self.eta = b"" if eta is None or not isfinite(eta) else b',"eta":%.1f' % eta
        self._millisecond, self._total = -1 if event.eta is not None else millisecond, event.total
        if self._at is None or not self._first:
            self._first, self._at = self.done, now
        return event, self.eta

    def _left(self, total: float, now: float) -> float | None:
        if self.done >= total:
            return 0.0
        if self._at is not None and self.done > self._first:
            return (total - self.done) * (now - self._at) / (self.done - self._first)
        elapsed = now - self._since
        return (total - self.done) * elapsed / self.done if self.done and elapsed >= TELLING else None


def _with_done(event: Progress, done: float) -> Progress:
    data = event.data
    data["done"] = done
    return Progress(encode_json(data), done, event.total, event.step, event.eta)


def question(event: Question, number: int, expires: str | None) -> Question:
    """A question as the log keeps it: with an id, unique in its run, and the moment it expires."""
    data = {"question": f"q{number}", **event.data, "expires": expires}
    return Question(encode_json(data), event.schema, event.within)
