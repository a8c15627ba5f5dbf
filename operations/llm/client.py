"""Calls of a model: `connect`, then `chat` or `fill`.

All three are generators that yield `Event`s for viewers: the start of the embedded server, the place in the queue, how
much of the prompt is read. Each call waits for a turn by itself (`turns`), so an operation must not hold one. Closing a
generator closes its connection, which stops the generation at the server.

The settings `llm_base_url`, `llm_api_key` and `llm_model` select another model than the embedded one; `llm_timeout` is
how many seconds a server may be silent.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from greenlet import GreenletExit

from streaming import Event, SettingError, event, progress

from ..model_info import ModelInfo
from ..settings import ServiceSettings, settings
from . import embedded, errors, ladder
from .answers import read
from .connection import Connection, cancellable, client, sdk, use
from .fitting import fitted
from .tokens import was_cut

if TYPE_CHECKING:
    import openai


Message: TypeAlias = Mapping[str, Any]
"""A message of a chat in the format of the API: `role` and `content`."""

ATTEMPTS: Final = 3
"""Tries of a call that fails before its answer begins, with an error that may not last."""
SHOWN: Final = 500
"""Characters of an answer that does not fit, in the log at DEBUG."""
NOT_THE_API: Final = "The model's server is not OpenAI-compatible."
NO_KEY: Final = "none"
"""The key for servers without one, which the SDK requires."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model and the client of its server.

    `name` is the name on its server. `embedded` is true for the embedded server, which takes llama.cpp's options, and
    `demonstration` for the small model that it has unless HEADWAY_MODEL_FILE names another.
    `context` is how many tokens prompt and answer may have together, `None` if that is not known. `client` is the SDK's
    client, for everything that `chat` and `fill` do not do; it closes its connection after each call.
    """

    name: str
    client: openai.OpenAI
    embedded: bool = False
    context: int | None = None
    demonstration: bool = False

    @property
    def described(self) -> ModelInfo:
        """What a result says of the model that made it."""
        return {"name": self.name, "demonstration": self.demonstration}


class Thinking(NamedTuple):
    """A piece of the model's thoughts, from a server that sends them separately (`reasoning_content`, `reasoning`)."""

    text: str


class Text(NamedTuple):
    """A piece of the model's text."""

    text: str


class Usage(NamedTuple):
    """Tokens of a call; `None` if the server does not report them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Finished(NamedTuple):
    """The last piece: why the model stopped (`stop`, `length` ...), and its usage.

    `first` has the logarithms of the probabilities of the likeliest first tokens, if they were asked for and the server
    reports them.
    """

    reason: str
    usage: Usage
    first: Mapping[str, float] = MappingProxyType({})


Piece: TypeAlias = Thinking | Text | Finished


def user(content: str) -> Message:
    """A message with the role `user`."""
    return {"role": "user", "content": content}


def connect() -> Generator[Event, None, Model]:
    """The model of the settings, or the embedded one, whose server is started if it does not run.

    Raises `OperationError` with `model_missing`, or with another code of `errors` if its server does not answer.
    """
    service = _settings()
    if service.llm_base_url is None:
        if service.llm_api_key or service.llm_model:
            raise errors.missing("HEADWAY_LLM_API_KEY or HEADWAY_LLM_MODEL is set, and HEADWAY_LLM_BASE_URL is not.")
        return (yield from _embedded())
    server = client(service.llm_base_url, service.llm_api_key or NO_KEY, service.llm_timeout)
    return Model(service.llm_model or _first_model(server), server)


def chat(
    model: Model,
    messages: Sequence[Message],
    *,
    max_tokens: int | None = None,
    temperature: float | None = None,
    schema: Mapping[str, Any] | None = None,
    stop: Sequence[str] | None = None,
    step: str = "prompt",
    likeliest: int | None = None,
) -> Generator[Event | Piece, None, None]:
    """One streamed completion, piece by piece; `Finished` is always the last one.

    `max_tokens` limits thoughts and text together. With `schema`, a JSON Schema, the text is JSON that satisfies it, if
    the server supports that (`fill` checks). `step` is the step of the progress of reading the prompt: give each call
    of a run its own. `likeliest` is how many first tokens are wanted with their probabilities. Raises `OperationError`
    with a code of `errors`.
    """
    options = {"max_tokens": max_tokens, "temperature": temperature, "stop": list(stop) if stop else None}
    if likeliest:
        options |= {"logprobs": True, "top_logprobs": likeliest}
    request = _request_body(model, messages, schema, options)
    with cancellable() as connection:
        stream = yield from _open(model, request, connection)
        with closing(stream):
            yield from _ChunkReader(step).pieces(stream, connection)


def _request_body(
    model: Model, messages: Sequence[Message], schema: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    described = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
    request: dict[str, Any] = {
        "model": model.name,
        "messages": list(messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        "response_format": described if schema is not None else None,
        "extra_body": embedded.EXTRAS if model.embedded else None,
        **options,
    }
    return {name: value for name, value in request.items() if value is not None}


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
    """One completion that is JSON and satisfies `schema`; returns the value and the last piece.

    What fits after a conversion is converted (`answers`, `fitting`). Raises `OperationError` with a code of `errors`:
    `model_unfit` if the answer does not satisfy the schema, or was cut off at `max_tokens`; `PromptCutError` if the
    server has not read the whole prompt. `lenient` is for callers that check the value: any JSON is accepted, numbers
    that JSON has not in it too, and of an answer that was cut off (the reason in `Finished` is `length`) the complete
    part.
    """
    answer, finished = "", Finished("stop", Usage())
    for piece in chat(model, messages, max_tokens=max_tokens, temperature=temperature, schema=schema, step=step):
        if isinstance(piece, Event):
            yield piece
        elif isinstance(piece, Text):
            answer += piece.text
        elif isinstance(piece, Finished):
            finished = piece
    if was_cut(messages, finished.usage.prompt_tokens):
        raise errors.PromptCutError
    if finished.reason == "length" and not lenient:
        raise errors.unfit("The model's answer was cut off before its end.")
    try:
        value = read(
            answer, partial="values" if finished.reason == "length" else None, names=schema.get("properties", ())
        )
        return (value if lenient else fitted(value, schema)), finished
    except ValueError as error:
        errors.log.debug("the model's answer does not fit: %r", answer[:SHOWN])
        raise errors.unfit("The model's answer is not JSON of the requested schema.") from error


# --- connecting ------------------------------------------------------------------------------------------------------


def _embedded() -> Generator[Event, None, Model]:
    address = yield from embedded.address()
    server = client(address.url, address.key, _settings().llm_timeout, loopback=True)
    serving = embedded.serving()
    return Model(serving.name, server, True, serving.context, serving.demonstration)


def _settings() -> ServiceSettings:
    try:
        return settings()
    except SettingError as error:
        raise errors.missing(f"{error}.") from None


def _first_model(server: openai.OpenAI) -> str:
    """The name of the server's first model: servers with one model rarely check the name."""
    openai = sdk()
    try:
        with cancellable() as connection, use(connection):
            names = [model.id for model in server.models.list().data or ()]
    except openai.APIError as error:
        raise errors.from_sdk(error) from error
    if not names:
        raise errors.missing("The model's server lists no models: set HEADWAY_LLM_MODEL.")
    return str(names[0])


def _open(model: Model, request: dict[str, Any], connection: Connection) -> Generator[Event, None, Any]:
    """The stream of the answer, once it has begun."""
    openai = sdk()
    try:
        try:
            return _accepted(model, request, connection)
        except openai.APIConnectionError:
            if not model.embedded or connection.is_cancelled:
                raise
        restarted = yield from _embedded()  # the server has died, and its successor has another address
        return _accepted(restarted, request, connection)
    except openai.APIError as error:
        raise _failure(error, connection) from error


def _failure(error: openai.APIError, connection: Connection) -> BaseException:
    """The exception for a failed call: the cancel of its run, or the error of the model."""
    return GreenletExit() if connection.is_cancelled else errors.from_sdk(error)


def _accepted(model: Model, request: dict[str, Any], connection: Connection) -> Any:
    """The answer to a request, or to less of it (`ladder`)."""
    return ladder.accepted(str(model.client.base_url), request, lambda less: _send(model, less, connection))


def _send(model: Model, request: dict[str, Any], connection: Connection) -> Any:
    import stamina

    attempts = 1 if model.embedded else ATTEMPTS
    for attempt in stamina.retry_context(
        lambda error: not connection.is_cancelled and errors.is_transient(error), attempts=attempts
    ):
        with attempt, use(connection):
            stream = model.client.chat.completions.create(**request)
            errors.server().back()
            return stream
    raise AssertionError("the last attempt returns or raises")


# --- reading ---------------------------------------------------------------------------------------------------------


class _ChunkReader:
    """Turns the chunks of an answer into pieces, and checks that the answer is complete."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._reason: str | None = None
        self._usage = Usage()
        self._counts: dict[str, int] = {}
        self._refusal = ""
        self._first: Mapping[str, float] = {}

    def pieces(self, stream: Any, connection: Connection) -> Iterator[Event | Piece]:
        openai = sdk()
        try:
            for chunk in stream:
                yield from self._read(chunk.to_dict(warnings=False))
        except openai.APIError as error:
            raise _failure(error, connection) from error
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise errors.unfit(NOT_THE_API) from error
        if self._counts:
            yield event("usage", self._counts)
        if self._reason is None and "event-stream" not in stream.response.headers.get("content-type", ""):
            raise errors.unfit(NOT_THE_API)
        yield self._finished()

    def _read(self, chunk: dict[str, Any]) -> Iterator[Event | Piece]:
        self._usage = _usage(chunk.get("usage")) or self._usage
        self._counts = _counts(chunk.get("usage")) or self._counts
        if counts := chunk.get("prompt_progress"):
            yield _prompt_progress(counts, self._step)
        for choice in chunk.get("choices") or ():
            self._reason = choice.get("finish_reason") or self._reason
            delta = choice.get("delta") or {}
            self._refusal += delta.get("refusal") or ""
            # `reasoning_content`: DeepSeek, llama.cpp, vLLM, SGLang; `reasoning`: OpenRouter, Ollama, newer vLLM
            if thought := delta.get("reasoning_content") or delta.get("reasoning"):
                yield Thinking(_text(thought))
            if content := delta.get("content"):
                self._first = self._first or _likeliest(choice.get("logprobs"))
            if isinstance(content, list):
                yield from map(_part, content)
            elif content:
                yield Text(_text(content))

    def _finished(self) -> Finished:
        if self._refusal or self._reason == "content_filter":
            raise errors.refused("The model refused to answer this.")
        if self._reason is None:
            raise errors.away("The model's server closed the connection in the middle of its answer.")
        return Finished(self._reason, self._usage, self._first)


def _part(part: dict[str, Any]) -> Piece:
    """A part of a content, as Mistral's reasoning models send it."""
    if part["type"] == "thinking":
        return Thinking("".join(_text(each["text"]) for each in part["thinking"]))
    return Text(_text(part["text"]))


def _likeliest(found: Any) -> dict[str, float]:
    """The tokens that the first one might have been, with the logarithms of their probabilities."""
    tokens = found.get("content") if isinstance(found, dict) else None
    likeliest = tokens[0].get("top_logprobs") if tokens else None
    return {str(each["token"]): float(each["logprob"]) for each in likeliest or ()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text is a string, not {type(value).__name__}")
    return value


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    return Usage(usage.get("prompt_tokens"), usage.get("completion_tokens"))


def _counts(usage: Any) -> dict[str, int]:
    """The data of the event `usage`, of which a server may leave out any part."""
    found: dict[str, Any] = {}
    if isinstance(usage, dict):
        details = {kind: usage.get(f"{kind}_tokens_details") for kind in ("prompt", "completion")}
        read, written = (part if isinstance(part, dict) else {} for part in details.values())
        found = {
            "input_tokens": usage.get("prompt_tokens"),
            "output_tokens": usage.get("completion_tokens"),
            "cached_tokens": read.get("cached_tokens"),
            "reasoning_tokens": written.get("reasoning_tokens"),
        }
    return {name: count for name, count in found.items() if type(count) is int}


def _prompt_progress(counts: Mapping[str, int], step: str) -> Event:
    """How much of the prompt the embedded server has read, or still has in its cache."""
    done, total = counts["processed"], counts["total"]
    return progress("Reading the prompt", done=done, total=total, unit="tokens", step=step)
