"""The database sessions of operations: each run has its own, and gives its connection back however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import httpx
import pytest

from tests.clients import wait_until
from tests.servers import Server, flask_run, gunicorn, postgres, scratch

APP: Final = "tests.apps.database:create_app()"
SERVERS: Final[dict[str, Callable[..., Any]]] = {
    "gunicorn": lambda env: gunicorn(APP, env=env),
    "flask": lambda env: flask_run(APP, env=env),
}
ASYNC: Final = {"Prefer": "respond-async"}
POOL_SIZE: Final = 15

EXECUTORS: Final = ("greenlet", "thread", "asyncio")
every_executor = pytest.mark.parametrize("executor", EXECUTORS)
waits_well = pytest.mark.parametrize("executor", EXECUTORS[:2])  # a wait for a connection holds up an event loop


@contextmanager
def database(kind: str) -> Iterator[str]:
    """The URL of an empty database."""
    if kind == "postgres":
        with postgres() as server:
            yield server.url
    else:
        with scratch() as folder:
            yield f"sqlite:///{folder / 'shop.db'}"


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, long: bool) -> Iterator[Server]:
    """The application under each server, on sqlite; in the long form gunicorn's on PostgreSQL."""
    kind = "postgres" if long and request.param == "gunicorn" else "sqlite"
    with database(kind) as url, SERVERS[request.param]({"DATABASE_URL": url}) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of it, which may be used by several threads."""
    with httpx.Client(base_url=server.url, timeout=15) as client:
        yield client


def start(client: httpx.Client, operation: str, **input: Any) -> str:
    """The id of a new run that has no viewer."""
    response = client.post(f"/operations/{operation}", json=input, headers=ASYNC)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def status(client: httpx.Client, run: str) -> str:
    """The status of a run."""
    return str(client.get(f"/runs/{run}").json()["status"])


def wait_for_all(client: httpx.Client, runs: list[str], expected: str) -> None:
    """Waits until all runs have that status."""
    left = set(runs)

    def all_are() -> bool:
        left.difference_update([run for run in left if status(client, run) == expected])
        return not left

    wait_until(all_are, f"all runs are {expected}", timeout=20)


def check_pool(client: httpx.Client) -> None:
    """No connection is out, and a request has a fresh session at once."""
    wait_until(lambda: client.get("/pool").json() == {"out": 0}, "all connections are back")
    answer = client.get("/query").json()
    assert not answer["old"]
    assert answer["seconds"] < 1


@waits_well
def test_many_runs_at_once(client: httpx.Client, executor: str) -> None:
    """Fifty share fifteen connections, each with a session of its own, and give them back."""
    with ThreadPoolExecutor(10) as threads:
        runs = list(threads.map(lambda _: start(client, f"querying-{executor}"), range(50)))
    wait_for_all(client, runs, "succeeded")
    check_pool(client)


@every_executor
def test_many_cancelled_runs(client: httpx.Client, executor: str, long: bool) -> None:
    """By a cancel, by a disconnect, at work and before the first event: none keeps its connection."""

    def start_and_cancel(number: int) -> str:
        if number % 2:
            run = start(client, f"querying-{executor}", seconds=60)
            client.delete(f"/runs/{run}")
            return run
        with client.stream("POST", f"/operations/querying-{executor}", json={"seconds": 60}) as response:
            next(response.iter_raw())
            return str(response.headers["Run-Id"])

    with ThreadPoolExecutor(5) as threads:
        runs = list(threads.map(start_and_cancel, range(300 if long else 24)))
    wait_for_all(client, runs, "cancelled")
    check_pool(client)


@waits_well
def test_cancelled_runs_that_wait_for_a_connection(client: httpx.Client, executor: str) -> None:
    """Where the pool is used up, those that have a connection and those that wait for one end alike."""
    runs = [start(client, f"querying-{executor}", seconds=60) for _ in range(2 * POOL_SIZE)]
    wait_until(lambda: client.get("/pool").json() == {"out": POOL_SIZE}, "all connections are out")
    for run in runs:
        client.delete(f"/runs/{run}")
    wait_for_all(client, runs, "cancelled")
    check_pool(client)


@every_executor
def test_runs_that_wait_for_answers(client: httpx.Client, executor: str) -> None:
    """They have given their connections back, so a request has one at once."""
    runs = [start(client, f"waiting-{executor}") for _ in range(POOL_SIZE)]
    wait_for_all(client, runs, "waiting")
    check_pool(client)
    for run in runs:
        client.post(f"/runs/{run}/answer", json={"question": "q2", "answer": True})
    wait_for_all(client, runs, "succeeded")
    check_pool(client)


def test_streams_that_are_cut(client: httpx.Client) -> None:
    """A stream has a session of its own, which ends with it."""
    for _ in range(POOL_SIZE + 5):
        with client.stream("GET", "/stream") as response:
            frames = response.iter_raw()
            while b"found" not in next(frames):
                pass
    check_pool(client)
