"""What goes wrong around the workers of a Celery: they die, stop and pause, and their broker is away."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.clients import wait_until
from tests.live.celery_workers import POOLS, STOP, Fleet, Pool, begun, belongs_to, ended, fleet

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def service() -> Iterator[Fleet]:
    """A web worker; each test has workers of Celery of its own."""
    with fleet() as service:
        yield service


def test_a_worker_that_is_killed(service: Fleet, long: bool) -> None:
    """With retries another one takes the run over, and its viewer stays; without them it ends as lost."""
    for pool in POOLS if long else ("prefork",):
        with service.celery(pool, 2) as lost:
            again, note = begun(service, "retried", steps=10_000)
            once, _ = begun(service, "talks", steps=10_000)
            with service.web.watch(again) as viewer, service.celery(pool, 1) as other:
                lost.kill()
                service.web.notes.when(f"{note}-begun-2")
                assert belongs_to(other, int((service.web.notes.folder / f"{note}-pid").read_text()))
                service.web.ask("DELETE", f"/runs/{again}")
                events = viewer.until("done")
        assert [event.json["attempt"] for event in events if event.event == "attempt"] == [2]
        wait_until(partial(_is_lost, service, once), "the other one is lost")


def _is_lost(service: Fleet, run: str) -> bool:
    return service.status(run) == ("failed", "producer_lost")


def test_a_warm_shutdown(service: Fleet, long: bool) -> None:
    """The runs of a worker have HEADWAY_DRAIN seconds to end, and end as `shutdown` then; the worker goes with them."""
    for pool in (*POOLS, "solo") if long else ("threads",):
        with service.celery(pool) as worker:
            run, _ = begun(service, "talks", steps=10_000)
            began = time.monotonic()
            assert worker.stop(STOP) == 0
            assert time.monotonic() - began > 1  # the drain of the fixture
            assert ended(service, run)["reason"] == "shutdown"


@pytest.mark.long
@pytest.mark.parametrize("pool", POOLS)
def test_a_cold_shutdown(service: Fleet, pool: Pool) -> None:
    """The worker leaves its runs to others at once, and ends."""
    with service.celery(pool) as worker:
        run, _ = begun(service, "retried", steps=100, pause=0.05)
        os.kill(worker.pid, signal.SIGQUIT)
        wait_until(lambda: not worker.running, "the worker has gone", STOP)
        with service.celery(pool):
            assert ended(service, run)["status"] == "succeeded"
    assert service.web.snapshot(run)["result"]["attempt"] == 2


@pytest.mark.long
@pytest.mark.parametrize("pool", POOLS)
def test_a_message_in_a_worker_that_is_paused(service: Fleet, pool: Pool) -> None:
    """What it has prefetched is sent again, and another worker takes the run."""
    with service.celery(pool, 1) as paused, service.celery(pool, 1) as other:
        os.kill(other.pid, signal.SIGSTOP)
        running, _ = begun(service, "talks", steps=10_000)
        stuck = service.web.start_unwatched("talks")
        wait_until(lambda: not service.messages(), "the message has been prefetched")
        os.kill(paused.pid, signal.SIGSTOP)
        os.kill(other.pid, signal.SIGCONT)
        try:
            assert ended(service, stuck)["status"] == "succeeded"
        finally:
            os.kill(paused.pid, signal.SIGCONT)
        service.web.ask("DELETE", f"/runs/{running}")


@pytest.mark.long
def test_a_broker_that_is_away() -> None:
    """A start answers 202 all the same, and the run begins once the broker is back."""
    with fleet(HEADWAY_CELERY_BROKER="redis://127.0.0.1:1/0") as service:
        began = time.monotonic()
        runs = [service.web.start_unwatched("talks") for _ in range(20)]
        assert time.monotonic() - began < 10  # 20 tries of three seconds would take a minute
        assert {service.status(run) for run in runs} == {("queued", None)}
        wait_until(lambda: "the broker of Celery is away" in service.web.server.log(), "the log says so")
        with service.celery("threads", HEADWAY_CELERY_BROKER=service.broker.url):
            for run in runs:  # the worker has found them, and sends for itself
                assert ended(service, run)["status"] == "succeeded"
