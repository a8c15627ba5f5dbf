"""`think`, with each kind of model that there is: how its thoughts are told from its answer."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

import operations.think
from operations.think import Thought, think
from streaming import OperationError
from tests.apps.llm_fake import Fake, Reply, fake_model, finish, outcome, problem, said, text
from tests.clients import wait_until

PROMPT = "What is two and two?"
TOLD = Reply(
    said(reasoning_content="Two, "), said(reasoning="and two."), text("Fo", "ur."), finish(prompt=9, completion=8)
)
TAGGED = Reply(text("<thi", "nk>\nTwo, ", "and two.</th", "ink>\n\nFo", "ur."), finish())
CLOSED = Reply(text("Two, ", "and two.</think>", "\n\nFour."), finish())
PLAIN = Reply(text("Four."), text(" It is."), finish(prompt=20, completion=4))
THOUGHTS = Reply(text("Two, ", "and two."), finish(prompt=30, completion=6))


@pytest.fixture(autouse=True)
def _strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model is known from before."""
    monkeypatch.setattr(operations.think, "_ways", {})
    for name in ("API_KEY", "MODEL", "TIMEOUT"):
        monkeypatch.delenv(f"HEADWAY_LLM_{name}", raising=False)


class Heard:
    """Everything that one run said."""

    def __init__(self, fake: Fake, **input: Any) -> None:
        self.events: list[Any] = []
        with pytest.MonkeyPatch.context() as settings:
            settings.setenv("HEADWAY_LLM_BASE_URL", fake.url)
            self.result = outcome(think.fn(Thought(**{"prompt": PROMPT, **input})), self.events.append)

    def channel(self, name: str) -> str:
        """The deltas of a channel, joined."""
        return "".join(event.data["text"] for event in self.events if event.data.get("channel") == name)

    @property
    def order(self) -> list[str]:
        """The channels, and the steps at which they begin, in their order and once each."""
        seen = [event.data.get("channel") or event.data.get("step") for event in self.events]
        return list(dict.fromkeys(seen))


@pytest.mark.parametrize("reply", [TOLD, TAGGED], ids=["told apart", "in tags"])
def test_a_model_that_thinks_by_itself_is_called_once(reply: Reply) -> None:
    """What it thinks comes on its own channel, before the text, and the question goes to it as it was asked."""
    with fake_model(reply) as fake:
        heard = Heard(fake, max_thinking_tokens=30, max_tokens=12)
    assert (heard.channel("thinking"), heard.channel("text")) == ("Two, and two.", "Four.")
    assert heard.order == ["thinking", "text"]
    assert (heard.result["thinking"], heard.result["text"]) == ("Two, and two.", "Four.")
    [request] = fake.requests
    assert request["messages"] == [{"role": "user", "content": PROMPT}]
    assert request["max_tokens"] == 42
    assert heard.result["finish_reason"] == "stop"


def test_the_result_has_usage_model_and_reason() -> None:
    """Tokens are those that the server told, and where it tells none, none are made up."""
    with fake_model(TOLD) as fake:
        used = {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17, "calls": 1}
        assert Heard(fake).result == {
            "text": "Four.",
            "thinking": "Two, and two.",
            "model": "fake-1",
            "finish_reason": "stop",
            "usage": used,
        }
    cut = Reply(said(reasoning="Two"), text("Fo"), finish("length").split(b"\n\n")[0] + b"\n\n")
    with fake_model(cut) as fake:
        result = Heard(fake).result
    assert result["finish_reason"] == "length"
    assert result["usage"] == {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None, "calls": 1}


def test_a_model_that_does_not_think_is_asked_to_first() -> None:
    """Two calls: its thoughts, and its answer with them at hand. What it said before is not shown."""
    with fake_model(PLAIN, THOUGHTS, PLAIN) as fake:
        heard = Heard(fake, max_thinking_tokens=30, max_tokens=12)
    assert (heard.channel("thinking"), heard.channel("text")) == ("Two, and two.", "Four. It is.")
    _, first, second = fake.requests
    assert (first["max_tokens"], second["max_tokens"]) == (30, 12)
    assert PROMPT in first["messages"][-1]["content"]
    assert [said["role"] for said in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][1]["content"] == "Two, and two."
    assert PROMPT in second["messages"][2]["content"]
    used = {"prompt_tokens": 50, "completion_tokens": 10, "total_tokens": 60, "calls": 2}
    assert heard.result["usage"] == used


def test_how_a_model_thinks_is_remembered() -> None:
    """The second question goes to it as it needs it, without a try; another model is another matter."""
    with fake_model(PLAIN, THOUGHTS, PLAIN, THOUGHTS, PLAIN, TAGGED) as fake:
        Heard(fake)
        assert Heard(fake).result["text"] == "Four. It is."
        assert len(fake.requests) == 5
        fake.models = ["another"]
        assert Heard(fake).result["thinking"] == "Two, and two."


def test_a_try_that_shows_a_model_not_to_think_is_broken_off() -> None:
    """The server need not write an answer that nobody will see."""
    endless = Reply(text("Four."), text(" It is."), silence=30)
    with fake_model(endless, THOUGHTS, PLAIN) as fake:
        assert Heard(fake).result["text"] == "Four. It is."
        wait_until(lambda: fake.left, "the server sees that nobody reads on")


def test_a_model_may_write_the_closing_tag_alone() -> None:
    """Its template has written the opening one: that shows once, and from then on one call is enough."""
    with fake_model(CLOSED) as fake:
        first, second = Heard(fake), Heard(fake)
    assert (first.result["text"], second.result["text"]) == ("Four.", "Four.")
    assert (second.result["thinking"], second.result["usage"]["calls"]) == ("Two, and two.", 1)
    assert first.channel("thinking").startswith("Two, and two.")
    assert "</think>" not in first.channel("thinking") + first.channel("text")
    assert len(fake.requests) == 4


def test_such_a_model_that_thinks_on_and_on_is_asked_for_its_answer() -> None:
    """Thoughts without an end are followed by a call for the answer."""
    with fake_model(CLOSED, CLOSED, CLOSED, THOUGHTS, Reply(text("</think>Four."), finish())) as fake:
        Heard(fake)
        assert Heard(fake).result["text"] == "Four."


def test_a_conversation_goes_before_the_prompt() -> None:
    """Messages are sent as they are, in their order, and the prompt is the last of the user's."""
    said_before = [
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello!"},
    ]
    with fake_model(TOLD) as fake:
        Heard(fake, messages=said_before, temperature=0.2)
    assert fake.requests[0]["messages"] == [*said_before, {"role": "user", "content": PROMPT}]
    assert fake.requests[0]["temperature"] == 0.2


def test_a_model_that_fails_fails_the_run() -> None:
    """With the code of what went wrong."""
    with fake_model(problem(401, "no")) as fake, pytest.raises(OperationError, match="model_refused"):
        Heard(fake)


def test_closing_the_run_leaves_the_server() -> None:
    """Whoever stops the operation stops the generation at the model's server."""
    with fake_model(Reply(said(reasoning="Two"), text("Four."), silence=30)) as fake:
        with pytest.MonkeyPatch.context() as settings:
            settings.setenv("HEADWAY_LLM_BASE_URL", fake.url)
            work = think.fn(Thought(prompt=PROMPT))
            assert next(work).data["step"] == "thinking"
        work.close()
        wait_until(lambda: fake.left, "the server sees that nobody reads on")


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
def test_bad_input_is_refused_under_its_fields_name(input: dict[str, Any], field: str) -> None:
    """Before a run begins."""
    with pytest.raises(ValidationError) as refused:
        Thought(**input)
    assert refused.value.errors()[0]["loc"][0] == field


def test_the_form_can_be_made_of_the_schema() -> None:
    """Every field has a title and a description, the prompt an example, and the result is described."""
    described = think.describe(None)
    fields = described["input"]["properties"]
    assert all({"title", "description"} <= set(each) for each in fields.values())
    assert fields["prompt"]["examples"]
    assert set(described["result"]["properties"]) == {"text", "thinking", "model", "finish_reason", "usage"}
