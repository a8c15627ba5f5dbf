"""What the operations say to a model, and what they hear: `connect`, then `chat` or `fill`.

All three are generators that yield `Event`s, to be handed on as they are: the start of the embedded server, the place
in the queue, how much of the prompt has been read. Each call of a model takes a turn by itself (`turns`), so that an
operation must not hold one. Closing a generator ends its connection, which stops the generation at the server.

The settings `llm_base_url`, `llm_api_key` and `llm_model` name another model than the embedded one; `llm_timeout` is
how many seconds a server may be silent.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import orjson
from greenlet import GreenletExit
from pydantic_core import from_json

from streaming import Event, SettingError, progress

from ..settings import ServiceSettings, settings
from ..turns import Turn
from . import embedded, errors
from .wire import Line, calling, client, cuttable, sdk

if TYPE_CHECKING:
    import openai


Message: TypeAlias = Mapping[str, Any]
"""A message of a chat, as the API has it: `role` and `content`."""

ATTEMPTS: Final = 3
"""How often a call is made that fails before its answer has begun, where that may pass."""
NOT_THE_API: Final = "The model's server does not answer as an OpenAI-compatible one does."
NO_KEY: Final = "none"
"""The key for servers that want none; the SDK insists on one."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be asked.

    `name` is what its server calls it. `embedded` tells whether that is the embedded server, which takes llama.cpp's
    extras. `context` is how many tokens fit into prompt and answer together, `None` where that is not known. `client`
    is the SDK's client, for what `chat` and `fill` do not do; its connections close after each call.
    """

    name: str
    client: openai.OpenAI
    embedded: bool = False
    context: int | None = None


class Thinking(NamedTuple):
    """A piece of what a model thinks, from a server that tells it apart (`reasoning_content`, `reasoning`)."""

    text: str


class Text(NamedTuple):
    """A piece of what a model writes."""

    text: str


class Usage(NamedTuple):
    """Tokens of a call; `None` where the server does not tell."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Finished(NamedTuple):
    """The last piece: why the model stopped (`stop`, `length` ...), and what it used."""

    reason: str
    usage: Usage


Piece: TypeAlias = Thinking | Text | Finished


def user(content: str) -> Message:
    """A message of the user's."""
    return {"role": "user", "content": content}


def connect() -> Generator[Event, None, Model]:
    """The model of the settings, or the embedded one, whose server is started where it does not run.

    Raises `OperationError` with `model_missing`, or with another code of `errors` where its server does not answer.
    """
    service = _settings()
    if service.llm_base_url is None:
        if service.llm_api_key or service.llm_model:
            raise errors.missing("HEADWAY_LLM_API_KEY or HEADWAY_LLM_MODEL is set, and HEADWAY_LLM_BASE_URL is not.")
        return (yield from _embedded())
    found = client(service.llm_base_url, service.llm_api_key or NO_KEY, service.llm_timeout)
    return Model(service.llm_model or _first_model(found), found)


def chat(
    model: Model,
    messages: Sequence[Message],
    *,
    max_tokens: int | None = None,
    temperature: float | None = None,
    schema: Mapping[str, Any] | None = None,
    stop: Sequence[str] | None = None,
    step: str = "prompt",
) -> Generator[Event | Piece, None, None]:
    """One streamed completion, piece by piece; `Finished` is always the last one.

    `max_tokens` bounds what is written, what is thought included. With `schema`, a JSON Schema, the text is JSON that
    satisfies it, where the server can do that (`fill` checks). `step` is what the progress of reading the prompt
    calls itself: one of its own for each call of a run. Raises `OperationError` with a code of `errors`.
    """
    request: dict[str, Any] = {
        "model": model.name,
        "messages": list(messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": max_tokens,
        "temperature": temperature,
        "stop": list(stop) if stop else None,
    }
    if schema is not None:
        described = {"name": "answer", "strict": True, "schema": schema}
        request["response_format"] = {"type": "json_schema", "json_schema": described}
    if model.embedded:
        request["extra_body"] = embedded.EXTRAS
    request = {name: value for name, value in request.items() if value is not None}
    with _turn(model) as turn, cuttable() as line:
        yield from turn.wait()
        stream = yield from _opened(model, request, line)
        with closing(stream):
            yield from _Reader(step).pieces(stream, line)


def fill(
    model: Model,
    messages: Sequence[Message],
    schema: Mapping[str, Any],
    *,
    max_tokens: int | None = None,
    temperature: float | None = 0.0,
    step: str = "prompt",
    lenient: bool = False,
) -> Generator[Event, None, tuple[Any, Finished]]:
    """One completion that is JSON and satisfies `schema`: the value, and how it ended.

    Raises `OperationError` with a code of `errors`: `model_unfit` where the answer does not satisfy the schema, or was
    cut off at `max_tokens`. `lenient` is for callers that check it themselves: then any JSON is taken, and of an answer
    that was cut off (the reason in `Finished` is `length`) what is whole in it.
    """
    written, finished = "", Finished("stop", Usage())
    for piece in chat(model, messages, max_tokens=max_tokens, temperature=temperature, schema=schema, step=step):
        if isinstance(piece, Event):
            yield piece
        elif isinstance(piece, Text):
            written += piece.text
        elif isinstance(piece, Finished):
            finished = piece
    if finished.reason == "length" and not lenient:
        raise errors.unfit("The model's answer was cut off before its end.")
    return _parsed(written, {} if lenient else schema, partly=finished.reason == "length"), finished


def _parsed(written: str, schema: Mapping[str, Any], *, partly: bool) -> Any:
    import jsonschema

    try:
        value = from_json(written, allow_inf_nan=False, allow_partial=partly)
        jsonschema.validate(value, schema)
    except (ValueError, jsonschema.ValidationError) as error:
        raise errors.unfit("The model's answer is not the JSON that it was asked for.") from error
    return value


# --- connecting ------------------------------------------------------------------------------------------------------


def _embedded() -> Generator[Event, None, Model]:
    address = yield from embedded.address()
    found = client(address.url, address.key, _settings().llm_timeout, loopback=True)
    return Model(embedded.NAME, found, embedded=True, context=embedded.CONTEXT)


def _settings() -> ServiceSettings:
    try:
        return settings()
    except SettingError as error:
        raise errors.missing(f"{error}.") from None


def _first_model(found: openai.OpenAI) -> str:
    """What the server calls the first of its models: servers of one model seldom care for its name."""
    openai = sdk()
    try:
        with cuttable() as line, calling(line):
            names = [model.id for model in found.models.list().data or ()]
    except openai.APIError as error:
        raise errors.told(error) from error
    if not names:
        raise errors.missing("The model's server offers no model: HEADWAY_LLM_MODEL names the one to ask.")
    return str(names[0])


def _turn(model: Model) -> Turn:
    return Turn("embedded-model", embedded.SLOTS) if model.embedded else Turn("model")


def _opened(model: Model, request: dict[str, Any], line: Line) -> Generator[Event, None, Any]:
    """The answer, once it has begun."""
    openai = sdk()
    try:
        try:
            return _asked(model, request, line)
        except openai.APIConnectionError:
            if not model.embedded or line.is_cut:
                raise
        again = yield from _embedded()  # its server has died; it is another one's address now
        return _asked(again, request, line)
    except openai.APIError as error:
        raise _ended(error, line) from error


def _ended(error: openai.APIError, line: Line) -> BaseException:
    """What a failed call is: the cancel of its run, or the model's failure."""
    return GreenletExit() if line.is_cut else errors.told(error)


def _asked(model: Model, request: dict[str, Any], line: Line) -> Any:
    """The answer to a request, without those parts of it that the server says it does not take."""
    openai = sdk()
    while True:
        try:
            return _tried(model, request, line)
        except openai.BadRequestError as error:
            if error.param not in _OPTIONAL or error.param not in request:
                raise
            request = _without(error.param, request)


_OPTIONAL: Final = ("max_tokens", "temperature", "stop", "stream_options", "response_format")


def _without(part: str, request: dict[str, Any]) -> dict[str, Any]:
    """A request that says it in another way, or not at all.

    OpenAI's reasoning models want `max_completion_tokens`, which others do not know, and choose their temperature
    themselves. Servers that hold no model to a schema are told it in words.
    """
    rest = {name: value for name, value in request.items() if name != part}
    if part == "max_tokens":
        rest["max_completion_tokens"] = request["max_tokens"]
    if part == "response_format":
        schema = orjson.dumps(request["response_format"]["json_schema"]["schema"]).decode()
        told = {"role": "system", "content": f"Answer with JSON alone that satisfies this schema: {schema}"}
        rest["messages"] = [told, *request["messages"]]
    return rest


def _tried(model: Model, request: dict[str, Any], line: Line) -> Any:
    import stamina

    attempts = 1 if model.embedded else ATTEMPTS
    for attempt in stamina.retry_context(lambda error: not line.is_cut and errors.is_passing(error), attempts=attempts):
        with attempt, calling(line):
            return model.client.chat.completions.create(**request)
    raise AssertionError("the last attempt returns or raises")


# --- reading ---------------------------------------------------------------------------------------------------------


class _Reader:
    """Makes pieces of the chunks of an answer, and finds out what was missing in them."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._reason: str | None = None
        self._usage = Usage()
        self._refusal = ""

    def pieces(self, stream: Any, line: Line) -> Iterator[Event | Piece]:
        openai = sdk()
        try:
            for chunk in stream:
                yield from self._read(chunk.to_dict(warnings=False))
        except openai.APIError as error:
            raise _ended(error, line) from error
        except (AttributeError, TypeError, ValueError) as error:
            raise errors.unfit(NOT_THE_API) from error
        if self._reason is None and "event-stream" not in stream.response.headers.get("content-type", ""):
            raise errors.unfit(NOT_THE_API)
        yield self._finished()

    def _read(self, chunk: dict[str, Any]) -> Iterator[Event | Piece]:
        self._usage = _usage(chunk.get("usage")) or self._usage
        if told := chunk.get("prompt_progress"):
            yield _reading(told, self._step)
        for choice in chunk.get("choices") or ():
            self._reason = choice.get("finish_reason") or self._reason
            said = choice.get("delta") or {}
            self._refusal += said.get("refusal") or ""
            # `reasoning_content`: DeepSeek, llama.cpp, vLLM, SGLang; `reasoning`: OpenRouter, Ollama, newer vLLM
            if thought := said.get("reasoning_content") or said.get("reasoning"):
                yield Thinking(_text(thought))
            if text := said.get("content"):
                yield Text(_text(text))

    def _finished(self) -> Finished:
        if self._refusal or self._reason == "content_filter":
            raise errors.refused("The model refused to answer this.")
        if self._reason is None:
            raise errors.away("The model's server broke off in the middle of its answer.")
        return Finished(self._reason, self._usage)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text is a string, not {type(value).__name__}")
    return value


def _usage(told: Any) -> Usage | None:
    if not isinstance(told, dict):
        return None
    return Usage(told.get("prompt_tokens"), told.get("completion_tokens"))


def _reading(told: Mapping[str, Any], step: str) -> Event:
    """How much of a prompt the embedded server has read; what it still knows from the call before counts as read."""
    done, total = told["processed"], told["total"]
    return progress("Reading the prompt", done=done, total=total, unit="tokens", step=step)
