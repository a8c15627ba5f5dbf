"""Several workers over one Redis: each log here is a worker's, with connections and a lease of its own."""

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
from streaming.stores.redis.connection import Wire
from streaming.stores.redis.scripts import Command
from streaming.stores.redis.store import RedisStore
from tests.clients import Message, parse_frames
from tests.servers import Server, redis
from tests.stores.contract import Producer, opened, shown, start, until

pytestmark = pytest.mark.live

SOON = 1.0
"""Seconds: ten times what another worker may take to see an event, and less than a look that nobody asked for."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis without persistence."""
    with redis() as server:
        yield server


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """A look behind the logs; Redis is empty when the test begins."""
    wire = Wire(server.url)
    wire.ask([("FLUSHALL",)])
    yield wire
    wire.close()


@pytest.fixture
def worker(server: Server, wire: Wire) -> Iterator[Callable[..., RedisStore]]:
    """Makes the log of a worker."""
    with contextlib.ExitStack() as made:

        def make(**said: Any) -> RedisStore:
            log = RedisStore(server.url, **said)
            made.callback(log.close)
            return log

        yield make


def producing(log: Store, run: str = "r", **said: Any) -> Producer:
    """A run of that worker which has begun."""
    log.create(opened(run, **said))
    producer = Producer(log, run, ManualClock())
    producer.write(start(run=run))
    return producer


def crash(log: RedisStore) -> None:
    """What a SIGKILL leaves: a lease that nobody renews."""
    gevent.killall(log._greenlets)
    log._lease.end(at_once=False)
    log._greenlets = []


def lapse(log: RedisStore) -> None:
    """What a long stall does: the worker is there, its lease is not."""
    log._lease.end(at_once=True)


def told(log: Store, run: str) -> list[Message]:
    """All events of a run as a reader of this log gets them."""
    messages: list[Message] = []
    while batch := log.read(run, messages[-1].id or 0 if messages else 0):
        if not batch.block:
            return messages
        messages += parse_frames(batch.block)
    return messages


def numbers(messages: Sequence[Message]) -> list[int | None]:
    """Their ids."""
    return [message.id for message in messages]


@contextlib.contextmanager
def watching(log: Store, run: str) -> Iterator[list[Message]]:
    """What a viewer on this worker has seen so far."""
    seen: list[Message] = []

    def see() -> None:
        seen.extend(parse_frames(log.read(run, seen[-1].id or 0 if seen else 0).block))

    def look() -> None:
        gevent.spawn(see)

    unwatch = log.watch(run, look)
    see()
    yield seen
    unwatch()


def soon(condition: Callable[[], object], what: str) -> None:
    """Waits for it as long as another worker may take to hear of something."""
    with gevent.Timeout(SOON, AssertionError(f"{what}: not within {SOON} s")):
        until(condition, what)


# Viewers elsewhere


def test_a_viewer_elsewhere_sees_events_and_the_end(worker: Callable[..., RedisStore]) -> None:
    """A viewer on another worker sees what was there, each event that comes, and the last one, without a hole."""
    producer, other = producing(worker()), worker()
    with watching(other, "r") as seen:
        for _ in range(20):
            producer.write(event("tick"))
            soon(lambda: len(seen) == producer.recorder.last, "an event is seen elsewhere")
        producer.end()
        soon(lambda: len(seen) == producer.recorder.last, "the end is seen elsewhere")
    assert numbers(seen) == list(range(1, 23))
    assert other.read("r", 22).over


def test_a_run_that_is_followed_later_is_heard_at_once(worker: Callable[..., RedisStore]) -> None:
    """The reader that waits for one run is interrupted for the next, and nobody waits for its round to end."""
    producers = [producing(worker(), f"r{number}") for number in range(3)]
    other = worker()
    with contextlib.ExitStack() as stack:
        for producer in producers:
            seen = stack.enter_context(watching(other, producer.run))
            gevent.sleep(0.05)  # the reader waits again
            producer.write(event("tick"))
            soon(lambda seen=seen: len(seen) == 2, "an event is seen elsewhere")  # type: ignore[misc]


def test_resume_after_any_number(worker: Callable[..., RedisStore]) -> None:
    """A worker that knows nothing of a run reads on after every number, within a block of events and between two."""
    producer = producing(worker())
    for size in (1, 5, 1, 7):
        producer.write(*(event("tick") for _ in range(size)))
    producer.end()
    stranger = worker()
    for after in range(16):
        batch = stranger.read("r", after)
        assert batch.block == b"".join(producer.frames[after:])
        assert (batch.last, batch.over) == (16, True)
    assert stranger.read("r", 2, frames=5).block == b"".join(producer.frames[2:7])


def test_what_was_let_go_is_a_gap(worker: Callable[..., RedisStore], wire: Wire) -> None:
    """A run keeps so many bytes; a reader elsewhere is told where the rest begins, and misses nothing of it."""
    producer = producing(worker(keep_bytes=5000))
    for _ in range(200):
        producer.write(event("tick", {"text": "x" * 50}))
    batch = worker().read("r", 3)
    assert batch.oldest > 4
    assert numbers(parse_frames(batch.block)) == list(range(batch.oldest, 202))
    assert 4000 < len(batch.block) <= 5000
    assert wire.ask([("XLEN", "headway:run:r:events")]) == [201 - batch.oldest + 1]


# What others ask


def test_a_cancel_reaches_a_silent_run_elsewhere(worker: Callable[..., RedisStore]) -> None:
    """A producer that says nothing hears at once of a cancel on another worker, and the first reason stands."""
    log, other = worker(), worker()
    producing(log)
    called: list[None] = []
    log.watch("r", lambda: called.append(None))
    other.cancel("r", "requested")
    other.cancel("r", "disconnected")
    soon(lambda: called and log.control("r").cancel == "requested", "the producer hears of the cancel")
    record = other.find("r")
    assert record is not None
    assert record.status == "cancelling"


def test_one_answer_wins(worker: Callable[..., RedisStore]) -> None:
    """Of the answers that come at the same time on several workers one is taken, and that one reaches the producer."""
    log, *others = worker(), worker(), worker(), worker()
    producing(log).write(make_event("question", {"question": "q2"}))
    tries = [gevent.spawn(other.answer, "r", "q2", b"%d" % n) for n, other in enumerate([*others, *others])]
    taken = [n for n, each in enumerate(tries) if each.get(timeout=10)]
    assert len(taken) == 1
    soon(lambda: log.control("r").answers, "the producer hears of it")
    assert log.control("r").answers == {"q2": b"%d" % taken[0]}


def test_viewers_are_counted_over_all_workers(worker: Callable[..., RedisStore]) -> None:
    """The producer knows of viewers on each worker, and so does everybody's snapshot."""
    log, one, two = worker(), worker(), worker()
    producing(log)
    for viewer in (log, one, one, two):
        viewer.count("r", +1)
    soon(lambda: log.control("r").viewers == 4, "all viewers count")
    record = two.find("r")
    assert record is not None
    assert record.viewers == 4
    for viewer in (one, one, two, log):
        viewer.count("r", -1)
    soon(lambda: log.control("r").viewers == 0, "they are counted out")
    assert log.control("r").watched


def test_a_last_viewer_is_not_taken_for_the_last_one(worker: Callable[..., RedisStore]) -> None:
    """Where the viewers of a run change workers, its producer is never told that there is none."""
    log, other = worker(), worker()
    producing(log)
    log.count("r", +1)
    told: list[int] = []
    log.watch("r", lambda: told.append(log.control("r").viewers))
    for _ in range(20):
        other.count("r", +1)
        log.count("r", -1)
        log.count("r", +1)
        other.count("r", -1)
    assert told
    assert 0 not in told


def test_one_key_starts_one_run(worker: Callable[..., RedisStore]) -> None:
    """However many requests with one key come at the same time on however many workers, they join one run."""
    logs = [worker(), worker(), worker()]
    tries = [
        gevent.spawn(log.create, opened(f"r{number}", "ann", key="k", digest="d"))
        for number, log in enumerate(logs * 5)
    ]
    assert len({each.get(timeout=10).id for each in tries}) == 1
    assert [log.live("ann") for log in logs] == [1, 1, 1]


def test_a_viewer_of_a_worker_that_has_just_begun(worker: Callable[..., RedisStore]) -> None:
    """Its viewers count before it has given its first sign of life."""
    log, other = worker(), worker()
    producing(log)
    other._lease.end(at_once=True)
    other.count("r", +1)
    assert log.abandon("r") is False
    assert log.control("r").viewers == 1
    other.count("r", -1)
    other.flush()
    assert log.abandon("r") is True


def test_a_viewer_that_comes_at_the_last_moment(
    worker: Callable[..., RedisStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A viewer elsewhere that is counted while the word that a run was left is on its way has saved the run."""
    log, other = worker(), worker()
    producing(log)
    log.count("r", +1)
    log.count("r", -1)
    log.flush()
    wire = log._writer._wire
    ask, counted = wire.ask, gevent.event.Event()

    def ask_late(commands: Sequence[Command]) -> list[Any]:
        counted.wait(timeout=10)
        return ask(commands)

    monkeypatch.setattr(wire, "ask", ask_late)
    left = gevent.spawn(log.abandon, "r")
    gevent.sleep(0.05)
    other.count("r", +1)
    counted.set()
    assert left.get(timeout=10) is False
    soon(lambda: log.control("r").viewers == 1, "the producer hears of the viewer")
    assert log.control("r").cancel is None


# Workers that die


def test_the_runs_of_a_dead_worker_are_found_once(worker: Callable[..., RedisStore]) -> None:
    """Once its lease has lapsed, each of its live runs is some other worker's, and no run is two workers'."""
    dead, *others = worker(lease=0.3), worker(), worker()
    for number in range(10):
        producing(dead, f"r{number}")
    producing(dead, "over").end()
    crash(dead)
    found: list[str] = []

    def look() -> bool:
        for looks in [gevent.spawn(other.orphans) for other in others]:
            found.extend(record.info.id for record in looks.get(timeout=10))
        return len(found) == 10

    until(look, "the runs are found")
    assert sorted(found) == [f"r{number}" for number in range(10)]
    assert not any(other.orphans() for other in others)


def test_a_dead_workers_run_goes_on_elsewhere(worker: Callable[..., RedisStore]) -> None:
    """Whoever takes a run over writes on where its last producer stopped, and its viewers everywhere see that."""
    dead, heir, other = worker(lease=0.3), worker(), worker()
    producing(dead).write(event("tick"))
    with watching(heir, "r") as near, watching(other, "r") as far:
        crash(dead)
        orphans: list[Record] = []

        def found() -> bool:
            orphans.extend(heir.orphans())
            return bool(orphans)

        until(found, "the run is found")
        assert (orphans[0].attempt, orphans[0].fold.last_event_id) == (1, 2)
        successor = Producer(heir, "r", ManualClock())
        successor.recorder.fold, successor.recorder.last = orphans[0].fold, 2
        successor.write(make_event("error", {"code": "producer_lost"}), make_event("done", {"status": "failed"}))
        soon(lambda: len(near) == len(far) == 4, "both see the end")
    assert numbers(near) == numbers(far) == [1, 2, 3, 4]
    record = other.find("r")
    assert record is not None
    assert (record.status, record.attempt) == ("failed", 2)


def test_a_worker_that_wakes_up_late_can_write_nothing(worker: Callable[..., RedisStore]) -> None:
    """Where a run was taken over meanwhile, its old producer is told so, and its events are nowhere."""
    late, heir = worker(), worker()
    producer = producing(late)
    lapse(late)
    assert [record.info.id for record in heir.orphans()] == ["r"]
    producer.recorder.add(event("late"))
    late.append("r", producer.recorder.take(), producer.recorder.fold)
    until(lambda: isinstance(late.control("r").lost, Fenced), "the old producer is told")
    assert numbers(told(worker(), "r")) == [1]
    successor = Producer(heir, "r", ManualClock())
    successor.recorder.fold.state, successor.recorder.last = "running", 1
    with watching(late, "r") as seen:
        successor.write(event("tick"))
        soon(lambda: numbers(seen) == [1, 2], "its viewers see what its successor writes")
    assert [message.event for message in seen] == ["start", "tick"]


def test_a_silent_worker_that_wakes_up_late_is_told(worker: Callable[..., RedisStore]) -> None:
    """Also where it writes nothing: it must not go on for hours with work that nobody will see."""
    late, heir = worker(), worker()
    producing(late)
    lapse(late)
    assert heir.orphans()
    soon(lambda: isinstance(late.control("r").lost, Fenced), "the old producer is told")


def test_viewers_die_with_their_worker(worker: Callable[..., RedisStore]) -> None:
    """The viewers of a worker that has died count no more."""
    log, dead = worker(lease=0.5), worker(lease=0.5)
    producing(log)
    dead.count("r", +1)
    soon(lambda: log.control("r").viewers == 1, "the viewer counts")
    crash(dead)
    until(lambda: log.control("r").viewers == 0, "the viewer counts no more")


# What is left


def test_a_live_run_never_expires(worker: Callable[..., RedisStore], wire: Wire) -> None:
    """Nothing of a live run has a time to live, and after its end all of it has the retention's."""
    producer = producing(worker(retention=100), owner="ann", key="k", digest="d")
    log = producer.log
    log.count("r", +1)
    log.answer("r", "q2", b"1")
    keys = [f"headway:run:r{part}" for part in ("", ":events", ":answers", ":viewers")] + ["headway:key:3:ann:k"]
    log.flush()
    assert wire.ask([("PTTL", key) for key in keys]) == [-1] * 5
    producer.end()
    log.count("r", -1)
    log.flush()
    left = [life for life in wire.ask([("PTTL", key) for key in keys]) if life != -2]  # no viewers: no such key
    assert len(left) == 4
    assert all(90_000 < life <= 100_000 for life in left)


def test_nothing_is_left(worker: Callable[..., RedisStore], wire: Wire) -> None:
    """Once the retention is over and the workers have gone, Redis holds the number of runs there were, and no more."""
    clock = ManualClock()
    log, other = worker(clock=clock, retention=10), worker(clock=clock)
    for number in range(5):
        producer = producing(log, f"r{number}", owner="ann", key=f"k{number}", digest="d")
        other.count(producer.run, +1)
        other.answer(producer.run, "q2", b"1")
        other.count(producer.run, -1)
        producer.end()
    clock.advance(100)
    log.sweep()
    for each in (log, other):
        each.close()
    kept = wire.ask([("KEYS", "headway:*")])[0]
    assert set(kept) <= {b"headway:number"} | {b"headway:key:3:ann:k%d" % number for number in range(5)}
    lives = wire.ask([("PTTL", key) for key in kept if b"key" in key])
    assert all(0 < life <= 10_000 for life in lives)


# Producers


@operation(linger=None)
def ticking() -> Iterator[Event]:
    """A hundred events, a millisecond apart."""
    for _ in range(100):
        yield event("tick")
        gevent.sleep(0.001)


def test_producers_that_write_at_the_same_moment(worker: Callable[..., RedisStore]) -> None:
    """They share one writer, which each of them may wake, and all of them go on."""
    log = worker()
    runner = Runner([ticking], log, Settings(), Worker.current())
    runs = [runner.start(ticking, NoInput())[0] for _ in range(10)]
    until(lambda: all(shown(log, run) == 103 for run in runs), "all runs come to their ends")
    runner.close()
