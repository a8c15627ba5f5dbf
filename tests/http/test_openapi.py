"""The OpenAPI document: valid, complete, and in accord with the answers of the routes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV32SpecValidator
from pydantic import BaseModel
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from werkzeug.test import TestResponse

from streaming import Event, Upload, operation
from streaming.protocol.schema import EVENTS
from tests.apps.serving import create_app, offered
from tests.clients import Message, parse_frames

Document = dict[str, Any]

ACTS = ["progress", "delta", "partial", "event", "text"]


class Tree(BaseModel):
    """An input whose schema has definitions."""

    branches: list[Tree] = []


class Counted(BaseModel):
    """A result."""

    branches: int


class Form(BaseModel):
    """An input that needs a file."""

    file: Upload


@operation
def grow(input: Tree) -> Counted:
    """Counts."""
    return Counted(branches=len(input.branches))


@operation
def read(input: Form) -> Iterator[Event]:
    """Reads."""
    yield from ()


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """A client of an application that offers every sample operation."""
    return create_app(operations=[*offered(), grow, read]).test_client()


@pytest.fixture(scope="module")
def document(client: FlaskClient) -> Document:
    """The document of this application."""
    document: Document = client.get("/openapi.json").get_json()
    return document


def check(document: Document, schema: Document, value: Any) -> None:
    """Fails if `value` does not fit a schema of the document."""
    registry: Registry[Any] = Registry().with_resource("urn:document", DRAFT202012.create_resource(document))
    within = {"$id": "urn:document", **schema} if "$ref" in schema else schema
    jsonschema.Draft202012Validator(_absolute(within), registry=registry).validate(value)


def _absolute(schema: Any) -> Any:
    """The schema with absolute references into the document."""
    if isinstance(schema, list):
        return [_absolute(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    absolute = {key: _absolute(value) for key, value in schema.items() if key != "$id"}
    if str(absolute.get("$ref", "")).startswith("#/components/"):
        absolute["$ref"] = f"urn:document{absolute['$ref']}"
    return absolute


def fits(document: Document, item: Document, message: Message) -> None:
    """Fails if an event is none of those that `itemSchema` describes."""
    fields = {"id": str(message.id), "event": message.event, "data": message.data}
    check(document, item, fields)
    for kind in item["oneOf"]:
        if kind["properties"]["event"].get("const") == message.event:
            check(document, kind["properties"]["data"]["contentSchema"], json.loads(message.data))


def item_of(document: Document, path: str, method: str = "post") -> Document:
    """The `itemSchema` of a route's stream."""
    item: Document = document["paths"][path][method]["responses"]["200"]["content"]["text/event-stream"]["itemSchema"]
    return document["components"]["schemas"]["Event"] if "$ref" in item else item


def start(client: FlaskClient, name: str, **options: Any) -> TestResponse:
    """The response to a start, with its whole stream."""
    response = client.post(f"/operations/{name}", **options)
    assert response.status_code == 200, response.text
    assert response.data
    return response


def events(response: TestResponse) -> list[Message]:
    """The events of a stream."""
    return parse_frames(response.data.removeprefix(b"retry: 2000\n\n"))


def test_the_document_is_openapi(document: Document) -> None:
    """It is valid OpenAPI 3.2, its schemas valid JSON Schema."""
    OpenAPIV32SpecValidator(document).validate()


def test_every_route_is_in_it(client: FlaskClient, document: Document) -> None:
    """Each rule of the blueprint is a path with its methods, each operation one of its own.

    Only the document itself is left out.
    """
    others = {"/operations/<name>", "/static/<path:filename>", "/openapi.json"}
    for rule in client.application.url_map.iter_rules():
        if rule.rule not in others:
            methods = {method.lower() for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
            assert methods <= set(document["paths"][re.sub(r"<(\w+)>", r"{\1}", rule.rule)]), rule
    operations = {path.rpartition("/")[2] for path in document["paths"] if path.startswith("/operations/")}
    assert operations == {one.name for one in [*offered(), grow, read]}


def test_methods(client: FlaskClient, document: Document) -> None:
    """Each method of a path is one of its rule."""
    urls = client.application.url_map.bind("localhost")
    for path, item in document["paths"].items():
        for method in set(item) - {"parameters"}:
            assert urls.test(path, method.upper()), (path, method)


def test_streams_fit(client: FlaskClient, document: Document) -> None:
    """The events of a run fit the items of its stream, with a result and with a failure."""
    item = item_of(document, "/operations/scripted")
    for acts in ([*ACTS, "return"], ["fail"], ["refuse"]):
        seen = events(start(client, "scripted", json={"acts": acts}))
        for message in seen:
            fits(document, item, message)
        fits(document, item_of(document, "/runs/{run}/events", "get"), seen[0])


def test_events_are_those_of_the_schema(document: Document) -> None:
    """Each has an item of its name, whose data has the fields of its model and a timestamp; other names are free."""
    *kinds, other = item_of(document, "/runs/{run}/events", "get")["oneOf"]
    assert other["properties"]["event"] == {"not": {"enum": list(EVENTS)}}
    assert [kind["title"] for kind in kinds] == list(EVENTS)
    for kind, model in zip(kinds, EVENTS.values(), strict=True):
        data = kind["properties"]["data"]["contentSchema"]
        described = document["components"]["schemas"][data["$ref"].rpartition("/")[2]]
        assert set(described["properties"]) == {field.alias or name for name, field in model.model_fields.items()}
        assert data["required"] == ["timestamp"]


def test_results_fit(client: FlaskClient, document: Document) -> None:
    """The result of an operation with a return type has its schema."""
    item = item_of(document, "/operations/grow")
    result, _ = events(start(client, "grow", json={"branches": [{}, {}]}))[-2:]
    fits(document, item, result)
    wrong = replace(result, data=json.dumps({**result.json, "result": {"branches": "two"}}))
    with pytest.raises(jsonschema.ValidationError):
        fits(document, item, wrong)


def test_snapshots_and_problems_fit(client: FlaskClient, document: Document) -> None:
    """The snapshot of a run, the list of runs, the catalogue and a refusal fit, too."""
    run = start(client, "grow", json={}).headers["Run-Id"]
    schemas = document["components"]["schemas"]
    check(document, schemas["Snapshot"], client.get(f"/runs/{run}").get_json())
    check(document, schemas["Problem"], client.get("/runs/unknown").get_json())
    check(document, schemas["Problem"], client.post("/operations/grow", json={"branches": 5}).get_json())
    for path in ("/runs", "/operations"):
        answer = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        check(document, answer, client.get(path).get_json())


def test_bodies(document: Document) -> None:
    """An input with a file is a form, one without JSON, one with an optional file either."""
    kinds = {
        name: set(document["paths"][f"/operations/{name}"]["post"]["requestBody"]["content"])
        for name in ("read", "grow", "filed")
    }
    assert kinds["read"] == {"multipart/form-data"}
    assert kinds["grow"] == {"application/json"}
    assert "multipart/form-data" in kinds["filed"]


def test_an_input_with_definitions(document: Document) -> None:
    """The references within the schema of an input resolve in the document."""
    content = document["paths"]["/operations/grow"]["post"]["requestBody"]["content"]
    schema = content["application/json"]["schema"]
    jsonschema.Draft202012Validator(schema).validate({"branches": [{"branches": []}]})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({"branches": [{"branches": 1}]})


@pytest.mark.parametrize(("prefix", "server"), [(None, "/"), ("/api", "/api")])
def test_the_base(prefix: str | None, server: str) -> None:
    """The document has the path of the routes."""
    document = create_app(url_prefix=prefix).test_client().get(f"{prefix or ''}/openapi.json").get_json()
    assert document["servers"] == [{"url": server}]
    assert "security" not in document


def test_keys() -> None:
    """With API keys the document requires one, and says so; health stays open."""
    client = create_app({"HEADWAY_API_KEYS": "ann:secret"}).test_client()
    assert client.get("/openapi.json").status_code == 401
    document = client.get("/openapi.json", headers={"Authorization": "Bearer secret"}).get_json()
    assert document["security"] == [{"key": []}]
    assert document["paths"]["/health/ready"]["get"]["security"] == []


def test_run_tokens() -> None:
    """The routes that one opens say so, and whether it may stand in the address; no other route does."""
    client = create_app({"HEADWAY_API_KEYS": "ann:secret"}).test_client()
    paths = client.get("/openapi.json", headers={"Authorization": "Bearer secret"}).get_json()["paths"]
    opened = {
        (method, path): {name for way in route["security"] for name in way}
        for path, routes in paths.items()
        for method, route in routes.items()
        if method != "parameters" and "token" in str(route.get("security"))
    }
    assert opened == {
        ("get", "/runs/{run}"): {"key", "token", "tokenInUrl"},
        ("get", "/runs/{run}/events"): {"key", "token", "tokenInUrl"},
        ("get", "/runs/{run}/files/{name}"): {"key", "token", "tokenInUrl"},
        ("delete", "/runs/{run}"): {"key", "token"},
        ("post", "/runs/{run}/answer"): {"key", "token"},
    }


def test_the_query_of_a_stream(document: Document) -> None:
    """That of one run has every parameter that chooses its form; that of several only the one that it takes."""
    paths = document["paths"]
    one, several = (
        {each["name"] for each in paths[path]["get"]["parameters"] if each["in"] == "query"}
        for path in ("/runs/{run}/events", "/events")
    )
    assert one == {"last_event_id", "view", "names", "merge", "from", "watch"}
    assert several == {"run", "last_event_id", "merge"}
