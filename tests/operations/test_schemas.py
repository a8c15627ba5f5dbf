"""JSON Schemas of strangers: their references stay within them."""

from __future__ import annotations

from typing import Any

import pytest
from referencing.exceptions import Unresolvable

from operations.form.schema import form_of
from operations.schemas import References, references_in, validator
from tests.apps.apis import Apis


def test_nothing_is_fetched() -> None:
    """Neither by a check of a value nor by a form, whichever keyword has the reference."""
    with Apis() as apis:
        elsewhere = {"$ref": f"{apis.url}/schema"}
        with pytest.raises(Unresolvable):
            validator({"not": elsewhere}).is_valid("x")
        for part in (elsewhere, {"type": "string", "not": elsewhere}):
            with pytest.raises(ValueError, match="reference"):
                form_of({"type": "object", "properties": {"it": part}})
    assert apis.seen == []


NOWHERE = (
    *("#/$defs/no", "#/type", "#/type/0", "#/type/x", "#/minProperties/x", "#/required/x", "#/required/9", "#/%"),
    *("#no", "no", "/", "https://example.org/#/$defs/it"),
)


@pytest.mark.parametrize("reference", NOWHERE)
def test_a_reference_that_leads_nowhere(reference: str) -> None:
    """The error names it, also where the pointer passes through a value that is no schema."""
    schema = {"type": "object", "required": ["it"], "minProperties": 1, "$defs": {"it": {"type": "string"}}}
    assert References(schema).follow("#/$defs/it") == {"type": "string"}
    with pytest.raises(ValueError, match="leads nowhere in this schema") as failure:
        References(schema).follow(reference)
    assert repr(reference) in str(failure.value)


def test_references_in_a_schema() -> None:
    """Those of all keywords that hold schemas, and none in values."""
    schema: dict[str, Any] = {
        "properties": {"$ref": {"$ref": "#a"}, "b": {"items": {"if": {"$dynamicRef": "#b"}}}},
        "const": {"$ref": "#c"},
        "anyOf": [{"$ref": "#d"}, True],
    }
    assert sorted(references_in(schema)) == ["#a", "#b", "#d"]
