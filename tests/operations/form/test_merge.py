"""The answers for all pages, merged into one instance of the schema."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.form.evidence import PageText
from operations.form.merge import PageValue, clean, merge, unverified
from operations.form.schema import form_of
from tests.operations.form.invoice import FORM


def one_field(kind: str, **keywords: Any) -> dict[str, Any]:
    """The schema of an object with one field, `it`."""
    return {"type": "object", "properties": {"it": {"type": kind, **keywords}}}


def values(*pages: tuple[int, str, Any]) -> list[PageValue]:
    """A model's answers for some pages: number, text, answer."""
    return [PageValue(PageText(number, page), clean(FORM, answer)) for number, page, answer in pages]


def test_the_evidence_lists_the_pages_of_each_value() -> None:
    """Scalars and the items of lists have an entry each, and the pages make one instance of the schema."""
    merged = merge(
        FORM,
        values(
            (
                1,
                "No. 42 of ACME",
                {"number": "42", "seller": {"name": "Acme", "town": None}, "items": [{"name": "Ink"}]},
            ),
            (2, "42: pen, ink", {"number": "42", "items": [{"name": "Pen"}, {"name": "ink"}], "total": 7}),
        ),
    )
    assert merged.value == {
        "number": "42",
        "total": 7,
        "paid": None,
        "seller": {"name": "Acme", "town": None},
        "items": [{"name": "ink"}, {"name": "Pen"}],
    }
    assert merged.evidence == {
        "/number": {"pages": [1, 2], "verified": True},
        "/total": {"pages": [2], "verified": False},
        "/seller/name": {"pages": [1], "verified": True},
        "/items/0/name": {"pages": [2], "verified": True},
        "/items/1/name": {"pages": [2], "verified": True},
    }
    assert unverified(merged.evidence) == ["/total"]


def test_a_verified_value_wins_over_an_unverified_one() -> None:
    """Then the value of more pages wins, then the first; the evidence lists the others."""
    merged = merge(
        FORM,
        values(
            (1, "", {"number": "A"}), (2, "", {"number": "A"}), (3, "B", {"number": "B"}), (4, "C", {"number": "C"})
        ),
    )
    assert merged.value["number"] == "B"
    assert merged.evidence["/number"] == {
        "pages": [3],
        "verified": True,
        "others": [
            {"value": "C", "pages": [4], "verified": True},
            {"value": "A", "pages": [1, 2], "verified": False},
        ],
    }


def test_names_are_escaped_in_pointers() -> None:
    """RFC 6901, section 3."""
    form = form_of({"properties": {"a/b~c": {"type": "string"}}})
    merged = merge(form, [PageValue(PageText(1, "x"), {"a/b~c": "x"})])
    assert list(merged.evidence) == ["/a~1b~0c"]


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (one_field("string", format="date"), "tomorrow"),
        (one_field("string", pattern="^A"), "B"),
        (one_field("number", minimum=1), 0),
        (one_field("integer"), 1.5),
        (one_field("string"), ""),
        (one_field("string"), " \n"),
        (one_field("string", enum=["a"]), "b"),
    ],
)
def test_values_that_the_callers_schema_does_not_allow_are_left_out(schema: dict[str, Any], answer: Any) -> None:
    """Such a value counts as none."""
    form = form_of(schema)
    assert clean(form, {"it": answer}) is None
    assert merge(form, []).value == {"it": None}


@given(
    st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=3), st.lists, max_leaves=5)
)
def test_any_answer_of_a_model_is_merged(answer: Any) -> None:
    """A value of the wrong shape is left out, and is not an error."""
    for each in (answer, {"items": answer, "seller": answer}, {"items": [answer], "number": answer}):
        cleaned = clean(FORM, each)
        merged = merge(FORM, [] if cleaned is None else [PageValue(PageText(1, "x"), cleaned)])
        jsonschema.validate(merged.value, {"required": ["number", "total", "paid", "seller", "items"]})
        assert set(merged.value["seller"]) == {"name", "town"}
