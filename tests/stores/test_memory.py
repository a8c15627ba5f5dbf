"""The event log in memory."""

from __future__ import annotations

from typing import Any

from streaming import ManualClock, MemoryStore, event
from streaming.stores.base import Store
from tests.clients import parse_frames
from tests.stores.contract import EventLogContract, Producer, opened, start


class TestMemoryLog(EventLogContract):
    """It keeps the contract."""

    def make(self, **said: Any) -> Store:
        """In memory."""
        return MemoryStore(**said)


def trimmed(keep_bytes: int) -> tuple[MemoryStore, Producer]:
    """A log that keeps little, and a run of a hundred events in it."""
    log, clock = MemoryStore(keep_bytes=keep_bytes), ManualClock()
    log.create(opened("r"))
    producer = Producer(log, "r", clock)
    producer.write(start())
    for number in range(99):
        producer.write(event("tick", {"n": number}))
    return log, producer


def test_a_reader_is_told_of_a_gap() -> None:
    """Where frames between a reader and the oldest one are gone, the batch says where it begins instead."""
    log, producer = trimmed(4000)
    batch = log.read("r", 3, frames=5)
    assert batch.oldest > 4
    assert [message.id for message in parse_frames(batch.block)] == list(range(batch.oldest, batch.oldest + 5))
    assert batch.last == batch.oldest + 4
    kept = producer.frames[batch.oldest - 1 :]
    assert 4000 - 4000 // 8 - 100 < sum(map(len, kept)) <= 4000


def test_the_newest_frame_is_kept_however_large() -> None:
    """A frame that is larger than what a run may keep pushes out all others, and stays."""
    log, producer = trimmed(1000)
    producer.write(event("large", {"text": "x" * 5000}))
    batch = log.read("r", 0)
    assert (batch.block, batch.oldest, batch.last) == (producer.frames[-1], 101, 101)


def test_a_run_that_is_read_stays_for_its_reader() -> None:
    """A finished run that somebody still watches is there until nobody does."""
    clock = ManualClock()
    log = MemoryStore(retention=10, clock=clock)
    log.create(opened("r"))
    producer = Producer(log, "r", clock)
    producer.write(start())
    leave = log.watch("r", lambda: None)
    producer.end()
    clock.advance(60)
    log.sweep()
    assert log.read("r", 0).over
    leave()
    log.sweep()
    assert log.find("r") is None


def test_readers_that_keep_up_share_their_bytes() -> None:
    """Viewers who ask for the same frames get the same object: it is joined once for all of them."""
    log, producer = trimmed(10**6)
    assert log.read("r", 90).block is log.read("r", 90).block
    assert log.read("r", 90).block == b"".join(producer.frames[90:])
