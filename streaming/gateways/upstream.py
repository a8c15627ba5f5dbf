"""An upstream stream: one request to another service, followed over as many connections as it takes.

What goes wrong on the way is either mended or told. A Headway run can be taken up again after its last event, through
its own URL, so a cut is followed by tries until events flow again or `RESUME_FOR` seconds have gone by without any;
the upstream's operation needs a linger for that, or it takes the cut for the going of its last viewer. Any other
stream ends in the error that was met (`upstream_failed` before the stream and where it falls silent,
`upstream_truncated` where it breaks off, `too_large` where an event outgrows its bound).

Whoever leaves early, for whatever reason, leaves no work behind: the connection is closed at once, and an upstream run
is sent DELETE.

An upstream run's URL is made of the configured address and the run's id or path; no host that an answer names is ever
asked.
"""

from __future__ import annotations

import contextlib
import json
import logging
import random
import re
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

import gevent
import orjson

from ..errors import EventTooLarge, RegistrationError, UpstreamProblem
from ..protocol.events import Event
from ..protocol.sse import Parser
from ..runs.handshake import Handshake
from ..runs.operation import Upload
from .formats import StreamFormat, UpstreamFailed, truncated
from .options import Auth
from .pool import Exchange, Pool, Request, multipart, pool_for

log = logging.getLogger("headway")

EVENT_STREAM: Final = "text/event-stream"
PROBLEM: Final = "application/problem+json"
RESUME_FOR: Final = 30.0
"""Seconds without an event after which a cut stream is given up; more than a service takes to restart."""

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
"""Seconds between two tries: none before the first, then twice as many each time."""

HEARTBEAT_EVERY: Final = 0.5
"""Seconds between two heartbeats to viewers, however often the upstream sends a comment."""

DELETE_TIMEOUT: Final = 0.8
"""Seconds for the DELETE of an upstream run; less than the runner waits before it complains of an ignored cancel."""

RUN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""What a run's id may be, to go into a path."""

AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where a stream comes from, and on which terms; `gateway` says what each is."""

    url: str
    method: str | None = None
    headers: Collection[str] = ()
    auth: Auth | None = None
    ends_with: str | None = None
    idle: float = 60.0
    connect: float = 10.0
    resume: bool = False
    max_event: int = 16 << 20
    ca: str | None = None

    def __post_init__(self) -> None:
        if self.method is not None:
            object.__setattr__(self, "method", self.method.upper())
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RegistrationError(f"an upstream is an http or https URL, not {self.url!r}")
        refused = sorted({name.lower() for name in self.headers} & OWN_HEADERS)
        if refused:
            raise RegistrationError(f"no gateway passes these headers on: {', '.join(refused)}")
        if not (self.idle > 0 and self.connect > 0):
            raise RegistrationError(f"seconds above 0, not idle={self.idle!r}, connect={self.connect!r}")
        if self.max_event < 1:
            raise RegistrationError(f"max_event is bytes, one or more, not {self.max_event!r}")


HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
"""Headers that belong to one connection (RFC 9110, section 7.6.1, and those that older standards name so)."""

OWN_HEADERS: Final = HOP_BY_HOP | {
    *("host", "content-length", "content-type", "content-encoding", "accept", "accept-encoding"),
    *("last-event-id", "expect", "prefer", "idempotency-key"),
}
"""Headers that a gateway writes itself, or never."""

TRACING: Final = ("traceparent", "tracestate")
"""RawEvent on always (W3C Trace Context)."""


def headers_to_pass_on(header: Callable[[str], str | None], upstream: Upstream) -> list[tuple[str, str]]:
    """Those of a request's headers that go on to the upstream; none that its `Connection` calls its own."""
    barred = {name.strip().lower() for name in (header("Connection") or "").split(",")}
    names = [name for name in (*upstream.headers, *TRACING) if name.lower() not in barred]
    return [(name, value) for name in names if (value := header(name)) is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What one request carries: a body with its headers, or a query. `close` lets go of what the body is read from."""

    headers: Sequence[tuple[str, str]] = ()
    pieces: Iterable[bytes] = ()
    query: str = ""
    close: Callable[[], None] = lambda: None


class Refusal(UpstreamFailed):
    """An upstream that answered, and not with 200: `problem` is what it said, for a caller who has no stream yet."""

    def __init__(self, problem: UpstreamProblem) -> None:
        said = "" if problem.code == "upstream_failed" else f" ({problem.code}): {problem.detail}"
        message = f"The upstream answered {problem.upstream_status}{said or '.'}"
        super().__init__("upstream_failed", message, retryable=problem.upstream_status in AGAIN)
        self.problem = problem


class UpstreamStream:
    """One stream of an upstream.

    The `handshake` is settled once the first response is there and is a stream; comments (heartbeats) are passed on to
    it, twice a second at the most. `run_url` is the upstream run's, where the upstream is Headway.
    """

    def __init__(
        self,
        upstream: Upstream,
        content: Callable[[str], Content],
        headers: Sequence[tuple[str, str]],
        stream_format: StreamFormat,
        handshake: Handshake | None = None,
    ) -> None:
        self.run_url: str | None = None
        self._upstream = upstream
        self._content = content
        self._headers = headers
        self._format = stream_format
        self._handshake = handshake
        self._heartbeat_at = 0.0
        self._last_id = ""
        self._cut_at: float | None = None
        self._open_since = 0.0
        self._pause = 0.0
        self._pool: Pool
        self._exchange: Exchange | None = None

    def events(self) -> Generator[Event, None, None]:
        """The events, until the stream has ended well. Raises `OperationError`."""
        with pool_for(self._upstream.url, self._upstream.ca) as self._pool:
            try:
                self._begin()
                while True:
                    try:
                        yield from self._read()
                        return
                    except UpstreamFailed as fault:
                        if not self._can_resume():
                            raise
                        self._resume(fault)
            finally:
                self._leave()

    def answer(self, question: str, answer: Any) -> None:
        """Hands over the answer to a question of the upstream run."""
        body = json.dumps({"question": question, "answer": answer}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        with self._pool.send(self._request("POST", f"{self.run_url}/answer", headers, [body])) as exchange:
            if exchange.status not in (200, 202):
                raise Refusal(_problem(exchange))

    # -- the first request ----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._exchange = self._first(self._upstream.method or "POST")
        if self._exchange.status == 405 and self._upstream.method is None and "GET" in self._allowed():
            self._exchange.close()
            self._exchange = self._first("GET")
        _check(self._exchange)
        self._find_run(self._exchange.headers)
        if self._handshake is not None:
            self._handshake.settle()

    def _first(self, method: str) -> Exchange:
        content = self._content(method)
        url = self._upstream.url
        if content.query:
            url += ("&" if urlsplit(url).query else "?") + content.query
        try:
            return self._pool.send(self._request(method, url, content.headers, content.pieces))
        finally:
            content.close()

    def _allowed(self) -> list[str]:
        assert self._exchange is not None
        return [method.strip().upper() for method in self._exchange.headers.get("allow", "").split(",")]

    def _request(
        self, method: str, url: str, headers: Sequence[tuple[str, str]] = (), content: Iterable[bytes] = ()
    ) -> Request:
        terms = self._upstream
        own = [("Accept", EVENT_STREAM), ("Accept-Encoding", "identity"), ("User-Agent", "headway")]
        # The last of a name stands, however it is spelled.
        sent = {name.lower(): (name, value) for name, value in [*own, *self._headers, *headers, *_authorized(terms)]}
        return Request(
            method=method,
            url=url,
            headers=list(sent.values()),
            content=content,
            connect=terms.connect,
            idle=terms.idle,
        )

    def _find_run(self, headers: Mapping[str, str]) -> None:
        run = headers.get("run-id", "")
        if RUN.fullmatch(run):
            self._format.expect_headway()
            self.run_url = run_url(self._upstream.url, run, headers.get("location", ""))

    # -- its stream, and others after it --------------------------------------------------------------------------

    def _read(self) -> Generator[Event, None, None]:
        assert self._exchange is not None
        parser = Parser(max_bytes=self._upstream.max_event, on_comment=self._pass_comment)
        stream_format = self._format
        for piece in self._exchange:
            too_large = None
            try:
                messages = parser.feed(piece)
            except EventTooLarge as error:
                messages, too_large = parser.completed, error
            for message in messages:
                self._last_id = message.id
                found = stream_format.take(message)
                if found is not None:
                    yield found
                if stream_format.ended:
                    self._settle()
                    return
            if messages:
                self._cut_at, self._pause = None, 0.0
            if too_large is not None:
                self._format.resumable = False  # the same event would come again
                raise UpstreamFailed("too_large", f"The upstream's stream is not passed on: {too_large}.")
        if parser.unfinished:
            raise truncated("The upstream's stream was cut within an event.")
        stream_format.check_end()
        self._settle()

    def _pass_comment(self, text: str) -> None:
        now = time.monotonic()
        if self._handshake is not None and now - self._heartbeat_at > HEARTBEAT_EVERY:
            self._heartbeat_at = now
            self._handshake.send_heartbeat()

    def _can_resume(self) -> bool:
        if not self._format.resumable or self._format.ended:
            return False
        by_itself = self._upstream.resume and self._upstream.method == "GET" and bool(self._last_id)
        return self.run_url is not None or by_itself

    def _resume(self, fault: UpstreamFailed) -> None:
        """Opens the stream again after the last event; raises what stopped it last where that does not succeed."""
        self._drop()
        now = time.monotonic()
        if self._cut_at is None or now - self._open_since > RESUME_FOR:  # a stream may live long and say nothing
            self._cut_at = now
        while time.monotonic() - self._cut_at < RESUME_FOR:
            log.warning("upstream %s: taken up again after event %s: %s", self._host(), self._last_id, fault.message)
            gevent.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311  # spreads those who were cut together
            self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            try:
                self._exchange = self._pool.send(self._again())
                _check(self._exchange)
                self._open_since = time.monotonic()
                return
            except UpstreamFailed as next_fault:
                self._drop()
                if not next_fault.retryable:
                    raise
                fault = next_fault
        raise fault

    def _again(self) -> Request:
        after = [("Last-Event-ID", self._last_id or "0")]
        if self.run_url is not None:
            return self._request("GET", f"{self.run_url}/events", after)
        return self._request("GET", self._upstream.url, after)

    def _host(self) -> str | None:
        return urlsplit(self._upstream.url).hostname

    # -- its end --------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        if self._exchange is not None:
            self._exchange.settle()
            self._exchange = None

    def _drop(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    def _leave(self) -> None:
        self._drop()
        if self.run_url is not None and not self._format.ended:
            self._cancel_run(self.run_url)

    def _cancel_run(self, run: str) -> None:
        try:
            with gevent.Timeout(DELETE_TIMEOUT), self._pool.send(self._request("DELETE", run)) as exchange:
                if exchange.status not in (200, 202, 404):
                    log.warning("upstream %s: DELETE of its run was answered with %d", self._host(), exchange.status)
                exchange.body()
        except (UpstreamFailed, gevent.Timeout) as error:
            log.warning("upstream %s: its run could not be cancelled: %s", self._host(), error)
        except Exception:  # of an `auth`, say; what ends this stream is another matter
            log.exception("upstream %s: its run could not be cancelled", self._host())


def run_url(configured: str, run: str, location: str) -> str | None:
    """The URL of an upstream run, on the configured host: beside `/operations/`, else where `location` puts it."""
    parts = urlsplit(configured)
    base, found, _ = parts.path.rpartition("/operations/")
    path = f"{base}/runs/{run}" if found else urlsplit(location).path
    return urlunsplit((parts.scheme, parts.netloc, path, "", "")) if path.endswith(f"/runs/{run}") else None


def _authorized(terms: Upstream) -> Iterable[tuple[str, str]]:
    """The headers that show who asks: `auth`'s, or those of a user and a password in the URL (RFC 7617)."""
    if terms.auth is None:
        parts = urlsplit(terms.url)
        if parts.username is None:
            return []
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return [("Authorization", f"Basic {b64encode(pair.encode()).decode()}")]
    given = terms.auth()
    return [("Authorization", given)] if isinstance(given, str) else given.items()


def _check(exchange: Exchange) -> None:
    """Raises `UpstreamFailed` for a response that is no event stream."""
    if exchange.status != 200:
        with exchange:
            raise Refusal(_problem(exchange))
    if exchange.media_type != EVENT_STREAM:
        exchange.close()
        found = exchange.media_type or "nothing that it names"
        raise UpstreamFailed("upstream_failed", f"The upstream answered with {found}, not with an event stream.")


def _problem(exchange: Exchange) -> UpstreamProblem:
    """What the upstream has against the request: its problem document, which is meant for callers, or its status."""
    said: Any = None
    if exchange.media_type == PROBLEM:
        try:
            said = orjson.loads(exchange.body())
        except (orjson.JSONDecodeError, UpstreamFailed):
            said = None
    after = exchange.headers.get("retry-after", "")
    return UpstreamProblem(
        exchange.status,
        said if isinstance(said, dict) else {},
        retry_after=int(after) if after.isdecimal() and len(after) < 9 else None,
    )


def json_content(body: bytes) -> Content:
    """A JSON body."""
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    return Content(headers=headers, pieces=[body])


def multipart_content(fields: Mapping[str, str | list[str]], files: Sequence[tuple[str, Upload]]) -> Content:
    """A form with files, which are read as they are sent."""
    opened = contextlib.ExitStack()
    parts = [
        (name, (upload.filename, opened.enter_context(upload.path.open("rb")), upload.content_type))
        for name, upload in files
    ]
    headers, pieces = multipart(fields, parts)
    return Content(headers=headers, pieces=pieces, close=opened.close)
