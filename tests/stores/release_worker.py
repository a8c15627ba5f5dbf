"""One worker of a release, for `test_releases.py`: it runs with that release's `streaming` on its path.

It reads commands from its standard input, a JSON list of a name and arguments in each line, and writes the outcome of
each as a line of JSON. It uses only what every release has.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

import gevent
import orjson
from gevent.threadpool import ThreadPool

import streaming
from streaming.clock import SystemClock
from streaming.protocol.events import make_event
from streaming.protocol.recorder import Recorder
from streaming.protocol.sse import Parser
from streaming.stores.base import RunInfo, Store


class ReleaseWorker:
    """The store of a worker, and the producers that it has."""

    def __init__(self, url: str, lease: float) -> None:
        if url.startswith("sqlite:///"):
            from streaming.stores.sqlite.store import SqliteStore

            self.store: Store = SqliteStore(url.removeprefix("sqlite:///"), lease=lease)
        else:
            from streaming.stores.redis.store import RedisStore

            self.store = RedisStore(url, lease=lease)
        self.recorders: dict[str, Recorder] = {}

    def release(self) -> str:
        """Where its code is."""
        return str(streaming.__file__)

    def start(self, run: str) -> None:
        """Starts a run."""
        info = RunInfo(id=run, operation="count", created="2026-11-29T00:00:00.000Z", key=run, digest="d", input=b"{}")
        assert self.store.create(info).id == run
        self.recorders[run] = Recorder(SystemClock())
        self.write(run, "start", {"run": run, "operation": "count"})

    def queue(self, run: str) -> None:
        """Starts a run that waits for a worker to claim it."""
        info = RunInfo(id=run, operation="count", created="2026-11-29T00:00:00.000Z")
        self.store._execute(self.store.driver.create(info, ""))  # type: ignore[attr-defined]

    def claim(self, operation: str) -> list[str]:
        """The queued runs of an operation that it takes."""
        from streaming.protocol.limits import NO_LIMITS  # which the release before does not have

        return [record.info.id for record in self.store.claim(9, {operation: NO_LIMITS})]

    def adoptions(self, seconds: float) -> list[str]:
        """The runs that it takes over within so many seconds."""
        adopted, end = list[str](), time.monotonic() + seconds
        while time.monotonic() < end:
            adopted += (record.info.id for record in self.store.adopt_orphans())
            gevent.sleep(0.05)
        return adopted

    def write(self, run: str, name: str = "tick", data: dict[str, Any] | None = None) -> None:
        """Appends an event."""
        recorder = self.recorders[run]
        recorder.add(make_event(name, data or {}))
        self.store.append(run, recorder.take(), recorder.fold)
        self.store.flush()

    def adopt(self, run: str) -> int:
        """Takes a run over; its attempt before."""
        while True:
            for record in self.store.adopt_orphans():
                recorder = self.recorders[record.info.id] = Recorder(SystemClock())
                recorder.fold, recorder.last = record.fold, record.fold.last_event_id
                if record.info.id == run:
                    return record.attempt
            gevent.sleep(0.05)

    def events(self, run: str, last: int) -> list[str]:
        """The names of the events up to number `last`, as a viewer that follows the run sees them."""
        parser, seen, changed = Parser(), list[str](), gevent.event.Event()
        unwatch = self.store.watch(run, changed.set)
        after = 0
        while after < last:
            changed.clear()
            batch = self.store.read(run, after)
            seen += [message.event for message in parser.feed(batch.block)]
            after = batch.last if batch.block else after
            if not batch.block:
                changed.wait(0.5)
        unwatch()
        return seen

    def count(self, run: str, change: int) -> None:
        """Adds a viewer, or removes one."""
        self.store.count(run, change)

    def cancel(self, run: str) -> None:
        """Requests a cancel."""
        self.store.cancel(run, "requested")

    def answer(self, run: str, answer: str) -> bool:
        """Answers a question."""
        return self.store.answer(run, "q", answer.encode())

    def requests(self, run: str) -> list[Any]:
        """The requests to a producer here, once there are a cancel, an answer and a viewer."""
        control = self.store.control(run)
        while not (control.cancel and control.answers and control.viewers):
            gevent.sleep(0.01)
        return [control.cancel, control.answers["q"].decode(), control.viewers]

    def listed(self, operation: str | None, status: str | None) -> list[str]:
        """The runs of an operation and a status."""
        page = self.store.page(owner="", operation=operation, status=status, limit=100, before=None)
        return [record.info.id for record in page]

    def runs(self) -> dict[str, str]:
        """The status of each run."""
        page = self.store.page(owner="", operation=None, status=None, limit=100, before=None)
        return {record.info.id: record.status for record in page}


def main() -> None:
    """Serves until the end of its input."""
    worker = ReleaseWorker(sys.argv[1], float(sys.argv[2]))
    pool = ThreadPool(1)
    while line := pool.apply(sys.stdin.buffer.readline):
        name, *arguments = orjson.loads(line)
        with contextlib.suppress(BrokenPipeError):
            outcome = getattr(worker, name)(*arguments)
            sys.stdout.buffer.write(orjson.dumps(outcome) + b"\n")
            sys.stdout.buffer.flush()
    worker.store.close()


if __name__ == "__main__":
    main()
