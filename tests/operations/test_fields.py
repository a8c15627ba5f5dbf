"""The fields of `extract`: the form, what a model is asked, and what is made of what it wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from operations import fields, filling
from operations.extract import FIELDS, TIMEOUT, Extract, extract
from operations.fields import Found, form_of
from operations.occurs import PageText
from streaming import Event, OperationError, Upload
from tests import pdfs
from tests.apps.llm_fake import Fake, Reply, fake_model, finish, outcome, problem, text

INVOICE = {
    "type": "object",
    "properties": {
        "number": {"type": "string"},
        "total": {"type": "number"},
        "paid": {"type": "boolean"},
        "seller": {"type": "object", "properties": {"name": {"type": "string"}, "town": {"type": "string"}}},
        "items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
}
FORM = form_of(INVOICE)


# --- the form --------------------------------------------------------------------------------------------------------


def value(kind: str, **more: Any) -> dict[str, Any]:
    """The schema of an object with one field, `it`."""
    return {"type": "object", "properties": {"it": {"type": kind, **more}}}


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
        value("array"),
        value("object"),
        {"properties": {"it": {"$ref": "#/$defs/no"}}},
        {"properties": {"it": {"$ref": "https://example.org/schema"}}},
        {"properties": {"it": {"$ref": "#"}}},
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "properties": {"it": {"$ref": "#/$defs/a"}}},
        {"properties": {"it": {"anyOf": [{"type": "string"}, {"type": "number"}]}}},
        {"properties": {"it": {"type": ["string", "number"]}}},
        {"properties": {f"it{number}": {"type": "string"} for number in range(fields.MOST_FIELDS + 1)}},
    ],
)
def test_what_describes_no_form_is_refused_under_its_fields_name(schema: Any) -> None:
    """Before the run, with a sentence for the schema's author."""
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
    """An order, as somebody would write it in Python."""

    number: str
    lines: list[Line] = []


def test_a_models_own_schema_is_a_form() -> None:
    """References are followed, and what may be null is a field like any other."""
    schema = fields.page_schema(form_of(Order.model_json_schema()))
    assert schema["properties"]["lines"]["items"]["properties"]["price"] == {
        "anyOf": [{"type": "number"}, {"type": "null"}]
    }


def test_forms_send_the_schema_as_text() -> None:
    """JSON in a text field is read; what is no JSON is refused, and nothing at all is left out."""
    file = Upload(Path("x"), "x", "", 1)
    assert Extract.model_validate({"file": file, "fields": json.dumps(FIELDS)}).fields == FIELDS
    assert Extract.model_validate({"file": file, "fields": " "}).fields is None
    with pytest.raises(ValidationError, match="no JSON"):
        Extract.model_validate({"file": file, "fields": "{"})


# --- what the model is asked -----------------------------------------------------------------------------------------


def test_the_page_schema_is_strict_and_everything_may_be_null() -> None:
    """Every name is required, none else is allowed, and an empty page satisfies it."""
    schema = fields.page_schema(FORM)
    empty: dict[str, Any] = {"number": None, "total": None, "paid": None, "seller": None, "items": []}
    jsonschema.validate(empty, schema)
    assert schema["required"] == list(empty)
    assert schema["additionalProperties"] is False
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**empty, "total": "1"}, schema)
    assert "maxItems" not in json.dumps(schema)
    assert "maxItems" in json.dumps(fields.page_schema(FORM, bounded=True))


def test_what_not_every_server_takes_is_not_sent() -> None:
    """Formats, patterns and bounds are checked afterwards."""
    form = form_of(value("string", format="date", pattern="^2", minLength=3, enum=["2026-01-01"], title="x"))
    [sent, _] = fields.page_schema(form)["properties"]["it"]["anyOf"]
    assert sent == {"type": "string", "enum": ["2026-01-01"]}


def test_the_model_is_told_the_page_and_the_fields() -> None:
    """Each value with its path, its type and what it means."""
    form = form_of(
        {"properties": {"a": {"type": "array", "items": INVOICE}, "due": {"type": "string", "description": "By when"}}}
    )
    told = fields.messages(form, 3, "Due at once")[-1]["content"]
    assert all(
        part in told for part in ("Page 3", "Due at once", "- due (string) By when", "- a[].seller.town (string)")
    )


@given(st.text(alphabet="ab \n", max_size=200), st.integers(1, 50))
def test_long_pages_are_cut_at_lines_and_words(page: str, most: int) -> None:
    """No piece is too long, and no character but blanks at the cuts is lost."""
    cut = fields.pieces(page, most)
    assert all(0 < len(piece) <= most for piece in cut)
    assert "".join("".join(cut).split()) == "".join(page.split())


# --- whether a value stands there ------------------------------------------------------------------------------------

PAGE = PageText(
    1,
    "Invoice No. 2026\u20110042 of 23 November 2026, due 2026-12-03\nEXAMPLE  Works\nLtd. \u2018Mill\u2019 Lane 12\n"
    "Total: 1,651.00 EUR (incl. 19 % VAT)\nBalance: -250.5\nSumme 1.234,50 / 12 345,6\nJan. 5th, 2027 7/8/2026 0.125",
)


STANDING: tuple[Any, ...] = (
    *(
        "2026-0042",
        "example works ltd",
        "Example Works\nLtd.",
        "'Mill' Lane",
        "No.",
        "1,651.00",
        "1651",
        "1651.0",
        "EUR",
    ),
    *(1651, 1651.0, 19, 12, -250.5, 250.5, 1234.5, 12345.6, 0.125, 2026),
    *("2026-11-23", "2026-12-03", "2027-01-05", "2026-08-07", "2026-07-08"),
)
MISSING: tuple[Any, ...] = (
    *("2026-00", "Work", "xample", "Mill Street", "", " ", "165", "651.001", "--"),
    *(165, 1, 651.5, -19, 2500, 1651.01, 10**30, 1e-9),
    *("2026-11-24", "2026-13-45", "2027-11-23"),
    *(True, False, None, [], {}),
)


@pytest.mark.parametrize("value", STANDING)
def test_a_value_that_stands_on_the_page_is_found(value: Any) -> None:
    """However the page writes it: case, blanks, dashes, separators and dates."""
    assert PAGE.has(value)


@pytest.mark.parametrize("value", MISSING)
def test_a_value_that_does_not_stand_there_is_not(value: Any) -> None:
    """Parts of words and of numbers are other words and numbers, and a judgement stands nowhere."""
    assert not PAGE.has(value)


@given(st.text(), st.text())
def test_any_text_may_be_looked_for(page: str, value: str) -> None:
    """Whatever a page holds and a model writes, there is an answer."""
    assert PageText(1, page).has(value) in (True, False)


@given(st.integers(-(10**12), 10**12), st.sampled_from(["{:,}", "{:_}", "{}"]))
def test_numbers_are_found_as_people_write_them(number: int, written: str) -> None:
    """With separators of thousands of any kind, or none."""
    on_page = written.format(number).replace("_", " ")
    assert PageText(1, f"Total: {on_page} EUR").has(number)


# --- merging ---------------------------------------------------------------------------------------------------------


def found(*pages: tuple[int, str, Any]) -> list[Found]:
    """What a model gave for some pages: number, text, value."""
    return [Found(PageText(number, page), fields.clean(FORM, given)) for number, page, given in pages]


def test_values_carry_the_pages_that_they_are_from() -> None:
    """Scalars by their pointer, list items one by one, and in one instance of the schema."""
    merged = fields.merge(
        FORM,
        found(
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
    assert fields.unverified(merged.evidence) == ["/total"]


def test_a_verified_value_wins_over_one_that_is_not() -> None:
    """Then the one of more pages, then the first; what lost is named."""
    merged = fields.merge(
        FORM,
        found((1, "", {"number": "A"}), (2, "", {"number": "A"}), (3, "B", {"number": "B"}), (4, "C", {"number": "C"})),
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
    merged = fields.merge(form, [Found(PageText(1, "x"), {"a/b~c": "x"})])
    assert list(merged.evidence) == ["/a~1b~0c"]


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        (value("string", format="date"), "tomorrow"),
        (value("string", pattern="^A"), "B"),
        (value("number", minimum=1), 0),
        (value("integer"), 1.5),
        (value("string"), ""),
        (value("string"), " \n"),
        (value("string", enum=["a"]), "b"),
    ],
)
def test_what_the_callers_schema_does_not_allow_is_left_out(schema: dict[str, Any], given: Any) -> None:
    """A value that breaks it is no value."""
    form = form_of(schema)
    assert fields.clean(form, {"it": given}) is None
    assert fields.merge(form, []).value == {"it": None}


@given(
    st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=3), st.lists, max_leaves=5)
)
def test_whatever_a_model_writes_is_merged(given: Any) -> None:
    """A value of the wrong shape is left out, and never an error."""
    for written in (given, {"items": given, "seller": given}, {"items": [given], "number": given}):
        cleaned = fields.clean(FORM, written)
        merged = fields.merge(FORM, [] if cleaned is None else [Found(PageText(1, "x"), cleaned)])
        jsonschema.validate(merged.value, {"required": ["number", "total", "paid", "seller", "items"]})
        assert set(merged.value["seller"]) == {"name", "town"}


# --- with a model ----------------------------------------------------------------------------------------------------


def answers(*values: Any) -> list[Reply]:
    """A model's answers, one after the other."""
    return [Reply(text(json.dumps(each)), finish(prompt=100, completion=20)) for each in values]


def fill(fake: Fake, pages: Sequence[str], schema: dict[str, Any] = INVOICE) -> tuple[list[Event], dict[str, Any]]:
    """What is said and found on pages of these texts."""
    events: list[Event] = []
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        result = outcome(filling.Filling(schema).filled(enumerate(pages, 1)), events.append)
    return events, result


def test_pages_are_filled_one_by_one() -> None:
    """A partial for each page with text, progress by pages, and the whole with evidence, model and usage."""
    with fake_model(*answers({"number": "42"}, {"number": "42", "total": 9})) as fake:
        events, result = fill(fake, ["No. 42", " ", "42 again"])
    partials = [event.data for event in events if event.name == "partial"]
    assert [(told["key"], told["value"]["page"], told["value"]["unverified"]) for told in partials] == [
        ("fields-1", 1, []),
        ("fields-3", 3, ["/total"]),
    ]
    done = [event.data["done"] for event in events if event.data.get("step") == "fields"]
    assert (done, {event.data["total"] for event in events if event.name == "progress"}) == ([0, 1, 2], {2})
    assert result == {
        "fields": {"number": "42", "total": 9, "paid": None, "seller": {"name": None, "town": None}, "items": []},
        "evidence": {"/number": {"pages": [1, 3], "verified": True}, "/total": {"pages": [3], "verified": False}},
        "unverified": ["/total"],
        "incomplete": [],
        "model": "fake-1",
        "usage": {"prompt_tokens": 200, "completion_tokens": 40},
    }
    assert ["No. 42" in request["messages"][-1]["content"] for request in fake.requests] == [True, False]
    assert fake.requests[0]["response_format"]["json_schema"]["schema"] == fields.page_schema(FORM)


def test_a_page_that_does_not_fit_goes_in_pieces() -> None:
    """Halves of it, as often as that takes; all are evidence of the one page."""
    small = problem(400, "", code="context_length_exceeded")
    page = "\n".join(f"Line {number} of the page, No. {number}" for number in range(30))
    with fake_model(small, *answers({"number": "3"}, {"number": "29"})) as fake:
        _, result = fill(fake, [page])
    assert len(fake.requests) > 2
    assert result["fields"]["number"] == "3"
    assert result["evidence"]["/number"]["pages"] == [1]
    sent = "".join(re.findall(r"---\n(.*)\n---", r["messages"][-1]["content"], re.DOTALL)[0] for r in fake.requests[1:])
    assert "".join(sent.split()) == "".join(page.split())


def test_a_context_that_is_too_small_for_anything_is_told() -> None:
    """Pieces are not halved for ever."""
    with fake_model(problem(400, "", code="context_length_exceeded")) as fake:
        with pytest.raises(OperationError, match="model_context_too_small"):
            fill(fake, ["word " * 1000])
        assert len(fake.requests) < 10


def test_a_page_that_fails_costs_only_itself() -> None:
    """It is named as incomplete; where it is every page, the run fails."""
    with fake_model(Reply(text("I see no form."), finish()), *answers({"number": "42"})) as fake:
        _, result = fill(fake, ["one", "42"])
    assert (result["incomplete"], result["fields"]["number"]) == ([1], "42")
    with (
        fake_model(Reply(text("I see no form."), finish())) as fake,
        pytest.raises(OperationError, match="model_unfit"),
    ):
        fill(fake, ["one", "two"])


def test_an_answer_without_an_end_is_taken_as_far_as_it_got() -> None:
    """What is whole in it counts, and the page is named."""
    with fake_model(Reply(text('{"number": "42", "items": [{"name": "In'), finish("length"))) as fake:
        _, result = fill(fake, ["42"])
    assert (result["fields"]["number"], result["incomplete"]) == ("42", [1])


def test_a_document_without_text_asks_no_model_about_it() -> None:
    """A scan has nothing to be read from."""
    with fake_model() as fake:
        _, result = fill(fake, ["", "\n"])
        assert (fake.requests, result["evidence"]) == ([], {})


def test_the_document_is_read_as_without_fields(tmp_path: Path) -> None:
    """The same pages and the same result, and the fields beside it; without `fields` no model is asked."""
    path = tmp_path / "upload"
    path.write_bytes(pdfs.invoice())
    file = Upload(path, "invoice.pdf", "application/pdf", path.stat().st_size)
    given = {"invoice_number": "2026-0042", "date": "2026-11-23", "total": 1651}
    with fake_model(*answers(given)) as fake, pytest.MonkeyPatch.context() as settings:
        settings.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        plain = outcome(extract.fn(Extract(file=file)))
        assert fake.requests == []
        filled = outcome(extract.fn(Extract(file=file, fields=FIELDS)))
    assert {name: filled[name] for name in plain} == plain
    assert filled["fields"] == given
    assert filled["unverified"] == []


def test_a_model_has_more_time_than_the_document_alone() -> None:
    """Reading a PDF is held to minutes also by the service, a model takes its seconds for each page."""
    file = Upload(Path("x"), "x", "", 1)
    assert extract.time_limit(Extract(file=file)) == TIMEOUT
    assert (extract.time_limit(Extract(file=file, fields=FIELDS)) or 0) > TIMEOUT
