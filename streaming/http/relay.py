"""`relay`: the event stream of another service as the answer of a Flask route, without a run.

The request goes on with its method and its body, as it arrives: an upload is never gathered. What comes back is passed
on unchanged, event for event: ids, names, data, and the lifecycle of an upstream run, whatever the vocabulary; its
comments as heartbeats, beside those that a silent stream has of its own. A stream that fails on the way ends with
Headway's `error` and `done`. Nothing else is added, no number and no `retry`: the stock clients of OpenAI take either,
before a heartbeat, for an event without data, and break.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from typing import Any, Final, Unpack

from flask import Request, Response, request
from werkzeug.exceptions import HTTPException

from ..clock import rfc3339
from ..errors import OperationError, RegistrationError
from ..gateways.formats import StreamFormat, UpstreamFailed
from ..gateways.gateway import Transform, transformed
from ..gateways.options import UpstreamOptions
from ..protocol.events import Event, Flush, RawEvent, make_event
from ..protocol.sse import HEARTBEAT, encode
from ..runs.handshake import Handshake
from ..runs.operation import FlushPolicy
from ..runs.producer import error_event
from ..runtime.worker import Worker
from .handshake import refusal_of
from .heartbeat import Heartbeat
from .problems import problem_response
from .stream import head, start, stream

log = logging.getLogger("headway")

UPLOAD_BYTES: Final = 65536


def relay(  # one keyword for each thing that can be said of an upstream
    url: str,
    *,
    through: Iterable[Transform] = (),
    patience: float = 0.5,
    heartbeat: float = 15.0,
    send_timeout: float = 30.0,
    flush: FlushPolicy = "ready",
    **options: Unpack[UpstreamOptions],
) -> Response:
    """The present request's answer: the event stream with which `url` answers it, stopped with its client.

    The parameters are those of `gateway` and of `stream`; `method` is the request's own unless it is given. Of its
    headers only those go on that `headers` names, `Content-Type` and tracing; of its query nothing, for `url` is the
    route's to build. An upstream that refuses within `patience` seconds is the answer, with its status; later, it is an
    `error`. Raises `RegistrationError`.
    """
    try:
        from ..gateways.upstream import Upstream, UpstreamStream, headers_to_pass_on
    except ImportError as error:
        raise RegistrationError(f"a relay needs {error.name}: pip install headway[gateway]") from error
    options["method"] = options.get("method") or request.method
    upstream = Upstream(url=url, **options)
    if request.method == "HEAD":
        return head()
    worker = Worker.current()
    handshake, content = Handshake(worker, patience), _body(request)
    stream_format = StreamFormat(ends_with=upstream.ends_with, unchanged=True)
    headers = headers_to_pass_on(request.headers.get, upstream)
    source = UpstreamStream(upstream, lambda _: content, headers, stream_format, handshake)
    response = stream(
        _relayed(source, list(through), handshake),
        heartbeat=heartbeat,
        send_timeout=send_timeout,
        flush=flush,
        lifecycle=False,
    )
    channel = start(response)
    channel.preface = HEARTBEAT
    handshake.send_heartbeat = partial(worker.soon, worker.part(Heartbeat).send_to_viewers_of, channel)
    refusal = refusal_of(handshake, worker, request.environ)
    if refusal is not None:
        response.close()
        return problem_response(refusal)
    return response


def _relayed(source: Any, through: list[Transform], handshake: Handshake) -> Generator[Event | Flush, None, None]:
    began, failure = time.monotonic(), None
    try:
        with transformed(source.events(), through, None) as events:
            for event in events:
                yield _framed(event) if isinstance(event, Event) else event
        return
    except OperationError as error:
        failure = error
    except Exception:
        log.exception("a relay failed")
        failure = OperationError("operation_failed", "The relay failed; the server's log has the details.")
    finally:
        handshake.settle(getattr(failure, "problem", None))
    yield _framed(error_event(failure.code, failure.message, retryable=failure.retryable))
    yield _framed(make_event("done", {"status": "failed", "elapsed": round(time.monotonic() - began, 3)}))


def _framed(event: Event) -> Event:
    """The frame of an event as it came, or with the time where it was made here; without a name where it has none."""
    if isinstance(event, RawEvent):
        named = b"" if event.name == "message" else b"event: %b\n" % event.name.encode()
        numbered = b"id: %b\n" % event.id.encode() if event.id else b""
        return Event("", b"%b%bdata: %b\n\n" % (numbered, named, event.body.replace(b"\n", b"\ndata: ")), text=True)
    return Event("", encode(event, timestamp=rfc3339(time.time())), text=True)


def _body(given: Request) -> Any:
    """The request's body on its way on: as long as it says, or in chunks."""
    from ..gateways.upstream import Content

    kept = [(name, given.headers[name]) for name in ("Content-Type", "Content-Encoding") if name in given.headers]
    length = given.content_length
    if length is None and "chunked" not in given.headers.get("Transfer-Encoding", "").lower():
        return Content()
    framing = ("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length))
    return Content(headers=[*kept, framing], pieces=_pieces(given.stream, length))


def _pieces(body: Any, length: int | None) -> Iterator[bytes]:
    """The body as it arrives. Raises `UpstreamFailed` where it breaks off: half of it is nobody's request."""
    left = length
    try:
        while piece := body.read(UPLOAD_BYTES if left is None else min(UPLOAD_BYTES, left)):
            left = None if left is None else left - len(piece)
            yield piece
    except (OSError, HTTPException) as error:
        raise UpstreamFailed("upstream_failed", "The body of the request broke off.") from error
    if left:
        raise UpstreamFailed("upstream_failed", "The body of the request broke off.")
