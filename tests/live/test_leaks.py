"""Viewers that come and go leave nothing behind: no greenlet, thread, process, descriptor, viewer or run."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import re
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest

from tests.apps.notes import VARIABLE
from tests.clients import Connection, request_bytes, wait_until
from tests.servers import Server, flask_run, gunicorn, processes, pywsgi

if TYPE_CHECKING:
    from tests.conftest import Certificate

APP = "tests.apps.stopping:app"
ENV = {"HEADWAY_MAX_RUNS": "1000", "HEADWAY_MAX_RUNS_PER_CLIENT": "1000", VARIABLE: "/nowhere"}
AT_ONCE = 10
"""The number of viewers at a time: the oldest leaves when another comes."""

SERVERS: dict[str, Callable[[Certificate], AbstractContextManager[Server]]] = {
    "gevent": lambda _: gunicorn(APP, env=ENV),
    "gevent_pywsgi": lambda _: gunicorn(APP, env=ENV, worker_class="gevent_pywsgi"),
    "gevent-tls": lambda tls: gunicorn(APP, env=ENV, certfile=tls.certfile, keyfile=tls.keyfile),
    "pywsgi-unpatched": lambda _: pywsgi(APP, env=ENV, patched=False),
    "flask-run": lambda _: flask_run(APP, env=ENV),
}

Visit = tuple[bytes, Callable[[Connection, str], None], Callable[[Connection], None]]
"""What a viewer requests, how long it stays, and how it leaves."""


def start(operation: str) -> bytes:
    """The request that starts a run."""
    return request_bytes("POST", f"/operations/{operation}", {"Content-Type": "application/json"}, b"{}")


REQUESTS = [
    *map(start, ("silent", "thread", "drowsy", "sleeping", "ticking", "pouring", "pooled", "lingering", "hooked")),
    request_bytes("GET", "/streamed"),
    request_bytes("HEAD", "/streamed"),
    start("silent") + request_bytes("GET", "/health/live") + start("sleeping"),
]


# How long a viewer stays


def no_time(viewer: Connection, method: str) -> None:
    """It leaves before the first byte."""


def until_the_head(viewer: Connection, method: str) -> None:
    """It leaves after the head."""
    viewer.response(method)


def into_the_stream(viewer: Connection, method: str) -> None:
    """It leaves after the first event; HEAD has none."""
    viewer.response(method)
    viewer.frame()


# How it leaves


def close(viewer: Connection) -> None:
    """With a FIN."""
    viewer.close()


def reset(viewer: Connection) -> None:
    """With a RST."""
    viewer.reset()


def half_close_first(viewer: Connection) -> None:
    """With a FIN, and then a RST."""
    socket.socket.shutdown(viewer.socket, socket.SHUT_WR)
    viewer.reset()


VISITS: list[Visit] = list(
    itertools.product(REQUESTS, (no_time, until_the_head, into_the_stream), (close, reset, half_close_first))
)


def visit_all(server: Server, visits: list[Visit]) -> None:
    """Makes the visits, several at a time."""
    open_visits: deque[tuple[Connection, Callable[[Connection], None]]] = deque()
    for request, stay, leave in visits:
        viewer = Connection(server)
        viewer.send(request)
        stay(viewer, request.partition(b" ")[0].decode())
        open_visits.append((viewer, leave))
        if len(open_visits) > AT_ONCE:
            end_visit(*open_visits.popleft())
    for viewer, leave in open_visits:
        end_visit(viewer, leave)


def end_visit(viewer: Connection, leave: Callable[[Connection], None]) -> None:
    """Closes a connection, unless the server has closed it first, as it may after HEAD."""
    with contextlib.suppress(OSError):
        leave(viewer)


# What is left


def count(server: Server) -> dict[str, int]:
    """Counts everything in the worker, and its descendants."""
    with Connection(server) as client:
        client.request("GET", "/inside", {"Connection": "close"})
        counts: dict[str, int] = json.loads(client.body())
    return {**counts, "processes": len(list(descendants(counts.pop("pid"))))}


def descendants(pid: int) -> Iterator[int]:
    """The children of a process, and theirs."""
    parents = {process.pid: process.parent for process in processes()}
    below = {pid}
    for child in sorted(parents):  # pids may have wrapped; a descendant that is missed once is counted the next time
        if parents[child] in below:
            below.add(child)
            yield child


def least(server: Server) -> dict[str, int]:
    """The counts once everything that ends has ended."""
    wait_until(lambda: not any(map(count(server).get, ("viewers", "runs", "watched"))), "all viewers and runs are gone")
    counts = [count(server) for _ in range(20)]
    return {name: min(each[name] for each in counts) for name in counts[0]}


def grown(server: Server, before: dict[str, int]) -> dict[str, tuple[int, int]]:
    """What has a higher count than before."""
    return {name: (before[name], now) for name, now in count(server).items() if now > before[name]}


def failures(log: str, *, tls: bool) -> list[str]:
    """The errors with a traceback; with TLS but for those that gevent logs of clients that leave during a handshake."""
    traces = re.findall(r"Traceback .*?\n(?=\S)[^\n]*", log, re.DOTALL)
    return [trace.splitlines()[-1] for trace in traces if not (tls and "do_handshake" in trace)]


@pytest.mark.parametrize("kind", SERVERS)
def test_viewers_leave_nothing_behind(kind: str, long: bool, certificate: Certificate) -> None:
    """After viewers that left in every way, at every moment, there is no more of anything than before.

    In the short form each way is taken once by gunicorn's own worker, and a third of them by the others; in the long
    one each is taken fifty times.
    """
    visits = VISITS * (50 if long else 1)
    random.Random(kind).shuffle(visits)
    if not long and kind != "gevent":
        del visits[len(visits) // 3 :]
    with SERVERS[kind](certificate) as server:
        visit_all(server, visits[:100])  # opens what stays open: the fork server, the watch, the pool of threads
        before = least(server)
        visit_all(server, visits)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not grown(server, before), "nothing is left behind")
        assert grown(server, before) == {}
        assert failures(server.log(), tls=kind.endswith("-tls")) == []
