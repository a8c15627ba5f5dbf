"""How the library finds gunicorn's worker, and what it says of gunicorn's configuration."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.workers.base import Worker as GunicornWorker

from streaming import Headway, MemoryStore, operation
from streaming.http import gunicorn as module
from streaming.http.advice import advise


class FakeWorker(GunicornWorker):  # type: ignore[misc]  # any class
    """gunicorn's object for this process, as if gunicorn had started it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.booted = False


@pytest.fixture
def drained(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The workers that are drained; this process has not looked for its own yet."""
    found: list[Any] = []
    monkeypatch.setattr(module, "drain_with", found.append)
    monkeypatch.setattr(module, "_looked_in", set())
    handler = signal.getsignal(signal.SIGTERM)
    yield found
    signal.signal(signal.SIGTERM, handler)


def test_a_process_without_gunicorn(drained: list[Any]) -> None:
    """There is nothing to find, and nothing is done."""
    module.notice_gunicorn()
    assert drained == []


def test_the_worker_of_this_process(drained: list[Any]) -> None:
    """gunicorn's handler of SIGTERM leads to it; it is looked for once."""
    worker = FakeWorker()
    signal.signal(signal.SIGTERM, worker.handle_exit)
    module.notice_gunicorn()
    module.notice_gunicorn()
    assert drained == [worker]


def test_an_application_with_a_signal_handler_of_its_own(drained: list[Any]) -> None:
    """The worker is found all the same, and no worker of another process."""
    other, worker = FakeWorker(), FakeWorker()
    other.pid = worker.pid + 1
    signal.signal(signal.SIGTERM, lambda *_: None)
    module.notice_gunicorn()
    assert drained == [worker]


@operation
def nothing() -> None:
    """Does nothing."""


def told(caplog: pytest.LogCaptureFixture, mounted: list[Headway] | None = None, **changes: Any) -> str:
    """What is said of a configuration."""
    cfg = {"workers": 1, "threads": 1, "timeout": 30, "graceful_timeout": 30, "is_ssl": False, "worker_class_str": "x"}
    cfg |= {"http_protocols": ["h1"], "http2_cleartext": "off", **changes}
    worker: Any = SimpleNamespace(cfg=SimpleNamespace(**cfg), age=changes.get("age", 1))
    if "worker_class_str" not in changes:
        worker.timeout_ctx = None
    with caplog.at_level(logging.WARNING):
        advise(worker, mounted or [])
    return caplog.text


def test_nothing_is_said_of_the_defaults(caplog: pytest.LogCaptureFixture) -> None:
    """One gevent worker that speaks HTTP/1.1."""
    assert told(caplog, [Headway(operations=[nothing])]) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"worker_class_str": "sync"}, ["sync", "one request at a time", "30 s", "-k gevent"]),
        ({"worker_class_str": "gthread", "threads": 8}, ["gthread", "(8)", "-k gevent"]),
        ({"worker_class_str": "tornado"}, ["tornado", "-k gevent"]),
        ({"http_protocols": ["h2", "h1"], "is_ssl": True}, ["HTTP/2", "one after another", "http_protocols"]),
        ({"http_protocols": ["h2", "h1"], "http2_cleartext": "upgrade"}, ["HTTP/2"]),
        ({"graceful_timeout": 10}, ["HEADWAY_DRAIN", "10 s", "--graceful-timeout"]),
    ],
)
def test_what_is_weaker(caplog: pytest.LogCaptureFixture, changes: dict[str, Any], words: list[str]) -> None:
    """One line names it, and the way out."""
    text = told(caplog, **changes)
    assert len(caplog.records) == 1
    assert all(word in text for word in words), text


def test_http_2_that_is_never_spoken(caplog: pytest.LogCaptureFixture) -> None:
    """Without TLS and cleartext it is a setting without an effect."""
    assert told(caplog, http_protocols=["h2", "h1"]) == ""


def test_memory_under_several_workers(caplog: pytest.LogCaptureFixture) -> None:
    """Only where there are runs, and no store was given."""
    given = MemoryStore()
    assert told(caplog, [Headway(), Headway(operations=[nothing], log=given)], workers=2) == ""
    assert "HEADWAY_STORE is memory:" in told(caplog, [Headway(operations=[nothing])], workers=2)


def test_the_first_worker_speaks_for_all(caplog: pytest.LogCaptureFixture) -> None:
    """And no worker that replaces it."""
    assert told(caplog, worker_class_str="sync", age=2) == ""
