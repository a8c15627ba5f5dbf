"""gunicorn without our configuration file, and with other workers than gevent's: noticed, drained, and warned of."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.apps.notes import VARIABLE, Notes
from tests.clients import Connection, Message
from tests.servers import gunicorn, scratch

JSON: Final = {"Content-Type": "application/json"}

SHORT: Final[dict[str, dict[str, Any]]] = {
    "gevent": {},
    "gevent, only streams": {"app": "tests.apps.bare:only_streams()"},
    "gthread, unix socket": {"worker_class": "gthread", "args": ["--threads", "4"], "unix": True},
}
"""Options of each gunicorn."""

LONG: Final[dict[str, dict[str, Any]]] = {
    "gevent, unix socket": {"unix": True},
    "gevent_pywsgi": {"worker_class": "gevent_pywsgi"},
    "gevent_pywsgi, unix socket": {"worker_class": "gevent_pywsgi", "unix": True},
    "preloaded": {"args": ["--preload"]},
    "preloaded, only streams": {"app": "tests.apps.bare:only_streams()", "args": ["--preload"]},
    "gthread": {"worker_class": "gthread", "args": ["--threads", "4"]},
    "gthread, only streams": {"app": "tests.apps.bare:only_streams()", "worker_class": "gthread"},
    "sync": {"worker_class": "sync", "workers": 4},
    "sync, unix socket": {"worker_class": "sync", "workers": 4, "unix": True},
}


@dataclass
class Stopped:
    """What a gunicorn has left: its exit code, how long it took, its log, and the frames of its streams."""

    code: int
    seconds: float
    log: str
    left: bool
    seen: list[list[Message]] = field(default_factory=list)


def stop_one(kind: str) -> Stopped:
    """Starts a gunicorn, opens a stream with a run and one without, and stops it."""
    options = dict((SHORT | LONG)[kind])
    app, unix = options.pop("app", "tests.apps.bare:with_runs()"), options.pop("unix", False)
    with scratch() as folder:
        notes = Notes(folder)
        env = {VARIABLE: str(folder), "HEADWAY_DRAIN": "0.3", "HEADWAY_DRIAN": "0.3"}
        bind = folder / "socket" if unix else None
        with gunicorn(app, conf=False, env=env, bind=bind, **options) as server, contextlib.ExitStack() as viewers:
            opened = []
            for number, (method, path, body) in enumerate(requests("runs" in app)):
                viewer = viewers.enter_context(Connection(server))
                assert viewer.request(method, path, JSON, body).status == 200, viewer.body()
                viewer.until("progress")
                opened.append((viewer, f"note{number}"))
            began = time.monotonic()
            code = server.stop()
            seconds = time.monotonic() - began
            stopped = Stopped(code, seconds, server.log(), all(notes.has(note) for _, note in opened))
            stopped.seen = [list(viewer.messages()) for viewer, _ in opened]
            return stopped


def requests(runs: bool) -> list[tuple[str, str, bytes]]:
    """The requests of the streams."""
    stream = ("GET", "/stream?note=note0", b"")
    return [stream, ("POST", "/operations/working", b'{"note": "note1"}')] if runs else [stream]


@pytest.fixture(scope="module")
def stopped(long: bool) -> dict[str, Stopped]:
    """Every gunicorn, all at the same time: most of theirs is spent waiting."""
    kinds = [*SHORT, *(LONG if long else ())]
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(kinds, pool.map(stop_one, kinds), strict=True))


def test_the_library_notices_gunicorn(stopped: dict[str, Stopped]) -> None:
    """SIGTERM ends every stream within the drain, viewers are told, `finally` blocks run, and the exit is clean."""
    for kind, one in stopped.items():
        assert (one.code, one.left) == (0, True), f"{kind}: {one}"
        assert one.seconds < 10, f"{kind}: {one}"
        assert "graceful timeout" not in one.log, one.log
        assert "Traceback" not in one.log, one.log
        for messages in one.seen:
            done = messages[-1]
            assert (done.event, done.json["reason"]) == ("done", "shutdown"), f"{kind}: {messages}"


def test_what_is_weaker_is_said_once(stopped: dict[str, Stopped]) -> None:
    """In one line, by the first of the workers; about gevent's there is nothing to say."""
    for kind, one in stopped.items():
        name = kind.partition(",")[0]
        about = [line for line in one.log.splitlines() if "gunicorn's worker" in line]
        assert len(about) == (name in ("gthread", "sync")), f"{kind}: {one.log}"
        assert all(name in line for line in about)
        assert one.log.count("HEADWAY_STORE is memory:") == (name == "sync"), one.log  # these have four workers


def test_a_name_that_is_no_setting_is_warned_of_once(stopped: dict[str, Stopped]) -> None:
    """In one line with the nearest name, by the first worker, or by the master where that loads the application."""
    for kind, one in stopped.items():
        has_settings = "only streams" not in kind
        assert one.log.count("there is no setting HEADWAY_DRIAN: do you mean HEADWAY_DRAIN?") == has_settings, one.log


def starts(server: Any) -> Iterator[tuple[int, str]]:
    """The status of a start, and the worker of the next request on its connection, again and again."""
    for number in itertools.count():
        with Connection(server, timeout=20) as client:
            status = client.request("POST", "/operations/working", {**JSON, "Prefer": "respond-async"}, b"{}").status
            json.loads(client.body())
        if number % 5:
            yield status, ""
            continue
        with Connection(server, timeout=20) as client:
            client.request("GET", "/pid")
            yield status, client.body().decode()


def test_a_worker_that_recycles_refuses_nobody() -> None:
    """Also the only one: whoever comes while it stops is served by it, or waits for the next one."""
    with gunicorn("tests.apps.bare:with_runs()", conf=False, args=["--max-requests", "20"]) as server:
        pids, statuses = set(), set()
        for status, pid in starts(server):
            statuses.add(status)
            pids |= {pid} - {""}
            if len(pids) == 2:
                break
        assert statuses == {202}
