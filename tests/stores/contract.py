"""What every event log keeps to. A store's test module derives a class from `EventLogContract` and says how it is made.

    class TestMemoryLog(EventLogContract):
        def make(self, **said): return MemoryStore(**said)

The tests run in a hub of this thread, as the runner's calls do. A store may show what it has taken a moment later, so
they wait until the log shows it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streaming import ManualClock, event, partial, progress
from streaming.errors import Conflict, RunClosed, TooMany
from streaming.protocol.events import Event, make_event
from streaming.protocol.frames import BLOCK_BYTES, BLOCK_FRAMES
from streaming.protocol.recorder import Recorder
from streaming.stores.base import RunInfo, Store
from tests.clients import PATIENCE, parse_frames

CREATED = "2026-11-23T09:30:00.000Z"


class Producer:
    """The one who writes a run: its recorder, and the log it goes to."""

    def __init__(self, log: Store, run: str, clock: ManualClock) -> None:
        self.log = log
        self.run = run
        self.recorder = Recorder(clock)
        self.frames: list[bytes] = []

    def write(self, *events: Event) -> None:
        """Appends these events in one block, and waits until they are shown."""
        for each in events:
            self.recorder.add(each)
        block = self.recorder.take()
        self.frames += block.frames
        self.log.append(self.run, block, self.recorder.fold)
        until(lambda: shown(self.log, self.run) == self.recorder.last, "what was appended is shown")

    def end(self, status: str = "succeeded") -> None:
        """Writes the last event."""
        self.write(make_event("done", {"status": status, "elapsed": 0.0}))


def shown(log: Store, run: str) -> int:
    """The number of the last event that the log shows of a run."""
    record = log.find(run)
    assert record is not None
    return record.fold.last_event_id


def until(condition: Callable[[], object], what: str) -> None:
    """Waits, in the hub, until a condition holds."""
    with gevent.Timeout(PATIENCE, AssertionError(f"{what}: not within {PATIENCE} s")):
        while not condition():
            gevent.sleep(0.001)


def opened(run: str, owner: str = "", *, operation: str = "count", **said: Any) -> RunInfo:
    """What is settled about a run."""
    return RunInfo(id=run, operation=operation, created=CREATED, owner=owner, client=owner, **said)


def start(**said: Any) -> Event:
    """A run's first event."""
    return make_event("start", {"operation": "count", **said})


class EventLogContract:
    """The tests; `log` is the store with nothing in it."""

    def make(self, **said: Any) -> Store:
        """A new store, with `retention`, `keep_bytes` and `clock` as they are given."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The store's clock, and the recorders'."""
        return ManualClock()

    @pytest.fixture
    def log(self, clock: ManualClock) -> Iterator[Store]:
        """An empty store that keeps finished runs for an hour."""
        log = self.make(retention=3600.0, clock=clock)
        yield log
        log.close()

    @pytest.fixture
    def producer(self, log: Store, clock: ManualClock) -> Producer:
        """A run that has begun."""
        log.create(opened("r"))
        producer = Producer(log, "r", clock)
        producer.write(start(run="r"))
        return producer

    # A run and its record

    def test_a_new_run(self, log: Store) -> None:
        """A run that was opened is there before its first event, with everything that was settled about it."""
        info = opened("r", "ann", linger=30.0, key="key", digest="digest", input=b'{"pages":1}')
        assert log.create(info) == info
        record = log.find("r")
        assert record is not None
        assert record.info == info
        assert (record.status, record.fold.last_event_id, record.attempt) == ("running", 0, 1)

    @pytest.mark.parametrize("linger", [0.0, 12.5, None])
    def test_a_linger_is_kept(self, log: Store, linger: float | None) -> None:
        """The linger of a run is what it was, and `None` is none of the numbers."""
        log.create(opened("r", linger=linger))
        record = log.find("r")
        assert record is not None
        assert record.info.linger == linger

    def test_a_run_that_is_not_there(self, log: Store) -> None:
        """An unknown run is found by nobody."""
        assert log.find("nobody") is None
        with pytest.raises(KeyError):
            log.read("nobody", 0)

    def test_a_snapshot(self, producer: Producer, log: Store) -> None:
        """A snapshot has the contract's members, no more and no less, with JSON as it came."""
        producer.write(
            progress("half", done=1, total=2, unit="pages"),
            partial("page", {"n": 1}),
            make_event("result", {"result": {"text": "naïve \u2028", "n": 2**70}}),
        )
        log.count("r", +1)
        producer.end()
        record = log.find("r")
        assert record is not None
        assert json.loads(record.snapshot()) == {
            "id": "r",
            "operation": "count",
            "status": "succeeded",
            "created": CREATED,
            "updated": CREATED,
            "last_event_id": 5,
            "progress": {"message": "half", "done": 1, "total": 2, "unit": "pages"},
            "result": {"text": "naïve \u2028", "n": 2**70},
            "error": None,
            "question": None,
            "viewers": 1,
        }

    def test_a_record_stays_as_it_was_found(self, producer: Producer, log: Store) -> None:
        """What was found once does not change under its reader."""
        before = log.find("r")
        assert before is not None
        seen = before.snapshot()
        producer.write(progress("later"))
        assert before.snapshot() == seen
        assert shown(log, "r") == 2

    def test_what_is_appended_later_does_not_reach_back(self, producer: Producer, log: Store) -> None:
        """A fold that goes on after its append is not the one that the log shows."""
        producer.recorder.add(progress("not yet appended"))
        producer.recorder.add(make_event("error", {"code": "x"}))
        record = log.find("r")
        assert record is not None
        assert (record.fold.error, record.fold.state) == (None, "running")

    # Reading

    def test_frames_are_read_as_they_were_written(self, producer: Producer, log: Store) -> None:
        """A reader gets the bytes that were appended, and the number of the last frame."""
        producer.write(event("text", "one\ntwo\n\nthree"), event("data", {"a": "\u2028"}))
        batch = log.read("r", 0)
        assert batch.block == b"".join(producer.frames)
        assert (batch.last, batch.over, batch.oldest) == (3, False, 1)

    def test_reading_goes_on_after_a_number(self, producer: Producer, log: Store) -> None:
        """A reader gets what follows the number that it has."""
        producer.write(progress("2"), progress("3"))
        producer.write(progress("4"))
        assert log.read("r", 1).block == b"".join(producer.frames[1:])
        assert log.read("r", 3).block == producer.frames[3]

    @pytest.mark.parametrize("after", [1, 5, 10**12])
    def test_nothing_is_left_to_read(self, producer: Producer, log: Store, after: int) -> None:
        """A reader that has everything, or thinks so, gets nothing and keeps its place."""
        batch = log.read("r", after)
        assert (batch.block, batch.last, batch.over) == (b"", after, False)

    def test_the_last_event_is_told(self, producer: Producer, log: Store) -> None:
        """A batch with the last event in it says so, and so does an empty one after it."""
        producer.write(progress("2"))
        producer.end()
        assert log.read("r", 0, frames=2).over is False
        assert log.read("r", 0).over is True
        assert log.read("r", 2).over is True
        assert log.read("r", 3) == (b"", 3, True, 1)

    def test_a_batch_holds_so_many_frames(self, producer: Producer, log: Store) -> None:
        """A reader that is far behind is served piece by piece, without a hole."""
        producer.write(*(event("tick", {"n": number}) for number in range(2 * BLOCK_FRAMES)))
        producer.end()
        last, sizes = 0, []
        while True:
            batch = log.read("r", last)
            messages = parse_frames(batch.block)
            assert [message.id for message in messages] == list(range(last + 1, batch.last + 1))
            sizes.append(len(messages))
            last = batch.last
            if batch.over:
                break
        assert max(sizes) == BLOCK_FRAMES
        assert sum(sizes) == len(producer.frames)

    def test_a_reader_may_ask_for_fewer(self, producer: Producer, log: Store) -> None:
        """`frames` bounds a batch further; a batch of one is one frame."""
        producer.write(progress("2"), progress("3"))
        batch = log.read("r", 1, frames=1)
        assert (batch.block, batch.last) == (producer.frames[1], 2)

    def test_a_batch_holds_so_many_bytes(self, producer: Producer, log: Store) -> None:
        """A batch stays within its bytes; one frame that is larger comes alone."""
        large, huge = "x" * (BLOCK_BYTES // 3), "x" * (2 * BLOCK_BYTES)
        producer.write(*(event("large", {"text": text}) for text in (large, large, large, huge, large)))
        last, batches = 1, []
        while last < 6:
            batch = log.read("r", last)
            batches.append(batch.last - last)
            assert len(batch.block) <= BLOCK_BYTES or batches[-1] == 1
            last = batch.last
        assert batches == [2, 1, 1, 1]

    def test_merging(self, producer: Producer, log: Store) -> None:
        """With `merge` older progress of a step is left out; the batch ends at the same number."""
        producer.write(progress("2", step="a"), progress("3", step="b"), event("tick"), progress("5", step="a"))
        batch = log.read("r", 0, merge=True)
        assert [message.id for message in parse_frames(batch.block)] == [1, 3, 4, 5]
        assert batch.last == 5
        assert log.read("r", 0).block == b"".join(producer.frames)

    @settings(max_examples=15, deadline=None, suppress_health_check=[*HealthCheck])
    @given(blocks=st.lists(st.integers(1, 4), max_size=5), ended=st.booleans(), data=st.data())
    def test_any_reader(self, clock: ManualClock, blocks: list[int], ended: bool, data: st.DataObject) -> None:
        """However frames came, a reader at any place gets some that follow it, and is told of the end with the last."""
        log = self.make(retention=3600.0, clock=clock)
        log.create(opened("r"))
        producer = Producer(log, "r", clock)
        producer.write(start())
        for size in blocks:
            producer.write(*(event("tick") for _ in range(size)))
        if ended:
            producer.end()
        count = len(producer.frames)
        for _ in range(5):
            after, frames = data.draw(st.integers(0, count)), data.draw(st.integers(1, count))
            batch = log.read("r", after, frames=frames)
            assert min(after + 1, count) <= batch.last <= min(after + frames, count)
            assert batch.block == b"".join(producer.frames[after : batch.last])
            assert batch.over == (ended and batch.last == count)
        log.close()

    # The end

    def test_nothing_follows_the_last_event(self, producer: Producer, log: Store) -> None:
        """A run that is over takes no more."""
        producer.end()
        again = Recorder(ManualClock(), fold=producer.recorder.fold)
        again.fold.state = "running"
        again.add(progress("late"))
        with pytest.raises(RunClosed):
            log.append("r", again.take(), again.fold)
        assert shown(log, "r") == 2

    def test_a_failed_run(self, producer: Producer, log: Store) -> None:
        """The record of a run that is over says how it ended, and keeps its error."""
        producer.write(make_event("error", {"code": "no_pages", "message": "No pages.", "retryable": False}))
        producer.end("failed")
        record = log.find("r")
        assert record is not None
        assert record.status == "failed"
        assert json.loads(record.fold.error or b"")["code"] == "no_pages"

    # What others ask

    def test_a_cancel(self, producer: Producer, log: Store) -> None:
        """A cancel reaches the producer with its reason, the first one stands, and the run is seen to be cancelling."""
        log.cancel("r", "disconnected")
        log.cancel("r", "requested")
        until(lambda: log.control("r").cancel is not None, "the producer hears of it")
        assert log.control("r").cancel == "disconnected"
        record = log.find("r")
        assert record is not None
        assert record.status == "cancelling"
        producer.end("cancelled")
        ended = log.find("r")
        assert ended is not None
        assert ended.status == "cancelled"

    def test_a_run_that_everybody_has_left(self, producer: Producer, log: Store) -> None:
        """Where nobody watches it anywhere it is cancelled for that reason."""
        log.count("r", +1)
        log.count("r", -1)
        assert log.abandon("r") is True
        until(lambda: log.control("r").cancel == "disconnected", "the producer hears of it")

    def test_a_cancel_of_what_is_over(self, producer: Producer, log: Store) -> None:
        """It is harmless."""
        producer.end()
        log.cancel("r", "requested")
        record = log.find("r")
        assert record is not None
        assert record.status == "succeeded"

    def test_an_answer(self, producer: Producer, log: Store) -> None:
        """The first answer to a question reaches the producer; a second is refused, one to another question is not."""
        producer.write(make_event("question", {"question": "q2"}))
        assert log.answer("r", "q2", b"true") is True
        assert log.answer("r", "q2", b"false") is False
        assert log.answer("r", "q9", b'"naive"') is True
        until(lambda: len(log.control("r").answers) == 2, "the producer hears of them")
        assert log.control("r").answers == {"q2": b"true", "q9": b'"naive"'}

    def test_an_answer_to_what_is_over(self, producer: Producer, log: Store) -> None:
        """It comes too late."""
        producer.end()
        assert log.answer("r", "q2", b"true") is False

    def test_viewers_are_counted(self, producer: Producer, log: Store) -> None:
        """The producer knows how many watch, and whether anybody ever has."""
        assert (log.control("r").viewers, log.control("r").watched) == (0, False)
        log.count("r", +1)
        log.count("r", +1)
        assert (log.control("r").viewers, log.control("r").watched) == (2, True)
        record = log.find("r")
        assert record is not None
        assert record.viewers == 2
        log.count("r", -1)
        log.count("r", -1)
        assert (log.control("r").viewers, log.control("r").watched) == (0, True)

    def test_a_run_in_the_queue(self, producer: Producer, log: Store) -> None:
        """A run that waits for its turn says so, until it has it."""
        for queued, status in ((True, "queued"), (False, "running")):
            log.queue("r", queued)
            record = log.find("r")
            assert record is not None
            assert record.status == status

    # Watching

    def test_watchers_are_told(self, producer: Producer, log: Store) -> None:
        """Whatever changes about a run, who watches it is told, and finds the change there."""
        told: list[int] = []
        unwatch = log.watch("r", lambda: told.append(log.read("r", 0).last))
        producer.write(progress("2"))
        until(lambda: told and told[-1] == 2, "a watcher is told of an event")
        for change in (
            lambda: log.count("r", +1),
            lambda: log.answer("r", "q2", b"1"),
            lambda: log.cancel("r", "requested"),
        ):
            before = len(told)
            change()
            until(lambda before=before: len(told) > before, "a watcher is told")  # type: ignore[misc]
        producer.end("cancelled")
        until(lambda: told[-1] == 3, "a watcher is told of the end")
        unwatch()

    def test_who_does_not_watch_is_not_told(self, producer: Producer, log: Store) -> None:
        """Watching ends when it is said to, and others go on; to say so again is harmless."""
        told: list[str] = []
        leave = log.watch("r", lambda: told.append("one"))
        stay = log.watch("r", lambda: told.append("other"))
        leave()
        leave()
        producer.write(progress("2"))
        until(lambda: told, "the other watcher is told")
        assert "one" not in told
        stay()

    def test_a_watcher_may_leave_when_told(self, producer: Producer, log: Store) -> None:
        """A watcher that ends its watching in the call keeps nobody else from theirs."""
        told: list[str] = []

        def once() -> None:
            told.append("once")
            leave()

        leave = log.watch("r", once)
        stay = log.watch("r", lambda: told.append("always"))
        producer.write(progress("2"))
        producer.write(progress("3"))
        until(lambda: told.count("always") >= 2, "the other watcher is told")
        assert told.count("once") == 1
        stay()

    # Several runs

    @pytest.fixture
    def several(self, log: Store, clock: ManualClock) -> Store:
        """Six runs of two owners, one after another; the fourth of Ann's has ended."""
        for number, (owner, operation) in enumerate(
            [("ann", "count"), ("ann", "read"), ("bob", "count"), ("ann", "count"), ("bob", "read"), ("ann", "count")]
        ):
            log.create(opened(f"r{number}", owner, operation=operation))
            Producer(log, f"r{number}", clock).write(start())
        ended = Producer(log, "r3", clock)
        ended.recorder = Recorder(clock, fold=replace(log.find("r3").fold))  # type: ignore[union-attr]
        ended.end()
        return log

    def found(self, log: Store, **asked: Any) -> list[str]:
        """The ids of a page."""
        wanted: dict[str, Any] = {
            "owner": "ann",
            "operation": None,
            "status": None,
            "limit": 20,
            "before": None,
            **asked,
        }
        return [record.info.id for record in log.page(**wanted)]

    def test_an_owners_runs(self, several: Store) -> None:
        """They come newest first, and nobody else's among them."""
        assert self.found(several) == ["r5", "r3", "r1", "r0"]
        assert self.found(several, owner="bob") == ["r4", "r2"]
        assert self.found(several, owner="nobody") == []

    def test_runs_can_be_told_apart(self, several: Store) -> None:
        """By operation, by status, and by both."""
        assert self.found(several, operation="count") == ["r5", "r3", "r0"]
        assert self.found(several, status="succeeded") == ["r3"]
        assert self.found(several, operation="count", status="running") == ["r5", "r0"]
        several.cancel("r0", "requested")
        until(lambda: self.found(several, status="cancelling") == ["r0"], "the cancel is seen")

    def test_runs_come_page_by_page(self, several: Store) -> None:
        """Each page goes on before the last run of the page before; there is none before what nobody may see."""
        assert self.found(several, limit=2) == ["r5", "r3"]
        assert self.found(several, limit=2, before="r3") == ["r1", "r0"]
        assert self.found(several, limit=2, before="r0") == []
        assert self.found(several, before="r4") == []
        assert self.found(several, before="unknown") == []
        assert self.found(several, operation="count", limit=1, before="r5") == ["r3"]

    def test_live_runs_are_counted(self, several: Store) -> None:
        """Those of one client that have not ended."""
        assert (several.live("ann"), several.live("bob"), several.live("nobody")) == (3, 2, 0)

    def test_a_client_at_its_limit(self, log: Store, clock: ManualClock) -> None:
        """Past its limit a client opens no run, others do; a key still joins its run, and an end makes room."""
        for number in range(2):
            log.create(opened(f"r{number}", "ann", key=f"k{number}", digest="d"), limit=2)
        with pytest.raises(TooMany) as caught:
            log.create(opened("r2", "ann"), limit=2)
        assert caught.value.retry_after
        assert log.find("r2") is None
        assert log.create(opened("r3", "bob"), limit=1).id == "r3"
        assert log.create(opened("r4", "ann", key="k1", digest="d"), limit=2).id == "r1"
        producer = Producer(log, "r0", clock)
        producer.write(start())
        producer.end()
        log.flush()
        assert log.create(opened("r2", "ann"), limit=2).id == "r2"
        assert log.live("ann") == 2

    def test_starts_of_the_same_instant(self, log: Store) -> None:
        """However many runs a client starts at once, no more are opened than it may have."""

        def begin(number: int) -> bool:
            with contextlib.suppress(TooMany):
                return log.create(opened(f"r{number}", "ann"), limit=5).id == f"r{number}"
            return False

        begun = [gevent.spawn(begin, number) for number in range(20)]
        assert [each.get(timeout=PATIENCE) for each in begun].count(True) == 5
        assert log.live("ann") == 5

    def test_runs_do_not_mix(self, several: Store) -> None:
        """What is asked of one run is asked of no other."""
        several.cancel("r0", "requested")
        several.answer("r1", "q2", b"1")
        several.count("r5", +1)
        until(lambda: several.control("r1").answers, "the answer is there")
        assert several.control("r5").cancel is None
        assert several.control("r5").answers == {}
        assert several.control("r0").viewers == 0
        several.count("r5", -1)

    # Idempotency

    def test_a_key_joins_the_run_it_has_opened(self, log: Store) -> None:
        """The same owner, key and body get the first run, ended or not, and no second one is there."""
        first = opened("r1", "ann", key="k", digest="d")
        again = opened("r2", "ann", key="k", digest="d")
        assert log.joined(first) is None
        assert log.create(first) == first
        assert log.joined(again) == log.create(again) == first
        producer = Producer(log, "r1", ManualClock())
        producer.write(start())
        producer.end()
        assert log.create(again) == first
        assert log.find("r2") is None
        assert log.live("ann") == 0

    def test_a_key_with_another_body(self, log: Store) -> None:
        """It is a conflict, and opens nothing."""
        log.create(opened("r1", "ann", key="k", digest="d"))
        with pytest.raises(Conflict) as caught:
            log.create(opened("r2", "ann", key="k", digest="e"))
        assert caught.value.code == "idempotency_conflict"
        with pytest.raises(Conflict):
            log.joined(opened("r2", "ann", key="k", digest="e"))
        assert log.find("r2") is None
        assert log.live("ann") == 1

    def test_a_key_is_its_owners_own(self, log: Store) -> None:
        """Another owner's key is another key, and no key is none."""
        for number, (owner, key) in enumerate([("ann", "k"), ("bob", "k"), ("ann", None), ("ann", None)]):
            info = opened(f"r{number}", owner, key=key, digest="d")
            assert log.joined(info) is None
            assert log.create(info) == info

    # Retention

    def test_a_finished_run_goes_after_its_retention(self, producer: Producer, log: Store, clock: ManualClock) -> None:
        """It can be read until then, counted from its end; after it nothing of it is there."""
        clock.advance(10_000)
        log.sweep()
        producer.end()
        clock.advance(3599)
        log.sweep()
        assert log.read("r", 0).block == b"".join(producer.frames)
        clock.advance(3601)
        log.sweep()
        assert log.find("r") is None
        with pytest.raises(KeyError):
            log.read("r", 0)
        assert self.found(log, owner="") == []

    def test_a_live_run_never_goes(self, producer: Producer, log: Store, clock: ManualClock) -> None:
        """However long it lasts."""
        clock.advance(10 * 3600)
        log.sweep()
        assert log.read("r", 0).block == producer.frames[0]

    def test_a_key_is_free_again(self, log: Store, clock: ManualClock) -> None:
        """Once its run is gone, a key opens another."""
        log.create(opened("r1", "ann", key="k", digest="d"))
        producer = Producer(log, "r1", clock)
        producer.write(start())
        producer.end()
        clock.advance(7200)
        log.sweep()
        again = opened("r2", "ann", key="k", digest="e")
        assert log.create(again) == again

    # Trimming

    def test_the_oldest_frames_go(self, clock: ManualClock) -> None:
        """A run keeps so many bytes: of what is left nothing is missing, and the newest is there."""
        log = self.make(retention=3600.0, keep_bytes=4000, clock=clock)
        log.create(opened("r"))
        producer = Producer(log, "r", clock)
        producer.write(start())
        for number in range(100):
            producer.write(event("tick", {"n": number}))
        batch = log.read("r", 0)
        messages = parse_frames(batch.block)
        assert [message.id for message in messages] == list(range(batch.oldest, 102))
        assert log.read("r", 100).block == producer.frames[100]
        assert shown(log, "r") == 101
        log.close()

    # Upkeep

    def test_a_store_that_is_there_is_ready(self, log: Store) -> None:
        """Nothing is raised."""
        log.ready()

    def test_a_store_without_runs_loses_none(self, producer: Producer, log: Store) -> None:
        """A run of this worker's own is no orphan."""
        assert list(log.orphans()) == []
