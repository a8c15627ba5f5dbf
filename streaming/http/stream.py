"""`stream()`: one generator, one stream, stopped with its client; and the responses that carry streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final
from weakref import ref

from flask import Flask, Response, current_app, request, request_tearing_down
from werkzeug.wsgi import ClosingIterator

from ..clock import SystemClock
from ..errors import EncodeError, Problem, RegistrationError
from ..protocol.events import Event
from ..protocol.frames import BLOCK_BYTES, Batch, Block
from ..protocol.recorder import Recorder
from ..runs.context import CallContext, RunContext
from ..runs.executors.greenlet import start_local_work
from ..runs.files import FileEvent
from ..runs.operation import FlushPolicy, as_work, check_flush, close_work, refuse_async
from ..runs.producer import Producer
from ..runtime.hub import GreenSignal
from ..runtime.worker import Worker
from ..stores.base import Take
from .context import work_and_context
from .problems import STREAM_HEADERS, problem_response
from .sources import RETRY, Source
from .viewer import Body, Viewer
from .views import Opening, open_lens

UNSENT: Final = "headway.unsent"
"""The key under which the environment of a request has its viewers, until the server has their response."""

ROOM: Final = BLOCK_BYTES
"""Bytes that a `stream()` may be ahead of its viewer before its generator waits."""


class Channel(Source):
    """The source of `stream()`: one producer, one viewer, and between them about as much as fits one write."""

    __slots__ = (
        "_frames",
        "_last",
        "_notify",
        "_over",
        "_room",
        "_size",
        "_started",
        "_take",
        "_turn",
        "broken",
        "preface",
        "producer",
    )

    def __init__(self, events: Any, worker: Worker, call: CallContext, *, flush: FlushPolicy, lifecycle: bool) -> None:
        context = RunContext(worker, call=call)
        self.preface: bytes = RETRY
        self.broken: bool = False
        self.producer: Producer = Producer(
            getattr(events, "__name__", None) or "stream",
            start_local_work(lambda: as_work(events), context),
            context,
            self,
            clock=SystemClock(),
            flush=flush,
            lifecycle=lifecycle,
            ended=self._end,
        )
        self._frames: list[bytes] = []
        self._last = 0
        self._size = 0
        self._over = False
        self._notify: Callable[[], None] = _nothing
        self._take: Take | None = None
        self._room = GreenSignal()
        self._started = False
        self._turn = worker.turn

    def start(self) -> None:
        if not self._started:
            self._started = True
            if self._take is not None:
                self.producer.begin()
            else:
                self.producer.start()

    def lend(self, take: Take) -> None:
        self._take = take

    def work(self) -> bool:
        if self.producer.greenlet is not None:
            return False
        self.producer.work()
        return True

    def put(self, block: Block, recorder: Recorder) -> None:
        frames, self._over = block.frames, recorder.fold.over
        self._last += len(frames)
        self._frames.extend(frames)
        self._size += block.size
        self._notify()

    def send(self, frame: bytes) -> bool:
        if self._frames or self._take is None or not self._take(frame, self._last + 1):
            return False
        self._last += 1
        return True

    def pass_on(self, frames: bytes, viewer: Viewer | None) -> None:
        """Takes whole frames past the producer, whose events all come after them; waits as that does for room."""
        self._last += 1
        if viewer is None or not viewer.take(frames, self._last):
            self._frames.append(frames)
            self._size += len(frames)
            self._turn.hand_over(self._notify)
            self.wait_for_room()

    def wait_for_viewers(self) -> None:
        """Nothing: there is room for one write alone."""

    def wait_for_room(self) -> None:
        while self._size > ROOM:
            self._room.clear()
            self._room.wait()

    def check_references(self, body: bytes, last: int) -> None:
        """Its one viewer has had them all."""

    def keep_checkpoint(self, body: bytes, recorder: Recorder) -> None:
        """Nothing: there is no other attempt."""

    def hand_over(self) -> bool:
        return False

    def keep_file(self, file: FileEvent) -> Event:
        raise EncodeError("stream() has no run that could keep a file: start an operation")

    def read(self, after: int, *, frames: int, merge: bool) -> Batch:
        # Not earlier: a stream that nobody reads (HEAD) does no work, and by now the view has done with its request.
        self.start()
        if len(self._frames) <= frames:
            block, self._frames = b"".join(self._frames), []
        else:
            block = b"".join(self._frames[:frames])
            del self._frames[:frames]
        self._size -= len(block)
        if self._size <= ROOM:
            self._room.set()
        return Batch(block, self._last - len(self._frames), self._over and not self._frames)

    def at_hand(self, after: int, frames: int) -> Batch | None:
        return self.read(after, frames=frames, merge=False) if self._frames else None

    def watch(self, notify: Callable[[], None]) -> Callable[[], None]:
        self._notify = notify
        return self._unwatch

    def _unwatch(self) -> None:
        self._notify, self._take = _nothing, _refuse

    def leave(self) -> None:
        if self._started:
            self.producer.cancel("disconnected")

    @property
    def producing(self) -> bool:
        return not self._over

    def stop(self) -> bool:
        self.producer.cancel("shutdown")
        return self.producing

    def _end(self) -> None:
        """Called when the producer has ended, with a last event or without."""
        self._over = True
        self._notify()


def _nothing() -> None:
    """In the place of a viewer that is not there yet, or no more."""


def _refuse(frame: bytes, number: int) -> bool:
    """In the place of one that has left."""
    return False


class StreamResponse(Response):
    """A response whose body no hook of the application gathers, and that goes to the server without a wrapper.

    `direct_passthrough` does most of that: the length is unknown, and `get_data` raises, as for a file. A wrapper would
    cost memory for every stream.
    """

    def get_app_iter(self, environ: dict[str, Any]) -> Any:
        environ.pop(UNSENT, None)
        if environ["REQUEST_METHOD"] == "HEAD" or self.status_code in (204, 304):
            self.close()
            return ()  # its length is known: gevent.pywsgi ends any other body with a chunk, even here
        if self.direct_passthrough and not self._on_close:
            return self.response
        body: Any = self.response if self.direct_passthrough else self.iter_encoded()
        return ClosingIterator(body, self.close)

    def add_etag(self, *_: Any, **__: Any) -> None:
        """Does nothing: a tag is made of a whole body."""

    def make_conditional(self, *_: Any, **__: Any) -> Response:
        """Does nothing: a stream has neither a version nor ranges."""
        return self


@cache
def _class_for(response_class: Any) -> type[StreamResponse]:
    """The class of streams in an application with this class of responses, which Flask would else give to them."""
    if issubclass(StreamResponse, response_class):
        return StreamResponse
    return type("StreamResponse", (StreamResponse, response_class), {})


def _response(body: Iterable[bytes], headers: dict[str, str]) -> Response:
    response_class: Any = current_app.response_class
    response = _class_for(response_class)(body, headers=headers)
    response.direct_passthrough = True  # not every class takes it as a keyword
    return response


def head() -> Response:
    """The answer to HEAD on a stream: there is no viewer, because a run would stop as it leaves."""
    return _response(iter(()), STREAM_HEADERS)


def respond(viewer: Viewer, headers: dict[str, str] | None = None) -> Response:
    """The response that streams to a viewer."""
    request.environ.setdefault(UNSENT, []).append(ref(viewer))
    return _response(Body(viewer), {**STREAM_HEADERS, **(headers or {})})


@request_tearing_down.connect
def _end_unsent(_: Flask, exc: BaseException | None = None, **__: Any) -> None:
    """Ends the streams of a request that failed after its view: their response is in the traceback, in a cycle."""
    if exc is not None:
        for viewer in [unsent() for unsent in request.environ.pop(UNSENT, ())]:
            if viewer is not None:
                viewer.close()


def stream(
    events: Any,
    *,
    heartbeat: float = 15.0,
    flush: FlushPolicy = "ready",
    send_timeout: float = 30.0,
    lifecycle: bool = True,
    restart: bool = False,
    view: str | Mapping[str, str] | None = None,
) -> Response:
    """The response of a Flask route that streams one generator, and stops it when the client disconnects.

    It sends `start`, the generator's events with numbers, its return value as `result`, and `done`; with
    `lifecycle=False` only the generator's own events. `heartbeat` and `send_timeout` are in seconds. Nothing is kept:
    there is no more for a client that comes back with `Last-Event-ID`, as an `EventSource` does after each end of a
    stream, so it gets 204, at which it stops (HTML, section 9.2.3), and `events` is closed; with `restart`, or without
    the lifecycle, the work is done again. The generator runs in an application context of its own; Flask's
    `stream_with_context` around it gives it the request as well. `view` is `html`, `messages` or `text`, or
    `request.args`, whose `view` and `names` then choose; a wrong choice is answered by a problem. Raises
    `RegistrationError` for another flush policy, and for seconds that are not above 0, and `TypeError` for an async
    generator and a coroutine.
    """
    check_flush(flush)
    refuse_async(events)
    if not (heartbeat > 0 and send_timeout > 0):
        raise RegistrationError(f"seconds above 0, not heartbeat={heartbeat!r}, send_timeout={send_timeout!r}")
    if lifecycle and not restart and request.headers.get("Last-Event-ID"):
        close_work(events)
        return Response(status=204)
    from .gunicorn import notice_gunicorn  # which imports this module

    notice_gunicorn()
    worker, environ = Worker.current(), request.environ
    try:
        lens = None if view is None else open_lens(Opening(_app(), worker, _query(view)))
    except Problem as problem:
        close_work(events)
        return problem_response(problem)
    events, call = work_and_context(events)
    channel = worker.call(lambda: Channel(events, worker, call, flush=flush, lifecycle=lifecycle))
    each = flush == "each"
    options: Any = {"environ": environ, "heartbeat": heartbeat, "send_timeout": send_timeout}
    return respond(Viewer(channel, worker, **options, each=each, lens=lens))


def _query(view: str | Mapping[str, str]) -> Mapping[str, str]:
    return {"view": view} if isinstance(view, str) else view


def _app() -> Flask:
    return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]
