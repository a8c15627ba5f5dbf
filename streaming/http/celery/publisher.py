"""Sends the messages that a run wants a worker, from a native thread of its own.

Celery's publishing waits for its broker in ways that gevent does not see, and some of its locks are held by what the
garbage collector runs: neither a request nor the hub waits for it here. It has a connection of its own, whose waits are
bounded, and makes no result.
"""

from __future__ import annotations

import contextlib
import logging
from types import SimpleNamespace
from typing import Any, Final

from gevent import monkey

from ...logs import Outage
from ...runtime.hub import discard_hub, start_native_thread

log: Final = logging.getLogger("headway")

TASK: Final = "headway.run"
"""The name of the task."""

BOUND: Final = 3.0
"""Seconds for which one call waits for the broker."""

TIMEOUTS: Final = {"redis": ("socket_timeout", "socket_connect_timeout"), "amqp": ("read_timeout", "write_timeout")}
"""The options that bound the waits, by the driver of a transport."""

SimpleQueue: Final[Any] = monkey.get_original("queue", "SimpleQueue")

END: Final = None
"""The last entry."""


class Publisher:
    """Sends messages to the broker of a Celery application. While that is away, they are dropped, and sent again."""

    def __init__(self, celery: Any) -> None:
        self._celery = celery
        self._runs = SimpleQueue()
        self._outage = Outage("the broker of Celery")
        self._connection: Any = None
        self._started = self._closed = self.ended = False

    def send(self, run: str) -> None:
        """Sends a message for a run, soon; never waits."""
        if self._closed:
            return
        if not self._started:
            self._started = True
            start_native_thread(self._serve, ())
        self._runs.put(run)

    def close(self) -> None:
        """Sends what waits, and ends the thread."""
        self._closed = True
        self._runs.put(END)

    # -- the thread ---------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while (run := self._runs.get()) is not END:
                self._try(run)
            self._disconnect()
        finally:
            discard_hub()
            self.ended = True

    def _try(self, run: str) -> None:
        try:
            try:
                self._publish(run)
            except Exception:
                if self._connection is None:
                    raise
                self._disconnect()  # the broker may have closed it while nothing was sent
                self._publish(run)
            self._outage.back()
        except Exception as error:  # noqa: BLE001  # any transport's
            self._outage.gone(error)
            self._disconnect()
            self._drop_waiting()

    def _drop_waiting(self) -> None:
        """Drops what waits: each would wait for the broker again, and all are sent again once it is back."""
        for _ in range(self._runs.qsize()):
            if self._runs.get() is END:
                self._runs.put(END)
                return

    def _publish(self, run: str) -> None:
        celery = self._celery
        if self._connection is None:
            connection = celery.connection_for_write(connect_timeout=BOUND)
            bounds = dict.fromkeys(TIMEOUTS.get(connection.transport.driver_type, ()), BOUND)
            connection.transport_options = {**connection.transport_options, **bounds, "max_retries": 1}
            self._connection = connection
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=BOUND)
        celery.send_task(
            TASK,
            (run,),
            producer=celery.amqp.Producer(self._connection, auto_declare=False),
            retry=False,
            ignore_result=True,
            add_to_parent=False,
            result_cls=lambda _: SimpleNamespace(),  # not one that belongs to a result backend
        )

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.release()
