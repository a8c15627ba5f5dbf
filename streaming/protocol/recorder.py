"""From the events of an operation to the frames of its event log: numbers, timestamps, eta, and the grammar.

One recorder serves one run, in the hub. Every event passes through it, so it does little, and each thing once.
"""

from __future__ import annotations

from collections.abc import Callable

from ..clock import Clock, stamp
from .events import Event, Progress, Question, encode_json
from .frames import MARK, Block
from .pace import Pace, Paces
from .sse import frame
from .state import FOLDED, OPEN, Fold


class Recorder:
    """Takes events one by one, and returns them as blocks of frames.

    With a `fold` it continues the event log of an earlier producer; `kept_progress` is then what the fold had at its
    checkpoint, which an `attempt` goes back to. `lifecycle=False` is for a stream without a run,
    whose events have no grammar.
    """

    __slots__ = (
        "_clock",
        "_frames",
        "_kept_progress",
        "_mark",
        "_pace",
        "_paces",
        "_progress",
        "_stamp",
        "fold",
        "last",
        "lifecycle",
        "millisecond",
        "size",
    )

    def __init__(
        self, clock: Clock, *, lifecycle: bool = True, fold: Fold | None = None, kept_progress: bytes | None = None
    ) -> None:
        self.fold: Fold = fold or Fold()
        self.last: int = self.fold.last_event_id
        self.size: int = 0
        self.lifecycle: bool = lifecycle
        self.millisecond: int = -1
        self._clock = clock
        self._frames: list[bytes] = []
        self._mark = b""
        self._kept_progress = kept_progress
        self._stamp = b""
        self._pace: Pace | None = None
        self._paces = Paces(clock.monotonic())
        self._progress: tuple[Progress, bytes] | None = None
        if not lifecycle:
            self.fold.state = "running"

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, event: Event) -> None:
        """Adds the next event. Raises `RunClosed` where the grammar does not allow it."""
        millisecond = int(self._clock.now() * 1000)
        if millisecond != self.millisecond:
            self.millisecond = millisecond
            self._stamp = stamp(millisecond).encode()
        more = b""
        if event.__class__ is Progress:
            event, more = self._pace_progress(event)
        elif self.lifecycle and (event.name in FOLDED or self.fold.state not in OPEN):
            self._fold(event)  # others leave an open run as it is
        if self._mark and not event.text:
            more, self._mark = more + self._mark, b""
        self.last += 1
        encoded = frame(self.last, event, self._stamp, more)
        self._frames.append(encoded)
        self.size += len(encoded)

    def mark(self) -> None:
        """Notes a checkpoint: nothing from before it is merged with what follows, which a later attempt may drop."""
        self._mark = MARK

    def take(self) -> Block:
        """Returns the frames since the last call, and updates `fold` to them."""
        block = Block(self.last - len(self._frames) + 1, self._frames, self.size)
        self._settle()
        return block

    def pass_on(self, send: Callable[[bytes], bool]) -> bool:
        """Sends the only frame since the last call of either; false where there are more, or `send` did not."""
        if len(self._frames) != 1 or self.fold.over or not send(self._frames[0]):
            return False
        self._settle()
        return True

    def _settle(self) -> None:
        self._frames, self.size = [], 0
        if self._progress is not None:
            event, more = self._progress
            self.fold.progress = b"%b%b}" % (event.body[:-1], more)
            self._progress = None
        self.fold.last_event_id = self.last
        self.fold.updated = self._stamp.decode()

    def _fold(self, event: Event) -> None:
        if event.text and event.name == "progress":
            return  # of a gateway's upstream, in a form that a snapshot cannot show
        self.fold.add(event.name, event.body, "")
        if event.name == "attempt":
            self._pace = self._progress = None
            self._paces.clear()
            self.fold.progress = self._kept_progress
            self.mark()

    def _pace_progress(self, event: Progress) -> tuple[Progress, bytes]:
        """`event` with a `done` that does not fall within its step, and the eta to add, encoded."""
        if self.fold.state not in ("running", "waiting"):
            self.fold.add(event.name, event.body, "")
        more = b""
        if event.done is not None:
            pace = self._pace
            if pace is None or pace.step != event.step:
                pace = self._pace = self._paces.of(event.step)
            if pace.done <= event.done and pace.has_eta_of(event, self.millisecond):
                pace.done = event.done
            else:
                now = self._paces.since = self._clock.monotonic()
                event = pace.update(event, now, self.millisecond)
            more = pace.eta
        self._progress = (event, more)
        return event, more


def question(event: Question, number: int, expires: str | None) -> Question:
    """A question as the event log keeps it: with an id, unique in its run, and the time at which it expires."""
    data = {"question": f"q{number}", **event.data, "expires": expires}
    return Question(encode_json(data), event.schema, event.within)
