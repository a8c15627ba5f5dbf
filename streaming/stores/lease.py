"""A worker's lease: the sign of life that other workers go by, renewed by a thread of its own.

Its own, so that a busy hub does not cost a worker its runs. A store derives from it how the sign is given.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

import gevent

from ..runtime.hub import discard_hub, native_lock, start_native_thread

log = logging.getLogger("headway")

LEASE: Final = 6.0
"""Seconds without a sign of life after which a worker's runs are lost."""

RETRY: Final = 0.25
"""Seconds until the next try where the store did not take one."""

PATIENCE: Final = 2.0
"""Seconds that the end of a worker waits for the last one."""


class Lease(ABC):
    """A sign of life every third of `seconds`, from `begin` to `end`."""

    def __init__(self, seconds: float) -> None:
        self.failing = False
        self.seconds = seconds
        self._renewed = time.monotonic()
        self._judges = 0.0
        self._at_once = True
        self._ended = False
        self._stop = native_lock()
        self._stop.acquire()

    @abstractmethod
    def renew(self) -> None:
        """Gives one, in the thread; raises where the store does not take it."""

    @abstractmethod
    def give_up(self) -> None:
        """Takes it back, in the thread: from now on this worker is gone."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of the connection, in the thread."""

    @property
    def steady(self) -> bool:
        """Whether this worker may say of others that they are lost.

        Where it could not renew its own lease in time (the store was away, the machine stood still), neither could
        they: it waits for as long as their next signs of life may take.
        """
        now = time.monotonic()
        return now - self._renewed < self.seconds / 2 and now >= self._judges

    def begin(self) -> None:
        """Starts the thread."""
        start_native_thread(self._serve, ())

    def end(self, *, at_once: bool) -> None:
        """Renews it for the last time; with `at_once` it is given up. Waits for that unless the store is away."""
        self._at_once = at_once
        self._stop.release()
        deadline = time.monotonic() + PATIENCE
        while not self._ended and not self.failing and time.monotonic() < deadline:
            gevent.sleep(0.002)

    def _serve(self) -> None:
        try:
            self.sign(self.renew)
            while not self._stop.acquire(timeout=RETRY if self.failing else self.seconds / 3):
                self.sign(self.renew)
            self.sign(self.give_up if self._at_once else self.renew)
            self.close()
        finally:
            discard_hub()
            self._ended = True

    def sign(self, give: Callable[[], None]) -> None:
        """Gives a sign, or takes it back, and remembers whether the store took it."""
        try:
            give()
            error = None
        except Exception as trouble:  # noqa: BLE001  # whatever it is: without a next try this worker's runs were lost
            error = trouble
        now = time.monotonic()
        if error is None:
            if now - self._renewed > self.seconds / 2:
                self._judges = now + self.seconds
            self._renewed = now
        elif not self.failing:
            log.warning("the lease of this worker could not be renewed: %s", error)
        self.failing = error is not None
