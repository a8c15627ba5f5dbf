"""Several workers with one Redis: each store here is a worker's, with its own connections and lease."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gevent
import gevent.event
import pytest

from streaming import Event, ManualClock, event, operation
from streaming.errors import Fenced
from streaming.protocol.events import make_event
from streaming.runs.operation import NoInput
from streaming.runs.runner import Runner
from streaming.runtime.worker import Worker
from streaming.settings import Settings
from streaming.stores.base import Record, Store
from streaming.stores.redis.connection import Connection
from streaming.stores.redis.scripts import Call
from streaming.stores.redis.store import RedisStore
from tests.clients import Message, parse_frames
from tests.servers import Server, redis
from tests.stores.contract import Producer, last_shown, run_info, start_event, until

pytestmark = pytest.mark.live

SOON = 1.0
"""Seconds: ten times what an event takes to another worker, and less than a refresh takes to come."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis without persistence."""
    with redis() as server:
        yield server


@pytest.fixture
def direct(server: Server) -> Iterator[Connection]:
    """A connection of the test itself; Redis is empty at its start."""
    connection = Connection(server.url)
    connection.execute([("FLUSHALL",)])
    yield connection
    connection.close()


@pytest.fixture
def worker(server: Server, direct: Connection) -> Iterator[Callable[..., RedisStore]]:
    """Makes the store of a worker."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> RedisStore:
            store = RedisStore(server.url, **options)
            stack.callback(store.close)
            return store

        yield make


def start_run(store: Store, run: str = "r", **options: Any) -> Producer:
    """Starts a run on the worker of `store`."""
    store.create(run_info(run, **options))
    producer = Producer(store, run, ManualClock())
    producer.write(start_event(run=run))
    return producer


def crash(store: RedisStore) -> None:
    """Leaves what a SIGKILL leaves: a lease that nobody renews."""
    gevent.killall(store._greenlets)
    store._lease.stop(release=False)
    store._greenlets = []


def lapse(store: RedisStore) -> None:
    """Does what a long stall does: the worker lives, but its lease is gone."""
    store._lease.stop(release=True)


def read_all(store: Store, run: str) -> list[Message]:
    """All events of a run, as a reader of `store` gets them."""
    messages: list[Message] = []
    while batch := store.read(run, messages[-1].id or 0 if messages else 0):
        if not batch.block:
            return messages
        messages += parse_frames(batch.block)
    return messages


def ids(messages: Sequence[Message]) -> list[int | None]:
    """The ids of messages."""
    return [message.id for message in messages]


@contextlib.contextmanager
def watching(store: Store, run: str) -> Iterator[list[Message]]:
    """The messages that a viewer on the worker of `store` has seen so far."""
    seen: list[Message] = []

    def see() -> None:
        seen.extend(parse_frames(store.read(run, seen[-1].id or 0 if seen else 0).block))

    def look() -> None:
        gevent.spawn(see)

    unwatch = store.watch(run, look)
    see()
    yield seen
    unwatch()


def soon(condition: Callable[[], object], what: str) -> None:
    """Waits until `condition` is true, as long as a change may take to another worker."""
    with gevent.Timeout(SOON, AssertionError(f"{what}: not within {SOON} s")):
        until(condition, what)


# Viewers on other workers


def test_a_viewer_on_another_worker_sees_every_event(worker: Callable[..., RedisStore]) -> None:
    """A viewer on another worker sees earlier events, each new one and the last one, without a gap."""
    producer, other = start_run(worker()), worker()
    with watching(other, "r") as seen:
        for _ in range(20):
            producer.write(event("tick"))
            soon(lambda: len(seen) == producer.recorder.last, "the viewer sees an event")
        producer.end()
        soon(lambda: len(seen) == producer.recorder.last, "the viewer sees the end")
    assert ids(seen) == list(range(1, 23))
    assert other.read("r", 22).over


def test_a_further_run_is_followed_at_once(worker: Callable[..., RedisStore]) -> None:
    """The `XREAD` that waits for some runs is interrupted to follow another."""
    producers = [start_run(worker(), f"r{number}") for number in range(3)]
    other = worker()
    with contextlib.ExitStack() as stack:
        for producer in producers:
            seen = stack.enter_context(watching(other, producer.run))
            gevent.sleep(0.05)  # until it waits again
            producer.write(event("tick"))
            soon(lambda seen=seen: len(seen) == 2, "the viewer sees an event")  # type: ignore[misc]


def test_resume_after_any_number(worker: Callable[..., RedisStore]) -> None:
    """A worker that did not follow a run reads on after every number, within a block of events and between two."""
    producer = start_run(worker())
    for size in (1, 5, 1, 7):
        producer.write(*(event("tick") for _ in range(size)))
    producer.end()
    other = worker()
    for after in range(16):
        batch = other.read("r", after)
        assert batch.block == b"".join(producer.frames[after:])
        assert (batch.last, batch.over) == (16, True)
    assert other.read("r", 2, frames=5).block == b"".join(producer.frames[2:7])


def test_dropped_events_are_a_gap(worker: Callable[..., RedisStore], direct: Connection) -> None:
    """A run keeps `keep_bytes` of frames; a reader on another worker gets the oldest that is kept, and all after it."""
    producer = start_run(worker(keep_bytes=5000))
    for _ in range(200):
        producer.write(event("tick", {"text": "x" * 50}))
    batch = worker().read("r", 3)
    assert batch.oldest > 4
    assert ids(parse_frames(batch.block)) == list(range(batch.oldest, 202))
    assert 4000 < len(batch.block) <= 5000
    assert direct.execute([("XLEN", "headway:run:r:events")]) == [201 - batch.oldest + 1]


# Requests to the producer


def test_a_cancel_reaches_a_silent_run_on_another_worker(worker: Callable[..., RedisStore]) -> None:
    """A producer without events gets a cancel from another worker at once, with the first reason."""
    store, other = worker(), worker()
    start_run(store)
    calls: list[None] = []
    store.watch("r", lambda: calls.append(None))
    other.cancel("r", "requested")
    other.cancel("r", "disconnected")
    soon(lambda: calls and store.control("r").cancel == "requested", "the cancel arrives")
    record = other.find("r")
    assert record is not None
    assert record.status == "cancelling"


def test_one_answer_wins(worker: Callable[..., RedisStore]) -> None:
    """Of answers from several workers at the same time one is accepted, and it reaches the producer."""
    store, *others = worker(), worker(), worker(), worker()
    start_run(store).write(make_event("question", {"question": "q2"}))
    tries = [gevent.spawn(other.answer, "r", "q2", b"%d" % n) for n, other in enumerate([*others, *others])]
    accepted = [n for n, each in enumerate(tries) if each.get(timeout=10)]
    assert len(accepted) == 1
    soon(lambda: store.control("r").answers, "the answer arrives")
    assert store.control("r").answers == {"q2": b"%d" % accepted[0]}


def test_viewers_are_counted_over_all_workers(worker: Callable[..., RedisStore]) -> None:
    """The producer counts the viewers of all workers, and so do snapshots."""
    store, one, two = worker(), worker(), worker()
    start_run(store)
    for viewer in (store, one, one, two):
        viewer.count("r", +1)
    soon(lambda: store.control("r").viewers == 4, "all viewers count")
    record = two.find("r")
    assert record is not None
    assert record.viewers == 4
    for viewer in (one, one, two, store):
        viewer.count("r", -1)
    soon(lambda: store.control("r").viewers == 0, "all have left")
    assert store.control("r").watched


def test_viewers_that_change_workers(worker: Callable[..., RedisStore]) -> None:
    """While the viewers of a run change workers, its producer never sees a count of none."""
    store, other = worker(), worker()
    start_run(store)
    store.count("r", +1)
    counts: list[int] = []
    store.watch("r", lambda: counts.append(store.control("r").viewers))
    for _ in range(20):
        other.count("r", +1)
        store.count("r", -1)
        store.count("r", +1)
        other.count("r", -1)
    assert counts
    assert 0 not in counts


def test_one_key_starts_one_run(worker: Callable[..., RedisStore]) -> None:
    """Any number of requests with one key, at the same time on several workers, get one run."""
    stores = [worker(), worker(), worker()]
    tries = [
        gevent.spawn(store.create, run_info(f"r{number}", "ann", key="k", digest="d"))
        for number, store in enumerate(stores * 5)
    ]
    assert len({each.get(timeout=10).id for each in tries}) == 1
    assert [store.live("ann") for store in stores] == [1, 1, 1]


def test_a_viewer_of_a_worker_that_has_just_started(worker: Callable[..., RedisStore]) -> None:
    """Its viewers count before it has renewed its lease for the first time."""
    store, other = worker(), worker()
    start_run(store)
    other._lease.stop(release=True)
    other.count("r", +1)
    assert store.abandon("r") is False
    assert store.control("r").viewers == 1
    other.count("r", -1)
    other.flush()
    assert store.abandon("r") is True


def test_a_viewer_that_comes_at_the_last_moment(
    worker: Callable[..., RedisStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A viewer on another worker that is counted before the request to abandon arrives keeps the run alive."""
    store, other = worker(), worker()
    start_run(store)
    store.count("r", +1)
    store.count("r", -1)
    store.flush()
    connection: Connection = store.driver._writer  # type: ignore[attr-defined]
    execute, counted = connection.execute, gevent.event.Event()

    def execute_late(calls: Sequence[Call]) -> list[Any]:
        counted.wait(timeout=10)
        return execute(calls)

    monkeypatch.setattr(connection, "execute", execute_late)
    abandoned = gevent.spawn(store.abandon, "r")
    gevent.sleep(0.05)
    other.count("r", +1)
    counted.set()
    assert abandoned.get(timeout=10) is False
    soon(lambda: store.control("r").viewers == 1, "the viewer counts")
    assert store.control("r").cancel is None


# Workers that die


def test_the_runs_of_a_dead_worker_are_adopted_once(worker: Callable[..., RedisStore]) -> None:
    """Once its lease has expired, each of its live runs is adopted by one other worker."""
    dead, *others = worker(lease=0.3), worker(), worker()
    for number in range(10):
        start_run(dead, f"r{number}")
    start_run(dead, "over").end()
    crash(dead)
    adopted: list[str] = []

    def adopt() -> bool:
        for adoption in [gevent.spawn(other.adopt_orphans) for other in others]:
            adopted.extend(record.info.id for record in adoption.get(timeout=10))
        return len(adopted) == 10

    until(adopt, "the runs are adopted")
    assert sorted(adopted) == [f"r{number}" for number in range(10)]
    assert not any(other.adopt_orphans() for other in others)


def test_the_run_of_a_dead_worker_goes_on(worker: Callable[..., RedisStore]) -> None:
    """The worker that adopts a run continues its events, and viewers on all workers see that."""
    dead, adopter, other = worker(lease=0.3), worker(), worker()
    start_run(dead).write(event("tick"))
    with watching(adopter, "r") as near, watching(other, "r") as far:
        crash(dead)
        orphans: list[Record] = []

        def adopt() -> bool:
            orphans.extend(adopter.adopt_orphans())
            return bool(orphans)

        until(adopt, "the run is adopted")
        assert (orphans[0].attempt, orphans[0].fold.last_event_id) == (1, 2)
        successor = Producer(adopter, "r", ManualClock())
        successor.recorder.fold, successor.recorder.last = orphans[0].fold, 2
        successor.write(make_event("error", {"code": "producer_lost"}), make_event("done", {"status": "failed"}))
        soon(lambda: len(near) == len(far) == 4, "both see the end")
    assert ids(near) == ids(far) == [1, 2, 3, 4]
    record = other.find("r")
    assert record is not None
    assert (record.status, record.attempt) == ("failed", 2)


def test_a_worker_that_wakes_up_late_can_write_nothing(worker: Callable[..., RedisStore]) -> None:
    """Where a run was taken over meanwhile, its old producer learns that it is fenced, and its events are not kept."""
    stalled, other = worker(), worker()
    producer = start_run(stalled)
    lapse(stalled)
    assert [record.info.id for record in other.adopt_orphans()] == ["r"]
    producer.recorder.add(event("late"))
    stalled.append("r", producer.recorder.take(), producer.recorder.fold)
    until(lambda: isinstance(stalled.control("r").lost, Fenced), "the old producer is fenced")
    assert ids(read_all(worker(), "r")) == [1]
    successor = Producer(other, "r", ManualClock())
    successor.recorder.fold.state, successor.recorder.last = "running", 1
    with watching(stalled, "r") as seen:
        successor.write(event("tick"))
        soon(lambda: ids(seen) == [1, 2], "its viewers see what its successor writes")
    assert [message.event for message in seen] == ["start", "tick"]


def test_a_silent_worker_that_wakes_up_late_is_fenced(worker: Callable[..., RedisStore]) -> None:
    """A producer that writes nothing is fenced too, or it would go on with work that nobody will see."""
    stalled, other = worker(), worker()
    start_run(stalled)
    lapse(stalled)
    assert other.adopt_orphans()
    soon(lambda: isinstance(stalled.control("r").lost, Fenced), "the old producer is fenced")


def test_viewers_die_with_their_worker(worker: Callable[..., RedisStore]) -> None:
    """The viewers of a worker that has died no longer count."""
    store, dead = worker(lease=0.5), worker(lease=0.5)
    start_run(store)
    dead.count("r", +1)
    soon(lambda: store.control("r").viewers == 1, "the viewer counts")
    crash(dead)
    until(lambda: store.control("r").viewers == 0, "the viewer no longer counts")


# What stays in Redis


def test_a_live_run_never_expires(worker: Callable[..., RedisStore], direct: Connection) -> None:
    """No key of a live run has a time to live, and after its end each key has the retention."""
    producer = start_run(worker(retention=100), owner="ann", key="k", digest="d")
    store = producer.store
    store.count("r", +1)
    store.answer("r", "q2", b"1")
    keys = [f"headway:run:r{part}" for part in ("", ":events", ":answers", ":viewers")] + ["headway:key:3:ann:k"]
    store.flush()
    assert direct.execute([("PTTL", key) for key in keys]) == [-1] * 5
    producer.end()
    store.count("r", -1)
    store.flush()
    lives = [life for life in direct.execute([("PTTL", key) for key in keys]) if life != -2]  # no viewers: no such key
    assert len(lives) == 4
    assert all(90_000 < life <= 100_000 for life in lives)


def test_nothing_stays(worker: Callable[..., RedisStore], direct: Connection) -> None:
    """After the retention, and without workers, Redis has the number of runs, its version, and nothing else."""
    clock = ManualClock()
    store, other = worker(clock=clock, retention=10), worker(clock=clock)
    for number in range(5):
        producer = start_run(store, f"r{number}", owner="ann", key=f"k{number}", digest="d")
        other.count(producer.run, +1)
        other.answer(producer.run, "q2", b"1")
        other.count(producer.run, -1)
        producer.end()
    clock.advance(100)
    store.sweep()
    for each in (store, other):
        each.close()
    kept = direct.execute([("KEYS", "headway:*")])[0]
    assert set(kept) <= {b"headway:number", b"headway:version"} | {
        b"headway:key:3:ann:k%d" % number for number in range(5)
    }
    lives = direct.execute([("PTTL", key) for key in kept if b"key" in key])
    assert all(0 < life <= 10_000 for life in lives)


# Many producers


@operation(linger=None)
def ticking() -> Iterator[Event]:
    """A hundred events, a millisecond apart."""
    for _ in range(100):
        yield event("tick")
        gevent.sleep(0.001)


def test_producers_that_write_at_the_same_moment(worker: Callable[..., RedisStore]) -> None:
    """They share one writer, which each of them wakes, and all runs come to their end."""
    store = worker()
    runner = Runner([ticking], store, Settings(), Worker.current())
    runs = [runner.start(ticking, NoInput())[0] for _ in range(10)]
    until(lambda: all(last_shown(store, run) == 103 for run in runs), "all runs end")
    runner.close()
