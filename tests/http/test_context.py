"""The contexts in which operations and streams work: of their application, of their run, where asked of the request."""

from __future__ import annotations

import logging
import logging.config
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import gevent
import pytest
from flask import Flask, current_app, has_request_context
from flask.testing import FlaskClient

from streaming import (
    Event,
    Headway,
    MemoryStore,
    Operation,
    RegistrationError,
    current_run,
    event,
    gateway,
    operation,
    relay,
)
from streaming.clock import SystemClock
from streaming.http.context import call_context
from streaming.protocol.events import make_event
from streaming.protocol.recorder import Recorder
from streaming.runs import runner
from streaming.runs.context import Headers
from streaming.runs.executors.start import start_work
from streaming.runs.signature import NoInput
from streaming.stores.base import Record, RunInfo
from tests.apps import contexts
from tests.apps.contexts import TORN, create_app
from tests.apps.gateway_upstream import Upstream, frame
from tests.clients import Message, parse_frames, wait_until
from tests.worlds import World

EXECUTORS: Final = ("greenlet", "thread", "asyncio", "process")
every_executor = pytest.mark.parametrize("executor", EXECUTORS)

ASYNC: Final = {"Prefer": "respond-async"}
ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "context.md"


@pytest.fixture
def client(world: World) -> FlaskClient:
    """A client of the application, in both worlds."""
    return create_app().test_client()


def events_of(client: FlaskClient, path: str, input: dict[str, Any] | None = None, **headers: str) -> list[Message]:
    """The events of a run, or of a stream, until its end."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    method = "GET" if path.startswith("/streams") else "POST"
    with client.open(path, method=method, json=input or {}, headers=named) as response:
        assert response.status_code == 200
        return [message for message in parse_frames(response.data) if message.event]


def data_of(messages: list[Message], name: str) -> Any:
    """The data of the one event of that name."""
    (data,) = [message.json for message in messages if message.event == name]
    return {field: value for field, value in data.items() if field != "timestamp"}


def begin(client: FlaskClient, operation: str, input: dict[str, Any]) -> str:
    """The id of a run without a viewer, once it is at work."""
    response = client.post(f"/operations/{operation}", json=input, headers=ASYNC)
    run = str(response.json["id"])  # type: ignore[index]
    wait_for(client, lambda: client.get(f"/runs/{run}").json["last_event_id"] >= 2)  # type: ignore[index]
    return run


def wait_for(client: FlaskClient, condition: Callable[[], Any]) -> None:
    """Waits, also where the hub is in this thread."""
    headway: Headway = client.application.extensions["headway"]
    worker = headway.worker
    wait_until(lambda: worker.call(gevent.sleep, 0.005) or condition(), "it happens")


# The application


@every_executor
def test_an_operation_has_its_application(client: FlaskClient, executor: str) -> None:
    """It runs in a new context of its application, with nothing of the request but the variables of other libraries."""
    here = data_of(events_of(client, f"/operations/{executor}", X_Trace="t1"), "here")
    assert (here["app"], here["request"], here["g"]) == ("shop", False, [])
    assert here["trace"] == ("none" if executor == "process" else "t1")


@every_executor
@pytest.mark.parametrize(("act", "ending"), [("return", "NoneType"), ("fail", "ValueError"), ("exit", "GreenletExit")])
def test_the_context_is_torn_down(client: FlaskClient, tmp_path: Path, executor: str, act: str, ending: str) -> None:
    """Once, before the last event, and its functions are told how the run ended."""
    note = tmp_path / "note"
    messages = events_of(client, f"/operations/{executor}", {"act": act, "path": str(note)})
    assert note.read_text() == f"{ending}\n"
    assert messages[-1].json["status"] == ("succeeded" if act == "return" else "failed")


@every_executor
@pytest.mark.parametrize("leave", ["cancel", "disconnect"])
def test_the_context_of_a_cancelled_run(client: FlaskClient, tmp_path: Path, executor: str, leave: str) -> None:
    """It is torn down, and its functions see that the run did not succeed."""
    note = tmp_path / "note"
    waiting = {"act": "wait", "path": str(note)}
    if leave == "cancel":
        run = begin(client, executor, waiting)
        client.delete(f"/runs/{run}")
    else:
        response = client.post(f"/operations/{executor}", json=waiting)
        frames = iter(response.response)
        while b"waiting" not in next(frames):
            pass
        response.close()
    wait_for(client, Path(f"{note}.torn").exists)
    assert note.read_text() in ("GreenletExit\n", "GeneratorExit\n", "CancelledError\n")


@every_executor
def test_a_cancel_does_not_interrupt_a_teardown(client: FlaskClient, tmp_path: Path, executor: str) -> None:
    """A function that waits, for a rollback say, comes to its end."""
    note = tmp_path / "note"
    run = begin(client, executor, {"path": str(note), "slow": 0.2})
    wait_for(client, note.exists)
    client.delete(f"/runs/{run}")
    wait_for(client, Path(f"{note}.torn").exists)


@every_executor
def test_a_teardown_that_fails(client: FlaskClient, executor: str) -> None:
    """It fails its run: what it was to commit, say, is not there."""

    @client.application.teardown_appcontext
    def fail(error: BaseException | None) -> None:
        if has_run():
            raise LookupError

    ending = events_of(client, f"/operations/{executor}")[-1].json["status"]
    assert ending == ("succeeded" if executor == "process" else "failed")  # whose application is another


def has_run() -> bool:
    """Whether this is a run."""
    try:
        return current_run().id != ""
    except RuntimeError:
        return False


def test_runs_have_contexts_of_their_own(client: FlaskClient, tmp_path: Path) -> None:
    """Those of many runs at once are as many, and each is torn down once."""
    note = tmp_path / "note"
    runs = [begin(client, executor, {"path": str(note)}) for executor in EXECUTORS[:-1] * 7]
    wait_for(client, lambda: all(client.get(f"/runs/{run}").json["status"] == "succeeded" for run in runs))  # type: ignore[index]
    assert note.read_text() == "NoneType\n" * 21


def test_a_run_that_was_cancelled_before_it_began(world: World) -> None:
    """It has no context, and needs no teardown."""
    entered: list[str] = []
    app = Flask(__name__)
    app.teardown_appcontext(lambda error: entered.append("torn"))

    @operation
    def never() -> None:
        entered.append("begun")

    headway = Headway(app, operations=[never])

    def start_and_cancel() -> None:
        run, _ = headway.runner.start(never, NoInput())
        headway.runner.cancel(run, "")

    world.call(start_and_cancel)
    world.until(lambda: not headway.runner.runs, "it has ended")
    assert entered == []


# A process


@pytest.mark.parametrize("place", ["tests.apps.contexts:create_app", "tests.apps.context_app:app"])
def test_the_application_of_a_process(world: World, place: str) -> None:
    """It is made by its factory in the process of each run, after the fork, or taken from its module."""
    messages = [events_of(create_app(place).test_client(), "/operations/process")[1] for _ in range(2)]
    assert [message.json["app"] for message in messages] == ["shop", "shop"]


def test_a_factory_runs_in_the_process_itself(client: FlaskClient) -> None:
    """Nothing that it opens crosses a fork: the fork server makes no application."""
    made = data_of(events_of(client, "/operations/counted"), "made")
    assert [pid for pid, place in made["made"] if place == "tests.apps.contexts:create_app"] == [made["here"]]


def test_a_process_without_its_application(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Flask's error says what to do."""
    events_of(create_app(None).test_client(), "/operations/process")
    assert 'Headway(app, process_app="module:create_app")' in caplog.text


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("tests.apps.contexts:missing", "no attribute 'missing'"),
        ("tests.apps.missing:app", "No module named"),
        ("tests.apps.contexts:ASYNC", "no attribute"),
        ("tests.apps.contexts:HEADERS", "no Flask application"),
    ],
)
def test_a_process_app_that_is_not_there(
    world: World, caplog: pytest.LogCaptureFixture, place: str, reason: str
) -> None:
    """The run fails, and the log says why."""
    assert events_of(create_app(place).test_client(), "/operations/process")[-1].json["status"] == "failed"
    assert reason in caplog.text


@pytest.mark.parametrize("place", ["shop", "shop:", ":app", "shop:create_app()", "a b:c", 3])
def test_a_process_app_that_is_no_place(place: Any) -> None:
    """It is refused where it stands."""
    with pytest.raises(RegistrationError, match="process_app is"):
        Headway(process_app=place)


# The run


@every_executor
def test_the_current_run(client: FlaskClient, executor: str) -> None:
    """An operation knows its run: id, operation, owner, attempt, checked input, and the headers that it names."""
    client.application.extensions["headway"]._authorize = lambda request: "ann"
    messages = events_of(client, f"/operations/{executor}", {"slow": 1}, Accept_Language="de", X_Other="secret")
    here = data_of(messages, "here")
    assert here["run"] == [messages[0].json["run"], executor, "ann", 1, None]
    assert here["input"] == {"act": "return", "path": "", "slow": 1.0}
    assert (here["language"], here["headers"]) == ("de", {"Accept-Language": "de"})


class Orphans(MemoryStore):
    """A store with one run whose worker was lost."""

    lost = False

    def adopt_orphans(self, operations: object = None) -> list[Record]:
        """The run, once."""
        self.lost, lost = True, not self.lost
        record = self.find("lost")
        return [replace(record, attempt=2)] if lost and record else []


@pytest.mark.parametrize("headers", [{}, {"Accept-Language": "de"}])
def test_the_current_run_of_another_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """It is the same run with the same headers, in the application of the worker that has it now."""
    monkeypatch.setattr(runner, "MAINTENANCE", 0.01)
    seen: list[Any] = []

    @operation(retries=5, headers=["Accept-Language"])
    def lost() -> Any:
        run = current_run()
        seen.append((run.attempt, current_app.name, dict(run.headers)))

    kept = run_info_of(lost, headers)
    seen.clear()
    store, app = Orphans(), Flask("other")
    world.call(store.create, replace(kept, id="lost"))
    world.call(append_start, store)
    headway = Headway(app, operations=[lost], log=store, serving=True)
    assert headway.runner.live <= 1
    world.until(lambda: seen, "it runs again")
    assert seen == [(3, "other", headers)]
    headway.close()


def run_info_of(what: Operation, headers: dict[str, str]) -> RunInfo:
    """What a store is given of a run that a request starts."""
    store, app = Infos(), Flask("first")
    client = app.test_client()
    Headway(app, operations=[what], log=store)
    events_of(client, f"/operations/{what.name}", None, **headers)
    return store.infos[0]


class Infos(MemoryStore):
    """A store that shows what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.infos: list[RunInfo] = []

    def create(self, info: RunInfo, **options: Any) -> RunInfo:
        """Keeps it."""
        self.infos.append(info)
        return super().create(info, **options)


def append_start(store: MemoryStore) -> None:
    """Writes what the lost worker has written."""
    recorder = Recorder(SystemClock())
    recorder.add(make_event("start", {"run": "lost", "operation": "lost"}))
    store.append("lost", recorder.take(), recorder.fold)


def test_outside_of_a_run(client: FlaskClient) -> None:
    """`current_run()` fails with one line that says why."""
    with pytest.raises(RuntimeError, match="here is no run") as caught:
        current_run()
    assert "\n" not in str(caught.value)
    assert "stream() and relay() send has no run" in data_of(events_of(client, "/streams/plain"), "run")["error"]


def test_headers_have_names_in_any_case() -> None:
    """As those of HTTP."""
    headers = Headers({"Accept-Language": "de"})
    assert headers["accept-language"] == headers.get("ACCEPT-LANGUAGE") == "de"
    assert "X-Missing" not in headers
    assert (list(headers), len(headers), dict(headers)) == (["Accept-Language"], 1, {"Accept-Language": "de"})
    with pytest.raises(KeyError):
        headers["X-Missing"]


# Gateways


def events_of_gateway(events: Iterable[Any]) -> Iterator[Any]:
    """A transform that says where it works."""
    yield from events
    yield event("here", {"app": current_app.name, "request": has_request_context(), "input": input_of_the_run()})


def input_of_the_run() -> Any:
    """The input, where there is a run."""
    try:
        return current_run().input.model_dump()
    except RuntimeError:
        return None


def test_a_gateway_and_a_relay(world: World) -> None:
    """Their transforms and their `auth` have the application, and a transform of a gateway has its run."""
    app = Flask("shop")
    app.config["TOKEN"] = "Bearer secret"
    options: dict[str, Any] = {"through": [events_of_gateway], "auth": lambda: current_app.config["TOKEN"]}
    with Upstream() as upstream:
        upstream.will(lambda call: call.stream(frame("tick", {"n": 1})))
        Headway(app, operations=[gateway(upstream.url, **options)])
        app.add_url_rule("/streams/relay", "relay", lambda: relay(upstream.url, **options))
        here = data_of(events_of(app.test_client(), "/operations/work", {"word": "a"}), "here")
        assert here == {"app": "shop", "request": False, "input": {"word": "a"}}
        here = data_of(events_of(app.test_client(), "/streams/relay"), "here")
        assert here == {"app": "shop", "request": False, "input": None}
        assert [call.headers["authorization"] for call in upstream.calls] == ["Bearer secret"] * 2


# Log records


@every_executor
def test_records_carry_their_run(client: FlaskClient, executor: str) -> None:
    """Run, operation and owner; `-` for an owner without a name."""
    messages = events_of(client, f"/operations/{executor}")
    assert data_of(messages, "here")["record"] == [messages[0].json["run"], executor, "-"]


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The lines of a log that is configured as `logging.config` has it."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"run": {"()": "streaming.RunFilter"}},
            "formatters": {"run": {"format": "%(run)s %(operation)s %(owner)s %(message)s"}},
            "handlers": {
                "list": {
                    "class": "tests.http.test_context.ListHandler",
                    "filters": ["run"],
                    "formatter": "run",
                }
            },
            "loggers": {name: {"handlers": ["list"]} for name in ("tests.contexts", "headway")},
        }
    )
    yield logging.getLogger("headway").handlers[0].lines  # type: ignore[attr-defined]
    for name in ("tests.contexts", "headway"):
        logging.getLogger(name).handlers.clear()


class ListHandler(logging.Handler):
    """Keeps the lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one."""
        self.lines.append(self.format(record).partition("\n")[0])


@pytest.mark.parametrize("executor", EXECUTORS[:-1])
def test_a_log_configuration(client: FlaskClient, lines: list[str], executor: str) -> None:
    """The filter stands in it by its name, works for every logger, and outside of a run."""
    run = events_of(client, f"/operations/{executor}", {"act": "log"})[0].json["run"]
    logging.getLogger("tests.contexts").warning("outside")
    logging.getLogger("tests.contexts").warning("mine", extra={"operation": "given"})
    assert lines == [f"{run} {executor} - at work", "- - - outside", "- given - mine"]


@every_executor
def test_the_library_logs_in_the_context_of_the_run(client: FlaskClient, lines: list[str], executor: str) -> None:
    """A failure, of which the viewers see a reference, is in the log under its run."""
    run = events_of(client, f"/operations/{executor}", {"act": "fail"})[0].json["run"]
    assert [line for line in lines if line.startswith(f"{run} {executor} - operation '{executor}'")]


# The request


@pytest.mark.parametrize("name", ["asked", "asked_in_a_thread", "asked_in_a_loop"])
def test_a_copied_request(client: FlaskClient, name: str) -> None:
    """URLs, the session, the user and what is in `g` are there after the request has ended; its body is gone."""
    number = f"{name} {time.monotonic()}"
    with client.post(
        f"/operations/{name}",
        json={},
        headers={"X-User": "ann", "X-Number": number, "Accept-Language": "de"},
        base_url="https://shop.example",
    ) as response:
        found = data_of(parse_frames(response.data), "request")
    assert found == {
        "path": f"/operations/{name}",
        "url": "https://shop.example/whoami",
        "g": {"tenant": "acme"},
        "session": "green",
        "user": "ann",
        "body": ["", "", {}],
        "mark": "set",
        "language": "de",
    }


def test_an_operation_without_its_request(world: World) -> None:
    """Code without a request cannot start an operation that copies it; others start, without headers."""
    app = create_app()
    headway: Headway = app.extensions["headway"]
    with pytest.raises(RegistrationError, match="request_context=True needs a request") as caught:
        headway.call_context(contexts.asked)
    assert "\n" not in str(caught.value)
    assert dict(call_context(app, contexts.greenlet).headers) == {}
    with app.test_request_context(headers={"Accept-Language": "de"}):
        assert dict(headway.call_context(contexts.greenlet).headers) == {"Accept-Language": "de"}


@pytest.mark.parametrize("options", [{"runs_in": "process"}, {"runs_in": "celery"}, {"retries": 1}])
def test_no_copy_of_a_request(options: dict[str, Any]) -> None:
    """A process, Celery and another attempt have none, so the operation is refused."""
    with pytest.raises(RegistrationError, match="request_context=True"):
        operation(request_context=True, **options)(some_events)


def test_a_process_by_the_input_has_no_copy(world: World) -> None:
    """Nor has an operation that its `where` sends into a process."""
    moved = operation(request_context=True, where=lambda _: "process")(some_events)
    with pytest.raises(RegistrationError, match="request_context=True cannot run in a process"):
        world.call(start_work, moved, NoInput(), None)


def some_events() -> Iterator[Event]:
    """An operation's function."""
    yield event("here")


@pytest.mark.parametrize("headers", ["Accept-Language", ["a b"], [None, ""], [""], 7])
def test_names_of_headers(headers: Any) -> None:
    """They are names in a tuple, not one text."""
    with pytest.raises(RegistrationError, match="headers is"):
        operation(headers=headers)(some_events)


# Streams


@pytest.fixture
def torn() -> Iterator[list[tuple[str, str]]]:
    """The contexts of streams that were torn down."""
    TORN.clear()
    yield TORN
    TORN.clear()


def test_a_stream_has_its_application(client: FlaskClient, torn: list[Any]) -> None:
    """It runs in a context of its own, without the request, which is torn down at its end."""
    messages = events_of(client, "/streams/plain")
    assert data_of(messages, "here") == {"app": "shop", "request": False, "g": ["stream"]}
    assert data_of(messages, "result") == {"result": ["plain"]}
    assert torn == [("plain", "NoneType")]


def test_a_stream_with_its_request(client: FlaskClient, torn: list[Any]) -> None:
    """Under `stream_with_context` it has the request too, and its return value is the result."""
    messages = events_of(client, "/streams/with_context?word=me")
    assert data_of(messages, "here") == {"app": "shop", "request": True, "g": ["stream", "tenant"]}
    assert data_of(messages, "result") == {"result": ["with", "me"]}
    assert torn == [("with_context", "NoneType")]


@pytest.mark.parametrize("name", ["plain", "with_context"])
def test_a_stream_that_is_cut(client: FlaskClient, torn: list[Any], name: str) -> None:
    """Its context is torn down."""
    response = client.get(f"/streams/{name}?endless=1")
    frames = iter(response.response)
    while b"waiting" not in next(frames):
        pass
    response.close()
    wait_for(client, lambda: torn)
    assert torn in ([(name, "GreenletExit")], [(name, "GeneratorExit")])


@pytest.mark.parametrize("name", ["plain", "with_context"])
def test_a_stream_that_never_starts(client: FlaskClient, torn: list[Any], name: str) -> None:
    """No context is left open by an answer to HEAD, nor by a client that has left already."""
    client.head(f"/streams/{name}")
    with client.application.test_request_context():
        contexts.STREAMS[name]().close()
    assert events_of(client, f"/streams/{name}?word=a")[-1].event == "done"
    assert torn == [(name, "NoneType")]


# The page


def test_the_blocks_of_the_page(tmp_path: Path) -> None:
    """The application of `docs/context.md` runs, in a greenlet and in a process, and its log configuration too."""
    shop, configuration = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "shop.py").write_text(shop)
    (tmp_path / "use.py").write_text(configuration + USE)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "use.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^WARNING root run=- - owner=- used$", done.stderr, re.MULTILINE)


USE: Final = """
import logging.config
import time

from shop import Order, create_app, db
from tests.clients import parse_frames

logging.config.dictConfig(LOGGING)
logging.warning("used")
app = create_app()
with app.app_context():
    db.session.add(Order(title="A chair"))
    db.session.commit()
client = app.test_client()
with client.post("/operations/export", json={}, headers={"Accept-Language": "de"}) as response:
    events = parse_frames(response.data)
assert [event.event for event in events if event.event] == ["start", "progress", "result", "done"], events
result = events[-2].json["result"]
assert (result["language"], result["currency"]) == ("de", "EUR")
run = client.post("/operations/tidy", headers={"Prefer": "respond-async"}).json["id"]
while not (state := client.get(f"/runs/{run}").json)["question"]:
    assert state["status"] == "running", state
    time.sleep(0.01)
assert state["question"]["prompt"] == "Delete 1 orders?"
client.post(f"/runs/{run}/answer", json={"question": state["question"]["question"], "answer": True})
while (state := client.get(f"/runs/{run}").json)["status"] not in ("succeeded", "failed"):
    time.sleep(0.01)
assert state["status"] == "succeeded", state
with app.app_context():
    assert db.session.query(Order).count() == 0
"""
