"""The routes as an OpenAPI 3.2 document, made from the operations that are offered and the schema of the events.

A stream is described by its `itemSchema`: one item is one event, with the fields of the event-stream format, whose
`data` is JSON of its own (OpenAPI 3.2.0, section 4.14.4 "Sequential Media Types"; `contentSchema`: JSON Schema 2020-12,
validation vocabulary, section 8.5).
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, get_args

from ..errors import (
    BadRequest,
    BodyTimeout,
    Conflict,
    Forbidden,
    InvalidInput,
    Misdirected,
    NotFound,
    NotImplementedHere,
    Problem,
    TooLarge,
    TooMany,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
)
from ..protocol.schema import EVENTS, definitions
from ..protocol.state import Status
from ..runs.operation import Operation
from .many import MAX_RUNS
from .tokens import Wish
from .views import CHOICES

Schema = dict[str, Any]

STRING: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
INTEGER: Final[Schema] = {"type": "integer"}
OBJECT: Final[Schema] = {"type": "object"}
ANYTHING: Final[Schema] = {}
STATUS: Final[Schema] = {"enum": list(get_args(Status))}


def _object(required: str = "", **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required.split()}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _nullable(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


PROBLEM: Final = _object(
    "type title status detail code",
    type={"type": "string", "format": "uri-reference"},
    title=STRING,
    status=INTEGER,
    detail=STRING,
    code=STRING,
    errors=_array(_object("loc msg", loc=_array({"type": ["string", "integer"]}), msg=STRING)),
)

CATALOGUE: Final = _object(
    "operations",
    operations=_array(
        _object(
            "name title description input linger runs_in",
            name=STRING,
            title=STRING,
            description=STRING,
            input=OBJECT,
            result=OBJECT,
            partials=OBJECT,
            events=OBJECT,
            linger=_nullable(NUMBER),
            runs_in=STRING,
        )
    ),
)

COMPONENTS: Final = "#/components/schemas/"

HEALTH: Final = _object("status", status=STRING)

POSITION: Final = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}:[0-9]{1,15}"
VECTOR: Final[Schema] = {"type": "string", "pattern": f"^{POSITION}(,{POSITION}){{0,99}}$"}
FILE: Final[Schema] = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": STRING,
    "description": "The name of a file.",
}

RUN: Final[Schema] = {
    "name": "run",
    "in": "path",
    "required": True,
    "schema": STRING,
    "description": "The id of a run.",
}


QUERIES: Final = {
    "view": "The events in another form: as HTML, as messages without names, or the text of the deltas alone.",
    "names": "With `view=html`: whether other events than `start` and `done` have a name.",
    "merge": "Joins successive deltas of one channel while the viewer catches up.",
    "from": "Begins with the newest event.",
    "watch": "Whether the viewer counts: with `0` the run is as if nobody had watched it.",
}


def describe(operations: Iterable[Operation], base: str, *, keys: bool) -> Schema:
    """The document. `base` is the path under which the routes are, `keys` whether they require an API key."""
    document: Schema = {
        "openapi": "3.2.0",
        "info": {
            "title": "Headway",
            "version": _version(),
            "description": "Long-running operations whose events are streamed as Server-Sent Events.",
        },
        "servers": [{"url": base or "/"}],
        "paths": {
            "/operations": {"get": _answer("listOperations", "The operations on offer.", CATALOGUE)},
            **{f"/operations/{operation.name}": {"post": _start(operation)} for operation in operations},
            "/runs": {"get": _list_runs()},
            "/runs/{run}": {"parameters": [RUN], "get": _snapshot(), "delete": _cancel()},
            "/runs/{run}/events": {"parameters": [RUN], "get": _events(), "delete": _erase()},
            "/runs/{run}/tokens": {"parameters": [RUN], "post": _token()},
            "/events": {"get": _many()},
            "/runs/{run}/answer": {"parameters": [RUN], "post": _answer_question()},
            "/runs/{run}/files/{name}": {"parameters": [RUN, FILE], "get": _file()},
            "/headway/client.js": {"get": _open(_page_module())},
            "/health/live": {"get": _open(_answer("live", "Whether the process answers.", HEALTH))},
            "/health/ready": {"get": _open(_answer("ready", "Whether it accepts runs.", HEALTH, Unavailable))},
            "/metrics": {"get": _metrics()},
        },
        "components": {"schemas": {**definitions(COMPONENTS), "Problem": PROBLEM, "Event": _item(ANYTHING)}},
    }
    if keys:
        document["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
            "token": {"type": "http", "scheme": "bearer", "description": "A token of the run."},
            "tokenInUrl": {"type": "apiKey", "in": "query", "name": "token", "description": "The same, for a GET."},
        }
        document["security"] = [{"key": []}]
        paths = document["paths"]
        for path in ("/runs/{run}", "/runs/{run}/events", "/runs/{run}/files/{name}"):
            paths[path]["get"]["security"] = [{"key": []}, {"token": []}, {"tokenInUrl": []}]
        for route in (paths["/runs/{run}"]["delete"], paths["/runs/{run}/answer"]["post"]):
            route["security"] = [{"key": []}, {"token": []}]
    return document


def _version() -> str:
    try:
        return version("headway")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0"


# -- the routes -----------------------------------------------------------------------------------------------------


def _start(operation: Operation) -> Schema:
    files = operation.file_fields()
    schema = _with_base(operation.name, "input", operation.input.model_json_schema())
    media = {"multipart/form-data": {"schema": schema}}
    if not any(name in schema.get("required", ()) for name in files):
        media = {"application/json": {"schema": schema}, **(media if files else {})}
    result = _with_base(operation.name, "result", operation.result or {})
    refusals = (
        BadRequest,
        Forbidden,
        BodyTimeout,
        Conflict,
        TooLarge,
        UnsupportedMedia,
        InvalidInput,
        TooMany,
        Unavailable,
    )
    answer = _answer(f"start_{operation.name}", operation.title, None, *refusals)
    answer["description"] = operation.description
    answer["parameters"] = [
        _header("Idempotency-Key", "The same key with the same body joins the run that it started."),
        _header("Prefer", "`respond-async`: the snapshot at once; `linger=60`: go on for 60 seconds without viewers."),
        *(_query(name, *CHOICES[name]) for name in ("view", "names")),
    ]
    answer["requestBody"] = {"required": operation.takes_input, "content": media}
    headers = {"Location": {"schema": STRING}, "Run-Id": {"schema": STRING}}
    answer["responses"] = {
        "200": {**_stream(_item(result)), "headers": headers},
        "202": {**_content(_ref("Snapshot")), "headers": headers},
        **answer["responses"],
    }
    return answer


def _events() -> Schema:
    summary = "The events of a run, from the first, or after `Last-Event-ID`."
    answer = _answer("watch", summary, None, BadRequest, Forbidden, NotFound)
    answer["parameters"] = [
        _header("Last-Event-ID", "The number of the last event that was seen."),
        {"name": "last_event_id", "in": "query", "schema": INTEGER, "description": "The same."},
        *(_query(name, *choices) for name, choices in CHOICES.items()),
    ]
    over = {"204": {"description": "The run is over, and nothing is left to send."}}
    answer["responses"] = {"200": _stream(_ref("Event")), **over, **answer["responses"]}
    return answer


def _many() -> Schema:
    summary = "The events of several runs of the caller, each from the first, or after `Last-Event-ID`."
    answer = _answer("watchRuns", summary, None, BadRequest, NotFound, TooMany, Unavailable)
    runs = {"type": "array", "items": STRING, "minItems": 1, "maxItems": MAX_RUNS}
    answer["parameters"] = [
        {"name": "run", "in": "query", "required": True, "schema": runs, "description": "The ids of the runs."},
        {**_header("Last-Event-ID", "The id of the last frame that was seen: `ID:N,ID:N`."), "schema": VECTOR},
        {"name": "last_event_id", "in": "query", "schema": VECTOR, "description": "The same."},
        _query("merge", *CHOICES["merge"]),
    ]
    over = {"204": {"description": "All runs are over, and nothing is left to send."}}
    answer["responses"] = {"200": _stream(_ref("Event")), **over, **answer["responses"]}
    return answer


def _snapshot() -> Schema:
    return _answer("snapshot", "The state of a run.", _ref("Snapshot"), Forbidden, NotFound, Unavailable)


def _erase() -> Schema:
    answer = _answer(
        "erase", "Deletes a finished run with all that belongs to it.", None, Forbidden, NotFound, Conflict
    )
    answer["responses"]["204"] = {"description": "It is gone."}
    return answer


def _token() -> Schema:
    refusals = (BadRequest, Forbidden, NotFound, BodyTimeout, TooLarge, UnsupportedMedia, InvalidInput)
    answer = _answer("makeToken", "A token that opens this run for a while.", None, *refusals)
    answer["requestBody"] = {"content": {"application/json": {"schema": Wish.model_json_schema()}}}
    token = _object("token expires", token=STRING, expires={"type": "string", "format": "date-time"})
    answer["responses"]["201"] = _content(token)
    return answer


def _file() -> Schema:
    answer = _answer(
        "file", "A file that a run has handed over, or a part of it.", None, Forbidden, NotFound, Unavailable
    )
    names = ("ETag", "Content-Disposition", "Accept-Ranges")
    whole = {
        "description": "The file.",
        "content": {"*/*": {}},
        "headers": {name: {"schema": STRING} for name in names},
    }
    part = {**whole, "description": "The part that `Range` names."}
    answer["parameters"] = [
        _header("Range", "One range of bytes, such as `bytes=0-999`."),
        _header("If-Range", "The `ETag` of the version that the range is of."),
        _header("If-None-Match", "The `ETag` of the version that the client has."),
    ]
    answer["responses"] = {
        "200": whole,
        "206": part,
        "304": {"description": "The client has this version."},
        "416": {"description": "The range is beyond the end of the file."},
        **answer["responses"],
    }
    return answer


def _cancel() -> Schema:
    answer = _answer("cancel", "Cancels a run.", _ref("Snapshot"), Forbidden, NotFound)
    answer["responses"]["202"] = answer["responses"]["200"]
    return answer


def _answer_question() -> Schema:
    refusals = (BadRequest, Forbidden, NotFound, BodyTimeout, Conflict, InvalidInput)
    answer = _answer("answer", "Answers the open question of a run.", None, *refusals)
    body = _object("question answer", question=STRING, answer=ANYTHING)
    form = {"application/x-www-form-urlencoded": {"schema": _object("question", question=STRING, answer=STRING)}}
    answer["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}, **form}}
    answer["responses"]["202"] = _content(_ref("Snapshot"))
    return answer


def _list_runs() -> Schema:
    snapshot = definitions(COMPONENTS)["Snapshot"]
    listed = {**snapshot, "required": [name for name in snapshot["required"] if name != "result"]}
    runs = _object("runs", runs=_array(listed))
    answer = _answer("listRuns", "The caller's runs, newest first.", runs, BadRequest, Unavailable)
    limit = {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    schemas = {"operation": STRING, "status": STATUS, "limit": limit, "before": STRING, "fields": {"const": "result"}}
    answer["parameters"] = [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]
    return answer


def _page_module() -> Schema:
    answer = _answer("pageModule", "The client for a page without a build.", None, NotImplementedHere)
    answer["responses"]["200"] = {"description": "The module.", "content": {"text/javascript": {"schema": STRING}}}
    return answer


def _metrics() -> Schema:
    answer = _answer("metrics", "The figures of all workers, as Prometheus text.", None, Forbidden, NotImplementedHere)
    answer["responses"]["200"] = {"description": "The figures.", "content": {"text/plain": {"schema": STRING}}}
    return answer


# -- their parts ----------------------------------------------------------------------------------------------------


def _ref(name: str) -> Schema:
    return {"$ref": f"{COMPONENTS}{name}"}


def _answer(name: str, summary: str, schema: Schema | None, *refusals: type[Problem]) -> Schema:
    responses = {} if schema is None else {"200": _content(schema)}
    kinds: list[type[Problem]] = [Unauthorized, *refusals, Misdirected]
    for refusal in kinds:
        content = {"application/problem+json": {"schema": _ref("Problem")}}
        responses[str(refusal.status)] = {"description": refusal.title, "content": content}
    return {"operationId": name, "summary": summary, "responses": responses}


def _open(answer: Schema) -> Schema:
    """A route that requires no key."""
    del answer["responses"][str(Unauthorized.status)]
    return {**answer, "security": []}


def _content(schema: Schema) -> Schema:
    return {"description": "The answer.", "content": {"application/json": {"schema": schema}}}


def _stream(item: Schema) -> Schema:
    return {"description": "The event stream.", "content": {"text/event-stream": {"itemSchema": item}}}


def _item(result: Schema) -> Schema:
    """One event: its fields on the connection, and what its `data` holds, by its name."""
    data: dict[str, Schema] = {
        name: {**_ref(model.__name__), "required": ["timestamp"]} for name, model in EVENTS.items()
    }
    data["result"]["properties"] = {"result": result}
    kinds = [{"title": name, **_object("event", event={"const": name}, data=_json(data[name]))} for name in data]
    other = {"title": "other", "properties": {"event": {"not": {"enum": list(data)}}}}
    fields = _object("id event data", id=STRING, event=STRING, data=STRING, retry=INTEGER)
    return {**fields, "oneOf": [*kinds, other]}


def _json(schema: Schema) -> Schema:
    """A string that holds JSON."""
    return {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}


def _header(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "schema": STRING, "description": description}


def _query(name: str, *choices: str) -> Schema:
    schema = {"type": "string", "enum": list(choices)}
    return {"name": name, "in": "query", "schema": schema, "description": QUERIES[name]}


def _with_base(name: str, part: str, schema: Schema) -> Schema:
    """`schema` with a base URI of its own where it has definitions, so that its `#/$defs/...` resolve within it."""
    return {"$id": f"urn:headway:{name}:{part}", **schema} if "$defs" in schema else schema
