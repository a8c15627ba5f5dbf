"""Operations that run in Celery, without a worker of it: what is refused, and when messages are sent."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.bin.celery import celery as command
from flask import Flask

from streaming import Event, Headway, Operation, RegistrationError, SettingError, operation, progress
from streaming.errors import StoreAway
from streaming.http.celery.host import NEVER, Host
from streaming.http.celery.publisher import TASK, Publisher
from streaming.runs.messages import AGAIN, Unclaimed
from tests.clients import wait_until


@operation(runs_in="celery")
def works() -> Iterator[Event]:
    """Works in Celery."""
    yield progress("at work")


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a store that other processes see."""
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def sends(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is sent, instead of sending it."""
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Celery, "send_task", lambda _, *args, **options: sent.append((*args, options)))
    monkeypatch.setattr("kombu.Connection.ensure_connection", lambda *_, **__: None)
    return sent


@pytest.fixture
def silent_broker() -> Iterator[str]:
    """The URL of a broker that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"store": "memory:", "celery_broker": "redis://h/1"}, "needs a store that other processes see"),
        ({}, r"needs Headway\(app, celery=...\) with your Celery application, or HEADWAY_CELERY_BROKER"),
        ({"celery": "redis://h/1"}, "celery= is a Celery application, not 'redis://h/1'"),
    ],
    ids=str,
)
def test_what_could_not_run_is_refused(store: str, options: dict[str, Any], message: str) -> None:
    """As the application is made, in one line that says what to do."""
    with pytest.raises(RegistrationError, match=message) as refused:
        Headway(Flask(__name__), operations=[works], **{"store": store, **options})
    assert "\n" not in str(refused.value)


def test_a_broker_that_is_none(store: str) -> None:
    """A transport that Celery does not have is an error of the setting, which shows no password."""
    with pytest.raises(SettingError, match=r"HEADWAY_CELERY_BROKER is .*it takes a broker's URL"):
        Headway(Flask(__name__), operations=[works], store=store, celery_broker="nothing://u:secret@h")
    with pytest.raises(SettingError) as refused:
        Headway(Flask(__name__), operations=[works], store=store, celery_broker="nothing://u:secret@h")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("broker", ["redis+socket:///tmp/redis.sock", "redis://h/1"])
def test_a_broker_as_celery_names_it(store: str, broker: str) -> None:
    """A transport may have the scheme of its own URL behind a plus, as that of a unix socket has."""
    headway = Headway(Flask(__name__), operations=[works], store=store, celery_broker=broker)
    assert headway.celery.connection_for_write().transport.driver_type == "redis"


def test_without_the_extra(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operation is refused with the command that installs it, and so is the setting."""
    monkeypatch.setitem(sys.modules, "celery", None)
    with pytest.raises(RegistrationError, match=r"^works: .*extra `celery`: pip install 'celery>=5.7' 'kombu>=5.7'$"):
        Headway(Flask(__name__), operations=[works], store=store, celery_broker="redis://h/1")
    with pytest.raises(SettingError, match="HEADWAY_CELERY_BROKER"):
        Headway(Flask(__name__), store=store, celery_broker="redis://h/1")


def test_an_operation_that_chooses_celery(store: str) -> None:
    """`where` cannot move a run that has begun elsewhere; a start cannot know where to send it before."""
    moves = Operation(works.fn, name="moves", where=lambda _: "celery")
    headway = Headway(Flask(__name__), operations=[moves], store=store, serving=True)
    try:
        run = headway.start("moves")
        wait_until(lambda: run.snapshot()["status"] == "failed", "it fails")
    finally:
        headway.close()


# What is sent


def test_the_task_of_an_application(store: str) -> None:
    """Its settings hold whatever the Celery application is configured with: no result, no late acknowledgement."""
    celery = Celery(broker="redis://h/1", backend="redis://h/2", set_as_current=False)
    celery.conf.update(task_acks_late=True, task_track_started=True, task_time_limit=30, task_soft_time_limit=20)
    headway = Headway(Flask(__name__), operations=[works], store=store, celery=celery)
    celery.finalize()
    task = celery.tasks[TASK]
    assert (task.ignore_result, task.acks_late, task.track_started, task.max_retries) == (True, False, False, 0)
    assert (task.time_limit, task.soft_time_limit) == (NEVER, NEVER)
    assert headway.celery is celery
    assert Host.of(celery) is Host.of(celery)


def test_a_start(store: str, sends: list[tuple[Any, ...]]) -> None:
    """It is answered at once, with a run that is queued, and sends the id of the run and nothing else."""
    app = Flask(__name__)
    headway = Headway(app, operations=[works], store=store, celery_broker="redis://h/1", serving=True)
    try:
        answer = app.test_client().post("/operations/works", headers={"Prefer": "respond-async"})
        assert (answer.status_code, answer.get_json()["status"]) == (202, "queued")
        run = answer.get_json()["id"]
        wait_until(lambda: sends, "the message is sent")
        name, args, options = sends[0]
        assert (name, args, options["ignore_result"], options["retry"]) == (TASK, (run,), True, False)
        (entry,) = app.test_client().get("/operations").get_json()["operations"]
        assert entry["runs_in"] == "celery"
        assert app.test_client().delete(f"/runs/{run}").get_json()["status"] == "cancelled"
        assert headway.start("works").snapshot()["status"] == "queued"
        wait_until(lambda: len(sends) == 2, "code sends one too")
    finally:
        headway.close()


def test_a_start_while_the_store_is_away(store: str, sends: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, and no message is sent: there is no run."""
    app = Flask(__name__)
    headway = Headway(app, operations=[works], store=store, celery_broker="redis://h/1", serving=True)
    try:
        monkeypatch.setattr(headway.runner.store, "create", _raise(StoreAway("the store is away")))
        assert app.test_client().post("/operations/works").status_code == 503
        assert sends == []
    finally:
        headway.close()


def test_a_silent_broker_holds_nobody_up(
    silent_broker: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A send returns at once, and a broker that says nothing costs its own thread a bounded time and a line."""
    monkeypatch.setattr("streaming.http.celery.publisher.BOUND", 0.5)
    publisher = Publisher(Celery(broker=silent_broker, set_as_current=False))
    began = time.monotonic()
    for number in range(1000):
        publisher.send(f"r{number}")
    assert time.monotonic() - began < 10  # one wait after the other would take 500 s
    wait_until(lambda: "the broker of Celery is away" in caplog.text, "the log says so")
    publisher.close()
    wait_until(lambda: publisher.ended, "its thread ends, whatever waited")


def test_no_result_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a result backend nor one of its results is touched: some wait, and some lock in their `__del__`."""
    celery = Celery(broker="memory://", backend="redis://127.0.0.1:1/0", set_as_current=False)
    made: list[object] = []
    monkeypatch.setattr(Celery, "AsyncResult", property(lambda _: made.append))
    monkeypatch.setattr(Celery, "backend", property(lambda _: made.append("backend")))
    publisher = Publisher(celery)
    publisher.send("r1")
    with celery.connection_for_read() as connection, connection.SimpleQueue("celery") as queue:
        message = queue.get(timeout=20)
        assert message.payload[0] == ["r1"]
        message.ack()
    publisher.close()
    assert made == []


def test_what_nobody_claims_is_sent_again() -> None:
    """After 5, 10, 20, 40 and 60 s, and each 60 s from then on; what has been claimed is forgotten."""
    clock = SimpleNamespace(now=0.0)
    unclaimed, sent = Unclaimed(lambda: clock.now), []
    for second in range(300):
        clock.now = float(second)
        sent += [second for _ in unclaimed.due(["r"])]
    assert [after - before for before, after in zip([0, *sent], sent, strict=False)] == [5, 10, 20, 40, 60, 60, 60]
    assert AGAIN == (5.0, 10.0, 20.0, 40.0, 60.0)
    assert unclaimed.due([]) == []
    assert unclaimed.due(["r"]) == []


# What Celery's command finds


def test_the_command_finds_the_application(store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`celery -A MODULE` where `app` is Flask's: it gets the Celery application that belongs to it."""
    (tmp_path / "found_by_celery.py").write_text(
        "from flask import Flask\nfrom streaming import Headway\napp = Flask(__name__)\n"
        f"headway = Headway(app, store={store!r}, celery_broker='redis://h/1')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    seen: list[Any] = []
    monkeypatch.setattr("celery.bin.celery.CLIContext", type("Context", (), {"__init__": _keep(seen)}))
    with pytest.raises(AttributeError):  # the command goes on with what it was given: here with nothing
        command.main(["-A", "found_by_celery", "report"], standalone_mode=False)
    assert [type(app) for app in seen] == [Celery]


def _raise(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def _keep(seen: list[Any]) -> Any:
    def init(self: object, app: Any, **_: Any) -> None:
        seen.append(app)

    return init
