"""Requests and answers as data, without I/O.

An input with a file is sent as `multipart/form-data`, any other as JSON. In a form an object is its JSON as text.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx
import orjson
from pydantic import BaseModel

from ..protocol.typed import Snapshot, read_snapshot
from .errors import ClientError, NotAStream, Unreachable

Headers = Mapping[str, str] | Callable[[], Mapping[str, str]]
"""Headers for every request, or a function that returns them: it is called for each, so that a token is fresh."""

OnLost = Callable[[float, ClientError | None], None]
"""Called when a connection is lost: the seconds until the next attempt, and the error (`None` for a clean end)."""

SILENT_HEARTBEATS: Final = 2.5
"""A connection is dead once it was silent for this many heartbeats."""

PROBLEM: Final = "application/problem+json"
"""The media type of a refusal."""

CATCH_UP: Final = {"merge": "deltas"}
"""The query of a stream: what a run has said so far comes in a few pieces."""

LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""httpx opens at most 100 connections by default, and a stream occupies one."""


@dataclass(frozen=True)
class File:
    """A file of an input, in memory: its name, bytes and media type. For a file on disk, pass a `Path`."""

    name: str
    content: bytes
    content_type: str = "application/octet-stream"


Input = Mapping[str, Any] | BaseModel | None


def timeouts(heartbeat: float) -> httpx.Timeout:
    """The timeouts for a service whose heartbeats are `heartbeat` seconds apart. Raises `ValueError`."""
    if not heartbeat > 0:
        raise ValueError(f"heartbeat must be above 0 seconds, not {heartbeat!r}")
    return httpx.Timeout(30.0, read=SILENT_HEARTBEATS * heartbeat)


def base_url(url: str) -> str:
    """The URL that `/operations` and `/runs` follow. Raises `Unreachable` for one that is not http or https."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Unreachable(f"{url!r} is not the http or https URL of a service", transient=False)
    return url.rstrip("/")


def path_of(*parts: str) -> str:
    """A path below the base URL, its parts quoted. Raises `ValueError` where the id of a run is empty."""
    if "" in parts:
        raise ValueError("this stream belongs to no run")
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def start_headers(key: str, *, detached: bool) -> dict[str, str]:
    """The headers of a start. A repeated start with the same Idempotency-Key joins the first one's run."""
    return {"Idempotency-Key": key, **({"Prefer": "respond-async"} if detached else stream_headers())}


def stream_headers() -> dict[str, str]:
    """The headers of a request for a stream. Compression would delay events."""
    return {"Accept": f"text/event-stream, {PROBLEM}", "Accept-Encoding": "identity"}


@contextlib.contextmanager
def body_of(input: Input) -> Iterator[dict[str, Any]]:
    """The body of a start, as arguments for httpx; its files stay open until the block ends."""
    fields = _fields(input)
    with contextlib.ExitStack() as stack:
        if any(isinstance(entry, Path | File) for value in fields.values() for entry in _as_list(value)):
            yield _form(fields, stack)
        else:
            yield json_body(fields)


def json_body(value: Any) -> dict[str, Any]:
    """A JSON body, as arguments for httpx."""
    return {"content": orjson.dumps(value), "headers": {"Content-Type": "application/json"}}


def run_of(response: httpx.Response) -> str:
    """The id of the run in an answer's headers; "" where there is none, as with `stream()`."""
    return str(response.headers.get("run-id") or response.headers.get("location", "").rpartition("/")[2])


def snapshot_of(response: httpx.Response) -> Snapshot:
    """The snapshot in an answer. Raises `NotAStream` where there is none."""
    try:
        return read_snapshot(response.json())
    except ValueError as error:
        raise NotAStream("the answer is no snapshot of a run") from error


def token_in(response: httpx.Response) -> str:
    """The token in an answer. Raises `NotAStream` where there is none."""
    try:
        return str(response.json()["token"])
    except (ValueError, KeyError, TypeError) as error:
        raise NotAStream("the answer has no token: is this the URL of the service?") from error


def list_of(response: httpx.Response, name: str) -> list[dict[str, Any]]:
    """The list of this name in an answer. Raises `NotAStream` where there is none."""
    try:
        return list(response.json()[name])
    except (ValueError, KeyError, TypeError) as error:
        raise NotAStream(f"the answer has no {name}: is this the URL of the service?") from error


def unreachable(error: Exception, url: str) -> Unreachable:
    """The error of the client for one of httpx."""
    default = "no answer in time" if isinstance(error, httpx.TimeoutException) else type(error).__name__
    transient = not isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol | httpx.InvalidURL)
    return Unreachable(f"{url} cannot be reached: {str(error) or default}", transient=transient)


def _fields(input: Input) -> dict[str, Any]:
    if isinstance(input, BaseModel):
        return input.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return dict(input or {})


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _form(fields: Mapping[str, Any], stack: contextlib.ExitStack) -> dict[str, Any]:
    files: list[tuple[str, tuple[str, Any] | tuple[str, Any, str]]] = []
    data: dict[str, list[str]] = {}
    for name, value in fields.items():
        for entry in _as_list(value):
            if isinstance(entry, Path):
                files.append((name, (entry.name, stack.enter_context(entry.open("rb")))))
            elif isinstance(entry, File):
                files.append((name, (entry.name, entry.content, entry.content_type)))
            elif entry is not None:
                data.setdefault(name, []).append(_form_text(name, entry))
    return {"files": files, "data": data}


def _form_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        raise ValueError(
            f"{name}: an input with a file may hold text and JSON besides, not a {type(value).__name__}"
        ) from None
