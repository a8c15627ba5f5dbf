"""The clients of model services, straight to a service and through `relay`: they see the same, and a cut is no end.

Each test imports the client that it is of: all of them take five seconds, and every process of a run imports this.
"""

from __future__ import annotations

import functools
import json
import operator
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.apps.gateway_upstream import Call, Upstream, frame
from tests.servers import ROOT, Server, gunicorn

pytestmark = pytest.mark.live

RECORDED: Final = Path(__file__).parents[1] / "recorded"
KEY: Final = "key"
Outcome = tuple[str, Any]
"""What a client makes of an answer: its text with its tool calls, or "error" with what its callers can tell it by."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """The model's service, which follows the test's scripts."""
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(upstream: Upstream) -> Iterator[Server]:
    """The application with a relay to it."""
    origin = upstream.url.removesuffix("/operations/work")
    with gunicorn("tests.apps.gateway:app", env={"UPSTREAM": origin, "HEADWAY_STORE": "memory:"}) as server:
        yield server


# The clients


def by_openai(base: str) -> Outcome:
    """The chat of openai's own client."""
    import openai

    client = openai.OpenAI(base_url=f"{base}/v1", api_key=KEY, max_retries=0)
    text, calls, finish = "", "", None
    for chunk in client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}], stream=True):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            calls += "".join(call.function.arguments or "" for call in choice.delta.tool_calls or () if call.function)
            finish = choice.finish_reason or finish
    return text, (calls, finish)


def by_openai_whole(base: str) -> Outcome:
    """The same without a stream."""
    import openai

    client = openai.OpenAI(base_url=f"{base}/v1", api_key=KEY, max_retries=0)
    raw = client.chat.completions.with_raw_response.create(model="m", messages=[{"role": "user", "content": "?"}])
    choice = raw.parse().choices[0]
    return choice.message.content or "", (raw.headers.get("x-request-id"), choice.finish_reason)


def by_anthropic(base: str) -> Outcome:
    """The messages of Anthropic's own client."""
    import anthropic

    client = anthropic.Anthropic(base_url=base, api_key=KEY, max_retries=0)
    with client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "?"}]) as stream:
        message = stream.get_final_message()
    texts = [block.text for block in message.content if block.type == "text"]
    calls = [block.input for block in message.content if block.type == "tool_use"]
    return "".join(texts), (calls, message.stop_reason)


def by_langchain(base: str) -> Outcome:
    """LangChain on OpenAI's dialect."""
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="m", base_url=f"{base}/v1", api_key=KEY, max_retries=0)
    return gathered(model)


def by_langchain_anthropic(base: str) -> Outcome:
    """LangChain on Anthropic's dialect."""
    from langchain_anthropic import ChatAnthropic

    model = ChatAnthropic(model_name="m", base_url=base, api_key=KEY, max_retries=0)  # type: ignore[call-arg]
    return gathered(model.bind_tools([{"name": "now", "input_schema": {"type": "object"}}]))


def gathered(model: Any) -> Outcome:
    """The sum of what a model of LangChain streams."""
    whole = functools.reduce(operator.add, model.stream("?"))
    return whole.text, [call["args"] for call in whole.tool_calls]


class Node:
    """The clients of `model_sdks.cjs`, in one process of Node."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def by(self, client: str, base: str) -> Outcome:
        """What a client makes of the next answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"client": client, "base": base}) + "\n")
        stdin.flush()
        text, more = json.loads(stdout.readline())
        return text, more


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """The process."""
    command = ["node", str(ROOT / "tests" / "apps" / "model_sdks.cjs")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Node(process)
        finally:
            process.kill()


Client = Callable[[str], Outcome] | str
"""One in Python, or the name of one in Node."""

CHATS: Final[dict[str, Client]] = {
    "openai": by_openai,
    "langchain": by_langchain,
    "openai in Node": "openai",
    "ai in Node": "ai",
}
MESSAGES: Final[dict[str, Client]] = {
    "anthropic": by_anthropic,
    "langchain-anthropic": by_langchain_anthropic,
    "anthropic in Node": "anthropic",
    "ai in Node": "ai anthropic",
}
Both = Callable[[Client, Any], tuple[Outcome, Outcome]]
WHOLE: Final[dict[str, Client]] = {
    "openai": by_openai_whole,
    "openai in Node": "openai whole",
    "ai in Node": "ai whole",
}

# What the service answers


def recording(name: str) -> bytes:
    """A recorded stream."""
    return (RECORDED / f"{name}.sse").read_bytes()


def streaming(content: bytes) -> Callable[[Call], Any]:
    """Answers with a stream."""
    return lambda call: call.read().stream(content, x_request_id="req_1")


def first_events(name: str, count: int) -> bytes:
    """The beginning of a recorded stream."""
    return b"\n\n".join(recording(name).split(b"\n\n")[:count]) + b"\n\n"


def refusing(status: int, body: Any) -> Callable[[Call], Any]:
    """Answers with an error."""
    content = json.dumps(body).encode()
    return lambda call: call.read().answer(status, content, "application/json", retry_after="3", x_request_id="req_1")


def cutting(content: bytes) -> Callable[[Call], Any]:
    """Begins a stream, and breaks off."""
    return lambda call: call.read().head().chunk(content).cut()


OPENAI_ERROR: Final = {
    "error": {"message": "no such model", "type": "invalid_request_error", "code": "model_not_found"}
}
ANTHROPIC_ERROR: Final = {"type": "error", "error": {"type": "invalid_request_error", "message": "no such model"}}
OVERLOADED: Final = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

ANSWER: Final[list[dict[str, Any]]] = [
    {
        "type": "message_start",
        "message": {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
        | {"usage": {"input_tokens": 3, "output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Four."}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "t", "name": "now", "input": {}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
    {"type": "message_stop"},
]

CHAT_SCRIPTS: Final = {
    "plain": streaming(recording("openai_chat")),
    "tools": streaming(recording("openai_chat_tools")),
    "an error in the middle": streaming(recording("openai_chat_error")),
    "401": refusing(401, OPENAI_ERROR),
    "429": refusing(429, OPENAI_ERROR),
    "400 with a body": refusing(400, OPENAI_ERROR),
}
MESSAGE_SCRIPTS: Final = {
    "plain and tools": streaming(b"".join(frame(data["type"], data) for data in ANSWER)),
    "an error in the middle": streaming(first_events("anthropic", 4) + frame("error", OVERLOADED)),
    "401": refusing(401, ANTHROPIC_ERROR),
    "429": refusing(429, ANTHROPIC_ERROR),
    "400 with a body": refusing(400, ANTHROPIC_ERROR),
}


def failures() -> tuple[type[Exception], ...]:
    """What the clients raise."""
    import anthropic
    import httpx2
    import openai

    return openai.APIError, anthropic.APIError, httpx.HTTPError, httpx2.HTTPError


def outcome(client: Callable[[str], Outcome], base: str) -> Outcome:
    """What a client makes of the next answer."""
    try:
        return client(base)
    except failures() as error:
        response = getattr(error, "response", None)
        status = None if response is None else (response.status_code, response.headers.get("retry-after"))
        return "error", (type(error).__name__, status, getattr(error, "body", None), getattr(error, "request_id", None))


@pytest.fixture
def both(server: Server, upstream: Upstream, node: Node) -> Both:
    """What a client makes of an answer: straight from the service, and through the relay."""

    def both(client: Client, script: Any) -> tuple[Outcome, Outcome]:
        call = functools.partial(node.by, client) if isinstance(client, str) else client
        upstream.will(script)
        direct = outcome(call, upstream.url.removesuffix("/operations/work"))
        return direct, outcome(call, f"{server.url}/relay")

    return both


@pytest.mark.parametrize("case", CHAT_SCRIPTS)
@pytest.mark.parametrize("client", CHATS)
def test_a_chat(both: Both, client: str, case: str) -> None:
    """OpenAI's dialect: the same text, calls and errors."""
    direct, relayed = both(CHATS[client], CHAT_SCRIPTS[case])
    assert direct == relayed
    assert (direct[0] == "error") is (case not in ("plain", "tools"))


@pytest.mark.parametrize("case", MESSAGE_SCRIPTS)
@pytest.mark.parametrize("client", MESSAGES)
def test_messages(both: Both, client: str, case: str) -> None:
    """Anthropic's dialect."""
    direct, relayed = both(MESSAGES[client], MESSAGE_SCRIPTS[case])
    assert direct == relayed
    assert (direct[0] == "error") is (case != "plain and tools")


@pytest.mark.parametrize("client", WHOLE)
def test_an_answer_without_a_stream(both: Both, client: str) -> None:
    """It passes whole, with the request's id, although it takes longer than the head of a stream."""
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    choice = {"index": 0, "message": {"role": "assistant", "content": "Four."}, "finish_reason": "stop"}

    def script(call: Call) -> None:
        time.sleep(0.7 if client == "openai" else 0)
        call.read().answer(
            200, json.dumps({**whole, "choices": [choice]}).encode(), "application/json", x_request_id="r"
        )

    (text, direct), relayed = both(WHOLE[client], script)
    assert (text, direct) == relayed
    assert (text, list(direct)) == ("Four.", ["r", "stop"])


@pytest.mark.parametrize("client", CHATS)
@pytest.mark.parametrize("how", ["cut", "an early end"])
def test_a_chat_that_does_not_end(both: Both, client: str, how: str) -> None:
    """Through the relay it is an error, also where the client alone takes an early end for a good one."""
    beginning = first_events("openai_chat", 2)
    _, (text, error) = both(CHATS[client], cutting(beginning) if how == "cut" else streaming(beginning))
    assert text == "error"
    assert error[0] in ("APIError", "Object")  # the AI SDK hands the provider's error on as it is
    assert "upstream_truncated" in json.dumps(error)


@pytest.mark.parametrize("client", MESSAGES)
@pytest.mark.parametrize("how", ["cut", "an early end"])
def test_messages_that_do_not_end(both: Both, client: str, how: str) -> None:
    """The same for Anthropic's dialect."""
    beginning = first_events("anthropic", 4)
    _, (text, error) = both(MESSAGES[client], cutting(beginning) if how == "cut" else streaming(beginning))
    assert text == "error"
    assert "The upstream's stream" in json.dumps(error)


def test_responses_that_do_not_end(server: Server, upstream: Upstream) -> None:
    """OpenAI's Responses end with an `error` event, which its client gives to its caller."""
    import openai

    upstream.will(streaming(recording("openai_responses_cut")))
    client = openai.OpenAI(base_url=f"{server.url}/relay/v1", api_key=KEY, max_retries=0)
    *_, last = client.responses.create(model="m", input="?", stream=True)
    assert (last.type, getattr(last, "code", "")) == ("error", "upstream_truncated")
