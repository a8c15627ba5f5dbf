"""The operations of docs/guides/sdks.md: what clients of models stream becomes the same events."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from streaming.testing import collect
from tests.apps.gateway_upstream import Upstream, frame

ROOT: Final = Path(__file__).resolve().parent.parent
GUIDE: Final = ROOT / "docs" / "guides" / "sdks.md"

long = pytest.mark.long  # the others of these clients are installed for the long forms alone
CASES: Final = {
    "openai": ("chat", "chat_async", "respond"),
    "anthropic": ("chat", "chat_async"),
    "langchain": ("chat", "chat_async"),
    "langgraph": ("chat_async",),
    "litellm": ("chat", "chat_async"),
    "llama_index": ("chat", "chat_async"),
    "pydantic_ai": ("chat_async",),
    "agents": ("chat_async",),
}
SHORT: Final = ("openai", "anthropic", "langchain")
OPERATIONS: Final = [
    pytest.param(name, operation, marks=() if name in SHORT else long)
    for name, operations in CASES.items()
    for operation in operations
]


def blocks() -> dict[str, str]:
    """The modules of the guide, by name."""
    return dict(re.findall(r"^`(\w+)\.py`:\n```python\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """The model's service."""
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def modules(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Gives a module of the guide, whose client asks that service."""
    folder = tmp_path_factory.mktemp("sdks")
    for name, code in blocks().items():
        (folder / f"{name}.py").write_text(code)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODEL_URL", upstream.url.removesuffix("/operations/work"))
        patch.setenv("MODEL_KEY", "key")
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        patch.syspath_prepend(str(folder))

        def module(name: str) -> ModuleType:
            return importlib.import_module(f"sdk_{name}")

        yield module
        for name in blocks():
            sys.modules.pop(name, None)


def part(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
    """A chunk of a chat."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": [choice]}
    return frame("", chunk | ({"usage": None} if index else {}))


USAGE: Final = {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29}
CHAT: Final = [
    part(0, {"role": "assistant", "content": "Hello"}),
    part(1, {"content": ", w\u00f6rld"}),
    part(2, {}, "stop"),
    frame(
        "", {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": [], "usage": USAGE}
    ),
    frame("", "[DONE]"),
]

MESSAGE: Final = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": []}
BLOCK: Final = {"type": "content_block_delta", "index": 0}
MESSAGE_DATA: Final[list[dict[str, Any]]] = [
    {"type": "message_start", "message": MESSAGE | {"usage": {"input_tokens": 19, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    BLOCK | {"delta": {"type": "text_delta", "text": "Hello"}},
    BLOCK | {"delta": {"type": "text_delta", "text": ", w\u00f6rld"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 10}},
    {"type": "message_stop"},
]
MESSAGES: Final = [frame(data["type"], data) for data in MESSAGE_DATA]

TEXT: Final = {"type": "output_text", "text": "Hello, w\u00f6rld", "annotations": []}
ITEM: Final = {"id": "m_1", "type": "message", "role": "assistant", "status": "completed", "content": [TEXT]}
RESPONSE: Final = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m-1",
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "usage": None,
}
SPENT: Final = {
    "input_tokens": 19,
    "output_tokens": 10,
    "total_tokens": 29,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}
DELTA: Final = {
    "type": "response.output_text.delta",
    "item_id": "m_1",
    "output_index": 0,
    "content_index": 0,
    "logprobs": [],
}
RESPONSE_DATA: Final[list[dict[str, Any]]] = [
    {"type": "response.created", "response": RESPONSE | {"status": "in_progress", "output": []}},
    DELTA | {"delta": "Hello"},
    DELTA | {"delta": ", w\u00f6rld"},
    {"type": "response.output_item.done", "output_index": 0, "item": ITEM},
    {"type": "response.completed", "response": RESPONSE | {"status": "completed", "output": [ITEM], "usage": SPENT}},
]
RESPONSES: Final = [
    frame(data["type"], data | {"sequence_number": number}) for number, data in enumerate(RESPONSE_DATA)
]


def answer(name: str, operation: str) -> list[bytes]:
    """The frames that answer an operation, in the dialect that its client speaks."""
    if name == "anthropic":
        return MESSAGES
    return RESPONSES if operation == "respond" or name == "agents" else CHAT


def events(modules: Any, upstream: Upstream, name: str, operation: str, frames: list[bytes]) -> list[Any]:
    """The events of a run that is answered so."""
    upstream.will(lambda call: call.read().stream(*frames))
    module = modules(name)
    return collect(getattr(module, operation), module.Question())


def test_the_guide_has_these_operations() -> None:
    """No more, no fewer."""
    code = blocks()
    assert set(code) == {f"sdk_{name}" for name in CASES}
    for name, operations in CASES.items():
        assert re.findall(r"^@operation\n(?:async )?def (\w+)", code[f"sdk_{name}"], re.MULTILINE) == list(operations)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the clients' own
@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_a_reply(modules: Any, upstream: Upstream, name: str, operation: str) -> None:
    """Its text and its usage are events, and its result is there."""
    got = events(modules, upstream, name, operation, answer(name, operation))
    assert "".join(each.text for each in got if each.type == "delta") == "Hello, w\u00f6rld"
    assert [(each.input_tokens, each.output_tokens) for each in got if each.type == "usage"] == [(19, 10)]
    result = got[-2].result
    assert (result if isinstance(result, str) else result["text"]) == "Hello, w\u00f6rld"
    if isinstance(result, dict):
        assert result["model"] == ("m" if name == "litellm" else "m-1")  # which gives the name that it was asked for
        assert result["finish_reason"] in ("stop", "end_turn", "completed")
    assert got[-1].status == "succeeded"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_a_stream_that_ends_too_early(modules: Any, upstream: Upstream, name: str, operation: str) -> None:
    """It is no reply, although most of the clients say nothing."""
    got = events(modules, upstream, name, operation, answer(name, operation)[:-3])
    assert got[-1].status == "failed"
    if name not in ("agents", "litellm"):  # these raise errors of their own
        assert (got[-2].code, got[-2].retryable) == ("upstream_truncated", True)
