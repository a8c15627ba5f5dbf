"""The one description of what a client reads: the data of each event of the library, and the snapshot of a run.

OpenAPI takes its JSON Schema from here, `python -m tools.write_events` the types of the TypeScript client and the table
in `docs/reference/events.md`; `tests/protocol/test_schema.py` compares what runs write and the Python client's classes.

A field with a default may be absent, and is never null: one that may be null is declared with `| None` and no default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from .state import Ending, Reason, Status

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


class Data(BaseModel):
    """The data of an event."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, use_attribute_docstrings=True, defer_build=True)

    timestamp: Time | None = None
    """When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it."""


class Start(Data):
    """The first event of every run, sent at once."""

    operation: str
    """The name of the operation."""
    run: str | None = None
    """The id of the run; absent in a stream without one."""


class Progress(Data):
    """How far the work has got."""

    place: int | None = None
    """The place in the queue."""
    done: float | None = None
    """How much of `total` is done; it never falls within a `step`."""
    total: float | None = None
    """How much there is to do."""
    unit: str | None = None
    """The unit of `done` and `total`, such as `pages`."""
    step: str | int | None = None
    """The part of the work that `done` and `total` count."""
    message: str | None = None
    """A sentence for people."""
    eta: float | None = None
    """Seconds left."""


class Delta(Data):
    """The next piece of a text that grows."""

    text: str
    """The piece."""
    channel: Literal["text", "thinking"]
    """Which text it belongs to: the answer, or the model's thinking."""


class PartialResult(Data):
    """A finished piece of the result."""

    key: str
    """Its name in the run."""
    value: Any
    """Any JSON."""


class Question(Data):
    """The run waits for an answer."""

    question: str
    """Its id, which the answer names."""
    prompt: str
    """The question, for people."""
    answer_schema: dict[str, Any] = Field(alias="schema")
    """What an answer must satisfy (JSON Schema 2020-12); `{}` accepts any JSON."""
    expires: Time | None
    """When the run fails without an answer; null for never."""


class Answer(Data):
    """The question is answered."""

    question: str
    """The id of the question."""
    answer: Any = None
    """The answer, any JSON."""


class Result(Data):
    """What the operation has returned; `done` follows."""

    result: Any
    """Any JSON; its schema is that of the operation."""


class Failure(Data):
    """Why the run failed; `done` follows."""

    code: str
    """A stable word for programs."""
    message: str
    """A sentence for people."""
    retryable: bool
    """Whether the same input may succeed later."""


class Done(Data):
    """The last event, on every path, exactly once."""

    status: Ending
    """How the run ended."""
    elapsed: float
    """Seconds since its start."""
    reason: Reason | None = None
    """Why it was cancelled."""


class Attempt(Data):
    """The producer of the run was lost, and another one starts it again."""

    attempt: int
    """2, 3 ..."""
    reason: str
    """What happened to the producer, such as `producer_lost`."""
    after: int | None = None
    """The event before its checkpoint, 0 without one: partials, deltas and progress after it no longer count."""


class RunFile(Data):
    """A file that the run handed over."""

    name: str
    """Its name in the run, and in its URL."""
    type: str
    """Its media type."""
    size: int
    """Bytes."""
    sha256: str
    """Its SHA-256, in hexadecimal digits."""


class RunWarning(Data):
    """Something that people should know of the result, which has it among its `warnings` too."""

    code: str
    """A stable word for programs."""
    message: str
    """A sentence for people."""
    pages: list[int] | None = None
    """The pages that it is about."""
    rows: list[int] | None = None
    """The rows that it is about."""


class Usage(Data):
    """What a call of a language model took. It may have other counts too, such as `reasoning_tokens`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    input_tokens: int | None = None
    """Tokens that the model has read."""
    output_tokens: int | None = None
    """Tokens that it has written."""


class Reset(Data):
    """Events that the viewer has missed are no longer kept; the stream goes on after it."""

    snapshot: Snapshot
    """The state of the run in their place."""


class Snapshot(BaseModel):
    """The state of a run: `GET /runs/ID`."""

    model_config: ClassVar[ConfigDict] = Data.model_config

    id: str
    """The id of the run."""
    operation: str
    """The name of its operation."""
    status: Status
    """What it does, or how it ended."""
    created: Time
    """When it was started."""
    updated: Time
    """When its last event was written."""
    last_event_id: int
    """The number of its last event."""
    progress: Progress | None
    """Its last progress."""
    result: Any
    """Its result; null without one."""
    error: Failure | None
    """Why it failed."""
    question: Question | None
    """The question that is open."""
    viewers: int
    """How many streams of it are open."""
    attempt: int | None = None
    """1, or 2, 3 ... after its producer was lost."""
    input: Any = None
    """What it was started with."""
    usage: Usage | None = None
    """What the calls of language models have taken so far."""
    files: list[RunFile] | None = None
    """The files that it has handed over."""


EVENTS: Final[Mapping[str, type[Data]]] = {
    "start": Start,
    "progress": Progress,
    "delta": Delta,
    "partial": PartialResult,
    "question": Question,
    "answer": Answer,
    "result": Result,
    "error": Failure,
    "done": Done,
    "attempt": Attempt,
    "file": RunFile,
    "warning": RunWarning,
    "usage": Usage,
    "reset": Reset,
}
"""The data of each event. An operation may choose any other name, and any data with it."""


def definitions(prefix: str) -> dict[str, dict[str, Any]]:
    """The JSON Schema of each model, by the model's name. They refer to one another by `prefix` and this name."""
    models: list[type[BaseModel]] = [*EVENTS.values(), Snapshot]
    _, schemas = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=f"{prefix}{{model}}",
        schema_generator=_Generator,
    )
    defined: dict[str, dict[str, Any]] = schemas["$defs"]
    return defined


class _Generator(GenerateJsonSchema):
    """JSON Schema without titles of fields, where a field with a default may be absent instead of null."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        inner = schema["schema"]
        return self.generate_inner(inner["schema"] if inner["type"] == "nullable" else inner)
