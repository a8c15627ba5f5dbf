"""Runs without HTTP: the two worlds in which they run, a stage to start them on, and the grammar of their events.

A **world** is where the hub is: in the thread that serves requests, as under gunicorn's gevent workers, or in a thread
of its own beside it, as under `flask run`. A test process has both, and enters one at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import gevent
import orjson
from gevent.event import Event as GreenEvent
from pydantic import BaseModel

from streaming import MemoryStore, Operation
from streaming.clock import Clock
from streaming.protocol.schema import EVENTS
from streaming.protocol.state import Reason
from streaming.runs.executors.process.fork_server import ForkServer
from streaming.runs.runner import Runner
from streaming.runs.signature import NoInput
from streaming.runtime.hub import start_hub
from streaming.runtime.worker import Worker
from streaming.settings import Settings
from streaming.stores.base import Record, Store
from tests.clients import PATIENCE, Message, parse_frames

T = TypeVar("T")

WorldName = Literal["own hub", "hub beside"]
WORLDS: Final[tuple[WorldName, ...]] = ("own hub", "hub beside")

TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True)
class World:
    """A worker in one of the two worlds."""

    name: WorldName
    worker: Worker
    server: Any
    """A watcher in place of the server's listening socket: a hub without any ends."""

    def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """What `function` returns in the hub, where it may wait."""
        return self.worker.call(lambda: function(*args, **kwargs))

    @property
    def fork_server(self) -> ForkServer:
        """The fork server of this worker."""
        return self.worker.part(ForkServer)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Waits until a condition holds, which is evaluated in the hub; fails after `PATIENCE` seconds."""
        self.call(_until, condition, what)


def _until(condition: Callable[[], object], what: str) -> None:
    with gevent.Timeout(PATIENCE, AssertionError(f"{what}: not within {PATIENCE} s")):
        while not condition():
            gevent.sleep(0.001)


_entered: dict[WorldName, World] = {}


@contextmanager
def entered(name: WorldName) -> Iterator[World]:
    """The world of that name, with its worker as that of the process."""
    if name not in _entered:
        worker = Worker() if name == "own hub" else Worker(start_hub(), native=True)
        server = worker.hub.loop.async_()
        if name == "own hub":
            server.start(lambda: None)
        _entered[name] = World(name, worker, server)
    world = _entered[name]
    with world.worker.installed():
        yield world


@dataclass(frozen=True)
class Place:
    """One way for an operation to run: an executor in a world."""

    world: WorldName
    runs_in: Literal["greenlet", "thread", "process", "asyncio"]

    def __str__(self) -> str:
        return f"{self.runs_in} ({self.world})"


PLACES: Final = (
    Place("own hub", "greenlet"),
    Place("own hub", "thread"),
    Place("own hub", "process"),
    Place("hub beside", "greenlet"),  # there it is a thread
    Place("hub beside", "process"),
)

LOOPS: Final = (Place("own hub", "asyncio"),)
"""One more, for the operations of `sample_operations` that run anywhere; its thread is the same in both worlds."""


class Stage:
    """A runner in a world, with methods for tests that may be called outside of the hub."""

    def __init__(
        self,
        world: World,
        *operations: Operation,
        clock: Clock | None = None,
        store: Store | None = None,
        **settings: Any,
    ) -> None:
        self.world = world
        self.store = store or MemoryStore(clock=clock)
        self.runner: Runner = world.call(Runner, operations, self.store, Settings(**settings), world.worker, clock)

    def start(self, operation: Operation, input: BaseModel | None = None, **options: Any) -> str:
        """Starts a run, and gives its id."""
        run, _ = self.world.call(self.runner.start, operation, input or NoInput(), **options)
        return run

    def cancel(self, run: str, reason: Reason = "requested") -> None:
        """Cancels a run."""
        self.world.call(self.store.cancel, run, reason)

    def answer(self, run: str, value: Any, question: str | None = None) -> bool:
        """Answers the open question, or the one with the given id."""
        question = question or orjson.loads(self.record(run).fold.question or b"{}")["question"]
        return self.world.call(self.store.answer, run, question, json.dumps(value).encode())

    def record(self, run: str) -> Record:
        """The record of a run."""
        record = self.world.call(self.store.find, run)
        assert record is not None
        return record

    def snapshot(self, run: str) -> dict[str, Any]:
        """The snapshot of a run, decoded."""
        snapshot: dict[str, Any] = orjson.loads(self.record(run).snapshot())
        return snapshot

    def watch(self, run: str) -> None:
        """Adds a viewer."""
        self.world.call(self.store.count, run, +1)

    def leave(self, run: str) -> None:
        """Removes a viewer."""
        self.world.call(self.store.count, run, -1)

    def so_far(self, run: str) -> list[Message]:
        """The events in the event log."""
        return self.world.call(self._read, run)

    def until(self, run: str, event: str, times: int = 1) -> list[Message]:
        """The events so far, once there are as many of this name."""
        self.world.call(self._wait, run, lambda: self._count(run, event) >= times, f"{event!r} of {run}")
        return self.so_far(run)

    def events(self, run: str) -> list[Message]:
        """All events of the run, once it is over, with their grammar checked."""
        self.world.call(self._wait, run, lambda: self._over(run), f"the end of {run}")
        messages = self.so_far(run)
        assert_grammatical(messages)
        return messages

    def close(self) -> None:
        """Ends the runs that are left, and closes the store."""
        self.world.call(self.runner.close)

    def _count(self, run: str, event: str) -> int:
        return [message.event for message in self._read(run)].count(event)

    def _over(self, run: str) -> bool:
        record = self.store.find(run)
        return record is not None and record.fold.over and run not in self.runner.runs

    def _read(self, run: str) -> list[Message]:
        messages: list[Message] = []
        while batch := self.store.read(run, messages[-1].id or 0 if messages else 0):
            if not batch.block:
                break
            messages += parse_frames(batch.block)
        return messages

    def _wait(self, run: str, condition: Callable[[], bool], what: str) -> None:
        changed = GreenEvent()
        unwatch = self.store.watch(run, changed.set)
        try:
            with gevent.Timeout(PATIENCE, AssertionError(f"{what}: not within {PATIENCE} s")):
                while not condition():
                    changed.wait(0.01)  # the store does not notify when the runner removes a run
                    changed.clear()
        finally:
            unwatch()


def is_gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not (proc(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


# The grammar of the contract

SENTENCE: Final = re.compile(r"start( middle)*( (result|error))? done")
REASONS: Final = {"requested", "disconnected", "timeout", "shutdown"}


def assert_grammatical(messages: Sequence[Message]) -> None:
    """The events of a whole run: numbered without holes, with timestamps, in order, and with one end.

    `start (progress | delta | partial | question | answer | attempt | other)* (result | error)? done`
    """
    names = [message.event for message in messages]
    kinds = [name if name in ("start", "result", "error", "done", "reset") else "middle" for name in names]
    assert SENTENCE.fullmatch(" ".join(kinds)), names
    assert [message.id for message in messages] == list(range(1, len(messages) + 1))
    for message in messages:
        if message.event != "text":
            assert TIMESTAMP.fullmatch(message.json["timestamp"]), message
            assert_described(message)
    assert_ending(messages)


def assert_described(message: Message) -> None:
    """The data of an event of the library is as the schema says: of its types, and without any other field."""
    if (model := EVENTS.get(message.event)) is not None:
        model.model_validate(message.json, strict=True, extra=model.model_config.get("extra", "forbid"))


def assert_ending(messages: Sequence[Message]) -> None:
    """`done` agrees with the event before it."""
    *_, before, done = messages
    ending = done.json
    assert ending["elapsed"] >= 0
    assert ("reason" in ending) == (ending["status"] == "cancelled")
    if ending["status"] == "succeeded":
        assert before.event == "result"
    elif ending["status"] == "failed":
        assert before.event == "error"
    else:
        assert ending["reason"] in REASONS
        assert (before.event == "error") == (ending["reason"] == "timeout")
        assert before.event != "result"


def ending(messages: Sequence[Message]) -> tuple[str, str | None]:
    """How a run ended: its status, and the code of its error or the reason of its cancel."""
    *_, before, done = messages
    if done.json["status"] == "cancelled":
        return "cancelled", done.json["reason"]
    return done.json["status"], before.json["code"] if before.event == "error" else None
