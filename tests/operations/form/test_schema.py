"""The form that a JSON Schema describes, as a request brings it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from operations.extract import FIELDS, Extract
from operations.form.prompt import page_schema
from operations.form.schema import MAX_FIELDS, form_of
from streaming import Upload


def one_field(kind: str) -> dict[str, Any]:
    """The schema of an object with one field, `it`."""
    return {"type": "object", "properties": {"it": {"type": kind}}}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        [],
        {"type": "string"},
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"properties": {"it": {"type": "tuple"}}},
        {"properties": {"it": 1}},
        {"properties": {"it": True}},
        one_field("array"),
        one_field("object"),
        {"properties": {"it": {"$ref": "#/$defs/no"}}},
        {"properties": {"it": {"$ref": "https://example.org/schema"}}},
        {"properties": {"it": {"$ref": "#"}}},
        {"properties": {"it": {"$ref": "#no-anchor"}}},
        {"properties": {"it": {"$ref": "#/properties/it/$ref/x"}}},
        {"properties": {"it": {"$ref": "#/examples/0"}}, "examples": [{"anyOf": 5}]},
        {"properties": {"it": {"type": "string", "not": {"$ref": "https://example.org/schema"}}}},
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "properties": {"it": {"$ref": "#/$defs/a"}}},
        {"properties": {"it": {"anyOf": [{"type": "string"}, {"type": "number"}]}}},
        {"properties": {"it": {"type": ["string", "number"]}}},
        {"properties": {f"it{number}": {"type": "string"} for number in range(MAX_FIELDS + 1)}},
    ],
)
def test_a_schema_that_describes_no_form_is_refused(schema: Any) -> None:
    """Before the run, with an error that names the field and a sentence for the schema's author."""
    with pytest.raises(ValidationError) as refused:
        Extract(file=Upload(Path("x"), "x", "", 1), fields=schema)
    [error] = refused.value.errors()
    assert error["loc"] == ("fields",)
    assert len(error["msg"]) < 400


def test_references_within_the_schema_are_followed() -> None:
    """By escaped pointers, by anchors, and one after the other."""
    schema = {
        "properties": {"a": {"$ref": "#/$defs/per~1~0%20cent"}, "b": {"$ref": "#price"}, "c": {"$ref": "#/$defs/c"}},
        "$defs": {
            "per/~ cent": {"type": "integer"},
            "price": {"$anchor": "price", "type": "number"},
            "c": {"$ref": "#/$defs/d"},
            "d": {"type": "boolean"},
        },
    }
    types = {name: part["anyOf"][0]["type"] for name, part in page_schema(form_of(schema))["properties"].items()}
    assert types == {"a": "integer", "b": "number", "c": "boolean"}


def test_definitions_that_multiply_are_refused_at_once() -> None:
    """A hundred references in each of three definitions would make a million fields."""
    definitions: dict[str, Any] = {"d3": {"type": "string"}}
    for level in range(3):
        definitions[f"d{level}"] = {
            "properties": {f"p{number}": {"$ref": f"#/$defs/d{level + 1}"} for number in range(100)}
        }
    start = time.monotonic()
    with pytest.raises(ValueError, match="more than 60 values"):
        form_of({"properties": {"it": {"$ref": "#/$defs/d0"}}, "$defs": definitions})
    assert time.monotonic() - start < 2


class Line(BaseModel):
    """A line of an order."""

    name: str
    price: float | None = None


class Order(BaseModel):
    """An order, as a Python program would declare it."""

    number: str
    lines: list[Line] = []


def test_a_schema_made_by_pydantic_is_a_form() -> None:
    """References are followed, and a field that may be null is a field like any other."""
    schema = page_schema(form_of(Order.model_json_schema()))
    assert schema["properties"]["lines"]["items"]["properties"]["price"] == {
        "anyOf": [{"type": "number"}, {"type": "null"}]
    }


def test_an_html_form_sends_the_schema_as_text() -> None:
    """JSON in a text field is decoded, other text is refused, and blank text counts as no schema."""
    file = Upload(Path("x"), "x", "", 1)
    assert Extract.model_validate({"file": file, "fields": json.dumps(FIELDS)}).fields == FIELDS
    assert Extract.model_validate({"file": file, "fields": " "}).fields is None
    with pytest.raises(ValidationError, match="not JSON"):
        Extract.model_validate({"file": file, "fields": "{"})
