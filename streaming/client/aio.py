"""The client with `await`: `AsyncClient` and `AsyncRun`. `sync` is the same, blocking."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, cast, overload

import anyio
import httpx

from ..protocol.typed import RunEvent, Snapshot
from .core import BaseClient, BaseRun
from .files import into
from .forms import Input
from .many import RunsReader, connect_many, open_many
from .requests import Headers, as_type, json_body, list_of, path_of, snapshot_of, snapshots_of, token_in, too_late

T = TypeVar("T")

AsyncHeaders = Headers | Callable[[], Awaitable[Mapping[str, str]]]
"""Headers for every request, or a function that returns them, `async` or not."""

AnyClient = BaseClient[Any, Any]
AnyRun = BaseRun[Any, Any]
"""What the coroutines that `sync` runs, too, take as `self`."""


class AsyncClient(BaseClient[httpx.AsyncClient, AsyncHeaders]):
    """A service that runs operations: `Client`, with `await`.

    `http` is an `httpx.AsyncClient`; the other arguments are those of `Client`.
    """

    _new_http = httpx.AsyncClient

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._owns_http:
            await self._http.aclose()

    async def operations(self: AnyClient) -> list[dict[str, Any]]:
        """The operations: `name`, `title`, `description`, `input` (JSON Schema), `linger` and `runs_in` of each."""
        return list_of(await self._send("GET", "/operations"), "operations")

    async def runs(
        self: AnyClient,
        *,
        operation: str | None = None,
        status: str | None = None,
        limit: int = 20,
        before: str | None = None,
        results: bool = False,
    ) -> list[Snapshot]:
        """The caller's runs as snapshots, newest first; `before` is the last id of the previous page.

        With `results` each has its result, and a page is the shorter the larger these are: the last one is empty.
        """
        fields = "result" if results else None
        filters = {"operation": operation, "status": status, "limit": limit, "before": before, "fields": fields}
        params = {name: value for name, value in filters.items() if value is not None}
        return snapshots_of(list_of(await self._send("GET", "/runs", params=params), "runs"))

    async def request(
        self: AnyClient,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer of the service to any request, its body read; `path` follows the URL of the client.

        Raises `RequestRefused` where it is no success: its `response` is the answer.
        """
        body = {} if json is None else json_body(json)
        more = {**body.pop("headers", {}), **(headers or {})}
        return await self._send(method, path, headers=more, params=params, **body)

    def start(
        self,
        operation: str,
        input: Input = None,
        *,
        idempotency_key: str | None = None,
        detached: bool = False,
        linger: float | None = None,
    ) -> AsyncStart:
        """`Client.start`: `async with` it as a run, `async for` over it, or `await` the run."""
        post = self._new_post(operation, input, idempotency_key, detached=detached, linger=linger)
        return AsyncStart(operation, lambda: AsyncRun(self, self._new_reader(), post))

    def watch(self, run: str, *, after: int = 0, counts: bool = True) -> AsyncRun:
        """`Client.watch`."""
        return AsyncRun(self, self._new_reader(run, after), counts=counts)

    async def watch_runs(
        self, runs: Iterable[str], *, after: Mapping[str, int] | None = None
    ) -> AsyncGenerator[tuple[str, RunEvent]]:
        """`Client.watch_runs`, for `async for run, event in client.watch_runs(runs)`."""
        async with _AsyncRuns(self, RunsReader(runs, after or {}, self._backoff, self._max_event)) as watched:
            async for event in watched:
                yield cast("tuple[str, RunEvent]", event)

    async def snapshot(self: AnyClient, run: str) -> Snapshot:
        """The state of a run."""
        return snapshot_of(await self._send("GET", path_of("runs", run)))

    async def cancel(self: AnyClient, run: str) -> Snapshot:
        """Cancels a run; harmless where it is over."""
        return snapshot_of(await self._send("DELETE", path_of("runs", run)))

    async def answer(self: AnyClient, run: str, question: str, answer: Any) -> Snapshot:
        """Answers a question. Raises `InvalidInput` where its schema is not met, `Conflict` where it is closed."""
        body = json_body({"question": question, "answer": answer})
        return snapshot_of(await self._send("POST", path_of("runs", run, "answer"), **body))

    async def erase(self: AnyClient, run: str) -> None:
        """Deletes a finished run with all that belongs to it. Raises `Conflict` while it lives."""
        await self._send("DELETE", path_of("runs", run, "events"))

    async def token(self: AnyClient, run: str, seconds: int = 900, may: Iterable[str] = ("watch",)) -> str:
        """A token that opens this run for `seconds` to those without a key: to `watch`, to `answer` or to `cancel`.

        Raises `InvalidInput`.
        """
        body = json_body({"seconds": seconds, "may": list(may)})
        return token_in(await self._send("POST", path_of("runs", run, "tokens"), **body))

    async def _exchange(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        response = await self._http.send(request, stream=stream, follow_redirects=False)
        if not response.is_success:
            async with contextlib.aclosing(response):
                await response.aread()
        return response


class AsyncStart(Awaitable["AsyncRun"], contextlib.AbstractAsyncContextManager["AsyncRun"]):
    """What `AsyncClient.start` returns: to `await`, to enter, or to iterate over. All of them give the same run.

    Leaving the block, or the loop, disconnects.
    """

    def __init__(self, operation: str, new_run: Callable[[], AsyncRun]) -> None:
        self._operation = operation
        self._new_run = new_run
        self._run: AsyncRun | None = None

    def __repr__(self) -> str:
        return f"<AsyncStart {self._operation}, {self._run or 'not awaited'}>"

    def __await__(self) -> Generator[Any, None, AsyncRun]:
        if self._run is None:
            run = self._new_run()
            yield from run._wait_until_started().__await__()
            self._run = run
        return self._run

    async def __aiter__(self) -> AsyncGenerator[RunEvent]:
        async with self as run:
            async for event in run:
                yield event

    async def __aenter__(self) -> AsyncRun:
        return await self

    async def __aexit__(self, *error: object) -> None:
        if self._run is not None:
            await self._run.disconnect()


class AsyncConnection:
    """An answer whose body is read as it arrives."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._chunks: AsyncIterator[bytes] = response.aiter_bytes()

    async def read(self) -> bytes:
        return await anext(self._chunks, b"")

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            try:
                await self._response.aclose()
            finally:
                if isinstance(self._chunks, AsyncGenerator):
                    with contextlib.suppress(RuntimeError):  # another task reads it, and sees the end
                        await self._chunks.aclose()


class AsyncRun(BaseRun[AsyncConnection, anyio.Event]):
    """One viewer of a run: `Run`, with `async for` and `await`."""

    _new_connection = AsyncConnection
    _new_event = anyio.Event
    _reading: asyncio.Task[Any] | None = None
    """Reads the run to its end, for a `result` whose time was over."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.disconnect()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunEvent:
        if self._reading is not None:
            await asyncio.wait({self._reading})
        event = await self._next()
        if event is None:
            raise StopAsyncIteration
        return event

    @overload
    async def result(self, timeout: float | None = None, *, type: None = None) -> Any: ...
    @overload
    async def result(self, timeout: float | None = None, *, type: type[T]) -> T: ...
    @overload
    async def result(self, timeout: float | None = None, *, type: Any) -> Any: ...
    async def result(self, timeout: float | None = None, *, type: Any = None) -> Any:
        """The result, as a `type` if one is given, such as a pydantic model.

        The rest of the stream is read first, and its events are dropped. The values of partials stand where the result
        refers to them; those that this viewer has not read are read now.

        Raises `RunFailed`, `RunCancelled`, `Interrupted`, `Left` after `disconnect()`, pydantic's `ValidationError`
        where the result is not of the type, and `TimeoutError` after `timeout` seconds. The run is watched on after
        that (under trio the connection is closed until the next call), and `result` may be called again.
        """
        if timeout is None and self._reading is None:
            return as_type(await self._outcome(), type)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            with anyio.move_on_after(timeout):
                return as_type(await self._outcome(), type)
            raise too_late(self.id, timeout) from None
        if self._reading is None or self._reading.done():
            # A read that is cancelled would close the connection, and end a run that does not linger.
            self._reading = loop.create_task(self._outcome())
            self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.wait({self._reading}, timeout=timeout)
        if not self._reading.done():
            raise too_late(self.id, timeout)
        return as_type(self._reading.result(), type)

    async def _outcome(self: AnyRun) -> Any:
        while await self._next() is not None:
            pass
        if self._reader.needs_snapshot:
            await self._read_end()
        if self._reader.missing:
            await self._read_partials()
        return self._reader.outcome()

    async def snapshot(self: AnyRun) -> Snapshot:
        """The state of the run."""
        return await AsyncClient.snapshot(self._client, self.id)

    async def files(self: AnyRun) -> list[dict[str, Any]]:
        """The files that the run has handed over so far: `name`, `type`, `size` and `sha256` of each."""
        return list((await AsyncClient.snapshot(self._client, self.id)).files or ())

    async def file(self: AnyRun, name: str) -> bytes:
        """The bytes of a file of the run. Raises `NotFound` where there is none of this name."""
        pieces: list[bytes] = []
        await self._read_file(name, pieces.append)
        return b"".join(pieces)

    async def save_file(self: AnyRun, name: str, path: str | os.PathLike[str]) -> Path:
        """Writes a file of the run to `path` as it arrives, and returns it; what was there is replaced at the end."""
        target = Path(path)
        with into(target) as write:
            await self._read_file(name, write)
        return target

    async def cancel(self: AnyRun) -> Snapshot:
        """Cancels the run; the stream goes on up to `done`. Harmless where the run is over."""
        return await AsyncClient.cancel(self._client, self.id)

    async def answer(self: AnyRun, answer: Any, *, question: str | None = None) -> Snapshot:
        """Answers the open question, or the one with this id. Raises `InvalidInput` and `Conflict`."""
        return await AsyncClient.answer(self._client, self.id, question or self._reader.open_question(), answer)

    async def disconnect(self) -> None:
        """Stops watching, from any task, without ending the run. The iteration ends without an error."""
        self._disconnected.set()
        await self._close()

    async def _pause(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._disconnected.wait()


class _AsyncRuns(AsyncRun):
    """One viewer of several runs."""

    _open = open_many
    _connect = connect_many
