"""Gateways without HTTP in front of them: the requests that they send to an upstream, and the events that they make."""

from __future__ import annotations

import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import gevent
import pytest
from flask import Flask
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import create_engine, select

from operations.settings import ServiceSettings
from streaming import (
    Event,
    OperationError,
    RegistrationError,
    Upload,
    current_run,
    delta,
    event,
    flush,
    from_anthropic,
    from_openai,
    gateway,
    relay,
    result,
    save_result,
)
from streaming.errors import SettingError
from streaming.gateways.gateway import Anything, Events, Gateway
from streaming.gateways.pool import tls_context
from streaming.gateways.saving import results_table
from streaming.gateways.upstream import run_url
from streaming.runs.context import CurrentRun
from streaming.stores.partials import resolved
from tests.apps.gateway_upstream import Call, Script, Upstream, frame, promptly, stamped
from tests.clients import PATIENCE, Message
from tests.conftest import Certificate
from tests.gateways.test_dialects import RECORDED
from tests.worlds import Stage, World, ending, entered

DONE: Final = frame("done", stamped(status="succeeded", elapsed=1.0), 9)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A service that follows the test's scripts."""
    with Upstream() as upstream:
        yield upstream


class GatewayRun:
    """A gateway on a stage, and one run of it."""

    def __init__(self, world: World, url: str, input: BaseModel | None = None, /, **options: Any) -> None:
        self.operation = gateway(url, **options)
        self.stage = Stage(world, self.operation)
        self.input = input or Anything()
        self.id = ""

    def __enter__(self) -> Self:
        self.id = self.stage.start(self.operation, self.input)
        return self

    def __exit__(self, *error: object) -> None:
        self.stage.close()

    def messages(self) -> list[Message]:
        """All messages, once the run has ended."""
        return self.stage.until(self.id, "done")

    def wait_for_call(self, upstream: Upstream, number: int = 0) -> None:
        """Waits for a request to the upstream."""
        self.stage.world.until(lambda: len(upstream.calls) > number, f"request {number} of the upstream")

    def events(self) -> list[tuple[str, Any]]:
        """Names and data between `start` and the end; objects without their timestamps."""
        return [name_and_data(message) for message in self.messages()[1:-2]]

    def ending(self) -> tuple[str, str | None]:
        """How it ended."""
        return ending(self.messages())


def name_and_data(message: Message) -> tuple[str, Any]:
    """The name and the data of a message, an object without its timestamp."""
    try:
        data = message.json
    except ValueError:
        return message.event, message.data
    return message.event, {key: data[key] for key in data if key != "timestamp"} if isinstance(data, dict) else data


def hold(call: Call) -> None:
    """Sends nothing until the gateway disconnects, and notes when that was."""
    call.upstream.left_at.append(call.left())


def silent_run(call: Call) -> None:
    """A run that begins, and then sends nothing."""
    call.begin_run()
    call.chunk(frame("tick", stamped(n=1), 2))
    hold(call)


def accept(call: Call) -> None:
    """An answer to a DELETE."""
    call.answer(202, b"{}", "application/json")


# Events that pass


def test_events_of_any_format_pass(world: World, upstream: Upstream) -> None:
    """Names and data, raw text and `[DONE]` too; comments do not."""
    sent: list[tuple[str, Any]] = [
        ("tick", {"n": 1}),
        ("message", "plain\ntext"),
        ("a b", "[1]"),
        ("message", "[DONE]"),
    ]
    upstream.will(lambda call: call.stream(*(b": ping\n\n" + frame(name, data) for name, data in sent)))
    with GatewayRun(world, upstream.url) as run:
        assert run.events() == [(name, json.loads(data) if data == "[1]" else data) for name, data in sent]
        assert run.ending() == ("succeeded", None)
        assert [message.id for message in run.messages()] == list(range(1, 8))


def test_a_run_becomes_a_run(world: World, upstream: Upstream) -> None:
    """With one `start`, one `result` and one `done`, and numbers of its own; the events between them pass."""
    frames = [frame("progress", stamped(done=1, total=2), 2), frame("result", stamped(result={"pages": 2}), 3)]
    upstream.will(lambda call: call.begin_run().chunk(b"".join(frames) + DONE).finish())
    with GatewayRun(world, upstream.url) as run:
        messages = run.stage.events(run.id)
        assert [message.event for message in messages] == ["start", "progress", "result", "done"]
        assert messages[0].json["run"] == run.id
        assert messages[2].json["result"] == {"pages": 2}
        assert run.stage.snapshot(run.id)["progress"] == {"done": 1, "total": 2}
        assert [call.method for call in upstream.calls] == ["POST"]  # and no DELETE


def test_a_result_that_refers_to_partials(world: World, upstream: Upstream, tmp_path: Path) -> None:
    """They pass as they are, and are kept: the result here has their values, and so has the row that is saved."""
    partials = [frame("partial", stamped(key=f"page-{n}", value={"page": n}), n + 1) for n in range(1, 51)]
    references = [{"$partial": f"page-{n}"} for n in range(1, 51)]
    done = frame("done", stamped(status="succeeded", elapsed=1.0), 53)
    sent = [*partials, frame("result", stamped(result={"pages": references}), 52), done]
    upstream.will(lambda call: call.begin_run().chunk(b"".join(sent)).finish())
    saving = save_result(engine := create_engine(f"sqlite:///{tmp_path}/saved.db"))
    pages = {"pages": [{"page": n} for n in range(1, 51)]}
    with GatewayRun(world, upstream.url, through=[saving]) as run:
        messages = run.stage.events(run.id)
        assert [message.json["value"] for message in messages[1:-2]] == pages["pages"]
        assert messages[-2].json["result"] == {"pages": references}
        kept = world.call(resolved, run.stage.store, run.stage.record(run.id))
        assert json.loads(kept.snapshot())["result"] == pages
    with engine.connect() as connection:
        assert connection.execute(select(results_table().c.result)).scalar_one() == pages


def test_progress_of_another_format(world: World, upstream: Upstream) -> None:
    """A `progress` that is plain text passes, and is not in the snapshot."""
    upstream.will(lambda call: call.stream(frame("progress", "42 %"), frame("progress", "43 %")))
    with GatewayRun(world, upstream.url) as run:
        assert run.events() == [("progress", "42 %"), ("progress", "43 %")]
        assert run.stage.snapshot(run.id)["progress"] is None
        merged = world.call(run.stage.store.read, run.id, 0, merge=True)
        assert merged.block.count(b"event: progress") == 2


def test_a_question_goes_through(world: World, upstream: Upstream) -> None:
    """It is asked here, and the answer is sent to the upstream run."""
    answered = threading.Event()

    def asks(call: Call) -> None:
        call.begin_run()
        question = stamped(question="q2", prompt="Go on?", schema={"type": "boolean"}, expires=None)
        call.chunk(frame("question", question, 2))
        answered.wait(PATIENCE)
        call.chunk(frame("answer", stamped(question="q2", answer=True), 3) + DONE)

    def accepts(call: Call) -> None:
        assert call.body
        call.answer(202, b"{}", "application/json")
        answered.set()

    upstream.will(asks, accepts)
    with GatewayRun(world, upstream.url) as run:
        question = run.stage.until(run.id, "question")[-1].json
        assert (question["prompt"], question["schema"]) == ("Go on?", {"type": "boolean"})
        run.stage.answer(run.id, True)
        assert [message.event for message in run.messages()[1:]] == ["question", "answer", "result", "done"]
    call = upstream.calls[1]
    assert (call.method, call.path) == ("POST", "/runs/upstream-run/answer")
    assert json.loads(call.body) == {"question": "q2", "answer": True}


# Requests


class Form(BaseModel):
    """An input of every kind."""

    name: str = "headway"
    count: int = 3
    ready: bool = True
    tags: list[str] = ["a", "b"]
    secret: SecretStr = SecretStr("swordfish")
    renamed: str = Field("x", alias="re-named")
    nothing: str | None = None
    file: Upload | None = None


def request_for(world: World, upstream: Upstream, input: BaseModel, /, **options: Any) -> Call:
    """The request that a run with this input sends."""
    upstream.will(lambda call: call.read().stream(b"data: ok\n\n"))
    with GatewayRun(world, upstream.url, input, **options) as run:
        assert run.ending() == ("succeeded", None)
    return upstream.calls[-1]


def test_an_input_goes_on_as_json(world: World, upstream: Upstream) -> None:
    """With its defaults, its aliases, and the secrets that pydantic would mask."""
    call = request_for(world, upstream, Form(), input=Form)
    assert (call.method, call.path) == ("POST", "/operations/work")
    assert call.headers["content-type"] == "application/json"
    assert call.headers["accept"] == "text/event-stream"
    assert call.headers["accept-encoding"] == "identity"
    body = json.loads(call.body)
    assert body.pop("file") is None
    assert body == {
        "name": "headway",
        "count": 3,
        "ready": True,
        "tags": ["a", "b"],
        "secret": "swordfish",
        "re-named": "x",
        "nothing": None,
    }


def test_an_input_without_a_model(world: World, upstream: Upstream) -> None:
    """It goes on unchanged."""
    call = request_for(
        world, upstream, Anything.model_validate({"messages": [{"role": "user"}], "stream": True, "n": 1.5})
    )
    assert json.loads(call.body) == {"messages": [{"role": "user"}], "stream": True, "n": 1.5}


def test_a_get_has_its_input_in_the_query(world: World, upstream: Upstream) -> None:
    """After the query of the configured URL; there is no body."""
    upstream.url += "?key=1"
    call = request_for(world, upstream, Anything.model_validate({"q": "a b", "tag": ["x", "y"], "n": 2}), method="get")
    assert (call.method, call.path) == ("GET", "/operations/work?key=1&q=a+b&tag=x&tag=y&n=2")
    assert "content-length" not in call.headers


def test_an_upstream_that_takes_only_get(world: World, upstream: Upstream) -> None:
    """It gets a GET after its 405, unless a method is set."""
    upstream.will(
        lambda call: call.answer(405, b"no", "text/plain", allow="HEAD, GET"),
        lambda call: call.stream(b"data: ok\n\n"),
    )
    with GatewayRun(world, upstream.url, Anything.model_validate({"n": 1})) as run:
        assert run.events() == [("message", "ok")]
    assert [(call.method, call.path[-4:]) for call in upstream.calls] == [("POST", "work"), ("GET", "?n=1")]


def test_files_go_on_as_a_form(world: World, upstream: Upstream, tmp_path: Path) -> None:
    """Complete, with their names and types, beside the other fields."""
    (tmp_path / "0").write_bytes(b"x" * 300_000)
    upload = Upload(tmp_path / "0", "größe.pdf", "application/pdf", 300_000)
    call = request_for(world, upstream, Form(file=upload), input=Form)
    assert call.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert int(call.headers["content-length"]) == len(call.body)
    parts = dict(part.partition(b"\r\n\r\n")[::2] for part in call.body.split(b"\r\n--"))
    fields = {head.split(b'name="')[1].split(b'"')[0]: rest for head, rest in parts.items() if b'name="' in head}
    assert fields[b"file"] == b"x" * 300_000
    assert (fields[b"count"], fields[b"ready"], fields[b"secret"]) == (b"3", b"true", b"swordfish")
    assert b"application/pdf" in call.body
    assert b"nothing" not in fields


def test_headers_that_go_on(world: World, upstream: Upstream) -> None:
    """Those that `headers` names and those of tracing, but none that belongs to the connection of the request."""
    headers = {
        "Accept-Language": "de",
        "X-Tenant": "blue",
        "X-Hop": "mine",
        "Cookie": "secret",
        "traceparent": "00-1-2-01",
        "Connection": "close, x-hop",
    }
    upstream.will(lambda call: call.stream(b"data: ok\n\n"))
    operation = gateway(upstream.url, headers=["accept-language", "X-Hop", "X-Missing"])
    lower = {name.lower(): value for name, value in headers.items()}
    with entered(world.name):
        request = operation.with_headers(Anything(), lambda name: lower.get(name.lower()))
        stage = Stage(world, operation)
        stage.until(stage.start(operation, request), "done")
        stage.close()
    headers = upstream.calls[0].headers
    assert (headers["accept-language"], headers["traceparent"]) == ("de", "00-1-2-01")
    assert not {"x-hop", "x-tenant", "cookie", "x-missing"} & set(headers)


def test_auth_is_called_for_each_request(world: World, upstream: Upstream) -> None:
    """A token may have expired by the time of the second; a mapping has headers of any name."""
    tokens = iter(range(1, 10))

    def first(call: Call) -> None:
        call.begin_run()
        call.cut()

    upstream.will(first, lambda call: call.stream(DONE))
    with GatewayRun(world, upstream.url, auth=lambda: f"Bearer {next(tokens)}") as run:
        assert run.ending() == ("succeeded", None)
    assert [call.headers["authorization"] for call in upstream.calls] == ["Bearer 1", "Bearer 2"]
    call = request_for(world, upstream, Anything(), auth=lambda: {"X-Key": "k", "user-agent": "me"})
    assert (call.headers["x-key"], call.headers["user-agent"]) == ("k", "me")


def test_a_user_in_the_url(world: World, upstream: Upstream) -> None:
    """It becomes Basic authentication, and is in no other header."""
    upstream.url = upstream.url.replace("http://", "http://me:p%40ss@")
    headers = request_for(world, upstream, Anything()).headers
    assert headers["authorization"] == "Basic bWU6cEBzcw=="
    assert headers["host"] == f"127.0.0.1:{upstream.port}"


def test_connections_are_used_again(upstream: Upstream) -> None:
    """One after another, runs of a worker share a connection to their upstream."""
    upstream.will(lambda call: call.read().stream(b"data: [DONE]\n\n"))
    with entered("own hub") as world:
        for _ in range(5):
            with GatewayRun(world, upstream.url) as run:
                run.messages()
            world.call(gevent.sleep, 0.05)  # the rest of the response is read beside the run
    assert len(upstream.calls) == 5
    assert upstream.connections == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://host/x"},
        {"url": "/relative/x"},
        {"url": "http://host/"},
        {"headers": ["Connection"]},
        {"headers": ["transfer-encoding"]},
        {"headers": ["Host"]},
        {"idle": 0},
        {"connect": -1},
        {"patience": -1},
        {"max_event": 0},
        {"name": "no name"},
        {"flush": "soon"},
    ],
)
def test_wrong_declarations(wrong: dict[str, Any]) -> None:
    """A gateway that could not work is refused where it is declared."""
    with pytest.raises(RegistrationError):
        gateway(**{"url": "http://host/name", **wrong})


def test_an_unknown_keyword() -> None:
    """It is an error at once, and mypy reports it, although both functions take their keywords from one place."""
    with pytest.raises(TypeError, match="idel"):
        gateway("http://host/name", idel=3)  # type: ignore[call-arg]
    with Flask(__name__).test_request_context(), pytest.raises(TypeError, match="idel"):
        relay("http://host/name", idel=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="flsh"):
        gateway("http://host/name", flsh="each")  # type: ignore[call-arg]


def test_the_entry_of_the_catalogue() -> None:
    """Its name is the last part of the URL's path, its input any object; the URL is not in it."""
    described = gateway("http://host/a/summaries?x=1", description="Sums up.").describe(0)
    assert (described["name"], described["title"], described["description"]) == ("summaries", "Summaries", "Sums up.")
    assert described["input"]["additionalProperties"] is True
    assert "host" not in json.dumps(described)


@pytest.mark.parametrize(
    ("configured", "location", "expected"),
    [
        ("http://host/operations/work", "http://elsewhere/runs/abc", "http://host/runs/abc"),
        ("https://host:8443/up/operations/work?x=1", "/runs/abc", "https://host:8443/up/runs/abc"),
        ("http://host/start", "http://elsewhere/api/runs/abc", "http://host/api/runs/abc"),
        ("http://host/start", "http://elsewhere/other", None),
    ],
)
def test_the_url_of_an_upstream_run(configured: str, location: str, expected: str | None) -> None:
    """It stays on the configured host, whatever an answer says."""
    assert run_url(configured, "abc", location) == expected


# Transforms


def transform(world: World, upstream: Upstream, *through: Any) -> list[tuple[str, Any]]:
    """The events that these transforms make of an upstream run with three steps."""

    def script(call: Call) -> None:
        call.begin_run()
        steps = [frame("progress", stamped(done=n, total=3), n + 1) for n in (1, 2, 3)]
        call.chunk(b"".join(steps) + frame("result", stamped(result={"secret": 7}), 5) + DONE)
        call.left()

    upstream.will(script, accept)
    with GatewayRun(world, upstream.url, through=through) as run:
        return [name_and_data(message) for message in run.messages()[1:]]


def test_filtering_renaming_adding_and_splitting(world: World, upstream: Upstream) -> None:
    """Transforms are plain Python, one after the other."""

    def odd(events: Iterable[Event]) -> Iterator[Event]:
        for each in events:
            if each.name != "progress" or each.data["done"] % 2:
                yield each

    def renamed(events: Iterable[Event]) -> Iterator[Any]:
        yield event("first", {"n": 0})
        for each in events:
            if each.name == "progress":
                yield each.replace(name="page")
                yield delta(str(each.data["done"]))
                yield flush()
            else:
                yield each

    assert transform(world, upstream, odd, renamed)[:-1] == [
        ("first", {"n": 0}),
        ("page", {"done": 1, "total": 3}),
        ("delta", {"text": "1", "channel": "text"}),
        ("page", {"done": 3, "total": 3}),
        ("delta", {"text": "3", "channel": "text"}),
        ("result", {"result": {"secret": 7}}),
    ]


def test_redacting_reaches_the_result(world: World, upstream: Upstream) -> None:
    """Everything that a viewer sees has passed the transforms, the result too."""

    def redacted(events: Iterable[Event]) -> Iterator[Event]:
        for each in events:
            if each.name == "result":
                yield each.replace(data={"result": {**each.data["result"], "secret": "***"}})

    assert transform(world, upstream, redacted)[0] == ("result", {"result": {"secret": "***"}})


def test_gathering(world: World, upstream: Upstream) -> None:
    """A transform may wait for the end, and yield a result of its own."""

    def gathered(events: Iterable[Event]) -> Iterator[Event]:
        seen = [each.data["done"] for each in events if each.name == "progress"]
        yield result({"steps": seen})

    assert transform(world, upstream, gathered)[0] == ("result", {"result": {"steps": [1, 2, 3]}})


def test_a_transform_that_is_no_generator(world: World, upstream: Upstream) -> None:
    """Any function from events to events is a transform; without a `result` that of the run is null."""

    def first(events: Iterable[Event]) -> list[Event]:
        return [each for each in events if each.name == "progress"][:1]

    assert transform(world, upstream, first)[:2] == [
        ("progress", {"done": 1, "total": 3}),
        ("result", {"result": None}),
    ]


def test_a_transform_that_returns_early(world: World, upstream: Upstream) -> None:
    """It ends the stream well, and the upstream run is cancelled."""

    def first(events: Iterable[Event]) -> Iterator[Event]:
        for each in events:
            yield each
            return

    names = [name for name, _ in transform(world, upstream, first)]
    assert names == ["progress", "result", "done"]
    assert (upstream.call(1).method, upstream.call(1).path) == ("DELETE", "/runs/upstream-run")


def test_a_transform_knows_the_run(world: World, upstream: Upstream) -> None:
    """Its events have the id as `run`."""
    seen: list[str | None] = []

    def watching(events: Events) -> Iterator[Event]:
        seen.append(events.run)
        yield from events

    upstream.will(lambda call: call.stream(b"data: ok\n\n"))
    with GatewayRun(world, upstream.url, through=[watching, watching]) as run:
        run.messages()
        assert seen == [run.id, run.id]


def test_a_transform_sees_a_failure(world: World, upstream: Upstream) -> None:
    """As an `OperationError` out of its loop: a filter cannot lose it, and a transform may handle it."""
    upstream.will(lambda call: call.head().chunk(b"data: 1\n\n").cut())

    def nothing(events: Iterable[Event]) -> Iterator[Event]:
        return (each for each in events if False)

    with GatewayRun(world, upstream.url, through=[nothing]) as run:
        assert run.ending() == ("failed", "upstream_truncated")

    def handled(events: Iterable[Event]) -> Iterator[Event]:
        try:
            yield from events
        except OperationError as error:
            yield result(error.code)

    with GatewayRun(world, upstream.url, through=[handled]) as run:
        assert run.messages()[-2].json["result"] == "upstream_truncated"


@pytest.mark.parametrize("wrong", ["a string", event("a").replace(name="start"), event("a").replace(name="done")])
def test_what_a_transform_may_not_yield(world: World, upstream: Upstream, wrong: Any) -> None:
    """Anything but events, and events with the library's own names, fail the run and cancel the upstream's."""

    def breaking(events: Iterable[Event]) -> Iterator[Any]:
        for _ in events:
            yield wrong

    assert [name for name, _ in transform(world, upstream, breaking)] == ["error", "done"]
    assert upstream.call(1).method == "DELETE"


def test_transforms_are_closed(world: World, upstream: Upstream) -> None:
    """However a run ends, their `finally` blocks run before `done`."""
    closed: list[str] = []

    def closing(name: str) -> Callable[[Iterable[Event]], Iterator[Event]]:
        def transform(events: Iterable[Event]) -> Iterator[Event]:
            try:
                yield from events
            finally:
                closed.append(name)

        return transform

    upstream.will(silent_run, accept)
    with GatewayRun(world, upstream.url, through=[closing("first"), closing("last")]) as run:
        run.stage.until(run.id, "tick")
        run.stage.cancel(run.id)
        run.messages()
        assert sorted(closed) == ["first", "last"]


# Failures

PROBLEM: Final = {
    "type": "https://example.org/limits",
    "title": "Slow down",
    "status": 429,
    "detail": "Ten a minute.",
    "code": "rate_limited",
    "limit": 10,
}


def begin_and(*then: Callable[[Call], object]) -> Script:
    """One event, and then these steps."""

    def script(call: Call) -> None:
        call.head()
        call.chunk(frame("tick", {"n": 1}))
        for step in then:
            step(call)

    return script


FAILURES: Final[dict[str, tuple[Script, str, str, bool]]] = {
    "500": (lambda call: call.answer(500, b"trace", "text/html"), "upstream_failed", "500", True),
    "400": (lambda call: call.answer(400, b"no", "text/plain"), "upstream_failed", "400", False),
    "a provider's error": (
        lambda call: call.answer(401, b'{"error": {"message": "Wrong key: sk-abcdef123456"}}', "application/json"),
        "upstream_failed",
        "401: Wrong key: ***",
        False,
    ),
    "redirect": (
        lambda call: call.answer(302, b"", "text/html", location="http://127.0.0.1:1/"),
        "upstream_failed",
        "302",
        False,
    ),
    "problem": (
        lambda call: call.answer(429, json.dumps(PROBLEM).encode(), "application/problem+json"),
        "upstream_failed",
        "429 (rate_limited): Ten a minute.",
        True,
    ),
    "no content": (lambda call: call.answer(204, b"", ""), "upstream_failed", "204", False),
    "wrong type": (lambda call: call.answer(200, b"{}", "application/json"), "upstream_failed", "json", False),
    "no type": (lambda call: call.answer(200, b"{}", ""), "upstream_failed", "event stream", False),
    "unknown coding": (lambda call: call.stream(b"x", content_encoding="br"), "upstream_failed", "'br'", False),
    "no response": (lambda call: call.cut(), "upstream_failed", "no response", True),
    "no http": (lambda call: call.send(b"SSH-2.0\r\n\r\n").cut(), "upstream_failed", "no response", True),
    "silence before": (Call.left, "upstream_failed", "nothing for 0.3 s", True),
    "silence after": (begin_and(lambda call: call.left()), "upstream_failed", "nothing for 0.3 s", True),
    "cut": (begin_and(Call.cut), "upstream_truncated", "was cut", True),
    "reset": (begin_and(Call.reset), "upstream_truncated", "was cut", True),
    "cut in an event": (
        begin_and(lambda call: call.chunk(b"data: ha"), Call.finish),
        "upstream_truncated",
        "within an event",
        True,
    ),
    "cut between lines": (
        begin_and(lambda call: call.chunk(b"data: ha\n"), Call.finish),
        "upstream_truncated",
        "within an event",
        True,
    ),
    "no end": (
        begin_and(lambda call: call.chunk(frame("start", {})), lambda call: call.chunk(b"\0\xff\xfe rub"), Call.finish),
        "upstream_truncated",
        "within an event",
        True,
    ),
    "nothing": (lambda call: call.stream(), "upstream_truncated", "without an event", True),
    "rubbish": (lambda call: call.stream(bytes(range(256)) * 4), "upstream_truncated", "within", True),
    "rubbish and a line end": (
        lambda call: call.stream(b"\x89PNG\n\n\n\0\0\n\n"),
        "upstream_truncated",
        "without an event",
        True,
    ),
    "rubbish for a chunk": (begin_and(lambda call: call.send(b"xyz\r\n")), "upstream_truncated", "was cut", True),
    "an endless line": (
        begin_and(lambda call: call.chunk(b"data: " + b"x" * 20_000)),
        "too_large",
        "more than 10000 bytes",
        False,
    ),
    "an endless event": (
        begin_and(lambda call: call.chunk(b"data: xxxxxxxx\n" * 2_000)),
        "too_large",
        "more than 10000 bytes",
        False,
    ),
    "gzip that is cut": (
        lambda call: call.stream(gzip.compress(b"data: 1\n\n")[:-9], content_encoding="gzip"),
        "upstream_truncated",
        "compressed stream was cut",
        True,
    ),
    "gzip that is none": (
        lambda call: call.stream(b"data: 1\n\n", content_encoding="gzip"),
        "upstream_failed",
        "unpacked",
        True,
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_failures(world: World, upstream: Upstream, failure: str) -> None:
    """Each ends in one clear `error`, which says whether a retry may help, and `done`, after the events before it."""
    script, code, words, retryable = FAILURES[failure]
    upstream.will(script)
    idle = 0.3 if failure.startswith("silence") else 3 * PATIENCE
    with GatewayRun(world, upstream.url, idle=idle, max_event=10_000) as run:
        messages = run.messages()
        error = messages[-2].json
        assert (error["code"], error["retryable"]) == (code, retryable)
        assert words in error["message"]
        assert messages[-1].json["status"] == "failed"
        assert "127.0.0.1" not in error["message"]
        assert "Traceback" not in error["message"]
    assert len(upstream.calls) == 1


def test_nobody_there(world: World, upstream: Upstream) -> None:
    """A connection that is refused."""
    upstream.close()
    with GatewayRun(world, upstream.url) as run:
        assert run.ending() == ("failed", "upstream_failed")
        assert run.messages()[-2].json["message"] == "The upstream cannot be reached."


def test_an_unknown_host(world: World) -> None:
    """A name that no name server resolves (RFC 6761, section 6.4, reserves `invalid`)."""
    with GatewayRun(world, "http://nowhere.invalid/work") as run:
        assert run.ending() == ("failed", "upstream_failed")
        assert "name" in run.messages()[-2].json["message"]


def test_a_connection_that_nobody_accepts(world: World) -> None:
    """A host that does not answer the first packet: a listener whose queue is full."""
    import socket

    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        with GatewayRun(world, f"http://127.0.0.1:{listener.getsockname()[1]}/work", connect=0.2) as run:
            assert run.ending() == ("failed", "upstream_failed")
            assert "in time" in run.messages()[-2].json["message"]


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_compressed_stream(world: World, upstream: Upstream, pack: Callable[[bytes], bytes]) -> None:
    """The request asks for none; a stream that is compressed anyway is unpacked, in whatever pieces it arrives."""
    packed = pack(b"".join(frame("tick", {"n": n}) for n in range(200)))
    coding = "gzip" if pack is gzip.compress else "deflate"
    pieces = [packed[at : at + 7] for at in range(0, len(packed), 7)]
    upstream.will(lambda call: call.stream(*pieces, content_encoding=coding))
    with GatewayRun(world, upstream.url) as run:
        assert [data["n"] for _, data in run.events()] == list(range(200))


def test_a_compressed_stream_flows(world: World, upstream: Upstream) -> None:
    """A complete event does not wait for the next one."""
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(frame("tick", {"n": 1})) + packer.flush(zlib.Z_SYNC_FLUSH)

    def script(call: Call) -> None:
        call.head(content_encoding="gzip")
        call.chunk(first)
        hold(call)

    upstream.will(script)
    with GatewayRun(world, upstream.url) as run:
        run.stage.until(run.id, "tick")


def test_http_1_0(world: World, upstream: Upstream) -> None:
    """A body that ends with its connection ends well after a whole event, and not within one."""

    def script(call: Call) -> None:
        call.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n" + frame("tick", {}))
        call.cut()

    def halved(call: Call) -> None:
        call.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + frame("tick", {})[:-1])
        call.cut()

    upstream.will(script, halved)
    with GatewayRun(world, upstream.url) as run:
        assert run.ending() == ("succeeded", None)
    with GatewayRun(world, upstream.url) as run:
        assert run.ending() == ("failed", "upstream_truncated")


def test_tls(world: World, certificate: Certificate) -> None:
    """With a trusted authority the stream passes; without it the certificate is refused."""
    with Upstream(certificate) as upstream:
        upstream.will(lambda call: call.stream(b"data: ok\n\n"))
        with GatewayRun(world, upstream.url, ca=str(certificate.authority)) as run:
            assert run.events() == [("message", "ok")]
        with GatewayRun(world, upstream.url) as run:
            assert run.ending() == ("failed", "upstream_failed")
            assert "certificate" in run.messages()[-2].json["message"]
            assert len(upstream.calls) == 1


def test_the_usual_authorities_are_read() -> None:
    """By default there are many."""
    import certifi

    assert len(tls_context(certifi.where()).get_ca_certs()) > 50


def test_comments_are_signs_of_life(world: World, upstream: Upstream) -> None:
    """An upstream that only sends heartbeats is not silent."""

    def script(call: Call) -> None:
        call.head()
        for _ in range(14):
            time.sleep(0.15)
            call.chunk(b": keep-alive\n\n")
        call.chunk(b"data: [DONE]\n\n")

    upstream.will(script)
    with GatewayRun(world, upstream.url, idle=1.5) as run:
        assert run.ending() == ("succeeded", None)


# Resuming


def steps(first: int, last: int) -> bytes:
    """Progress of an upstream run, from one number to another."""
    return b"".join(frame("progress", stamped(done=n), n) for n in range(first, last + 1))


def begin_and_cut(call: Call, *, within: bool = False) -> None:
    """A run that is cut after its third event, or within the fourth."""
    call.begin_run()
    call.chunk(steps(2, 3) + (b'id: 4\nevent: progress\ndata: {"do' if within else b""))
    call.cut()


def test_a_run_is_resumed(world: World, upstream: Upstream) -> None:
    """Through its own URL, after its last whole event: nothing is lost, and nothing comes twice."""
    upstream.will(
        lambda call: begin_and_cut(call, within=True),
        lambda call: call.answer(503, b"", "text/plain"),
        lambda call: call.cut(),
        lambda call: call.head().chunk(b"retry: 100\n\n" + steps(4, 5)).finish(),
        lambda call: call.stream(steps(6, 6), frame("result", stamped(result=6), 7), DONE),
    )
    with GatewayRun(world, upstream.url) as run:
        assert [data["done"] for _, data in run.events()] == [2, 3, 4, 5, 6]
        assert run.ending() == ("succeeded", None)
    again = [(call.method, call.path, call.headers.get("last-event-id")) for call in upstream.calls[1:]]
    events = "/runs/upstream-run/events"
    assert again == [("GET", events, "3"), ("GET", events, "3"), ("GET", events, "3"), ("GET", events, "5")]


def test_a_run_that_is_cut_before_its_first_event(world: World, upstream: Upstream) -> None:
    """It is read from its beginning."""
    upstream.will(
        lambda call: call.head(run_id="upstream-run").chunk(b"id: 1\nevent: st").cut(),
        lambda call: call.stream(frame("start", stamped(run="upstream-run", operation="work"), 1), steps(2, 2), DONE),
    )
    with GatewayRun(world, upstream.url) as run:
        assert run.events() == [("progress", {"done": 2})]
    assert upstream.calls[1].headers["last-event-id"] == "0"


def test_a_silent_run_is_resumed(world: World, upstream: Upstream) -> None:
    """Without heartbeats its connection is dead."""
    upstream.will(silent_run, lambda call: call.stream(steps(3, 3), DONE))
    with GatewayRun(world, upstream.url, idle=1.0) as run:
        assert run.events() == [("tick", {"n": 1}), ("progress", {"done": 3})]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (lambda call: call.answer(404, b"{}", "application/problem+json"), "upstream_failed"),
        (lambda call: call.stream(frame("reset", stamped(snapshot={}), 4)), "upstream_truncated"),
    ],
    ids=["gone", "gap"],
)
def test_a_run_that_cannot_be_resumed(world: World, upstream: Upstream, script: Script, code: str) -> None:
    """If the upstream has lost the run, or events of it, the run here fails at once."""
    upstream.will(begin_and_cut, script, accept)
    with GatewayRun(world, upstream.url) as run:
        assert run.ending() == ("failed", code)
    assert [call.method for call in upstream.calls] == ["POST", "GET", "DELETE"]


def test_attempts_to_resume_have_an_end(world: World, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that does not return fails the run, and so does one that cuts each new stream."""
    monkeypatch.setattr("streaming.gateways.upstream.RESUME_FOR", 1.0)
    upstream.will(begin_and_cut, lambda call: call.head().chunk(b": hello\n\n").cut())
    with GatewayRun(world, upstream.url) as run:
        assert run.ending() == ("failed", "upstream_truncated")
    assert 2 <= sum(call.method == "GET" for call in upstream.calls) < 12


def test_a_stream_with_resume(world: World, upstream: Upstream) -> None:
    """The GET of another service is resumed if the gateway is declared with `resume`."""
    upstream.will(
        lambda call: call.head().chunk(frame("tick", {"n": 1}, 41)).cut(),
        lambda call: call.stream(frame("tick", {"n": 2}, 42)),
    )
    with GatewayRun(world, upstream.url, method="GET", resume=True) as run:
        assert [data["n"] for _, data in run.events()] == [1, 2]
    assert (upstream.calls[1].path, upstream.calls[1].headers["last-event-id"]) == ("/operations/work", "41")


# Cancels


@pytest.mark.parametrize("when", ["before the head", "before an event", "after an event", "in an event"])
def test_a_cancel_closes_the_upstream(world: World, upstream: Upstream, when: str) -> None:
    """At once, also before its first byte; an upstream run is sent DELETE."""
    ready = threading.Event()

    def script(call: Call) -> None:
        if call.method == "DELETE":
            accept(call)
            return
        call.read()
        if when != "before the head":
            call.begin_run() if when != "before an event" else call.head(run_id="upstream-run")
        if when == "in an event":
            call.chunk(b"data: ha")
        ready.set()
        hold(call)

    def once() -> float:
        upstream.calls.clear()
        upstream.left_at.clear()
        ready.clear()
        with GatewayRun(world, upstream.url) as run:
            world.until(ready.is_set, "the upstream has the request")
            world.call(gevent.sleep, 0.05)
            cancelled = time.monotonic()
            run.stage.cancel(run.id)
            world.until(lambda: upstream.left_at, "the connection is closed")
            assert run.ending() == ("cancelled", "requested")
        return upstream.left_at[0] - cancelled

    upstream.will(script)
    promptly(once)
    calls = [(call.method, call.path) for call in upstream.calls[1:]]
    assert calls == ([] if when == "before the head" else [("DELETE", "/runs/upstream-run")])


def test_a_cancel_in_the_handshake(world: World, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection to a service that accepts it and never speaks TLS is closed, too."""
    accepted = threading.Event()

    class Deaf(Call):
        """Reads, and sends nothing."""

        def __init__(self, upstream: Upstream, sock: Any, reader: Any) -> None:
            reader.read(5)
            accepted.set()
            while reader.read1(65536):
                pass
            upstream.left_at.append(time.monotonic())
            raise EOFError

    def once() -> float:
        upstream.left_at.clear()
        accepted.clear()
        with GatewayRun(world, upstream.url.replace("http:", "https:")) as run:
            world.until(accepted.is_set, "the handshake has begun")
            cancelled = time.monotonic()
            run.stage.cancel(run.id)
            world.until(lambda: upstream.left_at, "the connection is closed")
            assert run.ending() == ("cancelled", "requested")
        return upstream.left_at[0] - cancelled

    monkeypatch.setattr("tests.apps.gateway_upstream.Call", Deaf)
    promptly(once)


def test_the_upstream_stops_with_the_last_viewer(world: World, upstream: Upstream) -> None:
    """After the linger, and not before."""
    upstream.will(silent_run, accept)
    with GatewayRun(world, upstream.url, linger=0.4) as run:
        run.stage.watch(run.id)
        run.stage.until(run.id, "tick")
        run.stage.leave(run.id)
        left = time.monotonic()
        world.until(lambda: upstream.left_at, "the connection is closed")
        assert upstream.left_at[0] - left > 0.3
        assert run.ending() == ("cancelled", "disconnected")
    assert upstream.call(1).method == "DELETE"


def test_a_viewer_that_comes_back_keeps_the_upstream(world: World, upstream: Upstream) -> None:
    """If it returns within the linger, the upstream does not notice."""
    go_on = threading.Event()

    def script(call: Call) -> None:
        call.begin_run()
        go_on.wait(PATIENCE)
        call.chunk(DONE)
        call.finish()

    upstream.will(script)
    with GatewayRun(world, upstream.url, linger=30) as run:
        run.stage.watch(run.id)
        run.wait_for_call(upstream)
        run.stage.leave(run.id)
        run.stage.watch(run.id)
        go_on.set()
        assert run.ending() == ("succeeded", None)
    assert len(upstream.calls) == 1


def test_an_upstream_that_does_not_answer_a_delete(world: World, upstream: Upstream) -> None:
    """The run here ends within a second or so."""
    upstream.will(silent_run, Call.left)
    with GatewayRun(world, upstream.url) as run:
        run.wait_for_call(upstream)
        run.stage.until(run.id, "tick")
        run.stage.cancel(run.id)
        assert run.messages()[-1].json["elapsed"] < PATIENCE
    assert upstream.call(1).method == "DELETE"


def test_the_pool_keeps_no_cut_connection(upstream: Upstream) -> None:
    """After cancels, all connections that a worker keeps are idle."""
    from streaming.gateways import pool

    upstream.will(silent_run, accept)
    with entered("own hub") as world:
        for _ in range(3):
            with GatewayRun(world, upstream.url) as run:
                run.wait_for_call(upstream)
                run.stage.until(run.id, "start")
                world.call(gevent.sleep, 0.02)
                run.stage.cancel(run.id)
                run.messages()
        shared = world.worker.part(pool.SharedPools).pool(None, None)
        mine = [each for each in shared._pool.connections if str(upstream.port) in repr(each)]
        assert all(each.is_idle() for each in mine)


def test_a_gateway_is_an_operation() -> None:
    """Wherever one is accepted."""
    assert isinstance(gateway("http://host/work"), Gateway)


# The service's setting


def offered(value: str) -> dict[str, Any]:
    """The operations of the service with this HEADWAY_GATEWAY, by name."""
    import app

    return {operation.name: operation for operation in app.operations(ServiceSettings.read({"HEADWAY_GATEWAY": value}))}


def test_the_setting_offers_gateways(world: World, upstream: Upstream) -> None:
    """Each entry is an operation of that name, beside the service's own."""
    upstream.will(lambda call: call.stream(b"data: ok\n\n"))
    operations = offered(f"first={upstream.url},second=https://host/a?b=c")
    assert {"first", "second", "extract"} <= set(operations)
    assert operations["second"].upstream.url == "https://host/a?b=c"
    stage = Stage(world, operations["first"])
    assert stage.until(stage.start(operations["first"], Anything()), "done")[1].data == "ok"
    stage.close()


@pytest.mark.parametrize("value", ["extract=http://host/x", "no name=http://host/x"])
def test_a_setting_that_cannot_be_offered(value: str) -> None:
    """The error is one line with the variable, the entry and the form that it must have."""
    with pytest.raises(SettingError, match=r"^HEADWAY_GATEWAY is '.*it takes name=URL"):
        offered(value)


# Whoever asks


class Question(BaseModel):
    """An input."""

    city: str


def test_auth_sees_who_asks(world: World, upstream: Upstream) -> None:
    """A function with an argument gets the run, with its owner and its input; a transform has `current_run()`."""
    seen: list[Any] = []

    def auth(run: CurrentRun) -> dict[str, str]:
        return {"Authorization": f"Bearer {run.input.model_dump()['city']}", "X-Owner": run.owner, "X-Run": run.id}

    def look(events: Iterable[Event]) -> Iterator[Event]:
        for each in events:
            seen.append((current_run().id, current_run().operation, current_run().input))
            yield each

    upstream.will(lambda call: call.read().stream(frame("tick", "{}")))
    with GatewayRun(world, upstream.url, Question(city="Bern"), auth=auth, through=[look]) as run:
        assert run.ending()[0] == "succeeded"
    headers = upstream.calls[0].headers
    assert (headers["authorization"], headers["x-owner"], headers["x-run"]) == ("Bearer Bern", "", run.id)
    assert seen == [(run.id, "work", Question(city="Bern"))]


def test_what_an_upstream_refused_with_is_in_the_log(
    world: World, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """Its beginning, without what looks like a key."""
    body = b"Incorrect API key provided: sk-proj-abcdefgh12345. " + b"x" * 5000
    upstream.will(lambda call: call.answer(401, body, "text/plain"))
    with GatewayRun(world, upstream.url) as run:
        assert run.ending() == ("failed", "upstream_failed")
    [line] = [record.getMessage() for record in caplog.records if "127.0.0.1" in record.getMessage()]
    assert "Incorrect API key provided: ***" in line
    assert "sk-proj" not in line
    assert len(line) < 600


@pytest.mark.parametrize(
    ("name", "dialect", "status", "usage"),
    [
        ("openai_chat", from_openai, "succeeded", {"input_tokens": 19, "output_tokens": 10}),
        ("anthropic", from_anthropic, "succeeded", {"input_tokens": 25, "output_tokens": 15}),
        ("anthropic_cut", from_anthropic, "failed", {"input_tokens": 25}),
    ],
)
def test_what_a_model_took(
    world: World, upstream: Upstream, name: str, dialect: Any, status: str, usage: dict[str, int]
) -> None:
    """The usage that a model's service reports is in the snapshot of the run, also of one that it has cut."""
    upstream.will(lambda call: call.stream((RECORDED / f"{name}.sse").read_bytes()))
    with GatewayRun(world, upstream.url, through=[dialect]) as run:
        assert run.ending()[0] == status
        snapshot = json.loads(run.stage.record(run.id).snapshot())
    assert usage.items() <= snapshot["usage"].items()
