"""How the workers of one server share new connections."""

from __future__ import annotations

import mmap
import sys
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from streaming.http import sharing
from streaming.http.sharing import BUSY, Share, share_connections


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in a list that a test changes."""
    time = [100.0]
    monkeypatch.setattr(sharing, "monotonic", lambda: time[0])
    return time


def two() -> tuple[Share, Share]:
    """Two workers of one server."""
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    return Share(memory, 1, 2), Share(memory, 2, 2)


def test_neither_gets_more_than_its_share(now: list[float]) -> None:
    """Whoever is ahead leaves the next connection to the other one, who takes it."""
    one, other = two()
    got = {one: 0, other: 0}
    for number in range(400):
        now[0] += 1 / 400
        first, second = (one, other) if number % 9 else (other, one)
        taker = second if first.is_ahead() else first
        taker.count()
        got[taker] += 1
    assert max(got.values()) < 0.6 * 400


def test_a_busy_worker_holds_nobody_up(now: list[float]) -> None:
    """Where the others have accepted nothing during a pause, a worker goes on without one for a while."""
    one, other = two()
    other.count()
    for _ in range(10):
        one.count()
    assert one.is_ahead()
    one.note_pause()
    assert not one.is_ahead()
    now[0] += BUSY
    assert one.is_ahead()
    other.count()
    one.note_pause()
    assert one.is_ahead()


def test_what_was_long_ago_counts_no_more(now: list[float]) -> None:
    """Neither for nor against a worker."""
    one, _ = two()
    for _ in range(100):
        one.count()
    assert one.is_ahead()
    now[0] += 10
    assert not one.is_ahead()


@pytest.mark.parametrize(("workers", "reuse_port"), [(1, False), (1000, False), (2, True)])
def test_where_nothing_is_shared(monkeypatch: pytest.MonkeyPatch, workers: int, reuse_port: bool) -> None:
    """One worker, very many, and those with a socket of their own accept as they did."""
    server: Any = object()
    module = SimpleNamespace(StreamServer=server)
    monkeypatch.setitem(sys.modules, "gunicorn.workers.ggevent", module)
    cfg = SimpleNamespace(workers=workers, reuse_port=reuse_port)
    share_connections(SimpleNamespace(cfg=cfg, age=1), bytearray(4096))
    assert module.StreamServer is server


def test_a_worker_that_is_ahead_still_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its pause, where nobody else has; a server that is closed during the pause stays closed."""
    module = SimpleNamespace(StreamServer=StreamServer)
    monkeypatch.setitem(sys.modules, "gunicorn.workers.ggevent", module)
    memory = bytearray(mmap.PAGESIZE)
    for _ in range(100):
        Share(memory, 1, 2).count()
    share_connections(SimpleNamespace(cfg=SimpleNamespace(workers=2, reuse_port=False), age=1), memory)
    server = module.StreamServer(("127.0.0.1", 0), lambda client, address: client.sendall(b"served"))
    server.start()
    with socket.create_connection(server.address, timeout=10) as client:
        assert client.recv(6) == b"served"
    with socket.create_connection(server.address, timeout=10):
        gevent.sleep(sharing.PAUSE / 2)
        server.close()
        gevent.sleep(2 * sharing.PAUSE)
    assert server.closed
