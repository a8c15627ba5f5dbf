"""The contract of the queue of a store: limits, turns, priorities, places. `store` is an empty store.

What takes several claimers is in `SharedQueueContract`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import gevent
import pytest

from streaming import ManualClock
from streaming.errors import TooMany, Unavailable
from streaming.protocol.events import make_event
from streaming.protocol.limits import NO_LIMITS, Limits
from streaming.stores.base import Record, Store
from streaming.stores.shared import SharedStore
from tests.stores.contract import Producer, run_info, start_event, until

TWO = Limits(concurrency=2)
FOUR = Limits(concurrency=4, per_client=2)


def create(store: Store, run: str, client: str = "", limits: Limits = TWO, **options: Any) -> bool:
    """Creates a run of which another worker can begin, too; gives whether it is at work."""
    named = {name: options.pop(name) for name in ("operation", "key", "digest", "input") if name in options}
    assert store.create(run_info(run, client, **{"input": b"{}", **named}), limits=limits, **options).id == run
    record = store.find(run)
    assert record is not None
    return record.status == "running"


def end(store: Store, run: str) -> None:
    """Ends a run of the worker of `store`."""
    record = store.find(run)
    assert record is not None
    producer = Producer(store, run, ManualClock())
    producer.write(start_event(run=run), make_event("done", {"status": "succeeded", "elapsed": 0.0}))


def claimed(store: Store, most: int = 9, limits: Limits = TWO) -> list[str]:
    """The runs that a worker claims, all of one operation."""
    return names(store.claim(most, {"count": limits}))


def names(records: Any) -> list[str]:
    """The ids of runs."""
    return [record.info.id for record in records]


class Works:
    """Runs at work, and the most that were so at a time: of all (`""`), and of each client, the first letter."""

    def __init__(self) -> None:
        self.most: Counter[str] = Counter()
        self.done: list[str] = []
        self._at_work: Counter[str] = Counter()

    def begin(self, store: Store, run: str) -> None:
        """Begins a run, which ends soon."""
        for name in ("", run[0]):
            self._at_work[name] += 1
            self.most[name] = max(self.most[name], self._at_work[name])
        gevent.spawn(self._work, store, run)

    def _work(self, store: Store, run: str) -> None:
        gevent.sleep(0.002)
        for name in ("", run[0]):
            self._at_work[name] -= 1
        end(store, run)
        self.done.append(run)


class QueueContract:
    """The tests; they go into a class of `StoreContract`."""

    def test_runs_beyond_the_concurrency_wait(self, store: Store) -> None:
        """Where there is room they are at work at once; an end lets the next one begin."""
        assert [create(store, f"r{number}") for number in range(4)] == [True, True, False, False]
        assert store.find("r2").status == "queued"  # type: ignore[union-attr]
        assert not store.queued({"count": TWO}, 1)
        assert claimed(store) == []
        end(store, "r0")
        store.flush()
        assert store.queued({"count": TWO}, 1)
        assert claimed(store) == ["r2"]
        assert store.find("r2").status == "running"  # type: ignore[union-attr]
        assert claimed(store) == []

    def test_no_start_overtakes_the_queue(self, store: Store) -> None:
        """Whatever room there is, what waits comes first."""
        assert [create(store, f"r{number}") for number in range(3)] == [True, True, False]
        end(store, "r0")
        store.flush()
        assert not create(store, "r3")
        assert claimed(store) == ["r2"]

    def test_the_concurrency_of_one_owner(self, store: Store) -> None:
        """Others begin at once, and a queue of those that may not begin holds nobody up."""
        both = Limits(concurrency=3, per_client=1)
        assert [create(store, f"a{number}", "ann", both) for number in range(3)] == [True, False, False]
        assert [create(store, f"b{number}", "bob", both) for number in range(2)] == [True, False]
        assert claimed(store, limits=both) == []
        assert create(store, "c0", "cem", both)
        end(store, "b0")
        store.flush()
        assert claimed(store, limits=both) == ["b1"]

    def test_owners_take_turns(self, store: Store) -> None:
        """Many runs of one hold up nobody; of one owner they come in the order of their starts."""
        one = Limits(concurrency=1)
        assert create(store, "a0", "ann", one)
        for number in range(1, 5):
            create(store, f"a{number}", "ann", one)
        for run, client in (("b0", "bob"), ("c0", "cem"), ("b1", "bob")):
            create(store, run, client, one)
        order, run = [], "a0"
        while run:
            end(store, run)
            store.flush()
            run = next(iter(claimed(store, limits=one)), "")
            order.append(run)
        assert order == ["b0", "c0", "a1", "b1", "a2", "a3", "a4", ""]

    def test_an_owner_that_comes_back_has_had_its_turn(self, store: Store) -> None:
        """One that queues its runs one by one gets no more than one that has queued many."""
        one = Limits(concurrency=1)
        assert create(store, "b0", "bob", one)
        for number in range(4):
            create(store, f"a{number}", "ann", one)
        order, run = [], "b0"
        for number in range(1, 4):
            create(store, f"b{number}", "bob", one)
            end(store, run)
            store.flush()
            (run,) = claimed(store, limits=one)
            order.append(run)
        assert order == ["a0", "b1", "a1"]

    def test_several_are_claimed_in_turn(self, store: Store) -> None:
        """As many as there is room for."""
        for client in ("ann", "bob"):
            for number in range(3):
                create(store, f"{client}{number}", client, NO_LIMITS, wait=True)
        assert claimed(store, 5, Limits(concurrency=4)) == ["ann0", "bob0", "ann1", "bob1"]

    def test_a_higher_priority_comes_first(self, store: Store) -> None:
        """Of several operations, whenever their runs were started; one without room holds up no other."""
        limits = {
            "count": NO_LIMITS,
            "urgent": Limits(priority=5),
            "late": Limits(priority=-1),
            "full": Limits(1, None, 9),
        }
        assert create(store, "f0", operation="full", limits=limits["full"])
        for operation, run in (("late", "l0"), ("count", "c0"), ("urgent", "u0"), ("full", "f1"), ("urgent", "u1")):
            create(store, run, operation=operation, limits=limits[operation], wait=True)
        assert names(store.claim(1, limits)) == ["u0"]
        assert names(store.claim(9, limits)) == ["u1", "c0", "l0"]

    def test_the_places(self, store: Store) -> None:
        """How many begin before a run, and one: owners take turns."""
        one = Limits(concurrency=1)
        create(store, "a0", "ann", one)
        for run, client in (("a1", "ann"), ("a2", "ann"), ("a3", "ann"), ("b0", "bob"), ("b1", "bob")):
            create(store, run, client, one)
        asked = ["a1", "a2", "a3", "b0", "b1", "a0", "unknown"]
        waiting = store.waiting("count", asked)
        assert waiting.places() == {"b0": 1, "a1": 2, "b1": 3, "a2": 4, "a3": 5}
        assert (waiting.at_work, waiting.seconds) == (1, None)
        assert store.waiting("other", asked).places() == {}
        for taken in (8.0, 4.0):
            store.measure("count", taken)
        store.flush()
        seconds = store.waiting("count", asked).seconds
        assert seconds is not None
        assert 4.0 < seconds < 8.0

    def test_a_run_that_is_taken_to_end_it(self, store: Store) -> None:
        """Whatever the limits are; the others move up, and it is at work no more once it has ended."""
        one = Limits(concurrency=1)
        for number in range(3):
            create(store, f"r{number}", limits=one)
        taken = store.claim_run("r1")
        assert taken is not None
        assert taken.info.id == "r1"
        assert store.claim_run("r1") is None
        assert store.claim_run("r0") is None
        end(store, "r1")
        end(store, "r0")
        store.flush()
        assert claimed(store, limits=one) == ["r2"]

    def test_queued_runs_of_a_worker_that_is_full(self, store: Store) -> None:
        """It refuses what would be at work, and takes what has to wait."""
        one = Limits(concurrency=1)
        with pytest.raises(Unavailable) as refused:
            create(store, "r0", limits=one, full=True)
        assert refused.value.code == "too_many_runs"
        assert store.find("r0") is None
        assert create(store, "r1", limits=one)
        assert not create(store, "r2", limits=one, full=True)

    def test_a_queued_run_and_the_limit_of_its_client(self, store: Store) -> None:
        """It counts as a live one; its key joins it."""
        one = Limits(concurrency=1)
        assert create(store, "r0", "ann", one, limit=2)
        assert not create(store, "r1", "ann", one, limit=2, key="k", digest="d")
        assert store.live("ann") == 2
        with pytest.raises(TooMany):
            create(store, "r2", "ann", one, limit=2)
        assert store.create(run_info("r3", "ann", key="k", digest="d"), limits=one, limit=2).id == "r1"

    def test_the_queued_runs_are_listed(self, store: Store) -> None:
        """As queued, then as running, and as what they have become."""

        def listed(status: str) -> list[str]:
            return names(store.page(owner="", operation="count", status=status, limit=9, before=None))

        one = Limits(concurrency=1)
        for number in range(3):
            create(store, f"r{number}", limits=one)
        assert (listed("queued"), listed("running")) == (["r2", "r1"], ["r0"])
        end(store, "r0")
        store.flush()
        claimed(store, limits=one)
        assert (listed("queued"), listed("running"), listed("succeeded")) == (["r2"], ["r1"], ["r0"])


class SharedQueueContract:
    """The tests of several workers; they go into a class of `SharedStoreContract`."""

    def test_two_workers_never_exceed_a_limit(self, worker: Any) -> None:
        """Whoever claims at the same time, and whoever starts runs meanwhile."""
        stores: list[SharedStore] = [worker() for _ in range(3)]
        works = Works()

        def start(number: int) -> None:
            store, client = stores[number % 3], "abc"[number % 3]
            for each in range(5):
                if create(store, f"{client}{number}-{each}", client, FOUR):
                    works.begin(store, f"{client}{number}-{each}")

        def claim(store: SharedStore) -> None:
            while len(works.done) < 45:
                for run in claimed(store, 3, FOUR):
                    works.begin(store, run)
                gevent.sleep(0.001)

        with gevent.Timeout(60, AssertionError("the runs do not end")):
            gevent.joinall([gevent.spawn(start, number) for number in range(9)], raise_error=True)
            gevent.joinall([gevent.spawn(claim, store) for store in stores], raise_error=True)
        assert len(set(works.done)) == 45
        assert works.most.pop("") <= 4
        assert max(works.most.values()) <= 2

    def test_another_worker_claims_what_one_keeps(self, worker: Any) -> None:
        """With its events, and the worker that kept it writes no more; the one that kept it can claim it, too."""
        one, two = worker(), worker()
        for number in range(3):
            create(one, f"r{number}", limits=NO_LIMITS, wait=True)
        producer = Producer(one, "r0", ManualClock())
        producer.write(start_event(run="r0"))
        (record,) = two.claim(1, {"count": NO_LIMITS})
        assert (record.info.id, record.fold.last_event_id, record.attempt) == ("r0", 1, 1)
        with gevent.Timeout(20, AssertionError("it is not told")):
            while one.control("r0").lost is None:
                gevent.sleep(0.01)
        assert one.find("r0").status == "running"
        assert claimed(one, 1, NO_LIMITS) == ["r1"]
        assert one.control("r1").lost is None
        end(one, "r1")
        one.flush()
        assert two.find("r1").status == "succeeded"

    def test_a_run_without_its_input_waits_for_its_worker(self, worker: Any) -> None:
        """Others cannot begin it; they go on with the next one."""
        one, two = worker(), worker()
        create(one, "r0", limits=NO_LIMITS, wait=True, input=None)
        create(one, "r1", limits=NO_LIMITS, wait=True)
        assert claimed(two, 9, NO_LIMITS) == ["r1"]
        assert not two.queued({"count": NO_LIMITS}, 1)
        assert claimed(one, 9, NO_LIMITS) == ["r0"]

    def test_a_run_with_files_waits_until_they_are_kept(self, worker: Any) -> None:
        """Then others take it, too."""
        one, two = worker(), worker()
        create(one, "r0", limits=NO_LIMITS, wait=True, input=b'\n{"/uploads":["d1"]}\n{}')
        assert claimed(two, 9, NO_LIMITS) == []
        one.share("r0")
        assert claimed(two, 9, NO_LIMITS) == ["r0"]

    def test_a_late_claim_of_what_a_worker_keeps(self, worker: Any) -> None:
        """The run stays with the worker that keeps it, or is nobody's if that was another one."""
        one, two = worker(), worker()
        for store, run, keeper in ((one, "r0", one.worker), (two, "r1", "queue")):
            create(one, run, limits=NO_LIMITS, wait=True)
            step = store.driver.claim(store.worker, 9, run, {"count": NO_LIMITS})
            assert [each.record.info.id for each in store._execute(step)] == [run]
            store._execute(store.driver.unclaim(store.worker, run))
            (state,) = one.driver.query(one.driver.changes(one.worker, {run: None}))
            assert state is not None
            assert state.worker == keeper
            found = two.find(run)
            assert found is not None
            assert found.status == "queued"
            assert two.claim_run(run) is not None

    def test_the_worker_of_a_queued_run_dies(self, worker: Any) -> None:
        """Another one keeps it: it is queued as before, with its attempts and its place."""
        from tests.stores.shared_contract import crash

        one, two = worker(lease=0.3), worker(lease=0.3)
        for number in range(2):
            create(one, f"r{number}", limits=NO_LIMITS, wait=True)
        crash(one)
        adopted: list[Record] = []

        def adopt() -> bool:
            adopted.extend(two.adopt_orphans())
            return len(adopted) == 2

        until(adopt, "both are adopted")
        assert {(record.status, record.attempt) for record in adopted} == {("queued", 1)}
        found = two.find("r0")
        assert found is not None
        assert (found.status, found.attempt) == ("queued", 1)
        third = worker()
        assert claimed(third, 9, NO_LIMITS) == ["r0", "r1"]
        assert not two.adopt_orphans()

    def test_a_run_has_begun_once_it_has_an_event(self, worker: Any) -> None:
        """After its claim: those before are of the worker that kept it."""
        from tests.stores.shared_contract import crash

        one, two, third = worker(lease=0.3), worker(lease=0.3), worker(lease=0.3)
        for number in range(2):
            create(one, f"r{number}", limits=NO_LIMITS, wait=True)
            Producer(one, f"r{number}", ManualClock()).write(start_event(run=f"r{number}"))
        records = two.claim(2, {"count": NO_LIMITS})
        producer = Producer(two, "r1", ManualClock())
        producer.recorder.fold, producer.recorder.last = records[1].fold, records[1].fold.last_event_id
        producer.write(make_event("tick", {}))
        crash(two)
        adopted: list[Record] = []

        def adopt() -> bool:
            adopted.extend(third.adopt_orphans())
            return len(adopted) == 2

        until(adopt, "both are adopted")
        assert {record.info.id: record.begun for record in adopted} == {"r0": False, "r1": True}
