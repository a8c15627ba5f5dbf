"""The streams of language models as Headway's events, of their services and of the clients for these.

    chat = gateway("https://api.openai.com/v1/chat/completions", through=[from_openai], auth=bearer_key)

    reply = OpenAIReply(client.chat.completions.create(..., stream=True))  # in an operation of one's own
    yield from reply
    return reply.text

All become the same events, so that one page shows any of them:

    delta        `text`, on the channel `text` or `thinking`
    refusal      `text`: why the model does not answer
    tool_call    `id`, `name` and `arguments` (decoded; the text where it is no JSON), once they are complete
    tool_result  the result of a tool that runs at the service, unchanged
    citation     a source of the text, unchanged
    usage        `input_tokens` and `output_tokens`; `cached_tokens` and `reasoning_tokens` where they are counted

and `Reply.result`, which a gateway gives as the run's result: `{model, text, thinking, refusal, tool_calls, citations,
finish_reason, usage}`, where `finish_reason` is the service's own word. An error raises `OperationError` with
`upstream_failed`, a stream without its last event with `upstream_truncated`. Other events pass unchanged, except those
that tell a viewer nothing: pings, log probabilities, and repetitions of what has been streamed already.

Many services speak these dialects in ways of their own, which are understood alike: thinking in tags, in parts of the
content or beside it; calls without an index, with one index for several, or with their arguments as an object; a whole
`message` instead of deltas; no names of events; no `[DONE]`. `tests/gateways/test_shapes.py` has each of them.

Sources: https://platform.openai.com/docs/api-reference/chat-streaming, .../responses-streaming, and
https://docs.anthropic.com/en/docs/build-with-claude/streaming.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...protocol.events import Event, result
from .anthropic import AnthropicReply
from .frameworks import LangChainReply, PydanticAIReply
from .openai import OpenAIReply
from .reply import Reply

__all__ = [
    "AnthropicReply",
    "LangChainReply",
    "OpenAIReply",
    "PydanticAIReply",
    "Reply",
    "from_anthropic",
    "from_openai",
]


def from_openai(events: Iterable[Event]) -> Iterator[Event]:
    """Chat completions and Responses, of OpenAI and of services with the same API; a transform for `gateway`.

    Of several choices (`n`) the first is the text; the others become `choice` events, `{index, text}`. Thinking is read
    from `reasoning_content`, `reasoning` and `thinking` parts, and from the tags that `ThinkingSplitter` knows. A reply
    has ended with `[DONE]`, or once each of its choices has a `finish_reason`.
    """
    reply = OpenAIReply(events)
    yield from reply
    yield result(reply.result)


def from_anthropic(events: Iterable[Event]) -> Iterator[Event]:
    """Anthropic's messages; a transform for `gateway`.

    The result has one more member, `content`: the blocks of the reply in the form in which a later request sends them
    back, with the signatures of the thinking.
    """
    reply = AnthropicReply(events)
    yield from reply
    yield result(reply.result)
