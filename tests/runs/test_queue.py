"""Queued runs: a worker that does not serve starts them, and workers that serve take them from a shared store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import gevent
import pytest
from pydantic import BaseModel, Field, SecretStr

import streaming.runs.runner
from streaming import Operation, Upload, current_run, operation, progress
from streaming.errors import BadRequest, InvalidInput, TooLarge, TooMany
from streaming.protocol.limits import NO_LIMITS
from streaming.runs.context import CallContext, Headers
from streaming.runs.run import Run
from streaming.runs.runner import Runner
from streaming.runs.signature import NoInput
from streaming.settings import Settings
from streaming.stores.redis.store import RedisStore
from streaming.stores.shared import SharedStore
from streaming.stores.sqlite.store import SqliteStore
from tests.live.workers import STORES, store_in
from tests.stores.contract import until
from tests.stores.shared_contract import crash
from tests.worlds import World, entered

LEASE: Final = 0.3


class Pages(BaseModel):
    """Which pages, under a name that is no identifier."""

    first: int = Field(1, alias="first-page")


@operation
def count(input: Pages) -> Any:
    """Counts from the first page on."""
    done.append(input.first)
    yield progress("at work")
    return input.first


@operation
def other() -> Any:
    """Another one."""
    done.append(0)
    yield progress("at work")


@operation(retries=1)
def endless() -> Any:
    """Works until it is cancelled."""
    yield progress("at work")
    gevent.sleep(3600)


done: list[int] = []
"""The pages of the runs that have begun, in their order."""

MakeRunner = Callable[..., Runner]


@pytest.fixture(autouse=True)
def world() -> Iterator[World]:
    """The hub of this thread."""
    done.clear()
    with entered("own hub") as world:
        yield world


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store."""
    with store_in(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def make(url: str, world: World) -> Iterator[MakeRunner]:
    """Makes the runner of one more worker of the store; by default it serves."""
    runners: list[Runner] = []

    def make(*operations: Operation, serving: bool = True, **settings: Any) -> Runner:
        if url.startswith("sqlite:///"):
            store: SharedStore = SqliteStore(url.removeprefix("sqlite:///"), lease=LEASE)
        else:
            store = RedisStore(url, lease=LEASE)
        known = operations or (count, endless)
        runners.append(Runner(known, store, Settings(**settings), world.worker, serving=lambda: serving))
        return runners[-1]

    yield make
    for runner in runners:
        assert isinstance(runner.store, SharedStore)
        runner.store._closed = not runner.store._greenlets  # one that has crashed writes nothing more
        runner.close()


def queue(runner: Runner, what: Operation = count, input: BaseModel | None = None, **options: Any) -> str:
    """Starts a queued run, and gives its id."""
    run, new = runner.start(what, what.input() if input is None else input, queued=True, **options)
    assert new
    return run


def status(runner: Runner, run: str) -> str:
    """Its status, as this worker sees it."""
    return runner.find(run, None).status


def test_a_worker_that_serves_takes_queued_runs(make: MakeRunner) -> None:
    """In their order, with their input, each once, however many workers serve; the others leave them alone."""
    starter = make(serving=False)
    runs = [queue(starter, input=Pages(**{"first-page": number})) for number in range(20)]
    assert {status(starter, run) for run in runs} == {"queued"}
    assert starter.runs == {}
    servers = [make(), make()]
    until(lambda: {status(starter, run) for run in runs} == {"succeeded"}, "all have ended")
    assert sorted(done) == list(range(20))
    assert [starter.find(run, None).fold.result for run in runs] == [b"%d" % number for number in range(20)]
    until(lambda: not any(server.live for server in servers), "they are free")


def test_a_worker_hears_of_a_queued_run(make: MakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait until it looks again."""
    starter, _ = make(serving=False), make()
    for look in (1.0, 3600.0, 3600.0):  # the first one it may find by itself, and it waits as before until the second
        monkeypatch.setattr(streaming.runs.queue, "LOOK", look)
        run = queue(starter)
        until(lambda: status(starter, run) == "succeeded", "it has ended")  # noqa: B023  # called in this round


def test_a_worker_that_is_full_takes_no_more(make: MakeRunner) -> None:
    """Those that it has no room for stay queued, until a run of it ends."""
    starter = make(serving=False)
    runs = [queue(starter, endless) for _ in range(6)]
    server = make(max_runs=5)
    until(lambda: len(server.runs) == 5, "five are at work")
    gevent.sleep(0.05)
    assert status(starter, runs[5]) == "queued"
    server.cancel(runs[0], None)
    until(lambda: status(starter, runs[5]) == "running", "the next one has begun")


def test_a_worker_that_drains_takes_no_more(make: MakeRunner) -> None:
    """They stay for another one."""
    server = make()
    server.draining = True
    run = queue(make(serving=False))
    gevent.sleep(0.1)
    server.queue.look()
    gevent.sleep(0.1)
    assert status(server, run) == "queued"
    make()
    until(lambda: status(server, run) == "succeeded", "another one has taken it")


def test_an_unknown_operation_waits_for_those_that_know_it(make: MakeRunner) -> None:
    """It holds nothing up."""
    starter = make(count, other, serving=False)
    waiting, known = queue(starter, other), queue(starter)
    server = make(count)
    until(lambda: status(starter, known) == "succeeded", "the known one has ended")
    until(lambda: not server.live, "it is free")
    assert status(starter, waiting) == "queued"
    make(other)
    until(lambda: status(starter, waiting) == "succeeded", "the other one has ended")


def test_a_queued_run_is_cancelled(make: MakeRunner) -> None:
    """By any worker, and it ends at once, without a worker that serves; nobody begins it later."""
    starter, another = make(serving=False), make(serving=False)
    run = queue(starter)
    record, was_live = another.cancel(run, None)
    assert (record.status, was_live) == ("cancelled", True)
    assert another.cancel(run, None)[1] is False
    block = starter.store.read(run, 0).block
    assert block.count(b"event: ") == 2
    assert b'"status":"cancelled"' in block
    assert b'"reason":"requested"' in block
    make()
    gevent.sleep(0.1)
    assert done == []


def test_a_cancel_of_the_release_before(make: MakeRunner) -> None:
    """It only asks for the cancel: the worker that takes the run ends it."""
    starter = make(serving=False)
    run = queue(starter)
    starter.store.cancel(run, "requested")
    assert status(starter, run) == "cancelling"
    make()
    until(lambda: status(starter, run) == "cancelled", "it has ended")
    assert done == []


def test_a_worker_dies_before_a_run_has_begun(make: MakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes back into the queue, and begins for the first time."""
    monkeypatch.setattr(streaming.runs.runner, "MAINTENANCE", 0.05)
    starter, dying = make(serving=False), make(serving=False)
    run = queue(starter)
    assert isinstance(dying.store, SharedStore)
    (record,) = dying.store.claim(1, {"count": NO_LIMITS})
    assert record.info.id == run
    crash(dying.store)
    make()
    until(lambda: status(starter, run) == "succeeded", "it has ended")
    assert (done, starter.find(run, None).attempt) == ([1], 1)
    assert b"event: attempt" not in starter.store.read(run, 0).block


def test_a_queued_run_that_has_begun_is_not_repeated(make: MakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without retries it is lost with its worker, as any other."""

    @operation(name="count")
    def waits(input: Pages) -> Any:
        """Waits."""
        yield progress("at work")
        gevent.sleep(3600)

    monkeypatch.setattr(streaming.runs.runner, "MAINTENANCE", 0.05)
    starter, dying = make(serving=False), make(waits)
    run = queue(starter)
    until(lambda: dying.runs, "it has begun")
    dying.store.flush()
    crash(dying.store)  # type: ignore[arg-type]
    make()
    until(lambda: status(starter, run) == "failed", "it has ended")
    assert done == []
    assert b"producer_lost" in (starter.find(run, None).fold.error or b"")


def test_an_input_that_the_operation_no_longer_takes(make: MakeRunner) -> None:
    """The run fails, and says so."""

    class Strict(BaseModel):
        """What the worker knows."""

        needed: str

    @operation(name="count")
    def changed(input: Strict) -> Any:
        """Another release."""
        yield progress("at work")

    starter = make(serving=False)
    run = queue(starter)
    make(changed)
    until(lambda: status(starter, run) == "failed", "it has ended")
    assert b"no longer takes the input" in (starter.find(run, None).fold.error or b"")


def test_one_that_cannot_begin_stops_no_other(make: MakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails, and those that were claimed with it begin."""
    starter = make(serving=False)
    wrong, right = queue(starter), queue(starter)
    begin = Run

    def fail(*args: Any, **options: Any) -> Any:
        if args[2].id == wrong:
            raise RuntimeError("this one cannot begin")
        return begin(*args, **options)

    monkeypatch.setattr(streaming.runs.runner, "Run", fail)
    make()
    until(lambda: [status(starter, run) for run in (wrong, right)] == ["failed", "succeeded"], "both have ended")


def test_queued_runs_count_towards_the_limit_of_their_client(make: MakeRunner) -> None:
    """As live ones do; without a client there is no limit."""
    starter = make(serving=False, max_runs_per_client=2)
    for _ in range(2):
        queue(starter, client="ann")
    with pytest.raises(TooMany):
        queue(starter, client="ann")
    for _ in range(3):
        queue(starter, client=None)


def test_the_same_key_joins_a_queued_run(make: MakeRunner) -> None:
    """Before it has begun, and after."""
    starter = make(serving=False)
    run = queue(starter, key="k", digest="d")
    assert starter.start(count, Pages(), key="k", digest="d", queued=True) == (run, False)
    server = make()
    until(lambda: status(starter, run) == "succeeded", "it has ended")
    assert server.start(count, Pages(), key="k", digest="d") == (run, False)


class Secret(BaseModel):
    """What JSON does not show."""

    password: SecretStr


class File(BaseModel):
    """A file."""

    file: Upload
    more: list[Upload] = []


@operation
def secretive(input: Secret) -> Any:
    """Takes a secret."""
    yield progress("at work")


@operation
def reading(input: File) -> Any:
    """Reads a file."""
    yield progress("at work")


@operation(request_context=True)
def personal() -> Any:
    """Needs a request."""
    yield progress("at work")


def test_what_cannot_be_queued(make: MakeRunner, tmp_path: Path) -> None:
    """Is refused at once: files that are too large for the place, what JSON does not hold, what needs the request."""
    starter = make(reading, secretive, personal, serving=False)
    upload = Upload(tmp_path / "a", "a", "text/plain", 256 * 1024 * 1024 + 1)
    with pytest.raises(TooLarge) as refused:
        queue(starter, reading, File(file=upload, more=[upload]))
    assert refused.value.code == "too_large"
    assert [error["loc"] for error in refused.value.errors] == [["file"], ["more"]]
    with pytest.raises(InvalidInput, match="JSON cannot hold"):
        queue(starter, secretive, Secret(password=SecretStr("s")))
    with pytest.raises(BadRequest, match="context of a request"):
        queue(starter, personal, NoInput())
    assert starter.store.page(owner="", operation=None, status=None, limit=9, before=None) == []


def test_the_headers_of_a_queued_run(make: MakeRunner) -> None:
    """They travel with its input."""
    seen: list[Any] = []

    @operation(headers=("Accept-Language",))
    def language(input: Pages) -> None:
        seen.append((input.first, dict(current_run().headers)))

    call = CallContext(headers=Headers({"Accept-Language": "de"}))
    run = queue(make(language, serving=False), language, Pages(**{"first-page": 3}), call=call)
    worker = make(language)
    until(lambda: status(worker, run) == "succeeded", "it ends")
    assert seen == [(3, {"Accept-Language": "de"})]
