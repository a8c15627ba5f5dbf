"""The blocking client: `Client` and `Run`. `aio` is the same with `await`."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self
from uuid import uuid4

import httpx

from ..protocol.sse import MAX_EVENT
from .errors import ClientError, refusal
from .events import Reset, RunEvent, Snapshot
from .reader import Backoff, RunReader
from .requests import (
    LIMITS,
    Headers,
    Input,
    OnLost,
    base_url,
    body_of,
    json_body,
    list_of,
    path_of,
    run_of,
    snapshot_of,
    start_headers,
    stream_headers,
    timeouts,
    unreachable,
)


class Client:
    """A service that runs operations.

    `url` is where it is mounted (`https://example.org/api`). `headers` are sent with every request; a function is
    called for each. `api_key` is sent as `Authorization: Bearer`. `heartbeat` is the service's, in seconds: a
    connection that is silent for 2.5 of them is dead. `backoff` says when to connect again and when to give up. `http`
    is the caller's `httpx.Client`, with its proxies, certificates and transport; `close` leaves it open. `max_event` is
    the most bytes of one event. `on_lost` is called when a connection is lost, with the seconds until the next attempt
    and the error (`None` where the stream just ended).

    Every method raises `Unreachable` and `RequestRefused`; `streaming.client.errors` has all errors.
    """

    def __init__(  # each is optional
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        headers: Headers | None = None,
        api_key: str | None = None,
        heartbeat: float = 15.0,
        backoff: Backoff | None = None,
        http: httpx.Client | None = None,
        max_event: int = MAX_EVENT,
        on_lost: OnLost | None = None,
    ) -> None:
        self.url = base_url(url)
        self._headers = headers
        self._api_key = api_key
        self._timeouts = timeouts(heartbeat)
        self._backoff = backoff or Backoff()
        self._max_event = max_event
        self._on_lost = on_lost
        self._http = http or httpx.Client(limits=LIMITS)
        self._owns_http = http is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        if self._owns_http:
            self._http.close()

    def operations(self) -> list[dict[str, Any]]:
        """The operations: `name`, `title`, `description`, `input` (JSON Schema), `linger` and `runs_in` of each."""
        return list_of(self._send("GET", "/operations"), "operations")

    def runs(
        self, *, operation: str | None = None, status: str | None = None, limit: int = 20, before: str | None = None
    ) -> list[dict[str, Any]]:
        """The caller's runs as snapshots, newest first; `before` is the last id of the previous page."""
        filters = {"operation": operation, "status": status, "limit": limit, "before": before}
        params = {name: value for name, value in filters.items() if value is not None}
        return list_of(self._send("GET", "/runs", params=params), "runs")

    def start(
        self, operation: str, input: Input = None, *, idempotency_key: str | None = None, detached: bool = False
    ) -> Run:
        """Starts a run and watches it. With `detached` it starts without a viewer; iterating over it watches it.

        A `Path` or a `File` in `input` is uploaded. The start is repeated where its answer is lost or the service is
        busy; `idempotency_key`, by default a new one, makes sure that this starts only one run.
        """
        headers = start_headers(idempotency_key or str(uuid4()), detached=detached)
        run = Run(self, self._new_reader(), lambda: self._post_start(operation, input, headers))
        try:
            run._wait_until_started()
        except BaseException:  # Ctrl-C, too
            run._close()
            raise
        return run

    def watch(self, run: str, *, after: int = 0) -> Run:
        """A run that was started elsewhere, from its first event on, or after the event with the number `after`."""
        return Run(self, self._new_reader(run, after))

    def snapshot(self, run: str) -> Snapshot:
        """The state of a run."""
        return snapshot_of(self._send("GET", path_of("runs", run)))

    def cancel(self, run: str) -> Snapshot:
        """Cancels a run; harmless where it is over."""
        return snapshot_of(self._send("DELETE", path_of("runs", run)))

    def answer(self, run: str, question: str, answer: Any) -> Snapshot:
        """Answers a question. Raises `InvalidInput` where its schema is not met, `Conflict` where it is closed."""
        body = json_body({"question": question, "answer": answer})
        return snapshot_of(self._send("POST", path_of("runs", run, "answer"), **body))

    # -- requests -----------------------------------------------------------------------------------------------

    def _new_reader(self, run: str = "", after: int = 0) -> RunReader:
        return RunReader(run, after=after, backoff=self._backoff, max_event=self._max_event)

    def _post_start(self, operation: str, input: Input, headers: Mapping[str, str]) -> httpx.Response:
        with body_of(input) as body:
            headers = {**headers, **body.pop("headers", {})}
            return self._send("POST", path_of("operations", operation), stream=True, headers=headers, **body)

    def _send(
        self, method: str, path: str, *, stream: bool = False, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """The answer, with its body unread if `stream`. Raises `Unreachable` and `RequestRefused`."""
        headers = {**self._common_headers(), **(headers or {})}
        try:
            request = self._http.build_request(
                method, self.url + path, headers=headers, timeout=self._timeouts, **options
            )
            response = self._http.send(request, stream=stream, follow_redirects=False)
            if not response.is_success:
                with contextlib.closing(response):
                    raise refusal(response.status_code, response.reason_phrase, response.headers, response.read())
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise unreachable(error, self.url) from error
        return response

    def _common_headers(self) -> Mapping[str, str]:
        headers = self._headers() if callable(self._headers) else (self._headers or {})
        return {"Authorization": f"Bearer {self._api_key}", **headers} if self._api_key else headers


class Run:
    """One viewer of a run.

    Iterating gives each event once, however often the connection is lost, and ends after `done`; where the stream
    cannot be resumed, it raises `Interrupted`. Leaving the `with` block calls `disconnect()`: the run goes on for as
    long as it lingers. `cancel()` ends the run.
    """

    def __init__(self, client: Client, reader: RunReader, start: Callable[[], httpx.Response] | None = None) -> None:
        self._client = client
        self._reader = reader
        self._start = start
        self._pending: deque[RunEvent] = deque()
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._disconnected = threading.Event()
        self._read_lock = threading.Lock()

    @property
    def id(self) -> str:
        """The run's id."""
        return self._reader.run

    @property
    def last_event_id(self) -> int:
        """The number of the last event that was read."""
        return self._reader.last_event_id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.disconnect()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RunEvent:
        with self._read_lock:
            while not self._disconnected.is_set():
                if self._pending:
                    return self._pending.popleft()
                if self._reader.over:
                    break
                self._pending.extend(self._next_events())
            self._close()
            raise StopIteration

    def result(self) -> Any:
        """The result. The rest of the stream is read first, and its events are dropped.

        Raises `RunFailed`, `RunCancelled`, `Interrupted`, and `Left` after `disconnect()`.
        """
        for _ in self:
            pass
        if self._reader.needs_snapshot:
            self._read_end()
        return self._reader.outcome()

    def snapshot(self) -> Snapshot:
        """The state of the run."""
        return self._client.snapshot(self.id)

    def cancel(self) -> Snapshot:
        """Cancels the run; the stream goes on up to `done`. Harmless where the run is over."""
        return self._client.cancel(self.id)

    def answer(self, answer: Any, *, question: str | None = None) -> Snapshot:
        """Answers the open question, or the one with this id. Raises `InvalidInput` and `Conflict`."""
        return self._client.answer(self.id, question or self._reader.open_question(), answer)

    def disconnect(self) -> None:
        """Stops watching, from any thread, without ending the run. The iteration ends without an error."""
        self._disconnected.set()
        if self._response is not None:
            _shut_down(self._response)
        if self._read_lock.acquire(blocking=False):  # otherwise the thread that reads sees the end, and closes it
            try:
                self._close()
            finally:
                self._read_lock.release()

    # -- the connection -----------------------------------------------------------------------------------------

    def _wait_until_started(self) -> None:
        """Returns once the start is answered, with a stream or with the run's id."""
        while self._response is None and not self._reader.run:
            self._next_events()

    def _next_events(self) -> list[RunEvent]:
        """The events of the next bytes; connects first, or waits before the next attempt, where needed."""
        reason: ClientError | None = None
        try:
            if self._response is None:
                return self._connect()
            if chunk := self._read():
                return self._reader.receive(chunk)
        except ClientError as error:
            reason = error
        self._close()
        if not self._disconnected.is_set():
            self._disconnected.wait(self._connection_lost(reason))
        return []

    def _connection_lost(self, error: ClientError | None) -> float:
        seconds = self._reader.connection_lost(error)
        if self._client._on_lost is not None:
            self._client._on_lost(seconds, error)
        return seconds

    def _connect(self) -> list[RunEvent]:
        self._response = response = self._open()
        self._reader.run = self._reader.run or run_of(response)
        if response.status_code == 204:
            self._close()
            return [self._read_end()]
        if response.status_code == 202 and self._reader.run:  # started without a stream
            self._close()
        else:
            self._reader.connection_opened(response.status_code, response.headers)
            self._chunks = response.iter_bytes()
        return []

    def _read_end(self) -> Reset:
        response = self._client._send("GET", path_of("runs", self.id))
        return self._reader.end_with(snapshot_of(response), response.json())

    def _read(self) -> bytes:
        """The next bytes; empty at the end of the body."""
        try:
            return next(self._chunks, b"")
        except (httpx.RequestError, httpx.StreamError, OSError) as error:
            raise unreachable(error, self._client.url) from error

    def _open(self) -> httpx.Response:
        if self._start is not None and not self._reader.run:
            return self._start()
        headers = {**stream_headers(), **self._reader.headers()}
        return self._client._send("GET", path_of("runs", self.id, "events"), stream=True, headers=headers)

    def _close(self) -> None:
        if self._response is not None:
            response, self._response, self._chunks = self._response, None, iter(())
            with contextlib.suppress(httpx.RequestError, OSError):
                response.close()


def _shut_down(response: httpx.Response) -> None:
    """Ends the response for a thread that reads it; closing the descriptor would not wake that thread."""
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
