"""`relay`: the event stream of another service as the answer of a Flask route, without a run.

The request goes on with its method and its body as it arrives: an upload is never held as a whole. The events come back
unchanged: ids, names, data, the lifecycle of an upstream run, in any format. Comments of the upstream become
heartbeats, beside those that a silent stream has of its own. Nothing else is added, no number and no `retry`: before a
heartbeat, the stock clients of OpenAI mistake either for an event without data, and break.

The clients of the upstream's service must not notice that there is a relay. So an answer that is no event stream (JSON,
a refusal) is passed on with its status, its body and the headers that are for the caller. A stream that fails ends with
an error in the words of that service, where `endings` knows them, with `error` and `done` where it is Headway or a
transform has made Headway's events of it; else the connection breaks off, as that to the upstream did.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Unpack
from weakref import ref

from flask import Response, request
from werkzeug.exceptions import HTTPException

from ..clock import rfc3339
from ..errors import BodyConsumed, OperationError, RegistrationError, UpstreamProblem
from ..extras import needs
from ..gateways.formats import StreamFormat, UpstreamFailed
from ..gateways.gateway import Transform, check_transforms, transformed
from ..gateways.options import UpstreamOptions
from ..protocol.events import FLUSH, Event, Flush, RawEvent, make_event
from ..protocol.sse import HEARTBEAT, encode
from ..runs.handshake import Handshake
from ..runs.operation import FlushPolicy
from ..runs.producer import error_event
from ..runtime.worker import Worker
from .context import this_request
from .handshake import refusal_of
from .heartbeat import Heartbeat
from .inputs import unread_body
from .problems import problem_response
from .stream import Channel, head, stream

if TYPE_CHECKING:
    from ..gateways.pool import Header
    from ..gateways.upstream import Content, Upstream
    from .viewer import Viewer

log: Final = logging.getLogger("headway")

EVENT_STREAM: Final = "text/event-stream"
UPLOAD_BYTES: Final = 65536


def relay(
    url: str,
    *,
    through: Iterable[Transform] = (),
    patience: float | None = None,
    heartbeat: float = 15.0,
    send_timeout: float = 30.0,
    flush: FlushPolicy = "ready",
    **options: Unpack[UpstreamOptions],
) -> Response:
    """Sends the current request on to `url`, and returns the response that streams the answer.

    The parameters are those of `gateway` and of `stream`; `method` is by default that of the request. Of its headers,
    those that `headers` names go on, `Accept`, `Content-Type`, and those of tracing; of its query nothing, because the
    route builds `url`. The response waits `patience` seconds for the head of the upstream's answer, and then begins as
    a stream: by default 0.5 for a request that accepts `text/event-stream`, and as long as it takes for others, whose
    answer may be JSON. Raises `RegistrationError`.
    """
    with needs("gateway", "a relay", RegistrationError):
        from ..gateways.upstream import Upstream
    transforms = check_transforms(through)
    options["method"] = options.get("method") or request.method
    upstream = Upstream(url=url, **options)
    if request.method == "HEAD":
        return head()
    worker = Worker.current()
    if patience is None and EVENT_STREAM in request.headers.get("Accept", ""):
        patience = 0.5
    handshake = Handshake(worker, patience)
    try:
        content = _content()
    except BodyConsumed as error:
        return problem_response(error)
    past_producer = flush == "ready" and not worker.native  # in a thread of its own nothing is written from there
    relayed = _Relay(upstream, content, transforms, handshake, past_producer=past_producer)
    response = stream(relayed.events(), heartbeat=heartbeat, send_timeout=send_timeout, flush=flush, lifecycle=False)
    channel: Channel = response.response.viewer.source  # type: ignore[union-attr]  # not its viewer, which must be freed with it
    channel.preface = HEARTBEAT
    relayed.channel, relayed.viewer = channel, ref(response.response.viewer)  # type: ignore[union-attr]
    worker.call(channel.start)  # before its viewer reads: the upstream may refuse
    handshake.send_heartbeat = partial(worker.soon, worker.part(Heartbeat).send_to_viewers_of, channel)
    refusal_of(handshake, worker, request.environ)
    answer = worker.call(relayed.begin)
    if answer is None:
        response.headers.extend([each for each in relayed.headers if each[0].lower() not in response.headers])
        return response
    response.close()
    return answer.response() if isinstance(answer, _Answer) else problem_response(answer)


class _Answer(NamedTuple):
    """An answer of the upstream that is no stream."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def response(self) -> Response:
        return Response(self.body, self.status, self.headers)


class _Relay:
    """The stream of an upstream for the current request, or the answer that comes instead; used in the hub."""

    channel: Channel
    viewer: ref[Viewer]

    def __init__(
        self,
        upstream: Upstream,
        content: Content,
        through: list[Transform],
        handshake: Handshake,
        *,
        past_producer: bool,
    ) -> None:
        from ..gateways.upstream import UpstreamStream, headers_to_pass_on

        accept = request.headers.get("Accept", "*/*")
        headers: list[Header] = [("Accept", EVENT_STREAM if accept == "*/*" else accept)]
        headers += headers_to_pass_on(request.headers.get, upstream)
        self._format = StreamFormat(ends_with=upstream.ends_with, unchanged=True)
        self._stream = UpstreamStream(
            upstream,
            lambda _: content,
            headers,
            self._format,
            handshake,
            whole=True,
            mark_reads=past_producer and not through,
            caller=this_request(),  # for `auth`, which is called in another greenlet or thread
        )
        self._through = through
        self._past_producer = past_producer and not through
        self._handshake = handshake
        self._begun = self._made_here = False
        self._answer: _Answer | UpstreamProblem | None = None
        self._start_time = time.monotonic()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The upstream's headers for whoever made the request."""
        return self._stream.headers

    def begin(self) -> _Answer | UpstreamProblem | None:
        """What the request is answered with; `None` for the stream."""
        self._begun = True
        return self._answer

    def events(self) -> Generator[Event | Flush, None, None]:
        """The events of the stream."""
        failure = None
        try:
            if self._past_producer:
                self._pass_on()
                return
            with transformed(self._stream.events(), self._through, None) as events:
                for event in events:
                    self._made_here = event.__class__ is not RawEvent
                    yield Event("", _frame(event), text=True) if isinstance(event, Event) else event
            return
        except OperationError as error:
            failure = error
        except Exception:
            log.exception("a relay failed")
            failure = OperationError("operation_failed", "The relay failed; the server's log has the details.")
        finally:
            if failure is not None and not (self._begun or self._handshake.settled):
                self._answer = _instead_of_a_stream(failure)
            self._handshake.settle()
        if self._answer is None:
            for event in self._report(failure):
                yield Event("", _frame(event), text=True)

    def _pass_on(self) -> None:
        """Hands the stream on as it is read: what one read has brought goes out in one write."""
        pending: list[bytes] = []
        with closing(self._stream.events()) as events:
            try:
                for event in events:
                    if event is FLUSH:
                        self._write(pending)
                    else:
                        pending.append(_frame(event))
            except OperationError:  # not for a cancel, which must not wait
                self._write(pending)
                raise
            self._write(pending)

    def _write(self, frames: list[bytes]) -> None:
        if frames:
            self.channel.pass_on(frames[0] if len(frames) == 1 else b"".join(frames), self.viewer())
            frames.clear()

    def _report(self, failure: OperationError) -> Iterator[Event]:
        """The last events of a stream that has failed, in the words of its service; none where they are not known."""
        if self._made_here or self._format.headway:
            yield error_event(failure.code, failure.message, retryable=failure.retryable)
            yield make_event("done", {"status": "failed", "elapsed": round(time.monotonic() - self._start_time, 3)})
        elif event := self._format.failure(failure):
            yield event
        else:
            log.warning("a relay breaks off: %s", failure.message)
            self.channel.broken = True


def _instead_of_a_stream(failure: OperationError) -> _Answer | UpstreamProblem:
    from ..gateways.upstream import Answered

    if isinstance(failure, Answered):
        return _Answer(failure.status, failure.headers, failure.body)
    return UpstreamProblem(502, {"code": failure.code, "detail": failure.message})


def _frame(event: Event) -> bytes:
    """The whole frame of an event: of the upstream's unchanged, of one that was made here with a timestamp."""
    if not isinstance(event, RawEvent):
        return encode(event, timestamp=rfc3339(time.time()))
    data = event.body.replace(b"\n", b"\ndata: ") if b"\n" in event.body else event.body
    if event.name == "message" and not event.id:
        return b"data: %b\n\n" % data
    id_line = b"id: %b\n" % event.id.encode() if event.id else b""
    name_line = b"" if event.name == "message" else b"event: %b\n" % event.name.encode()
    return b"%b%bdata: %b\n\n" % (id_line, name_line, data)


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
