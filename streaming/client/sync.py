"""The client, blocking: `Client` and `Run`. `aio` is the same with `await`."""

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
from .reader import Backoff, Viewing
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

    `url` is where it is mounted (`https://example.org/api`). `headers` go with every request; a function is called for
    each of them. `api_key` is sent as `Authorization: Bearer`. `heartbeat` is the service's, in seconds: no byte for
    2.5 of them is a dead connection. `backoff` says how often and when to come back. `http` is an `httpx.Client` of
    the caller's own, with its proxies, certificates and transports; it is not closed here. `max_event` bounds the
    bytes of one event. `on_lost` is called when a connection was lost, with the seconds until the next attempt and
    what happened (`None` where the stream just ended).

    Every method raises `Unreachable` and `RequestRefused`; see `streaming.client.errors` for the tree.
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
        self._is_ours = http is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        if self._is_ours:
            self._http.close()

    def operations(self) -> list[dict[str, Any]]:
        """The catalogue: `name`, `title`, `description`, `input` (JSON Schema), `linger`, `runs_in` of each."""
        return list_of(self._ask("GET", "/operations"), "operations")

    def runs(
        self, *, operation: str | None = None, status: str | None = None, limit: int = 20, before: str | None = None
    ) -> list[dict[str, Any]]:
        """The caller's runs as snapshots, newest first; `before` is the id of the last one of the page before."""
        asked = {"operation": operation, "status": status, "limit": limit, "before": before}
        wanted = {name: value for name, value in asked.items() if value is not None}
        return list_of(self._ask("GET", "/runs", params=wanted), "runs")

    def start(
        self, operation: str, input: Input = None, *, idempotency_key: str | None = None, detached: bool = False
    ) -> Run:
        """Starts a run and watches it. `detached` starts it without a stream; it is watched once it is iterated over.

        A `Path` or a `File` in `input` is uploaded. The start is repeated where its answer was lost or the service is
        busy; the Idempotency-Key sees to it that one run is started, and is made here unless it is given.
        """
        headers = start_headers(idempotency_key or str(uuid4()), detached=detached)
        run = Run(self, self._viewing(), lambda: self._post_start(operation, input, headers))
        run._wait_for_answer()
        return run

    def watch(self, run: str, *, after: int = 0) -> Run:
        """A run that was started elsewhere, from its first event on, or from the one after number `after`."""
        return Run(self, self._viewing(run, after))

    def snapshot(self, run: str) -> Snapshot:
        """Where a run stands."""
        return snapshot_of(self._ask("GET", path_of("runs", run)))

    def cancel(self, run: str) -> Snapshot:
        """Asks for the end of a run; harmless where it has ended."""
        return snapshot_of(self._ask("DELETE", path_of("runs", run)))

    def answer(self, run: str, question: str, answer: Any) -> Snapshot:
        """Answers a question. Raises `InvalidInput` for what its schema refuses, `Conflict` where it is closed."""
        body = json_body({"question": question, "answer": answer})
        return snapshot_of(self._ask("POST", path_of("runs", run, "answer"), **body))

    # -- requests -----------------------------------------------------------------------------------------------

    def _viewing(self, run: str = "", after: int = 0) -> Viewing:
        return Viewing(run, after=after, backoff=self._backoff, max_event=self._max_event)

    def _post_start(self, operation: str, input: Input, headers: Mapping[str, str]) -> httpx.Response:
        with body_of(input) as body:
            own = {**headers, **body.pop("headers", {})}
            return self._send("POST", path_of("operations", operation), stream=True, headers=own, **body)

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._send(method, path, stream=False, **options)

    def _send(
        self, method: str, path: str, *, stream: bool, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """The answer, whose head has come. Raises `Unreachable`, and `RequestRefused` for all but a success."""
        own = {**self._common_headers(), **(headers or {})}
        try:
            request = self._http.build_request(method, self.url + path, headers=own, timeout=self._timeouts, **options)
            response = self._http.send(request, stream=stream, follow_redirects=False)
            if not response.is_success:
                with contextlib.closing(response):
                    raise refusal(response.status_code, response.reason_phrase, response.headers, response.read())
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise unreachable(error, self.url) from error
        return response

    def _common_headers(self) -> Mapping[str, str]:
        given = self._headers() if callable(self._headers) else (self._headers or {})
        return {"Authorization": f"Bearer {self._api_key}", **given} if self._api_key else given


class Run:
    """A run, and one viewing of it.

    Iterating gives its events, each once, however often the connection is lost meanwhile, and ends after `done`. It
    raises `Interrupted` where the stream does not come back, and never ends early without an error. Leaving the `with`
    block is `disconnect()`: the work goes on for as long as its operation lingers. `cancel()` ends the work.
    """

    def __init__(self, client: Client, viewing: Viewing, start: Callable[[], httpx.Response] | None = None) -> None:
        self._client = client
        self._viewing = viewing
        self._start = start
        self._pending: deque[RunEvent] = deque()
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._left = threading.Event()
        self._reading = threading.Lock()

    @property
    def id(self) -> str:
        """The run's id."""
        return self._viewing.run

    @property
    def last_event_id(self) -> int:
        """The number of the newest event that was read."""
        return self._viewing.last_event_id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.disconnect()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RunEvent:
        with self._reading:
            while not self._left.is_set():
                if self._pending:
                    return self._pending.popleft()
                if self._viewing.over:
                    break
                self._pending.extend(self._more())
            self._close()
            raise StopIteration

    def result(self) -> Any:
        """The result, once the run is over; the events up to there are read and dropped.

        Raises `RunFailed`, `RunCancelled`, `Interrupted`, and `Left` after `disconnect()`.
        """
        for _ in self:
            pass
        if self._viewing.over and not self._viewing.settled:
            self._settle()
        return self._viewing.outcome()

    def snapshot(self) -> Snapshot:
        """Where the run stands."""
        return self._client.snapshot(self.id)

    def cancel(self) -> Snapshot:
        """Asks for the end of the work; `done` follows on the stream. Harmless where the run has ended."""
        return self._client.cancel(self.id)

    def answer(self, answer: Any, *, question: str | None = None) -> Snapshot:
        """Answers the question that is open, or the one with this id. Raises `InvalidInput` and `Conflict`."""
        return self._client.answer(self.id, question or self._viewing.open_question(), answer)

    def disconnect(self) -> None:
        """Ends this viewing, and not the work; from any thread. Iterating ends without a word."""
        self._left.set()
        if self._response is not None:
            _wake(self._response)
        if self._reading.acquire(blocking=False):  # otherwise whoever reads finds the connection shut, and closes it
            try:
                self._close()
            finally:
                self._reading.release()

    # -- the connection -----------------------------------------------------------------------------------------

    def _wait_for_answer(self) -> None:
        """Returns once the start was answered, with a stream or with the run's id."""
        while self._response is None and not self._viewing.run:
            self._more()

    def _more(self) -> list[RunEvent]:
        """The events of the next bytes; without a connection it is made, or waited for."""
        lost: ClientError | None = None
        try:
            if self._response is None:
                return self._connect()
            if chunk := self._read():
                return self._viewing.receive(chunk)
        except ClientError as error:
            lost = error
        self._close()
        if not self._left.is_set():
            self._left.wait(self._wait_for(lost))
        return []

    def _wait_for(self, lost: ClientError | None) -> float:
        seconds = self._viewing.lost(lost)
        if self._client._on_lost is not None:
            self._client._on_lost(seconds, lost)
        return seconds

    def _connect(self) -> list[RunEvent]:
        self._response = response = self._open()
        self._viewing.run = self._viewing.run or run_of(response)
        if response.status_code == 204:
            self._close()
            return [self._settle()]
        if response.status_code == 202 and self._viewing.run:  # a run that was started without a stream
            self._close()
        else:
            self._viewing.opened(response.status_code, response.headers)
            self._chunks = response.iter_bytes()
        return []

    def _settle(self) -> Reset:
        data = self._client._ask("GET", path_of("runs", self.id))
        return self._viewing.settle(snapshot_of(data), data.json())

    def _read(self) -> bytes:
        """The next bytes; none at the end of the body."""
        try:
            return next(self._chunks, b"")
        except (httpx.RequestError, httpx.StreamError, OSError) as error:
            raise unreachable(error, self._client.url) from error

    def _open(self) -> httpx.Response:
        if self._start is not None and not self._viewing.run:
            return self._start()
        headers = {**stream_headers(), **self._viewing.headers()}
        return self._client._send("GET", path_of("runs", self.id, "events"), stream=True, headers=headers)

    def _close(self) -> None:
        if self._response is not None:
            response, self._response, self._chunks = self._response, None, iter(())
            with contextlib.suppress(httpx.RequestError, OSError):
                response.close()


def _wake(response: httpx.Response) -> None:
    """Has a thread that reads the response find its end; closing the descriptor would not wake it."""
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
