"""`flask headway`: the commands in the process of the application, without a server."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final

import gevent
import pytest
from flask import Flask, abort, redirect, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect
from pydantic import BaseModel

from operations.simulate import simulate
from streaming import Event, Headway, MemoryStore, Upload, operation, progress
from streaming.client import Client, Progress
from streaming.client.cli import commands, doctor
from streaming.http.command import LOCAL_OWNER, Local
from streaming.runs import runner
from streaming.stores.base import Record
from tests.clients import PATIENCE
from tests.command_line import names, run_in
from tests.servers import ROOT
from tests.worlds import WORLDS, WorldName, entered

gate: Final = threading.Event()
KEYS: Final = {"HEADWAY_API_KEYS": "ann:a-key"}


class Pause(BaseModel):
    """How many seconds it waits."""

    seconds: float = 0


@operation
def pausing(input: Pause) -> Generator[Event, Any, str]:
    """Waits for a while."""
    yield progress("waiting")
    gevent.sleep(input.seconds)
    return "waited"


@operation(runs_in="thread")
def gated() -> Generator[Event, Any, bool]:
    """Waits until its first event was read."""
    yield progress("waiting")
    return gate.wait(PATIENCE)


class File(BaseModel):
    """A file."""

    file: Upload


@operation
def reading(input: File) -> str:
    """Reads it."""
    return input.file.path.read_text()


def make(config: dict[str, Any] | None = None, **options: Any) -> Flask:
    """An application with a store that outlives a command."""
    app = Flask(__name__)
    app.config.update(config or {})
    Headway(app, **{"operations": [pausing, gated], "log": MemoryStore(), "url_prefix": "/api", **options})
    return app


def local(app: Flask) -> Local:
    """The application as the commands ask it."""
    return Local(app, app.extensions["headway"])


@pytest.fixture(autouse=True, params=WORLDS)
def world(request: pytest.FixtureRequest) -> Iterator[WorldName]:
    """The hub is in the thread of the command, as in a patched process, or beside it, as in a plain one."""
    with entered(request.param):
        yield request.param


def test_a_command_asks_the_application() -> None:
    """It finds the routes under their prefix, and one application takes several commands, one after another."""
    app = make()
    started = run_in(app, "run", "pausing")
    assert (started.code, started.err) == (0, "")
    assert names(started.lines) == ["start", "progress", "result", "done"]
    (run,) = run_in(app, "list").lines
    assert (run["operation"], run["status"]) == ("pausing", "succeeded")
    assert run_in(app, "result", f"/api/runs/{run['id']}").lines == ["waited"]


def test_events_arrive_as_they_are_yielded() -> None:
    """The first event is read while the operation waits for that."""
    gate.clear()
    here = local(make())
    with here.connect("") as http, Client(here.url, http=http) as client, client.start("gated") as run:
        for event in run:
            if isinstance(event, Progress):
                gate.set()
        assert run.result() is True


def test_a_path_in_text(tmp_path: Path) -> None:
    """The client uploads the file where the operation takes one; the refusal that tells it so starts no run."""
    (tmp_path / "a.txt").write_text("one")
    here = local(make(operations=[reading]))
    opened = (tmp_path / "a.txt").open("rb")
    with opened, here.connect("") as http, Client(here.url, http=http) as client:
        for value in (str(tmp_path / "a.txt"), b"one", opened):
            assert client.start("reading", {"file": value}).result() == "one"
        assert len(client.runs()) == 3


def test_a_detached_run_is_worked_on_to_its_end() -> None:
    """The process of the command is the only one that can: it prints the snapshot at once, and stays."""
    app = make()
    started = run_in(app, "run", "pausing", "--seconds", "0.2", "--detach")
    assert (started.code, started.lines[0]["status"]) == (0, "running")
    assert run_in(app, "show", started.lines[0]["id"]).lines[0]["status"] == "succeeded"


def test_a_run_waits_for_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a store that others share: without a worker that serves the command says so; `--here` needs none."""
    monkeypatch.setattr(commands, "TAKEN_WITHIN", 0.05)
    app = make({"HEADWAY_STORE": f"sqlite:///{tmp_path}/runs.db"}, log=None, operations=[pausing, reading])
    ended = run_in(app, "run", "pausing", "--detach")
    (snapshot,) = ended.lines
    assert (ended.code, snapshot["status"]) == (0, "queued")
    note = f"headway: run {snapshot['id']} waits for a worker of the service; none has taken it so far\n"
    assert ended.err == note
    assert run_in(app, "run", "pausing", "--here").code == 0
    assert [run["status"] for run in run_in(app, "list").lines] == ["succeeded", "queued"]
    assert run_in(app, "cancel", snapshot["id"]).lines[0]["status"] == "cancelled"


def test_a_file_waits_for_a_service(tmp_path: Path) -> None:
    """It is kept for the worker that takes the run; `--here` reads it."""
    app = make({"HEADWAY_STORE": f"sqlite:///{tmp_path}/runs.db"}, log=None, operations=[pausing, reading])
    file = tmp_path / "a.txt"
    file.write_text("one")
    ended = run_in(app, "run", "reading", str(file), "--detach")
    assert (ended.code, ended.lines[0]["status"]) == (0, "queued")
    assert names(run_in(app, "run", "reading", str(file), "--here").lines) == ["start", "result", "done"]


def test_here_is_for_the_application() -> None:
    """A service works on its runs itself."""
    refused = run_in(make(), "run", "pausing", "--here", "--url", "http://127.0.0.1:9")
    assert (refused.code, refused.lines) == (2, [])


def test_the_application_is_as_before_a_command() -> None:
    """It serves with its own settings."""
    app = make({"HEADWAY_SEND_TIMEOUT": 7})
    assert run_in(app, "list").code == 0
    headway: Headway = app.extensions["headway"]
    assert (headway.settings.send_timeout, headway.serving) == (7, True)
    assert app.test_client().get("/api/operations").status_code == 200


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({}, "http://localhost/api"),
        ({"SERVER_NAME": "example.org:8080"}, "http://example.org:8080/api"),
        ({"TRUSTED_HOSTS": [".example.org"]}, "http://example.org/api"),
        ({"PREFERRED_URL_SCHEME": "https"}, "https://localhost/api"),
    ],
)
def test_the_host_is_one_that_the_application_accepts(config: dict[str, Any], url: str) -> None:
    """Neither a list of hosts nor a redirect to https refuses a command."""
    app = make(config)
    assert local(app).url == url
    assert run_in(app, "operations").code == 0


def test_a_command_needs_no_csrf_token() -> None:
    """Flask-WTF's check is for browsers: it holds for them again after a command."""
    app = make()
    app.secret_key = "not secret"
    CSRFProtect(app)
    assert run_in(app, "run", "pausing").code == 0
    assert app.test_client().post("/api/operations/pausing").status_code == 400


# -- who asks ---------------------------------------------------------------------------------------------------------


def test_a_command_asks_for_an_owner() -> None:
    """Without a key it passes the extension's own check, as the owner of `--owner`, or of nobody's runs."""
    app = make(KEYS)
    assert run_in(app, "run", "pausing", "--owner", "ann").code == 0
    assert run_in(app, "run", "pausing").code == 0
    lists = [run_in(app, "list", *arguments).lines for arguments in ([], ["--owner", "ann"], ["--owner", "bob"])]
    assert [len(runs) for runs in lists] == [1, 1, 0]
    mine = app.test_client().get("/api/runs", headers={"Authorization": "Bearer a-key"}).json
    assert mine == {"runs": lists[1]}


def test_a_command_with_a_key_is_checked() -> None:
    """It has the owner of the key, and another key is refused."""
    app = make(KEYS)
    assert run_in(app, "run", "pausing", "--key", "a-key").code == 0
    assert len(run_in(app, "list", "--owner", "ann").lines) == 1
    refused = run_in(app, "list", "--key", "another")
    assert (refused.code, refused.out) == (5, b"")
    assert refused.err.startswith("headway: 401 Unauthorized: ")


@pytest.mark.parametrize("name", [LOCAL_OWNER, "headway_owner", "headway-owner", "HTTP_headway.owner"])
def test_no_request_can_say_who_asks(name: str) -> None:
    """A header becomes another key of the environ; the key itself, which only the process can set, is taken."""
    client = make(KEYS).test_client()
    assert client.get("/api/runs", headers={name: "ann"}).status_code == 401
    assert client.get(f"/api/runs?{name}=ann").status_code == 401
    assert client.get("/api/runs", environ_overrides={LOCAL_OWNER: "ann"}).status_code == 200


@pytest.mark.parametrize(
    ("refuse", "message"),
    [
        (lambda: abort(403, "Operators only."), "headway: 403 "),
        (lambda: redirect("/login"), "headway: 302 FOUND: the service is at /login"),
    ],
)
def test_the_application_may_refuse(refuse: Callable[[], ResponseReturnValue], message: str) -> None:
    """The checks of the host hold: what they refuse is told in one line with its status."""
    app = make()
    app.before_request(refuse)
    refused = run_in(app, "run", "pausing")
    assert (refused.code, refused.out) == (5, b"")
    (line,) = refused.err.splitlines()
    assert line.startswith(message)


def test_an_owner_is_not_for_a_service() -> None:
    """There a key says who asks, and an option that does nothing would mislead."""
    wrong = run_in(make(), "list", "--owner", "ann", "--url", "http://127.0.0.1:1")
    assert wrong.code == 2
    assert "--owner is for `flask headway`" in wrong.err


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (["list", "--url", "example.org"], 2, "is not the http or https URL of a service"),
        (["list", "--insecure"], 2, "--insecure is for a service with a URL"),
        (["watch", "\udcff"], 2, "an argument is not UTF-8"),
        (["show", "http://127.0.0.1:1/runs/r1"], 6, "cannot be reached"),
        (["--version"], 0, ""),
        (["run", "pausing", "--linger", "1", "-H", "X-One: 1"], 0, ""),
    ],
)
def test_odd_lines(line: list[str], code: int, message: str) -> None:
    """They end as those of `headway`; a header reaches the application."""
    seen: list[str | None] = []
    app = make()
    app.before_request(lambda: seen.append(request.headers.get("X-One")))
    ended = run_in(app, *line)
    assert (ended.code, message in ended.err) == (code, True)
    assert set(seen) <= ({"1"} if "-H" in line else {None})


# -- a process that does not serve ------------------------------------------------------------------------------------


class Watched(MemoryStore):
    """Counts the rounds of maintenance, and how often orphans are asked for."""

    rounds = adoptions = 0

    def sweep(self) -> None:
        self.rounds += 1

    def adopt_orphans(self, operations: object = None) -> list[Record]:
        self.adoptions += 1
        return []


def test_a_command_takes_over_no_lost_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would end with the command; the workers that serve take it over."""
    monkeypatch.setattr(runner, "MAINTENANCE", 0.01)
    store = Watched()
    assert run_in(make(log=store), "run", "pausing", "--seconds", "0.3").code == 0
    assert store.rounds > 0
    assert store.adoptions == 0


# -- doctor -----------------------------------------------------------------------------------------------------------


def findings(app: Flask) -> dict[str, dict[str, Any]]:
    """The last finding of each check."""
    return {finding["check"]: finding for finding in run_in(app, "doctor", "--output", "json").lines}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short runs: nothing is between the doctor and the application."""
    monkeypatch.setattr(doctor, "INTERVAL", 0.1)
    monkeypatch.setattr(doctor, "TRIES", 1)


def test_the_doctor_of_an_application(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It checks the settings, the server, the store, and the streams, with the `simulate` of the documents."""
    monkeypatch.setenv("HEADWAY_HEARTBEET", "5")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "clients.md").read_text(), re.DOTALL)
    documented: dict[str, Any] = {"__name__": "documented"}
    exec(next(block for block in blocks if "def simulate" in block), documented)
    found = findings(make(operations=[documented["simulate"]]))
    assert {check: finding["outcome"] for check, finding in found.items()} == {
        "settings": "note",
        "keys": "note",
        "server": "ok",
        "files": found["files"]["outcome"],  # the machine's
        "store": "note",
        "reachable": "ok",
        "headers": "ok",
        "compressed": "ok",
        "buffered": "ok",
        "resume": "ok",
        "disconnect": "ok",
        "cancel": "ok",
    }
    assert found["settings"]["message"].startswith("HEADWAY_HEARTBEET is no setting")
    assert found["settings"]["advice"] == "HEADWAY_HEARTBEAT?"
    assert "HEADWAY_STORE=sqlite" in found["store"]["advice"]


def test_a_middleware_that_gathers_streams(quick: None) -> None:
    """The doctor finds it, and does not wait for a stream that would never begin."""
    app = make(operations=[simulate])
    inner = app.wsgi_app
    vars(app)["wsgi_app"] = lambda environ, start_response: [b"".join(inner(environ, start_response))]
    found = findings(app)
    assert (found["buffered"]["outcome"], found["disconnect"]["outcome"]) == ("wrong", "unchecked")
    assert "no proxy is in between" in found["buffered"]["advice"]


def test_a_run_is_erased() -> None:
    """`erase RUN` deletes a finished one, and is refused for one that lives."""
    app = make()
    run = app.extensions["headway"].start("pausing")
    run.result(10)
    assert run_in(app, "erase", run.id).code == 0
    assert run_in(app, "show", run.id).code == 5
    live = app.extensions["headway"].start("pausing", {"seconds": 60})
    refused = run_in(app, "erase", live.id)
    assert (refused.code, "cancel it" in refused.err) == (5, True)
    live.cancel()
