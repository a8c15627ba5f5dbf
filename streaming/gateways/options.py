"""The keywords that `gateway` and `relay` share: on which terms an upstream is asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypedDict

Auth = Callable[[], str | Mapping[str, str]]


class UpstreamOptions(TypedDict, total=False):
    """Each is optional; times are seconds, sizes bytes."""

    method: str | None
    """The request's method; without it POST, and GET where the upstream answers that it takes only that (405)."""

    headers: Collection[str]
    """Names of the request's headers that are passed on; `traceparent` and `tracestate` always are."""

    auth: Auth | None
    """Called for each attempt; gives an `Authorization` or a mapping of headers. Without it, a user and a password in
    the URL are used."""

    ends_with: str | None
    """The event that ends the stream well, where its format is not a known one."""

    idle: float
    """Seconds without a byte, heartbeats included, after which the upstream has failed; 60."""

    connect: float
    """Seconds for a connection; 10."""

    resume: bool
    """Whether the upstream takes a GET with `Last-Event-ID` up again; of Headway runs that is known."""

    max_event: int
    """Bytes of one event; 16 MiB."""

    ca: str | None
    """A PEM file of authorities to trust, instead of the usual ones."""
