"""Where Headway is mounted: under prefixes, on blueprints, several at once, and by factories that are called often."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import gevent
import pytest
from flask import Blueprint, Flask, Request, abort, g, request, url_for
from flask.testing import FlaskClient
from gevent.threadpool import ThreadPool
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import TestResponse

from streaming import Event, Headway, MemoryStore, SettingError, operation, progress
from streaming.errors import RegistrationError
from streaming.http.heartbeat import Heartbeat
from streaming.runs.runner import Runner, Runners
from streaming.runtime.hub import start_hub
from streaming.runtime.worker import Worker
from tests.clients import parse_frames
from tests.command_line import run_in
from tests.worlds import World

ASYNC: Final = {"Prefer": "respond-async"}


@operation
def first() -> str:
    """One of two operations."""
    return "the first"


@operation
def second() -> str:
    """The other one."""
    return "the second"


@operation(linger=None)
def waiting() -> Iterator[Event]:
    """Waits until it is cancelled."""
    yield progress("waiting")
    gevent.sleep(3600)


Register = Callable[[Flask], Flask]


@pytest.fixture(autouse=True)
def register(world: World) -> Iterator[Register]:
    """Takes the applications of a test, and closes them at its end."""
    apps: list[Flask] = []

    def register(app: Flask) -> Flask:
        apps.append(app)
        return app

    yield register
    for app in apps:
        for extension in list(app.extensions.values()):
            if isinstance(extension, Headway):
                extension.close()
    assert not world.worker.part(Heartbeat).viewers


def names(client: FlaskClient, prefix: str) -> list[str]:
    """The operations under a prefix."""
    response = client.get(f"{prefix}/operations")
    assert response.status_code == 200, response.text
    return [each["name"] for each in response.get_json()["operations"]]


def run(client: FlaskClient, prefix: str, operation: str = "first", **options: Any) -> TestResponse:
    """Runs an operation with its stream, and looks at it where `Location` says; gives the answer to the start."""
    response = client.post(f"{prefix}/operations/{operation}", **options)
    assert response.status_code == 200, response.text
    assert parse_frames(response.data)[-1].json["status"] == "succeeded"
    assert response.headers["Location"].startswith(f"{prefix}/runs/")
    assert client.get(response.headers["Location"], **options).get_json()["status"] == "succeeded"
    return response


# Prefixes


@pytest.mark.parametrize(
    ("declared", "given", "prefix"),
    [("/api", None, "/api"), ("/api", "/v2", "/v2"), (None, "/v2", "/v2"), (None, None, ""), ("/api", "", "")],
)
def test_a_prefix(register: Register, declared: str | None, given: str | None, prefix: str) -> None:
    """That of the constructor holds in `init_app` too, unless that has its own."""
    app = register(Flask(__name__))
    Headway(operations=[first], url_prefix=declared).init_app(app, given)
    run(app.test_client(), prefix)


def tenant_of(request: Request) -> str:
    """The owner that the address of a request names."""
    return str((request.view_args or {})["tenant"])


def test_a_prefix_with_variables(register: Register) -> None:
    """They are for the application's own checks, and every address that the routes give has them."""
    app = register(Flask(__name__))
    Headway(app, operations=[first], url_prefix="/<tenant>/api", authorize=tenant_of)
    client = app.test_client()
    location = run(client, "/acme/api").headers["Location"]
    assert client.get(location.replace("acme", "other")).status_code == 404
    assert client.get("/acme/api/openapi.json").get_json()["servers"] == [{"url": "/acme/api"}]


def test_a_prefix_whose_variables_are_taken_off(register: Register) -> None:
    """As Flask's manual has it for languages: `url_value_preprocessor` and `url_defaults`."""
    app, parent = register(Flask(__name__)), Blueprint("parent", __name__, url_prefix="/<language>")
    Headway(parent, operations=[first], url_prefix="/api")

    @parent.url_value_preprocessor
    def take_off(endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.language = (values or {}).pop("language")

    @parent.url_defaults
    def put_back(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("language", g.language)

    app.register_blueprint(parent)
    run(app.test_client(), "/de/api")


# Blueprints


def test_on_a_blueprint(register: Register) -> None:
    """Under its prefix, behind its checks, and with the application's settings, which are read as it is registered."""
    parent = Blueprint("tools", __name__, url_prefix="/tools")
    headway = Headway(parent, operations=[first], url_prefix="/api")
    parent.before_request(lambda: None if request.headers.get("X-Token") == "t" else abort(403, "Not today."))
    app = register(Flask(__name__))
    app.config["HEADWAY_LINGER"] = 7
    app.register_blueprint(parent)
    assert app.extensions["headway"] is headway
    assert (headway.app, headway.settings.linger) == (app, 7.0)
    client = app.test_client()
    assert client.get("/tools/api/operations").get_json()["detail"] == "Not today."
    run(client, "/tools/api", headers={"X-Token": "t"})
    with app.test_request_context():
        assert url_for("tools.headway.operations") == "/tools/api/operations"


def test_a_blueprint_with_a_setting_that_cannot_be_read() -> None:
    """The application does not get it."""
    parent, app = Blueprint("tools", __name__), Flask(__name__)
    Headway(parent, operations=[first])
    app.config["HEADWAY_LINGER"] = "soon"
    with pytest.raises(SettingError, match=r"^HEADWAY_LINGER is 'soon'"):
        app.register_blueprint(parent)


def test_on_nested_blueprints(register: Register) -> None:
    """All prefixes come together, whichever of them are left out, and all checks apply."""
    grandparent, parent = Blueprint("a", __name__, url_prefix="/a"), Blueprint("b", __name__)
    Headway(operations=[first]).init_app(parent, url_prefix="/api")
    grandparent.register_blueprint(parent, url_prefix="/b")
    seen = []
    for blueprint in (grandparent, parent):
        blueprint.before_request(lambda name=blueprint.name: seen.append(name))
    app = register(Flask(__name__))
    app.register_blueprint(grandparent, url_prefix="/c")
    assert names(app.test_client(), "/c/b/api") == ["first"]
    assert seen == ["a", "b"]


def test_a_blueprint_that_is_registered_twice(register: Register) -> None:
    """The same runs are at both addresses."""
    parent, app = Blueprint("tools", __name__), register(Flask(__name__))
    Headway(parent, operations=[first])
    app.register_blueprint(parent, url_prefix="/v1")
    app.register_blueprint(parent, url_prefix="/v2", name="tools2")
    client = app.test_client()
    location = run(client, "/v1").headers["Location"]
    assert client.get(location.replace("/v1", "/v2")).status_code == 200


def test_a_blueprint_of_several_applications(register: Register) -> None:
    """Each has its own settings and its own runs, as with `init_app`."""
    parent = Blueprint("tools", __name__, url_prefix="/tools")
    Headway(parent, operations=[first])
    clients = []
    for key in ("ann:k1", None):
        app = register(Flask(__name__))
        app.config["HEADWAY_API_KEYS"] = key
        app.register_blueprint(parent)
        clients.append(app.test_client())
    location = run(clients[1], "/tools").headers["Location"]
    assert clients[0].get("/tools/runs").status_code == 401
    assert clients[0].get(location, headers={"Authorization": "Bearer k1"}).status_code == 404


# Names


def test_a_name_that_is_taken(register: Register) -> None:
    """The application may have a blueprint, and a command, of the name `headway`."""
    app = register(Flask(__name__))
    own = Blueprint("headway", __name__, url_prefix="/own")
    own.cli.command("hello")(lambda: None)
    app.register_blueprint(own)
    Headway(app, operations=[first])
    run(app.test_client(), "")
    assert run_in(app, "operations", command="headway-2").code == 0
    assert list(app.cli.commands["headway"].commands) == ["hello"]  # type: ignore[attr-defined]


def test_a_name_of_ones_own(register: Register) -> None:
    """It is that of the endpoints; the command of the only extension is `headway` all the same."""
    app = register(Flask(__name__))
    Headway(app, operations=[first], name="jobs")
    with app.test_request_context():
        assert url_for("jobs.operations") == "/operations"
    assert run_in(app, "run", "first").code == 0


# Several on one application


@pytest.fixture
def pair(register: Register) -> Flask:
    """An application with two extensions, each with an operation, a check and a prefix of its own."""
    app = register(Flask(__name__))
    Headway(app, operations=[first, waiting], url_prefix="/a")
    Headway(app, operations=[second, waiting], url_prefix="/b", name="inner", authorize=lambda _: "ann")
    return app


def test_two_extensions_on_one_application(pair: Flask) -> None:
    """They share neither operations nor runs, nor their checks."""
    client = pair.test_client()
    assert (names(client, "/a"), names(client, "/b")) == (["first", "waiting"], ["second", "waiting"])
    location = run(client, "/a").headers["Location"]
    assert client.get(location.replace("/a", "/b")).status_code == 404
    run(client, "/b", "second")
    openapi = [client.get(f"{prefix}/openapi.json").get_json() for prefix in ("/a", "/b")]
    assert ["/operations/first" in document["paths"] for document in openapi] == [True, False]


def test_two_extensions_on_the_command_line(pair: Flask) -> None:
    """Each has a command of its own, for its own routes."""
    assert {name for name in pair.extensions if name.startswith("headway")} == {"headway", "headway-inner"}
    assert run_in(pair, "run", "first").lines[-1]["data"]["status"] == "succeeded"
    inner = run_in(pair, "run", "second", "--owner", "ann", command="headway-inner")
    assert inner.lines[-1]["data"]["status"] == "succeeded"
    assert run_in(pair, "run", "second").code != 0


def test_the_metrics_of_two_extensions(pair: Flask, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The live runs of a worker are those of both, whichever is asked."""
    monkeypatch.setattr("streaming.runs.runner.MAINTENANCE", 0.01)
    client = pair.test_client()
    for prefix in ("/a", "/b"):
        assert client.post(f"{prefix}/operations/waiting", headers=ASYNC).status_code == 202
    assert world.call(lambda: world.worker.part(Runners).live) == 2

    def live() -> set[float]:
        texts = [client.get(f"{prefix}/metrics").text for prefix in ("/a", "/b")]
        families = [family for text in texts for family in text_string_to_metric_families(text)]
        return {family.samples[0].value for family in families if family.name == "headway_runs_live"}

    world.until(lambda: live() == {2.0}, "the gauges are set")
    for _ in range(10):
        world.call(gevent.sleep, 0.005)
        assert live() == {2.0}


def test_one_extension_twice_on_one_application(register: Register) -> None:
    """The same runs are under both prefixes."""
    app, headway = register(Flask(__name__)), Headway(operations=[first])
    headway.init_app(app, url_prefix="/a")
    headway.init_app(app, url_prefix="/b")
    client = app.test_client()
    location = run(client, "/a").headers["Location"]
    assert client.get(location.replace("/a", "/b")).status_code == 200


def test_two_extensions_on_one_file(register: Register, tmp_path: Path) -> None:
    """They work side by side, like two workers: the runs of the file are those of both."""
    app = register(Flask(__name__))
    app.config["HEADWAY_STORE"] = f"sqlite:///{tmp_path}/runs.db"
    Headway(app, operations=[first], url_prefix="/a")
    Headway(app, operations=[second], url_prefix="/b")
    client = app.test_client()
    location = run(client, "/a").headers["Location"]
    run(client, "/b", "second")
    assert client.get(location.replace("/a", "/b")).status_code == 200


# Factories


def test_the_extension_of_the_current_application(register: Register) -> None:
    """A module that has one extension for all applications of its factory gets that of the current one by `here`."""
    headway = Headway(operations=[first])
    apps = [register(Flask(f"app{number}")) for number in range(3)]
    for app in apps:
        headway.init_app(app)
    for app in apps:
        with app.app_context():
            assert headway.here is app.extensions["headway"]
            assert headway.here.app is app
            assert headway.here.here is headway.here
    assert headway.here is headway
    with Flask("another").app_context():
        assert headway.here is headway


def test_without_an_application() -> None:
    """What needs one says so."""
    with pytest.raises(RegistrationError, match="call init_app"):
        Headway(operations=[first]).app  # noqa: B018


@pytest.mark.parametrize("store", ["memory:", "sqlite:///{}/runs.db"])
def test_a_factory_that_is_called_often(world: World, tmp_path: Path, store: str) -> None:
    """Nothing of an application is left that nobody refers to: no runner, no greenlet, no thread, no open file."""

    def create(number: int) -> weakref.ref[Flask]:
        app = Flask(__name__)
        app.config["HEADWAY_STORE"] = store.format(tmp_path / str(number))
        Headway(app, operations=[first])
        run(app.test_client(), "")
        return weakref.ref(app)

    def left() -> list[object]:
        gc.collect()
        return [each for each in gc.get_objects() if isinstance(each, Runner | ThreadPool)]

    create(0)
    world.call(lambda: gevent.get_hub().threadpool)  # the hub's own, for all applications
    gc.collect()
    gc.freeze()  # what is there already counts no more, and takes no time
    threads, apps = threading.active_count(), [create(number) for number in range(1, 4)]
    gc.collect()
    assert [app() for app in apps] == [None] * 3
    world.until(lambda: not left() and threading.active_count() <= threads, "the runners are closed")


def test_a_live_run_keeps_its_application(world: World) -> None:
    """It goes on, although nobody else refers to its application."""
    store = MemoryStore()
    app = Flask(__name__)
    Headway(app, operations=[waiting], log=store)
    started = app.test_client().post("/operations/waiting", headers=ASYNC).headers["Run-Id"]
    del app
    gc.collect()
    gevent.sleep(0.05)
    record = world.call(store.find, started)
    assert record is not None
    assert record.status == "running"
    world.call(store.cancel, started, "requested")
    world.until(lambda: store.find(started).fold.over, "the run is over")  # type: ignore[union-attr]


def test_the_hub_does_not_wait_for_a_thread_that_waits_for_it() -> None:
    """A request in a thread asks for the observers first, and the worker's hub while that request waits for it."""
    headway = Headway(Flask(__name__))
    asked, answered = threading.Event(), list[object]()
    with Worker(start_hub(), native=True).installed() as worker:

        def hold() -> None:
            asked.wait(5)
            time.sleep(0.1)  # the request is waiting by now
            answered.append(headway.observer)

        def ask() -> None:
            asked.set()
            answered.append(headway.observer)

        worker.soon(hold)
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(5)
        assert len(answered) == 2
        worker.close()
