"""The servers of docs/models.md, each in its own dialect: what it refuses, and how it streams an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from operations.llm import Text, Thinking, chat, connect, fill, ladder, user
from streaming import Event, OperationError
from tests.apps.llm_fake import DONE, Reply, chunk, fake_model, outcome, problem

DOCS = Path(__file__).resolve().parents[3] / "docs" / "models.md"
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


@dataclass(frozen=True)
class Provider:
    """A dialect: what makes a whole stream of a text and its thinking, and the refusals before it, if any."""

    stream: Callable[[str, str], bytes]
    refusals: tuple[Reply, ...] = ()


def delta(finish: str | None = None, more: dict[str, Any] | None = None, **said: Any) -> bytes:
    """One chunk with one choice; `more` are members of the chunk."""
    choice = {"index": 0, "delta": said, "finish_reason": finish}
    return chunk({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **(more or {})})


def usage(**more: Any) -> bytes:
    """The chunk with the usage that OpenAI sends last."""
    return chunk({"id": "c1", "object": "chat.completion.chunk", "choices": [], "usage": USAGE | more})


def openai(text: str, thinking: str) -> bytes:
    """It hides its thinking, and counts it."""
    details = {"completion_tokens_details": {"reasoning_tokens": 2}, "prompt_tokens_details": {"cached_tokens": 4}}
    return delta(role="assistant", content="", refusal=None) + delta(content=text) + delta("stop") + usage(
        **details
    ) + DONE  # fmt: skip


def azure(text: str, thinking: str) -> bytes:
    """Its first chunk has what its filter says of the prompt, and no choice."""
    filtered = chunk(
        {"id": "", "object": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    )
    return filtered + openai(text, thinking)


def ollama(text: str, thinking: str) -> bytes:
    """It calls thinking `reasoning`, and sends a content beside it."""
    return delta(role="assistant", content="", reasoning=thinking) + delta(content=text) + delta(
        "stop", role="assistant", content=""
    ) + usage() + DONE  # fmt: skip


def vllm(text: str, thinking: str) -> bytes:
    """It calls thinking `reasoning_content`, and adds members that OpenAI's API has not."""
    last = chunk({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop", "stop_reason": None}]})
    return delta(role="assistant", content="") + delta(reasoning_content=thinking) + delta(content=text) + last + (
        usage() + DONE
    )  # fmt: skip


def llama(text: str, thinking: str) -> bytes:
    """Its last chunk has its timings."""
    timings = {"timings": {"prompt_n": 9, "predicted_n": 3}, "usage": USAGE}
    said = delta(role="assistant", content=None) + delta(reasoning_content=thinking) + delta(content=text)
    return said + delta("stop") + chunk({"choices": [], **timings}) + DONE


def mistral(text: str, thinking: str) -> bytes:
    """Its content is a list of parts where a model thinks, and its usage is in the last choice's chunk."""
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": thinking}]}
    parts = delta(role="assistant", content=[thought]) if thinking else delta(role="assistant", content="")
    return parts + delta(content=text) + delta("stop", {"usage": USAGE}, content="") + DONE


def deepseek(text: str, thinking: str) -> bytes:
    """It keeps the connection alive with comments, and sends the thinking beside a null content."""
    thought = delta(role="assistant", content=None, reasoning_content=thinking)
    said = delta(content=text, reasoning_content=None) + delta("stop", {"usage": USAGE}, content="")
    return b": keep-alive\n\n" + thought + b": keep-alive\n\n" + said + DONE


def gemini(text: str, thinking: str) -> bytes:
    """It sends few large chunks, each with a usage, and no role."""
    return delta(None, {"usage": USAGE | {"completion_tokens": 1}}, content=text[:1]) + delta(
        "stop", {"usage": USAGE}, content=text[1:]
    ) + DONE  # fmt: skip


def openrouter(text: str, thinking: str) -> bytes:
    """It sends comments while it waits, and the thinking twice."""
    details = [{"type": "reasoning.text", "text": thinking}]
    said = delta(role="assistant", content="", reasoning=thinking, reasoning_details=details) + delta(content=text)
    return b": OPENROUTER PROCESSING\n\n" + said + delta("stop", content="") + usage(cost=0.0001) + DONE


NO_SCHEMA = problem(400, "This response_format type is unavailable now", type="invalid_request_error")
FORBIDDEN = Reply(
    b'{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra '
    b'inputs are not permitted"}]},"type":"invalid_request_error","code":null}',
    status=422,
    headers={"Content-Type": "application/json"},
)
NO_MAX_TOKENS = problem(
    400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'.", param="max_tokens",
    code="unsupported_parameter",
)  # fmt: skip
LIST = Reply(
    b'[{"error": {"code": 400, "message": "Invalid JSON payload: unknown name stream_options", "status": "INVALID"}}]',
    status=400,
    headers={"Content-Type": "application/json"},
)

PROVIDERS = {
    "Ollama": Provider(ollama),
    "vLLM": Provider(vllm),
    "llama.cpp": Provider(llama),
    "OpenAI": Provider(openai, (NO_MAX_TOKENS,)),
    "Azure": Provider(azure, (NO_MAX_TOKENS,)),
    "Mistral": Provider(mistral, (FORBIDDEN,)),
    "DeepSeek": Provider(deepseek, (NO_SCHEMA,)),
    "Gemini": Provider(gemini, (LIST,)),
    "OpenRouter": Provider(openrouter),
}
HIDES = {"OpenAI", "Azure", "Gemini"}
"""Those that send no thinking."""


@pytest.fixture(autouse=True)
def _nothing_is_known() -> None:
    ladder._known.clear()


@pytest.mark.parametrize("name", PROVIDERS)
def test_an_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, thinking and usage arrive, by the settings that the page names."""
    provider = PROVIDERS[name]
    with fake_model(Reply(provider.stream("Yes.", "Hm."))) as fake:
        monkeypatch.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        monkeypatch.setenv("HEADWAY_LLM_API_KEY", "key-1")
        monkeypatch.setenv("HEADWAY_LLM_MODEL", "m")
        model = outcome(connect())
        pieces = list(chat(model, [user("Is it?")], max_tokens=50))
    assert "".join(piece.text for piece in pieces if isinstance(piece, Text)) == "Yes."
    assert "".join(piece.text for piece in pieces if isinstance(piece, Thinking)) == ("" if name in HIDES else "Hm.")
    (used,) = [piece.data for piece in pieces if isinstance(piece, Event) and piece.name == "usage"]
    assert {"input_tokens": 9, "output_tokens": 3}.items() <= used.items()
    assert fake.headers[0]["authorization"] == "Bearer key-1"
    assert model.described == {"name": "m", "demonstration": False}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_form(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value by a schema, also where the server refuses a part of the request at first."""
    provider = PROVIDERS[name]
    with fake_model(*provider.refusals, Reply(provider.stream('{"age": 7}', ""))) as fake:
        monkeypatch.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        monkeypatch.setenv("HEADWAY_LLM_MODEL", "m")
        value, _ = outcome(fill(outcome(connect()), [user("How old?")], SCHEMA, max_tokens=50))
    assert value == {"age": 7}
    assert len(fake.requests) > len(provider.refusals)


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_key_is_wrong(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said so, without the provider's words."""
    with fake_model(problem(401, "Incorrect key sk-abcdef")) as fake:
        monkeypatch.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        monkeypatch.setenv("HEADWAY_LLM_MODEL", "m")
        with pytest.raises(OperationError) as refused:
            list(chat(outcome(connect()), [user("Is it?")]))
    assert refused.value.code == "model_refused"
    assert "sk-abcdef" not in refused.value.message


def test_the_page_has_each() -> None:
    """And no other: each row is tried above."""
    rows = re.findall(r"^\| (?:\[)?([\w.]+)(?:\]\(.*?\))? \| `(https?://\S+)`", DOCS.read_text(), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(PROVIDERS)
