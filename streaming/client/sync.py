"""The blocking client: `Client` and `Run`. They run the coroutines of `aio`, over connections that block."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Final, Self, TypeVar, cast, overload

import httpx

from ..protocol.typed import RunEvent
from .aio import AsyncClient, AsyncRun
from .core import BaseClient, BaseRun, Post, blocking, run_blocking
from .forms import Input
from .many import RunsReader, connect_many, open_many
from .reader import RunReader
from .requests import Headers, as_type, too_late

T = TypeVar("T")


class Client(BaseClient[httpx.Client, Headers]):
    """A service that runs operations.

    `url` is where it is mounted (`https://example.org/api`), by default `HEADWAY_URL`. `headers` are sent with every
    request; a function is called for each. `api_key` is sent as `Authorization: Bearer`; by default it is
    `HEADWAY_API_KEY`, and "" is none. `heartbeat` is the service's, in seconds: a connection that is silent for 2.5 of
    them is dead. `backoff` says when to connect again and when to give up. `http` is the caller's `httpx.Client`, with
    its proxies, certificates and transport; `close` leaves it open. `max_event` is the most bytes of one event.
    `on_lost` is called when a connection is lost, with the seconds until the next attempt and the error (`None` where
    the stream just ended).

    `with_options` gives a client with other options over the same connections. Every method raises `Unreachable` and
    `RequestRefused`; `streaming.client.errors` has all errors.
    """

    _new_http = httpx.Client

    operations: Final = blocking(AsyncClient.operations)
    runs: Final = blocking(AsyncClient.runs)
    request: Final = blocking(AsyncClient.request)
    snapshot: Final = blocking(AsyncClient.snapshot)
    cancel: Final = blocking(AsyncClient.cancel)
    answer: Final = blocking(AsyncClient.answer)
    erase: Final = blocking(AsyncClient.erase)
    token: Final = blocking(AsyncClient.token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        if self._owns_http:
            self._http.close()

    def start(
        self,
        operation: str,
        input: Input = None,
        *,
        idempotency_key: str | None = None,
        detached: bool = False,
        linger: float | None = None,
    ) -> Run:
        """Starts a run and watches it. With `detached` it starts without a viewer; iterating over it watches it.

        A path, a `File`, bytes or an open file in `input` is uploaded (an open file from its beginning); a text is a
        path where the operation takes a file. The start is repeated where its answer is lost or the service is busy;
        `idempotency_key`, by default a new one, makes sure that this starts only one run. `linger` asks for the seconds
        for which the run goes on without viewers. Raises `OSError` for a file that cannot be read.
        """
        post = self._new_post(operation, input, idempotency_key, detached=detached, linger=linger)
        run = Run(self, self._new_reader(), post)
        run_blocking(run._wait_until_started())
        return run

    def watch(self, run: str, *, after: int = 0, counts: bool = True) -> Run:
        """A run that was started elsewhere, from its first event on, or after the event with the number `after`.

        With `counts=False` the viewer does not count for the linger: the run ends as if nobody had watched it here.
        """
        return Run(self, self._new_reader(run, after), counts=counts)

    def watch_runs(
        self, runs: Iterable[str], *, after: Mapping[str, int] | None = None
    ) -> Generator[tuple[str, RunEvent]]:
        """Pairs of a run and an event of it, of up to 50 runs over one connection, until all of them are over.

        They come from the first event of each on, or after the number that `after` has for it. Raises `NotFound` where
        one of them does not exist.
        """
        with _Runs(self, RunsReader(runs, after or {}, self._backoff, self._max_event)) as watched:
            for event in watched:
                yield cast("tuple[str, RunEvent]", event)

    async def _exchange(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        response = self._http.send(request, stream=stream, follow_redirects=False)
        if not response.is_success:
            with contextlib.closing(response):
                response.read()
        return response


class BlockingConnection:
    """An answer whose body is read as it arrives."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._chunks = response.iter_bytes()

    def read(self) -> bytes:
        return next(self._chunks, b"")

    async def close(self) -> None:
        self._response.close()

    def shut_down(self) -> None:
        """Ends the body for a thread that reads it; closing the descriptor would not wake that thread."""
        stream = self._response.extensions.get("network_stream")
        connection = stream.get_extra_info("socket") if stream is not None else None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Run(BaseRun[BlockingConnection, threading.Event]):
    """One viewer of a run.

    Iterating gives each event once, however often the connection is lost, and ends after `done`; where the stream
    cannot be resumed, it raises `Interrupted`. Leaving the `with` block calls `disconnect()`: the run goes on for as
    long as it lingers. `cancel()` ends the run.
    """

    _new_connection = BlockingConnection
    _new_event = threading.Event

    _outcome = blocking(AsyncRun._outcome)
    snapshot: Final = blocking(AsyncRun.snapshot)
    files: Final = blocking(AsyncRun.files)
    file: Final = blocking(AsyncRun.file)
    save_file: Final = blocking(AsyncRun.save_file)
    cancel: Final = blocking(AsyncRun.cancel)
    answer: Final = blocking(AsyncRun.answer)

    def __init__(self, client: Client, reader: RunReader, post: Post | None = None, *, counts: bool = True) -> None:
        super().__init__(client, reader, post, counts=counts)
        self._read_lock = threading.Lock()
        self._reading: Future[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.disconnect()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RunEvent:
        with self._read_lock:
            while (event := self._pop()) is None and self._goes_on():
                run_blocking(self._read_on())
            if event is None:
                run_blocking(self._close())
        if event is None:
            raise StopIteration
        return event

    @overload
    def result(self, timeout: float | None = None, *, type: None = None) -> Any: ...
    @overload
    def result(self, timeout: float | None = None, *, type: type[T]) -> T: ...
    @overload
    def result(self, timeout: float | None = None, *, type: Any) -> Any: ...
    def result(self, timeout: float | None = None, *, type: Any = None) -> Any:
        if timeout is None and self._reading is None:
            return as_type(self._outcome(), type)
        if self._reading is None or self._reading.done():
            # A read with a timeout of its own would close the connection, and end a run that does not linger.
            self._reading = Future()
            threading.Thread(target=self._read_to_end, args=(self._reading,), daemon=True).start()
        try:
            value = self._reading.result(timeout)
        except TimeoutError:
            raise too_late(self.id, timeout) from None
        return as_type(value, type)

    result.__doc__ = AsyncRun.result.__doc__

    def _read_to_end(self, reading: Future[Any]) -> None:
        try:
            reading.set_result(self._outcome())
        except BaseException as error:  # noqa: BLE001  # the caller raises it
            reading.set_exception(error)

    def disconnect(self) -> None:
        """Stops watching, from any thread, without ending the run. The iteration ends without an error."""
        self._disconnected.set()
        connection = self._connection  # read once: the thread that reads may close it
        if connection is not None:
            connection.shut_down()
        if self._read_lock.acquire(blocking=False):  # otherwise the thread that reads sees the end, and closes it
            try:
                run_blocking(self._close())
            finally:
                self._read_lock.release()

    async def _next(self) -> RunEvent | None:
        return next(self, None)

    async def _pause(self, seconds: float) -> None:
        self._disconnected.wait(seconds)


class _Runs(Run):
    """One viewer of several runs."""

    _open = open_many
    _connect = connect_many
