"""The store in memory."""

from __future__ import annotations

from typing import Any

from streaming import ManualClock, MemoryStore, event
from streaming.stores.base import Store
from tests.clients import parse_frames
from tests.stores.contract import Producer, StoreContract, run_info, start_event


class TestMemoryStore(StoreContract):
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
