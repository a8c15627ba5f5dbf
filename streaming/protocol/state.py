"""The life of a run as one table, and its snapshot as a fold over its events.

    status       event        becomes        what it means
    -----------  -----------  -------------  -----------------------------------------------------------
    (none)       start        running        event 1, before any work
    running      question     waiting        the operation asked, and stands still
    waiting      answer       running        somebody answered
    running      attempt      running        the producer was lost; the operation begins anew
    waiting      attempt      running
    running      result       ending         the work is done; only `done` may follow
    running      error        ending         so is a failure
    waiting      error        ending         the question expired, or the producer was lost
    running      (any other)  running        progress, delta, partial, and the operation's own
    waiting      (any other)  waiting
    any but the last           done           succeeded, failed or cancelled, as `done` says; nothing follows

`queued` and `cancelling` are no events: they are what a snapshot says of a run that waits for its turn, or whose
cancel was asked for and has not ended it yet. `ending` lasts no longer than one batch and is shown as `running`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import orjson

from ..errors import RunClosed

Status = Literal["queued", "running", "waiting", "cancelling", "succeeded", "failed", "cancelled"]
Ending = Literal["succeeded", "failed", "cancelled"]
Reason = Literal["requested", "disconnected", "timeout", "shutdown"]

OTHER: Final = "(any other)"
TABLE: Final[dict[str, dict[str, str]]] = {
    "": {"start": "running"},
    "running": {
        "question": "waiting",
        "attempt": "running",
        "result": "ending",
        "error": "ending",
        "done": "over",
        OTHER: "running",
    },
    "waiting": {"answer": "running", "attempt": "running", "error": "ending", "done": "over", OTHER: "waiting"},
    "ending": {"done": "over"},
    "over": {},
}
NAMED: Final = frozenset(name for row in TABLE.values() for name in row) - {OTHER}
OVER: Final = frozenset({"succeeded", "failed", "cancelled"})


def step(state: str, name: str) -> str:
    """The state after the event `name`, or `RunClosed` where the table has no such step."""
    row = TABLE[state]
    after = row.get(name if name in NAMED else OTHER)
    if after is None:
        raise RunClosed(f"no {name!r} may follow here: the run is {state or 'not started'}")
    return after


@dataclass(slots=True)
class Fold:
    """What the events of a run so far amount to. JSON values are kept encoded, as they came."""

    state: str = ""
    ending: Ending | None = None
    last_event_id: int = 0
    updated: str = ""
    progress: bytes | None = None
    result: bytes | None = None
    error: bytes | None = None
    question: bytes | None = None

    def add(self, name: str, body: bytes, timestamp: str) -> None:
        """Takes the next event in; raises `RunClosed`, and changes nothing, where the table forbids it."""
        self.state = step(self.state, name)
        self.last_event_id += 1
        self.updated = timestamp
        keep = _KEPT.get(name)
        if keep is not None:
            keep(self, body)

    @property
    def over(self) -> bool:
        return self.state == "over"

    @property
    def status(self) -> Status:
        if self.ending is not None:
            return self.ending
        return "waiting" if self.state == "waiting" else "running"


def own(body: bytes) -> bytes:
    """A copy: what orjson gave holds four kilobytes, however short it is (seen with 3.13), and this stays."""
    return b"%b" % body


def _keep_progress(fold: Fold, body: bytes) -> None:
    fold.progress = own(body)


def _keep_result(fold: Fold, body: bytes) -> None:
    fold.result = body[len(b'{"result":') : -1]


def _keep_error(fold: Fold, body: bytes) -> None:
    fold.error = own(body)
    fold.question = None


def _keep_question(fold: Fold, body: bytes) -> None:
    fold.question = own(body)


def _drop_question(fold: Fold, body: bytes) -> None:
    fold.question = None


def _begin_anew(fold: Fold, body: bytes) -> None:
    fold.progress = None
    fold.question = None


def _keep_ending(fold: Fold, body: bytes) -> None:
    fold.ending = orjson.loads(body)["status"]
    fold.question = None


_KEPT: Final = {
    "progress": _keep_progress,
    "result": _keep_result,
    "error": _keep_error,
    "question": _keep_question,
    "answer": _drop_question,
    "attempt": _begin_anew,
    "done": _keep_ending,
}
