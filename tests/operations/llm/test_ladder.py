"""Servers that take less than the API has: what is sent next, and what is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import stamina

from operations.llm import Model, fill, user
from operations.llm.connection import client
from streaming import OperationError
from tests.apps.llm_fake import Fake, Reply, fake_model, finish, outcome, problem, text

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
YES = Reply(text('{"age": 31}'), finish())


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Retries do not wait."""
    stamina.set_testing(True, attempts=3)
    yield
    stamina.set_testing(False)


def ask(fake: Fake, name: str = "fake-1", **options: Any) -> Any:
    """The answer to a question with a schema, a limit and a temperature."""
    model = Model(name, client(fake.url, "key-1", 10.0, loopback=True))
    return outcome(fill(model, [user("Is it?")], SCHEMA, max_tokens=9, **options))[0]


def formats(fake: Fake) -> list[str]:
    """How each request asked for JSON."""
    return [(each.get("response_format") or {"type": "words"})["type"] for each in fake.requests]


def plain(body: bytes, status: int = 400) -> Reply:
    """An error whose body is no JSON."""
    return Reply(body, status=status, headers={"Content-Type": "text/plain"})


NO_SCHEMA = [
    problem(400, "This response_format type is unavailable now", type="invalid_request_error", param=None),  # DeepSeek
    problem(400, "Invalid parameter", param="response_format.json_schema.schema"),
    problem(422, "Extra inputs are not permitted: body.response_format"),
    problem(400, "no"),
    plain(b"Bad Request"),
    plain(b"json_schema is not supported", 422),
    plain(b""),
    Reply(
        b'{"detail": [{"loc": ["body", "response_format", "type"]}]}',
        status=422,
        headers={"Content-Type": "application/json"},
    ),
]


@pytest.mark.parametrize("refusal", NO_SCHEMA)
def test_a_refused_schema_steps_down_to_json_and_then_to_words(refusal: Reply) -> None:
    """Whether the error names the parameter, one deeper, or none; what was taken is asked for at once the next time."""
    with fake_model(refusal, YES) as fake:
        assert ask(fake) == {"age": 31}
        assert formats(fake) == ["json_schema", "json_object"]
        assert '"age"' in fake.requests[-1]["messages"][0]["content"]
        assert fake.requests[-1]["temperature"] == 0.0
        assert ask(fake) == {"age": 31}
        assert formats(fake)[2:] == ["json_object"]
        ask(fake, "fake-2")
        assert formats(fake)[3:] == ["json_schema"], "another model of the server may take it"
    with fake_model(refusal, refusal, YES) as fake:
        assert (ask(fake), ask(fake)) == ({"age": 31}, {"age": 31})
        assert formats(fake) == ["json_schema", "json_object", "words", "words"]


def test_an_error_that_names_nothing_may_be_about_another_parameter() -> None:
    """The schema is kept if the request is taken without the others."""
    no = problem(400, "no")
    with fake_model(no, no, no, YES) as fake:
        ask(fake)
        ask(fake)
    assert formats(fake) == ["json_schema", "json_object", "words", "json_schema", "json_schema"]
    for request in fake.requests[-2:]:
        assert request["max_completion_tokens"] == 9
        assert not {"temperature", "stream_options", "max_tokens"} & set(request)


@pytest.mark.parametrize("param", ["temperature", "body.temperature.0"])
def test_a_parameter_that_is_named_is_dropped_alone(param: str) -> None:
    """Everything else stays."""
    with fake_model(problem(422, "no", param=param), YES) as fake:
        ask(fake)
    first, second = fake.requests
    assert {name: each for name, each in first.items() if name != "temperature"} == second


def test_a_system_message_stays_the_only_one() -> None:
    """Some servers take no second one."""
    with fake_model(problem(400, "no"), YES) as fake:
        model = Model("fake-1", client(fake.url, "key-1", 10.0, loopback=True))
        outcome(fill(model, [{"role": "system", "content": "Be brief."}, user("Is it?")], SCHEMA))
    roles = [message["role"] for message in fake.requests[-1]["messages"]]
    assert roles == ["system", "user"]
    assert fake.requests[-1]["messages"][0]["content"].startswith("Be brief.")


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (
            problem(400, "maximum context length is 10 tokens", code="context_length_exceeded"),
            "model_context_too_small",
        ),
        (plain(b"the prompt is too long for the context window"), "model_context_too_small"),
        (problem(400, "filtered", code="content_filter"), "model_refused"),
        (problem(404, "no such model"), "model_refused"),
        (problem(401, "no key"), "model_refused"),
    ],
)
def test_other_errors_degrade_nothing(refusal: Reply, code: str) -> None:
    """One request is made, and the next one asks for everything."""
    with fake_model(refusal, YES) as fake:
        with pytest.raises(OperationError) as failure:
            ask(fake)
        assert (failure.value.code, len(fake.requests)) == (code, 1)
        ask(fake)
        assert formats(fake) == ["json_schema", "json_schema"]


def test_a_step_that_was_not_taken_is_not_remembered() -> None:
    """A server that refuses everything is asked some times, and from the top the next time."""
    with fake_model(problem(400, "no")) as fake:
        with pytest.raises(OperationError, match="model_refused"):
            ask(fake)
        first = len(fake.requests)
        assert first <= 6
        fake.replies = [YES]
        ask(fake)
        assert formats(fake)[first:] == ["json_schema"]
