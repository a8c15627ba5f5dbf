"""The contract of the stores that several workers share: each store here is a worker's, with its own lease.

A test class derives from `SharedStoreContract`. It needs a fixture `worker`, which gives a function that makes the
store of one more worker, and takes `lease`, `retention`, `keep_bytes`, `store_bytes` and `clock`, and a
method `lose`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import gevent
import gevent.event
import pytest

from streaming import Event, ManualClock, event, operation
from streaming.errors import Fenced, StoreAway, StoreFull, TooMany, Unavailable
from streaming.protocol.events import make_event
from streaming.protocol.limits import NO_LIMITS, Limits
from streaming.runs.runner import Runner
from streaming.runs.signature import NoInput
from streaming.runtime.worker import Worker
from streaming.settings import Settings
from streaming.stores.base import EVICT_AFTER, RUN_BYTES, Record, Store
from streaming.stores.driver import Step
from streaming.stores.files import FileInfo
from streaming.stores.shared import AWAY_BYTES, SharedStore
from tests.clients import Message, parse_frames
from tests.stores.contract import Producer, last_shown, run_info, start_event, until

SOON = 1.0
"""Seconds: ten times what an event takes to another worker, and less than a refresh takes to come."""

COUNT = {"count": NO_LIMITS}
"""The operation of most runs here, without limits."""

MakeWorker: TypeAlias = Callable[..., SharedStore]
T = TypeVar("T")


def start_run(store: Store, run: str = "r", **options: Any) -> Producer:
    """Starts a run on the worker of `store`."""
    store.create(run_info(run, **options))
    producer = Producer(store, run, ManualClock())
    producer.write(start_event(run=run))
    return producer


def crash(store: SharedStore) -> None:
    """Leaves what a SIGKILL leaves: a lease that nobody renews."""
    gevent.killall(store._greenlets)
    store._lease.stop(release=False)
    store._greenlets = []


def lapse(store: SharedStore) -> None:
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


@contextlib.contextmanager
def workers(open_store: MakeWorker) -> Iterator[MakeWorker]:
    """Makes stores as `open_store` does, and closes them at the end of the block."""
    with contextlib.ExitStack() as stack:

        def make(*args: Any, **options: Any) -> SharedStore:
            return stack.enter_context(contextlib.closing(open_store(*args, **options)))

        yield make


def outgrow(producer: Producer) -> None:
    """Appends events to a run whose store is away until the run is lost; its producer then writes the end."""
    size = 0
    while producer.store.control(producer.run).lost is None:
        producer.append(event("large", {"text": "x" * 100_000}))
        size += 100_000
        assert size < 2 * AWAY_BYTES
    assert isinstance(producer.store.control(producer.run).lost, StoreAway)
    assert size > AWAY_BYTES - 200_000
    producer.append(make_event("error", {"code": "operation_failed"}), make_event("done", {"status": "failed"}))


def written(store: SharedStore, step: Step[T]) -> T:
    """The outcome of a step that changes something."""
    outcome: T = store._execute(step)
    return outcome


def put_file(store: SharedStore, run: str, name: str, type: str, body: bytes, *, epoch: int = 1) -> Any:
    """The outcome of keeping a file of a run of this worker."""
    info = FileInfo(name, type, len(body), sha256(body).hexdigest())
    return written(store, store.driver.put_file(run, store.worker, epoch, info, body, 4))


def named(*operations: str) -> dict[str, Limits]:
    """Operations without limits."""
    return dict.fromkeys(operations, NO_LIMITS)


def room(store: SharedStore) -> int:
    """The bytes that all runs take."""
    store.flush()
    return store.driver.query(store.driver.room())


def wait_until_away(store: SharedStore) -> None:
    """Waits until a worker has noticed that its store is away."""
    until(lambda: store._writer.away, "the store is away")


@contextlib.contextmanager
def away(store: SharedStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The store of one worker takes nothing."""

    def refuse(batch: Sequence[Sequence[Step[Any]]]) -> list[Any]:
        raise StoreAway("it takes nothing")

    with monkeypatch.context() as patch:
        patch.setattr(store._writer, "_write_batch", refuse)
        yield


@operation(linger=None)
def ticking() -> Iterator[Event]:
    """A hundred events, a millisecond apart."""
    for _ in range(100):
        yield event("tick")
        gevent.sleep(0.001)


class Reader:
    """A reader that follows a run as a viewer does; `back` has the numbers that it went back to."""

    def __init__(self, store: SharedStore, run: str) -> None:
        self.store, self.run = store, run
        self.after, self.over = 0, False
        self.seen: list[int] = []
        self.back: list[int] = []
        self.leave = store.watch(run, self._wake)
        self._read()

    def _wake(self) -> None:
        gevent.spawn(self._read)

    def _read(self) -> None:
        while not self.over:
            batch = self.store.read(self.run, self.after)
            if batch.last < self.after:
                self.back.append(batch.last)
            elif batch.last == self.after:
                self.over = batch.over
                return
            self.after, self.over = batch.last, batch.over
            self.seen += (message.id or 0 for message in parse_frames(batch.block))


class SharedStoreContract:
    """What holds for every store of several workers."""

    # Viewers on other workers

    def test_a_viewer_on_another_worker_sees_every_event(self, worker: MakeWorker) -> None:
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

    def test_a_further_run_is_followed_at_once(self, worker: MakeWorker) -> None:
        """The `XREAD` that waits for some runs is interrupted to follow another."""
        producers = [start_run(worker(), f"r{number}") for number in range(3)]
        other = worker()
        with contextlib.ExitStack() as stack:
            for producer in producers:
                seen = stack.enter_context(watching(other, producer.run))
                gevent.sleep(0.05)  # until it waits again
                producer.write(event("tick"))
                soon(lambda seen=seen: len(seen) == 2, "the viewer sees an event")  # type: ignore[misc]

    def test_resume_after_any_number(self, worker: MakeWorker) -> None:
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

    def test_a_run_that_another_worker_has_erased(self, worker: MakeWorker) -> None:
        """It is gone on the worker that produced it, too, where a slow viewer still reads it."""
        store, other = worker(), worker()
        producer = start_run(store)
        leave = store.watch("r", lambda: None)
        producer.end()
        assert other.erase("r")
        assert store.find("r") is None
        assert other.find("r") is None
        leave()

    # Requests to the producer

    def test_a_cancel_reaches_a_silent_run_on_another_worker(self, worker: MakeWorker) -> None:
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

    def test_one_answer_wins(self, worker: MakeWorker) -> None:
        """Of answers from several workers at the same time one is accepted, and it reaches the producer."""
        store, *others = worker(), worker(), worker(), worker()
        start_run(store).write(make_event("question", {"question": "q2"}))
        tries = [gevent.spawn(other.answer, "r", "q2", b"%d" % n) for n, other in enumerate([*others, *others])]
        accepted = [n for n, each in enumerate(tries) if each.get(timeout=10)]
        assert len(accepted) == 1
        soon(lambda: store.control("r").answers, "the answer arrives")
        assert store.control("r").answers == {"q2": b"%d" % accepted[0]}

    def test_viewers_are_counted_over_all_workers(self, worker: MakeWorker) -> None:
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

    def test_viewers_that_change_workers(self, worker: MakeWorker) -> None:
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

    def test_one_key_starts_one_run(self, worker: MakeWorker) -> None:
        """Any number of requests with one key, at the same time on several workers, get one run."""
        stores = [worker(), worker(), worker()]
        tries = [
            gevent.spawn(store.create, run_info(f"r{number}", "ann", key="k", digest="d"))
            for number, store in enumerate(stores * 5)
        ]
        assert len({each.get(timeout=10).id for each in tries}) == 1
        assert [store.live("ann") for store in stores] == [1, 1, 1]

    def test_a_viewer_of_a_worker_that_has_just_started(self, worker: MakeWorker) -> None:
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

    def test_a_viewer_that_comes_at_the_last_moment(self, worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
        """A viewer on another worker that is counted before the request to abandon arrives keeps the run alive."""
        store, other = worker(), worker()
        start_run(store)
        store.count("r", +1)
        store.count("r", -1)
        store.flush()
        write, counted = store.driver.write, gevent.event.Event()

        def write_late(batch: Sequence[Sequence[Step[Any]]]) -> list[Any]:
            counted.wait(timeout=10)
            return write(batch)

        monkeypatch.setattr(store._writer, "_write_batch", write_late)
        abandoned = gevent.spawn(store.abandon, "r")
        gevent.sleep(0.05)
        other.count("r", +1)
        counted.set()
        assert abandoned.get(timeout=10) is False
        soon(lambda: store.control("r").viewers == 1, "the viewer counts")
        assert store.control("r").cancel is None

    # Workers that die

    def test_the_runs_of_a_dead_worker_are_adopted_once(self, worker: MakeWorker) -> None:
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

    def test_the_runs_of_a_dead_worker_go_to_one_that_has_their_operation(self, worker: MakeWorker) -> None:
        """It may start them again. Where no worker has it, any of them takes them over after a while, to end them."""
        dead, other, right = worker(lease=0.3), worker(lease=0.3), worker(lease=0.3)
        for run, name in (("r1", "count"), ("r2", "gone")):
            start_run(dead, run, operation=name)
        crash(dead)
        adopted: dict[str, str] = {}

        def adopt() -> bool:
            for name, store, operations in (("other", other, {"sum"}), ("right", right, {"count"})):
                adopted.update((record.info.id, name) for record in store.adopt_orphans(operations))
            return len(adopted) == 2

        until(adopt, "both are adopted")
        assert adopted["r1"] == "right"

    def test_the_run_of_a_dead_worker_goes_on(self, worker: MakeWorker) -> None:
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

    def test_a_worker_that_wakes_up_late_can_write_nothing(self, worker: MakeWorker) -> None:
        """Where a run was taken over meanwhile, its old producer learns that, and its events are not kept."""
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

    def test_a_silent_worker_that_wakes_up_late_is_fenced(self, worker: MakeWorker) -> None:
        """A producer that writes nothing is fenced too, or it would go on with work that nobody will see."""
        stalled, other = worker(), worker()
        start_run(stalled)
        lapse(stalled)
        assert other.adopt_orphans()
        soon(lambda: isinstance(stalled.control("r").lost, Fenced), "the old producer is fenced")

    def test_viewers_die_with_their_worker(self, worker: MakeWorker) -> None:
        """The viewers of a worker that has died no longer count."""
        store, dead = worker(lease=0.5), worker(lease=0.5)
        start_run(store)
        dead.count("r", +1)
        soon(lambda: store.control("r").viewers == 1, "the viewer counts")
        crash(dead)
        until(lambda: store.control("r").viewers == 0, "the viewer no longer counts")

    # Many producers

    def test_producers_that_write_at_the_same_moment(self, worker: MakeWorker) -> None:
        """They share one writer, which each of them wakes, and all runs come to their end."""
        store = worker()
        runner = Runner([ticking], store, Settings(), Worker())  # the store is in the hub of this thread
        runs = [runner.start(ticking, NoInput())[0] for _ in range(10)]
        until(lambda: all(last_shown(store, run) == 103 for run in runs), "all runs end")
        runner.close()

    def test_dropped_events_are_a_gap(self, worker: MakeWorker) -> None:
        """A run keeps `keep_bytes` of frames; another worker gets the oldest that is kept, and all after it."""
        producer = start_run(worker(keep_bytes=5000))
        for _ in range(200):
            producer.write(event("tick", {"text": "x" * 50}))
        batch = worker().read("r", 3)
        assert batch.oldest > 4
        assert ids(parse_frames(batch.block)) == list(range(batch.oldest, 202))
        assert 4000 < len(batch.block) <= 5000

    # Events that are lost

    def lose_events(self, store: SharedStore, run: str, last: Sequence[int]) -> None:
        """Removes the blocks that end with these events, as a store does that drops what it keeps."""
        raise NotImplementedError

    @pytest.mark.parametrize(
        ("lost", "gaps"), [([1], {0: 2}), ([3], {2: 4}), ([2, 3, 5], {1: 4, 4: 6}), ([6], {5: 7}), (range(7), {0: 7})]
    )
    @pytest.mark.parametrize("over", [False, True])
    def test_lost_events_are_a_gap(
        self, worker: MakeWorker, lost: Sequence[int], gaps: dict[int, int], over: bool
    ) -> None:
        """Whatever a store has lost of a run, a reader is told of each hole, and comes to the end."""
        store, other = worker(), worker()
        producer = start_run(store)
        for _ in range(5):
            producer.write(event("tick"))
        self.lose_events(store, "r", lost)
        if over:
            producer.end()
            store.flush()
            self.lose_events(store, "r", [7] if 6 in lost else [])
        seen, told, after = list[int](), dict[int, int](), 0
        while (batch := other.read("r", after)).last > after:
            if batch.oldest > after + 1:
                told[after] = batch.oldest
            seen += [message.id or 0 for message in parse_frames(batch.block)]
            after = batch.last
        assert batch.over or not over
        count = 7 if over else 6
        expected = {number: min(oldest, count + 1) for number, oldest in gaps.items()}
        if over and 6 in lost:
            expected = {number: 8 if oldest == 7 else oldest for number, oldest in gaps.items()}
        assert told == expected
        missing = {*lost, *([7] if 6 in lost and over else [])}
        assert seen == [number for number in range(1, count + 1) if number not in missing]

    def test_a_gap_in_what_is_written_again(self, worker: MakeWorker) -> None:
        """A producer that has not all of the lost events any more leaves a gap, and nothing of what was before it."""
        store, other = worker(), worker()
        producer = start_run(store)
        for _ in range(8):
            producer.write(event("large", {"text": "x" * 300_000}))
        self.lose(store, "r")
        producer.write(event("tick"))
        batch = other.read("r", 0)
        assert batch.oldest > 2
        assert ids(read_all(other, "r")) == list(range(batch.oldest, 11))

    def test_a_run_that_is_deleted_while_it_is_read(self, worker: MakeWorker) -> None:
        """Its readers get a gap, the frames that are in memory, and the end; its last state is still known to them."""
        store, other = worker(), worker()
        producer = start_run(store)
        with watching(other, "r"):
            for _ in range(8):
                producer.write(event("large", {"text": "x" * 300_000}))
            producer.end()
            until(lambda: other.read("r", 9).over, "the end has come")
            assert written(store, store.driver.erase("r"))
            batch = other.read("r", 2)
            assert batch.oldest > 3
            assert batch.block
            while not batch.over:
                batch = other.read("r", batch.last)
            assert batch.last == 10
            assert other.recall("r").fold.last_event_id == 10
        assert other.find("r") is None

    def test_events_that_are_lost_with_their_producer(self, worker: MakeWorker) -> None:
        """Readers that have seen them go back to where the next producer began, wherever they are, and see its end."""
        dead, adopter, other = worker(lease=0.5), worker(lease=0.5), worker(lease=0.5)
        producer = start_run(dead)
        readers = [Reader(store, "r") for store in (adopter, other)]
        for _ in range(9):
            producer.write(event("tick"))
        until(lambda: [reader.after for reader in readers] == [10, 10], "all have seen all")
        for reader in readers:
            until(lambda reader=reader: reader.store._runs["r"].seen_last == 10, "its worker has asked")  # type: ignore[misc]
        crash(dead)
        self.lose_tail(dead, "r", 8)
        adopted: list[Record] = []

        def adopt() -> bool:
            adopted.extend(adopter.adopt_orphans())
            return bool(adopted)

        until(adopt, "the run is adopted")
        assert adopted[0].fold.last_event_id == 8
        successor = Producer(adopter, "r", ManualClock())
        successor.recorder.fold, successor.recorder.last = adopted[0].fold, 8
        successor.append(make_event("error", {"code": "producer_lost"}), make_event("done", {"status": "failed"}))
        until(lambda: all(reader.over for reader in readers), "all come to the end")
        for reader in readers:
            assert reader.back == [8]
            assert reader.seen == [*range(1, 11), 9, 10]
            reader.leave()

    def lose_tail(self, store: SharedStore, run: str, last: int) -> None:
        """Goes back to event `last` of a run, as a fail-over to a replica does."""
        raise NotImplementedError

    # A store that is away

    def test_events_wait_while_the_store_is_away(self, worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
        """Starts are refused, no event is shown that is not kept, and afterwards every viewer gets every event."""
        store, other = worker(), worker()
        producer = start_run(store)
        with watching(other, "r") as seen:
            with away(store, monkeypatch):
                producer.append(event("tick"))
                wait_until_away(store)
                with pytest.raises(StoreAway):
                    store.create(run_info("r2"))
                with pytest.raises(StoreAway):
                    store.ready()
                assert not store.adopt_orphans()
                assert last_shown(store, "r") == 1
            until(lambda: ids(seen) == [1, 2], "the viewer catches up")
        until(lambda: not store._writer.away, "the store is back")
        store.ready()
        assert store.create(run_info("r2")).id == "r2"

    def test_the_backlog_of_a_run_is_limited(self, worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beyond the limit a run is lost; the end that its producer then writes is kept once the store is back."""
        store = worker()
        producer = start_run(store)
        with away(store, monkeypatch):
            producer.append(event("tick"))
            wait_until_away(store)
            outgrow(producer)
        other = worker()
        until(lambda: last_shown(other, "r") == producer.recorder.last, "the end is kept")
        record = other.find("r")
        assert record is not None
        assert record.status == "failed"

    def test_a_start_that_came_too_late_is_an_orphan(self, worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
        """A run that is created after its caller has stopped waiting is taken over by another worker."""
        store, other = worker(), worker()
        start_run(store, "r0")  # the writer is connected
        write = store.driver.write

        def write_slowly(batch: Sequence[Sequence[Step[Any]]]) -> list[Any]:
            gevent.sleep(0.3)
            return write(batch)

        with monkeypatch.context() as patch:
            patch.setattr("streaming.stores.writer.WRITE_TIMEOUT", 0.1)
            patch.setattr(store._writer, "_write_batch", write_slowly)
            with pytest.raises(StoreAway):
                store.create(run_info("late"))
            store.flush()
        adopted: list[str] = []

        def adopt() -> bool:
            adopted.extend(record.info.id for record in other.adopt_orphans())
            return bool(adopted)

        until(adopt, "the run is adopted")
        assert adopted == ["late"]

    @pytest.mark.parametrize("field", ["id", "operation", "owner", "client", "key", "digest", "created", "input"])
    @pytest.mark.parametrize(
        "value",
        [object(), UUID(int=7), pytest.param("\ud800", id="surrogate"), None, pytest.param(b"\xff", id="bytes")],
    )
    def test_a_value_that_cannot_be_kept(self, worker: MakeWorker, field: str, value: Any) -> None:
        """It is refused to its caller, unless the store can keep it, and the writer goes on for everybody else."""
        store = worker()
        info = replace(run_info("r", key="k", digest="d"), **{field: value})
        with contextlib.suppress(StoreAway, TypeError, ValueError, LookupError):
            store.create(info)
            store.create(replace(info, id="r1"))
        start_run(store, "r2", owner="ann").end()
        store.ready()
        assert ids(read_all(worker(), "r2")) == [1, 2]

    def test_a_store_that_has_lost_a_run(self, worker: MakeWorker) -> None:
        """Its producer writes it again, from memory, before the events that follow."""
        store, other = worker(), worker()
        producer = start_run(store)
        producer.write(event("tick"))
        self.lose(store, "r")
        assert other.find("r") is None
        producer.write(event("tick"))
        assert ids(read_all(other, "r")) == [1, 2, 3]
        record = other.find("r")
        assert record is not None
        assert (record.info, record.attempt) == (store.find("r").info, 1)  # type: ignore[union-attr]

    def lose(self, store: SharedStore, run: str) -> None:
        """Removes a live run, as a store does that comes back empty."""
        raise NotImplementedError

    # Queued runs, and verbs that are above no method of the store yet

    def test_queued_runs_are_claimed_once(self, worker: MakeWorker) -> None:
        """Each by one worker, the oldest first; they are no orphans, and places move up."""
        store, other = worker(lease=0.3), worker(lease=0.3)
        for number in range(5):
            assert written(store, store.driver.create(run_info(f"r{number}"), "")) is None
        record = other.find("r0")
        assert record is not None
        assert record.status == "queued"
        runs = [f"r{number}" for number in range(5)]
        assert store.waiting("count", runs).places() == {run: place for place, run in enumerate(runs, 1)}
        until(lambda: store._leases_reliable, "leases are reliable")
        assert not store.adopt_orphans()
        first = written(store, store.driver.claim(store.worker, 2, "first", COUNT))
        second = written(other, other.driver.claim(other.worker, 9, "second", COUNT))
        assert [adopted.record.info.id for adopted in first] == ["r0", "r1"]
        assert [adopted.record.info.id for adopted in second] == ["r2", "r3", "r4"]
        assert written(store, store.driver.claim(store.worker, 1, "third", COUNT)) == []
        assert store.waiting("count", runs).places() == {}
        record = other.find("r0")
        assert record is not None
        assert (record.status, record.attempt) == ("running", 1)

    def test_a_claim_that_came_too_late(self, worker: MakeWorker) -> None:
        """The runs are put back where they were."""
        store, other = worker(), worker()
        for number in range(3):
            written(store, store.driver.create(run_info(f"r{number}"), ""))
        written(store, store.driver.claim(store.worker, 2, "late", COUNT))
        written(store, store.driver.unclaim(store.worker, "late"))
        claimed = written(other, other.driver.claim(other.worker, 9, "again", COUNT))
        assert [adopted.record.info.id for adopted in claimed] == ["r0", "r1", "r2"]
        assert [adopted.epoch for adopted in claimed] == [3, 3, 2]

    def test_a_worker_claims_what_it_knows(self, worker: MakeWorker) -> None:
        """Runs of other operations stay queued for those that know them; what is claimed is this worker's to write."""
        store, other = worker(), worker()
        for number in range(150):
            store.create(run_info(f"o{number}", operation="other"), queued=True)
        for number in range(3):
            store.create(run_info(f"r{number}"), queued=True)
        assert not other.queued(named("nothing"), 1)
        assert other.claim(9, named("nothing")) == []
        assert len(other.queued(named("nothing", "count"), 1)) == 1
        assert [record.info.id for record in other.claim(2, named("count", "nothing"))] == ["r0", "r1"]
        assert [record.info.id for record in store.claim(9, COUNT)] == ["r2"]
        producer = Producer(other, "r0", ManualClock())
        producer.write(start_event(run="r0"))
        producer.end()
        record = store.find("r0")
        assert record is not None
        assert (record.status, record.attempt) == ("succeeded", 1)

    def test_one_run_is_taken_from_the_queue(self, worker: MakeWorker) -> None:
        """To end it: once, and not a run that is at work."""
        store, other = worker(), worker()
        for number in range(3):
            store.create(run_info(f"r{number}"), queued=True)
        taken = other.claim_run("r1")
        assert taken is not None
        assert taken.info.id == "r1"
        assert store.claim_run("r1") is None
        assert [record.info.id for record in store.claim(9, COUNT)] == ["r0", "r2"]

    def test_a_run_is_put_back(self, worker: MakeWorker) -> None:
        """It keeps its place, and the number of its attempts; a viewer here follows its next producer."""
        store, other = worker(lease=0.3), worker(lease=0.3)
        for number in range(2):
            store.create(run_info(f"r{number}"), queued=True)
        (record,) = store.claim(1, COUNT)
        crash(store)
        adopted: list[Record] = []

        def adopt() -> bool:
            adopted.extend(other.adopt_orphans())
            return bool(adopted)

        until(adopt, "the run is adopted")
        with watching(other, "r0") as seen:
            other.requeue(adopted[0])
            found = other.find("r0")
            assert found is not None
            assert found.status == "queued"
            third = worker()
            assert [record.info.id for record in third.claim(2, COUNT)] == ["r0", "r1"]
            assert third.control("r0").lost is None
            producer = Producer(third, "r0", ManualClock())
            producer.write(start_event(run="r0"))
            soon(lambda: ids(seen) == [1], "the viewer sees its start")
        found = third.find("r0")
        assert found is not None
        assert found.attempt == record.attempt == 1

    def test_an_idle_worker_is_told_of_a_queued_run(self, worker: MakeWorker) -> None:
        """Soon, and also one that has followed nothing so far."""
        store, idle = worker(), worker()
        told = gevent.event.Event()
        idle.watch_queue(told.set)
        gevent.sleep(0.05)
        store.create(run_info("r"), queued=True)
        assert told.wait(SOON)

    def test_a_queued_run_counts(self, worker: MakeWorker) -> None:
        """Towards the limit of its client, and as its key's; its input is kept."""
        store, other = worker(), worker()
        store.create(run_info("r", "c", key="k", digest="d", input=b"{}"), queued=True)
        assert other.live("c") == 1
        assert other.create(run_info("r2", "c", key="k", digest="d"), limit=1, queued=True).id == "r"
        with pytest.raises(TooMany):
            other.create(run_info("r3", "c"), limit=1, queued=True)
        (record,) = other.claim(1, COUNT)
        assert record.info.input == b"{}"

    def test_queued_runs_are_listed(self, worker: MakeWorker) -> None:
        """As what they are, by every worker, until one claims them."""
        store, other = worker(), worker()
        for number in range(2):
            store.create(run_info(f"r{number}"), queued=True)
        store.claim(1, COUNT)
        start_run(store, "r2")
        page = other.page(owner="", operation=None, status="queued", limit=9, before=None)
        assert [(record.info.id, record.status) for record in page] == [("r1", "queued")]

    def test_the_list_of_a_queued_run(self, worker: MakeWorker) -> None:
        """It is in that of its status whatever becomes of it: put back, cancelled while it waits, ended."""
        store, other = worker(), worker()

        def statuses() -> list[str | None]:
            names = ("queued", "running", "cancelling", "cancelled")
            listed = (
                [record.info.id for record in other.page(owner="", operation=of, status=name, limit=9, before=None)]
                for of in (None, "count")
                for name in names
            )
            return [name for name, runs in zip(names * 2, listed, strict=True) if runs == ["r"]]

        store.create(run_info("r"), queued=True)
        assert statuses() == ["queued"] * 2
        (record,) = store.claim(1, COUNT)
        assert statuses() == ["running"] * 2
        store.requeue(record)
        assert statuses() == ["queued"] * 2
        written(store, store.driver.claim(store.worker, 1, "token", COUNT))
        written(store, store.driver.unclaim(store.worker, "token"))
        assert statuses() == ["queued"] * 2
        other.cancel("r", "requested")
        assert statuses() == ["cancelling"] * 2
        assert store.claim_run("r") is not None
        assert statuses() == ["cancelling"] * 2
        producer = Producer(store, "r", ManualClock())
        producer.append(start_event(), make_event("done", {"status": "cancelled", "elapsed": 0.0}))
        store.flush()
        assert statuses() == ["cancelled"] * 2

    def test_a_checkpoint_is_given_back(self, worker: MakeWorker) -> None:
        """The worker that adopts a run gets the last one; a worker that was fenced keeps none."""
        store, other = worker(), worker()
        start_run(store).write(event("tick"), event("tick"))
        for after, value in ((1, b"one"), (3, b"two")):
            assert written(store, store.driver.keep("r", store.worker, 1, after, value))
        lapse(store)
        (record,) = other.adopt_orphans()
        assert record.checkpoint == (3, b"two")
        assert not written(store, store.driver.keep("r", store.worker, 1, 3, b"late"))
        assert written(other, other.driver.keep("r", other.worker, 2, 3, b"three"))

    def test_a_checkpoint_comes_after_its_events(self, worker: MakeWorker) -> None:
        """A store that has not kept these keeps no checkpoint; `keep` returns once it has both."""
        store, other = worker(), worker()
        producer = start_run(store)
        assert not written(store, store.driver.keep("r", store.worker, 1, 2, b"early"))
        producer.append(event("tick"))
        store.keep("r", 2, b"kept")
        lapse(store)
        (record,) = other.adopt_orphans()
        assert (record.checkpoint, record.fold.last_event_id, record.left) == ((2, b"kept"), 2, False)

    def test_a_fenced_worker_is_told_by_its_checkpoint(self, worker: MakeWorker) -> None:
        """Whether there are events before it or none; what the next one has kept stays."""
        store, other = worker(), worker()
        start_run(store)
        lapse(store)
        assert other.adopt_orphans()
        other.keep("r", 1, b"mine")
        for _ in range(2):
            with pytest.raises(Fenced):
                store.keep("r", 1, b"late")
        with pytest.raises(Fenced):
            store.confirm("r")
        lapse(other)
        (record,) = worker().adopt_orphans()
        assert record.checkpoint == (1, b"mine")

    def test_a_run_that_is_queued_again_keeps_its_checkpoint(self, worker: MakeWorker) -> None:
        """The worker that claims it gets it back."""
        store, other = worker(), worker()
        start_run(store)
        store.keep("r", 1, b"value")
        store.release("r")
        (record,) = other.adopt_orphans()
        other.requeue(replace(record, attempt=2))
        (claimed,) = store.claim(1, COUNT)
        assert (claimed.attempt, claimed.checkpoint) == (2, (1, b"value"))

    def test_a_run_is_left_to_another_worker(self, worker: MakeWorker) -> None:
        """With all its events and its checkpoint, at once: nobody waits for the end of a lease."""
        store, other = worker(), worker()
        producer = start_run(store)
        store.keep("r", 1, b"value")
        producer.append(event("tick"))
        assert store.release("r")
        (record,) = other.adopt_orphans()
        assert (record.checkpoint, record.fold.last_event_id, record.left) == ((1, b"value"), 2, True)
        assert not other.adopt_orphans()

    def test_a_finished_run_is_erased(self, worker: MakeWorker) -> None:
        """With all that belongs to it, once; a live run is not, and the key is free again."""
        store, other = worker(), worker()
        producer = start_run(store, key="k", digest="d")
        put_file(store, "r", "a.txt", "text/plain", b"body")
        assert not written(store, store.driver.erase("r"))
        producer.end()
        assert written(store, store.driver.erase("r"))
        assert not written(store, store.driver.erase("r"))
        assert other.find("r") is None
        assert other.page(owner="", operation=None, status=None, limit=9, before=None) == []
        assert other.driver.query(other.driver.get_file("r", "a.txt")) is None
        with pytest.raises(KeyError):
            other.read("r", 0)
        assert other.create(run_info("r2", key="k", digest="d")).id == "r2"

    def test_the_oldest_finished_runs_are_evicted(self, worker: MakeWorker) -> None:
        """Until the rest is small enough; live runs stay, those that have just ended, too, and files count."""
        clock = ManualClock()
        store = worker(clock=clock)
        for number in range(4):
            clock.advance(0.1)
            producer = start_run(store, f"r{number}")
            producer.write(event("tick", {"text": "x" * 1000}))
            if number == 3:
                put_file(store, "r3", "a", "text/plain", b"x" * 5000)
            producer.end()
        start_run(store, "live")
        total, deleted = written(store, store.driver.evict(10**9))
        assert 9_000 < total - 5 * RUN_BYTES < 11_000
        assert not deleted
        assert written(store, store.driver.evict(0)) == (total, 0)
        clock.advance(EVICT_AFTER + 1)
        total, deleted = written(store, store.driver.evict(8000 + 3 * RUN_BYTES))
        assert total <= 8000 + 3 * RUN_BYTES
        assert deleted == 2
        kept = {record.info.id for record in store.page(owner="", operation=None, status=None, limit=9, before=None)}
        assert kept == {"r2", "r3", "live"}
        total, deleted = written(store, store.driver.evict(0))
        assert total < 500 + RUN_BYTES
        assert store.driver.query(store.driver.find(["r3", "live"]))[0] is None

    # What all runs take

    def test_the_total_is_kept_by_every_step(self, worker: MakeWorker) -> None:
        """Whatever adds to a run or takes from it, on any worker, the total is what the runs have in the store."""
        store, other = worker(keep_bytes=20_000), worker()
        total = partial(room, store)
        start_run(store, "gone", input=b"x" * 1000)
        assert total() > 1000 + RUN_BYTES
        start_run(other, "r", input=b"x" * 3000)
        producer = Producer(other, "r", ManualClock())
        producer.recorder.fold.state, producer.recorder.last = "running", 1
        before = total()
        assert written(store, store.driver.answer("r", "q", b"x" * 500))
        assert not written(store, store.driver.answer("r", "q", b"x" * 600))
        assert total() == before + 500
        for size in (700, 300, 800):
            assert written(other, other.driver.keep("r", other.worker, 1, 1, b"x" * size))
            assert total() == before + 500 + size
        for size in (5000, 2000):
            put_file(other, "r", "a", "text/plain", b"x" * size)
            assert total() == before + 1300 + size
        put_file(other, "r", "b", "text/plain", b"x" * 100)
        before += 100
        producer.write(make_event("result", {"result": "x" * 4000}))
        assert before + 1300 + 2000 + 4000 < total() < before + 1300 + 2000 + 4400 + 4100
        producer.end()
        assert before + 500 + 2000 + 8000 < total() < before + 500 + 2000 + 8600  # without the checkpoint
        assert written(store, store.driver.drop_file("r", "a"))
        assert before + 500 + 8000 < total() < before + 500 + 8600
        long = start_run(store, "long")
        for _ in range(30):
            long.write(event("tick", {"text": "x" * 1000}))
        assert total() < before + 8700 + 20_000 + RUN_BYTES  # what a run drops is not counted any more
        long.end()
        for run in ("r", "long"):
            assert written(store, store.driver.erase(run))
        assert 1000 + RUN_BYTES < total() < 1500 + RUN_BYTES
        self.lose(store, "gone")
        written(other, other.driver.evict(0))

    def test_finished_runs_make_room(self, worker: MakeWorker) -> None:
        """Where all runs take as many bytes as they may, the oldest finished ones go before their retention."""
        clock = ManualClock()
        store = worker(store_bytes=100_000, clock=clock)
        for number in range(40):
            clock.advance(EVICT_AFTER + 1)
            producer = start_run(store, f"r{number}")
            producer.write(event("tick", {"text": "x" * 5000}))
            producer.end()
            store.sweep()
            assert room(store) <= 110_000
        records = store.page(owner="", operation=None, status=None, limit=99, before=None)
        assert [record.info.id for record in records] == [f"r{39 - number}" for number in range(len(records))]
        assert 10 <= len(records) < 14
        assert store.evicted == 40 - len(records)
        assert store.bytes_used == room(store)

    def test_a_start_makes_room(self, worker: MakeWorker) -> None:
        """A start does not wait for the next sweep, and is refused only where live runs take all of the room."""
        clock = ManualClock()
        store, other = worker(store_bytes=100_000, clock=clock), worker(store_bytes=100_000, clock=clock)
        over, live = start_run(store, "over"), start_run(store, "live")
        for producer in (over, live):
            producer.write(event("tick", {"text": "x" * 60_000}))
        over.end()
        with pytest.raises(Unavailable):
            other.create(run_info("next"))
        clock.advance(EVICT_AFTER + 1)
        assert other.create(run_info("next")).id == "next"
        assert other.find("over") is None
        second = start_run(store, "second")
        second.write(event("tick", {"text": "x" * 60_000}))
        with pytest.raises(Unavailable) as refused:
            other.create(run_info("refused", key="k", digest="d"))
        assert (refused.value.code, refused.value.status) == ("store_full", 503)
        assert refused.value.retry_after
        assert other.find("refused") is None
        live.write(event("tick"))  # a live run goes on
        live.end()
        clock.advance(EVICT_AFTER + 1)
        assert other.create(run_info("refused", key="k", digest="d")).id == "refused"
        second.end()

    def test_a_live_run_that_fills_the_store(self, worker: MakeWorker) -> None:
        """At twice the bytes the largest run of a worker is ended; its last events are kept."""
        clock = ManualClock()
        store = worker(store_bytes=100_000, clock=clock)
        runs = [start_run(store, f"r{number}") for number in range(5)]
        for producer in runs:
            producer.write(event("tick", {"text": "x" * 30_000}))
        store.sweep()
        assert not any(store.control(producer.run).lost for producer in runs)
        runs[1].write(event("tick", {"text": "x" * 50_000}))
        store.sweep()
        assert [producer.run for producer in runs if store.control(producer.run).lost] == ["r1"]
        assert isinstance(store.control("r1").lost, StoreFull)
        runs[1].end("failed")
        clock.advance(EVICT_AFTER + 1)
        store.sweep()
        assert store.find("r1") is None  # the first that is deleted
        assert not any(store.control(producer.run).lost for producer in runs if producer.run != "r1")

    def test_a_run_has_its_own_retention(self, worker: MakeWorker) -> None:
        """It is kept as long as the worker that ended it says, whichever worker deletes it."""
        clock = ManualClock()
        short, long = worker(clock=clock, retention=10), worker(clock=clock, retention=1000)
        start_run(long, "long").end()
        start_run(short, "short").end()
        clock.advance(100)
        short.sweep()
        assert short.find("long") is not None
        assert short.find("short") is None
        start_run(short, "another").end()
        clock.advance(5)
        long.sweep()
        assert long.find("another") is not None
        clock.advance(950)
        short.sweep()
        long.sweep()
        assert long.find("long") is None

    def test_files_of_a_run(self, worker: MakeWorker) -> None:
        """Rows of files: another of the name replaces one, they have an order and a limit, and go with the run."""
        clock = ManualClock()
        store, other = worker(clock=clock, retention=10), worker()
        producer = start_run(store)
        old, new = FileInfo("a", "text/plain", 3, "1"), FileInfo("a", "application/pdf", 2560, "2")
        body = bytes(range(256)) * 10
        put = partial(store.driver.put_file, "r", store.worker, 1)
        assert written(store, put(old, b"old", 3)) == ("kept", None)
        assert written(store, put(FileInfo("B", 'text/plain; charset="x"', 0, "3"), b"", 3)) == ("kept", None)
        assert written(store, put(new, body, 3)) == ("kept", old)
        kept = other.driver.query(other.driver.get_file("r", "a"))
        assert kept is not None
        assert kept[0] == new
        assert written(store, put(FileInfo("c", "text/plain", 0, "4"), b"", 3)) == ("kept", None)
        assert written(store, put(FileInfo("d", "text/plain", 0, "5"), b"", 3)) == ("full", None)
        record = other.find("r")
        assert record is not None
        assert [file.name for file in record.files] == ["a", "B", "c"]
        assert written(other, other.driver.drop_file("r", "c"))
        assert not written(other, other.driver.drop_file("r", "c"))
        assert put_file(other, "r", "e", "text/plain", b"") == ("fenced", None)
        assert put_file(store, "r", "e", "text/plain", b"", epoch=2) == ("fenced", None)
        assert put_file(store, "none", "b", "text/plain", b"") == ("fenced", None)
        producer.end()
        assert put_file(store, "r", "e", "text/plain", b"") == ("fenced", None)
        assert other.driver.query(other.driver.known(["r", "none"])) == {"r"}
        clock.advance(100)
        store.sweep()
        assert other.driver.query(other.driver.get_file("r", "a")) is None

    def test_the_name_of_the_store(self, worker: MakeWorker) -> None:
        """All workers have the same, for their files in a place that several stores use."""
        store, other = worker(), worker()
        name = written(store, store.driver.part())
        assert len(name) == 16
        assert written(other, other.driver.part()) == name

    def test_the_files_of_a_lost_worker(self, worker: MakeWorker) -> None:
        """The worker that adopts a run has its files, and can replace them; the one before it can keep none."""
        store, other = worker(), worker()
        start_run(store)
        store.put_file("r", "a.txt", "text/plain", b"first")
        store.put_file("r", "b.txt", "text/plain", b"other")
        lapse(store)
        until(other.adopt_orphans, "the run is adopted")
        with pytest.raises(Fenced):
            store.put_file("r", "a.txt", "text/plain", b"late")
        other.put_file("r", "a.txt", "text/plain", b"second")
        record = other.find("r")
        assert record is not None
        assert [(file.name, file.size) for file in record.files] == [("a.txt", 6), ("b.txt", 5)]

    def test_a_worker_is_notified(self, worker: MakeWorker) -> None:
        """The watchers of the producer are called, and those of a worker that has viewers."""
        store, other, third = worker(), worker(), worker()
        start_run(store)
        calls: list[str] = []
        store.watch("r", lambda: calls.append("producer"))
        other.count("r", +1)
        other.watch("r", lambda: calls.append("viewer"))
        gevent.sleep(0.1)
        calls.clear()
        written(third, third.driver.notify("r"))
        soon(lambda: set(calls) == {"producer", "viewer"}, "both are notified")
