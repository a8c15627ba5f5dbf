"""The keywords that `gateway` and `relay` share: how an upstream is requested."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypedDict

from ..protocol.events import Event

Auth = Callable[[], str | Mapping[str, str]] | Callable[[Any], str | Mapping[str, str]]


class UpstreamOptions(TypedDict, total=False):
    """Each is optional. Times are in seconds, sizes in bytes."""

    method: str | None
    """The method of the request. By default POST, and GET where the upstream refuses that with 405; `relay` keeps the
    method of its request."""

    headers: Collection[str]
    """Names of the caller's headers that are passed on; `traceparent` and `tracestate` always are."""

    auth: Auth | None
    """Called for each request; returns an `Authorization` or a mapping of headers. It may take an argument: the run
    (`current_run()`: id, operation, owner, input, headers), or under `relay` Flask's request. By default a user and a
    password in the URL are used."""

    ends_with: str | Collection[str] | Callable[[Event], object] | None
    """The names of the events that end the stream, or a function that tells by an event whether it does; for a service
    that `endings` does not know."""

    idle: float
    """Seconds without a byte, heartbeats included, after which the upstream has failed; 60 by default."""

    silence: float
    """Seconds without an event, whatever comments come, after which the upstream has failed; 3,600 by default."""

    total: float
    """Seconds within which the stream has to end; a day (86,400) by default."""

    connect: float
    """Seconds to connect; 10 by default."""

    resume: bool
    """Whether a GET with `Last-Event-ID` resumes the stream; a Headway run is resumed anyway."""

    max_event: int
    """The largest event; 16 MiB by default."""

    media_types: Collection[str]
    """The media types that are read as an event stream: by default `text/event-stream` alone. Some services send
    `text/plain`, or none (`""`). `application/x-ndjson` is read as lines of JSON, each of them an event."""

    ca: str | None
    """A PEM file of certificate authorities to trust, instead of the usual ones."""
