"""What a model is sent for a page."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.form.prompt import page_messages, page_schema, split
from operations.form.schema import form_of
from tests.operations.form.invoice import FORM, INVOICE


def test_the_page_schema_is_strict_and_every_value_may_be_null() -> None:
    """Every name is required, no other is allowed, and the answer for an empty page satisfies it."""
    schema = page_schema(FORM)
    empty: dict[str, Any] = {"number": None, "total": None, "paid": None, "seller": None, "items": []}
    jsonschema.validate(empty, schema)
    assert schema["required"] == list(empty)
    assert schema["additionalProperties"] is False
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**empty, "total": "1"}, schema)
    assert "maxItems" not in json.dumps(schema)
    assert "maxItems" in json.dumps(page_schema(FORM, bounded=True))


def test_keywords_that_not_every_server_supports_are_not_sent() -> None:
    """Formats, patterns and bounds are checked when the answer is there."""
    date = {"type": "string", "format": "date", "pattern": "^2", "minLength": 3, "enum": ["2026-01-01"], "title": "x"}
    form = form_of({"properties": {"it": date}})
    [sent, _] = page_schema(form)["properties"]["it"]["anyOf"]
    assert sent == {"type": "string", "enum": ["2026-01-01"]}


def test_the_messages_have_the_page_and_the_fields() -> None:
    """Each value has a line with its path, its type and its description."""
    form = form_of(
        {"properties": {"a": {"type": "array", "items": INVOICE}, "due": {"type": "string", "description": "By when"}}}
    )
    message = page_messages(form, 3, "Due at once")[-1]["content"]
    assert all(
        part in message for part in ("Page 3", "Due at once", "- due (string) By when", "- a[].seller.town (string)")
    )


@given(st.text(alphabet="ab \n", max_size=200), st.integers(1, 50))
def test_long_pages_are_split_at_lines_and_words(page: str, size: int) -> None:
    """No piece is too long, and only white space where the text is cut is lost."""
    pieces = split(page, size)
    assert all(0 < len(piece) <= size for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(page.split())
