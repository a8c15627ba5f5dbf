"""The routes as an OpenAPI 3.2 document, made of the operations that are offered.

A stream is described by its `itemSchema`: one item is one event, with the fields of the event-stream format, whose
`data` is JSON of its own (OpenAPI 3.2.0, section 4.14.4 "Sequential Media Types"; `contentSchema`: JSON Schema 2020-12,
validation vocabulary, section 8.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, get_args

from ..errors import (
    BadRequest,
    Conflict,
    InvalidInput,
    NotFound,
    NotImplementedHere,
    Problem,
    TooLarge,
    TooMany,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
)
from ..protocol.state import Status
from ..runs.operation import Operation

Schema = dict[str, Any]

STRING: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
ANYTHING: Final[Schema] = {}
TIMESTAMP: Final[Schema] = {"type": "string", "format": "date-time"}
STEP: Final[Schema] = {"type": ["string", "integer"]}


def _object(required: str = "", **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required.split()}


DATA: Final[Mapping[str, Schema]] = {
    "start": _object("timestamp operation", timestamp=TIMESTAMP, run=STRING, operation=STRING),
    "progress": _object(
        "timestamp",
        timestamp=TIMESTAMP,
        message=STRING,
        done=NUMBER,
        total=NUMBER,
        unit=STRING,
        step=STEP,
        eta=NUMBER,
    ),
    "delta": _object(
        "timestamp text channel", timestamp=TIMESTAMP, text=STRING, channel={"enum": ["text", "thinking"]}
    ),
    "partial": _object("timestamp key value", timestamp=TIMESTAMP, key=STRING, value=ANYTHING),
    "question": _object(
        "timestamp question prompt schema",
        timestamp=TIMESTAMP,
        question=STRING,
        prompt=STRING,
        schema={"type": "object"},
        expires={"type": ["string", "null"], "format": "date-time"},
    ),
    "answer": _object("timestamp question", timestamp=TIMESTAMP, question=STRING, answer=ANYTHING),
    "error": _object(
        "timestamp code message retryable",
        timestamp=TIMESTAMP,
        code=STRING,
        message=STRING,
        retryable={"type": "boolean"},
    ),
    "done": _object(
        "timestamp status elapsed",
        timestamp=TIMESTAMP,
        status={"enum": ["succeeded", "failed", "cancelled"]},
        elapsed=NUMBER,
        reason={"enum": ["requested", "disconnected", "timeout", "shutdown"]},
    ),
    "attempt": _object("timestamp attempt", timestamp=TIMESTAMP, attempt={"type": "integer"}, reason=STRING),
    "reset": _object("timestamp snapshot", timestamp=TIMESTAMP, snapshot={"$ref": "#/components/schemas/Snapshot"}),
}
"""What the library's own events carry; `result` depends on the operation."""

SNAPSHOT: Final = _object(
    "id operation status created updated last_event_id progress result error question viewers",
    id=STRING,
    operation=STRING,
    status={"enum": list(get_args(Status))},
    created=TIMESTAMP,
    updated=TIMESTAMP,
    last_event_id={"type": "integer"},
    progress={"type": ["object", "null"]},
    result=ANYTHING,
    error={"type": ["object", "null"]},
    question={"type": ["object", "null"]},
    viewers={"type": "integer"},
)

PROBLEM: Final = _object(
    "type title status detail code",
    type={"type": "string", "format": "uri-reference"},
    title=STRING,
    status={"type": "integer"},
    detail=STRING,
    code=STRING,
    errors={
        "type": "array",
        "items": _object("loc msg", loc={"type": "array", "items": {"type": ["string", "integer"]}}, msg=STRING),
    },
)

CATALOGUE: Final = _object(
    "operations",
    operations={
        "type": "array",
        "items": _object(
            "name title description input linger runs_in",
            name=STRING,
            title=STRING,
            description=STRING,
            input={"type": "object"},
            result={"type": "object"},
            linger={"type": ["number", "null"]},
            runs_in=STRING,
        ),
    },
)

HEALTH: Final = _object("status", status=STRING)

RUN: Final = {"name": "run", "in": "path", "required": True, "schema": STRING, "description": "The id of a run."}


def describe(operations: Iterable[Operation], base: str, *, keys: bool) -> Schema:
    """The document. `base` is the path under which the routes are, `keys` whether they want an API key."""
    offered = list(operations)
    document: Schema = {
        "openapi": "3.2.0",
        "info": {
            "title": "Headway",
            "version": _version(),
            "description": "Long-running operations whose events are streamed as Server-Sent Events.",
        },
        "servers": [{"url": base or "/"}],
        "paths": {
            "/operations": {"get": _answer("listOperations", "What there is to run.", CATALOGUE)},
            **{f"/operations/{one.name}": {"post": _start(one)} for one in offered},
            "/runs": {"get": _list_runs()},
            "/runs/{run}": {"parameters": [RUN], "get": _snapshot(), "delete": _cancel()},
            "/runs/{run}/events": {"parameters": [RUN], "get": _events()},
            "/runs/{run}/answer": {"parameters": [RUN], "post": _give_answer()},
            "/health/live": {"get": _open(_answer("live", "Whether the process answers.", HEALTH))},
            "/health/ready": {"get": _open(_answer("ready", "Whether it takes runs.", HEALTH, Unavailable))},
            "/metrics": {"get": _metrics()},
        },
        "components": {"schemas": {"Snapshot": SNAPSHOT, "Problem": PROBLEM, "Event": _item(ANYTHING)}},
    }
    if keys:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
    return document


def _version() -> str:
    try:
        return version("headway")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0"


# -- the routes -----------------------------------------------------------------------------------------------------


def _start(operation: Operation) -> Schema:
    files = operation.file_fields()
    schema = _within(operation.name, "input", operation.input.model_json_schema())
    media = {"multipart/form-data": {"schema": schema}}
    if not _needs_files(operation, files):
        media = {"application/json": {"schema": schema}, **(media if files else {})}
    result = _within(operation.name, "result", operation.result or {})
    refusals = (BadRequest, Conflict, TooLarge, UnsupportedMedia, InvalidInput, TooMany, Unavailable)
    answer = _answer(f"start_{operation.name}", operation.title, None, *refusals)
    answer["description"] = operation.description
    answer["parameters"] = [
        _header("Idempotency-Key", "The same key with the same body joins the run that it started."),
        _header("Prefer", "`respond-async`: the snapshot at once; `linger=60`: go on for 60 seconds without viewers."),
    ]
    answer["requestBody"] = {"required": operation.takes_input, "content": media}
    headers = {"Location": {"schema": STRING}, "Run-Id": {"schema": STRING}}
    answer["responses"] = {
        "200": {**_stream(result), "headers": headers},
        "202": {**_content({"$ref": "#/components/schemas/Snapshot"}), "headers": headers},
        **answer["responses"],
    }
    return answer


def _events() -> Schema:
    answer = _answer(
        "watch", "The events of a run, from the first, or after `Last-Event-ID`.", None, BadRequest, NotFound
    )
    answer["parameters"] = [
        _header("Last-Event-ID", "The number of the last event that was seen."),
        {"name": "last_event_id", "in": "query", "schema": {"type": "integer"}, "description": "The same."},
    ]
    over = {"204": {"description": "The run is over, and nothing is left to send."}}
    answer["responses"] = {"200": _stream(None), **over, **answer["responses"]}
    return answer


def _snapshot() -> Schema:
    return _answer("snapshot", "Where a run stands.", {"$ref": "#/components/schemas/Snapshot"}, NotFound)


def _cancel() -> Schema:
    answer = _answer("cancel", "Cancels a run.", {"$ref": "#/components/schemas/Snapshot"}, NotFound)
    answer["responses"]["202"] = answer["responses"]["200"]
    return answer


def _give_answer() -> Schema:
    refusals = (BadRequest, NotFound, Conflict, InvalidInput)
    answer = _answer("answer", "Answers the open question of a run.", None, *refusals)
    body = _object("question answer", question=STRING, answer=ANYTHING)
    answer["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    answer["responses"]["202"] = _content({"$ref": "#/components/schemas/Snapshot"})
    return answer


def _list_runs() -> Schema:
    runs = _object("runs", runs={"type": "array", "items": {"$ref": "#/components/schemas/Snapshot"}})
    answer = _answer("listRuns", "The caller's runs, newest first.", runs, BadRequest)
    schemas = {
        "operation": STRING,
        "status": {"enum": list(get_args(Status))},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        "before": STRING,
    }
    answer["parameters"] = [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]
    return answer


def _metrics() -> Schema:
    answer = _answer("metrics", "The figures of all workers, as Prometheus text.", None, NotImplementedHere)
    answer["responses"]["200"] = {"description": "As asked.", "content": {"text/plain": {"schema": STRING}}}
    return answer


# -- their parts ----------------------------------------------------------------------------------------------------


def _answer(name: str, summary: str, schema: Schema | None, *refusals: type[Problem]) -> Schema:
    responses = {} if schema is None else {"200": _content(schema)}
    kinds: list[type[Problem]] = [Unauthorized, *refusals]
    for refusal in kinds:
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        responses[str(refusal.status)] = {"description": refusal.title, "content": content}
    return {"operationId": name, "summary": summary, "responses": responses}


def _open(answer: Schema) -> Schema:
    """A route that wants no key."""
    del answer["responses"][str(Unauthorized.status)]
    return {**answer, "security": []}


def _content(schema: Schema) -> Schema:
    return {"description": "As asked.", "content": {"application/json": {"schema": schema}}}


def _stream(result: Schema | None) -> Schema:
    item = {"$ref": "#/components/schemas/Event"} if result is None else _item(result)
    return {"description": "The event stream.", "content": {"text/event-stream": {"itemSchema": item}}}


def _item(result: Schema) -> Schema:
    """One event: its fields on the wire, and by its name what its `data` holds."""
    data = {**DATA, "result": _object("timestamp result", timestamp=TIMESTAMP, result=result)}
    known = [
        _object("event", event={"const": name}, data={**STRING, "contentMediaType": "application/json"})
        | {"title": name}
        for name in data
    ]
    for one, schema in zip(known, data.values(), strict=True):
        one["properties"]["data"]["contentSchema"] = schema
    other = {"title": "other", "properties": {"event": {"not": {"enum": list(data)}}}}
    fields = _object("id event data", id=STRING, event=STRING, data=STRING, retry={"type": "integer"})
    return {**fields, "oneOf": [*known, other]}


def _header(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "schema": STRING, "description": description}


def _needs_files(operation: Operation, files: Mapping[str, bool]) -> bool:
    required = operation.input.model_json_schema().get("required", ())
    return any(name in required for name in files)


def _within(name: str, part: str, schema: Schema) -> Schema:
    """`schema`, whose own definitions are found where it stands: a base of its own resolves its `#/$defs/...`."""
    return {"$id": f"urn:headway:{name}:{part}", **schema} if "$defs" in schema else schema
