"""Several workers over one store, each of which a test can reach; `requests.py` is for a server of one worker.

A connection belongs to the worker that accepts it for as long as it is kept alive. A test that wants a certain worker
opens connections until that one answers.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.apps.notes import VARIABLE, Notes
from tests.clients import PATIENCE, Connection, Head, Message, wait_until
from tests.servers import Server, gunicorn, redis, scratch

APP: Final = "tests.apps.durable:app"
JSON: Final = {"Content-Type": "application/json"}

STORES: Final = tuple(os.environ.get("TEST_STORES", "sqlite,redis").split(","))
"""The stores to test with: `TEST_STORES=redis pytest -m live` takes one of them alone."""

note_names = map("note{}".format, itertools.count())


@dataclass
class Workers:
    """The workers of one gunicorn, its environment, and the connections that a test has opened to them."""

    server: Server
    number: int
    notes: Notes
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers, oldest first, once those that have gone are replaced."""
        pids: list[int] = []

        def are_complete() -> bool:
            pids[:] = self.server.worker_pids()
            return len(pids) >= self.number

        wait_until(are_complete, f"there are {self.number} workers")
        return pids

    def connect(self, pid: int | None = None, timeout: float = PATIENCE) -> Connection:
        """A kept-alive connection, to a certain worker or to any."""
        accepted: list[Connection] = []
        wait_until(lambda: self._try_to_connect(pid, timeout, accepted), f"worker {pid} accepts a connection")
        self.connections += accepted
        return accepted[0]

    def _try_to_connect(self, pid: int | None, timeout: float, accepted: list[Connection]) -> bool:
        """Whether the worker accepts one of thirty connections; those of other workers stay open meanwhile."""
        others: list[Connection] = []
        for _ in range(30):
            connection = Connection(self.server, timeout)
            if pid is None or ask(connection, "GET", "/worker")["pid"] == pid:
                accepted.append(connection)
                break
            others.append(connection)
        for connection in others:
            connection.socket.close()
        return bool(accepted)

    def other(self, pid: int) -> int:
        """Another worker than this one."""
        return next(each for each in self.pids if each != pid)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        pid: int | None = None,
    ) -> Any:
        """The JSON in the response of a certain worker or of any, on a connection of its own; `None` without a body."""
        with closing(self.connect(pid)) as connection:
            return ask(connection, method, path, headers, body)

    def start_unwatched(self, operation: str, pid: int | None = None, **input: Any) -> str:
        """Starts a run that nobody watches yet; gives its id."""
        return str(self.ask("POST", f"/operations/{operation}", {"Prefer": "respond-async"}, input, pid)["id"])

    def start(self, operation: str, pid: int | None = None, **input: Any) -> Connection:
        """Starts a run and watches it; `run_of` gives its id."""
        viewer = self.connect(pid)
        head = viewer.request("POST", f"/operations/{operation}", JSON, json.dumps(input).encode())
        assert head.status == 200, viewer.body()
        return viewer

    def watch(
        self, run: str, pid: int | None = None, after: int | None = None, timeout: float = PATIENCE
    ) -> Connection:
        """A viewer of a run, after event `after`."""
        viewer = self.connect(pid, timeout)
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        assert viewer.request("GET", f"/runs/{run}/events", headers).status == 200, viewer.body()
        return viewer

    def snapshot(self, run: str, pid: int | None = None) -> Any:
        """A run as it stands."""
        return self.ask("GET", f"/runs/{run}", pid=pid)

    def close_viewers(self) -> None:
        """Closes the connections that a test has opened."""
        while self.connections:
            self.connections.pop().socket.close()

    def pause(self, pid: int) -> None:
        """Pauses a worker (SIGSTOP), where it does not hold the lock of the store's file, which then nobody gets."""
        wait_until(lambda: self._try_to_pause(pid), f"worker {pid} is paused without a lock")

    def _try_to_pause(self, pid: int) -> bool:
        os.kill(pid, signal.SIGSTOP)
        file = self.folder / "runs.db"
        if not file.exists() or can_be_written(file):
            return True
        os.kill(pid, signal.SIGCONT)
        return False

    def kill(self, pid: int) -> None:
        """Kills a worker (SIGKILL), and waits until another one has taken its place."""
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in self.pids, "another worker has taken its place")


def ask(
    connection: Connection, method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None
) -> Any:
    """The JSON in the response to a request on this connection; `None` without a body."""
    encoded = b"" if body is None else json.dumps(body).encode()
    connection.request(method, path, {**JSON, **(headers or {})}, encoded)
    response = connection.body()
    return json.loads(response) if response else None


@contextlib.contextmanager
def closing(connection: Connection) -> Iterator[Connection]:
    """Closes a connection at the end of a block."""
    try:
        yield connection
    finally:
        connection.socket.close()


@contextlib.contextmanager
def workers(
    store: str,
    number: int = 2,
    *,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    args: Sequence[str] = (),
    app: str = APP,
) -> Iterator[Workers]:
    """A gunicorn of `number` workers over a store of this kind; in the same `folder` it is the same store."""
    with contextlib.ExitStack() as stack:
        home = folder or stack.enter_context(scratch())
        url = stack.enter_context(store_in(store, home, persistent=folder is not None))
        variables = {
            "HEADWAY_STORE": url,
            VARIABLE: str(home),
            "HEADWAY_MAX_RUNS_PER_CLIENT": "10000",
            "HEADWAY_MAX_RUNS": "1000",
            **(env or {}),
        }
        server = stack.enter_context(gunicorn(app, workers=number, env=variables, args=args))
        all_workers = Workers(server, number, Notes(home), home, variables)
        stack.callback(all_workers.close_viewers)
        yield all_workers


@contextlib.contextmanager
def store_in(kind: str, folder: Path, *, persistent: bool = False) -> Iterator[str]:
    """The URL of a store of this kind that keeps its files in a folder; Redis keeps none unless it is `persistent`."""
    if kind == "redis":
        with redis(persistent=persistent, folder=folder) as server:
            yield server.url
    else:
        yield f"sqlite:///{folder}/runs.db"


def can_be_written(file: Path) -> bool:
    """Whether the lock of an sqlite file is free within half a second."""
    with contextlib.closing(sqlite3.connect(file, timeout=0.5, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


def run_of(head: Head) -> str:
    """The id of the run that a response belongs to."""
    return head.headers["run-id"]


def worker_of(head: Head) -> int:
    """The process id of the worker that has answered."""
    return int(head.headers["worker"])


def check_numbers(messages: Sequence[Message], first: int = 1) -> None:
    """Checks that the ids and the data of events have neither hole nor repeat, from id `first` on."""
    assert [message.id for message in messages] == list(range(first, first + len(messages)))
    for message in messages:
        if message.event == "delta":
            assert message.id is not None
            assert int(message.json["text"]) == message.id - 1  # event 1 is `start`
