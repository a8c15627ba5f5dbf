"""What a worker writes to Redis: one connection, one batch in flight; what gathers meanwhile makes the next batch.

A batch is one round trip, in which each task is a script of its own: kept whole, or not at all. While Redis is away its
batch waits, and is sent again until it has been taken.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

import gevent
from gevent.event import AsyncResult
from redis.exceptions import ResponseError

from ...errors import StoreAway
from ...runtime.hub import GreenSignal
from .connection import Wire, refused
from .scripts import Command

log = logging.getLogger("headway")

PATIENCE: Final = 2.0
"""Seconds that a request waits for the writer."""

RETRY: Final = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds between tries while Redis is away."""

AWAY: Final = "the store of the runs cannot be written"


class Task(Protocol):
    """Something to be written."""

    dropped: bool
    """Nobody waits for it any more."""

    @property
    def commands(self) -> Sequence[Command]:
        """What is sent for it; the last one's reply is its outcome."""

    def done(self, reply: Any) -> bool:
        """Takes the outcome; false where it has to be sent again."""


class Order:
    """Commands whose outcome somebody waits for; `undo` is sent where it comes too late."""

    def __init__(self, *commands: Command, undo: Command | None = None) -> None:
        self.commands = commands
        self.undo = undo
        self.outcome: AsyncResult[Any] = AsyncResult()
        self.dropped = False

    def done(self, reply: Any) -> bool:
        self.outcome.set(reply)
        return True


class Writer:
    """The connection that writes.

    `gather` gives what there is to write besides the orders. `turned` is called when Redis goes away and when it is
    back.
    """

    def __init__(self, url: str, gather: Callable[[], Iterable[Task]], turned: Callable[[], None]) -> None:
        self.away = False
        self.closed = False
        self._wire = Wire(url)
        self._gather = gather
        self._turned = turned
        self._orders: list[Order] = []
        self._busy = False
        self._work = GreenSignal()

    @property
    def idle(self) -> bool:
        """Whether it has nothing to write, as far as it knows."""
        return not self._orders and not self._busy

    def wake(self) -> None:
        """There is something to gather."""
        self._work.set()

    def order(self, order: Order) -> None:
        """Has it written in its turn."""
        self._orders.append(order)
        self._work.set()

    def ordered(self, order: Order) -> Any:
        """What Redis answers to an order. Raises `StoreAway` after `PATIENCE`."""
        if self.away or self.closed:
            raise StoreAway(AWAY)
        self.order(order)
        return self.outcome(order)

    def outcome(self, order: Order) -> Any:
        """What Redis answers to an order that was given before. Raises `StoreAway` after `PATIENCE`."""
        try:
            reply = order.outcome.get(timeout=PATIENCE)
        except gevent.Timeout:
            order.dropped = True
            if order.undo is not None:
                self.order(Order(order.undo))  # it may be kept all the same
            raise StoreAway(AWAY) from None
        if isinstance(reply, ResponseError):
            raise StoreAway(f"{AWAY}: {reply}") from reply
        return reply

    def close(self) -> None:
        """Lets go of the connection."""
        self._wire.close()

    def serve(self) -> None:
        """Writes what there is, for as long as it is let."""
        while True:
            self._work.clear()
            tasks: list[Task] = [*self._orders, *self._gather()]
            self._orders = []
            if not tasks:
                self._busy = False
                self._work.wait()
                continue
            self._busy = True
            try:
                self._see_through(tasks)
            except Exception:
                log.exception("the writer of the store of the runs failed")
                gevent.sleep(1.0)

    def _see_through(self, tasks: list[Task]) -> None:
        """Has one batch kept, however long Redis is away."""
        tries = 0
        while tasks:
            left, trouble = self._write(tasks)
            self._turn(trouble)
            if trouble is not None:
                gevent.sleep(RETRY[min(tries, len(RETRY) - 1)])
                tries += 1
            tasks = [task for task in left if not task.dropped]

    def _write(self, tasks: list[Task]) -> tuple[list[Task], Exception | None]:
        """One round trip; what is left to do of it, and what stood in the way."""
        batches = [task.commands for task in tasks]
        try:
            replies = iter(self._wire.ask([command for batch in batches for command in batch]))
        except StoreAway as away:
            return tasks, away
        left: list[Task] = []
        trouble = None
        for task, batch in zip(tasks, batches, strict=True):
            reply = [next(replies) for _ in batch][-1]
            if refused(reply):
                trouble = reply
                left.append(task)
            elif not _done(task, reply):
                left.append(task)
        return left, trouble

    def _turn(self, trouble: Exception | None) -> None:
        before, self.away = self.away, trouble is not None
        if self.away and not before:
            log.error("the store of the runs cannot be written: %s", trouble)
        elif before and not self.away:
            log.warning("the store of the runs can be written again")
        if self.away or before:
            self._turned()


def _done(task: Task, reply: Any) -> bool:
    if isinstance(reply, ResponseError):
        log.error("the store of the runs answers with an error: %s", reply)
    try:
        return task.done(reply)
    except Exception:
        log.exception("an answer of the store of the runs could not be heeded")
        return True
