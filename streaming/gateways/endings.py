"""How the streams of known services end: their first events tell which service it is, and each has a last word.

    vocabulary               begins with                       may end after
    -----------------------  --------------------------------  --------------------------------------------------
    OpenAI chat completions  `choices`                         a `finish_reason` of every choice (`[DONE]` follows)
    OpenAI Responses         `response.…`                      `response.completed`, `.incomplete`, `.failed`
    Anthropic                `message_start`                   `message_stop`
    Gemini                   `candidates`, `promptFeedback`    a `finishReason` of every candidate, a `blockReason`
    Cohere                   `message-start`, `stream-start`   `message-end`, `stream-end`
    AI SDK                   `start`, `start-step`             `finish`, `abort` (`[DONE]` follows)
    AG-UI                    `RUN_STARTED`                     `RUN_FINISHED`, `RUN_ERROR`
    LangGraph                `metadata` with a `run_id`        `end`
    Dify                     `event` beside a `task_id`        `message_end`; `workflow_finished` of a workflow
    Ollama                   `model` and `done`                `done: true`
    TGI                      `token` and `generated_text`      a `generated_text`
    llama.cpp                `content` and `stop`              `stop: true`

None of these needs to be the last event: usage, sound or `[DONE]` may follow. Sources, each read in November 2026:
platform.openai.com/docs/api-reference (chat-streaming, responses-streaming), docs.anthropic.com (streaming),
ai.google.dev/api/generate-content, docs.cohere.com/v2/docs/streaming, ai-sdk.dev (stream-protocol), docs.ag-ui.com
(concepts/events), langchain-ai.github.io/langgraph (cloud, streaming), docs.dify.ai (api-reference),
github.com/ollama/ollama (docs/api.md), huggingface.co/docs/text-generation-inference, and the README of llama.cpp's
server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import orjson

Data = Mapping[str, Any]


class Vocabulary(NamedTuple):
    """What the events of one service look like: `begins` and `ends` take the name of an event and its JSON object."""

    end: str
    """What a stream that was cut lacks, for the message of the error."""

    begins: Callable[[str, Data], object]
    ends: Callable[[str, Data], object]

    hint: re.Pattern[str]
    """Found in the name or the data of each event that may be the end: the JSON of others is not decoded."""

    error: Callable[[str, str], Data]
    """How the service reports an error in the middle of a stream; takes the code and the message."""

    error_name: str = "error"
    """The name of that event, in a stream with names."""


def kind_of(name: str, data: Data) -> str:
    """The kind of an event: the `type` in its data, which streams without names have too, or its name."""
    kind = data.get("type")
    return kind if isinstance(kind, str) else name


def _is_chat(name: str, data: Data) -> bool:
    known = data.get("object") in ("chat.completion.chunk", "text_completion")
    return known or any("delta" in choice or "message" in choice for choice in choices_of(data))


def choices_of(data: Data, key: str = "choices") -> list[Data]:
    """The choices of a chunk; some services send null where there are none."""
    choices = data.get(key)
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _is_dify(name: str, data: Data) -> bool:
    return isinstance(data.get("event"), str) and not {"task_id", "message_id", "workflow_run_id"}.isdisjoint(data)


def _ends_dify(name: str, data: Data) -> bool:
    # The workflow of a chat is followed by the end of the message.
    ends = ("message_end",) if data.get("conversation_id") else ("message_end", "workflow_finished", "workflow_paused")
    return data.get("event") in ends


RESPONSES_ENDS: Final = frozenset(f"response.{word}" for word in ("completed", "incomplete", "failed", "cancelled"))

ERRORS: Final = frozenset(("error", "RUN_ERROR", "response.failed"))

VOCABULARIES: Final = (
    Vocabulary(
        "`message_stop`",
        lambda name, data: kind_of(name, data) == "message_start",
        lambda name, data: kind_of(name, data) == "message_stop",
        re.compile("message_stop"),
        lambda code, message: {"type": "error", "error": {"type": "api_error", "message": message}},
    ),
    Vocabulary(
        "`response.completed`",
        lambda name, data: kind_of(name, data).startswith("response."),
        lambda name, data: kind_of(name, data) in RESPONSES_ENDS,
        re.compile(r"response\.(completed|incomplete|failed|cancelled)"),
        lambda code, message: {"type": "error", "code": code, "message": message, "param": None},
    ),
    Vocabulary(
        "`message-end`",
        lambda name, data: kind_of(name, data) == "message-start" or data.get("event_type") == "stream-start",
        lambda name, data: kind_of(name, data) == "message-end" or data.get("event_type") == "stream-end",
        re.compile("message-end|stream-end"),
        lambda code, message: {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": message}},
        "message-end",
    ),
    Vocabulary(
        "`RUN_FINISHED`",
        lambda name, data: kind_of(name, data) == "RUN_STARTED",
        lambda name, data: kind_of(name, data) in ("RUN_FINISHED", "RUN_ERROR"),
        re.compile("RUN_(FINISHED|ERROR)"),
        lambda code, message: {"type": "RUN_ERROR", "code": code, "message": message},
    ),
    Vocabulary(
        "`finish`",
        lambda name, data: name == "message" and data.get("type") in ("start", "start-step", "text-start"),
        lambda name, data: data.get("type") in ("finish", "abort"),
        re.compile('"(finish|abort)"'),
        lambda code, message: {"type": "error", "errorText": message},
    ),
    Vocabulary(
        "`end`",
        lambda name, data: name == "metadata" and "run_id" in data,
        lambda name, data: name == "end",
        re.compile("^end$"),
        lambda code, message: {"error": code, "message": message},
    ),
    Vocabulary(
        "`message_end`",
        _is_dify,
        _ends_dify,
        re.compile("message_end|workflow_(finished|paused)"),
        lambda code, message: {"event": "error", "status": 502, "code": code, "message": message},
    ),
    Vocabulary(
        "`done: true`",
        lambda name, data: "model" in data and isinstance(data.get("done"), bool),
        lambda name, data: data.get("done") is True,
        re.compile(r'"done"\s*:\s*true'),
        lambda code, message: {"error": message},
    ),
    Vocabulary(
        "a `generated_text`",
        lambda name, data: isinstance(data.get("token"), dict) and "generated_text" in data,
        lambda name, data: data.get("generated_text") is not None,
        re.compile(r'"generated_text"\s*:\s*"'),
        lambda code, message: {"error": message, "error_type": code},
    ),
    Vocabulary(
        "`stop: true`",
        lambda name, data: "content" in data and isinstance(data.get("stop"), bool),
        lambda name, data: data.get("stop") is True,
        re.compile(r'"stop"\s*:\s*true'),
        lambda code, message: {"error": {"code": 502, "message": message, "type": code}},
    ),
)


class Ending:
    """Follows a stream of a known vocabulary: `complete` is true once it may end, and `end` says what it lacks."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.end: str = vocabulary.end
        self.complete: bool = False
        self._vocabulary = vocabulary
        self._named = False

    def follow(self, name: str, text: str) -> None:
        """Takes the name and the data of the next event."""
        vocabulary = self._vocabulary
        self._named = self._named or name != "message"
        if not self.complete and (vocabulary.hint.search(name) or vocabulary.hint.search(text)):
            self.complete = bool(vocabulary.ends(name, json_object(text) or {}))

    def error(self, code: str, message: str) -> tuple[str, Data]:
        """The name and the data of the event by which this service reports an error."""
        return self._vocabulary.error_name if self._named else "message", self._vocabulary.error(code, message)


class Choices:
    """The same for replies of several choices, each of which says that it has finished."""

    def __init__(self, key: str, finish: str) -> None:
        self.end: str = f"a `{finish}`"
        self._key, self._finish = key, finish
        # Other choices than the first, and those that finish: the rest is not decoded.
        self._hint = re.compile(rf'"index"\s*:\s*[1-9]|"{finish}"\s*:\s*[^n\s]|"blockReason"')
        self._finished: dict[int | str, bool] = {}

    @property
    def complete(self) -> bool:
        """Whether every choice has finished."""
        return bool(self._finished) and all(self._finished.values())

    def follow(self, name: str, text: str) -> None:
        """Takes the name and the data of the next event."""
        if self._hint.search(text):
            self.follow_data(json_object(text) or {})

    def follow_data(self, data: Data) -> None:
        """Takes the JSON of the next event."""
        for choice in choices_of(data, self._key):
            index = choice.get("index")
            index = index if isinstance(index, int | str) else 0  # some services send none, or null
            self._finished[index] = self._finished.get(index, False) or bool(choice.get(self._finish))
        if isinstance(feedback := data.get("promptFeedback"), dict) and feedback.get("blockReason"):
            self._finished[0] = True

    def error(self, code: str, message: str) -> tuple[str, Data]:
        """The name and the data of the event by which this service reports an error."""
        if self._key == "candidates":
            return "message", {"error": {"code": 502, "message": message, "status": "UNAVAILABLE"}}
        return "message", {"error": {"message": message, "type": code, "param": None, "code": code}}


def chat_choices() -> Choices:
    """The choices of OpenAI's chat completions."""
    return Choices("choices", "finish_reason")


def recognised(name: str, text: str) -> Ending | Choices | None:
    """How a stream ends that has this event among its first ones; `None` where the event is of no known vocabulary."""
    data = json_object(text)
    if data is None:
        return None
    if _is_chat(name, data):
        choices = chat_choices()
    elif "candidates" in data or "promptFeedback" in data:
        choices = Choices("candidates", "finishReason")
    else:
        found = next((each for each in VOCABULARIES if each.begins(name, data)), None)
        if found is None:
            return None
        ending = Ending(found)
        ending.follow(name, text)
        return ending
    choices.follow_data(data)
    return choices


def is_error(name: str, text: str) -> bool:
    """Whether an event reports an error, in the words of any of these services."""
    head = text[:200]  # a regular expression for these takes ten times as long
    if name not in ERRORS and '"error"' not in head and "RUN_ERROR" not in head and "response.failed" not in head:
        return False
    data = json_object(text) or {}
    kinds = {name, *(word for key in ("type", "object", "event") if isinstance(word := data.get(key), str))}
    return bool(data.get("error")) or not kinds.isdisjoint(ERRORS)


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object in `text`; `None` where it is something else."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
