"""Operations that misbehave, on real servers: their events keep the grammar, and the worker continues.

`tests.runs.test_grammar` has the ending of each act, and performs them without a server.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests import sample_operations as sample
from tests.clients import Message, parse_frames, wait_until
from tests.runs.test_grammar import FAILURES, SECRET
from tests.servers import ROOT, Server, environment, flask_run, gunicorn
from tests.worlds import assert_grammatical, ending

APP: Final = "tests.apps.serving:create_app()"
ASYNC: Final = {"Prefer": "respond-async"}
KINDS: Final[dict[str, Callable[..., AbstractContextManager[Server]]]] = {
    "gevent": lambda **options: gunicorn(APP, **options),
    "gevent_pywsgi": lambda **options: gunicorn(APP, worker_class="gevent_pywsgi", **options),
    "flask-run": lambda **options: flask_run(APP, **options),
}
MANY: Final = {"HEADWAY_MAX_RUNS_PER_CLIENT": "1000", "HEADWAY_MAX_RUNS": "1000"}


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server of each kind, for all tests that leave it as it is."""
    with KINDS[request.param](env={**MANY, "HEADWAY_MAX_BODY": "8000000"}) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of the server."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def start(client: httpx.Client, **script: Any) -> str:
    """Starts a run without a stream."""
    response = client.post("/operations/scripted", json=script, headers=ASYNC)
    assert response.status_code == 202, response.text
    return response.headers["Run-Id"]


def events(client: httpx.Client, run: str) -> list[Message]:
    """All events of a run, once it is over."""
    body = client.get(f"/runs/{run}/events").content
    return parse_frames(body.removeprefix(b"retry: 2000\n\n").replace(b": keep-alive\n\n", b""))


def status(client: httpx.Client, run: str) -> str:
    """The status of a run."""
    answer: str = client.get(f"/runs/{run}").json()["status"]
    return answer


@pytest.mark.parametrize("runs_in", ["greenlet", "thread", "process"])
def test_every_way_to_end(server: Server, client: httpx.Client, runs_in: str) -> None:
    """All of them at once in one worker: each run ends as it should, and the worker continues."""
    workers = server.worker_pids()
    expected: dict[str, tuple[str, str | None]] = {act: ("failed", code) for act, code in FAILURES.items()}
    expected |= dict.fromkeys(sample.JSON, ("succeeded", None))
    runs = {act: start(client, acts=["progress", act], runs_in=runs_in) for act in expected}
    for act, run in runs.items():
        messages = events(client, run)
        assert_grammatical(messages)
        assert ending(messages) == expected[act], act
        assert SECRET not in "".join(message.data for message in messages)
        if act in sample.JSON:
            assert messages[-2].json["result"] == sample.JSON[act]
    assert set(server.worker_pids()) >= set(workers)
    assert server.running


@pytest.mark.parametrize("runs_in", ["greenlet", "thread", "process"])
@pytest.mark.parametrize(
    "acts", [["wait"], ["ask"], ["never_stop", "progress"], ["ignore_exits", "wait"]], ids=" ".join
)
def test_every_way_to_be_stopped(client: httpx.Client, tmp_path: Path, runs_in: str, acts: list[str]) -> None:
    """Whatever an operation waits for, a cancel ends it, and its `finally` has run by the last event."""
    file = tmp_path / "left"
    run = start(client, acts=["tidy", *acts], runs_in=runs_in, file=str(file))
    wait_until(lambda: client.get(f"/runs/{run}").json()["last_event_id"] > 1, "it is at work")
    assert client.delete(f"/runs/{run}").status_code == 202
    wait_until(lambda: status(client, run) == "cancelled", "it ends")
    assert file.read_text() == "tidied\n"
    first = json.loads(client.get(f"/runs/{run}").content)
    assert first["error"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_requests_of_a_server(kind: str) -> None:
    """However many come at once, they get one store: a run that has started can be read."""
    with KINDS[kind](env=MANY) as server, ThreadPoolExecutor(8) as pool:

        def begin(_: int) -> str:
            response = httpx.post(f"{server.url}/operations/whereabouts", json={}, headers=ASYNC, timeout=30)
            return response.headers["Run-Id"]

        runs = list(pool.map(begin, range(8)))
        for run in runs:
            assert httpx.get(f"{server.url}/runs/{run}").status_code == 200


def pieces(size: int) -> Iterator[bytes]:
    """A body of unknown size."""
    for _ in range(0, size, 100_000):
        yield b"x" * 100_000


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large(client: httpx.Client, announced: bool) -> None:
    """It is refused with and without a Content-Length."""
    body = b"x" * 9_000_000 if announced else pieces(9_000_000)
    try:
        response = client.post("/operations/scripted", content=body, headers={"Content-Type": "application/json"})
    except httpx.WriteError:  # refused before it was sent, and the connection with it
        pytest.skip("this server closes the connection under a body that it does not read")
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert status(client, start(client)) in ("running", "succeeded")


@pytest.mark.parametrize("runs_in", ["greenlet", "thread", "process"])
def test_a_file(client: httpx.Client, runs_in: str) -> None:
    """An upload of megabytes reaches its operation, wherever that runs."""
    text = "naïve " * 1_000_000
    response = client.post("/operations/filed", data={"runs_in": runs_in}, files={"file": ("a.txt", text.encode())})
    messages = parse_frames(response.content.removeprefix(b"retry: 2000\n\n"))
    assert messages[1].json["value"]["text"] == text
    assert ending(messages) == ("succeeded", None)
    assert not Path(messages[1].json["value"]["path"]).exists()


SERVE: Final = {
    "gunicorn": ["gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "-b", "127.0.0.1:0", "app:app"],
    "flask-run": ["flask", "--app", "app:app", "run", "--port", "0"],
}


@pytest.mark.parametrize("kind", SERVE)
def test_a_setting_that_cannot_be_read(kind: str) -> None:
    """A server does not start: it ends, with one line that says why."""
    done = subprocess.run(
        [sys.executable, "-m", *SERVE[kind]],
        cwd=ROOT,
        env=environment({"HEADWAY_MAX_RUNS": "many"}),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode not in (0, None)
    lines = [line for line in done.stderr.splitlines() if "HEADWAY_MAX_RUNS" in line]
    assert lines == ["headway: HEADWAY_MAX_RUNS is 'many'; it takes a whole number above 0"]
    assert "Traceback" not in done.stderr
