"""Gateways without HTTP in front of them: what they ask an upstream for, and what becomes of its answers."""

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
from pydantic import BaseModel, Field, SecretStr

from operations.settings import ServiceSettings
from streaming import Event, OperationError, RegistrationError, Upload, delta, event, flush, gateway, result
from streaming.errors import SettingError
from streaming.gateways.gateway import Anything, Events, Gateway
from streaming.gateways.pool import tls_context
from streaming.gateways.upstream import run_url
from tests.apps.gateway_upstream import Call, Script, Upstream, frame, promptly, stamped
from tests.clients import PATIENCE, Message
from tests.conftest import Certificate
from tests.worlds import WORLDS, Stage, World, ending, entered

DONE: Final = frame("done", stamped(status="succeeded", elapsed=1.0), 9)


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Each world in turn: with the hub in the thread of the requests, and beside it, as under `flask run`."""
    with entered(request.param) as found:
        yield found


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A service that does as it is told."""
    with Upstream() as found:
        yield found


class Passage:
    """One gateway on a stage, and a run of it."""

    def __init__(self, world: World, url: str, filled: BaseModel | None = None, /, **said: Any) -> None:
        self.operation = gateway(url, **said)
        self.stage = Stage(world, self.operation)
        self.input = filled or Anything()
        self.run = ""

    def __enter__(self) -> Self:
        self.run = self.stage.start(self.operation, self.input)
        return self

    def __exit__(self, *error: object) -> None:
        self.stage.close()

    def messages(self) -> list[Message]:
        """All of them, once the run is over."""
        return self.stage.until(self.run, "done")

    def called(self, upstream: Upstream, number: int = 0) -> Call:
        """A request that the upstream has, which is waited for."""
        self.stage.world.until(lambda: len(upstream.calls) > number, f"request {number} of the upstream")
        return upstream.calls[number]

    def events(self) -> list[tuple[str, Any]]:
        """Names and data between `start` and the end; objects without their timestamps."""
        return [shown(message) for message in self.messages()[1:-2]]

    def ending(self) -> tuple[str, str | None]:
        """How it ended."""
        return ending(self.messages())


def shown(message: Message) -> tuple[str, Any]:
    """A message's name and data."""
    try:
        data = message.json
    except ValueError:
        return message.event, message.data
    return message.event, {key: data[key] for key in data if key != "timestamp"} if isinstance(data, dict) else data


def hold(call: Call) -> None:
    """Says nothing until the gateway has gone, and notes when that was."""
    call.upstream.left_at.append(call.left())


def silent_run(call: Call) -> None:
    """A run that begins, and then says nothing."""
    call.begin_run()
    call.chunk(frame("tick", stamped(n=1), 2))
    hold(call)


def accept(call: Call) -> None:
    """An answer to a DELETE."""
    call.answer(202, b"{}", "application/json")


# What is passed on


def test_events_of_any_vocabulary_pass(world: World, upstream: Upstream) -> None:
    """Names and data, raw text and `[DONE]` too; comments are passed over."""
    said: list[tuple[str, Any]] = [
        ("tick", {"n": 1}),
        ("message", "plain\ntext"),
        ("a b", "[1]"),
        ("message", "[DONE]"),
    ]
    upstream.will(lambda call: call.stream(*(b": ping\n\n" + frame(name, data) for name, data in said)))
    with Passage(world, upstream.url) as passage:
        assert passage.events() == [(name, json.loads(data) if data == "[1]" else data) for name, data in said]
        assert passage.ending() == ("succeeded", None)
        assert [message.id for message in passage.messages()] == list(range(1, 8))


def test_a_run_becomes_a_run(world: World, upstream: Upstream) -> None:
    """One `start`, one `result`, one `done`, numbers of its own: what stood between passes."""
    told = [frame("progress", stamped(done=1, total=2), 2), frame("result", stamped(result={"pages": 2}), 3)]
    upstream.will(lambda call: call.begin_run().chunk(b"".join(told) + DONE).finish())
    with Passage(world, upstream.url) as passage:
        messages = passage.stage.events(passage.run)
        assert [message.event for message in messages] == ["start", "progress", "result", "done"]
        assert messages[0].json["run"] == passage.run
        assert messages[2].json["result"] == {"pages": 2}
        assert passage.stage.snapshot(passage.run)["progress"] == {"done": 1, "total": 2}
        assert [call.method for call in upstream.calls] == ["POST"]  # and no DELETE


def test_progress_of_another_vocabulary(world: World, upstream: Upstream) -> None:
    """A `progress` that is plain text passes, and no snapshot is made of it."""
    upstream.will(lambda call: call.stream(frame("progress", "42 %"), frame("progress", "43 %")))
    with Passage(world, upstream.url) as passage:
        assert passage.events() == [("progress", "42 %"), ("progress", "43 %")]
        assert passage.stage.snapshot(passage.run)["progress"] is None
        merged = world.call(passage.stage.store.read, passage.run, 0, merge=True)
        assert merged.block.count(b"event: progress") == 2


def test_a_question_goes_through(world: World, upstream: Upstream) -> None:
    """It is asked here, and the answer given here is handed over to the upstream run."""
    answered = threading.Event()

    def asks(call: Call) -> None:
        call.begin_run()
        asked = stamped(question="q2", prompt="Go on?", schema={"type": "boolean"}, expires=None)
        call.chunk(frame("question", asked, 2))
        answered.wait(PATIENCE)
        call.chunk(frame("answer", stamped(question="q2", answer=True), 3) + DONE)

    def is_told(call: Call) -> None:
        assert call.body
        call.answer(202, b"{}", "application/json")
        answered.set()

    upstream.will(asks, is_told)
    with Passage(world, upstream.url) as passage:
        question = passage.stage.until(passage.run, "question")[-1].json
        assert (question["prompt"], question["schema"]) == ("Go on?", {"type": "boolean"})
        passage.stage.answer(passage.run, True)
        assert [message.event for message in passage.messages()[1:]] == ["question", "answer", "result", "done"]
    call = upstream.calls[1]
    assert (call.method, call.path) == ("POST", "/runs/upstream-run/answer")
    assert json.loads(call.body) == {"question": "q2", "answer": True}


# What is asked for


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


def sent(world: World, upstream: Upstream, filled: BaseModel, /, **said: Any) -> Call:
    """The request that a run with this input makes."""
    upstream.will(lambda call: call.read().stream(b"data: ok\n\n"))
    with Passage(world, upstream.url, filled, **said) as passage:
        assert passage.ending() == ("succeeded", None)
    return upstream.calls[-1]


def test_an_input_goes_on_as_json(world: World, upstream: Upstream) -> None:
    """With its defaults, by its aliases, and with what pydantic would mask."""
    call = sent(world, upstream, Form(), input=Form)
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


def test_an_input_that_nobody_has_described(world: World, upstream: Upstream) -> None:
    """Goes on as it came."""
    call = sent(world, upstream, Anything.model_validate({"messages": [{"role": "user"}], "stream": True, "n": 1.5}))
    assert json.loads(call.body) == {"messages": [{"role": "user"}], "stream": True, "n": 1.5}


def test_a_get_has_its_input_in_the_query(world: World, upstream: Upstream) -> None:
    """Beside what the configured URL has there; no body goes with it."""
    upstream.url += "?key=1"
    call = sent(world, upstream, Anything.model_validate({"q": "a b", "tag": ["x", "y"], "n": 2}), method="get")
    assert (call.method, call.path) == ("GET", "/operations/work?key=1&q=a+b&tag=x&tag=y&n=2")
    assert "content-length" not in call.headers


def test_an_upstream_that_takes_only_get(world: World, upstream: Upstream) -> None:
    """Is asked again as it wants, where no method was said."""
    upstream.will(
        lambda call: call.answer(405, b"no", "text/plain", allow="HEAD, GET"),
        lambda call: call.stream(b"data: ok\n\n"),
    )
    with Passage(world, upstream.url, Anything.model_validate({"n": 1})) as passage:
        assert passage.events() == [("message", "ok")]
    assert [(call.method, call.path[-4:]) for call in upstream.calls] == [("POST", "work"), ("GET", "?n=1")]


def test_files_go_on_as_a_form(world: World, upstream: Upstream, tmp_path: Path) -> None:
    """Whole, with their names and types, and with the other fields beside them."""
    (tmp_path / "0").write_bytes(b"x" * 300_000)
    upload = Upload(tmp_path / "0", "größe.pdf", "application/pdf", 300_000)
    call = sent(world, upstream, Form(file=upload), input=Form)
    assert call.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert int(call.headers["content-length"]) == len(call.body)
    parts = dict(part.partition(b"\r\n\r\n")[::2] for part in call.body.split(b"\r\n--"))
    told = {head.split(b'name="')[1].split(b'"')[0]: rest for head, rest in parts.items() if b'name="' in head}
    assert told[b"file"] == b"x" * 300_000
    assert (told[b"count"], told[b"ready"], told[b"secret"]) == (b"3", b"true", b"swordfish")
    assert b"application/pdf" in call.body
    assert b"nothing" not in told


def test_headers_are_chosen(world: World, upstream: Upstream) -> None:
    """Those that are named go on and tracing does, but none that the request's connection calls its own."""
    given = {
        "Accept-Language": "de",
        "X-Tenant": "blue",
        "X-Hop": "mine",
        "Cookie": "secret",
        "traceparent": "00-1-2-01",
        "Connection": "close, x-hop",
    }
    upstream.will(lambda call: call.stream(b"data: ok\n\n"))
    operation = gateway(upstream.url, headers=["accept-language", "X-Hop", "X-Missing"])
    lowered = {name.lower(): value for name, value in given.items()}
    with entered(world.name):
        request = operation.with_headers(Anything(), lambda name: lowered.get(name.lower()))
        stage = Stage(world, operation)
        stage.until(stage.start(operation, request), "done")
        stage.close()
    headers = upstream.calls[0].headers
    assert (headers["accept-language"], headers["traceparent"]) == ("de", "00-1-2-01")
    assert not {"x-hop", "x-tenant", "cookie", "x-missing"} & set(headers)


def test_auth_is_asked_for_each_attempt(world: World, upstream: Upstream) -> None:
    """A token may be stale by the time of the second; a mapping gives headers of any name."""
    tokens = iter(range(1, 10))

    def first(call: Call) -> None:
        call.begin_run()
        call.cut()

    upstream.will(first, lambda call: call.stream(DONE))
    with Passage(world, upstream.url, auth=lambda: f"Bearer {next(tokens)}") as passage:
        assert passage.ending() == ("succeeded", None)
    assert [call.headers["authorization"] for call in upstream.calls] == ["Bearer 1", "Bearer 2"]
    call = sent(world, upstream, Anything(), auth=lambda: {"X-Key": "k", "user-agent": "me"})
    assert (call.headers["x-key"], call.headers["user-agent"]) == ("k", "me")


def test_a_user_in_the_url(world: World, upstream: Upstream) -> None:
    """Is shown as Basic authentication, and stands nowhere else."""
    upstream.url = upstream.url.replace("http://", "http://me:p%40ss@")
    headers = sent(world, upstream, Anything()).headers
    assert headers["authorization"] == "Basic bWU6cEBzcw=="
    assert headers["host"] == f"127.0.0.1:{upstream.port}"


def test_connections_are_used_again(upstream: Upstream) -> None:
    """One after another, runs of a worker share a connection to their upstream."""
    upstream.will(lambda call: call.read().stream(b"data: [DONE]\n\n"))
    with entered("own hub") as world:
        for _ in range(5):
            with Passage(world, upstream.url) as passage:
                passage.messages()
            world.call(gevent.sleep, 0.05)  # what follows the last event is taken beside the run
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
def test_what_cannot_be_offered(wrong: dict[str, Any]) -> None:
    """A gateway that could not work is refused where it is declared."""
    with pytest.raises(RegistrationError):
        gateway(**{"url": "http://host/name", **wrong})


def test_what_the_catalogue_shows() -> None:
    """Its name is the last of its URL's path; it takes any object, and says so."""
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


def told(world: World, upstream: Upstream, *through: Any, **said: Any) -> list[tuple[str, Any]]:
    """What these transforms make of an upstream run with three steps."""

    def run(call: Call) -> None:
        call.begin_run()
        steps = [frame("progress", stamped(done=n, total=3), n + 1) for n in (1, 2, 3)]
        call.chunk(b"".join(steps) + frame("result", stamped(result={"secret": 7}), 5) + DONE)
        call.left()

    upstream.will(run, accept)
    with Passage(world, upstream.url, through=through, **said) as passage:
        return [shown(message) for message in passage.messages()[1:]]


Given = Iterable[Event]


def test_filtering_renaming_adding_and_splitting(world: World, upstream: Upstream) -> None:
    """They are plain Python, one after the other."""

    def odd(events: Given) -> Iterator[Event]:
        for found in events:
            if found.name != "progress" or found.data["done"] % 2:
                yield found

    def renamed(events: Given) -> Iterator[Any]:
        yield event("first", {"n": 0})
        for found in events:
            if found.name == "progress":
                yield found.replace(name="page")
                yield delta(str(found.data["done"]))
                yield flush()
            else:
                yield found

    assert told(world, upstream, odd, renamed)[:-1] == [
        ("first", {"n": 0}),
        ("page", {"done": 1, "total": 3}),
        ("delta", {"text": "1", "channel": "text"}),
        ("page", {"done": 3, "total": 3}),
        ("delta", {"text": "3", "channel": "text"}),
        ("result", {"result": {"secret": 7}}),
    ]


def test_redacting_reaches_the_result(world: World, upstream: Upstream) -> None:
    """Whatever a viewer gets to see has been through the transforms, the result too."""

    def redacted(events: Given) -> Iterator[Event]:
        for found in events:
            if found.name == "result":
                yield found.replace(data={"result": {**found.data["result"], "secret": "***"}})

    assert told(world, upstream, redacted)[0] == ("result", {"result": {"secret": "***"}})


def test_gathering(world: World, upstream: Upstream) -> None:
    """A transform may wait for the end, and give a result of its own."""

    def gathered(events: Given) -> Iterator[Event]:
        seen = [found.data["done"] for found in events if found.name == "progress"]
        yield result({"steps": seen})

    assert told(world, upstream, gathered)[0] == ("result", {"result": {"steps": [1, 2, 3]}})


def test_a_transform_that_is_no_generator(world: World, upstream: Upstream) -> None:
    """Any function from events to events is one; without a `result` the run's is null."""
    only: Callable[[Given], list[Event]] = lambda events: [found for found in events if found.name == "progress"][:1]  # noqa: E731
    assert told(world, upstream, only)[:2] == [("progress", {"done": 1, "total": 3}), ("result", {"result": None})]


def test_a_transform_that_returns_early(world: World, upstream: Upstream) -> None:
    """Ends the stream well; the upstream run is cancelled."""

    def first(events: Given) -> Iterator[Event]:
        for found in events:
            yield found
            return

    names = [name for name, _ in told(world, upstream, first)]
    assert names == ["progress", "result", "done"]
    assert (upstream.call(1).method, upstream.call(1).path) == ("DELETE", "/runs/upstream-run")


def test_a_transform_knows_the_run(world: World, upstream: Upstream) -> None:
    """By `run` of what it loops over."""
    seen: list[str | None] = []

    def watching(events: Events) -> Iterator[Event]:
        seen.append(events.run)
        yield from events

    upstream.will(lambda call: call.stream(b"data: ok\n\n"))
    with Passage(world, upstream.url, through=[watching, watching]) as passage:
        passage.messages()
        assert seen == [passage.run, passage.run]


def test_a_transform_sees_a_failure(world: World, upstream: Upstream) -> None:
    """As an `OperationError` out of its loop: a filter cannot lose it, and another transform may mend it."""
    upstream.will(lambda call: call.head().chunk(b"data: 1\n\n").cut())
    nothing: Callable[[Given], Iterator[Event]] = lambda events: (found for found in events if False)  # noqa: E731
    with Passage(world, upstream.url, through=[nothing]) as passage:
        assert passage.ending() == ("failed", "upstream_truncated")

    def mended(events: Given) -> Iterator[Event]:
        try:
            yield from events
        except OperationError as error:
            yield result(error.code)

    with Passage(world, upstream.url, through=[mended]) as passage:
        assert passage.messages()[-2].json["result"] == "upstream_truncated"


@pytest.mark.parametrize("wrong", ["a string", event("a").replace(name="start"), event("a").replace(name="done")])
def test_what_a_transform_may_not_yield(world: World, upstream: Upstream, wrong: Any) -> None:
    """Anything but events, and the library's own names, fail the run and end the upstream's."""

    def breaking(events: Given) -> Iterator[Any]:
        for _ in events:
            yield wrong

    assert [name for name, _ in told(world, upstream, breaking)] == ["error", "done"]
    assert upstream.call(1).method == "DELETE"


def test_transforms_are_closed(world: World, upstream: Upstream) -> None:
    """However a run ends, their `finally` blocks run, the last one's first, before `done`."""
    closed: list[str] = []

    def minding(name: str) -> Callable[[Given], Iterator[Event]]:
        def mind(events: Given) -> Iterator[Event]:
            try:
                yield from events
            finally:
                closed.append(name)

        return mind

    upstream.will(silent_run, accept)
    with Passage(world, upstream.url, through=[minding("first"), minding("last")]) as passage:
        passage.stage.until(passage.run, "tick")
        passage.stage.cancel(passage.run)
        passage.messages()
        assert sorted(closed) == ["first", "last"]


# Faults

REFUSED: Final = {
    "type": "https://example.org/limits",
    "title": "Slow down",
    "status": 429,
    "detail": "Ten a minute.",
    "code": "rate_limited",
    "limit": 10,
}


def begin_and(*then: Callable[[Call], object]) -> Script:
    """One event, and then something."""

    def script(call: Call) -> None:
        call.head()
        call.chunk(frame("tick", {"n": 1}))
        for step in then:
            step(call)

    return script


FAULTS: Final[dict[str, tuple[Script, str, str, bool]]] = {
    "500": (lambda call: call.answer(500, b"trace", "text/html"), "upstream_failed", "500", True),
    "400": (lambda call: call.answer(400, b"no", "text/plain"), "upstream_failed", "400", False),
    "redirect": (
        lambda call: call.answer(302, b"", "text/html", location="http://127.0.0.1:1/"),
        "upstream_failed",
        "302",
        False,
    ),
    "problem": (
        lambda call: call.answer(429, json.dumps(REFUSED).encode(), "application/problem+json"),
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


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(world: World, upstream: Upstream, fault: str) -> None:
    """Each ends in one clear `error`, which says whether to come again, and `done`; what had come before it is kept."""
    script, code, words, retryable = FAULTS[fault]
    upstream.will(script)
    idle = 0.3 if fault.startswith("silence") else 3 * PATIENCE
    with Passage(world, upstream.url, idle=idle, max_event=10_000) as passage:
        messages = passage.messages()
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
    with Passage(world, upstream.url) as passage:
        assert passage.ending() == ("failed", "upstream_failed")
        assert passage.messages()[-2].json["message"] == "The upstream cannot be reached."


def test_a_name_that_is_none(world: World) -> None:
    """One that no name server knows (RFC 6761, section 6.4, keeps `invalid` free)."""
    with Passage(world, "http://nowhere.invalid/work") as passage:
        assert passage.ending() == ("failed", "upstream_failed")
        assert "name" in passage.messages()[-2].json["message"]


def test_a_connection_that_nobody_takes(world: World) -> None:
    """A host that does not answer the first packet: a listener whose queue is full."""
    import socket

    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filling in (first, second):
            filling.setblocking(False)
            filling.connect_ex(listener.getsockname())
        with Passage(world, f"http://127.0.0.1:{listener.getsockname()[1]}/work", connect=0.2) as passage:
            assert passage.ending() == ("failed", "upstream_failed")
            assert "in time" in passage.messages()[-2].json["message"]


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_compressed_stream(world: World, upstream: Upstream, pack: Callable[[bytes], bytes]) -> None:
    """It was asked not to be; where it is all the same, it is unpacked, in whatever pieces it comes."""
    packed = pack(b"".join(frame("tick", {"n": n}) for n in range(200)))
    coding = "gzip" if pack is gzip.compress else "deflate"
    pieces = [packed[at : at + 7] for at in range(0, len(packed), 7)]
    upstream.will(lambda call: call.stream(*pieces, content_encoding=coding))
    with Passage(world, upstream.url) as passage:
        assert [data["n"] for _, data in passage.events()] == list(range(200))


def test_a_compressed_stream_flows(world: World, upstream: Upstream) -> None:
    """An event that has come whole does not wait for the next."""
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(frame("tick", {"n": 1})) + packer.flush(zlib.Z_SYNC_FLUSH)

    def script(call: Call) -> None:
        call.head(content_encoding="gzip")
        call.chunk(first)
        hold(call)

    upstream.will(script)
    with Passage(world, upstream.url) as passage:
        passage.stage.until(passage.run, "tick")


def test_http_1_0(world: World, upstream: Upstream) -> None:
    """A body that ends with its connection ends well on a whole event, and not within one."""

    def script(call: Call) -> None:
        call.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n" + frame("tick", {}))
        call.cut()

    def halved(call: Call) -> None:
        call.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + frame("tick", {})[:-1])
        call.cut()

    upstream.will(script, halved)
    with Passage(world, upstream.url) as passage:
        assert passage.ending() == ("succeeded", None)
    with Passage(world, upstream.url) as passage:
        assert passage.ending() == ("failed", "upstream_truncated")


def test_tls(world: World, certificate: Certificate) -> None:
    """With an authority that is trusted the stream passes; without, the certificate is refused."""
    with Upstream(certificate) as upstream:
        upstream.will(lambda call: call.stream(b"data: ok\n\n"))
        with Passage(world, upstream.url, ca=str(certificate.authority)) as passage:
            assert passage.events() == [("message", "ok")]
        with Passage(world, upstream.url) as passage:
            assert passage.ending() == ("failed", "upstream_failed")
            assert "certificate" in passage.messages()[-2].json["message"]
            assert len(upstream.calls) == 1


def test_the_usual_authorities_are_read() -> None:
    """Without an authority of one's own there are many."""
    import certifi

    assert len(tls_context(certifi.where()).get_ca_certs()) > 50


def test_comments_are_signs_of_life(world: World, upstream: Upstream) -> None:
    """An upstream that only keeps its line alive is not silent."""

    def script(call: Call) -> None:
        call.head()
        for _ in range(14):
            time.sleep(0.15)
            call.chunk(b": keep-alive\n\n")
        call.chunk(b"data: [DONE]\n\n")

    upstream.will(script)
    with Passage(world, upstream.url, idle=1.5) as passage:
        assert passage.ending() == ("succeeded", None)


# Taking a run up again


def steps(first: int, last: int) -> bytes:
    """Progress of an upstream run, from one number to another."""
    return b"".join(frame("progress", stamped(done=n), n) for n in range(first, last + 1))


def begun_and_cut(call: Call, *, within: bool = False) -> None:
    """A run that is cut after its third event, or within the fourth."""
    call.begin_run()
    call.chunk(steps(2, 3) + (b'id: 4\nevent: progress\ndata: {"do' if within else b""))
    call.cut()


def test_a_run_is_taken_up_again(world: World, upstream: Upstream) -> None:
    """Through its own URL, after its last whole event: nothing is lost, and nothing comes twice."""
    upstream.will(
        lambda call: begun_and_cut(call, within=True),
        lambda call: call.answer(503, b"", "text/plain"),
        lambda call: call.cut(),
        lambda call: call.head().chunk(b"retry: 100\n\n" + steps(4, 5)).finish(),
        lambda call: call.stream(steps(6, 6), frame("result", stamped(result=6), 7), DONE),
    )
    with Passage(world, upstream.url) as passage:
        assert [data["done"] for _, data in passage.events()] == [2, 3, 4, 5, 6]
        assert passage.ending() == ("succeeded", None)
    again = [(call.method, call.path, call.headers.get("last-event-id")) for call in upstream.calls[1:]]
    events = "/runs/upstream-run/events"
    assert again == [("GET", events, "3"), ("GET", events, "3"), ("GET", events, "3"), ("GET", events, "5")]


def test_a_run_that_is_cut_before_its_first_event(world: World, upstream: Upstream) -> None:
    """Is read from its beginning."""
    upstream.will(
        lambda call: call.head(run_id="upstream-run").chunk(b"id: 1\nevent: st").cut(),
        lambda call: call.stream(frame("start", stamped(run="upstream-run", operation="work"), 1), steps(2, 2), DONE),
    )
    with Passage(world, upstream.url) as passage:
        assert passage.events() == [("progress", {"done": 2})]
    assert upstream.calls[1].headers["last-event-id"] == "0"


def test_a_run_that_fell_silent_is_taken_up_again(world: World, upstream: Upstream) -> None:
    """Without heartbeats its line is dead."""
    upstream.will(silent_run, lambda call: call.stream(steps(3, 3), DONE))
    with Passage(world, upstream.url, idle=1.0) as passage:
        assert passage.events() == [("tick", {"n": 1}), ("progress", {"done": 3})]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (lambda call: call.answer(404, b"{}", "application/problem+json"), "upstream_failed"),
        (lambda call: call.stream(frame("reset", stamped(snapshot={}), 4)), "upstream_truncated"),
    ],
    ids=["gone", "gap"],
)
def test_a_run_that_cannot_be_taken_up_again(world: World, upstream: Upstream, script: Script, code: str) -> None:
    """Where the upstream has lost the run, or events of it, the run here fails at once."""
    upstream.will(begun_and_cut, script, accept)
    with Passage(world, upstream.url) as passage:
        assert passage.ending() == ("failed", code)
    assert [call.method for call in upstream.calls] == ["POST", "GET", "DELETE"]


def test_trying_again_has_an_end(world: World, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that does not come back ends the run, also one that cuts each stream anew."""
    monkeypatch.setattr("streaming.gateways.upstream.RESUME_FOR", 1.0)
    upstream.will(begun_and_cut, lambda call: call.head().chunk(b": hello\n\n").cut())
    with Passage(world, upstream.url) as passage:
        assert passage.ending() == ("failed", "upstream_truncated")
    assert 3 <= sum(call.method == "GET" for call in upstream.calls) < 12


def test_a_stream_that_says_it_can(world: World, upstream: Upstream) -> None:
    """Another service's GET is taken up again where that was said, and else is not."""
    upstream.will(
        lambda call: call.head().chunk(frame("tick", {"n": 1}, 41)).cut(),
        lambda call: call.stream(frame("tick", {"n": 2}, 42)),
    )
    with Passage(world, upstream.url, method="GET", resume=True) as passage:
        assert [data["n"] for _, data in passage.events()] == [1, 2]
    assert (upstream.calls[1].path, upstream.calls[1].headers["last-event-id"]) == ("/operations/work", "41")


# Going


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
        with Passage(world, upstream.url) as passage:
            world.until(ready.is_set, "the upstream has the request")
            world.call(gevent.sleep, 0.05)
            cancelled = time.monotonic()
            passage.stage.cancel(passage.run)
            world.until(lambda: upstream.left_at, "the connection is closed")
            assert passage.ending() == ("cancelled", "requested")
        return upstream.left_at[0] - cancelled

    upstream.will(script)
    promptly(once)
    told = [(call.method, call.path) for call in upstream.calls[1:]]
    assert told == ([] if when == "before the head" else [("DELETE", "/runs/upstream-run")])


def test_a_cancel_in_the_handshake(world: World, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that takes the connection and never speaks TLS is let go of as well."""
    taken = threading.Event()

    class Deaf(Call):
        """Reads, and says nothing."""

        def __init__(self, upstream: Upstream, sock: Any, reader: Any) -> None:
            reader.read(5)
            taken.set()
            while reader.read1(65536):
                pass
            upstream.left_at.append(time.monotonic())
            raise EOFError

    def once() -> float:
        upstream.left_at.clear()
        taken.clear()
        with Passage(world, upstream.url.replace("http:", "https:")) as passage:
            world.until(taken.is_set, "the handshake has begun")
            cancelled = time.monotonic()
            passage.stage.cancel(passage.run)
            world.until(lambda: upstream.left_at, "the connection is closed")
            assert passage.ending() == ("cancelled", "requested")
        return upstream.left_at[0] - cancelled

    monkeypatch.setattr("tests.apps.gateway_upstream.Call", Deaf)
    promptly(once)


def test_the_last_viewer_takes_the_upstream_along(world: World, upstream: Upstream) -> None:
    """Once it has been gone for the linger, and not before."""
    upstream.will(silent_run, accept)
    with Passage(world, upstream.url, linger=0.4) as passage:
        passage.stage.watch(passage.run)
        passage.stage.until(passage.run, "tick")
        passage.stage.leave(passage.run)
        left = time.monotonic()
        world.until(lambda: upstream.left_at, "the connection is closed")
        assert upstream.left_at[0] - left > 0.3
        assert passage.ending() == ("cancelled", "disconnected")
    assert upstream.call(1).method == "DELETE"


def test_a_viewer_that_comes_back_keeps_the_upstream(world: World, upstream: Upstream) -> None:
    """Within the linger nothing of its going reaches the upstream."""
    go_on = threading.Event()

    def script(call: Call) -> None:
        call.begin_run()
        go_on.wait(PATIENCE)
        call.chunk(DONE)
        call.finish()

    upstream.will(script)
    with Passage(world, upstream.url, linger=30) as passage:
        passage.stage.watch(passage.run)
        passage.called(upstream)
        passage.stage.leave(passage.run)
        passage.stage.watch(passage.run)
        go_on.set()
        assert passage.ending() == ("succeeded", None)
    assert len(upstream.calls) == 1


def test_an_upstream_that_does_not_answer_a_delete(world: World, upstream: Upstream) -> None:
    """It keeps nobody waiting: the run here is over within a second or so."""
    upstream.will(silent_run, Call.left)
    with Passage(world, upstream.url) as passage:
        passage.called(upstream)
        passage.stage.until(passage.run, "start")
        passage.stage.cancel(passage.run)
        assert passage.messages()[-1].json["elapsed"] < PATIENCE
    assert upstream.call(1).method == "DELETE"


def test_the_pool_holds_no_cut_connection(upstream: Upstream) -> None:
    """After all that, a worker has no connection left that it is not using."""
    from streaming.gateways import pool

    upstream.will(silent_run, accept)
    with entered("own hub") as world:
        for _ in range(3):
            with Passage(world, upstream.url) as passage:
                passage.called(upstream)
                passage.stage.until(passage.run, "start")
                world.call(gevent.sleep, 0.02)
                passage.stage.cancel(passage.run)
                passage.messages()
        shared = world.worker.part(pool.SharedPools).pool(None)
        mine = [each for each in shared._pool.connections if str(upstream.port) in repr(each)]
        assert all(each.is_idle() for each in mine)


def test_a_gateway_is_an_operation() -> None:
    """In every place that takes one."""
    assert isinstance(gateway("http://host/work"), Gateway)


# The service's setting


def offered(value: str) -> dict[str, Any]:
    """What the service offers with this HEADWAY_GATEWAY, by name."""
    import app

    return {operation.name: operation for operation in app.operations(ServiceSettings.read({"HEADWAY_GATEWAY": value}))}


def test_the_setting_offers_gateways(world: World, upstream: Upstream) -> None:
    """Each entry is an operation of its name, beside the service's own."""
    upstream.will(lambda call: call.stream(b"data: ok\n\n"))
    found = offered(f"first={upstream.url},second=https://host/a?b=c")
    assert {"first", "second", "extract"} <= set(found)
    assert found["second"].upstream.url == "https://host/a?b=c"
    stage = Stage(world, found["first"])
    assert stage.until(stage.start(found["first"], Anything()), "done")[1].data == "ok"
    stage.close()


@pytest.mark.parametrize("value", ["extract=http://host/x", "no name=http://host/x"])
def test_a_setting_that_cannot_be_offered(value: str) -> None:
    """One line names the variable, the entry and what it takes."""
    with pytest.raises(SettingError, match=r"^HEADWAY_GATEWAY is '.*it takes name=URL"):
        offered(value)
