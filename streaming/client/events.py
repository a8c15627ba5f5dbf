"""The events of a run as a client gets them: one class for each name that the grammar knows, and `Other` for the rest.

    match event:
        case Progress(done=done, total=total): ...
        case Delta(text=text): ...

Every event has its `id` (its number in the run; where it had none, that of the event before), its `type` (the name),
and its `data`: a `dict`, or a `str` as it came where that was no JSON object, as a gateway may send.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ..protocol.state import OVER, Ending, Status

_CONFIG: Final = ConfigDict(strict=True)


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class RunEvent:
    """What all events have."""

    id: int
    type: str
    data: Any

    @property
    def timestamp(self) -> str | None:
        """When the service wrote it: RFC 3339, UTC, with milliseconds; `None` in data that is no JSON object."""
        found = self.data.get("timestamp") if isinstance(self.data, dict) else None
        return found if isinstance(found, str) else None


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Start(RunEvent):
    """Event 1."""

    operation: str
    run: str = ""


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Progress(RunEvent):
    """How far the run is; `eta` is in seconds."""

    done: float | None = None
    total: float | None = None
    unit: str | None = None
    step: str | None = None
    message: str | None = None
    eta: float | None = None

    @property
    def percent(self) -> float | None:
        """`done` of `total`, 0 to 100; `None` where either is not known."""
        if self.done is None or not self.total:
            return None
        return min(100.0, 100.0 * self.done / self.total)


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Delta(RunEvent):
    """A piece of text as it is written; `channel` is `text` or `thinking`."""

    text: str
    channel: str = "text"


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Partial(RunEvent):
    """A finished piece of the result."""

    key: str
    value: Any


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Question(RunEvent):
    """The run waits for an answer that fits `schema` (JSON Schema), until `expires` (RFC 3339)."""

    question: str
    prompt: str = ""
    schema: Any = None
    expires: str | None = None


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Answer(RunEvent):
    """The question has its answer."""

    question: str


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Result(RunEvent):
    """What the run gives; `done` follows."""

    result: Any


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Error(RunEvent):
    """Why the run failed; `done` follows."""

    code: str
    message: str = ""
    retryable: bool = False


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Done(RunEvent):
    """The last event, on every path; `elapsed` is in seconds."""

    status: Ending
    elapsed: float | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Attempt(RunEvent):
    """The run begins anew: its partials, deltas and progress so far no longer count."""

    attempt: int
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Reset(RunEvent):
    """Events before this one are gone; `snapshot` says where the run stood instead."""

    snapshot: Any


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Other(RunEvent):
    """An event of the operation's own, or one that lacks what its name promises."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Where a run stands. Times are RFC 3339; `progress`, `error` and `question` are the data of those events."""

    id: str
    operation: str
    status: Status
    created: str
    updated: str
    last_event_id: int
    progress: dict[str, Any] | None = None
    result: Any = None
    error: dict[str, Any] | None = None
    question: dict[str, Any] | None = None
    viewers: int = 0

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.status in OVER


_KINDS: Final[dict[str, type[RunEvent]]] = {
    kind.__name__.lower(): kind
    for kind in (Start, Progress, Delta, Partial, Question, Answer, Result, Error, Done, Attempt, Reset)
}
_SNAPSHOT: Final = TypeAdapter(Snapshot)


def read_event(id: int, type: str, data: str) -> RunEvent | None:
    """The event in a message of the stream; `None` for one of the library's that is none.

    That is an event whose data is no object, and a `done` that does not say how.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = data
    if not isinstance(value, dict):
        return None if type in _KINDS else Other(id=id, type=type, data=data)
    event = make_event(id, type, value)
    return None if type == "done" and not isinstance(event, Done) else event


def make_event(id: int, type: str, data: dict[str, Any]) -> RunEvent:
    """The event of this name with this data."""
    try:
        return _KINDS.get(type, Other)(**{**data, "id": id, "type": type, "data": data})
    except ValidationError:
        return Other(id=id, type=type, data=data)


def read_snapshot(body: Any) -> Snapshot:
    """A snapshot out of its JSON. Raises `ValueError`."""
    return _SNAPSHOT.validate_python(body)
