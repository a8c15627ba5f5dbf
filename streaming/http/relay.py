"""`relay`: the event stream of another service as the answer of a Flask route, without a run.

The request goes on with its method and its body as it arrives: an upload is never held as a whole. The events come back
unchanged: ids, names, data, the lifecycle of an upstream run, in any format. Comments of the upstream become
heartbeats, beside those that a silent stream has of its own. A stream that fails ends with Headway's `error` and
`done`. Nothing else is added, no number and no `retry`: before a heartbeat, the stock clients of OpenAI mistake either
for an event without data, and break.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Unpack

from flask import Response, request
from werkzeug.exceptions import HTTPException

from ..clock import rfc3339
from ..errors import BodyConsumed, OperationError, RegistrationError
from ..gateways.formats import StreamFormat, UpstreamFailed
from ..gateways.gateway import Transform, check_transforms, transformed
from ..gateways.options import UpstreamOptions
from ..protocol.events import Event, Flush, RawEvent, make_event
from ..protocol.sse import HEARTBEAT, encode
from ..runs.handshake import Handshake
from ..runs.operation import FlushPolicy
from ..runs.producer import error_event
from ..runtime.worker import Worker
from .handshake import refusal_of
from .heartbeat import Heartbeat
from .inputs import unread_body
from .problems import problem_response
from .stream import Channel, head, stream

if TYPE_CHECKING:
    from ..gateways.upstream import Content, Upstream, UpstreamStream

log = logging.getLogger("headway")

UPLOAD_BYTES: Final = 65536


def relay(
    url: str,
    *,
    through: Iterable[Transform] = (),
    patience: float = 0.5,
    heartbeat: float = 15.0,
    send_timeout: float = 30.0,
    flush: FlushPolicy = "ready",
    **options: Unpack[UpstreamOptions],
) -> Response:
    """Sends the current request on to `url`, and returns the response that streams the answer.

    The parameters are those of `gateway` and of `stream`; `method` is by default that of the request. Of its headers,
    those that `headers` names go on, `Content-Type`, and those of tracing; of its query nothing, because the route
    builds `url`. If the upstream refuses within `patience` seconds, the response is its refusal; later, the stream ends
    with an `error`. Raises `RegistrationError`.
    """
    try:
        from ..gateways.upstream import Upstream
    except ImportError as error:
        raise RegistrationError(f"a relay needs {error.name}: pip install headway[gateway]") from error
    transforms = check_transforms(through)
    options["method"] = options.get("method") or request.method
    upstream = Upstream(url=url, **options)
    if request.method == "HEAD":
        return head()
    worker = Worker.current()
    handshake = Handshake(worker, patience)
    try:
        content = _content()
    except BodyConsumed as error:
        return problem_response(error)
    events = _relay(_upstream_stream(upstream, handshake, content), transforms, handshake)
    response = stream(events, heartbeat=heartbeat, send_timeout=send_timeout, flush=flush, lifecycle=False)
    channel: Channel = response.response.viewer.source  # type: ignore[union-attr]  # not its viewer, which must be freed with it
    channel.preface = HEARTBEAT
    worker.call(channel.start)  # before its viewer reads: the upstream may refuse
    handshake.send_heartbeat = partial(worker.soon, worker.part(Heartbeat).send_to_viewers_of, channel)
    refusal = refusal_of(handshake, worker, request.environ)
    if refusal is not None:
        response.close()
        return problem_response(refusal)
    return response


def _upstream_stream(upstream: Upstream, handshake: Handshake, content: Content) -> UpstreamStream:
    """The stream of the upstream for the current request."""
    from ..gateways.upstream import UpstreamStream, headers_to_pass_on

    headers = headers_to_pass_on(request.headers.get, upstream)
    stream_format = StreamFormat(ends_with=upstream.ends_with, unchanged=True)
    return UpstreamStream(upstream, lambda _: content, headers, stream_format, handshake)


def _relay(
    upstream: UpstreamStream, through: list[Transform], handshake: Handshake
) -> Generator[Event | Flush, None, None]:
    start_time, failure = time.monotonic(), None
    try:
        with transformed(upstream.events(), through, None) as events:
            for event in events:
                yield _frame(event) if isinstance(event, Event) else event
        return
    except OperationError as error:
        failure = error
    except Exception:
        log.exception("a relay failed")
        failure = OperationError("operation_failed", "The relay failed; the server's log has the details.")
    finally:
        handshake.settle(getattr(failure, "problem", None))
    yield _frame(error_event(failure.code, failure.message, retryable=failure.retryable))
    yield _frame(make_event("done", {"status": "failed", "elapsed": round(time.monotonic() - start_time, 3)}))


def _frame(event: Event) -> Event:
    """The whole frame of an event: of the upstream's unchanged, of one that was made here with a timestamp."""
    if isinstance(event, RawEvent):
        id_line = b"id: %b\n" % event.id.encode() if event.id else b""
        name_line = b"" if event.name == "message" else b"event: %b\n" % event.name.encode()
        data = event.body.replace(b"\n", b"\ndata: ")
        return Event("", b"%b%bdata: %b\n\n" % (id_line, name_line, data), text=True)
    return Event("", encode(event, timestamp=rfc3339(time.time())), text=True)


def _content() -> Content:
    """The body of the current request, with its length or in chunks. Raises `BodyConsumed`."""
    from ..gateways.upstream import Content

    headers, length = request.headers, request.content_length
    if length is None and "chunked" not in headers.get("Transfer-Encoding", "").lower():
        return Content()
    described = [(name, headers[name]) for name in ("Content-Type", "Content-Encoding") if name in headers]
    framing = ("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length))
    return Content(headers=[*described, framing], pieces=_pieces(unread_body(request), length))


def _pieces(body: Any, length: int | None) -> Iterator[bytes]:
    """The body as it arrives. Raises `UpstreamFailed` where it breaks off: half a request must not look whole."""
    missing = length
    try:
        while piece := body.read(UPLOAD_BYTES if missing is None else min(UPLOAD_BYTES, missing)):
            missing = None if missing is None else missing - len(piece)
            yield piece
    except (OSError, HTTPException) as error:
        raise UpstreamFailed("upstream_failed", "The body of the request broke off.") from error
    if missing:
        raise UpstreamFailed("upstream_failed", "The body of the request broke off.")
