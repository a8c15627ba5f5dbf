"""Where operations run: threads and processes, what goes into them and comes back, and what they leave behind.

How operations end is in `test_grammar`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import gevent
import pytest
from pydantic import BaseModel

from streaming import Event, Operation, OperationError, RegistrationError, operation, progress
from streaming.protocol.events import RawEvent
from streaming.runs.context import RunContext
from streaming.runs.executors.base import Executor, Work
from streaming.runs.executors.crossing import AHEAD
from streaming.runs.executors.greenlet import GreenletWork
from streaming.runs.executors.process.child import NICE
from streaming.runs.executors.process.fork_server import ForkServer
from streaming.runs.executors.process.work import ProcessExecutor
from streaming.runs.executors.start import EXECUTORS
from streaming.runs.executors.thread import ThreadWork
from streaming.runs.operation import Where
from streaming.runs.signature import NoInput
from streaming.runtime.worker import Worker
from tests import sample_operations as sample
from tests.clients import wait_until
from tests.sample_operations import Parcel, Script, scripted
from tests.worlds import Stage, World, ending, entered, is_gone


@pytest.fixture
def stage(world: World) -> Iterator[Stage]:
    """A runner with everything that this module starts."""
    stage = Stage(world, *(value for value in vars(sample).values() if isinstance(value, Operation)))
    yield stage
    stage.close()


@pytest.fixture
def own_hub() -> Iterator[World]:
    """A hub in this thread, in which a test can call a work itself."""
    with entered("own hub") as world:
        yield world


def entries(folder: str) -> int:
    """How many entries a folder of proc(5) has."""
    return len(list(Path(folder).iterdir()))


def test_each_name_has_an_executor() -> None:
    """Every name of `runs_in` is in the table of executors."""
    assert list(EXECUTORS) == list(get_args(Where))


class Toy(Executor):
    """An executor that runs operations in greenlets, and keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def check(self, operation: Operation) -> None:
        """Keeps it; refuses one of the operations."""
        self.asked.append(("check", operation.name))
        if operation.name == "refused":
            raise RegistrationError("refused: not here")

    def warm(self, operations: Sequence[Operation], worker: Worker) -> None:
        """Keeps them."""
        self.asked += [("warm", operation.name) for operation in operations]

    def start(self, operation: Operation, checked: BaseModel, context: RunContext) -> Work:
        """Keeps it, and starts it."""
        self.asked.append(("start", operation.name))
        return GreenletWork(lambda: operation.begin(checked), context)


def test_an_executor_is_one_row(own_hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its row in the table an executor checks, prepares and starts the operations that name it."""
    toy = Toy()
    monkeypatch.setitem(EXECUTORS, "celery", toy)

    def work() -> Iterator[Event]:
        yield progress("at work")

    own, other = operation(name="own", runs_in="celery")(work), operation(name="other")(work)
    moving = operation(name="moving", where=lambda _: "celery")(work)
    stage = Stage(own_hub, own, other, moving)
    assert toy.asked == [("check", "own"), ("warm", "own")]
    for started in (own, other, moving):
        assert ending(stage.events(stage.start(started))) == ("succeeded", None)
    assert toy.asked[2:] == [("start", "own"), ("check", "moving"), ("start", "moving")]
    with pytest.raises(RegistrationError, match="refused: not here"):
        Stage(own_hub, operation(name="refused", runs_in="celery")(work))
    stage.close()


# Threads


def works(*items: Any, log: list[Any] | None = None) -> Callable[[], Iterator[Any]]:
    """A function that begins a generator of these items, which logs each of them."""

    def begin() -> Iterator[Any]:
        for item in items:
            if log is not None:
                log.append(item)
            yield item

    return begin


def items_of(work: Work) -> list[Any]:
    """Everything that a work yields."""
    items: list[Any] = []
    try:
        while True:
            items.append(work.send(None))
    except StopIteration:
        return items


@pytest.mark.parametrize("count", [0, 1, AHEAD, 3 * AHEAD])
def test_a_thread_hands_everything_over(own_hub: World, count: int) -> None:
    """All its events arrive, in their order."""
    work = ThreadWork(works(*range(count)), RunContext(own_hub.worker))
    assert items_of(work) == list(range(count))
    work.close()


def test_a_thread_does_not_run_away(own_hub: World) -> None:
    """A thread whose events nobody takes waits, and continues when they are taken."""
    produced: list[Any] = []
    work = ThreadWork(works(*range(3 * AHEAD), log=produced), RunContext(own_hub.worker))
    work.send(None)
    wait_until(lambda: len(produced) > AHEAD, "it gets as far ahead as it may")
    gevent.sleep(0.05)
    assert len(produced) <= AHEAD + 2
    assert len(items_of(work)) == 3 * AHEAD - 1
    work.close()


def test_a_thread_does_not_run_away_with_large_events(own_hub: World) -> None:
    """It is ahead by 4 MB, and one event, however large that is."""
    produced: list[Any] = []
    text = Event("page", b"x" * (1 << 20), text=True)
    huge = Event("page", b"x" * (8 << 20), text=True)
    work = ThreadWork(works(*[text] * 20, huge, huge, log=produced), RunContext(own_hub.worker))
    work.send(None)
    wait_until(lambda: len(produced) >= 5, "it gets as far ahead as it may")
    gevent.sleep(0.05)
    assert len(produced) <= 6
    assert len(items_of(work)) == 21
    work.close()


def test_a_thread_is_a_thread_of_its_own(own_hub: World) -> None:
    """The operation does not run in the thread of the hub."""
    threads: list[int] = []

    def begin() -> Iterator[Any]:
        threads.append(threading.get_ident())
        yield "first"

    work = ThreadWork(begin, RunContext(own_hub.worker))
    assert work.send(None) == "first"
    assert threads != [threading.get_ident()]
    work.close()


@pytest.mark.parametrize("kind", [GreenletWork, ThreadWork])
def test_a_failure_is_handed_over_as_it_is(own_hub: World, kind: type) -> None:
    """What the operation raises is raised by `send`, with its own traceback."""

    def begin() -> Iterator[Any]:
        yield "first"
        raise OperationError("no_pages", "None.")

    work = kind(begin, RunContext(own_hub.worker))
    assert work.send(None) == "first"
    with pytest.raises(OperationError, match="no_pages") as caught:
        work.send(None)
    assert caught.traceback[-1].name == "begin"
    work.close()


CALLER: ContextVar[str] = ContextVar("caller", default="nobody")


def test_a_thread_has_the_context_of_its_run(own_hub: World) -> None:
    """A thread has the context variables of the caller; what it sets stays in the thread."""

    def begin() -> Iterator[Any]:
        yield CALLER.get()
        CALLER.set("the thread")
        yield CALLER.get()

    CALLER.set("the test")
    work = ThreadWork(begin, RunContext(own_hub.worker))
    assert items_of(work) == ["the test", "the thread"]
    assert CALLER.get() == "the test"
    work.close()


@pytest.mark.parametrize("kind", [GreenletWork, ThreadWork])
def test_a_close_before_the_first_event(own_hub: World, kind: type) -> None:
    """The operation is not called then."""
    log: list[Any] = []
    work = kind(works("never", log=log), RunContext(own_hub.worker))
    work.close()
    work.close()
    assert log == []


def test_threads_are_gone_afterwards(stage: Stage) -> None:
    """Runs in threads leave no thread behind, however they end."""
    before = entries("/proc/self/task")
    runs = [stage.start(scripted, Script(acts=[act], runs_in="thread")) for act in ("progress", "fail", "wait") * 5]
    for run in runs:
        stage.until(run, "start")
        if stage.record(run).fold.over:
            continue
        stage.cancel(run)
        stage.events(run)
    stage.world.until(lambda: entries("/proc/self/task") <= before, "the threads end")


# Processes


def result(stage: Stage, operation: Operation) -> Any:
    """What an operation without an input returns."""
    return stage.events(stage.start(operation))[-2].json["result"]


def test_a_process_is_a_process_of_its_own(stage: Stage) -> None:
    """Its own process group, without threads, patches and cores; a child of the fork server, itself the worker's."""
    first, second = result(stage, sample.portrait), result(stage, sample.portrait)
    server = stage.world.fork_server.pid
    assert first["pid"] != second["pid"]
    for portrait in (first, second):
        assert portrait["group"] == portrait["pid"]
        assert portrait["parent"] == portrait["imported by"] == server
        assert (portrait["threads"], portrait["gevent"], portrait["cores"]) == (1, False, 0)
    assert parent_of(server) == os.getpid()


def test_processes_give_way_to_the_worker(stage: Stage) -> None:
    """They have a lower priority, and share one session, which is the fork server's: it counts, not their number."""
    for portrait in (result(stage, sample.portrait), result(stage, sample.portrait)):
        assert portrait["nice"] == min(os.nice(0) + NICE, 19)
        assert portrait["session"] == stage.world.fork_server.pid


def parent_of(pid: int) -> int:
    """A process's parent (proc(5))."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_process_inherits_no_socket(stage: Stage) -> None:
    """Of the worker's descriptors it has the standard ones; its own are its pipes, and the fork server's."""
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    try:
        descriptors = result(stage, sample.portrait)["descriptors"]
        assert str(Path(f"/proc/self/fd/{reader}").readlink()) not in descriptors
        assert not [link for link in descriptors if link.startswith("socket:")]
    finally:
        os.close(reader)
        os.close(writer)


def test_many_processes_at_once(stage: Stage) -> None:
    """Runs that start together have pipes of their own."""
    runs = {text: stage.start(sample.echoing, Parcel(content=text)) for text in map(str, range(20))}
    for text, run in runs.items():
        stage.until(run, "question")
        stage.answer(run, f"answer to {text}")
    for text, run in runs.items():
        messages = stage.events(run)
        assert messages[1].json["value"] == text
        assert messages[-2].json["result"] == f"answer to {text}"


def test_large_things_reach_a_process_and_come_back(stage: Stage) -> None:
    """An input, an event, an answer and a result may each be larger than a pipe holds."""
    content = "naïve \u2028 \0 \n " * 100_000
    run = stage.start(sample.echoing, Parcel(content=content))
    stage.until(run, "question")
    stage.answer(run, [content, 2**53, None])
    messages = stage.events(run)
    assert messages[1].json["value"] == content
    assert messages[-2].json["result"] == [content, 2**53, None]


def test_stray_prints_do_not_reach_the_events(stage: Stage) -> None:
    """What a process writes to its standard output is no event, and not in one."""
    messages = stage.events(stage.start(scripted, Script(acts=["print", "progress", "print"], runs_in="process")))
    assert [message.event for message in messages] == ["start", "progress", "result", "done"]


def test_processes_leave_no_descriptor_behind(stage: Stage) -> None:
    """After runs that succeed, fail, crash and are cancelled the worker has as many descriptors as before."""
    stage.events(stage.start(scripted, Script(runs_in="process")))
    before = entries("/proc/self/fd")
    for act in ("progress", "fail", "wait") * 3:
        run = stage.start(scripted, Script(acts=[act], runs_in="process"))
        if act == "wait":
            stage.until(run, "progress")
            stage.cancel(run)
        stage.events(run)
    stage.events(stage.start(sample.dying, sample.Death(by="SIGKILL")))
    stage.world.until(lambda: entries("/proc/self/fd") <= before, "descriptors are closed")
    assert stage.world.fork_server.children == {}


def test_a_cancel_may_come_at_any_moment_of_a_process(stage: Stage) -> None:
    """From before the fork until after its end, a cancel ends the run correctly."""
    for delay in [0.0, 0.001, 0.002, 0.004, 0.008, 0.012, 0.016, 0.02] * 2:
        run = stage.start(scripted, Script(acts=["rest", "progress", "rest"], runs_in="process"))
        stage.world.call(gevent.sleep, delay)
        stage.cancel(run)
        assert ending(stage.events(run)) in [("cancelled", "requested"), ("succeeded", None)]


def descriptors() -> set[str]:
    """The open descriptors of this process."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_a_cancel_while_the_command_waits(fresh: World) -> None:
    """A run that is stopped before the fork server has its command leaves no descriptor behind."""

    def stopped_while_waiting() -> tuple[set[str], set[str]]:
        fresh.fork_server.warm([])
        open_before = descriptors()
        with fresh.fork_server._lock:
            waiting = gevent.spawn(fresh.fork_server.fork, scripted)
            gevent.sleep(0.01)
            assert len(descriptors()) == len(open_before) + 4
            waiting.kill()
        return open_before, descriptors()

    before, after = fresh.call(stopped_while_waiting)
    assert after == before
    assert fresh.fork_server.children == {}


@pytest.fixture
def fresh(world: World) -> Iterator[World]:
    """The world with a new worker, which has no fork server yet."""
    worker = Worker(world.worker.hub, native=world.worker.native)
    with worker.installed():
        yield replace(world, worker=worker)
    worker.close()


def test_a_module_that_only_the_worker_can_import(fresh: World) -> None:
    """A module that exits the process which imports it fails the run and not the fork server, and the log says why."""
    from tests.apps.homebound import homebound

    stage = Stage(fresh, homebound, scripted)
    messages = stage.events(stage.start(homebound))
    assert ending(messages) == ("failed", "operation_failed")
    assert "secret" not in "".join(message.data for message in messages)
    first = fresh.fork_server.pid
    assert ending(stage.events(stage.start(scripted, Script(runs_in="process")))) == ("succeeded", None)
    assert fresh.fork_server.pid == first
    stage.close()


def test_modules_are_imported_ahead(fresh: World) -> None:
    """The fork server of a worker with operations for processes imports them before the first run."""
    stage = Stage(fresh, sample.portrait)
    assert fresh.fork_server.pid
    assert result(stage, sample.portrait)["imported by"] == fresh.fork_server.pid
    stage.close()


def test_no_fork_server_without_need(fresh: World) -> None:
    """A worker whose operations run elsewhere has none."""
    stage = Stage(fresh, scripted)
    stage.events(stage.start(scripted, Script(acts=["progress"])))
    assert not fresh.fork_server.pid
    stage.close()


def test_a_fork_server_ends_with_its_worker(fresh: World) -> None:
    """A worker that closes ends its fork server, and the children of that."""
    stage = Stage(fresh, sample.whereabouts, scripted)
    run = stage.start(sample.whereabouts, Script(acts=["wait"]))
    child = stage.until(run, "partial")[1].json["value"]
    server = fresh.fork_server.pid
    fresh.worker.close()
    for pid in (child, server):
        fresh.until(lambda pid=pid: is_gone(pid), "it is gone")  # type: ignore[misc]
    assert ending(stage.events(run)) == ("failed", "operation_failed")
    stage.close()


def test_a_fork_has_a_fork_server_of_its_own() -> None:
    """A worker that was forked from another does not use the fork server of that one."""
    before = Worker.current().part(ForkServer)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if Worker.current().part(ForkServer) is not before else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_an_event_of_another_service_stays_one(own_hub: World) -> None:
    """An event that a process passes on as it came is the same here, with the name and the id that it came with."""
    work = ProcessExecutor().start(sample.passing, NoInput(), RunContext(own_hub.worker))
    (event,) = items_of(work)
    assert isinstance(event, RawEvent)
    assert (event.name, event.data, event.id) == ("done", "[DONE]", "7")
    work.close()


def test_an_event_of_a_process_is_an_event(stage: Stage) -> None:
    """The fields that the library computes with are kept: a `done` that falls is corrected as elsewhere."""
    run = stage.start(scripted, Script(acts=["many", "progress"], runs_in="process"))
    *_, last, _, _ = stage.events(run)
    assert last.json["done"] == 2999
