"""`python -m streaming doctor URL`: what the chain of proxies from here to a service does to its streams.

Each check is a real run of the operation `simulate`, looked at from outside, and gives `Finding`s: what was seen, and
what to change where that is wrong. Without `simulate` the newest run that is over is read again, which shows less.

An event says when it was written, so holding back shows as delays that differ from event to event; the clocks of the
two machines need not agree.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx

from ...protocol.sse import Parser
from ..errors import ClientError, NotFound, RequestRefused, Unauthorized
from ..events import RunEvent, read_event
from ..requests import base_url, path_of, unreachable
from ..sync import Client
from .output import write_line

Outcome = Literal["ok", "wrong", "note", "unchecked"]
SIGNS: Final[dict[Outcome, str]] = {"ok": "✓", "wrong": "✗", "note": "!", "unchecked": "-"}

STEPS: Final = 5
INTERVAL: Final = 0.4
"""Seconds between the events of the run that tells whether events are held back."""
LOOKS: Final = 3
"""How often it is looked before events are said to be."""
LEAVING: Final = 6.0
"""Seconds that a disconnect may take to arrive."""
ASIDE: Final = 15.0
"""Seconds that anything else may be late, as on a machine that is busy."""

BUFFERED: Final = (
    "nginx: `proxy_buffering off;`, or take away `proxy_ignore_headers X-Accel-Buffering`; HAProxy: no `http-response"
    " wait-for-body`; Caddy: `flush_interval -1`; Apache: `flushpackets=on`; a CDN: no caching for this path"
)
COMPRESSED: Final = (
    "nginx: take `text/event-stream` (and `*`) out of `gzip_types` and `brotli_types`; HAProxy: out of `compression"
    " type`; others: heed `Cache-Control: no-transform`, which forbids it"
)
CUT: Final = (
    "nginx: `proxy_read_timeout` of four heartbeats or more; HAProxy: `timeout server` and `timeout tunnel`; a load"
    " balancer: its idle timeout. Or HEADWAY_HEARTBEAT at less than half of that"
)
NOT_PASSED: Final = (
    "nginx: `proxy_ignore_client_abort off;` (its default); others: close the connection to the service when the client"
    " has gone. Until then abandoned runs go on"
)
HEADERS: Final = (
    "have the proxy leave `Content-Type` and `Cache-Control` as they are (nginx: no `add_header`, `expires`)"
)
RESUME: Final = "pass the request header `Last-Event-ID` on (nginx: `proxy_pass_request_headers on;`), and do not cache"
SIMULATE: Final = "HEADWAY_SIMULATE=1 offers the operation `simulate`, with which this can be checked"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, and what to change."""

    check: str
    outcome: Outcome
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Arrival:
    """An event, and when it came (seconds of a clock that does not jump)."""

    event: RunEvent
    at: float

    @property
    def written(self) -> float:
        """When the service wrote it, in seconds of its own clock."""
        return datetime.fromisoformat(self.event.timestamp or "1970-01-01T00:00:00Z").timestamp()


class Stream:
    """An open stream, looked at closely. It ends where the connection does; `cut` says whether `done` was missing."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.run = response.headers.get("run-id", "")
        self.comments: list[float] = []
        self.cut = True
        self.last_byte = self.opened = time.monotonic()

    def arrivals(self) -> Iterator[Arrival]:
        """The events as they come, up to `done`."""
        parser = Parser(on_comment=lambda _: self.comments.append(time.monotonic()))
        with contextlib.suppress(httpx.RequestError):
            for chunk in self.response.iter_bytes():
                self.last_byte = time.monotonic()
                for message in parser.feed(chunk):
                    event = read_event(int(message.id or 0), message.event, message.data)
                    if event is not None:
                        self.cut = event.type != "done"
                        yield Arrival(event, self.last_byte)
                    if not self.cut:
                        return


class Chain:
    """The way to one service, with what is needed to try it."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = base_url(url)
        self.http = httpx.Client(headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=ASIDE)
        self.client = Client(url, http=self.http)

    @contextlib.contextmanager
    def simulate(self, *, accept: str = "identity", patience: float = ASIDE, **input: Any) -> Iterator[Stream]:
        """The stream of a run of `simulate`."""
        headers = {"Accept": "text/event-stream", "Accept-Encoding": accept}
        path = path_of("operations", "simulate")
        with self._open("POST", path, headers=headers, json=input, timeout=patience) as stream:
            yield stream

    @contextlib.contextmanager
    def events(self, run: str, *, after: int = 0, accept: str = "identity") -> Iterator[Stream]:
        """The stream of a run that is there already."""
        headers = {"Accept": "text/event-stream", "Accept-Encoding": accept}
        if after:
            headers["Last-Event-ID"] = str(after)
        with self._open("GET", path_of("runs", run, "events"), headers=headers) as stream:
            yield stream

    @contextlib.contextmanager
    def _open(self, method: str, path: str, **options: Any) -> Iterator[Stream]:
        try:
            with self.http.stream(method, self.url + path, **options) as response:
                if not response.is_success:
                    response.read()
                    raise Refusal(response)
                yield Stream(response)
        except httpx.TransportError as error:
            raise unreachable(error, self.url) from error


class Refusal(ClientError):
    """A stream was refused."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(
            f"{response.request.method} {response.request.url.path} is answered with {response.status_code}"
        )


def examine(url: str, *, key: str | None = None, silence: float = 20.0) -> Iterator[Finding]:
    """Everything that can be found out about the chain to `url`, check by check; `silence` is in seconds."""
    chain = Chain(url, key)
    with chain.http:
        try:
            yield from _reached(chain)
            offered = [entry.get("name") for entry in chain.client.operations()]
        except Unauthorized:
            yield Finding("key", "wrong", "the service wants an API key", "give one with --key or HEADWAY_API_KEY")
            return
        except ClientError as error:
            yield Finding("reachable", "wrong", str(error), "is this the URL under which /operations is?")
            return
        checks = _with_simulate(chain, silence) if "simulate" in offered else _without_simulate(chain)
        try:
            yield from checks
        except ClientError as error:
            yield Finding("runs", "wrong", str(error), "the checks that follow need a run; see the service's log")


def report(findings: Iterator[Finding], *, as_lines: bool) -> int:
    """Writes each finding once it is there; gives the exit code: 1 where something is wrong."""
    code = 0
    for finding in findings:
        code = 1 if finding.outcome == "wrong" else code
        if as_lines:
            write_line(asdict(finding))
            continue
        sys.stdout.write(f"{SIGNS[finding.outcome]} {finding.check:<12} {finding.found}\n")
        if finding.advice:
            sys.stdout.write(f"  {'':<12} -> {finding.advice}\n")
        sys.stdout.flush()
    return code


# -- the checks -------------------------------------------------------------------------------------------------------


def _reached(chain: Chain) -> Iterator[Finding]:
    before = time.monotonic()
    try:
        response = chain.http.get(chain.url + "/health/live")
    except httpx.TransportError as error:
        raise unreachable(error, chain.url) from error
    took = (time.monotonic() - before) * 1000
    if not response.is_success:
        yield Finding("reachable", "note", f"/health/live is answered with {response.status_code}")
    else:
        yield Finding("reachable", "ok", f"answers in {took:.0f} ms")
    yield _http_version(chain.url, response.http_version)


def _http_version(url: str, spoken: str) -> Finding:
    parts = urlsplit(url)
    if parts.scheme == "https" and _offers_http_2(str(parts.hostname), parts.port or 443):
        return Finding("http", "ok", "HTTP/2 is offered: any number of streams share one connection")
    advice = "end TLS in the proxy and let it offer HTTP/2 (nginx: `listen 443 ssl; http2 on;`)"
    found = f"{spoken}, without HTTP/2: a browser opens six streams to a host at the most"
    return Finding("http", "note", found, advice)


def _offers_http_2(host: str, port: int) -> bool:
    """Whether the server picks HTTP/2 when it may (RFC 7301, ALPN)."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with (
            socket.create_connection((host, port), ASIDE) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            return secure.selected_alpn_protocol() == "h2"
    except OSError:
        return False


def _with_simulate(chain: Chain, silence: float) -> Iterator[Finding]:
    with chain.simulate(steps=1, interval=0, accept="gzip, deflate, br, zstd") as stream:
        yield from _headers(stream.response.headers)
        yield _compressed(stream.response.headers)
        list(stream.arrivals())
    run, findings = _buffered(chain)
    yield from findings
    yield from _resumed(chain, run)
    yield from _left(chain)
    yield from _idle(chain, silence)


def _without_simulate(chain: Chain) -> Iterator[Finding]:
    runs = [run for run in chain.client.runs(limit=100) if run.get("status") in ("succeeded", "failed", "cancelled")]
    if runs:
        run = str(runs[0]["id"])
        with chain.events(run, accept="gzip, deflate, br, zstd") as stream:
            yield from _headers(stream.response.headers)
            yield _compressed(stream.response.headers)
        yield from _resumed(chain, run)
    else:
        for check in ("headers", "compressed", "resume"):
            yield Finding(check, "unchecked", "there is no run that is over to read", SIMULATE)
    for check in ("buffered", "disconnect", "idle"):
        yield Finding(check, "unchecked", "takes a run that lasts", SIMULATE)


def _headers(headers: Mapping[str, str]) -> Iterator[Finding]:
    kind, caching = headers.get("content-type", ""), headers.get("cache-control", "")
    if not kind.startswith("text/event-stream"):
        yield Finding("headers", "wrong", f"Content-Type is {kind or 'missing'}, not text/event-stream", HEADERS)
    elif not {"no-cache", "no-transform"} <= {word.strip() for word in caching.split(",")}:
        found = f"Cache-Control is {caching or 'missing'}, not no-cache, no-transform"
        yield Finding("headers", "wrong", found, HEADERS)
    else:
        yield Finding("headers", "ok", "Content-Type and Cache-Control come as they were sent")
    if headers.get("x-accel-buffering") != "no":
        found = "X-Accel-Buffering stops at a proxy: right for an nginx that heeds it, but another one would not see it"
        yield Finding("headers", "note", found, "nginx: `proxy_pass_header X-Accel-Buffering;`")


def _compressed(headers: Mapping[str, str]) -> Finding:
    if coding := headers.get("content-encoding"):
        return Finding(
            "compressed", "wrong", f"the stream is compressed ({coding}), which holds events back", COMPRESSED
        )
    return Finding("compressed", "ok", "the stream is not compressed")


def _buffered(chain: Chain) -> tuple[str, list[Finding]]:
    """Looks again where it looks bad: a machine that stood still for a moment looks like a proxy that buffers."""
    run, found = "", ""
    for _ in range(LOOKS):
        with chain.simulate(steps=STEPS, interval=INTERVAL) as stream:
            seen = list(stream.arrivals())
        if stream.cut:
            return run, [Finding("buffered", "wrong", "the stream ended before its run did", CUT)]
        run = stream.run or run
        if (held := _held_back(seen)) < STEPS * INTERVAL / 3:
            return run, [
                Finding("buffered", "ok", f"events come as they are written, {held:.2f} s apart from it at most")
            ]
        found = f"events are held back, for up to {held:.1f} s of a run of {STEPS * INTERVAL:.1f} s"
    return run, [Finding("buffered", "wrong", found, BUFFERED)]


def _held_back(seen: list[Arrival]) -> float:
    """How much later than the promptest event the latest one came, in seconds."""
    delays = [arrival.at - arrival.written for arrival in seen]
    return max(delays) - min(delays)


def _resumed(chain: Chain, run: str) -> Iterator[Finding]:
    if not run:
        yield Finding("resume", "wrong", "the answer to a start has no Run-Id", "have the proxy pass `Run-Id` on")
        return
    with chain.events(run, after=2) as stream:
        ids = [arrival.event.id for arrival in stream.arrivals()]
    if ids[:1] != [3]:
        found = f"asked for what follows event 2, the stream began with event {ids[0] if ids else 'none'}"
        yield Finding("resume", "wrong", found, RESUME)
        return
    with chain.events(run, after=ids[-1]) as stream:
        status = stream.response.status_code
    if status == 204:
        yield Finding("resume", "ok", "a stream goes on after Last-Event-ID, and 204 follows its end")
    else:
        yield Finding("resume", "wrong", f"after the end of a run {status} comes instead of 204", RESUME)


def _left(chain: Chain) -> Iterator[Finding]:
    with chain.simulate(steps=1, interval=0, silent=600) as stream:
        next(stream.arrivals(), None)
    left = time.monotonic()
    try:
        while (snapshot := chain.client.snapshot(stream.run)).viewers and not snapshot.over:
            if time.monotonic() - left > LEAVING:
                found = f"{LEAVING:.0f} s after its only viewer has gone, the service still counts it"
                yield Finding("disconnect", "wrong", found, NOT_PASSED)
                break
            time.sleep(0.1)
        else:
            yield Finding(
                "disconnect", "ok", f"the service knows {time.monotonic() - left:.1f} s after a viewer has gone"
            )
    finally:
        yield _cancelled(chain, stream.run)


def _cancelled(chain: Chain, run: str) -> Finding:
    try:
        chain.client.cancel(run)
    except NotFound as error:
        return Finding("cancel", "wrong", str(error), "have the proxy pass DELETE on, to the same service as POST")
    except RequestRefused as error:
        return Finding("cancel", "wrong", f"DELETE is refused: {error}", "have the proxy pass DELETE on")
    return Finding("cancel", "ok", "DELETE reaches the service")


def _idle(chain: Chain, silence: float) -> Iterator[Finding]:
    with chain.simulate(steps=1, interval=0, silent=silence, patience=silence + ASIDE) as stream:
        list(stream.arrivals())
        ended = time.monotonic()
    if stream.cut:
        with contextlib.suppress(ClientError):
            chain.client.cancel(stream.run)
        found = f"cut after {ended - stream.last_byte:.1f} s of silence"
        yield Finding("idle", "wrong", found, CUT)
        return
    yield Finding("idle", "ok", f"a stream without events for {silence:g} s is not cut")
    if stream.comments:
        found = f"keep-alive comments arrive, the first after {stream.comments[0] - stream.opened:.1f} s"
        yield Finding("heartbeat", "ok", found)
    else:
        found = f"no keep-alive comment came within {silence:g} s"
        yield Finding("heartbeat", "note", found, "try --silence with more than HEADWAY_HEARTBEAT (15 s)")
