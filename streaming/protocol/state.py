"""The states of a run as one table, and its snapshot as a fold over its events.

    status       event        becomes        what it means
    -----------  -----------  -------------  -----------------------------------------------------------
    (none)       start        running        event 1, before any work
    running      question     waiting        the operation waits for an answer
    waiting      answer       running        a viewer has answered
    running      attempt      running        the producer was lost; the operation starts again
    waiting      attempt      running
    running      result       ending         the operation has returned; only `done` may follow
    running      error        ending         the operation has failed
    waiting      error        ending         the question has expired, or the producer was lost
    running      (any other)  running        progress, delta, partial, and the operation's own
    waiting      (any other)  waiting
    all but over done         over           succeeded, failed or cancelled, as `done` says; nothing follows

`queued` and `cancelling` come from no event: a snapshot shows them while a run waits to start, and after its cancel was
requested until it ends. `ending` lasts no longer than one batch, and a snapshot shows it as `running`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import orjson

from ..errors import RunClosed
from .partials import MARK

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
MOST_COUNTS: Final = 16
NAME_LENGTH: Final = 64
"""Characters of a name of a count."""
MOST: Final = 2**53 - 1
"""The greatest number that JavaScript holds."""
OPEN: Final = frozenset(state for state, row in TABLE.items() if row.get(OTHER) == state)
"""The states in which an event of any other name changes nothing."""
OVER: Final = frozenset({"succeeded", "failed", "cancelled"})


def step(state: str, name: str) -> str:
    """The state after the event `name`. Raises `RunClosed` where the table has no such step."""
    row = TABLE[state]
    target = row.get(name if name in NAMED else OTHER)
    if target is None:
        raise RunClosed(f"no {name!r} may follow here: the run is {state or 'not started'}")
    return target


@dataclass(slots=True)
class Fold:
    """The state of a run after its events so far. JSON values are kept encoded, as they came."""

    state: str = ""
    ending: Ending | None = None
    last_event_id: int = 0
    updated: str = ""
    progress: bytes | None = None
    result: bytes | None = None
    error: bytes | None = None
    question: bytes | None = None
    usage: bytes | None = None

    def add(self, name: str, body: bytes, timestamp: str) -> None:
        """Adds the next event. Raises `RunClosed`, and changes nothing, where the table has no such step."""
        self.state = step(self.state, name)
        self.last_event_id += 1
        self.updated = timestamp
        update = _UPDATES.get(name)
        if update is not None:
            update(self, body)

    def copy(self) -> Fold:
        """A copy, in a fifth of the time that `dataclasses.replace` takes: each batch of a run needs one."""
        return Fold(
            self.state,
            self.ending,
            self.last_event_id,
            self.updated,
            self.progress,
            self.result,
            self.error,
            self.question,
            self.usage,
        )

    @property
    def over(self) -> bool:
        return self.state == "over"

    @property
    def refers(self) -> bool:
        """Whether the result refers to partials: their frames are kept as long as the run."""
        return self.result is not None and MARK in self.result

    @property
    def status(self) -> Status:
        if self.ending is not None:
            return self.ending
        return "waiting" if self.state == "waiting" else "running"


def _copy(body: bytes) -> bytes:
    """A copy to keep: the bytes that orjson returns hold four kilobytes, however short they are (seen with 3.13)."""
    return b"%b" % body


def _keep_progress(fold: Fold, body: bytes) -> None:
    fold.progress = _copy(body)


def _keep_result(fold: Fold, body: bytes) -> None:
    fold.result = body[len(b'{"result":') : -1]


def _keep_error(fold: Fold, body: bytes) -> None:
    fold.error = _copy(body)
    fold.question = None


def _keep_question(fold: Fold, body: bytes) -> None:
    fold.question = _copy(body)


def _close_question(fold: Fold, body: bytes) -> None:
    fold.question = None


def _restart(fold: Fold, body: bytes) -> None:
    fold.progress = None
    fold.question = None


def _keep_ending(fold: Fold, body: bytes) -> None:
    fold.ending = orjson.loads(body)["status"]
    fold.question = None


def _add_usage(fold: Fold, body: bytes) -> None:
    """Adds the counts of a `usage`, which may be of another service: what is no count is left out.

    What earlier attempts have used was used, so that an `attempt` takes none of it back.
    """
    try:
        counts = orjson.loads(body)
        used = orjson.loads(fold.usage or b"{}")
    except ValueError:
        return
    for name, count in counts.items() if isinstance(counts, dict) else ():
        is_count = type(count) in (int, float) and count >= 0
        if is_count and len(name) <= NAME_LENGTH and (name in used or len(used) < MOST_COUNTS):
            used[name] = min(used.get(name, 0) + count, MOST)
    fold.usage = _copy(orjson.dumps(used))


_UPDATES: Final = {
    "progress": _keep_progress,
    "result": _keep_result,
    "error": _keep_error,
    "question": _keep_question,
    "answer": _close_question,
    "attempt": _restart,
    "usage": _add_usage,
    "done": _keep_ending,
}

FOLDED: Final = NAMED | frozenset(_UPDATES)
"""The names of the events that change more than the number of the last one."""
