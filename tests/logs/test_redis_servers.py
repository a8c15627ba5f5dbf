"""Real servers over one Redis: two gunicorn workers, and servers in whose process nothing is patched."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import pytest

from tests.clients import Connection, wait_until
from tests.live.workers import JSON, Workers, check_numbers, run_of, said, worker_of, workers
from tests.runs import assert_grammatical
from tests.servers import Server, flask_run, free_port, pywsgi, redis, scratch

pytestmark = pytest.mark.live

SECOND = 1.0
"""Within which a cancel reaches a silent run on any worker."""

LOST = 10.0
"""Seconds within which viewers are told that a producer was lost."""


@pytest.fixture(scope="module")
def store() -> Iterator[Server]:
    """A Redis without persistence."""
    with redis() as store:
        yield store


@pytest.fixture(scope="module")
def both(store: Server) -> Iterator[Workers]:
    """Two workers over it."""
    with workers("redis", env={"HEADWAY_STORE": store.url}) as both:
        yield both


@pytest.fixture
def two(both: Workers) -> Iterator[tuple[Workers, int, int]]:
    """The same, and which they are; the viewers of a test go with it."""
    first, second = both.pids
    yield both, first, second
    both.leave()


def test_a_viewer_on_another_worker(two: tuple[Workers, int, int]) -> None:
    """It sees the whole run, live and afterwards, from any number on."""
    both, first, second = two
    viewer = both.start("counting", first, count=40, pause=0.01)
    run = run_of(viewer.head)
    assert worker_of(viewer.head) == first
    far = both.watch(run, second)
    near, elsewhere = viewer.until("done"), far.until("done")
    assert near == elsewhere
    check_numbers(near)
    assert_grammatical(near)
    assert both.watch(run, second, after=17).until("done") == near[17:]


def test_a_cancel_on_another_worker(two: tuple[Workers, int, int]) -> None:
    """It ends a silent run within a second, `finally` and all."""
    both, first, second = two
    run = both.begin("silent", first, note="cancelled elsewhere")
    viewer = both.watch(run, second)
    viewer.until("progress")
    began = time.monotonic()
    assert both.ask("DELETE", f"/runs/{run}", pid=second)["status"] in ("cancelling", "cancelled")
    assert viewer.until("done")[-1].json["reason"] == "requested"
    assert time.monotonic() - began < SECOND
    assert both.notes.has("cancelled elsewhere")


def test_linger_over_both_workers(two: tuple[Workers, int, int]) -> None:
    """A viewer that comes back on the other worker in time keeps the run; once it has gone for good, the run ends."""
    both, first, second = two
    viewer = both.start("lingering", first, note="lingered")
    run = run_of(viewer.head)
    viewer.until("progress")
    viewer.close()
    back = both.watch(run, second)
    back.until("progress")
    time.sleep(1.5)  # the linger is a second
    assert both.snapshot(run, first)["status"] == "running"
    back.close()
    wait_until(lambda: both.notes.has("lingered"), "the run ends")
    assert both.watch(run, second).until("done")[-1].json["reason"] == "disconnected"


def test_an_answer_on_another_worker(two: tuple[Workers, int, int]) -> None:
    """It reaches the operation that has asked."""
    both, first, second = two
    viewer = both.start("curious", first)
    asked = viewer.until("question")[-1].json["question"]
    body = {"question": asked, "answer": {"colour": "red"}}
    both.ask("POST", f"/runs/{run_of(viewer.head)}/answer", body=body, pid=second)
    assert viewer.until("result")[-1].json["result"] == {"colour": "red"}


def test_a_worker_that_is_killed(two: tuple[Workers, int, int]) -> None:
    """The viewers of its runs on the other worker are told within ten seconds, and what may begin anew does."""
    both, first, second = two
    lost, anew = both.begin("silent", first), both.begin("again", first, note="the first attempt")
    viewers = [both.watch(run, second, timeout=LOST) for run in (lost, anew)]
    for viewer in viewers:
        viewer.until("progress")
    began = time.monotonic()
    both.kill(first)
    told = [viewer.until("done") for viewer in viewers]
    assert time.monotonic() - began < LOST
    assert [message.json.get("code") for message in told[0]] == ["producer_lost", None]
    assert told[0][0].json["retryable"]
    assert [message.event for message in told[1]] == ["attempt", "progress", "result", "done"]


@pytest.mark.parametrize("persistent", [True, False], ids=["kept", "lost"])
def test_a_redis_that_is_killed(persistent: bool) -> None:
    """Streams on both workers go on once it is back, with its data or without, and miss and repeat nothing."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch())
        first = stack.enter_context(redis(persistent=persistent, folder=folder, port=port))
        both = stack.enter_context(workers("redis", env={"HEADWAY_STORE": first.url, "HEADWAY_HEARTBEAT": "0.3"}))
        one, two = both.pids
        viewer = both.start("counting", one, count=200, pause=0.01)
        far = both.watch(run_of(viewer.head), two)
        seen = [[each.message() for _ in range(20)] for each in (viewer, far)]
        first.kill()
        viewer.comment()  # after what had been shown by then
        refused = both.connect(two)
        assert refused.request("POST", "/operations/counting", JSON, json.dumps({}).encode()).status == 503
        assert refused.head.headers["retry-after"]
        stack.enter_context(redis(persistent=persistent, folder=folder, port=port))
        whole = both.watch(run_of(viewer.head), two).until("done")
        check_numbers(whole)
        seen[1] += far.until("done")
        assert seen[1] == whole
        assert both.watch(run_of(viewer.head), one, after=100).until("done") == whole[100:]
        wait_until(lambda: said(both.connect(), "GET", "/health/ready") == {"status": "ready"}, "the workers are ready")


@pytest.mark.parametrize("serve", ["flask run", "pywsgi"])
def test_nothing_is_patched(store: Server, serve: str) -> None:
    """Streams, heartbeats and cancels work where redis-py's own sockets would stop everything."""
    env = {"HEADWAY_STORE": store.url, "HEADWAY_SIMULATE": "1", "HEADWAY_HEARTBEAT": "0.2"}
    started = pywsgi("app:app", patched=False, env=env) if serve == "pywsgi" else flask_run("app:app", env=env)
    with started as server, Connection(server) as viewer, Connection(server) as other:
        body = json.dumps({"steps": 3, "interval": 0.01, "silent": 60}).encode()
        viewer.request("POST", "/operations/simulate", JSON, body)
        viewer.until("start")
        for _ in range(3):
            viewer.message()
        assert viewer.comment() == "keep-alive"
        other.request("DELETE", f"/runs/{run_of(viewer.head)}", JSON)
        assert viewer.until("done")[-1].json["reason"] == "requested"
