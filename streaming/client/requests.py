"""What a client asks for, as data: URLs, headers and bodies. The sync and the async client send them.

An input with a file in it goes as `multipart/form-data`, any other as JSON.
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

from .errors import ClientError, NotAStream, Unreachable
from .events import Snapshot, read_snapshot

Headers = Mapping[str, str] | Callable[[], Mapping[str, str]]
"""Headers for every request, or a function that gives them, called for each (so that a token is a fresh one)."""

OnLost = Callable[[float, ClientError | None], None]
"""Told of a lost connection: the seconds until the next attempt, and what happened."""

SILENT_BEATS: Final = 2.5
"""Heartbeats without a byte after which a connection is taken for dead."""

LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""httpx would open a hundred connections at the most, and a stream occupies one."""


@dataclass(frozen=True)
class File:
    """A file for an input that is in memory: its name, its bytes, and its media type. A `Path` does for one on disk."""

    name: str
    content: bytes
    content_type: str = "application/octet-stream"


Input = Mapping[str, Any] | BaseModel | None


def timeouts(heartbeat: float) -> httpx.Timeout:
    """How long a connection may take to come about, and be silent, when heartbeats come every so many seconds."""
    if not heartbeat > 0:
        raise ValueError(f"heartbeat is seconds above 0, not {heartbeat!r}")
    return httpx.Timeout(30.0, read=SILENT_BEATS * heartbeat)


def base_url(url: str) -> str:
    """The URL under which `/operations` and `/runs` are. Raises `Unreachable` for one that cannot be asked."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Unreachable(f"{url!r} is no http or https URL of a service", transient=False)
    return url.rstrip("/")


def path_of(*parts: str) -> str:
    """A path below the base, of parts that may hold anything. Raises `ValueError` for one that is empty."""
    if "" in parts:
        raise ValueError("this stream has no run")
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def start_headers(key: str, *, detached: bool) -> dict[str, str]:
    """What a start carries. Its Idempotency-Key lets it be repeated without a second run being started."""
    wants = {"Prefer": "respond-async", "Accept": "application/json"} if detached else stream_headers()
    return {"Idempotency-Key": key, **wants}


def stream_headers() -> dict[str, str]:
    """What a request for a stream carries: compressing would hold events back."""
    return {"Accept": "text/event-stream", "Accept-Encoding": "identity"}


@contextlib.contextmanager
def body_of(input: Input) -> Iterator[dict[str, Any]]:
    """The body of a start, as arguments of httpx; its files are open until the block ends."""
    fields = _fields(input)
    with contextlib.ExitStack() as stack:
        if any(_is_file(entry) for value in fields.values() for entry in _several(value)):
            yield _form(fields, stack)
        else:
            yield json_body(fields)


def json_body(value: Any) -> dict[str, Any]:
    """A body of JSON, as arguments of httpx."""
    return {"content": orjson.dumps(value), "headers": {"Content-Type": "application/json"}}


def run_of(response: httpx.Response) -> str:
    """The id of the run that a start was answered with; "" where there is none, as with `stream()`."""
    return str(response.headers.get("run-id") or response.headers.get("location", "").rpartition("/")[2])


def snapshot_of(response: httpx.Response) -> Snapshot:
    """The snapshot in an answer. Raises `NotAStream` where there is none."""
    try:
        return read_snapshot(response.json())
    except ValueError as error:
        raise NotAStream("the answer is no snapshot of a run") from error


def list_of(response: httpx.Response, name: str) -> list[dict[str, Any]]:
    """The list of this name in an answer. Raises `NotAStream` where there is none."""
    try:
        found = response.json()[name]
    except (ValueError, KeyError, TypeError) as error:
        raise NotAStream(f"the answer holds no {name}: is this the URL of the service?") from error
    return list(found)


def unreachable(error: Exception, url: str) -> Unreachable:
    """What httpx raised, in the client's words."""
    said = str(error) or "it stayed silent" if isinstance(error, httpx.TimeoutException) else str(error)
    transient = not isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol | httpx.InvalidURL)
    return Unreachable(f"{url} cannot be reached: {said or type(error).__name__}", transient=transient)


def _fields(input: Input) -> dict[str, Any]:
    if isinstance(input, BaseModel):
        return input.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return dict(input or {})


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _is_file(value: Any) -> bool:
    return isinstance(value, Path | File)


def _form(fields: Mapping[str, Any], stack: contextlib.ExitStack) -> dict[str, Any]:
    files: list[tuple[str, tuple[str, Any] | tuple[str, Any, str]]] = []
    data: dict[str, list[str]] = {}
    for name, value in fields.items():
        for entry in _several(value):
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
    raise ValueError(f"{name}: beside a file a form carries text, numbers and booleans, not a {type(value).__name__}")
