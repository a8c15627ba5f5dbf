"""Runs over the concurrency of their operation: they wait, are seen, and begin in turn, in every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from gevent.event import Event as GreenEvent
from pydantic import BaseModel

import streaming.runs.runner
from streaming import MemoryStore, Operation, Upload, current_run, operation, progress
from streaming.errors import TooMany, Unavailable
from streaming.runs.runner import Runner
from streaming.settings import Settings
from streaming.stores.base import Store
from streaming.stores.redis.store import RedisStore
from streaming.stores.shared import SharedStore
from streaming.stores.sqlite.store import SqliteStore
from tests.clients import Message, parse_frames
from tests.live.workers import STORES, store_in
from tests.stores.contract import until
from tests.stores.shared_contract import crash
from tests.worlds import World, assert_grammatical, entered

LEASE: Final = 0.3

MakeRunner = Callable[..., Runner]


class Gate:
    """What holds runs up: each goes on once the test lets it."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.open: dict[str, GreenEvent] = {}

    def pass_through(self, run: str) -> None:
        """Waits, in the run."""
        self.begun.append(run)
        self.open.setdefault(run, GreenEvent()).wait()

    def let(self, run: str) -> None:
        """Lets a run end."""
        self.open.setdefault(run, GreenEvent()).set()


gate = Gate()


class Note(BaseModel):
    """A note."""

    text: str = ""


class Paper(BaseModel):
    """A file."""

    file: Upload


def work(input: Note) -> Any:
    """Waits for the test."""
    yield progress("at work")
    gate.pass_through(current_run().id)
    return input.text


one: Operation = operation(name="one", concurrency=1)(work)
each: Operation = operation(name="each", concurrency_per_owner=1)(work)


@operation(name="paper", concurrency=1)
def paper(input: Paper) -> Any:
    """Reads a file."""
    yield progress("at work")
    gate.pass_through(current_run().id)
    return input.file.path.read_text()


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The hub of this thread; a worker that dies is noticed soon."""
    monkeypatch.setattr(streaming.runs.runner, "MAINTENANCE", 0.05)
    gate.__init__()  # type: ignore[misc]
    with entered("own hub") as world:
        yield world
        for event in gate.open.values():
            event.set()


@pytest.fixture
def make(url: str, world: World) -> Iterator[MakeRunner]:
    """Makes the runner of one more worker of the store."""
    runners: list[Runner] = []

    def make(serving: bool = True, **settings: Any) -> Runner:
        if url == "memory":
            store: Store = MemoryStore()
        elif url.startswith("sqlite:///"):
            store = SqliteStore(url.removeprefix("sqlite:///"), lease=LEASE)
        else:
            store = RedisStore(url, lease=LEASE)
        runners.append(Runner((one, each, paper), store, Settings(**settings), world.worker, serving=lambda: serving))
        return runners[-1]

    yield make
    for runner in runners:
        if isinstance(runner.store, SharedStore):
            runner.store._closed = not runner.store._greenlets  # one that has crashed writes nothing more
        runner.close()


@pytest.fixture(params=["memory", *STORES])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store."""
    if request.param == "memory":
        yield "memory"
        return
    with store_in(request.param, tmp_path) as url:
        yield url


shared = pytest.mark.parametrize("url", STORES, indirect=True)


def start(runner: Runner, what: Operation = one, client: str = "", **options: Any) -> str:
    """Starts a run, and gives its id."""
    run, new = runner.start(what, options.pop("input", Note()), owner=client, client=client, **options)
    assert new
    return run


def status(runner: Runner, run: str) -> str:
    """Its status, as this worker sees it."""
    return runner.find(run, None).status


def events(runner: Runner, run: str) -> list[Message]:
    """Its events so far."""
    return parse_frames(runner.store.read(run, 0).block)


def places(runner: Runner, run: str) -> list[int]:
    """The places that it was told."""
    return [event.json["place"] for event in events(runner, run) if "place" in event.json]


def ends(runner: Runner, run: str, how: str = "succeeded") -> None:
    """Waits for the end of a run, and checks its events."""
    until(lambda: status(runner, run) == how, f"{run} is {how}")
    runner.store.flush()
    until(lambda: events(runner, run)[-1].event == "done", "its end is seen")
    assert_grammatical(events(runner, run))


def test_what_is_over_the_concurrency_waits(make: MakeRunner) -> None:
    """Not refused: queued, with its `start` at once and its place, until one before it has ended."""
    runner = make()
    runs = [start(runner) for _ in range(3)]
    assert [status(runner, run) for run in runs] == ["running", "queued", "queued"]
    until(lambda: [places(runner, run) for run in runs] == [[], [1], [2]], "each has its place")
    assert events(runner, runs[2])[0].event == "start"
    for number, run in enumerate(runs):
        until(lambda: gate.begun == runs[: number + 1], "one has begun, and no other")  # noqa: B023
        assert status(runner, run) == "running"
        gate.let(run)
        ends(runner, run)
    assert places(runner, runs[1]) == [1, 0]


def test_a_place_moves_up_for_a_viewer(make: MakeRunner) -> None:
    """With about the time until it begins, once it is known how long runs take; without a viewer it is not told."""
    runner = make()
    first, _, third, fourth = (start(runner) for _ in range(4))
    runner.store.count(third, +1)
    until(lambda: places(runner, fourth) == [3], "the last one has a place")
    assert all("eta" not in event.json for event in events(runner, third))
    gate.let(first)
    ends(runner, first)
    until(lambda: places(runner, third) == [2, 1], "it has moved up")
    (*_, moved) = events(runner, third)
    assert moved.json["eta"] >= 0
    assert orjson.loads(runner.find(third, None).snapshot())["progress"]["place"] == 1
    assert places(runner, fourth) == [3]


def test_owners_take_turns(make: MakeRunner) -> None:
    """One with many runs holds up no other."""
    runner = make()
    ann = [start(runner, client="ann") for _ in range(3)]
    bob = start(runner, client="bob")
    order = [ann[0], bob, ann[1], ann[2]]
    for number, run in enumerate(order):
        until(lambda: gate.begun == order[: number + 1], "the next one has begun")  # noqa: B023
        gate.let(run)
        ends(runner, run)


def test_the_concurrency_of_one_owner(make: MakeRunner) -> None:
    """Another one begins at once."""
    runner = make()
    ann = [start(runner, each, "ann") for _ in range(2)]
    bob = start(runner, each, "bob")
    assert [status(runner, run) for run in (*ann, bob)] == ["running", "queued", "running"]


def test_a_queued_run_is_cancelled(make: MakeRunner) -> None:
    """It ends at once, and the next one moves up."""
    runner = make()
    first, second, third = (start(runner) for _ in range(3))
    record, was_live = runner.cancel(second, None)
    assert (record.status, was_live) == ("cancelled", True)
    ends(runner, second, "cancelled")
    (*_, done) = events(runner, second)
    assert done.json["reason"] == "requested"
    gate.let(first)
    until(lambda: gate.begun == [first, third], "the third one has begun")


def test_a_queued_run_lingers(make: MakeRunner) -> None:
    """Its last viewer's leaving ends it."""
    runner = make()
    start(runner)
    second = start(runner)
    runner.store.count(second, +1)
    runner.store.count(second, -1)
    ends(runner, second, "cancelled")
    (*_, done) = events(runner, second)
    assert done.json["reason"] == "disconnected"


def test_the_limits_of_workers_and_clients(make: MakeRunner) -> None:
    """A worker counts those at work, a client all; a key joins a queued run."""
    runner = make(max_runs=1, max_runs_per_client=2)
    start(runner, client="ann")
    second = start(runner, client="ann", key="k", digest="d")
    assert runner.start(one, Note(), owner="ann", client="ann", key="k", digest="d") == (second, False)
    with pytest.raises(TooMany):
        start(runner, client="ann")
    start(runner, client="bob")
    with pytest.raises(Unavailable) as refused:
        start(runner, each, "bob")
    assert refused.value.code == "too_many_runs"


def test_a_run_with_a_file_waits(make: MakeRunner, tmp_path: Path) -> None:
    """Its file is deleted once it has ended, and once it was cancelled."""
    runner, discarded = make(), list[str]()
    for name in "abc":
        (tmp_path / name).write_text(name)
    runs = [
        start(
            runner,
            paper,
            input=Paper(file=Upload(tmp_path / name, name, "text/plain", 1)),
            cleanup=lambda name=name: discarded.append(name),
        )
        for name in "abc"
    ]
    assert [status(runner, run) for run in runs] == ["running", "queued", "queued"]
    runner.cancel(runs[1], None)
    assert discarded == ["b"]
    gate.let(runs[0])
    ends(runner, runs[0])
    gate.let(runs[2])
    ends(runner, runs[2])
    assert runner.find(runs[2], None).fold.result == b'"c"'
    assert discarded == ["b", "a", "c"]


@shared
def test_two_workers_share_a_queue(make: MakeRunner) -> None:
    """Both begin runs of it, one at a time, and a viewer on any of them sees its run begin."""
    first, second = make(), make()
    runs = [start(runner) for runner in (first, second, first)]
    assert [status(first, run) for run in runs] == ["running", "queued", "queued"]
    second.store.count(runs[2], +1)
    for number, run in enumerate(runs):
        until(lambda: gate.begun == runs[: number + 1], "the next one has begun")  # noqa: B023
        gate.let(run)
        ends(second, run)
    assert events(second, runs[2]) == events(first, runs[2])


@shared
def test_a_file_reaches_another_worker(make: MakeRunner, tmp_path: Path) -> None:
    """Once it is kept, the run waits for any."""
    first, second = make(), make()
    (tmp_path / "a").write_text("text")
    before = start(first)
    runs = [start(first, paper, input=Paper(file=Upload(tmp_path / "a", "a", "text/plain", 4))) for _ in range(2)]
    until(lambda: first.queue.kept[runs[1]].shared, "its file is kept")
    first.draining = True  # it claims nothing more
    for run in (before, *runs):
        gate.let(run)
        ends(second, run)
    assert second.find(runs[1], None).fold.result == b'"text"'


@shared
def test_the_worker_of_a_queued_run_dies(make: MakeRunner) -> None:
    """The run stays queued, its viewers stay, and it begins on another worker."""
    dying, other = make(), make()
    first, second = start(other), start(dying)
    other.store.count(second, +1)
    until(lambda: places(dying, second) == [1], "it has its place")
    dying.store.flush()
    crash(dying.store)  # type: ignore[arg-type]
    dying.queue.close()
    until(lambda: second in other.queue.kept, "the other one keeps it")
    assert status(other, second) == "queued"
    gate.let(first)
    gate.let(second)
    ends(other, second)
    assert [event.event for event in events(other, second)].count("attempt") == 0


@shared
def test_queued_runs_outlive_all_workers(make: MakeRunner) -> None:
    """Those that are left when the last one stops begin on the next."""
    stopping = make()
    run, queued = start(stopping), start(stopping)
    until(lambda: places(stopping, queued) == [1], "it has its place")
    stopping.stop()
    ends(stopping, run, "cancelled")
    assert status(stopping, queued) == "queued"
    stopping.store.close()
    gate.let(queued)
    ends(make(), queued)


@shared
def test_a_process_that_does_not_serve_queues(make: MakeRunner) -> None:
    """The limit holds for its runs, and a viewer of one has its start and place soon."""
    starter, server = make(serving=False), make()
    runs = [start(starter, queued=True) for _ in range(2)]
    until(lambda: gate.begun == runs[:1], "the first one has begun")
    server.store.count(runs[1], +1)
    until(lambda: server.store.find(runs[1]).fold.last_event_id == 2, "the server keeps the other one")  # type: ignore[union-attr]
    assert [event.event for event in events(server, runs[1])] == ["start", "progress"]
    assert places(server, runs[1]) == [1]
    for run in runs:
        gate.let(run)
        ends(starter, run)


def test_a_run_without_its_request_elsewhere(make: MakeRunner) -> None:
    """Where no other worker could begin a run, it waits for its own, which ends it when it stops."""
    bound: Operation = operation(name="one", concurrency=1, request_context=True)(work)
    runner = make()
    runner.operations["one"] = bound
    first, second = start(runner, bound), start(runner, bound)
    assert status(runner, second) == "queued"
    gate.let(first)
    until(lambda: gate.begun == [first, second], "it has begun")
    third = start(runner, bound)
    runner.stop()
    ends(runner, third, "cancelled")
