"""Gateways: the event stream of another service, passed on as an operation; inspected and changed on the way.

    summaries = gateway("https://models.example/v1/summaries", through=[without_drafts, save_events(engine)])

A gateway is an operation like any other, so event log, resume, heartbeats, linger and limits come to it for free. What
`upstream` says of faults and cancels, and `vocabulary` of what ends a stream well, holds for it.

**Transforms.** `through` lists generators over events, each of which gets what the one before it yields:

    def without_drafts(events):
        for event in events:
            if event.name != "draft":
                yield event

- They see each event of the upstream as an `Event`: `name` (`"message"` where the stream names none) and `data`, which
  is a `dict` where the upstream sent a JSON object, and else the `str` that it sent (`[DONE]`, plain text, a JSON list;
  `event.text` tells). Of Headway's events `data` holds no `timestamp`: the log of this run puts its own in. A
  `timestamp` of another service is data, stays, and has none put beside it.
- They yield events of their own with `progress`, `delta`, `partial`, `event`, and changed ones with
  `event.replace(name=..., data=...)`, which keeps what is not given. `flush()` works as in an operation.
- `result` passes by as an event, `{"result": ...}`: what is left of it at the end becomes the run's result. So
  whatever a viewer gets to see has been through every transform. `result(value)` makes one; without any, it is null.
- They do not see `start`, `done` and `answer` of an upstream run. `question` and `attempt` pass by, and are best left
  alone. Comments are no events: each is a heartbeat to those who watch the run in this worker, and a sign of life.
- The stream's end is the end of the loop, and means that it ended well; what ended it in another vocabulary (`[DONE]`,
  `message_stop`) has passed by as an event. A stream that fails, by the upstream's own word or on the way, raises
  `OperationError` (`code`, `message`, `retryable`) out of the loop: a filter cannot lose it, `try` and `finally` work
  as ever, and a transform that raises one itself ends the run with it.
- A transform that returns before the end ends the stream well: the upstream is closed, its run cancelled.
- `events.run` is the id of the run here (`None` under `relay`), for those that keep things by it.
- They run where the gateway does, in the worker's hub: what waits must wait cooperatively (a patched socket does).

**Refusals.** The stream of a run begins at once, but a start waits up to `patience` seconds for the upstream's answer:
where that is a refusal (any status but 200) in this time, the caller gets it as his answer, with its status and its
problem document; a request that waits notices its caller's going. Later, and to others who watch the run, it is an
`error` (`upstream_failed`, with status, code and detail in its message) and `done`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Unpack
from urllib.parse import urlencode, urlsplit

import orjson
from pydantic import BaseModel, ConfigDict, SecretBytes, SecretStr

from ..errors import EncodeError, RegistrationError
from ..protocol.events import LIFECYCLE, Event, Flush, Question, encode_json, make_event
from ..runs.context import run_context
from ..runs.handshake import Handshake
from ..runs.operation import NAME, UNSET, FlushPolicy, Operation, Upload, close_work
from .formats import StreamFormat
from .options import UpstreamOptions

if TYPE_CHECKING:
    from ..runtime.worker import Worker
    from .upstream import Content, Upstream, UpstreamStream

Transform = Callable[[Iterable[Event]], Iterable[Any]]

WITHOUT_BODY: Final = ("GET", "HEAD", "DELETE")


class Anything(BaseModel):
    """An input that is passed on as it comes: the upstream knows what it takes."""

    model_config = ConfigDict(extra="allow")


class Events:
    """What a transform loops over; `run` is the id of the run, `None` where there is none."""

    __slots__ = ("_events", "run")

    def __init__(self, events: Iterable[Event], run: str | None) -> None:
        self._events = iter(events)
        self.run = run

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        return next(self._events)


class GatewayInput(BaseModel):
    """A checked input, with what else of its request a gateway passes on."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    input: BaseModel
    headers: list[tuple[str, str]] = []
    handshake: Handshake | None = None


class Gateway(Operation):
    """An operation whose events come from another service; `gateway` makes it."""

    def __init__(self, upstream: Upstream, through: Sequence[Transform], patience: float, **declared: Any) -> None:
        self.upstream = upstream
        self.through = through
        self.patience = patience
        super().__init__(**declared)

    def with_headers(self, checked: BaseModel, header: Callable[[str], str | None]) -> BaseModel:
        from .upstream import headers_to_pass_on

        return GatewayInput.model_construct(input=checked, headers=headers_to_pass_on(header, self.upstream))

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

        stream = UpstreamStream(
            self.upstream,
            partial(content_of, request.input),
            request.headers,
            StreamFormat(ends_with=self.upstream.ends_with),
            request.handshake,
        )
        context = run_context.get()
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
    """The file fields of an input that takes anything: each name, several files each."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> bool:
        return True


def gateway(  # one keyword for each thing that can be said of an upstream
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
    """An operation that passes on the event stream that `url` answers with. Needs the extra `gateway`.

    - `through` is described above; `name` is the last part of the URL's path unless it is given.
    - `input` is what callers send, checked here; without it, any JSON object and any form. It goes on as JSON, as
      `multipart/form-data` where it holds files, or in the query of a request without a body.
    - `patience` are the seconds that a start waits for the upstream's answer.
    - `linger`, `timeout` and `flush` are those of any operation.
    - The other keywords are those of `UpstreamOptions`.

    Raises `RegistrationError`.
    """
    try:
        from .upstream import Upstream
    except ImportError as error:
        raise RegistrationError(f"a gateway needs {error.name}: pip install headway[gateway]") from error
    if not patience >= 0:
        raise RegistrationError(f"patience is 0 or more seconds, not {patience!r}")
    declared = {"title": title, "linger": linger, "timeout": timeout, "flush": flush}
    function = _function(input or Anything, description)
    return Gateway(
        Upstream(url=url, **options), list(through), patience, fn=function, name=name or _name_in(url), **declared
    )


def result(value: Any) -> Event:
    """The event that makes `value` the result of a gateway's run; for transforms. Raises `EncodeError`."""
    return make_event("result", {"result": value})


def _function(model: type[BaseModel], description: str | None) -> Callable[[Any], Any]:
    """What an operation is declared by: a function, with its input and its docstring."""

    def passed_on(input: Any) -> Any:
        raise NotImplementedError("a gateway begins with `begin`")

    passed_on.__annotations__ = {"input": model}
    passed_on.__doc__ = description or "Passes on the event stream of another service."
    return passed_on


def _name_in(url: str) -> str:
    last = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    if not NAME.fullmatch(last):
        raise RegistrationError(f"a gateway to {url!r} needs a name=")
    return last


# -- from the upstream's events to those of the run ------------------------------------------------------------------


@contextlib.contextmanager
def transformed(source: Iterator[Event], through: Sequence[Transform], run: str | None) -> Iterator[Iterator[Any]]:
    """The events of `source` after every transform. All of them are closed at the end, the last one first."""
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
    """What an operation yields and returns, for what comes out of the transforms."""
    found: Any = None
    for event in events:
        if not isinstance(event, Event):
            if not isinstance(event, Flush):
                raise TypeError(f"a transform yields events, not {type(event).__name__}")
            yield event
        elif event.name == "result":
            found = _result_in(event)
        elif event.name == "question" and event.__class__ is Event:
            said = event.data
            stream.answer(said["question"], (yield _question(said)))
        elif event.name in LIFECYCLE and event.name != "attempt":
            raise EncodeError(f"a transform yields no {event.name!r}: it returns, or raises OperationError")
        else:
            yield event
    return found


def _result_in(event: Event) -> Any:
    head = b'{"result":'
    if event.body.startswith(head) and not event.text:
        return orjson.Fragment(event.body[len(head) : -1])
    said = event.data
    return said.get("result") if isinstance(said, dict) else said


def _question(said: Mapping[str, Any]) -> Question:
    """The question of an upstream run, to be asked here; it stays open for as long as it does there."""
    schema = said.get("schema") or {}
    within = None
    if said.get("expires"):
        within = max(datetime.fromisoformat(said["expires"]).timestamp() - time.time(), 0.0)
    return Question(encode_json({"prompt": said.get("prompt", ""), "schema": schema}), schema, within)


# -- from the input to a request -------------------------------------------------------------------------------------


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
    described = type(input).model_fields
    for name, value in input:
        if isinstance(value, SecretStr | SecretBytes):  # which pydantic would replace by asterisks
            secret = value.get_secret_value()
            fields[described[name].serialization_alias or described[name].alias or name] = (
                secret if isinstance(secret, str) else secret.decode()
            )
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
