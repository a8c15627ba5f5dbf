"""The store in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from streaming import ManualClock, MemoryStore, event, partial
from streaming.errors import Unavailable
from streaming.protocol.events import make_event
from streaming.stores.base import EVICT_AFTER, RUN_BYTES, Store
from streaming.stores.memory import SLICE_RUNS
from streaming.stores.recent import AHEAD_BYTES, AHEAD_STEP, SHORT_LOG, TRIM_FRAMES
from tests.clients import parse_frames
from tests.figures import Figures
from tests.stores.contract import Producer, StoreContract, run_info, start_event, until
from tests.stores.queue_contract import QueueContract


class TestMemoryStore(StoreContract, QueueContract):
    """The contract."""

    def make(self, **options: Any) -> Store:
        """Makes a store."""
        return MemoryStore(**options)


def trimmed(keep_bytes: int) -> tuple[MemoryStore, Producer]:
    """A store that keeps few bytes of a run, and the producer of a run with a hundred events."""
    store, clock = MemoryStore(keep_bytes=keep_bytes), ManualClock()
    store.create(run_info("r"))
    producer = Producer(store, "r", clock)
    producer.write(start_event())
    for number in range(99):
        producer.write(event("tick", {"n": number}))
    return store, producer


def test_a_gap() -> None:
    """Where the frames after a reader's number were dropped, the batch starts with the oldest one that is kept."""
    store, producer = trimmed(4000)
    batch = store.read("r", 3, frames=5)
    assert batch.oldest > 4
    assert [message.id for message in parse_frames(batch.block)] == list(range(batch.oldest, batch.oldest + 5))
    assert batch.last == batch.oldest + 4
    kept = producer.frames[batch.oldest - 1 :]
    assert 4000 - 4000 // 8 - 100 < sum(map(len, kept)) <= 4000


def test_the_newest_frame_is_kept_however_large() -> None:
    """A frame of more than `keep_bytes` stays, and all others are dropped."""
    store, producer = trimmed(1000)
    producer.write(event("large", {"text": "x" * 5000}))
    batch = store.read("r", 0)
    assert (batch.block, batch.oldest, batch.last) == (producer.frames[-1], 101, 101)


def test_a_run_with_a_watcher_is_kept() -> None:
    """A finished run is not deleted while it has a watcher."""
    clock = ManualClock()
    store = MemoryStore(retention=10, clock=clock)
    store.create(run_info("r"))
    producer = Producer(store, "r", clock)
    producer.write(start_event())
    leave = store.watch("r", lambda: None)
    producer.end()
    clock.advance(60)
    store.sweep()
    assert store.read("r", 0).over
    leave()
    store.sweep()
    assert store.find("r") is None


def test_readers_that_keep_up_share_a_batch() -> None:
    """Viewers that read the same frames get the same object, which is joined once."""
    store, producer = trimmed(10**6)
    assert store.read("r", 90).block is store.read("r", 90).block
    assert store.read("r", 90).block == b"".join(producer.frames[90:])


# What all runs take


def lived(store: MemoryStore, run: str, size: int, frames: int = 10) -> Producer:
    """The producer of a live run that has so many frames, of `size` bytes together."""
    store.create(run_info(run))
    producer = Producer(store, run, ManualClock())
    producer.write(start_event())
    for _ in range(frames):
        producer.write(event("tick", {"text": "x" * (size // frames)}))
    return producer


def test_finished_runs_go_first() -> None:
    """Beyond the bytes of the store the oldest finished runs go, before any frame of a live one."""
    clock = ManualClock()
    store = MemoryStore(store_bytes=500_000, clock=clock)
    live = lived(store, "live", 100_000)
    for number in range(20):
        clock.advance(EVICT_AFTER)
        lived(store, f"r{number}", 50_000).end()
        assert store.bytes_used <= 500_000
    kept = [record.info.id for record in store.page(owner="", operation=None, status=None, limit=99, before=None)]
    assert kept == [*(f"r{19 - number}" for number in range(len(kept) - 1)), "live"]
    assert len(kept) - 1 == 20 - store.evicted >= 5
    assert store.read("live", 0).block.startswith(live.frames[0])


def test_then_the_oldest_frames_of_live_runs() -> None:
    """The largest runs lose the oldest of theirs, and readers that need them get a gap; all runs go on."""
    store = MemoryStore(store_bytes=500_000)
    runs = [lived(store, f"r{number}", size) for number, size in enumerate([400_000, 20_000, 300_000, 300_000])]
    assert store.bytes_used <= 500_000
    assert [store.read(run.run, 0).oldest > 1 for run in runs] == [True, False, True, True]
    for run in runs:
        run.write(event("tick"))
        assert store.read(run.run, 0, frames=99).block
        run.end()


def test_then_starts_are_refused() -> None:
    """A start that finds no room left is refused with 503; once a run has ended, it finds some."""
    clock = ManualClock()
    store = MemoryStore(store_bytes=500_000, clock=clock)
    runs = [lived(store, f"r{number}", 200_000, frames=1) for number in range(2)]
    with pytest.raises(Unavailable) as refused:
        store.create(run_info("input", key="k", input=b"x" * 100_000))
    assert (refused.value.code, refused.value.retry_after) == ("store_full", 5)
    assert store.live("") == 2
    runs[0].end()
    clock.advance(EVICT_AFTER)
    assert store.create(run_info("input", key="k", input=b"x" * 100_000)).id == "input"
    assert store.find("r0") is None


def test_a_finished_run_that_is_read_loses_frames_only() -> None:
    """Its reader gets a gap, and then the end."""
    store = MemoryStore(store_bytes=500_000)
    producer = lived(store, "r", 300_000)
    leave = store.watch("r", lambda: None)
    producer.end()
    lived(store, "live", 400_000)
    batch = store.read("r", 3, frames=99)
    assert batch.oldest > 4
    assert (batch.over, batch.last) == (True, 12)
    leave()


def test_the_total_is_what_the_runs_have() -> None:
    """After appends, answers, results, drops and deletions, the total is that of the runs that are left."""
    clock = ManualClock()
    store = MemoryStore(store_bytes=300_000, keep_bytes=50_000, retention=10, clock=clock)
    for number in range(8):
        producer = lived(store, f"r{number}", 60_000)
        store.answer(f"r{number}", "q", b"x" * 1000)
        if number % 2:
            producer.write(make_event("result", {"result": "x" * 20_000}))
            producer.end()
    assert store.bytes_used == sum(run.taken for run in store._runs.values()) > 100_000
    clock.advance(60)
    store.sweep()
    assert store.bytes_used == sum(run.taken for run in store._runs.values()) > 0


MEASURE = """
import resource
from streaming import ManualClock, event
from streaming.stores.memory import MemoryStore
from tests.stores.contract import Producer, run_info, start_event

def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

before, clock = memory(), ManualClock()
store = MemoryStore(store_bytes={most}, clock=clock)
for size, frames in {runs}:
    run = f"r{{store.live('')}}-{{store.evicted}}-{{len(store._runs)}}"
    store.create(run_info(run, input=b"x" * 100))
    producer = Producer(store, run, ManualClock())
    producer.append(start_event())
    for _ in range(frames):
        producer.append(event("tick", {{"text": "x" * (size // frames)}}))
        producer.frames.clear()
    if size < 10_000:
        producer.end()
        clock.advance(1)
print(memory() - before)
"""

RUNS = {"live": "[(2_000_000, 200)] * 50", "small": "[(300, 3)] * 20_000"}


@pytest.mark.parametrize("runs", RUNS)
def test_the_memory_of_the_process(runs: str, figures: Figures) -> None:
    """50 live runs that say four times as much, or thousands of small finished ones, stay about within the bound."""
    script = MEASURE.format(most=25_000_000, runs=RUNS[runs])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    taken = int(done.stdout)
    figures.add("memory for a bound of 25 MB", f"{taken / 1e6:.1f} MB")
    assert taken < 1.5 * 25_000_000


def test_a_result_that_refers_to_partials_makes_no_room() -> None:
    """The frames of another run are dropped instead of those that a result refers to."""
    store, clock = MemoryStore(store_bytes=120_000), ManualClock()
    for run in ("whole", "long"):
        store.create(run_info(run))
    whole, long = (Producer(store, run, clock) for run in ("whole", "long"))
    whole.write(start_event())
    for number in range(40):
        whole.write(partial(str(number), "x" * 1_000))
    whole.write(make_event("result", {"result": [{"$partial": str(number)} for number in range(40)]}))
    long.write(start_event())
    for _ in range(200):
        long.write(event("tick", {"text": "x" * 1_000}))
    assert store.read("whole", 0).oldest == 1
    assert store.read("long", 0).oldest > 100


# Other greenlets run meanwhile


def turns(work: Callable[[], object]) -> int:
    """How often another greenlet runs during `work`."""
    count = 0

    def count_turns() -> None:
        nonlocal count
        while True:
            gevent.sleep(0)
            count += 1

    other = gevent.spawn(count_turns)
    gevent.sleep(0)
    before = count
    work()
    other.kill()
    return count - before


def test_many_runs_are_deleted_in_slices() -> None:
    """Runs whose retention has ended together, with one among them that is read and stays."""
    clock = ManualClock()
    store = MemoryStore(retention=10, clock=clock)
    for number in range(5 * SLICE_RUNS):
        store.create(run_info(f"r{number}"))
        Producer(store, f"r{number}", clock).append(start_event(), make_event("done", {"status": "succeeded"}))
    leave = store.watch("r7", lambda: None)
    clock.advance(20)
    assert turns(store.sweep) >= 5
    assert list(store._runs) == ["r7"]
    leave()
    store.sweep()
    assert store.bytes_used == 0


def test_a_start_that_deletes_many_runs_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for its room, and still joins the run that has got its key meanwhile."""
    monkeypatch.setattr("streaming.stores.memory.SLICE_SECONDS", 0.0)
    clock = ManualClock()
    store = MemoryStore(store_bytes=200 * RUN_BYTES, clock=clock)
    for number in range(180):
        store.create(run_info(f"r{number}"))
        Producer(store, f"r{number}", clock).append(start_event(), make_event("done", {"status": "succeeded"}))
    clock.advance(EVICT_AFTER)
    large = bytes(100 * RUN_BYTES)
    both = [gevent.spawn(store.create, run_info(run, key="k", digest="d", input=large)) for run in ("one", "two")]
    assert turns(lambda: gevent.joinall(both, raise_error=True)) > 10
    assert {each.value.id for each in both if each.value} == {both[0].value.id}  # type: ignore[union-attr]
    assert store.bytes_used <= 200 * RUN_BYTES


def test_a_large_run_is_freed_in_slices() -> None:
    """The frames of a run that is erased go a few thousand at a time."""
    store, clock = MemoryStore(), ManualClock()
    store.create(run_info("r"))
    producer = Producer(store, "r", clock)
    producer.append(start_event(), *(event("tick") for _ in range(3 * TRIM_FRAMES)))
    producer.append(make_event("done", {"status": "succeeded"}))
    frames = store._runs["r"].frames
    assert store.erase("r")
    assert store.find("r") is None
    assert len(frames) > 2 * TRIM_FRAMES
    assert turns(lambda: until(lambda: not frames, "all are freed")) >= 2


# A run that is far ahead of its viewers


def test_a_run_far_ahead_of_its_viewers_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits until the furthest one has read on, or for a moment, after which it may go a little further."""
    monkeypatch.setattr("streaming.stores.recent.LONGEST", 600.0)
    monkeypatch.setattr("streaming.stores.recent.AHEAD_SECONDS", 600.0)
    store, clock, written = MemoryStore(), ManualClock(), 0
    store.create(run_info("r"))
    producer = Producer(store, "r", clock)
    producer.append(start_event())

    def produce() -> None:
        nonlocal written
        while True:
            producer.append(event("tick", {"text": "x" * 10_000}))
            written += 10_000
            store.wait_for_viewers("r")
            gevent.sleep(0)

    work = gevent.spawn(produce)
    until(lambda: written > SHORT_LOG, "without viewers nothing holds it up")
    store.count("r", +1)
    gevent.sleep(0.01)
    stopped = written
    assert turns(lambda: gevent.sleep(0.05)) > 10
    assert written == stopped
    after, reads = 0, 0
    while after < producer.recorder.last - AHEAD_BYTES // 2 // 10_000:
        assert written == stopped
        after, reads = store.read("r", after).last, reads + 1
    assert reads > 5
    until(lambda: written > stopped, "it goes on")
    stopped = 0
    while stopped < written:
        stopped = written
        gevent.sleep(0.01)
    assert store._runs["r"].ahead < AHEAD_BYTES + 20_000
    monkeypatch.setattr("streaming.stores.recent.AHEAD_SECONDS", 0.01)
    store._runs["r"]._read.set()  # type: ignore[union-attr]
    until(lambda: written > stopped + 2 * AHEAD_STEP, "a viewer that never reads does not stop it")
    stopped = written
    monkeypatch.setattr("streaming.stores.recent.AHEAD_SECONDS", 600.0)
    gevent.sleep(0.05)
    store.count("r", -1)
    until(lambda: written > stopped + 20 * AHEAD_BYTES, "once it has left, nothing does")
    work.kill()
