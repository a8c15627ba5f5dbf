"""The answers for all pages, merged into one instance of the schema."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.form.convert import NotUnderstood, clean
from operations.form.evidence import PageText
from operations.form.merge import PageValue, merge, unverified
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
        (one_field("string", enum=["a"]), "b"),
        (one_field("number"), "about five"),
        (one_field("number"), float("nan")),
        (one_field("number"), "1.5 million"),
        (one_field("string", format="date"), "07/08/2026"),
        (one_field("boolean"), "perhaps"),
        (one_field("string"), ["a", "b"]),
    ],
)
def test_values_that_the_callers_schema_does_not_allow_are_named(schema: dict[str, Any], answer: Any) -> None:
    """Such a value counts as none, and the result says what was answered."""
    form = form_of(schema)
    merged = merge(form, [PageValue(PageText(1, ""), clean(form, {"it": answer}))])
    assert (merged.value, merged.evidence) == ({"it": None}, {})
    assert merged.not_understood == {"/it": str(answer)}


@pytest.mark.parametrize(
    "answer", ["", " \n", None, "null", "N/A", "None", "n.a.", "-", "keine Angabe", "\u65e0", [], {}]
)
def test_words_for_nothing_are_no_values(answer: Any) -> None:
    """Also where the page has the word; there is nothing to name then."""
    form = form_of(one_field("string"))
    assert clean(form, {"it": answer}) is None
    assert merge(form, []) == ({"it": None}, {}, {})


@pytest.mark.parametrize(
    ("schema", "answer", "value"),
    [
        (one_field("number"), "1651.00", 1651.0),
        (one_field("number"), "\u20ac 1.651,00", 1651.0),
        (one_field("number"), "USD 1,651", 1651),
        (one_field("number"), "12,5", 12.5),
        (one_field("number"), "1.651", 1.651),
        (one_field("number"), "(250.50)", -250.5),
        (one_field("number"), "250.50-", -250.5),
        (one_field("number"), "19 %", 19),
        (one_field("number"), "5 pcs", 5),
        (one_field("number"), {"value": 5, "unit": "EUR"}, 5),
        (one_field("number"), [5], 5),
        (one_field("integer"), 5.0, 5),
        (one_field("integer"), "5.0", 5),
        (one_field("boolean"), "Yes", True),
        (one_field("boolean"), 0, False),
        (one_field("string"), 42, "42"),
        (one_field("string"), 42.0, "42"),
        (one_field("string"), ["a"], "a"),
        (one_field("string"), " a ", "a"),
        (one_field("string"), {"text": "a"}, "a"),
        (one_field("string", enum=["Paid", "Open"]), "paid", "Paid"),
        (one_field("string", enum=["none", "some"]), "none", "none"),
        (one_field("string", format="date"), "23 November 2026", "2026-11-23"),
        (one_field("string", format="date"), "23.11.2026", "2026-11-23"),
        (one_field("string", format="date"), "11/23/2026", "2026-11-23"),
        (one_field("string", format="date"), "2026\u5e743\u670812\u65e5", "2026-03-12"),
        (one_field("string", format="date"), "2026-11-23T00:00:00Z", "2026-11-23"),
    ],
)
def test_what_fits_after_a_conversion_is_converted(schema: dict[str, Any], answer: Any, value: Any) -> None:
    """A number, a date, a word in another notation, and a value in a list or an object of its own."""
    assert clean(form_of(schema), {"it": answer}) == {"it": value}


@pytest.mark.parametrize(
    "answer",
    [
        {"invoice": {"number": "42", "items": [{"name": "Ink"}]}},
        [{"number": "42", "items": [{"name": "Ink"}]}],
        {"Number": "42", "ITEMS": {"item": [{"name": "Ink"}]}},
        {"number": ["42"], "items": {"name": "Ink"}},
        {"number": "42", "items": ["Ink"]},
    ],
)
def test_wrapped_answers_are_unwrapped(answer: Any) -> None:
    """The object of the form in another one or in a list, a list in an object, an item without its list."""
    cleaned = clean(FORM, answer)
    assert (cleaned["number"], cleaned["items"]) == ("42", [{"name": "Ink"}])


def test_an_answer_that_is_no_object_is_named() -> None:
    """At the top, and within a list."""
    assert clean(FORM, [1, 2]) == NotUnderstood("[1, 2]")
    merged = merge(FORM, values((1, "Ink", {"items": [{"name": "Ink"}, {"name": [1, 2]}]})))
    assert merged.not_understood == {"/items/1/name": "[1, 2]"}


BILL = {
    "type": "object",
    "properties": {
        **{name: {"type": "number"} for name in ("net", "tax", "total")},
        **{name: {"type": "string"} for name in ("seller", "buyer")},
        "invoice_date": {"type": "string", "format": "date"},
        "items": {"type": "array", "items": {"type": "object", "properties": {"amount": {"type": "number"}}}},
    },
}


def bill(*pages: tuple[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of a bill, and the reasons of those that are unverified."""
    form = form_of(BILL)
    answers = [PageValue(PageText(at, page), clean(form, answer)) for at, (page, answer) in enumerate(pages, 1)]
    merged = merge(form, answers)
    return merged.value, {at: merged.evidence[at].get("reason", "absent") for at in unverified(merged.evidence)}


@pytest.mark.parametrize(
    "word",
    [
        "\u00dcbertrag",
        "Carried forward",
        "\u00c0 reporter",
        "Riporto",
        "Suma y sigue",
        "Transport",
        "\u5c0f\u8ba1",
        "\u7e70\u8d8a",
    ],
)
def test_a_sum_carried_over_does_not_beat_the_total(word: str) -> None:
    """It stands on two pages, and the total on one."""
    value, reasons = bill(
        (f"Widget 1.000,00\nGadget 446,00\n{word} 1.446,00", {"total": 1446}),
        (f"{word} 1.446,00\nGizmo 100,00", {"total": 1446}),
        ("Gizmo 105,00\nGesamtbetrag 1.651,00", {"total": 1651}),
    )
    assert (value["total"], reasons) == (1651, {})


def test_without_labels_the_last_total_wins() -> None:
    """Sums stand at the end."""
    value, reasons = bill(("Widget\n1.446,00", {"total": 1446}), ("1.446,00\n1.651,00", {"total": 1651}))
    assert (value["total"], reasons) == (1651, {})


def test_a_total_alone_that_is_carried_over_is_unverified() -> None:
    """The label says that it is another sum."""
    assert bill(("\u00dcbertrag 1.446,00", {"total": 1446}))[1] == {"/total": "label"}


@pytest.mark.parametrize(
    "page",
    [
        "From: Bright Lamps LLC\n44 Elm Street\nBill to: Green Gardens Inc.\n9 Oak Ave",
        "Bright Lamps LLC\n44 Elm Street\nBill to:\nGreen Gardens Inc.\n9 Oak Ave",
        "Verk\u00e4ufer: Bright Lamps LLC\nK\u00e4ufer: Green Gardens Inc.",
        "Seller: Buyer:\nBright Lamps LLC Green Gardens Inc.",
        "\u9500\u552e\u65b9: Bright Lamps LLC\n\u8d2d\u4e70\u65b9: Green Gardens Inc.",
        "Fournisseur : Bright Lamps LLC Client : Green Gardens Inc.",
    ],
)
def test_seller_and_buyer_are_told_apart(page: str) -> None:
    """By their labels before and above them; the other way round none is verified."""
    right = {"seller": "Bright Lamps LLC", "buyer": "Green Gardens Inc."}
    assert bill((page, right))[1] == {}
    swapped = {"seller": right["buyer"], "buyer": right["seller"]}
    assert bill((page, swapped))[1] == {"/seller": "label", "/buyer": "label"}


def test_of_several_totals_that_wins_which_is_the_sum_of_its_parts() -> None:
    """Net and tax, or the items, where no label tells."""
    value, reasons = bill(
        ("120,00\n19,00", {"total": 120, "tax": 19}),
        ("100,00\n19,00\n119,00", {"total": 119, "net": 100, "tax": 19}),
        ("77,00", {"total": 77}),
    )
    assert ((value["net"], value["tax"], value["total"]), reasons) == ((100, 19, 119), {})
    items = [{"amount": 70}, {"amount": 49}]
    value, reasons = bill(("70,00 49,00\n119,00", {"total": 119, "items": items}), ("77,00", {"total": 77}))
    assert (value["total"], reasons) == (119, {})


def test_a_total_that_is_not_the_sum_of_its_parts_is_doubted() -> None:
    """Unless the page has what is between them, or the labels are clear."""
    page = "100,00\n19,00\n119,00"
    assert bill((page, {"net": 100, "tax": 19, "total": 100}))[1] == dict.fromkeys(("/net", "/tax", "/total"), "sum")
    page = "100,00\n19,00\n5,00\n124,00"
    assert bill((page, {"net": 100, "tax": 19, "total": 124}))[1] == {}
    page = "Net 100,00\nVAT 19,00\nTotal 110,00"
    assert bill((page, {"net": 100, "tax": 19, "total": 110}))[1] == {}


def test_a_tax_of_nothing_is_verified_by_the_sum() -> None:
    """Net and total are the same, and the page has no other word of it."""
    assert bill(("Net 100.00\nTotal 100.00", {"net": 100, "tax": 0, "total": 100}))[1] == {}
    assert bill(("Net 100.00\nTotal 119.00", {"net": 100, "tax": 0, "total": 119}))[1] == {"/tax": "absent"}


@pytest.mark.parametrize(
    ("page", "right", "wrong"),
    [
        (
            "Net VAT Total\n100.00 19.00 119.00",
            {"net": 100, "tax": 19, "total": 119},
            {"net": 119, "tax": 100, "total": 19},
        ),
        ("Net\nVAT\nTotal\n100.00\n19.00\n119.00", {"net": 100, "tax": 19}, {"net": 119, "tax": 100, "total": 19}),
        ("Total incl. VAT 119.00\nincl. 19 % VAT 19.00", {"total": 119, "tax": 19}, {"total": 19, "tax": 119}),
        ("VAT 19 % on 100.00 19.00", {"net": 100, "tax": 19}, {"net": 19}),
        (
            "Invoice date\nDue date\n12 Mar 2026\n11 Apr 2026",
            {"invoice_date": "2026-03-12"},
            {"invoice_date": "2026-04-11"},
        ),
    ],
)
def test_labels_above_and_before(page: str, right: dict[str, Any], wrong: dict[str, Any]) -> None:
    """In rows and columns, and with the words of two concepts."""
    assert bill((page, right))[1] == {}
    assert bill((page, wrong))[1] == {f"/{name}": "label" for name in wrong}


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
