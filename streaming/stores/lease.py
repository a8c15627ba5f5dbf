"""A worker's lease: while it renews it, other workers leave its runs to it.

A thread renews it, so that a busy hub does not cost a worker its runs. Each store derives a class that writes it.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

import gevent

from ..logs import Outage
from ..runtime.hub import discard_hub, native_lock, start_native_thread

LEASE: Final = 6.0
"""Seconds after which a lease that was not renewed expires, and other workers take over the runs of its worker."""

RETRY: Final = 0.25
"""Seconds between tries while the store does not accept the renewal."""

STOP_TIMEOUT: Final = 2.0
"""Seconds that `stop` waits for the thread."""


class Lease(ABC):
    """Renews a lease of `seconds` every third of that time, from `start` to `stop`.

    `lapses` counts how often it was renewed too late: others may have taken over the runs of this worker meanwhile.
    """

    def __init__(self, seconds: float, outage: Outage) -> None:
        self._outage = outage
        self.failing: bool = False
        self.seconds = seconds
        self.lapses: int = 0
        self._renewed = time.monotonic()
        self._reliable_from = 0.0
        self._release_at_end = True
        self._ended = False
        self._stop = native_lock()
        self._stop.acquire()

    @abstractmethod
    def renew(self) -> None:
        """Renews the lease, in the thread; raises where the store does not accept that."""

    @abstractmethod
    def release(self) -> None:
        """Deletes the lease, in the thread: other workers may take over the runs at once."""

    @abstractmethod
    def close(self) -> None:
        """Closes the connection, in the thread."""

    @property
    def lapsed(self) -> bool:
        """Whether the lease may have expired since it was last renewed."""
        return time.monotonic() - self._renewed >= self.seconds

    @property
    def reliable(self) -> bool:
        """Whether this worker can rely on what it sees of other workers' leases.

        While it could not renew its own in time (the store was away, the machine was suspended), neither could they:
        it waits until they have had the time to renew theirs.
        """
        now = time.monotonic()
        return now - self._renewed < self.seconds / 2 and now >= self._reliable_from

    def start(self) -> None:
        """Starts the thread."""
        start_native_thread(self._serve, ())

    def stop(self, *, release: bool) -> None:
        """Releases the lease, or renews it once more, and stops the thread. Does not wait while the store is away."""
        self._release_at_end = release
        self._stop.release()
        deadline = time.monotonic() + STOP_TIMEOUT
        while not self._ended and not self.failing and time.monotonic() < deadline:
            gevent.sleep(0.002)

    def _serve(self) -> None:
        try:
            self.attempt(self.renew)
            while not self._stop.acquire(timeout=RETRY if self.failing else self.seconds / 3):
                self.attempt(self.renew)
            self.attempt(self.release if self._release_at_end else self.renew)
            self.close()
        finally:
            discard_hub()
            self._ended = True

    def attempt(self, write: Callable[[], None]) -> None:
        """Calls `renew` or `release`, and notes whether the store has accepted it."""
        began = time.monotonic()
        try:
            write()
            error = None
        except Exception as raised:  # noqa: BLE001  # any error: without another try this worker would lose its runs
            error = raised
        now = time.monotonic()
        if error is None:
            if now - self._renewed > self.seconds / 2:
                self._reliable_from = now + self.seconds
            if now - self._renewed >= self.seconds:
                self.lapses += 1
            self._renewed = began  # this process may have been stopped since
            self._outage.back("lease")
        else:
            self._outage.gone(error, "lease")
        self.failing = error is not None
