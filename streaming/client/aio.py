"""The client with `await`: `AsyncClient` and `AsyncRun`. `sync` is the same, blocking."""

from __future__ import annotations

import contextlib
import inspect
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping
from typing import Any, Self
from uuid import uuid4

import anyio
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

AsyncHeaders = Headers | Callable[[], Awaitable[Mapping[str, str]]]
"""Headers for every request, or a function that returns them, `async` or not."""


class AsyncClient:
    """A service that runs operations: `Client`, with `await`.

    `http` is an `httpx.AsyncClient`; the other arguments are those of `Client`.
    """

    def __init__(  # each is optional
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        headers: AsyncHeaders | None = None,
        api_key: str | None = None,
        heartbeat: float = 15.0,
        backoff: Backoff | None = None,
        http: httpx.AsyncClient | None = None,
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
        self._http = http or httpx.AsyncClient(limits=LIMITS)
        self._owns_http = http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._owns_http:
            await self._http.aclose()

    async def operations(self) -> list[dict[str, Any]]:
        """The operations: `name`, `title`, `description`, `input` (JSON Schema), `linger` and `runs_in` of each."""
        return list_of(await self._send("GET", "/operations"), "operations")

    async def runs(
        self, *, operation: str | None = None, status: str | None = None, limit: int = 20, before: str | None = None
    ) -> list[dict[str, Any]]:
        """The caller's runs as snapshots, newest first; `before` is the last id of the previous page."""
        filters = {"operation": operation, "status": status, "limit": limit, "before": before}
        params = {name: value for name, value in filters.items() if value is not None}
        return list_of(await self._send("GET", "/runs", params=params), "runs")

    def start(
        self, operation: str, input: Input = None, *, idempotency_key: str | None = None, detached: bool = False
    ) -> AsyncStart:
        """`Client.start`, for `async with client.start(...) as run` and for `run = await client.start(...)`."""
        headers = start_headers(idempotency_key or str(uuid4()), detached=detached)
        return AsyncStart(lambda: self._start(operation, input, headers))

    def watch(self, run: str, *, after: int = 0) -> AsyncRun:
        """A run that was started elsewhere, from its first event on, or after the event with the number `after`."""
        return AsyncRun(self, self._new_reader(run, after))

    async def snapshot(self, run: str) -> Snapshot:
        """The state of a run."""
        return snapshot_of(await self._send("GET", path_of("runs", run)))

    async def cancel(self, run: str) -> Snapshot:
        """Cancels a run; harmless where it is over."""
        return snapshot_of(await self._send("DELETE", path_of("runs", run)))

    async def answer(self, run: str, question: str, answer: Any) -> Snapshot:
        """Answers a question. Raises `InvalidInput` where its schema is not met, `Conflict` where it is closed."""
        body = json_body({"question": question, "answer": answer})
        return snapshot_of(await self._send("POST", path_of("runs", run, "answer"), **body))

    # -- requests -----------------------------------------------------------------------------------------------

    def _new_reader(self, run: str = "", after: int = 0) -> RunReader:
        return RunReader(run, after=after, backoff=self._backoff, max_event=self._max_event)

    async def _start(self, operation: str, input: Input, headers: Mapping[str, str]) -> AsyncRun:
        run = AsyncRun(self, self._new_reader(), lambda: self._post_start(operation, input, headers))
        try:
            await run._wait_until_started()
        except BaseException:  # the cancel of a task, too
            await run._close()
            raise
        return run

    async def _post_start(self, operation: str, input: Input, headers: Mapping[str, str]) -> httpx.Response:
        with body_of(input) as body:
            headers = {**headers, **body.pop("headers", {})}
            return await self._send("POST", path_of("operations", operation), stream=True, headers=headers, **body)

    async def _send(
        self, method: str, path: str, *, stream: bool = False, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """The answer, with its body unread if `stream`. Raises `Unreachable` and `RequestRefused`."""
        headers = {**await self._common_headers(), **(headers or {})}
        try:
            request = self._http.build_request(
                method, self.url + path, headers=headers, timeout=self._timeouts, **options
            )
            response = await self._http.send(request, stream=stream, follow_redirects=False)
            if not response.is_success:
                async with contextlib.aclosing(response):
                    body = await response.aread()
                raise refusal(response.status_code, response.reason_phrase, response.headers, body)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise unreachable(error, self.url) from error
        return response

    async def _common_headers(self) -> Mapping[str, str]:
        headers = self._headers() if callable(self._headers) else (self._headers or {})
        headers = await headers if inspect.isawaitable(headers) else headers
        return {"Authorization": f"Bearer {self._api_key}", **headers} if self._api_key else headers


class AsyncStart(Awaitable["AsyncRun"], contextlib.AbstractAsyncContextManager["AsyncRun"]):
    """What `AsyncClient.start` returns, to `await` or to enter; leaving the block disconnects."""

    def __init__(self, start: Callable[[], Awaitable[AsyncRun]]) -> None:
        self._start = start
        self._run: AsyncRun | None = None

    def __await__(self) -> Generator[Any, None, AsyncRun]:
        return self._start().__await__()

    async def __aenter__(self) -> AsyncRun:
        self._run = await self
        return self._run

    async def __aexit__(self, *error: object) -> None:
        if self._run is not None:
            await self._run.disconnect()


class AsyncRun:
    """One viewer of a run: `Run`, with `async for` and `await`."""

    def __init__(
        self, client: AsyncClient, reader: RunReader, start: Callable[[], Awaitable[httpx.Response]] | None = None
    ) -> None:
        self._client = client
        self._reader = reader
        self._start = start
        self._pending: deque[RunEvent] = deque()
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._disconnected = anyio.Event()

    @property
    def id(self) -> str:
        """The run's id."""
        return self._reader.run

    @property
    def last_event_id(self) -> int:
        """The number of the last event that was read."""
        return self._reader.last_event_id

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.disconnect()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunEvent:
        while not self._disconnected.is_set():
            if self._pending:
                return self._pending.popleft()
            if self._reader.over:
                break
            self._pending.extend(await self._next_events())
        await self._close()
        raise StopAsyncIteration

    async def result(self) -> Any:
        """The result. The rest of the stream is read first, and its events are dropped.

        Raises `RunFailed`, `RunCancelled`, `Interrupted`, and `Left` after `disconnect()`.
        """
        async for _ in self:
            pass
        if self._reader.needs_snapshot:
            await self._read_end()
        return self._reader.outcome()

    async def snapshot(self) -> Snapshot:
        """The state of the run."""
        return await self._client.snapshot(self.id)

    async def cancel(self) -> Snapshot:
        """Cancels the run; the stream goes on up to `done`. Harmless where the run is over."""
        return await self._client.cancel(self.id)

    async def answer(self, answer: Any, *, question: str | None = None) -> Snapshot:
        """Answers the open question, or the one with this id. Raises `InvalidInput` and `Conflict`."""
        return await self._client.answer(self.id, question or self._reader.open_question(), answer)

    async def disconnect(self) -> None:
        """Stops watching, from any task, without ending the run. The iteration ends without an error."""
        self._disconnected.set()
        await self._close()

    # -- the connection -----------------------------------------------------------------------------------------

    async def _wait_until_started(self) -> None:
        """Returns once the start is answered, with a stream or with the run's id."""
        while self._response is None and not self._reader.run:
            await self._next_events()

    async def _next_events(self) -> list[RunEvent]:
        """The events of the next bytes; connects first, or waits before the next attempt, where needed."""
        reason: ClientError | None = None
        try:
            if self._response is None:
                return await self._connect()
            if chunk := await self._read():
                return self._reader.receive(chunk)
        except ClientError as error:
            reason = error
        await self._close()
        if not self._disconnected.is_set():
            with anyio.move_on_after(self._connection_lost(reason)):
                await self._disconnected.wait()
        return []

    def _connection_lost(self, error: ClientError | None) -> float:
        seconds = self._reader.connection_lost(error)
        if self._client._on_lost is not None:
            self._client._on_lost(seconds, error)
        return seconds

    async def _connect(self) -> list[RunEvent]:
        self._response = response = await self._open()
        self._reader.run = self._reader.run or run_of(response)
        if response.status_code == 204:
            await self._close()
            return [await self._read_end()]
        if response.status_code == 202 and self._reader.run:  # started without a stream
            await self._close()
        else:
            self._reader.connection_opened(response.status_code, response.headers)
            self._chunks = response.aiter_bytes()
        return []

    async def _read_end(self) -> Reset:
        response = await self._client._send("GET", path_of("runs", self.id))
        return self._reader.end_with(snapshot_of(response), response.json())

    async def _read(self) -> bytes:
        """The next bytes; empty at the end of the body."""
        if self._chunks is None:
            return b""
        try:
            return await anext(self._chunks, b"")
        except (httpx.RequestError, httpx.StreamError, OSError) as error:
            raise unreachable(error, self._client.url) from error

    async def _open(self) -> httpx.Response:
        if self._start is not None and not self._reader.run:
            return await self._start()
        headers = {**stream_headers(), **self._reader.headers()}
        return await self._client._send("GET", path_of("runs", self.id, "events"), stream=True, headers=headers)

    async def _close(self) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            chunks, self._chunks = self._chunks, None
            with anyio.CancelScope(shield=True):
                with contextlib.suppress(httpx.RequestError, OSError):
                    await response.aclose()
                if isinstance(chunks, AsyncGenerator):
                    with contextlib.suppress(RuntimeError):  # another task reads it, and sees the end
                        await chunks.aclose()
