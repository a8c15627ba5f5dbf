"""The form that a JSON Schema describes, as a request brings it."""

from __future__ import annotations

import json
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
