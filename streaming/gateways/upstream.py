"""An upstream stream: one request to another service, followed over as many connections as it takes.

A run of Headway can be resumed after its last event, through its own URL. So a cut is followed by attempts until events
flow again, or until `RESUME_FOR` seconds have passed without any; the upstream's operation needs a linger for that, or
it stops with its last viewer. Any other stream ends in the error that occurred: `upstream_failed` before the stream and
where it falls silent, `upstream_truncated` where it breaks off, `too_large` where an event exceeds the limit.

However a stream ends early, no work goes on: the connection is closed at once, and an upstream run is cancelled.

The URL of an upstream run is made of the configured address and the run's id or path; a host that a response names is
never contacted.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import math
import random
import re
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import gevent

from ..errors import EventTooLarge, RegistrationError, UpstreamProblem
from ..logs import Outage
from ..protocol.events import FLUSH, Event, Flush
from ..protocol.retry_after import parse_retry_after
from ..protocol.sse import Parser
from ..runs.handshake import Handshake
from ..runs.upload import Upload
from .endings import json_object
from .formats import EndsWith, StreamFormat, UpstreamFailed, truncated
from .lines import MEDIA_TYPES as LINES
from .lines import LineParser
from .options import Auth
from .pool import AWAY, Exchange, Header, Pool, Request, multipart, pool_for

log: Final = logging.getLogger("headway")

EVENT_STREAM: Final = "text/event-stream"
PROBLEM: Final = "application/problem+json"
RESUME_FOR: Final = 30.0
"""Seconds without a new event after which a cut stream is given up; more than a service takes to restart."""

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
"""Seconds between two attempts to resume: none before the first, then doubled until there is a new event again."""

STEADY: Final = 1.0
"""Seconds that a resumed stream has to last, or the next attempt waits although there was a new event."""

HEARTBEAT_EVERY: Final = 0.5
"""Seconds between two heartbeats to viewers, however often the upstream sends a comment."""

DELETE_TIMEOUT: Final = 0.8
"""Seconds for the DELETE of an upstream run; fewer than the producer waits before it warns of an ignored cancel."""

FIRST_IDS: Final = 1000
"""How many ids are remembered, to notice that a stream begins again instead of going on."""

RUN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""The run ids that may go into a path."""

RETRYABLE: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed later."""

HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
"""Headers that belong to one connection (RFC 9110, section 7.6.1, and those of older standards)."""

OWN_HEADERS: Final = HOP_BY_HOP | {
    *("host", "content-length", "content-type", "content-encoding", "accept", "accept-encoding"),
    *("last-event-id", "expect", "prefer", "idempotency-key"),
}
"""Headers that a gateway writes itself, or never sends."""

PASSED_ON: Final = re.compile(
    r"^(content-type|content-language|cache-control|etag|last-modified|retry-after|retry-after-ms|www-authenticate)$"
    r"|request-?id|trace-?id|rate-?limit|^x-should-retry$|^(openai|anthropic|x-openai|x-anthropic|llm_provider)-"
)
"""Headers of an answer that `relay` passes on: what the body is, when to come again, limits and identifiers."""

SECRET: Final = re.compile(
    r"(?i)\b(?:sk|pk|rk|key|hwt|xox[a-z]|gh[a-z]|api[_-]?key)[-_][\w.*-]{6,}"
    r"|\bAIza[\w-]{20,}|(?<=bearer )[\w.~+/=-]{8,}"
)
"""What looks like a key or a token: some services repeat the one that they refuse."""

TRACING: Final = ("traceparent", "tracestate")
"""Always passed on (W3C Trace Context)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where a stream comes from, and how it is requested: `UpstreamOptions` describes each field."""

    url: str
    method: str | None = None
    headers: Collection[str] = ()
    auth: Auth | None = None
    ends_with: EndsWith | None = None
    idle: float = 60.0
    silence: float = 3600.0
    total: float = 86_400.0
    connect: float = 10.0
    resume: bool = False
    max_event: int = 16 << 20
    media_types: Collection[str] = (EVENT_STREAM,)
    ca: str | None = None

    def __post_init__(self) -> None:
        if self.method is not None:
            object.__setattr__(self, "method", self.method.upper())
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RegistrationError(f"an upstream is an http or https URL, not {self.url!r}")
        refused = sorted({name.lower() for name in self.headers} & OWN_HEADERS)
        if refused:
            raise RegistrationError(f"a gateway cannot pass on these headers: {', '.join(refused)}")
        for name in ("connect", "idle", "silence", "total"):
            if not getattr(self, name) > 0:
                raise RegistrationError(f"{name} is seconds above 0, not {getattr(self, name)!r}")
        if isinstance(self.media_types, str):
            raise RegistrationError(f"media_types is a list of media types, not {self.media_types!r}")
        if self.max_event < 1:
            raise RegistrationError(f"max_event is bytes, one or more, not {self.max_event!r}")


def headers_to_pass_on(header: Callable[[str], str | None], upstream: Upstream) -> list[Header]:
    """The headers of a request that go on to the upstream; none that its `Connection` header names.

    A value that is not ASCII goes on as the bytes that came, but not in a header of tracing: that is ignored.
    """
    hop_by_hop = {name.strip().lower() for name in (header("Connection") or "").split(",")}
    names = [name for name in (*upstream.headers, *TRACING) if name.lower() not in hop_by_hop]
    values = [(name, value) for name in names if (value := header(name)) is not None]
    return [
        (name, value if value.isascii() else value.encode("latin-1", "replace"))
        for name, value in values
        if value.isascii() or name not in TRACING
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What one request carries: a body with its headers, or a query. `close` closes the files that a body reads."""

    headers: Sequence[tuple[str, str]] = ()
    pieces: Iterable[bytes] = ()
    query: str = ""
    close: Callable[[], None] = lambda: None


class Refusal(UpstreamFailed):
    """A response with another status than 200: `problem` is for a caller who has no stream yet."""

    def __init__(self, problem: UpstreamProblem) -> None:
        code = "" if problem.code == "upstream_failed" else f" ({problem.code})"
        message = f"The upstream answered {problem.upstream_status}{code}: {problem.detail}"
        if not problem.explained:
            message = problem.detail
        super().__init__("upstream_failed", message, retryable=problem.upstream_status in RETRYABLE)
        self.problem = problem


class Answered(UpstreamFailed):
    """A response that is no stream, for a caller that passes it on as it is."""

    def __init__(self, exchange: Exchange, most: int) -> None:
        self.status: int = exchange.status
        self.headers: list[tuple[str, str]] = _passed_on(exchange)
        with exchange:
            self.body: bytes = exchange.body(most)
        if len(self.body) > most:
            raise UpstreamFailed("too_large", f"The upstream's answer has more than {most} bytes.")
        super().__init__("upstream_failed", f"The upstream answered {self.status}.")


class UpstreamStream:
    """One stream of an upstream.

    The `handshake` is settled once the first response is there and is a stream; comments (heartbeats) are passed on to
    it, at most twice a second. `run_url` is the URL of the upstream run, where the upstream is Headway. With `whole` a
    response that is no stream is raised as `Answered`. With `mark_reads` a `FLUSH` follows the events of each read, but
    the last. `caller` is for `auth`; `headers` are what a stream's head has
    for the caller.
    """

    def __init__(
        self,
        upstream: Upstream,
        content: Callable[[str], Content],
        headers: Sequence[Header],
        stream_format: StreamFormat,
        handshake: Handshake | None = None,
        *,
        caller: Any = None,
        whole: bool = False,
        mark_reads: bool = False,
    ) -> None:
        self._caller = caller
        self.run_url: str | None = None
        self.headers: list[tuple[str, str]] = []
        self._upstream = upstream
        self._host = urlsplit(upstream.url).hostname
        self._content = content
        self._headers = headers
        self._format = stream_format
        self._handshake = handshake
        self._whole = whole
        self._mark_reads = mark_reads
        self._heartbeat_at = 0.0
        self._last_id = ""
        self._first_ids: set[str] = set()
        self._began = self._event_at = 0.0
        self._cut_at: float | None = None
        self._open_since = 0.0
        self._pause = 0.0
        self._pool: Pool
        self._exchange: Exchange | None = None

    def events(self) -> Generator[Any, None, None]:
        """The events, until the stream has ended well. Raises `OperationError`."""
        self._began = time.monotonic()
        with pool_for(self._upstream.url, self._upstream.ca) as self._pool:
            try:
                self._open()
                while True:
                    try:
                        yield from self._read()
                        return
                    except UpstreamFailed as failure:
                        if not self._can_resume():
                            raise
                        self._resume(failure)
            finally:
                self._close()

    def answer(self, question: str, answer: Any) -> None:
        """Sends the answer to a question of the upstream run. Raises `UpstreamFailed`."""
        content = json_content(json.dumps({"question": question, "answer": answer}).encode())
        request = self._request("POST", f"{self.run_url}/answer", content.headers, content.pieces)
        with self._pool.send(request) as exchange:
            if exchange.status not in (200, 202):
                raise Refusal(_problem(exchange))

    @property
    def from_headway(self) -> bool:
        """Whether the stream is that of a run of Headway."""
        return self._format.headway

    def file(self, name: str) -> Iterator[bytes]:
        """A file of the upstream run, piece by piece. Raises `UpstreamFailed`."""
        if self.run_url is None:
            raise UpstreamFailed("upstream_failed", "The upstream does not tell where its run is.")
        request = self._request("GET", f"{self.run_url}/files/{quote(name, safe='')}", [("Accept", "*/*")])
        with self._pool.send(request) as exchange:
            if exchange.status != 200:
                raise Refusal(_problem(exchange))
            for piece in exchange:
                if time.monotonic() - self._began > self._upstream.total:
                    raise UpstreamFailed("upstream_failed", "The upstream took too long to send it.")
                yield piece

    # -- the first request ----------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._exchange = exchange = self._send_content(self._upstream.method or "POST")
        allowed = exchange.headers.get("allow", "").upper().split(",")
        if exchange.status == 405 and self._upstream.method is None and "GET" in map(str.strip, allowed):
            exchange.close()
            self._exchange = exchange = self._send_content("GET")
        if self._whole and not (exchange.status == 200 and exchange.media_type in self._upstream.media_types):
            raise Answered(exchange, self._upstream.max_event)
        _check(exchange, self._upstream)
        self.headers = _passed_on(exchange)
        run = exchange.headers.get("run-id", "")
        if RUN.fullmatch(run):
            self._format.expect_headway()
            self.run_url = run_url(self._upstream.url, run, exchange.headers.get("location", ""))
        if self._handshake is not None:
            self._handshake.settle()

    def _send_content(self, method: str) -> Exchange:
        content = self._content(method)
        url = self._upstream.url
        if content.query:
            url += ("&" if urlsplit(url).query else "?") + content.query
        try:
            return self._pool.send(self._request(method, url, content.headers, content.pieces))
        finally:
            content.close()

    def _request(self, method: str, url: str, headers: Sequence[Header] = (), content: Iterable[bytes] = ()) -> Request:
        upstream = self._upstream
        own = [("Accept", EVENT_STREAM), ("Accept-Encoding", "identity"), ("User-Agent", "headway")]
        everything = [*own, *self._headers, *headers, *_authorization(upstream, self._caller)]
        unique = {name.lower(): (name, value) for name, value in everything}  # the last one of a name
        return Request(
            method=method,
            url=url,
            headers=list(unique.values()),
            content=content,
            connect=upstream.connect,
            idle=upstream.idle,
        )

    # -- the stream -----------------------------------------------------------------------------------------------

    def _read(self) -> Generator[Event | Flush, None, None]:
        assert self._exchange is not None
        most, lines = self._upstream.max_event, self._exchange.media_type in LINES
        parser = LineParser(max_bytes=most) if lines else Parser(max_bytes=most, on_comment=self._pass_on_comment)
        stream_format = self._format
        self._event_at = time.monotonic()
        for piece in self._exchange:
            too_large = None
            try:
                messages = parser.feed(piece)
            except EventTooLarge as error:
                messages, too_large = parser.completed, error
            for message in messages:
                if self._repeats(message.id):
                    continue
                event = stream_format.translate(message)
                if event is not None:
                    yield event
                if stream_format.ended:
                    self._release()
                    stream_format.check_end()
                    return
            if self._mark_reads:
                yield FLUSH
            self._check_time(bool(messages))
            if too_large is not None:
                stream_format.resumable = False  # the same event would come again
                raise UpstreamFailed("too_large", f"The upstream's stream is not passed on: {too_large}.")
        if parser.unfinished:
            raise truncated("The upstream's stream was cut within an event.")
        stream_format.check_end()
        self._release()

    @property
    def last_id(self) -> str:
        """The id of the upstream's last event."""
        return self._last_id

    def _repeats(self, number: str) -> bool:
        """Whether a resumed run sends an event again. A new id shows that the stream goes on.

        Raises `UpstreamFailed` where another stream begins again from its first event.
        """
        if number == self._last_id:
            return self.run_url is not None and self._cut_at is not None
        if self.run_url is not None:
            if 0 < _number(number) <= _number(self._last_id):
                return True
        elif self._cut_at is not None and number in self._first_ids:
            self._format.resumable = False
            raise truncated("The upstream's stream was cut, and began again instead of going on.")
        elif self._upstream.resume and len(self._first_ids) < FIRST_IDS:
            self._first_ids.add(number)
        self._last_id, self._cut_at = number, None
        return False

    def _check_time(self, has_events: bool) -> None:
        """Raises `UpstreamFailed` for a stream that takes too long, or that has sent only comments for too long."""
        now, upstream = time.monotonic(), self._upstream
        if has_events:
            self._event_at = now
        if now - self._began > upstream.total:
            problem = f"did not end within {upstream.total:g} seconds"
        elif now - self._event_at > upstream.silence:
            problem = f"sent no event for {upstream.silence:g} seconds, only comments"
        else:
            return
        self._format.resumable = False
        raise UpstreamFailed("upstream_failed", f"The upstream's stream {problem}.", retryable=True)

    def _pass_on_comment(self, text: str) -> None:
        now = time.monotonic()
        if self._handshake is not None and now - self._heartbeat_at > HEARTBEAT_EVERY:
            self._heartbeat_at = now
            self._handshake.send_heartbeat()

    def _can_resume(self) -> bool:
        if not self._format.resumable or self._format.ended:
            return False
        by_get = self._upstream.resume and self._upstream.method == "GET" and bool(self._last_id)
        return self.run_url is not None or by_get

    def _resume(self, failure: UpstreamFailed) -> None:
        """Opens the stream again after the last event; raises the last failure where that does not succeed in time."""
        self._drop()
        now = time.monotonic()
        if self._cut_at is None:
            self._pause = 0.0 if now - self._open_since > STEADY else FIRST_PAUSE
        if self._cut_at is None or now - self._open_since > RESUME_FOR:  # a stream without events may live long, too
            self._cut_at = now
        url = self._upstream.url if self.run_url is None else f"{self.run_url}/events"
        while time.monotonic() - self._cut_at < RESUME_FOR:
            log.debug("upstream %s: resumed after event %s: %s", self._host, self._last_id, failure.message)
            gevent.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311  # spreads streams that were cut together
            self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            try:
                self._exchange = self._pool.send(
                    self._request("GET", url, [("Last-Event-ID", self._last_id.encode() or b"0")])
                )
                _check(self._exchange, self._upstream)
                self._open_since = time.monotonic()
                return
            except UpstreamFailed as next_failure:
                self._drop()
                if not next_failure.retryable:
                    raise
                failure = next_failure
        raise failure

    # -- the end --------------------------------------------------------------------------------------------------

    def _release(self) -> None:
        if self._exchange is not None:
            self._exchange.release()
            self._exchange = None

    def _drop(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    def _close(self) -> None:
        self._drop()
        if self.run_url is not None and not self._format.ended:
            self._cancel_run(self.run_url)

    def _cancel_run(self, url: str) -> None:
        try:
            with gevent.Timeout(DELETE_TIMEOUT), self._pool.send(self._request("DELETE", url)) as exchange:
                if exchange.status not in (200, 202, 404):
                    log.warning("upstream %s: DELETE of its run was answered with %d", self._host, exchange.status)
                exchange.body()
        except UpstreamFailed as error:  # the log says that it is away
            log.debug("upstream %s: its run could not be cancelled: %s", self._host, error)
        except gevent.Timeout as error:
            log.warning("upstream %s: its run could not be cancelled: %s", self._host, error)
        except Exception:  # of an `auth`, say; it must not replace the error that ends this stream
            log.exception("upstream %s: its run could not be cancelled", self._host)


def _number(number: str) -> int:
    """The number of an event of a run; 0 for anything else."""
    return int(number) if number.isascii() and number.isdigit() and len(number) < 16 else 0


def run_url(configured: str, run: str, location: str) -> str | None:
    """The URL of an upstream run, on the configured host: beside `/operations/`, or at the path of `location`."""
    parts = urlsplit(configured)
    base, separator, _ = parts.path.rpartition("/operations/")
    path = f"{base}/runs/{run}" if separator else urlsplit(location).path
    return urlunsplit((parts.scheme, parts.netloc, path, "", "")) if path.endswith(f"/runs/{run}") else None


def _with_caller(auth: Auth) -> Callable[[Any], str | Mapping[str, str]]:
    """`auth` as a function of the caller, which it need not take."""
    call: Any = auth
    try:
        inspect.signature(auth).bind()
    except TypeError:
        return cast("Callable[[Any], str | Mapping[str, str]]", auth)
    return lambda caller: call()


def _authorization(upstream: Upstream, caller: Any) -> Iterable[tuple[str, str]]:
    """The headers that `auth` gives, or that of a user and a password in the URL (RFC 7617)."""
    if upstream.auth is not None:
        value = _with_caller(upstream.auth)(caller)
        return [("Authorization", value)] if isinstance(value, str) else value.items()
    parts = urlsplit(upstream.url)
    if parts.username is None:
        return []
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return [("Authorization", f"Basic {b64encode(pair.encode()).decode()}")]


def _passed_on(exchange: Exchange) -> list[tuple[str, str]]:
    """The headers of a response that are meant for whoever made the request."""
    return [(name, value) for name, value in exchange.headers.multi_items() if PASSED_ON.search(name.lower())]


def _check(exchange: Exchange, upstream: Upstream) -> None:
    """Raises `UpstreamFailed` for a response that is not an event stream."""
    if exchange.status != 200:
        with exchange:
            raise Refusal(_problem(exchange))
    if exchange.media_type not in upstream.media_types:
        exchange.close()
        media_type = exchange.media_type or "no content type"
        raise UpstreamFailed("upstream_failed", f"The upstream answered with {media_type}, not with an event stream.")


def _problem(exchange: Exchange) -> UpstreamProblem:
    """What a response refuses with: its problem document, or the message of a provider's error, or its status alone.

    The beginning of its body goes to the log. What may be a secret is masked in both.
    """
    body = b""
    with contextlib.suppress(UpstreamFailed):
        body = exchange.body()
    text = SECRET.sub("***", body.decode("utf-8", "replace"))
    answered = f"answered {exchange.status}: {text.strip()[:500] or 'without a body'}"
    if exchange.status in AWAY:
        Outage.of(exchange.name).gone(answered)
    else:
        log.warning("%s %s", exchange.name, answered)
    document = json_object(text) or {}
    if exchange.media_type != PROBLEM:
        document = {"detail": message} if (message := _message_of(document)) else {}
    seconds = parse_retry_after(exchange.headers.get("retry-after", ""), time.time())
    return UpstreamProblem(exchange.status, document, retry_after=None if seconds is None else math.ceil(seconds))


def _message_of(document: dict[str, Any]) -> str:
    """The message of an error as model providers and their like send it: `{"error": {"message": ...}}`."""
    error = document.get("error") or document.get("message") or document.get("detail")
    message = error.get("message") if isinstance(error, dict) else error
    return message[:1000] if isinstance(message, str) else ""


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
