"""Which field a goal asks for, asked of a scripted model."""

from __future__ import annotations

from typing import Any

import pytest

from operations.llm import connect
from operations.tools import fields
from operations.tools.goal import Goal
from tests.apps.llm_fake import Fake, Reply, chunk, fake_model, finish, outcome, problem, text

from .test_relevant import TICKET
from .test_support import TODAY, observations

GOAL = Goal("who's dealing with ticket 4711", TODAY)
FIELDS = {"subject": "Printer", "assigned_to": "Ida Moss"}


def said(word: str, **odds: float) -> Reply:
    """A yes or a no, with the logarithms of their probabilities if there are any."""
    likeliest = [{"token": token, "logprob": odd} for token, odd in odds.items()]
    logprobs = {"content": [{"token": word, "logprob": 0.0, "top_logprobs": likeliest}]} if odds else None
    return Reply(chunk({"choices": [{"delta": {"content": word}, "logprobs": logprobs}]}), finish())


def asked(monkeypatch: pytest.MonkeyPatch, *replies: Reply) -> tuple[Any, Fake, dict[str, int]]:
    """The field, the server, and what was counted."""
    usage = {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0}
    with fake_model(*replies) as fake:
        monkeypatch.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        asker = fields.Asker(outcome(connect()), usage)
        name = outcome(asker.field(GOAL.text, FIELDS))
        if name:
            assert outcome(asker.field(GOAL.text, FIELDS)) == name
        return name, fake, usage


def test_the_fields_of_a_goal() -> None:
    """What the goal says itself, and long texts, are not among them."""
    call = (*TICKET[:2], {**TICKET[2], "log": "line\n" * 100, "room": {"name": "B4"}})
    found = fields.fields_of(GOAL, observations(call))
    assert found == {
        "subject": "Printer",
        "opened": "2026-03-01",
        "assigned_to": "Ida Moss",
        "priority": 2,
        "room.name": "B4",
    }


YES, NO = said("yes", yes=-0.2, no=-1.7), said("no", yes=-1.7, no=-0.2)


def test_a_field_that_the_model_is_sure_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked of each field whether that says it, once: by how much likelier a yes is than a no."""
    name, fake, usage = asked(monkeypatch, NO, YES)
    subject, assigned = fake.requests
    assert (name, usage["calls"]) == ("assigned_to", 2)
    assert subject["messages"][-1]["content"] == f"Question: {GOAL.text}\nField: subject = Printer"
    assert assigned["messages"][-1]["content"] == f"Question: {GOAL.text}\nField: assigned_to = Ida Moss"
    assert (assigned["logprobs"], assigned["top_logprobs"]) == (True, fields.LIKELIEST)


@pytest.mark.parametrize(
    "replies",
    [[NO, said("yes", yes=-0.6, no=-0.8)], [said("no")], [said("yes")], [Reply(text("?"), finish())]],
    ids=["hardly likelier", "a no without probabilities", "two without probabilities", "another form"],
)
def test_a_field_that_the_model_is_not_sure_of(monkeypatch: pytest.MonkeyPatch, replies: list[Reply]) -> None:
    """It is none; a server without probabilities is believed."""
    assert asked(monkeypatch, *replies)[0] is None
    assert asked(monkeypatch, said("No"), said("Yes."))[0] == "assigned_to"


def test_a_server_that_fails_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on with what it has."""
    assert asked(monkeypatch, problem(401, "no key"))[0] is None
    assert asked(monkeypatch, YES, problem(404, "no such model"))[0] is None
