"""The contract of every store. The test module of a store derives a class from `StoreContract` with a `make` method.

    class TestMemoryStore(StoreContract):
        def make(self, **options): return MemoryStore(**options)

The tests run in the hub of this thread, as the runner's calls do. A store may show what is appended a moment later, so
they wait for that.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
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
from streaming.stores.partials import lost_partials, resolved
from tests.clients import PATIENCE, parse_frames

CREATED = "2026-11-23T09:30:00.000Z"


class Producer:
    """The producer of a run: its recorder and its store."""

    def __init__(self, store: Store, run: str, clock: ManualClock) -> None:
        self.store = store
        self.run = run
        self.recorder = Recorder(clock)
        self.frames: list[bytes] = []

    def append(self, *events: Event) -> None:
        """Appends events in one block, and does not wait until the store shows them."""
        for each in events:
            self.recorder.add(each)
        block = self.recorder.take()
        self.frames += block.frames
        self.store.append(self.run, block, self.recorder.fold)

    def write(self, *events: Event) -> None:
        """Appends events in one block, and waits until the store shows them."""
        self.append(*events)
        until(lambda: last_shown(self.store, self.run) == self.recorder.last, "the events are shown")

    def end(self, status: str = "succeeded") -> None:
        """Appends the last event."""
        self.write(make_event("done", {"status": status, "elapsed": 0.0}))


def last_shown(store: Store, run: str) -> int:
    """The number of the last event that a store shows of a run."""
    record = store.find(run)
    assert record is not None
    return record.fold.last_event_id


def until(condition: Callable[[], object], what: str) -> None:
    """Waits in the hub until `condition` is true; `what` describes it."""
    with gevent.Timeout(PATIENCE, AssertionError(f"{what}: not within {PATIENCE} s")):
        while not condition():
            gevent.sleep(0.001)


def read_file(store: Store, run: str, name: str) -> bytes:
    """The bytes of a file of a run."""
    found = store.find_file(run, name)
    assert found is not None
    with store.files.open(run, *found) as file:
        return file.read()


def bytes_used(store: Store) -> int:
    """What all runs take, as a sweep has it."""
    store.flush()
    store.sweep()
    return store.bytes_used


def run_info(run: str, owner: str = "", *, operation: str = "count", **options: Any) -> RunInfo:
    """The `RunInfo` of a run."""
    return RunInfo(id=run, operation=operation, created=CREATED, owner=owner, client=owner, **options)


def start_event(**data: Any) -> Event:
    """The first event of a run."""
    return make_event("start", {"operation": "count", **data})


class FilesContract:
    """The tests of files, in whichever place they lie; `store` is an empty store."""

    def make(self, **options: Any) -> Store:
        """Makes an empty store; the options are `retention`, `keep_bytes` and `clock`."""
        raise NotImplementedError

    def opened(self, **options: Any) -> contextlib.closing[Store]:
        """An empty store that keeps finished runs for an hour, closed at the end of a block.

        A test that fails closes it too: left open it would go on writing into what is the next test's.
        """
        return contextlib.closing(self.make(retention=3600.0, **options))

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The clock of the store and of the recorders."""
        return ManualClock()

    @pytest.fixture
    def store(self, clock: ManualClock) -> Iterator[Store]:
        """An empty store that keeps finished runs for an hour."""
        with self.opened(clock=clock) as store:
            yield store

    @pytest.fixture
    def producer(self, store: Store, clock: ManualClock) -> Producer:
        """The producer of a run that has started."""
        store.create(run_info("r"))
        producer = Producer(store, "r", clock)
        producer.write(start_event(run="r"))
        return producer

    # Files

    def test_a_file_is_kept_with_its_run(self, store: Store, producer: Producer, tmp_path: Path) -> None:
        """Bytes, or what is at a path: with their size and digest, in the order in which they were handed over."""
        path = tmp_path / "page.png"
        path.write_bytes(b"p" * 3_000)
        store.put_file("r", "b.png", "image/png", path)
        path.unlink()
        info = store.put_file("r", "a.txt", "text/plain", b"text")
        assert info == ("a.txt", "text/plain", 4, sha256(b"text").hexdigest())
        assert read_file(store, "r", "b.png") == b"p" * 3_000
        assert read_file(store, "r", "a.txt") == b"text"
        assert store.find_file("r", "c.txt") is None
        assert store.find_file("none", "a.txt") is None
        record = store.find("r")
        assert record is not None
        assert [file.name for file in record.files] == ["b.png", "a.txt"]
        assert json.loads(record.snapshot())["files"][1] == info._asdict()
        (listed,) = store.page(owner="", operation=None, status=None, limit=9, before=None)
        assert [file.name for file in listed.files] == ["b.png", "a.txt"]
        producer.end()
        assert read_file(store, "r", "a.txt") == b"text"

    def test_a_file_of_the_same_name(self, store: Store, producer: Producer) -> None:
        """It replaces the first one, in its place, also by the same bytes; a reader of the first can go on."""
        for name in ("a", "b"):
            store.put_file("r", name, "text/plain", b"first")
        found = store.find_file("r", "a")
        assert found is not None
        with store.files.open("r", *found) as first:
            for body in (b"second", b"second"):
                store.put_file("r", "a", "text/html", body)
            assert first.read() == b"first"
        assert read_file(store, "r", "a") == b"second"
        record = store.find("r")
        assert record is not None
        assert [(file.name, file.type) for file in record.files] == [("a", "text/html"), ("b", "text/plain")]
        assert read_file(store, "r", "b") == b"first"

    @pytest.mark.parametrize("name", ["CON", "a b", "ä" * 127, "x" * 255, "..a", "%2e%2e", "Page", "page"])
    def test_any_name(self, store: Store, producer: Producer, name: str) -> None:
        """What a name means to a file system does not matter."""
        store.put_file("r", name, "text/plain", name.encode())
        store.put_file("r", name.swapcase(), "text/plain", b"another")
        assert read_file(store, "r", name) in (name.encode(), b"another" if name == name.swapcase() else name.encode())

    def test_files_are_counted(self, store: Store, producer: Producer) -> None:
        """In the bytes that all runs take, until they are replaced or the run is deleted; uploads too, unseen."""
        before = bytes_used(store)
        store.put_file("r", "a", "text/plain", b"x" * 50_000)
        assert bytes_used(store) == before + 50_000
        store.put_file("r", "a", "text/plain", b"x" * 20_000)
        assert bytes_used(store) == before + 20_000
        store.count_upload("r", 7_000)
        until(lambda: bytes_used(store) == before + 27_000, "the upload is counted")
        record = store.find("r")
        assert record is not None
        assert [file.name for file in record.files] == ["a"]
        assert store.find_file("r", "/uploads") is None
        store.count_upload("r", 0)
        until(lambda: bytes_used(store) == before + 20_000, "the upload is gone")

    def test_the_files_of_a_deleted_run(self, store: Store, clock: ManualClock) -> None:
        """They are deleted with it; those of others stay."""
        for run in ("old", "new"):
            store.create(run_info(run))
            producer = Producer(store, run, clock)
            producer.write(start_event(run=run))
            store.put_file(run, "a", "text/plain", b"text")
            if run == "old":
                producer.end()
                clock.advance(4000)
        store.sweep()
        until(lambda: store.find("old") is None, "the run is deleted")
        assert store.find_file("old", "a") is None
        until(lambda: store.files.runs() <= {"new"}, "its files are deleted")
        assert read_file(store, "new", "a") == b"text"


class StoreContract(FilesContract):
    """All tests."""

    # Partials that a result refers to

    def test_a_partial_that_a_result_refers_to(self, clock: ManualClock) -> None:
        """It is kept as long as its run, however much that is: a result is whole, or it is none."""
        with self.opened(clock=clock, keep_bytes=20_000) as store:
            store.create(run_info("r"))
            producer = Producer(store, "r", clock)
            producer.write(start_event(run="r"))
            for number in range(9):
                producer.write(partial(f"p{number}", "x" * 2_000))
            pages = [{"$partial": f"p{number}"} for number in range(9)]
            result = {"pages": pages, "n": 2**70, "other": {"$partial": "q"}}
            assert lost_partials(store, "r", json.dumps(result).encode()) == set()
            producer.write(make_event("result", {"result": result}))
            producer.end()
            record = store.find("r")
            assert record is not None
            filled = json.loads(resolved(store, record).snapshot())["result"]
            assert filled == {"pages": ["x" * 2_000] * 9, "n": 2**70, "other": {"$partial": "q"}}
            assert json.loads(resolved(store, record, most=17_000).snapshot())["result"] == result

    def test_a_partial_that_was_trimmed(self, clock: ManualClock) -> None:
        """It is told before the result is written."""
        with self.opened(clock=clock, keep_bytes=20_000) as store:
            store.create(run_info("r"))
            producer = Producer(store, "r", clock)
            producer.write(start_event(run="r"))
            for number in range(30):
                producer.write(partial(f"p{number}", "x" * 2_000))
            result = json.dumps([{"$partial": "p0"}, {"$partial": "p29"}]).encode()
            assert lost_partials(store, "r", result) == {"p0"}
            assert lost_partials(store, "r", b'[{"a": "p0"}]') == set()

    # A run and its record

    def test_a_new_run(self, store: Store) -> None:
        """A new run is found before its first event, with all of its `RunInfo`."""
        info = run_info("r", "ann", linger=30.0, key="key", digest="digest", input=b'{"pages":1}', shown=b"{}")
        assert store.create(info) == info
        record = store.find("r")
        assert record is not None
        assert record.info == info
        assert (record.status, record.fold.last_event_id, record.attempt) == ("running", 0, 1)

    @pytest.mark.parametrize("linger", [0.0, 12.5, None])
    def test_a_linger_is_kept(self, store: Store, linger: float | None) -> None:
        """The linger of a run stays as it is given; `None` is not a number."""
        store.create(run_info("r", linger=linger))
        record = store.find("r")
        assert record is not None
        assert record.info.linger == linger

    def test_an_unknown_run(self, store: Store) -> None:
        """It is not found, and cannot be read."""
        assert store.find("nobody") is None
        with pytest.raises(KeyError):
            store.read("nobody", 0)

    def test_a_snapshot(self, producer: Producer, store: Store) -> None:
        """A snapshot has exactly the members of the contract, with JSON values as they came."""
        producer.write(
            progress("half", done=1, total=2, unit="pages"),
            partial("page", {"n": 1}),
            make_event("result", {"result": {"text": "naïve \u2028", "n": 2**70}}),
        )
        store.count("r", +1)
        producer.end()
        record = store.find("r")
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
            "attempt": 1,
            "input": None,
            "usage": {},
            "files": [],
        }

    def test_usage_is_summed(self, producer: Producer, store: Store) -> None:
        """What several calls of models have taken is in the snapshot."""
        for _ in range(2):
            producer.write(event("usage", {"input_tokens": 7, "output_tokens": 2}))
        record = store.find("r")
        assert record is not None
        assert json.loads(record.snapshot())["usage"] == {"input_tokens": 14, "output_tokens": 4}

    def test_a_record_does_not_change(self, producer: Producer, store: Store) -> None:
        """A record that was found stays the same when the run goes on."""
        before = store.find("r")
        assert before is not None
        snapshot = before.snapshot()
        producer.write(progress("later"))
        assert before.snapshot() == snapshot
        assert last_shown(store, "r") == 2

    def test_a_fold_is_copied(self, producer: Producer, store: Store) -> None:
        """Events that are added to a fold after it was appended do not show in the store."""
        producer.recorder.add(progress("not yet appended"))
        producer.recorder.add(make_event("error", {"code": "x"}))
        record = store.find("r")
        assert record is not None
        assert (record.fold.error, record.fold.state) == (None, "running")

    # Reading

    def test_frames_are_read_as_they_were_written(self, producer: Producer, store: Store) -> None:
        """A reader gets the bytes that were appended, and the number of the last frame."""
        producer.write(event("text", "one\ntwo\n\nthree"), event("data", {"a": "\u2028"}))
        batch = store.read("r", 0)
        assert batch.block == b"".join(producer.frames)
        assert (batch.last, batch.over, batch.oldest) == (3, False, 1)

    def test_reading_after_a_number(self, producer: Producer, store: Store) -> None:
        """A reader gets the events after its number."""
        producer.write(progress("2"), progress("3"))
        producer.write(progress("4"))
        assert store.read("r", 1).block == b"".join(producer.frames[1:])
        assert store.read("r", 3).block == producer.frames[3]

    @pytest.mark.parametrize("after", [1, 5, 10**12])
    def test_reading_after_the_last_event(self, producer: Producer, store: Store, after: int) -> None:
        """A reader that has everything, or whose number is too high, gets nothing and keeps its number."""
        batch = store.read("r", after)
        assert (batch.block, batch.last, batch.over) == (b"", after, False)

    def test_the_last_event_ends_the_run(self, producer: Producer, store: Store) -> None:
        """A batch with the last event is `over`, and so is an empty one after it."""
        producer.write(progress("2"))
        producer.end()
        assert store.read("r", 0, frames=2).over is False
        assert store.read("r", 0).over is True
        assert store.read("r", 2).over is True
        assert store.read("r", 3) == (b"", 3, True, 1)

    def test_a_batch_has_a_limit_of_frames(self, producer: Producer, store: Store) -> None:
        """A reader that is far behind gets several batches, without a gap."""
        producer.write(*(event("tick", {"n": number}) for number in range(2 * BLOCK_FRAMES)))
        producer.end()
        last, sizes = 0, []
        while True:
            batch = store.read("r", last)
            messages = parse_frames(batch.block)
            assert [message.id for message in messages] == list(range(last + 1, batch.last + 1))
            sizes.append(len(messages))
            last = batch.last
            if batch.over:
                break
        assert max(sizes) == BLOCK_FRAMES
        assert sum(sizes) == len(producer.frames)

    def test_a_reader_may_want_fewer_frames(self, producer: Producer, store: Store) -> None:
        """`frames` limits a batch, down to one frame."""
        producer.write(progress("2"), progress("3"))
        batch = store.read("r", 1, frames=1)
        assert (batch.block, batch.last) == (producer.frames[1], 2)

    def test_a_batch_has_a_limit_of_bytes(self, producer: Producer, store: Store) -> None:
        """A batch has at most `BLOCK_BYTES`; a frame that is larger comes alone."""
        large, huge = "x" * (BLOCK_BYTES // 3), "x" * (2 * BLOCK_BYTES)
        producer.write(*(event("large", {"text": text}) for text in (large, large, large, huge, large)))
        last, batches = 1, []
        while last < 6:
            batch = store.read("r", last)
            batches.append(batch.last - last)
            assert len(batch.block) <= BLOCK_BYTES or batches[-1] == 1
            last = batch.last
        assert batches == [2, 1, 1, 1]

    def test_merging(self, producer: Producer, store: Store) -> None:
        """With `merge` the older progress of a step is left out; the batch ends at the same number."""
        producer.write(progress("2", step="a"), progress("3", step="b"), event("tick"), progress("5", step="a"))
        batch = store.read("r", 0, merge=True)
        assert [message.id for message in parse_frames(batch.block)] == [1, 3, 4, 5]
        assert batch.last == 5
        assert store.read("r", 0).block == b"".join(producer.frames)

    @settings(max_examples=settings().max_examples // 6, deadline=None, suppress_health_check=[*HealthCheck])
    @given(blocks=st.lists(st.integers(1, 4), max_size=5), ended=st.booleans(), data=st.data())
    def test_any_reader(self, clock: ManualClock, blocks: list[int], ended: bool, data: st.DataObject) -> None:
        """In whatever blocks frames came, a reader gets some after its number, and the end with the last one."""
        # Closed however an example ends: another store with the run would write it again for the next test.
        with self.opened(clock=clock) as store:
            store.create(run_info("r"))
            producer = Producer(store, "r", clock)
            producer.write(start_event())
            for size in blocks:
                producer.write(*(event("tick") for _ in range(size)))
            if ended:
                producer.end()
            count = len(producer.frames)
            for _ in range(5):
                after, frames = data.draw(st.integers(0, count)), data.draw(st.integers(1, count))
                batch = store.read("r", after, frames=frames)
                assert min(after + 1, count) <= batch.last <= min(after + frames, count)
                assert batch.block == b"".join(producer.frames[after : batch.last])
                assert batch.over == (ended and batch.last == count)

    # The end

    def test_nothing_follows_the_last_event(self, producer: Producer, store: Store) -> None:
        """A run that is over takes no more events."""
        producer.end()
        recorder = Recorder(ManualClock(), fold=producer.recorder.fold)
        recorder.fold.state = "running"
        recorder.add(progress("late"))
        with pytest.raises(RunClosed):
            store.append("r", recorder.take(), recorder.fold)
        assert last_shown(store, "r") == 2

    def test_a_failed_run(self, producer: Producer, store: Store) -> None:
        """The record of a run that has failed has its status and its error."""
        producer.write(make_event("error", {"code": "no_pages", "message": "No pages.", "retryable": False}))
        producer.end("failed")
        record = store.find("r")
        assert record is not None
        assert record.status == "failed"
        assert json.loads(record.fold.error or b"")["code"] == "no_pages"

    # Requests to the producer

    def test_a_cancel(self, producer: Producer, store: Store) -> None:
        """A cancel reaches the producer with the first reason, and the status becomes `cancelling`."""
        store.cancel("r", "disconnected")
        store.cancel("r", "requested")
        until(lambda: store.control("r").cancel is not None, "the cancel arrives")
        assert store.control("r").cancel == "disconnected"
        record = store.find("r")
        assert record is not None
        assert record.status == "cancelling"
        producer.end("cancelled")
        ended = store.find("r")
        assert ended is not None
        assert ended.status == "cancelled"

    def test_a_run_that_everybody_has_left(self, producer: Producer, store: Store) -> None:
        """A run without viewers on any worker is cancelled as `disconnected`."""
        store.count("r", +1)
        store.count("r", -1)
        assert store.abandon("r") is True
        until(lambda: store.control("r").cancel == "disconnected", "the cancel arrives")

    def test_a_cancel_of_a_run_that_is_over(self, producer: Producer, store: Store) -> None:
        """It changes nothing."""
        producer.end()
        store.cancel("r", "requested")
        record = store.find("r")
        assert record is not None
        assert record.status == "succeeded"

    def test_an_answer(self, producer: Producer, store: Store) -> None:
        """The first answer to a question reaches the producer; a second is refused, one to another question is not."""
        producer.write(make_event("question", {"question": "q2"}))
        assert store.answer("r", "q2", b"true") is True
        assert store.answer("r", "q2", b"false") is False
        assert store.answer("r", "q9", b'"naive"') is True
        until(lambda: len(store.control("r").answers) == 2, "the answers arrive")
        assert store.control("r").answers == {"q2": b"true", "q9": b'"naive"'}

    def test_an_answer_to_a_run_that_is_over(self, producer: Producer, store: Store) -> None:
        """It is refused."""
        producer.end()
        assert store.answer("r", "q2", b"true") is False

    def test_viewers_are_counted(self, producer: Producer, store: Store) -> None:
        """The producer knows how many viewers there are, and whether there ever was one."""
        assert (store.control("r").viewers, store.control("r").watched) == (0, False)
        store.count("r", +1)
        store.count("r", +1)
        assert (store.control("r").viewers, store.control("r").watched) == (2, True)
        record = store.find("r")
        assert record is not None
        assert record.viewers == 2
        store.count("r", -1)
        store.count("r", -1)
        assert (store.control("r").viewers, store.control("r").watched) == (0, True)

    # Watching

    def test_watchers_are_notified(self, producer: Producer, store: Store) -> None:
        """A watcher is notified of every change of a run, and can read it then."""
        calls: list[int] = []
        unwatch = store.watch("r", lambda: calls.append(store.read("r", 0).last))
        producer.write(progress("2"))
        until(lambda: calls and calls[-1] == 2, "a watcher is notified of an event")
        for change in (
            lambda: store.count("r", +1),
            lambda: store.answer("r", "q2", b"1"),
            lambda: store.cancel("r", "requested"),
        ):
            before = len(calls)
            change()
            until(lambda before=before: len(calls) > before, "a watcher is notified")  # type: ignore[misc]
        producer.end("cancelled")
        until(lambda: calls[-1] == 3, "a watcher is notified of the end")
        unwatch()

    def test_a_watcher_may_leave(self, producer: Producer, store: Store) -> None:
        """It is notified no more, and other watchers are; it may leave twice."""
        calls: list[str] = []
        leave = store.watch("r", lambda: calls.append("one"))
        stay = store.watch("r", lambda: calls.append("other"))
        leave()
        leave()
        producer.write(progress("2"))
        until(lambda: calls, "the other watcher is notified")
        assert "one" not in calls
        stay()

    def test_a_watcher_may_leave_in_its_callback(self, producer: Producer, store: Store) -> None:
        """Other watchers are notified all the same."""
        calls: list[str] = []

        def once() -> None:
            calls.append("once")
            leave()

        leave = store.watch("r", once)
        stay = store.watch("r", lambda: calls.append("always"))
        producer.write(progress("2"))
        producer.write(progress("3"))
        until(lambda: calls.count("always") >= 2, "the other watcher is notified")
        assert calls.count("once") == 1
        stay()

    # Several runs

    @pytest.fixture
    def several(self, store: Store, clock: ManualClock) -> Store:
        """Six runs of two owners, one after another; Ann's third has ended."""
        for number, (owner, operation) in enumerate(
            [("ann", "count"), ("ann", "read"), ("bob", "count"), ("ann", "count"), ("bob", "read"), ("ann", "count")]
        ):
            store.create(run_info(f"r{number}", owner, operation=operation))
            Producer(store, f"r{number}", clock).write(start_event())
        ended = Producer(store, "r3", clock)
        ended.recorder = Recorder(clock, fold=replace(store.find("r3").fold))  # type: ignore[union-attr]
        ended.end()
        return store

    def page(self, store: Store, **filters: Any) -> list[str]:
        """The ids of a page of runs, by default of Ann's."""
        arguments: dict[str, Any] = {
            "owner": "ann",
            "operation": None,
            "status": None,
            "limit": 20,
            "before": None,
            **filters,
        }
        return [record.info.id for record in store.page(**arguments)]

    def test_an_owners_runs(self, several: Store) -> None:
        """They come newest first, without those of others."""
        assert self.page(several) == ["r5", "r3", "r1", "r0"]
        assert self.page(several, owner="bob") == ["r4", "r2"]
        assert self.page(several, owner="nobody") == []

    def test_runs_can_be_filtered(self, several: Store) -> None:
        """By operation, by status, and by both."""
        assert self.page(several, operation="count") == ["r5", "r3", "r0"]
        assert self.page(several, status="succeeded") == ["r3"]
        assert self.page(several, operation="count", status="running") == ["r5", "r0"]
        several.cancel("r0", "requested")
        until(lambda: self.page(several, status="cancelling") == ["r0"], "the cancel shows")

    def test_each_status_has_its_list(self, store: Store, clock: ManualClock) -> None:
        """A run is found by what it is now, with its operation and without, and once it is erased by nothing."""
        endings = {"succeeded": "r2", "failed": "r3", "cancelled": "r4"}
        producers = {}
        for number, operation in enumerate(["count", "read", "count", "read", "count"]):
            store.create(run_info(f"r{number}", "ann", operation=operation))
            producers[f"r{number}"] = Producer(store, f"r{number}", clock)
            producers[f"r{number}"].write(start_event())
        producers["r1"].write(make_event("question", {"question": "q", "prompt": "?", "schema": {}}))
        for status, run in endings.items():
            producers[run].end(status)
        expected = {"running": "r0", "waiting": "r1", **endings}
        for status, run in expected.items():
            operation = "read" if run in ("r1", "r3") else "count"
            assert self.page(store, status=status) == [run]
            assert self.page(store, status=status, operation=operation) == [run]
            assert self.page(store, status=status, operation="other") == []
            assert self.page(store, status=status, before=run) == []
        assert self.page(store, status="queued") == []
        producers["r1"].write(make_event("answer", {"question": "q"}))
        assert self.page(store, status="running") == ["r1", "r0"]
        assert self.page(store, status="running", limit=1, before="r1") == ["r0"]
        for run in endings.values():
            assert store.erase(run)
        assert [self.page(store, status=status) for status in endings] == [[], [], []]
        assert self.page(store, operation="count") == ["r0"]

    def test_runs_come_page_by_page(self, several: Store) -> None:
        """Each page has the runs before the last one of the page before; none come before a run of another owner."""
        assert self.page(several, limit=2) == ["r5", "r3"]
        assert self.page(several, limit=2, before="r3") == ["r1", "r0"]
        assert self.page(several, limit=2, before="r0") == []
        assert self.page(several, before="r4") == []
        assert self.page(several, before="unknown") == []
        assert self.page(several, operation="count", limit=1, before="r5") == ["r3"]

    def test_live_runs_are_counted(self, several: Store) -> None:
        """The live runs of a client are those that have not ended."""
        assert (several.live("ann"), several.live("bob"), several.live("nobody")) == (3, 2, 0)

    def test_a_client_at_its_limit(self, store: Store, clock: ManualClock) -> None:
        """A client at its limit starts no run, others do; a key still finds its run, and a run that ends makes room."""
        for number in range(2):
            store.create(run_info(f"r{number}", "ann", key=f"k{number}", digest="d"), limit=2)
        with pytest.raises(TooMany) as caught:
            store.create(run_info("r2", "ann"), limit=2)
        assert caught.value.retry_after
        assert store.find("r2") is None
        assert store.create(run_info("r3", "bob"), limit=1).id == "r3"
        assert store.create(run_info("r4", "ann", key="k1", digest="d"), limit=2).id == "r1"
        producer = Producer(store, "r0", clock)
        producer.write(start_event())
        producer.end()
        store.flush()
        assert store.create(run_info("r2", "ann"), limit=2).id == "r2"
        assert store.live("ann") == 2

    def test_starts_of_the_same_instant(self, store: Store) -> None:
        """However many runs a client starts at once, it gets no more than its limit."""

        def create(number: int) -> bool:
            with contextlib.suppress(TooMany):
                return store.create(run_info(f"r{number}", "ann"), limit=5).id == f"r{number}"
            return False

        starts = [gevent.spawn(create, number) for number in range(20)]
        assert [each.get(timeout=PATIENCE) for each in starts].count(True) == 5
        assert store.live("ann") == 5

    def test_runs_do_not_mix(self, several: Store) -> None:
        """A request to one run reaches no other."""
        several.cancel("r0", "requested")
        several.answer("r1", "q2", b"1")
        several.count("r5", +1)
        until(lambda: several.control("r1").answers, "the answer arrives")
        assert several.control("r5").cancel is None
        assert several.control("r5").answers == {}
        assert several.control("r0").viewers == 0
        several.count("r5", -1)

    # Idempotency

    def test_a_key_finds_the_run_it_has_started(self, store: Store) -> None:
        """The same owner, key and body get the first run, live or not, and no second one."""
        first = run_info("r1", "ann", key="k", digest="d")
        again = run_info("r2", "ann", key="k", digest="d")
        assert store.find_by_key(first) is None
        assert store.create(first) == first
        assert store.find_by_key(again) == store.create(again) == first
        producer = Producer(store, "r1", ManualClock())
        producer.write(start_event())
        producer.end()
        assert store.create(again) == first
        assert store.find("r2") is None
        assert store.live("ann") == 0

    def test_a_key_with_another_body(self, store: Store) -> None:
        """It is a conflict, and starts nothing."""
        store.create(run_info("r1", "ann", key="k", digest="d"))
        with pytest.raises(Conflict) as caught:
            store.create(run_info("r2", "ann", key="k", digest="e"))
        assert caught.value.code == "idempotency_conflict"
        with pytest.raises(Conflict):
            store.find_by_key(run_info("r2", "ann", key="k", digest="e"))
        assert store.find("r2") is None
        assert store.live("ann") == 1

    def test_a_key_belongs_to_its_owner(self, store: Store) -> None:
        """The same key of another owner is another key, and runs without a key have none in common."""
        for number, (owner, key) in enumerate([("ann", "k"), ("bob", "k"), ("ann", None), ("ann", None)]):
            info = run_info(f"r{number}", owner, key=key, digest="d")
            assert store.find_by_key(info) is None
            assert store.create(info) == info

    # Retention

    def test_a_finished_run_is_deleted_after_its_retention(
        self, producer: Producer, store: Store, clock: ManualClock
    ) -> None:
        """The retention counts from the end of the run; until then it can be read, and afterwards it is gone."""
        clock.advance(10_000)
        store.sweep()
        producer.end()
        clock.advance(3599)
        store.sweep()
        assert store.read("r", 0).block == b"".join(producer.frames)
        clock.advance(3601)
        store.sweep()
        assert store.find("r") is None
        with pytest.raises(KeyError):
            store.read("r", 0)
        assert self.page(store, owner="") == []

    def test_a_live_run_is_never_deleted(self, producer: Producer, store: Store, clock: ManualClock) -> None:
        """However long it lasts."""
        clock.advance(10 * 3600)
        store.sweep()
        assert store.read("r", 0).block == producer.frames[0]

    def test_a_key_is_free_again(self, store: Store, clock: ManualClock) -> None:
        """Once its run is deleted, a key starts another."""
        store.create(run_info("r1", "ann", key="k", digest="d"))
        producer = Producer(store, "r1", clock)
        producer.write(start_event())
        producer.end()
        clock.advance(7200)
        store.sweep()
        again = run_info("r2", "ann", key="k", digest="e")
        assert store.create(again) == again

    def test_a_run_is_erased(self, store: Store, clock: ManualClock) -> None:
        """Once it is over, with all that belongs to it; its key starts another, and its room is free."""
        store.create(run_info("r1", "ann", key="k", digest="d", shown=b"[1]"))
        producer = Producer(store, "r1", clock)
        producer.write(start_event())
        assert not store.erase("r1")
        assert store.find("r1") is not None
        leave = store.watch("r1", lambda: None)
        producer.end()
        store.sweep()
        taken = store.bytes_used
        assert store.erase("r1")
        assert store.find("r1") is None
        assert not store.erase("r1")
        assert not store.erase("r0")
        leave()
        assert store.page(owner="ann", operation=None, status=None, limit=10, before=None) == []
        again = run_info("r2", "ann", key="k", digest="e")
        assert store.create(again) == again
        store.sweep()
        assert store.bytes_used < taken

    def test_a_secret_is_kept(self, store: Store) -> None:
        """It is the same each time."""
        assert store.secret() == store.secret()
        assert len(store.secret()) == 32

    # Trimming

    def test_the_oldest_frames_are_dropped(self, clock: ManualClock) -> None:
        """A run keeps `keep_bytes` of frames: the newest ones, without a gap."""
        with self.opened(keep_bytes=4000, clock=clock) as store:
            store.create(run_info("r"))
            producer = Producer(store, "r", clock)
            producer.write(start_event())
            for number in range(100):
                producer.write(event("tick", {"n": number}))
            batch = store.read("r", 0)
            messages = parse_frames(batch.block)
            assert [message.id for message in messages] == list(range(batch.oldest, 102))
            assert store.read("r", 100).block == producer.frames[100]
            assert last_shown(store, "r") == 101

    # Upkeep

    def test_a_store_is_ready(self, store: Store) -> None:
        """`ready` raises nothing."""
        store.ready()

    def test_a_run_of_this_worker_is_no_orphan(self, producer: Producer, store: Store) -> None:
        """Its lease is valid."""
        assert list(store.adopt_orphans()) == []
