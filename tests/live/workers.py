"""Several workers over one store, each of which a test can speak to: what the tests of faults stand on.

A connection is some worker's once it is accepted, and stays its while it is kept alive. So a test that wants a certain
worker opens connections until that one answers.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.apps.notes import VARIABLE, Notes
from tests.clients import Connection, Head, Message, wait_until
from tests.servers import Server, gunicorn, redis, scratch

APP: Final = "tests.apps.durable:app"
JSON: Final = {"Content-Type": "application/json"}

STORES: Final = tuple(os.environ.get("TEST_STORES", "sqlite,redis").split(","))
"""The stores to share: `TEST_STORES=redis pytest -m live` keeps to one of them."""

names = map("note{}".format, itertools.count())


@dataclass
class Workers:
    """The workers of one gunicorn, and the viewers that a test has on them."""

    server: Server
    notes: Notes
    folder: Path
    connections: list[Connection] = field(default_factory=list)

    @property
    def pids(self) -> list[int]:
        """The workers, oldest first."""
        return self.server.worker_pids()

    def connect(self, pid: int | None = None, timeout: float = 10.0) -> Connection:
        """A kept-alive connection, to a certain worker or to any."""
        found: list[Connection] = []
        wait_until(lambda: self._accepted(pid, timeout, found), f"worker {pid} takes a connection")
        self.connections += found
        return found[0]

    def _accepted(self, pid: int | None, timeout: float, found: list[Connection]) -> bool:
        """Whether one of some connections is that worker's; what others take is held until then, so that they tire."""
        spare: list[Connection] = []
        for _ in range(30):
            connection = Connection(self.server, timeout)
            if pid is None or said(connection, "GET", "/worker")["pid"] == pid:
                found.append(connection)
                break
            spare.append(connection)
        for connection in spare:
            connection.socket.close()
        return bool(found)

    def other(self, pid: int) -> int:
        """A worker that is not this one."""
        return next(each for each in self.pids if each != pid)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        pid: int | None = None,
    ) -> Any:
        """The JSON that one of the workers answers with; `None` for an answer without a body."""
        with closing(self.connect(pid)) as connection:
            return said(connection, method, path, headers, body)

    def begin(self, operation: str, pid: int | None = None, **input: Any) -> str:
        """Starts a run that nobody watches yet; gives its id."""
        return str(self.ask("POST", f"/operations/{operation}", {"Prefer": "respond-async"}, input, pid)["id"])

    def start(self, operation: str, pid: int | None = None, **input: Any) -> Connection:
        """Starts a run and watches it; its `head` names the run."""
        viewer = self.connect(pid)
        head = viewer.request("POST", f"/operations/{operation}", JSON, json.dumps(input).encode())
        assert head.status == 200, viewer.body()
        return viewer

    def watch(self, run: str, pid: int | None = None, after: int | None = None, timeout: float = 10.0) -> Connection:
        """A viewer of a run, after event `after`."""
        viewer = self.connect(pid, timeout)
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        assert viewer.request("GET", f"/runs/{run}/events", headers).status == 200, viewer.body()
        return viewer

    def snapshot(self, run: str, pid: int | None = None) -> Any:
        """A run as it stands."""
        return self.ask("GET", f"/runs/{run}", pid=pid)

    def leave(self) -> None:
        """Takes the viewers of a test away."""
        while self.connections:
            self.connections.pop().socket.close()

    def kill(self, pid: int) -> None:
        """SIGKILL for a worker, and a wait until another stands in its place."""
        number = len(self.pids)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in self.pids and len(self.pids) == number, "another worker stands in")


def said(
    connection: Connection, method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None
) -> Any:
    """The JSON that a connection is answered with; `None` for an answer without a body."""
    encoded = b"" if body is None else json.dumps(body).encode()
    connection.request(method, path, {**JSON, **(headers or {})}, encoded)
    answer = connection.body()
    return json.loads(answer) if answer else None


@contextlib.contextmanager
def closing(connection: Connection) -> Iterator[Connection]:
    """A connection for one request."""
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
    with contextlib.ExitStack() as started:
        home = folder or started.enter_context(scratch())
        url = started.enter_context(store_in(store, home, persistent=folder is not None))
        variables = {
            "HEADWAY_STORE": url,
            VARIABLE: str(home),
            "HEADWAY_MAX_RUNS_PER_CLIENT": "10000",
            "HEADWAY_MAX_RUNS": "1000",
            **(env or {}),
        }
        server = started.enter_context(gunicorn(app, workers=number, env=variables, args=args))
        found = Workers(server, Notes(home), home)
        started.callback(found.leave)
        yield found


@contextlib.contextmanager
def store_in(kind: str, folder: Path, *, persistent: bool = False) -> Iterator[str]:
    """The URL of a store of this kind that keeps its files in a folder; Redis keeps none unless it is `persistent`."""
    if kind == "redis":
        with redis(persistent=persistent, folder=folder) as server:
            yield server.url
    else:
        yield f"sqlite:///{folder}/runs.db"


def run_of(head: Head) -> str:
    """The run that a response belongs to."""
    return head.headers["run-id"]


def worker_of(head: Head) -> int:
    """The worker that has answered."""
    return int(head.headers["worker"])


def check_numbers(messages: Sequence[Message], first: int = 1) -> None:
    """Events whose ids and data have neither hole nor repeat, from id `first` on."""
    assert [message.id for message in messages] == list(range(first, first + len(messages)))
    for message in messages:
        if message.event == "delta":
            assert message.id is not None
            assert int(message.json["text"]) == message.id - 1  # event 1 is `start`
