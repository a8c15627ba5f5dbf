"""The client, with `await`: `AsyncClient` and `AsyncRun`. `sync` is the same, blocking."""

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

AsyncHeaders = Headers | Callable[[], Awaitable[Mapping[str, str]]]
"""Headers for every request, or a function that gives them, with `async` or without."""


class AsyncClient:
    """A service that runs operations: what `Client` is, with `await`.

    `http` is an `httpx.AsyncClient` of the caller's own; the other arguments are those of `Client`.
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
        self._is_ours = http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._is_ours:
            await self._http.aclose()

    async def operations(self) -> list[dict[str, Any]]:
        """The catalogue: `name`, `title`, `description`, `input` (JSON Schema), `linger`, `runs_in` of each."""
        return list_of(await self._ask("GET", "/operations"), "operations")

    async def runs(
        self, *, operation: str | None = None, status: str | None = None, limit: int = 20, before: str | None = None
    ) -> list[dict[str, Any]]:
        """The caller's runs as snapshots, newest first; `before` is the id of the last one of the page before."""
        asked = {"operation": operation, "status": status, "limit": limit, "before": before}
        wanted = {name: value for name, value in asked.items() if value is not None}
        return list_of(await self._ask("GET", "/runs", params=wanted), "runs")

    def start(
        self, operation: str, input: Input = None, *, idempotency_key: str | None = None, detached: bool = False
    ) -> Starting:
        """`Client.start`, for `async with client.start(...) as run` and for `run = await client.start(...)`."""
        headers = start_headers(idempotency_key or str(uuid4()), detached=detached)
        return Starting(lambda: self._start(operation, input, headers))

    def watch(self, run: str, *, after: int = 0) -> AsyncRun:
        """A run that was started elsewhere, from its first event on, or from the one after number `after`."""
        return AsyncRun(self, self._viewing(run, after))

    async def snapshot(self, run: str) -> Snapshot:
        """Where a run stands."""
        return snapshot_of(await self._ask("GET", path_of("runs", run)))

    async def cancel(self, run: str) -> Snapshot:
        """Asks for the end of a run; harmless where it has ended."""
        return snapshot_of(await self._ask("DELETE", path_of("runs", run)))

    async def answer(self, run: str, question: str, answer: Any) -> Snapshot:
        """Answers a question. Raises `InvalidInput` for what its schema refuses, `Conflict` where it is closed."""
        body = json_body({"question": question, "answer": answer})
        return snapshot_of(await self._ask("POST", path_of("runs", run, "answer"), **body))

    # -- requests -----------------------------------------------------------------------------------------------

    def _viewing(self, run: str = "", after: int = 0) -> Viewing:
        return Viewing(run, after=after, backoff=self._backoff, max_event=self._max_event)

    async def _start(self, operation: str, input: Input, headers: Mapping[str, str]) -> AsyncRun:
        run = AsyncRun(self, self._viewing(), lambda: self._post_start(operation, input, headers))
        try:
            await run._wait_for_answer()
        except BaseException:  # a cancel of the task that starts it, too
            await run._close()
            raise
        return run

    async def _post_start(self, operation: str, input: Input, headers: Mapping[str, str]) -> httpx.Response:
        with body_of(input) as body:
            own = {**headers, **body.pop("headers", {})}
            return await self._send("POST", path_of("operations", operation), stream=True, headers=own, **body)

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self._send(method, path, stream=False, **options)

    async def _send(
        self, method: str, path: str, *, stream: bool, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """The answer, whose head has come. Raises `Unreachable`, and `RequestRefused` for all but a success."""
        own = {**await self._common_headers(), **(headers or {})}
        try:
            request = self._http.build_request(method, self.url + path, headers=own, timeout=self._timeouts, **options)
            response = await self._http.send(request, stream=stream, follow_redirects=False)
            if not response.is_success:
                async with contextlib.aclosing(response):
                    body = await response.aread()
                raise refusal(response.status_code, response.reason_phrase, response.headers, body)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise unreachable(error, self.url) from error
        return response

    async def _common_headers(self) -> Mapping[str, str]:
        given = self._headers() if callable(self._headers) else (self._headers or {})
        found = await given if inspect.isawaitable(given) else given
        return {"Authorization": f"Bearer {self._api_key}", **found} if self._api_key else found


class Starting(Awaitable["AsyncRun"], contextlib.AbstractAsyncContextManager["AsyncRun"]):
    """A start that is to be awaited, or entered: then the viewing ends with the block."""

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
    """A run, and one viewing of it: what `Run` is, with `async for` and `await`."""

    def __init__(
        self, client: AsyncClient, viewing: Viewing, start: Callable[[], Awaitable[httpx.Response]] | None = None
    ) -> None:
        self._client = client
        self._viewing = viewing
        self._start = start
        self._pending: deque[RunEvent] = deque()
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._left = anyio.Event()

    @property
    def id(self) -> str:
        """The run's id."""
        return self._viewing.run

    @property
    def last_event_id(self) -> int:
        """The number of the newest event that was read."""
        return self._viewing.last_event_id

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.disconnect()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunEvent:
        while not self._left.is_set():
            if self._pending:
                return self._pending.popleft()
            if self._viewing.over:
                break
            self._pending.extend(await self._more())
        await self._close()
        raise StopAsyncIteration

    async def result(self) -> Any:
        """The result, once the run is over; the events up to there are read and dropped.

        Raises `RunFailed`, `RunCancelled`, `Interrupted`, and `Left` after `disconnect()`.
        """
        async for _ in self:
            pass
        if self._viewing.over and not self._viewing.settled:
            await self._settle()
        return self._viewing.outcome()

    async def snapshot(self) -> Snapshot:
        """Where the run stands."""
        return await self._client.snapshot(self.id)

    async def cancel(self) -> Snapshot:
        """Asks for the end of the work; `done` follows on the stream. Harmless where the run has ended."""
        return await self._client.cancel(self.id)

    async def answer(self, answer: Any, *, question: str | None = None) -> Snapshot:
        """Answers the question that is open, or the one with this id. Raises `InvalidInput` and `Conflict`."""
        return await self._client.answer(self.id, question or self._viewing.open_question(), answer)

    async def disconnect(self) -> None:
        """Ends this viewing, and not the work; from any task. Iterating ends without a word."""
        self._left.set()
        await self._close()

    # -- the connection -----------------------------------------------------------------------------------------

    async def _wait_for_answer(self) -> None:
        """Returns once the start was answered, with a stream or with the run's id."""
        while self._response is None and not self._viewing.run:
            await self._more()

    async def _more(self) -> list[RunEvent]:
        """The events of the next bytes; without a connection it is made, or waited for."""
        lost: ClientError | None = None
        try:
            if self._response is None:
                return await self._connect()
            if chunk := await self._read():
                return self._viewing.receive(chunk)
        except ClientError as error:
            lost = error
        await self._close()
        if not self._left.is_set():
            with anyio.move_on_after(self._wait_for(lost)):
                await self._left.wait()
        return []

    def _wait_for(self, lost: ClientError | None) -> float:
        seconds = self._viewing.lost(lost)
        if self._client._on_lost is not None:
            self._client._on_lost(seconds, lost)
        return seconds

    async def _connect(self) -> list[RunEvent]:
        self._response = response = await self._open()
        self._viewing.run = self._viewing.run or run_of(response)
        if response.status_code == 204:
            await self._close()
            return [await self._settle()]
        if response.status_code == 202 and self._viewing.run:  # a run that was started without a stream
            await self._close()
        else:
            self._viewing.opened(response.status_code, response.headers)
            self._chunks = response.aiter_bytes()
        return []

    async def _settle(self) -> Reset:
        data = await self._client._ask("GET", path_of("runs", self.id))
        return self._viewing.settle(snapshot_of(data), data.json())

    async def _read(self) -> bytes:
        """The next bytes; none at the end of the body."""
        if self._chunks is None:
            return b""
        try:
            return await anext(self._chunks, b"")
        except (httpx.RequestError, httpx.StreamError, OSError) as error:
            raise unreachable(error, self._client.url) from error

    async def _open(self) -> httpx.Response:
        if self._start is not None and not self._viewing.run:
            return await self._start()
        headers = {**stream_headers(), **self._viewing.headers()}
        return await self._client._send("GET", path_of("runs", self.id, "events"), stream=True, headers=headers)

    async def _close(self) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            chunks, self._chunks = self._chunks, None
            with anyio.CancelScope(shield=True):
                with contextlib.suppress(httpx.RequestError, OSError):
                    await response.aclose()
                if isinstance(chunks, AsyncGenerator):
                    with contextlib.suppress(RuntimeError):  # another task reads it, and finds the end by itself
                        await chunks.aclose()
