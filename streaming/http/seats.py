"""The open streams of each client on a worker, which HEADWAY_MAX_STREAMS_PER_CLIENT limits.

A request for a stream takes a seat before it is served, so that requests that come together do not all find room, and
the viewer's leaving frees it, or the end of a request that has come to no stream.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from flask import g

from ..errors import TooMany
from ..runtime.worker import Worker

KEY: Final = "_headway_seat"


class Seats:
    """The seats that are taken: a part of the worker, used in its hub."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._taken: Counter[str] = Counter()

    def take(self, client: str, limit: int) -> Seat:
        """A seat for a client that has fewer than `limit`. Raises `TooMany`."""
        if self._taken[client] >= limit:
            message = "this client has as many open streams as it may have"
            raise TooMany(message, code="too_many_streams", retry_after=5)
        self._taken[client] += 1
        return Seat(self, client)

    def free(self, client: str) -> None:
        """Called once for each seat."""
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]


class Seat:
    """One stream of a client."""

    __slots__ = ("_client", "_free", "_seats")

    def __init__(self, seats: Seats, client: str) -> None:
        self._seats = seats
        self._client = client
        self._free = False

    def free(self) -> None:
        """Frees the seat, unless it is free."""
        if not self._free:
            self._free = True
            self._seats.worker.call(self._seats.free, self._client)


def take_seat(worker: Worker, client: str, limit: int) -> None:
    """Takes a seat for the current request. Raises `TooMany`."""
    setattr(g, KEY, worker.call(worker.part(Seats).take, client, limit))


def current_seat() -> Seat | None:
    """The seat of the current request."""
    seat: Seat | None = g.get(KEY)
    return seat


def pass_seat() -> None:
    """Leaves the seat of the current request to the source of its stream, which frees it."""
    g.pop(KEY, None)


def drop_seat() -> None:
    """Frees the seat of a request that has come to no stream."""
    seat = current_seat()
    if seat is not None:
        seat.free()
