"""The events of a run for those who read it: one class for each of the library's names, and `Other` for the rest.

    match event:
        case Progress(done=done, total=total): ...
        case Delta(text=text): ...

Every event has its `id` (its number in the run, or that of the event before where it has none), its `type` (the name),
and its `data`: a `dict`, or the text as a `str` where it is no JSON object, as a gateway may send.

The classes have the fields of `protocol/schema.py`, which a test compares, and take less and more than it says: what
an older service or another one leaves out, and what a newer one adds.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from .events import LIFECYCLE, TYPED
from .state import OVER, Ending, Status

_CONFIG: Final = ConfigDict(strict=True)


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class RunEvent:
    """The fields of every event."""

    id: int
    type: str
    data: Any

    @property
    def timestamp(self) -> str | None:
        """When the service wrote it: RFC 3339, UTC, with milliseconds; `None` where the data has none."""
        timestamp = self.data.get("timestamp") if isinstance(self.data, dict) else None
        return timestamp if isinstance(timestamp, str) else None


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Start(RunEvent):
    """The first event of every run."""

    operation: str
    run: str = ""


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Progress(RunEvent):
    """The progress of the run: `place` is that in the queue, `eta` the seconds left."""

    place: int | None = None
    done: float | None = None
    total: float | None = None
    unit: str | None = None
    step: str | int | None = None
    message: str | None = None
    eta: float | None = None

    @property
    def percent(self) -> float | None:
        """`done` of `total`, 0 to 100; `None` where either is unknown."""
        if self.done is None or not self.total:
            return None
        return min(100.0, 100.0 * self.done / self.total)


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Delta(RunEvent):
    """The next piece of a text; `channel` is `text` or `thinking`."""

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
    """The question is answered."""

    question: str
    answer: Any = None


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Result(RunEvent):
    """The result of the run; `done` follows."""

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
    """Another attempt starts: partials, deltas and progress that came after the event `after` no longer count."""

    attempt: int
    reason: str | None = None
    after: int = 0


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class RunFile(RunEvent):
    """A file that the run handed over, of `size` bytes; its media type is `data["type"]`."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class RunWarning(RunEvent):
    """What people should know of the result: of all of it, or of some of its pages or rows."""

    code: str
    message: str = ""
    pages: list[int] | None = None
    rows: list[int] | None = None


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Usage(RunEvent):
    """What a call of a language model took; `data` may have other counts too."""

    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Reset(RunEvent):
    """Earlier events are no longer kept; `snapshot` is the state of the run in their place."""

    snapshot: Any


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Other(RunEvent):
    """An event with a name of the operation's own, or one whose data does not fit its name."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state of a run. Times are RFC 3339; `progress`, `error` and `question` are the data of those events."""

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
    attempt: int | None = None
    input: Any = None
    usage: dict[str, Any] | None = None
    files: list[dict[str, Any]] | None = None

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.status in OVER


CLASSES: Final[dict[str, type[RunEvent]]] = {
    cls.__name__.removeprefix("Run").lower(): cls
    for cls in (
        *(Start, Progress, Delta, Partial, Question, Answer, Result),
        *(Error, Done, Attempt, RunFile, RunWarning, Usage, Reset),
    )
}
_SNAPSHOT: Final = TypeAdapter(Snapshot)


def read_event(id: int, type: str, data: str) -> RunEvent | None:
    """The event in a message of the stream.

    `None` for a malformed one: a name of the grammar with data that is no object, or a `done` without a valid status.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = data
    if not isinstance(value, dict):
        return None if type in LIFECYCLE | TYPED else Other(id=id, type=type, data=data)
    event = make_event(id, type, value)
    return None if type == "done" and not isinstance(event, Done) else event


def make_event(id: int, type: str, data: dict[str, Any]) -> RunEvent:
    """The event of this name with this data; an `Other` where the data does not fit the name."""
    try:
        return CLASSES.get(type, Other)(**{**data, "id": id, "type": type, "data": data})
    except ValidationError:
        return Other(id=id, type=type, data=data)


def read_snapshot(body: Any) -> Snapshot:
    """The snapshot in `body`, decoded JSON. Raises `ValueError` where it is none."""
    return _SNAPSHOT.validate_python(body)
