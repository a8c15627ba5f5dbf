"""Gateways: operations that pass on the event stream of another service, which transforms inspect and change.

    summaries = gateway("https://models.example/v1/summaries", through=[without_drafts, save_events(engine)])

A gateway is an operation like any other: it has an event log, resume, heartbeats, linger and limits. `upstream` says
what it does about errors and cancels, `formats` what ends a stream well.

**Transforms.** `through` lists generators over events; each of them reads what the one before it yields:

    def without_drafts(events):
        for event in events:
            if event.name != "draft":
                yield event

- Each event of the upstream is an `Event`: `name` (`"message"` where the stream names none) and `data`, which is a
  `dict` where the upstream sent a JSON object, and else the text that it sent (`[DONE]`, plain text, a JSON list;
  `event.text` is true for it). The `timestamp` of a Headway event is not in `data`: the run here adds its own. A
  `timestamp` of another service is data like any other, and none is added.
- A transform may yield events of its own (`progress`, `delta`, `partial`, `event`), and changed ones:
  `event.replace(name=..., data=...)` keeps what is not given. `flush()` works as in an operation.
- The result passes as an event named `result`, with `{"result": ...}`; what the last transform yields becomes the
  result of the run. So everything that a viewer sees has passed every transform. `result(value)` makes such an event;
  without any, the result is null.
- A `file` of an upstream run is fetched after the transforms: what they leave out is not. One that cannot be is a
  `warning` in its place, with the code `file_missing`. A transform may yield `file(...)` of its own.
- `start`, `done` and `answer` of an upstream run do not pass. `question` and `attempt` do, and are best left unchanged.
  Comments are not events: each counts as a sign of life, and becomes a heartbeat for the viewers in this worker.
- The loop ends when the stream has ended well; the last event of another format (`[DONE]`, `message_stop`) has passed
  before. A stream that fails raises `OperationError` (`code`, `message`, `retryable`) out of the loop, whether the
  upstream reports the error or the connection breaks off: a filter cannot lose it, and `try` and `finally` work as
  usual. A transform that raises `OperationError` itself fails the run with it.
- A transform that returns early ends the stream well: the connection is closed, and the upstream run is cancelled.
- `events.run` is the id of the run here (`None` under `relay`); `current_run()` has its owner and input too, and the
  application context is there, as in any operation.
- Transforms run in the worker's hub, so they must wait cooperatively (a patched socket does).

**Refusals.** The stream of a run begins at once, but a start waits up to `patience` seconds for the upstream's
response. A refusal (any status but 200) in this time is the answer to the caller, with its status and its problem
document; the wait ends early if the caller disconnects. A later refusal is an `error` (`upstream_failed`, with status,
code and detail in its message) and `done`, and so is every refusal for other viewers of the run.
"""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Unpack
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, SecretBytes, SecretStr

from ..errors import EncodeError, RegistrationError
from ..extras import needs
from ..protocol.events import LIFECYCLE, Event, Flush, Question, encode_json, value_of_result
from ..runs.context import run_context
from ..runs.handshake import Handshake
from ..runs.operation import NAME, UNSET, FlushPolicy, Operation, close_work
from ..runs.questions import check_schema
from ..runs.upload import Upload
from .files import handed_over
from .formats import StreamFormat, UpstreamFailed
from .numbers import Numbers
from .options import UpstreamOptions

if TYPE_CHECKING:
    from ..runtime.worker import Worker
    from .upstream import Content, Upstream, UpstreamStream

Transform = Callable[[Iterable[Event]], Iterable[Any]]

WITHOUT_BODY: Final = ("GET", "HEAD", "DELETE")


class Anything(BaseModel):
    """An input that is passed on unchecked: the upstream checks it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")


class Events:
    """The events that a transform reads; `run` is the id of the run, `None` without one."""

    __slots__ = ("_events", "run")

    def __init__(self, events: Iterable[Event], run: str | None) -> None:
        self._events = iter(events)
        self.run: str | None = run

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        return next(self._events)


class GatewayInput(BaseModel):
    """A checked input, with the headers of its request that go on, and the handshake that the request waits for."""

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    input: BaseModel
    headers: list[Any] = []
    handshake: Handshake | None = None


class Gateway(Operation):
    """An operation whose events come from another service; `gateway` makes it."""

    def __init__(self, upstream: Upstream, through: Sequence[Transform], patience: float, **options: Any) -> None:
        self.upstream = upstream
        self.through = through
        self.patience = patience
        super().__init__(**options)

    def with_headers(self, checked: BaseModel, header: Callable[[str], str | None]) -> BaseModel:
        from .upstream import headers_to_pass_on

        return GatewayInput.model_construct(input=checked, headers=headers_to_pass_on(header, self.upstream))

    def checked_input(self, checked: BaseModel) -> BaseModel:
        return checked.input if isinstance(checked, GatewayInput) else checked

    def portable(self, checked: BaseModel) -> BaseModel | None:
        # What the caller's headers say stays in the worker that has them: they may hold credentials.
        return None if isinstance(checked, GatewayInput) and checked.headers else self.checked_input(checked)

    def handshake(self, checked: BaseModel, worker: Worker) -> Handshake | None:
        assert isinstance(checked, GatewayInput)
        checked.handshake = Handshake(worker, self.patience)
        return checked.handshake

    def begin(self, checked: BaseModel) -> Iterator[Any]:
        return self._work(checked if isinstance(checked, GatewayInput) else GatewayInput.model_construct(input=checked))

    def file_fields(self) -> dict[str, bool]:
        return _AnyFiles() if self.input is Anything else super().file_fields()

    def _work(self, request: GatewayInput) -> Generator[Event | Flush, Any, Any]:
        from .upstream import Refusal, UpstreamStream

        context = run_context.get()
        stream = UpstreamStream(
            self.upstream,
            partial(content_of, request.input),
            request.headers,
            StreamFormat(ends_with=self.upstream.ends_with),
            request.handshake,
            caller=None if context is None else context.current,
        )
        refusal = None
        try:
            with transformed(stream.events(), self.through, None if context is None else context.run) as events:
                return (yield from _as_operation(events, stream))
        except Refusal as error:
            refusal = error.problem
            raise
        finally:
            if request.handshake is not None:
                request.handshake.settle(refusal)


class _AnyFiles(dict[str, bool]):
    """The file fields of an input that takes anything: any name, for any number of files."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> bool:
        return True


def gateway(
    url: str,
    *,
    through: Iterable[Transform] = (),
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    input: type[BaseModel] | None = None,  # the contract's word
    patience: float = 0.5,
    linger: float | None = UNSET,
    timeout: float | None = None,
    flush: FlushPolicy = "ready",
    **options: Unpack[UpstreamOptions],
) -> Operation:
    """An operation that passes on the event stream at `url`. Needs the extra `gateway`.

    - `through` lists transforms, see above. `name` is by default the last part of the URL's path.
    - `input` is the model that checks what callers send; without it, any JSON object and any form are accepted. The
      input goes on as JSON, as `multipart/form-data` if it holds files, or in the query of a request without a body.
    - `patience`: seconds that a start waits for the upstream's response.
    - `linger`, `timeout` and `flush` are those of any operation.
    - The other keywords are those of `UpstreamOptions`.

    Raises `RegistrationError`.
    """
    with needs("gateway", "a gateway", RegistrationError):
        from .upstream import Upstream
    if not patience >= 0:
        raise RegistrationError(f"patience is 0 or more seconds, not {patience!r}")
    transforms = check_transforms(through)
    upstream, function = Upstream(url=url, **options), _function(input or Anything, description)
    declaration = {"name": name or _name_in(url), "title": title, "linger": linger, "timeout": timeout, "flush": flush}
    return Gateway(upstream, transforms, patience, fn=function, **declaration)


def check_transforms(through: Iterable[Transform]) -> list[Transform]:
    """The transforms as a list. Raises `RegistrationError` for one that is written with `async def`."""
    transforms = list(through)
    for transform in transforms:
        if inspect.iscoroutinefunction(transform) or inspect.isasyncgenfunction(transform):
            raise RegistrationError(f"{transform.__qualname__}: a transform is a plain generator function")
    return transforms


def _function(model: type[BaseModel], description: str | None) -> Callable[[Any], Any]:
    """The function that declares the operation: its annotation is the input, its docstring the description."""

    def pass_on(input: Any) -> Any:
        raise NotImplementedError("a gateway is no plain function: the runner calls its `begin`")

    pass_on.__annotations__ = {"input": model}
    pass_on.__doc__ = description or "Passes on the event stream of another service."
    return pass_on


def _name_in(url: str) -> str:
    last = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    if not NAME.fullmatch(last):
        raise RegistrationError(f"a gateway to {url!r} needs a name=")
    return last


# -- the events of the run -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def transformed(source: Iterator[Event], through: Sequence[Transform], run: str | None) -> Iterator[Iterator[Any]]:
    """The events of `source` after all transforms. They are closed at the end, the last one first, then `source`."""
    stages: list[Any] = [source]
    try:
        for transform in through:
            stages.append(iter(transform(Events(stages[-1], run))))
        yield stages[-1]
    finally:
        with contextlib.ExitStack() as closing:
            for stage in stages:
                closing.callback(close_work, stage)


def _as_operation(events: Iterator[Any], stream: UpstreamStream) -> Generator[Event | Flush, Any, Any]:
    """Yields and returns the output of the transforms as an operation does."""
    value: Any = None
    numbers = Numbers()
    for event in events:
        if not isinstance(event, Event):
            if not isinstance(event, Flush):
                raise TypeError(f"a transform yields events, not {type(event).__name__}")
            yield event
            continue
        if event.name == "attempt":
            event = numbers.attempt(event)  # noqa: PLW2901  # of this run from here on
        numbers.count(stream.last_id, 2 if event.__class__ is Event and event.name == "question" else 1)
        if event.name == "result":
            value = value_of_result(event)
        elif event.name == "question" and event.__class__ is Event:
            question = _question(event.data)
            stream.answer(event.data.get("question"), (yield question))
        elif event.name in LIFECYCLE and event.name != "attempt":
            raise EncodeError(f"a transform yields no {event.name!r}: it returns, or raises OperationError")
        elif event.name == "file":
            yield from handed_over(event, stream)
        else:
            yield event
    return value


def _question(data: Any) -> Question:
    """The question of an upstream run, asked here; it expires when it does there. Raises `UpstreamFailed`."""
    try:
        schema, prompt, within = dict(data.get("schema") or {}), str(data.get("prompt") or ""), None
        if data.get("expires"):
            within = max(datetime.fromisoformat(data["expires"]).timestamp() - time.time(), 0.0)
        check_schema(schema)
        return Question(encode_json({"prompt": prompt, "schema": schema}), schema, within)
    except (ValueError, TypeError, AttributeError, EncodeError, OverflowError) as error:
        raise UpstreamFailed("upstream_failed", "The upstream asked a question that cannot be passed on.") from error


# -- the request -----------------------------------------------------------------------------------------------------


def content_of(input: BaseModel, method: str) -> Content:
    """The body of a request that carries `input`, or its query where the method has no body."""
    from .upstream import Content, json_content, multipart_content

    fields, files = _fields(input)
    if method in WITHOUT_BODY:
        return Content(query=urlencode({name: _text(value) for name, value in fields.items()}, doseq=True))
    if files:
        return multipart_content({name: _text(value) for name, value in fields.items() if value is not None}, files)
    return json_content(encode_json(fields))


def _fields(input: BaseModel) -> tuple[dict[str, Any], list[tuple[str, Upload]]]:
    files = [(name, upload) for name, value in input for upload in _uploads(value)]
    fields = input.model_dump(mode="json", by_alias=True, exclude={name for name, _ in files})
    for name, value in input:
        if isinstance(value, SecretStr | SecretBytes):  # pydantic dumps asterisks
            field, secret = type(input).model_fields[name], value.get_secret_value()
            key = field.serialization_alias or field.alias or name
            fields[key] = secret if isinstance(secret, str) else secret.decode()
    return fields, files


def _uploads(value: Any) -> list[Upload]:
    entries = value if isinstance(value, list | tuple) else [value]
    return [entry for entry in entries if isinstance(entry, Upload)]


def _text(value: Any) -> str | list[str]:
    """A field of a form or a query."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and not any(isinstance(entry, list | dict) for entry in value):
        return [str(_text(entry)) for entry in value]
    return encode_json(value).decode()
