"""Requests and answers as data, without I/O. The body of a start is made in `forms`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx
import orjson
from pydantic import TypeAdapter

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

UNCOUNTED: Final = {"watch": "0"}
"""The query of a stream whose viewer does not count: the run is as if nobody had watched it."""

MAX_PORT: Final = 65535

KEY: Final = re.compile(r"[!-~]+")
"""What an API key is made of: the visible characters of ASCII (RFC 9110, section 5.5)."""


def timeouts(heartbeat: float) -> httpx.Timeout:
    """The timeouts for a service whose heartbeats are `heartbeat` seconds apart. Raises `ValueError`."""
    if not heartbeat > 0:
        raise ValueError(f"heartbeat must be above 0 seconds, not {heartbeat!r}")
    return httpx.Timeout(30.0, read=SILENT_HEARTBEATS * heartbeat)


def base_url(url: str) -> str:
    """The URL that `/operations` and `/runs` follow. Raises `Unreachable` for one that is not http or https."""
    try:
        parts = httpx.URL(url)
        more = parts.query or parts.fragment or re.search(r"\s", url)
        right = parts.scheme in ("http", "https") and bool(parts.host and not more) and (parts.port or 1) <= MAX_PORT
    except (httpx.InvalidURL, ValueError):
        right = False
    if not right:
        raise Unreachable(f"{shown_url(url)!r} is not the http or https URL of a service", transient=False)
    return url.rstrip("/")


def shown_url(url: str) -> str:
    """A URL without the name and the password that it may have."""
    return re.sub(r"//[^/?#]*@", "//", url)


def is_same_origin(url: str, other: str) -> bool:
    """Whether both URLs have one scheme, host and port."""

    def origin_of(url: str) -> tuple[str, str, int | None]:
        parts = httpx.URL(url)
        return parts.scheme, parts.host, parts.port or {"http": 80, "https": 443}.get(parts.scheme)

    try:
        return origin_of(url) == origin_of(other)
    except httpx.InvalidURL:
        return False


def checked_key(key: str) -> str:
    """An API key, "" for none. Raises `ValueError`, without the key, for what no header can carry."""
    if key and not KEY.fullmatch(key):
        raise ValueError("an API key has only visible ASCII characters, without spaces")
    return key


def path_of(*parts: str) -> str:
    """A path below the base URL, its parts quoted. Raises `ValueError` where the id of a run is empty, or leads out."""
    if "" in parts:
        raise ValueError("this stream belongs to no run")
    if not {".", ".."}.isdisjoint(parts):  # which every reader of a URL takes out of it (RFC 3986, section 5.2.4)
        raise ValueError("`.` and `..` are no names of a service")
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def start_headers(key: str, *, detached: bool, linger: float | None) -> dict[str, str]:
    """The headers of a start. A repeated start with the same Idempotency-Key joins the first one's run.

    Raises `ValueError`.
    """
    if linger is not None and not 0 <= linger < math.inf:
        raise ValueError(f"linger must be 0 seconds or more, and finite, not {linger!r}")
    wishes = ["respond-async"] * detached + ([] if linger is None else [f"linger={math.ceil(linger)}"])
    headers = {"Idempotency-Key": key, **({} if detached else stream_headers())}
    return {**headers, "Prefer": ", ".join(wishes)} if wishes else headers


def stream_headers() -> dict[str, str]:
    """The headers of a request for a stream. Compression would delay events."""
    return {"Accept": f"text/event-stream, {PROBLEM}", "Accept-Encoding": "identity"}


def json_body(value: Any) -> dict[str, Any]:
    """A JSON body, as arguments for httpx."""
    try:
        body = orjson.dumps(value)
    except orjson.JSONEncodeError:  # of a number of more than 64 bits; of anything else raised again
        body = json.dumps(value, allow_nan=False).encode()
    return {"content": body, "headers": {"Content-Type": "application/json"}}


def run_of(response: httpx.Response) -> str:
    """The id of the run in an answer's headers; "" where there is none, as with `stream()`."""
    return str(response.headers.get("run-id") or response.headers.get("location", "").rpartition("/")[2])


def snapshot_of(response: httpx.Response) -> Snapshot:
    """The snapshot in an answer. Raises `NotAStream` where there is none."""
    try:
        return read_snapshot(json_of(response))
    except ValueError as error:
        raise NotAStream("the answer is no snapshot of a run") from error


def snapshots_of(entries: list[dict[str, Any]]) -> list[Snapshot]:
    """The snapshots of a list. Raises `NotAStream` where one is none."""
    try:
        return [read_snapshot(entry) for entry in entries]
    except ValueError as error:
        raise NotAStream("the answer has an entry that is no snapshot of a run") from error


def token_in(response: httpx.Response) -> str:
    """The token in an answer. Raises `NotAStream` where there is none."""
    return str(_member(response, "token", str))


def list_of(response: httpx.Response, name: str) -> list[dict[str, Any]]:
    """The list of this name in an answer, of objects. Raises `NotAStream` where there is none."""
    entries: list[dict[str, Any]] = _member(response, name, list)
    if not all(isinstance(entry, dict) for entry in entries):
        raise _missing(name)
    return entries


def json_of(response: httpx.Response) -> Any:
    """The JSON of an answer. Raises `ValueError`, also for more levels than there may be."""
    return orjson.loads(response.content)


def as_type(value: Any, type: Any) -> Any:
    """A result as this type, a pydantic model or another one; as it came with `None`.

    Raises pydantic's `ValidationError`.
    """
    return value if type is None else TypeAdapter(type).validate_json(orjson.dumps(value))


def too_late(run: str, timeout: float | None) -> TimeoutError:
    """The error of a result that is not there in time."""
    return TimeoutError(f"run {run} is not over after {timeout:g} seconds")


def _member(response: httpx.Response, name: str, kind: type[Any]) -> Any:
    try:
        value = json_of(response)[name]
    except (ValueError, LookupError, TypeError) as error:
        raise _missing(name) from error
    if not isinstance(value, kind):
        raise _missing(name)
    return value


def _missing(name: str) -> NotAStream:
    return NotAStream(f"the answer has no {name}: is this the URL of the service?")


def unreachable(error: Exception, url: str) -> Unreachable:
    """The error of the client for one of httpx."""
    default = "no answer in time" if isinstance(error, httpx.TimeoutException) else type(error).__name__
    transient = not isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol | httpx.InvalidURL)
    return Unreachable(f"{shown_url(url)} cannot be reached: {str(error) or default}", transient=transient)
