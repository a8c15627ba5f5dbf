"""`FormFiller` with a scripted model, alone and inside `extract`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from operations.extract import FIELDS, TIMEOUT, Extract, extract
from operations.form.filler import FormFiller
from operations.form.prompt import page_schema
from operations.pdf.content import ExtractResult
from streaming import Event, OperationError, Upload
from tests import pdfs
from tests.apps.llm_fake import Fake, Reply, fake_model, finish, outcome, problem, text
from tests.operations.form.invoice import FORM, INVOICE


def answers(*values: Any) -> list[Reply]:
    """Replies with these answers, one after the other."""
    return [Reply(text(json.dumps(each)), finish(prompt=100, completion=20)) for each in values]


def fill(fake: Fake, pages: Sequence[str], schema: dict[str, Any] = INVOICE) -> tuple[list[Event], dict[str, Any]]:
    """The events and the result for pages of these texts."""
    events: list[Event] = []
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        result = outcome(FormFiller(schema).fill(enumerate(pages, 1)), events.append)
    return events, result


def test_pages_are_filled_one_by_one() -> None:
    """Each page with text gives a partial and progress; the result has evidence, model and usage."""
    with fake_model(*answers({"number": "42"}, {"number": "42", "total": 9})) as fake:
        events, result = fill(fake, ["No. 42", " ", "42 again"])
    partials = [event.data for event in events if event.name == "partial"]
    assert [(each["key"], each["value"]["page"], each["value"]["unverified"]) for each in partials] == [
        ("fields-1", 1, []),
        ("fields-3", 3, ["/total"]),
    ]
    done = [event.data["done"] for event in events if event.data.get("step") == "fields"]
    assert (done, {event.data["total"] for event in events if event.name == "progress"}) == ([0, 1, 2], {2})
    assert result == {
        "fields": {"number": "42", "total": 9, "paid": None, "seller": {"name": None, "town": None}, "items": []},
        "evidence": {"/number": {"pages": [1, 3], "verified": True}, "/total": {"pages": [3], "verified": False}},
        "unverified": ["/total"],
        "not_understood": {},
        "incomplete": [],
        "model": {"name": "fake-1", "demonstration": False},
        "usage": {"prompt_tokens": 200, "completion_tokens": 40},
    }
    assert ["No. 42" in request["messages"][-1]["content"] for request in fake.requests] == [True, False]
    assert fake.requests[0]["response_format"]["json_schema"]["schema"] == page_schema(FORM)


def test_a_page_that_does_not_fit_is_sent_in_pieces() -> None:
    """It is halved until the pieces fit; all are evidence of the one page."""
    small = problem(400, "", code="context_length_exceeded")
    page = "\n".join(f"Line {number} of the page, No. {number}" for number in range(30))
    with fake_model(small, *answers({"number": "3"}, {"number": "29"})) as fake:
        _, result = fill(fake, [page])
    assert len(fake.requests) > 2
    assert result["fields"]["number"] == "3"
    assert result["evidence"]["/number"]["pages"] == [1]
    sent = "".join(re.findall(r"---\n(.*)\n---", r["messages"][-1]["content"], re.DOTALL)[0] for r in fake.requests[1:])
    assert "".join(sent.split()) == "".join(page.split())


def test_a_context_that_is_too_small_for_any_piece() -> None:
    """The run fails; pieces are not halved for ever."""
    with fake_model(problem(400, "", code="context_length_exceeded")) as fake:
        with pytest.raises(OperationError, match="model_context_too_small"):
            fill(fake, ["word " * 1000])
        assert len(fake.requests) < 10


def test_a_prompt_that_the_server_cuts_without_an_error_is_sent_in_pieces() -> None:
    """The tokens that it counts tell; the next page begins with pieces of the size that was read."""
    page = "\n".join(f"Line {number} of the page, No. {number}, has a few words" for number in range(100))
    cut, read = ([Reply(text(json.dumps({"number": n})), finish(prompt=t))] for n, t in (("wrong", 256), ("99", 2000)))
    with fake_model(*cut, *read) as fake:
        _, result = fill(fake, [page, "No. 99\n" + page])
    assert (result["fields"]["number"], result["incomplete"]) == ("99", [])
    sizes = [len(request["messages"][-1]["content"]) for request in fake.requests]
    assert max(sizes[1:]) < 0.6 * sizes[0]


def test_a_page_of_which_no_piece_is_read_is_incomplete() -> None:
    """A server whose context has no room for the form reads a part of every piece; other pages count."""
    form = {"properties": {f"field_{n}": {"type": "string", "description": "some words " * 6} for n in range(50)}}
    cut, read = (Reply(text('{"field_1": "42"}'), finish(prompt=tokens)) for tokens in (256, 2000))
    with fake_model(read, *[cut] * 9) as fake:
        _, result = fill(fake, ["42", "word " * 400], form)
    assert (result["fields"]["field_1"], result["incomplete"]) == ("42", [2])
    with fake_model(cut) as fake, pytest.raises(OperationError, match="model_context_too_small"):
        fill(fake, ["word " * 400], form)
    assert len(fake.requests) < 8


def test_a_page_that_fails_does_not_fail_the_run() -> None:
    """The result lists it as incomplete; if every page fails, the run does."""
    with fake_model(Reply(text("I see no form."), finish()), *answers({"number": "42"})) as fake:
        _, result = fill(fake, ["one", "42"])
    assert (result["incomplete"], result["fields"]["number"]) == ([1], "42")
    with (
        fake_model(Reply(text("I see no form."), finish())) as fake,
        pytest.raises(OperationError, match="model_unfit"),
    ):
        fill(fake, ["one", "two"])


def test_the_complete_values_of_an_answer_that_is_cut_off_count() -> None:
    """The result lists the page as incomplete."""
    with fake_model(Reply(text('{"number": "42", "items": [{"name": "In'), finish("length"))) as fake:
        _, result = fill(fake, ["42"])
    assert (result["fields"]["number"], result["incomplete"]) == ("42", [1])


def test_a_document_without_text_asks_no_model_about_it() -> None:
    """The model gets no request for a scan."""
    with fake_model() as fake:
        _, result = fill(fake, ["", "\n"])
        assert (fake.requests, result["evidence"]) == ([], {})


def test_fields_do_not_change_how_the_document_is_read(tmp_path: Path) -> None:
    """The result has the same pages, with the fields beside them; without `fields` no model is asked."""
    path = tmp_path / "upload"
    path.write_bytes(pdfs.invoice())
    file = Upload(path, "invoice.pdf", "application/pdf", path.stat().st_size)
    answer = {"invoice_number": "2026-0042", "date": "2026-11-23", "total": 1651}
    with fake_model(*answers(answer)) as fake, pytest.MonkeyPatch.context() as settings:
        settings.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        plain = outcome(extract.fn(Extract(file=file)))
        assert fake.requests == []
        filled = outcome(extract.fn(Extract(file=file, fields=FIELDS)))
    assert {name: filled[name] for name in plain} == plain
    assert TypeAdapter(ExtractResult).validate_python(filled) == filled, "it is of the declared type"
    assert filled["fields"] == answer
    assert filled["unverified"] == []


def test_a_run_with_fields_has_more_time() -> None:
    """Reading a PDF takes minutes at most, and a model some seconds for each page."""
    file = Upload(Path("x"), "x", "", 1)
    assert extract.time_limit(Extract(file=file)) == TIMEOUT
    assert (extract.time_limit(Extract(file=file, fields=FIELDS)) or 0) > TIMEOUT


def test_what_was_not_understood_is_kept_for_the_next_attempt() -> None:
    """It is in the checkpoint after its page, and in the result of the attempt that goes on from there."""
    states: list[str] = []

    def keep(state: Any) -> Iterator[Event]:
        states.append(json.dumps(state))
        yield from ()

    pages = list(enumerate(["No. 42", "No. 42 again"], 1))
    replies = answers({"total": "many", "number": "42"}, {"number": "42"}, {"number": "42"})
    with fake_model(*replies) as fake, pytest.MonkeyPatch.context() as settings:
        settings.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        whole = outcome(FormFiller(INVOICE).fill(pages, keep=keep), lambda _: None)
        rest = outcome(FormFiller(INVOICE).fill(pages, kept=json.loads(states[0])), lambda _: None)
    assert rest["not_understood"] == whole["not_understood"] == {"/total": "many"}
    assert rest["fields"] == whole["fields"]
