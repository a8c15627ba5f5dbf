"""`doctor`: examines what the proxies in front of a service do to its streams, or what its own application does.

Each check runs the operation `simulate` and yields `Finding`s: what it saw, and what to change where that is wrong.
Without `simulate` it reads the latest finished run again, which shows less.

Every event has the time when it was written. Buffering shows as delays that differ from event to event, so the clocks
of the two machines need not agree.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import httpx

from ..errors import ClientError, NotFound, RequestRefused, Unauthorized
from ..requests import unreachable
from .output import printable, write_line
from .target import MARGIN, Arrival, Target

if TYPE_CHECKING:
    from .config import Application

Outcome = Literal["ok", "wrong", "note", "unchecked"]
SIGNS: Final[dict[Outcome, str]] = {"ok": "✓", "wrong": "✗", "note": "!", "unchecked": "-"}

STEPS: Final = 5
INTERVAL: Final = 0.4
"""Seconds between the events of the run that shows buffering."""
TRIES: Final = 3
"""Runs that must all look buffered: a machine that stalls for a moment looks like a proxy that buffers."""
DISCONNECT_TIMEOUT: Final = 6.0
"""Seconds in which a disconnect must reach the service."""

BUFFERED: Final = (
    "nginx: set `proxy_buffering off;`, or remove `proxy_ignore_headers X-Accel-Buffering`; HAProxy: remove"
    " `http-response wait-for-body`; Caddy: `flush_interval -1`; Apache: `flushpackets=on`; CDN: do not cache this path"
)
COMPRESSED: Final = (
    "nginx: remove `text/event-stream` (and `*`) from `gzip_types` and `brotli_types`; HAProxy: from `compression"
    " type`; others: honour `Cache-Control: no-transform`, which forbids compression"
)
CUT: Final = (
    "nginx: set `proxy_read_timeout` to four heartbeats or more; HAProxy: `timeout server` and `timeout tunnel`; a load"
    " balancer: its idle timeout. Or set HEADWAY_HEARTBEAT to less than half of that"
)
NOT_PASSED: Final = (
    "nginx: `proxy_ignore_client_abort off;` (its default); others: close the connection to the service when the client"
    " closes its own. Until then abandoned runs go on"
)
HEADERS: Final = (
    "let the proxy pass `Content-Type` and `Cache-Control` unchanged (nginx: no `add_header`, no `expires`)"
)
RESUME: Final = "pass the request header `Last-Event-ID` on (nginx: `proxy_pass_request_headers on;`), and do not cache"
MIDDLEWARE: Final = (
    "no proxy is in between: a middleware or an `after_request` of the application changes the stream. Exclude what is"
    " `text/event-stream` there"
)
SIMULATE: Final = (
    "this check needs the operation `simulate`: set HEADWAY_SIMULATE=1 in the service, and see docs/clients.md in an"
    " application of your own"
)


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: what it saw, and what to change."""

    check: str
    outcome: Outcome
    message: str
    advice: str = ""


def examine(
    url: str,
    *,
    key: str | None = None,
    silence: float = 20.0,
    http: httpx.Client | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Finding]:
    """The findings of all checks on the way to `url`, as they are made; `silence` is in seconds.

    `http` asks, by default a new client; `tls` says whose certificates are accepted.
    """
    with contextlib.nullcontext(http) if http is not None else httpx.Client() as asking:
        yield from _examine(Target(url, key, asking, silence, tls))


def examine_application(application: Application, http: httpx.Client, key: str | None) -> Iterator[Finding]:
    """The findings of all checks of the application that answers `http` in this process, as they are made."""
    yield from application.examine()
    for finding in _examine(Target(application.url, key, http, silence=None)):
        changed = finding.check in ("headers", "compressed", "buffered", "resume", "disconnect") and finding.advice
        yield replace(finding, advice=MIDDLEWARE) if changed and finding.outcome != "unchecked" else finding


def _examine(target: Target) -> Iterator[Finding]:
    try:
        yield from _check_reachable(target)
        operations = [entry.get("name") for entry in target.client.operations()]
    except Unauthorized:
        yield Finding("key", "wrong", "the service requires an API key", "pass one with --key or HEADWAY_API_KEY")
        return
    except ClientError as error:
        yield Finding("reachable", "wrong", str(error), "is this the URL that /operations follows?")
        return
    has_simulate = "simulate" in operations
    try:
        yield from _checks_with_simulate(target) if has_simulate else _checks_without_simulate(target)
    except (ClientError, ValueError) as error:  # a stream of another service has other ids and times
        yield Finding("runs", "wrong", str(error), "the remaining checks need a run; see the service's log")


def report(findings: Iterator[Finding], *, as_lines: bool) -> int:
    """Writes each finding as it is made; returns the exit code, 1 where something is wrong."""
    code = 0
    for finding in findings:
        code = 1 if finding.outcome == "wrong" else code
        if as_lines:
            write_line(asdict(finding))
            continue
        sys.stdout.write(f"{SIGNS[finding.outcome]} {finding.check:<12} {printable(finding.message)}\n")
        if finding.advice:
            sys.stdout.write(f"  {'':<12} -> {finding.advice}\n")
        sys.stdout.flush()
    return code


# -- the checks -------------------------------------------------------------------------------------------------------


def _checks_with_simulate(target: Target) -> Iterator[Finding]:
    with target.simulate(steps=1, interval=0, accept="gzip, deflate, br, zstd") as stream:
        yield from _check_headers(stream.response.headers)
        yield _check_compressed(stream.response.headers)
        list(stream.arrivals())
    run, finding = _check_buffered(target)
    yield finding
    yield from _check_resume(target, run)
    if target.silence is None and finding.outcome == "wrong":
        yield Finding("disconnect", "unchecked", "needs a stream that is not buffered: it would never begin")
        return
    yield from _check_disconnect(target)
    if target.silence is not None:
        yield from _check_idle(target, target.silence)


def _checks_without_simulate(target: Target) -> Iterator[Finding]:
    runs = [run.id for run in target.client.runs(limit=100) if run.over]
    if runs:
        run = runs[0]
        with target.events(run, accept="gzip, deflate, br, zstd") as stream:
            yield from _check_headers(stream.response.headers)
            yield _check_compressed(stream.response.headers)
        yield from _check_resume(target, run)
    else:
        for check in ("headers", "compressed", "resume"):
            yield Finding(check, "unchecked", "there is no finished run to read", SIMULATE)
    for check in ("buffered", "disconnect", "idle") if target.silence is not None else ("buffered", "disconnect"):
        yield Finding(check, "unchecked", "needs a run that lasts", SIMULATE)


def _check_reachable(target: Target) -> Iterator[Finding]:
    start = time.monotonic()
    try:
        response = target.http.get(target.url + "/health/live")
    except httpx.TransportError as error:
        raise unreachable(error, target.url) from error
    elapsed = (time.monotonic() - start) * 1000
    if not response.is_success:
        yield Finding("reachable", "note", f"/health/live is answered with {response.status_code}")
    else:
        yield Finding("reachable", "ok", f"answers in {elapsed:.0f} ms")
    if target.silence is not None:
        yield _check_http_version(target, response.http_version)


def _check_http_version(target: Target, version: str) -> Finding:
    parts = urlsplit(target.url)
    if parts.scheme == "https" and _offers_http_2(str(parts.hostname), parts.port or 443, target.tls):
        return Finding("http", "ok", "HTTP/2 is offered: any number of streams share one connection")
    advice = "terminate TLS in the proxy and let it offer HTTP/2 (nginx: `listen 443 ssl; http2 on;`)"
    message = f"{version}, without HTTP/2: a browser opens at most six streams to a host"
    return Finding("http", "note", message, advice)


def _offers_http_2(host: str, port: int, tls: ssl.SSLContext | None) -> bool:
    """Whether the server selects HTTP/2 (RFC 7301, ALPN)."""
    context = tls or ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with (
            socket.create_connection((host, port), MARGIN) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            return secure.selected_alpn_protocol() == "h2"
    except OSError:
        return False


def _check_headers(headers: Mapping[str, str]) -> Iterator[Finding]:
    media_type, caching = headers.get("content-type", ""), headers.get("cache-control", "")
    if not media_type.startswith("text/event-stream"):
        message = f"Content-Type is {media_type or 'missing'}, not text/event-stream"
        yield Finding("headers", "wrong", message, HEADERS)
    elif not {"no-cache", "no-transform"} <= {word.strip() for word in caching.split(",")}:
        message = f"Cache-Control is {caching or 'missing'}, not no-cache, no-transform"
        yield Finding("headers", "wrong", message, HEADERS)
    else:
        yield Finding("headers", "ok", "Content-Type and Cache-Control arrive unchanged")
    if headers.get("x-accel-buffering") != "no":
        message = "a proxy removes X-Accel-Buffering: fine for an nginx that honours it, but one in front needs it too"
        yield Finding("headers", "note", message, "nginx: `proxy_pass_header X-Accel-Buffering;`")


def _check_compressed(headers: Mapping[str, str]) -> Finding:
    if coding := headers.get("content-encoding"):
        message = f"the stream is compressed ({coding}), which delays events"
        return Finding("compressed", "wrong", message, COMPRESSED)
    return Finding("compressed", "ok", "the stream is not compressed")


def _check_buffered(target: Target) -> tuple[str, Finding]:
    """The id of a run, and the finding."""
    run, message = "", ""
    for _ in range(TRIES):
        with target.simulate(steps=STEPS, interval=INTERVAL) as stream:
            arrivals = list(stream.arrivals())
        if stream.cut:
            return run, Finding("buffered", "wrong", "the stream ended before its run", CUT)
        run = stream.run or run
        if (spread := _delay_spread(arrivals)) < STEPS * INTERVAL / 3:
            return run, Finding("buffered", "ok", f"events arrive as they are written, within {spread:.2f} s")
        message = f"events are delayed by up to {spread:.1f} s, in a run of {STEPS * INTERVAL:.1f} s"
    return run, Finding("buffered", "wrong", message, BUFFERED)


def _delay_spread(arrivals: list[Arrival]) -> float:
    """The seconds by which the most delayed event was later than the least delayed one."""
    delays = [arrival.at - arrival.written_at for arrival in arrivals]
    return max(delays) - min(delays)


def _check_resume(target: Target, run: str) -> Iterator[Finding]:
    if not run:
        yield Finding("resume", "wrong", "the answer to a start has no Run-Id", "let the proxy pass `Run-Id` on")
        return
    with target.events(run, after=2) as stream:
        ids = [arrival.event.id for arrival in stream.arrivals()]
    if ids[:1] != [3]:
        message = f"after event 2 the stream continues with event {ids[0] if ids else 'none'}"
        yield Finding("resume", "wrong", message, RESUME)
        return
    with target.events(run, after=ids[-1]) as stream:
        status = stream.response.status_code
    if status == 204:
        yield Finding("resume", "ok", "a stream resumes after Last-Event-ID, and its end is answered with 204")
    else:
        yield Finding("resume", "wrong", f"the end of a run is answered with {status} instead of 204", RESUME)


def _check_disconnect(target: Target) -> Iterator[Finding]:
    with target.simulate(steps=1, interval=0, silent=600) as stream:
        next(stream.arrivals(), None)
    closed_at = time.monotonic()
    try:
        while (snapshot := target.client.snapshot(stream.run)).viewers and not snapshot.over:
            if time.monotonic() - closed_at > DISCONNECT_TIMEOUT:
                message = f"the service still counts a viewer that left {DISCONNECT_TIMEOUT:.0f} s ago"
                yield Finding("disconnect", "wrong", message, NOT_PASSED)
                break
            time.sleep(0.1)
        else:
            message = f"the service notices within {time.monotonic() - closed_at:.1f} s that a viewer left"
            yield Finding("disconnect", "ok", message)
    finally:
        yield _check_cancel(target, stream.run)


def _check_cancel(target: Target, run: str) -> Finding:
    try:
        target.client.cancel(run)
    except NotFound as error:
        return Finding("cancel", "wrong", str(error), "let the proxy pass DELETE on, to the same service as POST")
    except RequestRefused as error:
        return Finding("cancel", "wrong", f"DELETE is refused: {error}", "let the proxy pass DELETE on")
    return Finding("cancel", "ok", "DELETE reaches the service")


def _check_idle(target: Target, silence: float) -> Iterator[Finding]:
    with target.simulate(steps=1, interval=0, silent=silence, timeout=silence + MARGIN) as stream:
        list(stream.arrivals())
        ended_at = time.monotonic()
    if stream.cut:
        with contextlib.suppress(ClientError):
            target.client.cancel(stream.run)
        message = f"cut after {ended_at - stream.last_byte:.1f} s of silence"
        yield Finding("idle", "wrong", message, CUT)
        return
    yield Finding("idle", "ok", f"a stream without events for {silence:g} s is not cut")
    if stream.comments:
        message = f"keep-alive comments arrive, the first after {stream.comments[0] - stream.opened_at:.1f} s"
        yield Finding("heartbeat", "ok", message)
    else:
        message = f"no keep-alive comment arrived within {silence:g} s"
        yield Finding("heartbeat", "note", message, "try --silence with more than HEADWAY_HEARTBEAT (15 s)")
