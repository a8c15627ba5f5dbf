"""Runs from code: `Headway.start`, `Headway.run`, and the handle that both return."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import gevent
import pytest
from click.testing import CliRunner
from flask import Flask, render_template_string, request
from flask.cli import FlaskGroup
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, Field
from werkzeug.test import TestResponse

from streaming import Headway, MemoryStore, OperationError, RunCancelled, RunFailed, Upload, ask, operation, progress
from streaming.errors import Conflict, InvalidInput, NotFound, OwnerError, TooMany
from streaming.http.handle import RunHandle
from streaming.protocol.typed import Done, Progress, Question, Reset, RunEvent, Start
from tests.clients import PATIENCE
from tests.worlds import WORLDS, World, entered

SECONDS: Final = 10.0


class Count(BaseModel):
    """How many."""

    pages: int = Field(3, ge=1)


class Other(BaseModel):
    """What no operation takes."""


class Document(BaseModel):
    """A file, and several."""

    file: Upload
    more: list[Upload] = []
    title: str = ""


@operation(linger=0)
def count(input: Count) -> Any:
    """Counts."""
    for page in range(input.pages):
        yield progress(done=page + 1, total=input.pages)
    return {"pages": input.pages}


@operation(linger=None)
def read(input: Document) -> Any:
    """Reads."""
    yield progress("reading")
    return [(each.filename, each.path.read_bytes().decode()) for each in (input.file, *input.more)]


@operation
def fails(input: Count) -> Any:
    """Fails."""
    yield progress("at work")
    raise OperationError("no_paper", "There is no paper.", retryable=True)


@operation(timeout=0.01)
def slow() -> Any:
    """Takes too long."""
    yield progress("at work")
    gevent.sleep(3600)


@operation(linger=0)
def waits() -> Any:
    """Waits until it is cancelled."""
    yield progress("at work")
    gevent.sleep(3600)


@operation(linger=None)
def asks() -> Any:
    """Asks for a number."""
    return (yield ask("How many?", schema={"type": "integer"}))


OPERATIONS: Final = [count, read, fails, slow, waits, asks]


@pytest.fixture(autouse=True, params=WORLDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The hub is in this thread, or beside it."""
    with entered(request.param) as world:
        yield world


@pytest.fixture
def app() -> Iterator[Flask]:
    """An application that keeps its runs in memory."""
    app = Flask(__name__)
    headway = Headway(app, operations=OPERATIONS, log=MemoryStore())
    yield app
    headway.close()


@pytest.fixture
def headway(app: Flask) -> Headway:
    """Its extension."""
    return app.extensions["headway"]  # type: ignore[no-any-return]


def names(events: list[RunEvent]) -> list[str]:
    """The names of events."""
    return [event.type for event in events]


def json(response: TestResponse) -> Any:
    """The JSON of a response."""
    return response.json


def started(handle: RunHandle) -> RunHandle:
    """The same run, at work."""
    assert next(iter(handle.events(1))).id == 2
    return handle


def test_a_run_from_code(headway: Headway) -> None:
    """Without a request: it is started, followed and read, and typed events have the numbers and data of the stream."""
    run = headway.start("count", {"pages": 2})
    events = list(run.events())
    assert names(events) == ["start", "progress", "progress", "result", "done"]
    assert [event.id for event in events] == [1, 2, 3, 4, 5]
    match events:
        case [Start(run=id, operation="count"), Progress(done=1, total=2), Progress(done=2), _, Done(status=status)]:
            assert (id, status) == (run.id, "succeeded")
        case _:
            pytest.fail(str(events))
    assert names(list(run.events(after=3))) == ["result", "done"]
    assert run.result() == run.result(timeout=0) == {"pages": 2}
    snapshot = run.snapshot()
    assert (snapshot["id"], snapshot["status"], snapshot["result"]) == (run.id, "succeeded", {"pages": 2})
    assert headway.run(run.id).snapshot() == snapshot


def test_the_input_is_checked(headway: Headway) -> None:
    """As that of a request: by the operation's model, whose instances are taken as they are."""
    assert headway.start(count, Count(pages=1)).result() == {"pages": 1}
    assert headway.start("count").result() == {"pages": 3}
    assert headway.start("asks").snapshot()["operation"] == "asks"
    for wrong in ({"pages": 0}, {"pages": "many"}, Other(), [1]):
        with pytest.raises(InvalidInput) as refused:
            headway.start("count", wrong)  # type: ignore[arg-type]
        assert refused.value.errors
    with pytest.raises(NotFound):
        headway.start("nothing")


def test_files(headway: Headway, tmp_path: Path) -> None:
    """A `Path` is copied, so that the file may change; one that cannot be read, or has no field, is refused."""
    path = tmp_path / "a.txt"
    path.write_text("one")
    run = headway.start("read", {"file": path, "more": [path, path], "title": "T"})
    path.write_text("two")
    assert run.result() == [["a.txt", "one"]] * 3
    with pytest.raises(InvalidInput) as refused:
        headway.start("read", {"file": tmp_path / "missing"})
    assert refused.value.errors[0]["loc"] == ["file"]
    with pytest.raises(InvalidInput):
        headway.start("read", {"file": [path, path]})


def test_owners(headway: Headway) -> None:
    """An owner is kept as text; code sees every run, or asks for those of one owner."""
    number, other = headway.start("count", owner=42), headway.start("count", owner=UUID(int=1))
    assert headway.run(number.id, owner=42).id == headway.run(number.id, owner="42").id == number.id
    assert headway.run(other.id).id == other.id
    with pytest.raises(NotFound):
        headway.run(other.id, owner=42)
    with pytest.raises(NotFound):
        headway.run("nothing")
    with pytest.raises(OwnerError):
        headway.start("count", owner=True)


def test_a_key_starts_one_run(headway: Headway, tmp_path: Path) -> None:
    """The same owner, key and input join it, files too; another input is a conflict."""
    path = tmp_path / "a.txt"
    path.write_text("one")
    first = headway.start("read", {"file": path}, owner="ann", key="k")
    assert headway.start("read", {"file": path}, owner="ann", key="k").id == first.id
    assert headway.start("read", {"file": path}, owner="bob", key="k").id != first.id
    path.write_text("two")
    with pytest.raises(Conflict):
        headway.start("read", {"file": path}, owner="ann", key="k")
    with pytest.raises(Conflict):
        headway.start("count", owner="ann", key="k")


def test_the_limit_of_an_owner(app: Flask) -> None:
    """It holds for runs from code as for those of requests; without an owner there is none."""
    headway = Headway(Flask("limited"), operations=OPERATIONS, log=MemoryStore(), max_runs_per_client=1)
    first = headway.start("asks", owner="ann")
    with pytest.raises(TooMany):
        headway.start("asks", owner="ann")
    first.cancel()
    for _ in range(3):
        headway.start("asks")
    headway.close()


def test_how_a_run_ends(headway: Headway) -> None:
    """A failure, a cancel and a wait that is too short are told apart."""
    with pytest.raises(RunFailed) as failed:
        headway.start("fails").result()
    assert (failed.value.code, failed.value.message, failed.value.retryable) == ("no_paper", "There is no paper.", True)
    with pytest.raises(RunCancelled) as timed_out:
        headway.start("slow").result()
    assert timed_out.value.reason == "timeout"
    run = headway.start("waits")
    with pytest.raises(TimeoutError):
        run.result(timeout=0.01)
    assert run.cancel()["status"] in ("cancelling", "cancelled")
    with pytest.raises(RunCancelled, match="requested"):
        run.result()
    assert run.cancel()["status"] == "cancelled"


def test_an_answer(headway: Headway) -> None:
    """It is checked, and taken once."""
    run = headway.start("asks")
    question = next(event for event in run.events() if isinstance(event, Question))
    with pytest.raises(InvalidInput):
        run.answer(question.question, "many")
    with pytest.raises(Conflict):
        run.answer("another", 1)
    run.answer(question.question, 7)
    assert run.result() == 7
    with pytest.raises(Conflict):
        run.answer(question.question, 7)


# -- viewers ----------------------------------------------------------------------------------------------------------


def test_a_loop_is_no_viewer(headway: Headway) -> None:
    """Whoever leaves it, the run goes on, and nobody else is shown a viewer."""
    run = headway.start("waits")
    events = run.events()
    assert names([next(events), next(events)]) == ["start", "progress"]
    assert run.snapshot()["viewers"] == 0
    events.close()  # type: ignore[attr-defined]
    gevent.sleep(0.05)
    assert run.snapshot()["status"] == "running"
    run.cancel()


def test_a_loop_that_watches(headway: Headway) -> None:
    """It is a viewer: once it is left, the run lingers, and then it is cancelled."""
    run = headway.start("waits")
    for event in run.events(watch=True):
        if event.type == "progress":
            assert run.snapshot()["viewers"] == 1
            break
    del event
    with pytest.raises(RunCancelled, match="disconnected"):
        run.result(SECONDS)


def test_a_run_lingers(headway: Headway) -> None:
    """As long as its start asks for, or for ever."""
    lingering = started(headway.start("waits", linger=None))
    next(iter(lingering.events(watch=True)))
    gevent.sleep(0.05)
    assert lingering.snapshot()["status"] == "running"
    lingering.cancel()


def test_a_gap_is_a_reset(app: Flask) -> None:
    """Events that are no longer kept are stood for by a snapshot."""
    headway = Headway(Flask("small"), operations=[count], log=MemoryStore(keep_bytes=1000))
    run = headway.start("count", {"pages": 100})
    run.result()
    first, *rest = run.events()
    assert isinstance(first, Reset)
    assert first.snapshot["id"] == run.id
    assert [event.id for event in rest] == list(range(first.id + 1, 104))
    headway.close()


def test_a_run_that_is_no_longer_kept(world: World) -> None:
    """Every method says so."""
    headway = Headway(Flask("short"), operations=[count], log=MemoryStore(retention=0))
    run = headway.start("count")
    run.result()
    store = headway.runner.store
    world.until(lambda: (store.sweep(), store.find(run.id))[1] is None, "it is deleted")
    for call in (run.snapshot, run.result, run.cancel, lambda: list(run.events()), lambda: run.answer("q", 1)):
        with pytest.raises(NotFound):
            call()
    headway.close()


# -- where it is called -----------------------------------------------------------------------------------------------


def test_from_a_route_and_a_template(app: Flask, headway: Headway) -> None:
    """A route starts a run with a file of its request, waits for one, and a template shows one."""

    @app.post("/read")
    def post() -> ResponseReturnValue:
        return {"run": headway.start("read", {"file": request.files["file"]}).id}

    @app.get("/count")
    def get() -> ResponseReturnValue:
        return render_template_string("{{ start('count', {'pages': 2}).result()['pages'] }}", start=headway.start)

    client = app.test_client()
    answer = client.post("/read", data={"file": (io.BytesIO(b"one"), "a.txt")})
    assert headway.run(json(answer)["run"]).result() == [["a.txt", "one"]]
    assert client.get("/count").text == "2"
    assert json(client.get(f"/runs/{json(answer)['run']}"))["status"] == "succeeded"


def test_from_threads_and_greenlets(headway: Headway, world: World) -> None:
    """Each has its run."""
    results: list[Any] = []

    def work() -> None:
        results.append(headway.start("count", {"pages": 1}).result(SECONDS))

    if world.name == "own hub":
        gevent.joinall([gevent.spawn(work) for _ in range(5)], raise_error=True)
    else:
        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert results == [{"pages": 1}] * 5


# -- who works on it --------------------------------------------------------------------------------------------------


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Headway]]:
    """Makes an extension over one sqlite file, as in a process of its own."""
    made: list[Headway] = []

    def make(**options: Any) -> Headway:
        app = Flask(f"app{len(made)}")
        app.config["HEADWAY_STORE"] = f"sqlite:///{tmp_path}/runs.db"
        made.append(Headway(app, operations=OPERATIONS, **options))
        return made[-1]

    yield make
    for headway in made:
        headway.close()


def test_a_process_that_does_not_serve(make: Callable[..., Headway], tmp_path: Path) -> None:
    """Its runs wait for one that does, and it follows them there."""
    script = make()
    run = script.start("count", {"pages": 1}, owner="ann")
    assert (script.serving, run.snapshot()["status"]) == (False, "queued")
    with pytest.raises(TimeoutError):
        run.result(timeout=0.05)
    cancelled = script.start("count")
    assert cancelled.cancel()["status"] == "cancelled"
    with_file = script.start("read", {"file": Path(__file__)})
    server = make(serving=True)
    server.runner  # noqa: B018  # opens the store
    assert run.result(SECONDS) == {"pages": 1}
    assert names(list(run.events())) == ["start", "progress", "result", "done"]
    assert with_file.result(SECONDS)[0][0] == Path(__file__).name
    assert script.live == 0


def test_a_process_serves_from_its_first_request_on(make: Callable[..., Headway]) -> None:
    """Also one to another route than Headway's; what it starts then is its own, and it takes what is queued."""
    script, server = make(), make()
    server.app.add_url_rule("/", view_func=lambda: "here")
    queued = script.start("count")
    assert (server.serving, server.queues(count)) == (False, True)
    assert server.app.test_client().get("/").text == "here"
    assert (server.serving, server.queues(count)) == (True, False)
    own = server.start("waits")
    assert own.snapshot()["status"] == "running"
    assert queued.result(SECONDS) == {"pages": 3}
    own.cancel()


def test_whether_a_process_serves_may_be_decided(make: Callable[..., Headway]) -> None:
    """For or against: a web worker that only starts runs answers with a queued one, which `GET /runs` finds."""
    front = make(serving=False)
    client = front.app.test_client()
    answer = client.post("/operations/count", json={"pages": 1}, headers={"Prefer": "respond-async"})
    assert (answer.status_code, json(answer)["status"]) == (202, "queued")
    (listed,) = json(client.get("/runs?status=queued"))["runs"]
    assert listed["id"] == json(answer)["id"]
    front.serving = True
    assert front.run(listed["id"]).result(SECONDS) == {"pages": 1}
    assert client.get("/runs?status=queued").json == {"runs": []}
    front.serving = None
    assert front.serving is True  # it has answered requests


@pytest.mark.parametrize("world", ["hub beside"], indirect=True)  # which is that of this server
@pytest.mark.parametrize(
    ("arguments", "is_child", "serves"),
    [
        (["run"], False, True),
        (["run", "--reload"], False, False),
        (["run", "--reload"], True, True),
        (["--debug", "run"], False, False),
        (["routes"], False, False),
    ],
)
def test_under_flask_run(
    make: Callable[..., Headway],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    is_child: bool,
    serves: bool,
) -> None:
    """The process serves before its first request; the one that only reloads it does not, nor another command."""
    queued = make().start("count")
    loaded: list[Headway] = []

    def serve(*_: Any, **__: Any) -> None:
        if loaded[0].serving:
            assert queued.result(SECONDS) == {"pages": 3}

    monkeypatch.setattr("flask.cli.run_simple", serve)
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true" if is_child else "false")
    for variable in ("FLASK_RUN_FROM_CLI", "FLASK_DEBUG"):
        monkeypatch.setenv(variable, "")

    def create_app() -> Flask:
        loaded.append(make())
        return loaded[0].app

    ended = CliRunner().invoke(FlaskGroup(create_app=create_app), arguments)
    assert ended.exit_code == 0, ended.output
    assert loaded[0].serving is serves
    assert (queued.snapshot()["status"] == "succeeded") is serves


def test_a_second_application_has_the_same_choice(tmp_path: Path) -> None:
    """The copy of an extension is made with it."""
    headway = Headway(operations=OPERATIONS, serving=False)
    headway.init_app(Flask("one"))
    two = Flask("two")
    headway.init_app(two)
    assert two.extensions["headway"].serving is False


def test_memory_is_the_starter_s_own(headway: Headway) -> None:
    """Nobody else could claim a run there: the process that starts it works on it."""
    assert not headway.serving
    assert headway.start("waits").cancel()["status"] in ("cancelling", "cancelled")
    assert not headway.queues(count)
