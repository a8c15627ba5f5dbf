"""`think`: a model thinks first, in the open, and answers then.

Models differ in how they are seen to think, and each of these ways is understood:

    told       the server sends what is thought apart from the text (`reasoning_content`, `reasoning`)
    tagged     the model writes `<think>` tags
    closed     the model writes the closing tag alone, the template of its chat having written the other
    asked      the model does neither: it is called twice, to think about the question and then to answer it

Which of them is a model's shows in its first answer, and is remembered as long as the process lives. A run fails with
the codes of `llm.errors`, and has none of its own.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from streaming import Event, delta, operation, progress

from .llm import Finished, Model, Piece, Text, Thinking, chat, connect, place, user
from .llm import Message as Said
from .llm.tags import Channel, Splitter

MAX_TEXT: Final = 200_000
"""Characters of a prompt, and of a message."""
MAX_TOKENS: Final = 32_768
"""Tokens that may be asked for."""

THINK: Final = "Think step by step about this question:\n{prompt}"
ANSWER: Final = "Now give the final answer to the question, and only that: {prompt}"
"""Short, and the question as it is: small models take every further word for a part of it."""

Way = Literal["told", "tagged", "closed", "asked"]


class Message(BaseModel):
    """One message of the conversation so far."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1, max_length=MAX_TEXT)


class Thought(BaseModel):
    """What the model is asked, and how much it may write."""

    model_config = ConfigDict(extra="forbid")

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
        description="What was said before the prompt.",
        max_length=200,
        examples=[[{"role": "system", "content": "You answer in one sentence."}]],
    )
    max_thinking_tokens: int = Field(
        default=512, ge=1, le=MAX_TOKENS, title="Thinking", description="How long it may think, in tokens."
    )
    max_tokens: int = Field(
        default=512, ge=1, le=MAX_TOKENS, title="Answer", description="How long its answer may be, in tokens."
    )
    temperature: float | None = Field(
        default=None,
        ge=0,
        le=2,
        title="Temperature",
        description="How freely it chooses its words; left out, its server's own.",
        examples=[0.2],
    )


class Tokens(TypedDict):
    """What all calls have used; `None` for what the server does not tell."""

    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    calls: int


class Answer(TypedDict):
    """What came of it. `finish_reason` is `length` where the answer was cut off."""

    text: str
    thinking: str
    model: str
    finish_reason: str
    usage: Tokens


@operation(title="Think", where=place)
def think(input: Thought) -> Generator[Event, None, Answer]:
    """Thinks about a question before it answers it; both are streamed as they are written."""
    thinker = Thinker(input, (yield from connect()))
    yield from thinker.work()
    return thinker.result()


_ways: dict[tuple[str, str], Way] = {}
"""How the models that were met think, by the address of their server and their name."""


class Thinker:
    """One question, and what a model thinks about it and answers."""

    def __init__(self, asked: Thought, model: Model) -> None:
        self._asked = asked
        self._model = model
        self._history = [message.model_dump() for message in asked.messages]
        self._written: dict[Channel, list[str]] = {"thinking": [], "text": []}
        self._ended: list[Finished] = []
        self._channel: Channel | None = None

    def work(self) -> Generator[Event, None, None]:
        """Thinks in the way that is the model's, and answers."""
        if self._way != "asked" and (yield from self._at_once()):
            return
        if not self._written["thinking"]:
            yield from self._think_first()
        yield from self._answer()

    def result(self) -> Answer:
        """What came of it."""
        prompt = _sum(ended.usage.prompt_tokens for ended in self._ended)
        written = _sum(ended.usage.completion_tokens for ended in self._ended)
        return {
            "text": self._all("text"),
            "thinking": self._all("thinking"),
            "model": self._model.name,
            "finish_reason": self._ended[-1].reason,
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": written,
                "total_tokens": _sum((prompt, written)),
                "calls": len(self._ended),
            },
        }

    # --- how the model thinks

    @property
    def _way(self) -> Way | None:
        """`None` where it is not known yet. The embedded model has no way of its own."""
        return "asked" if self._model.embedded else _ways.get(self._key)

    @property
    def _key(self) -> tuple[str, str]:
        return str(self._model.client.base_url), self._model.name

    # --- its calls

    def _at_once(self) -> Generator[Event, None, bool]:
        """One call in which the model does both. False where it turns out that it needs another one to answer."""
        splitter = Splitter(within=self._way == "closed")
        limit = self._asked.max_thinking_tokens + self._asked.max_tokens
        with closing(self._call([user(self._asked.prompt)], limit, "prompt")) as pieces:
            for item in pieces:
                if isinstance(item, Event):
                    yield item
                    continue
                for channel, text in self._split(item, splitter):
                    if not self._thinks_by_itself(item, channel):
                        return False
                    yield from self._say(channel, text)
        return bool(self._written["text"]) or self._way != "closed"

    def _thinks_by_itself(self, item: Piece, channel: Channel) -> bool:
        """As far as it is known; if it is not yet, this piece tells, which is the first."""
        if self._way is None:
            tagged: Way = "tagged" if channel == "thinking" else "asked"
            _ways[self._key] = "told" if isinstance(item, Thinking) else tagged
        return self._way != "asked"

    def _think_first(self) -> Generator[Event, None, None]:
        """A call for the thoughts alone, which ends early where a closing tag shows that the model has its own way."""
        splitter = Splitter(within=True)
        with closing(self._call([user(self._in(THINK))], self._asked.max_thinking_tokens, "prompt")) as pieces:
            for item in pieces:
                if isinstance(item, Event):
                    yield item
                    continue
                for channel, text in self._split(item, splitter):
                    if channel == "text":
                        break
                    yield from self._say(channel, text)
                if splitter.closed:
                    _ways[self._key] = "closed"
                    return

    def _answer(self) -> Generator[Event, None, None]:
        """A call for the answer, with the thoughts at hand."""
        splitter = Splitter(within=self._way == "closed")
        messages = [user(self._asked.prompt)]
        if thoughts := self._all("thinking"):  # a server may take no message that says nothing
            messages = [user(self._in(THINK)), {"role": "assistant", "content": thoughts}, user(self._in(ANSWER))]
        for item in self._call(messages, self._asked.max_tokens, "second prompt"):
            if isinstance(item, Event):
                yield item
                continue
            for channel, text in self._split(item, splitter):
                yield from self._say(channel, text)

    def _in(self, words: str) -> str:
        return words.replace("{prompt}", self._asked.prompt)

    def _call(self, said: list[Said], max_tokens: int, step: str) -> Generator[Event | Piece, None, None]:
        messages = [*self._history, *said]
        return chat(self._model, messages, max_tokens=max_tokens, temperature=self._asked.temperature, step=step)

    def _split(self, item: Piece, splitter: Splitter) -> Iterator[tuple[Channel, str]]:
        if isinstance(item, Thinking):
            yield "thinking", item.text
        elif isinstance(item, Text):
            yield from splitter.feed(item.text)
        else:
            self._ended.append(item)
            yield from splitter.end()

    # --- what is said

    def _say(self, channel: Channel, text: str) -> Iterator[Event]:
        if channel != self._channel:
            self._channel = channel
            yield progress("Thinking" if channel == "thinking" else "Answering", step=channel)
        self._written[channel].append(text)
        yield delta(text, channel)

    def _all(self, channel: Channel) -> str:
        return "".join(self._written[channel]).strip()


def _sum(numbers: Iterable[int | None]) -> int | None:
    """The sum of those that are known, `None` where none is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
