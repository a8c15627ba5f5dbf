"""`think` with each kind of model: how it separates the thoughts from the answer."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import pytest
from pydantic import ValidationError

import operations.think
from operations.think import ThinkInput, think
from streaming import OperationError
from tests.apps.llm_fake import Fake, Reply, fake_model, finish, outcome, problem, said, text
from tests.clients import wait_until

PROMPT = "What is two and two?"
SEPARATE = Reply(
    said(reasoning_content="Two, "), said(reasoning="and two."), text("Fo", "ur."), finish(prompt=9, completion=8)
)
TAGS = Reply(text("<thi", "nk>\nTwo, ", "and two.</th", "ink>\n\nFo", "ur."), finish())
END_TAG = Reply(text("Two, ", "and two.</think>", "\n\nFour."), finish())
PLAIN = Reply(text("Four."), text(" It is."), finish(prompt=20, completion=4))
THOUGHTS = Reply(text("Two, ", "and two."), finish(prompt=30, completion=6))


@pytest.fixture(autouse=True)
def _forget_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modes of models are not known."""
    monkeypatch.setattr(operations.think, "modes", {})
    for name in ("API_KEY", "MODEL", "TIMEOUT"):
        monkeypatch.delenv(f"HEADWAY_LLM_{name}", raising=False)


class ThinkRun:
    """One run: its events and its result."""

    def __init__(self, fake: Fake, **input: Any) -> None:
        self.events: list[Any] = []
        with pytest.MonkeyPatch.context() as settings:
            settings.setenv("HEADWAY_LLM_BASE_URL", fake.url)
            self.result = outcome(think.fn(ThinkInput(**{"prompt": PROMPT, **input})), self.events.append)

    def channel(self, name: str) -> str:
        """The text of a channel."""
        return "".join(event.data["text"] for event in self.events if event.data.get("channel") == name)

    @property
    def order(self) -> list[str]:
        """The channels and steps of the events, in order and once each."""
        shown = [event for event in self.events if event.name != "usage"]
        names = [event.data.get("channel") or event.data.get("step") for event in shown]
        return list(dict.fromkeys(names))


@pytest.mark.parametrize("reply", [SEPARATE, TAGS], ids=["separate", "in tags"])
def test_a_model_that_thinks_by_itself_is_called_once(reply: Reply) -> None:
    """Its thoughts come first, on their own channel, and it gets the question unchanged."""
    with fake_model(reply) as fake:
        run = ThinkRun(fake, max_thinking_tokens=30, max_tokens=12)
    assert (run.channel("thinking"), run.channel("text")) == ("Two, and two.", "Four.")
    assert run.order == ["thinking", "text"]
    assert (run.result["thinking"], run.result["text"]) == ("Two, and two.", "Four.")
    [request] = fake.requests
    assert request["messages"] == [{"role": "user", "content": PROMPT}]
    assert request["max_tokens"] == 42
    assert run.result["finish_reason"] == "stop"


def test_the_result_has_usage_model_and_reason() -> None:
    """Tokens are those that the server reports, or None."""
    with fake_model(SEPARATE) as fake:
        used = {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17, "calls": 1}
        assert ThinkRun(fake).result == {
            "text": "Four.",
            "thinking": "Two, and two.",
            "model": {"name": "fake-1", "demonstration": False},
            "finish_reason": "stop",
            "usage": used,
        }
    cut = Reply(said(reasoning="Two"), text("Fo"), finish("length").split(b"\n\n")[0] + b"\n\n")
    with fake_model(cut) as fake:
        result = ThinkRun(fake).result
    assert result["finish_reason"] == "length"
    assert result["usage"] == {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None, "calls": 1}


def test_a_model_that_does_not_think_is_asked_to_first() -> None:
    """Two calls: one for thoughts, and one with these thoughts for the answer. Its first reply is not used."""
    with fake_model(PLAIN, THOUGHTS, PLAIN) as fake:
        run = ThinkRun(fake, max_thinking_tokens=30, max_tokens=12)
    assert (run.channel("thinking"), run.channel("text")) == ("Two, and two.", "Four. It is.")
    _, first, second = fake.requests
    assert (first["max_tokens"], second["max_tokens"]) == (30, 12)
    assert PROMPT in first["messages"][-1]["content"]
    assert [said["role"] for said in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][1]["content"] == "Two, and two."
    assert PROMPT in second["messages"][2]["content"]
    used = {"prompt_tokens": 50, "completion_tokens": 10, "total_tokens": 60, "calls": 2}
    assert run.result["usage"] == used


def test_the_mode_of_a_model_is_remembered() -> None:
    """The second question uses the right calls at once; another model is tried again."""
    with fake_model(PLAIN, THOUGHTS, PLAIN, THOUGHTS, PLAIN, TAGS) as fake:
        ThinkRun(fake)
        assert ThinkRun(fake).result["text"] == "Four. It is."
        assert len(fake.requests) == 5
        fake.models = ["another"]
        assert ThinkRun(fake).result["thinking"] == "Two, and two."


def test_the_first_call_is_cut_off_if_the_model_does_not_think() -> None:
    """The server stops writing an answer that nobody will see."""
    endless = Reply(text("Four."), text(" It is."), silence=30)
    with fake_model(endless, THOUGHTS, PLAIN) as fake:
        assert ThinkRun(fake).result["text"] == "Four. It is."
        wait_until(lambda: fake.left, "the server sees the disconnect")


def test_a_model_that_writes_only_the_closing_tag() -> None:
    """The template contains the opening tag. After the first question, one call is enough."""
    with fake_model(END_TAG) as fake:
        first, second = ThinkRun(fake), ThinkRun(fake)
    assert (first.result["text"], second.result["text"]) == ("Four.", "Four.")
    assert (second.result["thinking"], second.result["usage"]["calls"]) == ("Two, and two.", 1)
    assert first.channel("thinking").startswith("Two, and two.")
    assert "</think>" not in first.channel("thinking") + first.channel("text")
    assert len(fake.requests) == 4


def test_such_a_model_that_never_stops_thinking_is_asked_for_its_answer() -> None:
    """After thoughts without a closing tag, a second call asks for the answer."""
    with fake_model(END_TAG, END_TAG, END_TAG, THOUGHTS, Reply(text("</think>Four."), finish())) as fake:
        ThinkRun(fake)
        assert ThinkRun(fake).result["text"] == "Four."


def test_a_conversation_goes_before_the_prompt() -> None:
    """The messages are sent unchanged and in order, and the prompt is the last one."""
    conversation = [
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello!"},
    ]
    with fake_model(SEPARATE) as fake:
        ThinkRun(fake, messages=conversation, temperature=0.2)
    assert fake.requests[0]["messages"] == [*conversation, {"role": "user", "content": PROMPT}]
    assert fake.requests[0]["temperature"] == 0.2


def test_a_model_that_fails_fails_the_run() -> None:
    """With the code of what went wrong."""
    with fake_model(problem(401, "no")) as fake, pytest.raises(OperationError, match="model_refused"):
        ThinkRun(fake)


@pytest.mark.parametrize("status", [None, 400])
def test_the_prompt_is_not_logged(caplog: pytest.LogCaptureFixture, status: int | None) -> None:
    """At the level INFO, by whatever library, also where the server quotes it in its refusal."""
    caplog.set_level(logging.INFO)
    reply = SEPARATE if status is None else problem(status, f"messages: {PROMPT!r}")
    with fake_model(reply) as fake, contextlib.suppress(OperationError):
        ThinkRun(fake)
    assert PROMPT not in caplog.text
    assert ("the model's server: BadRequestError: 400" in caplog.text) is (status == 400)


def test_closing_a_run_stops_the_generation() -> None:
    """The connection to the model's server closes."""
    with fake_model(Reply(said(reasoning="Two"), text("Four."), silence=30)) as fake:
        with pytest.MonkeyPatch.context() as settings:
            settings.setenv("HEADWAY_LLM_BASE_URL", fake.url)
            run = think.fn(ThinkInput(prompt=PROMPT))
            assert next(run).data["step"] == "thinking"
        run.close()
        wait_until(lambda: fake.left, "the server sees the disconnect")


@pytest.mark.parametrize(
    ("input", "field"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 200_001}, "prompt"),
        ({"prompt": "x", "messages": [{"role": "robot", "content": "x"}]}, "messages"),
        ({"prompt": "x", "messages": [{"role": "user", "content": ""}]}, "messages"),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "x", "max_thinking_tokens": 10**6}, "max_thinking_tokens"),
        ({"prompt": "x", "temperature": 3}, "temperature"),
        ({"prompt": "x", "effort": "high"}, "effort"),
    ],
)
def test_invalid_input_is_reported_with_its_field(input: dict[str, Any], field: str) -> None:
    """The error names the field."""
    with pytest.raises(ValidationError) as failure:
        ThinkInput(**input)
    assert failure.value.errors()[0]["loc"][0] == field


def test_the_schema_is_enough_for_a_form() -> None:
    """Every field has a title and a description, the prompt an example, and the result has a schema."""
    description = think.describe(None)
    fields = description["input"]["properties"]
    assert all({"title", "description"} <= set(each) for each in fields.values())
    assert fields["prompt"]["examples"]
    assert set(description["result"]["properties"]) == {"text", "thinking", "model", "finish_reason", "usage"}
