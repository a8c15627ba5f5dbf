"""`think`: a model thinks first, visibly, and then answers.

Models return their thoughts in different ways, the **modes**:

    separate    the server sends the thoughts apart from the text (`reasoning_content`, `reasoning`)
    tags        the model writes `<think>` tags
    end_tag     the model writes only the closing tag, because the template of its chat contains the opening one
    two_calls   the model does neither: it is called twice, to think about the question and then to answer it

The first answer of a model shows its mode, which is remembered as long as the process lives. A run fails with the codes
of `llm.errors`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from streaming import Event, ThinkingSplitter, delta, operation, progress

from .inputs import Input
from .llm import Finished, Model, Piece, Text, Thinking, chat, connect, place, user
from .llm import Message as ChatMessage
from .model_info import ModelInfo

MAX_TEXT: Final = 200_000
"""Characters of a prompt, and of a message."""
MAX_TOKENS: Final = 32_768
"""Tokens of the thoughts, and of the answer."""

THINK: Final = "Think step by step about this question:\n{prompt}"
ANSWER: Final = "Now give the final answer to the question, and only that: {prompt}"
"""Short, with the question unchanged: a small model treats every further word as a part of the question."""

Channel = Literal["thinking", "text"]
Mode = Literal["separate", "tags", "end_tag", "two_calls"]


class Message(BaseModel):
    """One message of the conversation so far."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1, max_length=MAX_TEXT)


class ThinkInput(Input):
    """The question, and how much the model may write."""

    prompt: str = Field(
        title="Prompt",
        description="What to think about.",
        min_length=1,
        max_length=MAX_TEXT,
        examples=[
            "A bat and a ball cost 1.10 together. The bat costs 1.00 more than the ball. What does the ball cost?"
        ],
    )
    messages: list[Message] = Field(
        default=[],
        title="Conversation",
        description="The messages before the prompt.",
        max_length=200,
        examples=[[{"role": "system", "content": "You answer in one sentence."}]],
    )
    max_thinking_tokens: int = Field(
        default=512, ge=1, le=MAX_TOKENS, title="Thinking", description="How many tokens the model may think."
    )
    max_tokens: int = Field(
        default=512, ge=1, le=MAX_TOKENS, title="Answer", description="How many tokens its answer may have."
    )
    temperature: float | None = Field(
        default=None,
        ge=0,
        le=2,
        title="Temperature",
        description="How freely it chooses its words; if left out, the default of its server.",
        examples=[0.2],
    )


class Tokens(TypedDict):
    """The tokens of all calls; `None` if the server does not report them."""

    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    calls: int


class Answer(TypedDict):
    """The result. `finish_reason` is `length` if the answer was cut off."""

    text: str
    thinking: str
    model: ModelInfo
    finish_reason: str
    usage: Tokens


@operation(title="Think", where=place, concurrency=4)
def think(input: ThinkInput) -> Generator[Event, None, Answer]:
    """Thinks about a question before answering it, and streams both."""
    thinker = Thinker(input, (yield from connect()))
    yield from thinker.think()
    return thinker.result()


modes: dict[tuple[str, str], Mode] = {}
"""The modes of models, by the address of their server and their name."""


class Thinker:
    """Asks a model one question; collects its thoughts and its answer."""

    def __init__(self, input: ThinkInput, model: Model) -> None:
        self._input = input
        self._model = model
        self._history = [message.model_dump() for message in input.messages]
        self._output: dict[Channel, list[str]] = {"thinking": [], "text": []}
        self._calls: list[Finished] = []
        self._channel: Channel | None = None

    def think(self) -> Generator[Event, None, None]:
        """Has the model think and answer, in its own mode."""
        if self._mode != "two_calls" and (yield from self._think_and_answer()):
            return
        if not self._output["thinking"]:
            yield from self._think_first()
        yield from self._answer()

    def result(self) -> Answer:
        """The result, once `think` is done."""
        prompt = _sum(call.usage.prompt_tokens for call in self._calls)
        completion = _sum(call.usage.completion_tokens for call in self._calls)
        return {
            "text": self._text("text"),
            "thinking": self._text("thinking"),
            "model": self._model.described,
            "finish_reason": self._calls[-1].reason,
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": _sum((prompt, completion)),
                "calls": len(self._calls),
            },
        }

    # --- the model's mode

    @property
    def _mode(self) -> Mode | None:
        """`None` if it is not known yet. The model for demonstration does not think by itself."""
        return "two_calls" if self._model.demonstration else modes.get(self._key)

    @property
    def _key(self) -> tuple[str, str]:
        return str(self._model.client.base_url), self._model.name

    # --- its calls

    def _think_and_answer(self) -> Generator[Event, None, bool]:
        """One call in which the model does both. Returns False if the model needs another call to answer."""
        splitter = ThinkingSplitter(inside=self._mode == "end_tag")
        limit = self._input.max_thinking_tokens + self._input.max_tokens
        with closing(self._call([user(self._input.prompt)], limit, "prompt")) as pieces:
            for item in pieces:
                if isinstance(item, Event):
                    yield item
                    continue
                for channel, text in self._split(item, splitter):
                    if not self._thinks_alone(item, channel):
                        return False
                    yield from self._emit(channel, text)
        return bool(self._output["text"]) or self._mode != "end_tag"

    def _thinks_alone(self, item: Piece, channel: Channel) -> bool:
        """Whether the model thinks without being asked to. If the mode is not known yet, its first piece shows it."""
        if self._mode is None:
            in_text: Mode = "tags" if channel == "thinking" else "two_calls"
            modes[self._key] = "separate" if isinstance(item, Thinking) else in_text
        return self._mode != "two_calls"

    def _think_first(self) -> Generator[Event, None, None]:
        """A call for the thoughts alone. It ends early if a closing tag shows that the model thinks by itself."""
        splitter = ThinkingSplitter(inside=True)
        with closing(self._call([self._question(THINK)], self._input.max_thinking_tokens, "prompt")) as pieces:
            for item in pieces:
                if isinstance(item, Event):
                    yield item
                    continue
                for channel, text in self._split(item, splitter):
                    if channel == "text":
                        break
                    yield from self._emit(channel, text)
                if splitter.closed:
                    modes[self._key] = "end_tag"
                    return

    def _answer(self) -> Generator[Event, None, None]:
        """A call for the answer; its messages contain the thoughts."""
        splitter = ThinkingSplitter(inside=self._mode == "end_tag")
        messages = [user(self._input.prompt)]
        if thoughts := self._text("thinking"):  # some servers refuse an empty message
            messages = [self._question(THINK), {"role": "assistant", "content": thoughts}, self._question(ANSWER)]
        for item in self._call(messages, self._input.max_tokens, "second prompt"):
            if isinstance(item, Event):
                yield item
                continue
            for channel, text in self._split(item, splitter):
                yield from self._emit(channel, text)

    def _question(self, template: str) -> ChatMessage:
        return user(template.replace("{prompt}", self._input.prompt))

    def _call(self, question: list[ChatMessage], max_tokens: int, step: str) -> Generator[Event | Piece, None, None]:
        messages = [*self._history, *question]
        return chat(self._model, messages, max_tokens=max_tokens, temperature=self._input.temperature, step=step)

    def _split(self, item: Piece, splitter: ThinkingSplitter) -> Iterator[tuple[Channel, str]]:
        if isinstance(item, Thinking):
            yield "thinking", item.text
        elif isinstance(item, Text):
            yield from splitter.feed(item.text)
        else:
            self._calls.append(item)
            yield from splitter.end()

    # --- its output

    def _emit(self, channel: Channel, text: str) -> Iterator[Event]:
        if channel != self._channel:
            self._channel = channel
            yield progress("Thinking" if channel == "thinking" else "Answering", step=channel)
        self._output[channel].append(text)
        yield delta(text, channel)

    def _text(self, channel: Channel) -> str:
        return "".join(self._output[channel]).strip()


def _sum(numbers: Iterable[int | None]) -> int | None:
    """The sum of the known numbers, `None` if there are none."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
