"""A Redis that has lost what it acknowledged a moment ago, as a replica has that becomes the primary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from streaming import ManualClock, event
from streaming.protocol.events import make_event
from streaming.protocol.recorder import Recorder
from streaming.stores.redis.connection import Connection
from streaming.stores.redis.store import RedisStore
from tests.servers import Server, redis
from tests.stores.contract import Producer, run_info, until
from tests.stores.shared_contract import COUNT, Reader, crash, ids, read_all, soon, start_run, watching

pytestmark = pytest.mark.live

Make: TypeAlias = Callable[..., Any]
"""Makes the store of a worker."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis without persistence."""
    with redis() as server:
        yield server


class Replica:
    """What a replica has that has stopped to follow; `lead` makes it the primary."""

    def __init__(self, direct: Connection) -> None:
        self._direct = direct
        (keys,) = direct.execute([("KEYS", "*")])
        dumps = direct.execute([call for key in keys for call in (("DUMP", key), ("PTTL", key))])
        self._kept = [(key, max(ttl, 0), dump) for key, dump, ttl in zip(keys, dumps[::2], dumps[1::2], strict=True)]

    def lead(self) -> None:
        """Puts back what it has, and cuts all connections."""
        restore = [("RESTORE", key, ttl, dump) for key, ttl, dump in self._kept]
        replies = self._direct.execute([("MULTI",), ("FLUSHALL",), *restore, ("EXEC",)])
        assert not [reply for reply in replies[-1] if isinstance(reply, Exception)]
        self._direct.execute([("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")])


def done(producer: Producer) -> None:
    """Ends a run."""
    producer.write(make_event("done", {"status": "succeeded"}))


def has(store: RedisStore, run: str, last: int) -> None:
    """Waits until the store has all events of a run up to number `last`, and no other."""
    until(lambda: ids(read_all(store, run)) == list(range(1, last + 1)), f"run {run} has {last} events")


def test_silent_runs_and_ended_ones(direct: Connection, worker: Make) -> None:
    """Producers write what is lost again, though their runs are silent, or have ended since, or even begun."""
    store, reader = worker(), worker()
    silent, ended = start_run(store, "silent"), start_run(store, "ended")
    replica = Replica(direct)
    silent.write(event("tick"))
    ended.write(event("tick"))
    done(ended)
    done(start_run(store, "short", owner="ann"))
    replica.lead()
    has(reader, "silent", 2)
    has(reader, "ended", 3)
    until(lambda: reader.find("short") is not None, "the short run is there")
    has(reader, "short", 2)
    assert [reader.find(run).status for run in ("silent", "ended", "short")] == ["running", "succeeded", "succeeded"]
    assert reader.live("ann") == 0
    done(silent)


def test_an_erased_run_stays_erased(direct: Connection, worker: Make) -> None:
    """Its producer does not write it again, whoever has erased it."""
    store, other = worker(), worker()
    for run in ("here", "elsewhere"):
        done(start_run(store, run))
    assert store.erase("here")
    assert other.erase("elsewhere")
    direct.execute([("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")])
    start_run(store, "other").write(event("tick"))
    until(lambda: not store.driver.may_have_lost() and not store._unwritten, "the producer has compared")
    assert other.find("here") is other.find("elsewhere") is None


def test_a_lost_takeover(direct: Connection, worker: Make) -> None:
    """Who has taken a run over takes it again; what the one before has written since is dropped, and it is fenced."""
    dead, reader = worker(lease=0.3), worker()
    producer = start_run(dead)
    producer.write(event("tick"))
    crash(dead)
    replica = Replica(direct)
    heir = worker(lease=0.3)
    until(heir.adopt_orphans, "the run is taken over")
    successor = taken_over(heir, "r")
    with watching(reader, "r") as seen:
        successor.write(event("mine"), event("tock"))
        soon(lambda: len(seen) == 4, "the viewer keeps up")
        replica.lead()
        late: Any = ("first", 3, "frames", b"id: 3\nevent: late\ndata: {}\n\n", "over", "")
        direct.execute([("XADD", "headway:run:r:events", "3-0", *late), ("HSET", "headway:run:r", "last", 3)])
        has(reader, "r", 4)
        successor.write(event("tock"))
        soon(lambda: len(seen) == 5, "the viewer goes on")
        assert [message.event for message in seen] == ["start", "tick", "mine", "tock", "tock"]
    assert [message.event for message in read_all(worker(), "r")] == ["start", "tick", "mine", "tock", "tock"]
    assert direct.execute([("HGET", "headway:run:r", "epoch")]) == [b"2"]
    assert not heir.control("r").lost
    done(successor)


def test_a_takeover_that_another_has_made_again(direct: Connection, worker: Make) -> None:
    """The epoch is given twice then: viewers go back to where the second one begins."""
    dead, reader = worker(lease=0.3), worker()
    start_run(dead)
    crash(dead)
    replica = Replica(direct)
    first = worker(lease=0.3)
    until(first.adopt_orphans, "the run is taken over")
    successor = taken_over(first, "r")
    viewer = Reader(reader, "r")
    successor.write(event("mine"), event("lost"))
    until(
        lambda: viewer.after == 3 and reader._runs["r"].seen_last == 3, "the viewer keeps up, and its worker has asked"
    )
    crash(first)
    replica.lead()
    second = worker(lease=0.3)
    until(second.adopt_orphans, "the run is taken over again")
    again = taken_over(second, "r")
    again.write(event("mine"))
    until(lambda: viewer.after == 2, "the viewer goes back")
    done(again)
    until(lambda: viewer.over, "the viewer comes to the end")
    assert (viewer.back, viewer.seen) == ([1], [1, 2, 3, 2, 3])
    viewer.leave()


def test_a_lost_claim(direct: Connection, worker: Make) -> None:
    """A run that waits again in the queue goes on where it was claimed."""
    store = worker()
    store.create(run_info("q"), queued=True)
    replica = Replica(direct)
    (record,) = store.claim(1, COUNT)
    assert record.info.id == "q"
    producer = taken_over(store, "q")
    producer.write(make_event("start", {}), event("tick"))
    replica.lead()
    has(worker(), "q", 2)
    assert not store.claim(1, COUNT)
    assert store.find("q").status == "running"
    done(producer)


def taken_over(store: RedisStore, run: str) -> Producer:
    """The producer of a run that `store` has taken over."""
    producer = Producer(store, run, ManualClock())
    producer.recorder = Recorder(ManualClock(), fold=replace(store._runs[run].recent.fold))
    return producer
