"""Runs that go on in another worker: from a checkpoint, after a death, a pause or a stop of the one that had them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import gevent
import orjson
import pytest

import streaming.runs.runner
from streaming import Operation, checkpoint, current_run, delta, operation, partial, progress, result
from streaming.runs.runner import Runner
from streaming.runs.signature import NoInput
from streaming.settings import Settings
from streaming.stores.redis.store import RedisStore
from streaming.stores.shared import SharedStore
from streaming.stores.sqlite.store import SqliteStore
from tests.clients import Message
from tests.live.workers import STORES, store_in
from tests.stores.contract import until
from tests.stores.shared_contract import lapse, read_all
from tests.worlds import LOOPS, PLACES, Place, Stage, World, entered

LEASE: Final = 3.0
"""Seconds, longer than a stall of the machine: a worker that dies here leaves none (`die`)."""
PAGES: Final = 4
FOREVER: Final = 3600.0

MakeRunner = Callable[..., Runner]
Work = Generator[Any, Any, Any]

seen: list[Any] = []
"""What the operations have done, in this process."""


def pages() -> Work:
    """Reads pages, with a checkpoint after each; in its first attempt it waits after the second."""
    run = current_run()
    first = 1 if run.checkpoint is None else run.checkpoint["next"]
    for page in range(first, PAGES + 1):
        yield partial(f"page-{page}", page)
        yield progress(done=page, total=PAGES)
        yield checkpoint({"next": page + 1})
        if page == 2 and run.attempt == 1:
            yield delta("comes too late")
            yield progress(done=3, total=PAGES)
            time.sleep(FOREVER)
    return [run.attempt, first]


@operation(retries=1, linger=None)
def in_greenlet() -> Work:
    """The pages."""
    return (yield from pages())


@operation(retries=1, linger=None, runs_in="thread")
def in_thread() -> Work:
    """The pages."""
    return (yield from pages())


@operation(retries=1, linger=None, runs_in="process")
def in_process() -> Work:
    """The pages."""
    return (yield from pages())


@operation(retries=1, linger=None, runs_in="asyncio")
async def in_asyncio() -> AsyncIterator[Any]:
    """The pages."""
    import asyncio

    run = current_run()
    first = 1 if run.checkpoint is None else run.checkpoint["next"]
    for page in range(first, PAGES + 1):
        yield partial(f"page-{page}", page)
        yield progress(done=page, total=PAGES)
        yield checkpoint({"next": page + 1})
        if page == 2 and run.attempt == 1:
            yield delta("comes too late")
            yield progress(done=3, total=PAGES)
            await asyncio.sleep(FOREVER)
    yield result([run.attempt, first])


EXECUTORS: Final = [in_greenlet, in_thread, in_process, in_asyncio]


@operation(retries=2, linger=None)
def stubborn() -> Iterator[Any]:
    """Waits in each attempt."""
    run = current_run()
    seen.append(("begins", run.attempt, run.checkpoint))
    yield progress("at work")
    yield checkpoint(run.attempt)
    seen.append(("has kept", run.attempt))
    try:
        gevent.sleep(FOREVER)
    finally:
        seen.append(("ends", run.attempt))


@operation(retries=1, linger=None)
def yields_late() -> Iterator[Any]:
    """In its first attempt it goes on once the second has begun."""
    yield from late(progress("late"))


@operation(retries=1, linger=None)
def keeps_late() -> Iterator[Any]:
    """The same with a checkpoint."""
    yield from late(checkpoint("late"))


@operation(retries=1, linger=None, runs_in="thread")
def keeps_late_in_a_thread() -> Iterator[Any]:
    """The same in a thread."""
    yield from late(checkpoint("late"))


def late(item: Any) -> Iterator[Any]:
    """Yields an item late, and notes what it gets to do after it."""
    attempt = current_run().attempt
    yield checkpoint("early")
    if attempt == 1:
        while "second" not in seen:
            time.sleep(0.001)
        yield item
        seen.append("too late")
    else:
        assert current_run().checkpoint == "early"
        seen.append("second")
        while "fenced" not in seen:
            time.sleep(0.001)


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The hub of this thread."""
    seen.clear()
    monkeypatch.setattr(streaming.runs.runner, "MAINTENANCE", 0.05)
    with entered("own hub") as world:
        monkeypatch.setattr(time, "sleep", gevent.sleep)
        yield world


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store."""
    with store_in(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def make(url: str, world: World) -> Iterator[MakeRunner]:
    """Makes the runner of one more worker of the store."""
    runners: list[Runner] = []

    def make(*operations: Operation, serving: bool = True) -> Runner:
        if url.startswith("sqlite:///"):
            store: SharedStore = SqliteStore(url.removeprefix("sqlite:///"), lease=LEASE)
        else:
            store = RedisStore(url, lease=LEASE)
        runners.append(Runner(operations, store, Settings(), world.worker, serving=lambda: serving))
        return runners[-1]

    yield make
    for runner in runners:
        assert isinstance(runner.store, SharedStore)
        has_crashed = not runner.store._greenlets  # and writes nothing more
        runner.store._closed = runner.store._writer.closed = has_crashed
        runner.close()


def start(runner: Runner, what: Operation) -> str:
    """Starts a run, and gives its id."""
    run, _ = runner.start(what, NoInput())
    return run


def events(runner: Runner, run: str) -> list[Message]:
    """The events so far, as the viewers of a worker get them."""
    return read_all(runner.store, run)


def names(runner: Runner, run: str) -> list[str]:
    """Their names."""
    return [message.event for message in events(runner, run)]


def die(store: SharedStore) -> None:
    """Leaves what a SIGKILL leaves once the lease has lapsed."""
    gevent.killall(store._greenlets)
    store._greenlets = []
    lapse(store)


def store_of(runner: Runner) -> SharedStore:
    """Its store."""
    assert isinstance(runner.store, SharedStore)
    return runner.store


@pytest.mark.parametrize("what", EXECUTORS, ids=lambda what: what.runs_in)
def test_the_next_attempt_begins_at_the_checkpoint(make: MakeRunner, what: Operation) -> None:
    """In every executor: it finds the value, `after` is the last event before it, and what came later is sent again."""
    dying = make(what)
    run = start(dying, what)
    until(lambda: names(dying, run).count("progress") == 3, "it waits")
    die(store_of(dying))
    taker = make(what)
    until(lambda: taker.find(run, None).status == "succeeded", "it has ended")
    messages = events(taker, run)
    (attempt,) = [message for message in messages if message.event == "attempt"]
    assert {"attempt": 2, "reason": "producer_lost", "after": 5}.items() <= attempt.json.items()
    assert [message.json["key"] for message in messages if message.event == "partial"] == [
        *("page-1", "page-2"),
        *("page-3", "page-4"),
    ]
    assert messages[-2].json["result"] == [2, 3]
    assert "checkpoint" not in names(taker, run)
    assert [message.id for message in messages] == list(range(1, len(messages) + 1))


def test_the_snapshot_goes_back_to_the_checkpoint(make: MakeRunner) -> None:
    """Its progress is what it was then, and it says which attempt it is."""

    @operation(name="in_greenlet", retries=1, linger=None)
    def waits() -> Iterator[Any]:
        """Begins, and does nothing."""
        yield from ()
        gevent.sleep(FOREVER)

    dying = make(in_greenlet)
    run = start(dying, in_greenlet)
    until(lambda: names(dying, run).count("progress") == 3, "it waits")
    assert orjson.loads(dying.find(run, None).snapshot())["progress"]["done"] == 3
    die(store_of(dying))
    taker, reader = make(waits), make(serving=False)
    until(lambda: "attempt" in names(taker, run), "it goes on")
    until(lambda: "attempt" in names(reader, run), "others see it")
    for runner in (taker, reader):
        snapshot = orjson.loads(runner.find(run, None).snapshot())
        assert (snapshot["progress"]["done"], snapshot["attempt"]) == (2, 2)


def test_without_a_checkpoint_it_begins_again(make: MakeRunner) -> None:
    """`after` is 0, `current_run().checkpoint` is `None`, and after the last attempt the run has lost its producer."""

    @operation(retries=1, linger=None)
    def forgetful() -> Iterator[Any]:
        """Keeps nothing."""
        seen.append(current_run().checkpoint)
        yield progress("at work")
        gevent.sleep(FOREVER)

    first = make(forgetful)
    run = start(first, forgetful)
    until(lambda: "progress" in names(first, run), "it works")
    die(store_of(first))
    second = make(forgetful)
    until(lambda: names(second, run).count("progress") == 2, "it works again")
    assert [message.json["after"] for message in events(second, run) if message.event == "attempt"] == [0]
    assert seen == [None, None]
    die(store_of(second))
    third = make(forgetful)
    until(lambda: third.find(run, None).status == "failed", "it has ended")
    assert names(third, run)[-2:] == ["error", "done"]
    assert b'"producer_lost"' in (third.find(run, None).fold.error or b"")


def test_a_worker_that_stops_hands_its_runs_over(make: MakeRunner) -> None:
    """The next one begins once the work has ended there; a hand-over counts, and the last attempt is cancelled."""
    runners = [make(stubborn)]
    run = start(runners[0], stubborn)
    for attempt in (1, 2, 3):
        until(lambda: ("has kept", attempt) in seen, "it works")  # noqa: B023  # used at once
        if attempt < 3:
            runners.append(make(stubborn))
        runners[attempt - 1].stop()
    assert seen == [
        *(("begins", 1, None), ("has kept", 1), ("ends", 1)),
        *(("begins", 2, 1), ("has kept", 2), ("ends", 2)),
        *(("begins", 3, 2), ("has kept", 3), ("ends", 3)),
    ]
    messages = events(runners[-1], run)
    attempts = [message.json for message in messages if message.event == "attempt"]
    assert [(each["attempt"], each["reason"], each["after"]) for each in attempts] == [
        (2, "shutdown", 2),
        (3, "shutdown", 4),
    ]
    assert messages[-1].json["status"] == "cancelled"
    assert messages[-1].json["reason"] == "shutdown"


def test_a_worker_that_stops_takes_nothing_back(make: MakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was looking for orphans as it was told to stop."""
    runner = make(stubborn)
    start(runner, stubborn)
    until(lambda: ("has kept", 1) in seen, "it works")
    looks, adopt = [], runner.store.adopt_orphans

    def look(operations: Any) -> Any:
        looks.append(operations)
        gevent.sleep(0.2)
        return adopt(operations)

    monkeypatch.setattr(runner.store, "adopt_orphans", look)
    until(lambda: looks, "it looks")
    runner.stop()
    gevent.sleep(0.3)
    assert ("ends", 1) in seen
    assert ("begins", 2, 1) not in seen


def test_an_attempt_from_the_queue_begins_once_its_event_is_kept(
    make: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is cut off before begins nothing, so that the next one may begin the same attempt."""
    first = make(stubborn)
    start(first, stubborn)
    until(lambda: ("has kept", 1) in seen, "it works")
    second, written = make(stubborn), []
    append = second.store.append
    monkeypatch.setattr(second.store, "append", lambda *block: written.append(block))
    monkeypatch.setattr(second, "_adopt", lambda orphan: second.requeue(replace(orphan, attempt=2)))
    die(store_of(first))
    until(lambda: written, "the attempt is written")
    assert b"event: attempt" in b"".join(written[0][1].frames)
    gevent.sleep(0.05)
    assert ("begins", 2, 1) not in seen
    append(*written[0])
    monkeypatch.undo()
    until(lambda: ("begins", 2, 1) in seen, "it begins")


def test_a_run_that_is_cancelled_is_not_handed_over(make: MakeRunner) -> None:
    """Its cancel came first."""
    runner = make(stubborn)
    run = start(runner, stubborn)
    until(lambda: ("has kept", 1) in seen, "it works")
    runner.cancel(run, None)
    runner.stop()
    until(lambda: runner.find(run, None).status == "cancelled", "it has ended")


@pytest.mark.parametrize("what", [yields_late, keeps_late, keeps_late_in_a_thread], ids=lambda what: what.name)
def test_a_worker_that_was_paused_goes_no_further(make: MakeRunner, what: Operation) -> None:
    """Once another one has its run, its work ends at the next yield or checkpoint; nobody sees what it yields there."""
    paused = make(what)
    run = start(paused, what)
    until(lambda: "start" in names(paused, run), "it works")
    lapse(store_of(paused))
    store_of(paused)._lease._renewed -= LEASE  # the pause was that long
    taker = make(what)
    until(lambda: "second" in seen, "another worker has it")
    until(lambda: run not in paused.runs, "the first one has noticed")
    seen.append("fenced")
    until(lambda: taker.find(run, None).status == "succeeded", "it has ended")
    assert "too late" not in seen
    assert "late" not in [message.json.get("message") for message in events(taker, run)]


def test_a_checkpoint_waits_for_a_store_that_is_away(make: MakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The producer goes on once the store has it, with all events before it."""

    @operation(retries=1, linger=None)
    def careful() -> Iterator[Any]:
        """An effect after a checkpoint."""
        seen.append("begins")
        yield delta("before")
        yield checkpoint("kept")
        seen.append("goes on")
        gevent.sleep(FOREVER)

    runner = make(careful)
    store = store_of(runner)
    write = store._writer._write_batch
    away: list[bool] = [False]

    def written(batch: Any) -> Any:
        if away[0]:
            raise OSError("away")
        return write(batch)

    monkeypatch.setattr(store._writer, "_write_batch", written)
    run = start(runner, careful)
    away[0] = True
    until(lambda: "begins" in seen, "it works")
    gevent.sleep(0.2)
    assert seen == ["begins"]
    away[0] = False
    until(lambda: "goes on" in seen, "it goes on")
    assert names(runner, run) == ["start", "delta"]
    die(store)
    taker = make(serving=False)
    (record,) = _adopted(store_of(taker))
    assert record.checkpoint is not None
    assert record.checkpoint[0] == 2
    assert orjson.loads(record.checkpoint[1])["value"] == "kept"


def _adopted(store: SharedStore) -> list[Any]:
    found: list[Any] = []

    def adopt() -> bool:
        found.extend(store.adopt_orphans())
        return bool(found)

    until(adopt, "it is adopted")
    return found


@pytest.mark.parametrize("place", [*PLACES, *LOOPS], ids=str)
def test_without_another_worker_it_simply_works(place: Place) -> None:
    """With a store in memory too, in every executor: the work goes on after it, and no viewer sees an event."""
    what = next(each for each in EXECUTORS if each.runs_in == place.runs_in)
    with entered(place.world) as world:
        stage = Stage(world, what)
        run = stage.start(what)
        messages = stage.until(run, "progress", times=3)
        assert [message.event for message in messages] == ["start", *["partial", "progress"] * 2, "delta", "progress"]
        stage.cancel(run)
        stage.events(run)
        stage.close()


def test_a_run_that_is_taken_over_keeps_its_turn(make: MakeRunner) -> None:
    """The next one over the concurrency of its operation begins once it has ended, not once its worker has died."""

    @operation(retries=1, linger=None, concurrency=1)
    def one_at_a_time() -> Iterator[Any]:
        """Waits in the first attempt of the first run."""
        run = current_run()
        seen.append((run.id, run.attempt))
        yield progress("at work")
        if len(seen) == 1:
            gevent.sleep(FOREVER)

    dying = make(one_at_a_time)
    first = start(dying, one_at_a_time)
    until(lambda: seen, "it works")
    dying.store.flush()
    taker = make(one_at_a_time)
    second = start(taker, one_at_a_time)
    assert taker.find(second, None).status == "queued"
    die(store_of(dying))
    until(lambda: taker.find(second, None).status == "succeeded", "both have ended")
    assert seen == [(first, 1), (first, 2), (second, 1)]
    assert taker.find(first, None).status == "succeeded"
