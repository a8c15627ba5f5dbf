"""What `Client` and `AsyncClient` share: everything but the input and output, which each does in its own way.

It is written once, as coroutines over four things that the subclasses give: `_exchange` and `_pause`, and the `read`
and `close` of a `Connection`. Where these block, a coroutine never suspends, and `blocking` runs it like a function.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, Protocol, Self, TypedDict, TypeVar, Unpack
from uuid import uuid4

import anyio
import httpx

from ..protocol.sse import MAX_EVENT
from ..protocol.typed import Reset, RunEvent
from .environment import HttpT, key_of_environment, open_http, url_of_environment, user_agent
from .errors import ClientError, InvalidInput, refusal_in
from .forms import Input, body_of, fields_of, file_fields, refused_texts, with_paths
from .reader import Backoff, RunReader
from .requests import (
    CATCH_UP,
    PROBLEM,
    UNCOUNTED,
    OnLost,
    base_url,
    checked_key,
    json_of,
    list_of,
    path_of,
    run_of,
    shown_url,
    snapshot_of,
    start_headers,
    stream_headers,
    timeouts,
    unreachable,
)

S = TypeVar("S")
P = ParamSpec("P")
T = TypeVar("T")


def blocking(method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[S, P], T]:
    """The blocking form of a method that is a coroutine."""

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **options: P.kwargs) -> T:
        result: list[T] = []

        async def keep_result() -> None:
            result.append(await method(self, *args, **options))

        run_blocking(keep_result())
        return result[0]

    return call


def run_blocking(work: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine that never suspends. It has no result: the `StopIteration` of one costs too much an event."""
    for _ in work.__await__():
        raise RuntimeError("a coroutine of the blocking client has suspended")


Post = Callable[[], Awaitable[httpx.Response]]
"""Sends the start of a run; sent again, it joins the run of the first one."""


class Connection(Protocol):
    """An answer whose body is read as it arrives."""

    # The next bytes, empty at the end of the body; not awaited where that blocks, as it takes time for each event.
    def read(self) -> bytes | Awaitable[bytes]: ...

    async def close(self) -> None: ...


HeadersT = TypeVar("HeadersT")
ConnectionT = TypeVar("ConnectionT", bound=Connection)
EventT = TypeVar("EventT", threading.Event, anyio.Event)


class Options(TypedDict, Generic[HeadersT], total=False):
    """The options of a client that `with_options` can change."""

    url: str | None
    headers: HeadersT | None
    api_key: str | None
    heartbeat: float
    backoff: Backoff | None
    max_event: int
    on_lost: OnLost | None


class BaseClient(Generic[HttpT, HeadersT]):
    """The settings of a client, and its requests."""

    _new_http: ClassVar[type[Any]]

    def __init__(  # each is optional
        self,
        url: str | None = None,
        *,
        headers: HeadersT | None = None,
        api_key: str | None = None,
        heartbeat: float = 15.0,
        backoff: Backoff | None = None,
        http: HttpT | None = None,
        max_event: int = MAX_EVENT,
        on_lost: OnLost | None = None,
    ) -> None:
        self._options: Options[HeadersT] = {
            "url": url,
            "headers": headers,
            "api_key": api_key,
            "heartbeat": heartbeat,
            "backoff": backoff,
            "max_event": max_event,
            "on_lost": on_lost,
        }
        self._configure()
        self._http: HttpT = http or open_http(self._new_http, self.url)
        self._owns_http = http is None

    def _configure(self) -> None:
        options = self._options
        self.url: str = base_url(url_of_environment() if options["url"] is None else options["url"])
        self._headers = options["headers"]
        key = options["api_key"]
        self._api_key = checked_key(key_of_environment() if key is None else key)
        self._timeouts = timeouts(options["heartbeat"])
        self._backoff = options["backoff"] or Backoff()
        self._max_event = options["max_event"]
        self._on_lost = options["on_lost"]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {shown_url(self.url)}>"

    def with_options(self, **options: Unpack[Options[HeadersT]]) -> Self:
        """A client with other options, over the connections of this one, which closes them."""
        other = copy.copy(self)
        other._options = {**self._options, **options}
        other._configure()
        other._owns_http = False
        return other

    async def _exchange(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        """The answer; its body is unread only where it is a success and `stream` is true."""
        raise NotImplementedError

    async def _send(
        self, method: str, path: str, *, stream: bool = False, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """The answer, with its body unread if `stream`. Raises `Unreachable` and `RequestRefused`."""
        every = httpx.Headers({"Accept": f"application/json, {PROBLEM}", **self._own_headers()})
        every.update(await self._callers_headers())
        every.update(headers)
        try:
            request = self._http.build_request(
                method, self.url + path, headers=every, timeout=self._timeouts, **options
            )
            response = await self._exchange(request, stream=stream)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise unreachable(error, self.url) from error
        if not response.is_success:
            raise refusal_in(response)
        return response

    def _own_headers(self) -> dict[str, str]:
        """What the headers of the caller replace."""
        # The caller's own `http` may say who asks: that wins over the environment.
        chosen = self._options["api_key"] is not None or "Authorization" not in self._http.headers
        key = {"Authorization": f"Bearer {self._api_key}"} if self._api_key and chosen else {}
        default = self._http.headers.get("User-Agent", "").startswith("python-httpx/")
        return {**key, "User-Agent": user_agent()} if default else key

    async def _callers_headers(self) -> Mapping[str, str]:
        headers: Any = self._headers() if callable(self._headers) else (self._headers or {})
        found: Mapping[str, str] = await headers if inspect.isawaitable(headers) else headers
        return found

    def _new_reader(self, run: str = "", after: int = 0) -> RunReader:
        return RunReader(run, after=after, backoff=self._backoff, max_event=self._max_event)

    def _new_post(self, operation: str, input: Input, key: str | None, *, detached: bool, linger: float | None) -> Post:
        headers = start_headers(key or str(uuid4()), detached=detached, linger=linger)
        fields = fields_of(input)

        async def send() -> httpx.Response:
            with body_of(fields) as body:
                more = {**headers, **body.pop("headers", {})}
                return await self._send("POST", path_of("operations", operation), stream=True, headers=more, **body)

        async def post() -> httpx.Response:
            nonlocal fields
            try:
                return await send()
            except InvalidInput as error:
                texts = refused_texts(fields, error.errors)
                paths = texts & await self._file_fields(operation) if texts else texts
                if not paths:
                    raise
            fields = with_paths(fields, paths)
            return await send()

        return post

    async def _file_fields(self, operation: str) -> set[str]:
        """The fields of an operation that take files."""
        catalogue = list_of(await self._send("GET", "/operations"), "operations")
        return next((file_fields(entry.get("input")) for entry in catalogue if entry.get("name") == operation), set())


class BaseRun(Generic[ConnectionT, EventT]):
    """One viewer of a run, and its connection."""

    _new_connection: ClassVar[type[Any]]
    _new_event: ClassVar[type[Any]]

    def __init__(
        self, client: BaseClient[Any, Any], reader: RunReader, post: Post | None = None, *, counts: bool = True
    ) -> None:
        self._client = client
        self._reader = reader
        self._post = post
        self._query = CATCH_UP if counts else CATCH_UP | UNCOUNTED
        self._response: httpx.Response | None = None
        self._pending: deque[RunEvent] = deque()
        self._connection: ConnectionT | None = None
        self._disconnected: EventT = self._new_event()

    @property
    def id(self) -> str:
        """The run's id."""
        return self._reader.run

    @property
    def last_event_id(self) -> int:
        """The number of the last event that was read."""
        return self._reader.last_event_id

    @property
    def response(self) -> httpx.Response | None:
        """The answer whose stream was read last, with its status and headers; `None` before there is one."""
        return self._response

    def __repr__(self) -> str:
        state = self._reader.status or ("left" if self._disconnected.is_set() else "live")
        return f"<{type(self).__name__} {self.id or 'not started'}, {state}, after event {self.last_event_id}>"

    async def _pause(self, seconds: float) -> None:
        """Returns after `seconds`, or once the run is left."""
        raise NotImplementedError

    async def _wait_until_started(self) -> None:
        """Returns once the start is answered, with a stream or with the run's id."""
        try:
            while self._connection is None and not self._reader.run:
                await self._read_on()
        except BaseException:  # Ctrl-C and the cancel of a task, too
            await self._close()
            raise

    def _pop(self) -> RunEvent | None:
        """The next of the events that were read already."""
        return self._pending.popleft() if self._pending and not self._disconnected.is_set() else None

    def _goes_on(self) -> bool:
        """Whether more events may come."""
        return not self._disconnected.is_set() and not self._reader.over

    async def _next(self) -> RunEvent | None:
        """The next event; `None` after the last."""
        while (event := self._pop()) is None and self._goes_on():
            await self._read_on()
        if event is None:
            await self._close()
        return event

    async def _read_on(self) -> None:
        """Reads the events of the next bytes; connects first, or waits before the next attempt, where needed."""
        reason: ClientError | None = None
        try:
            if self._connection is None:
                await self._connect()
                return
            try:
                chunk = self._connection.read()
                chunk = chunk if isinstance(chunk, bytes) else await chunk
            except (httpx.RequestError, httpx.StreamError, OSError) as error:
                raise unreachable(error, self._client.url) from error
            if chunk:
                self._pending.extend(self._reader.receive(chunk))
                return
        except ClientError as error:
            reason = error
        await self._close()
        if not self._disconnected.is_set():
            await self._pause(self._connection_lost(reason))

    def _connection_lost(self, error: ClientError | None) -> float:
        seconds = self._reader.connection_lost(error)
        if self._client._on_lost is not None:
            self._client._on_lost(seconds, error)
        return seconds

    async def _connect(self) -> None:
        response = self._response = await self._open()
        self._connection = self._new_connection(response)
        self._reader.run = self._reader.run or run_of(response)
        if response.status_code == 204:
            await self._close()
            self._pending.append(await self._read_end())
        elif response.status_code == 202 and self._reader.run:  # started without a stream
            await self._close()
        else:
            self._reader.connection_opened(response.status_code, response.headers)

    async def _read_end(self) -> Reset:
        response = await self._client._send("GET", path_of("runs", self.id))
        return self._reader.end_with(snapshot_of(response), json_of(response))

    async def _read_file(self, name: str, write: Callable[[bytes], object]) -> None:
        """Passes the bytes of a file of the run to `write`, as they arrive. Raises `Unreachable`, `RequestRefused`."""
        headers = {"Accept": f"*/*, {PROBLEM}", "Accept-Encoding": "identity"}
        response = await self._client._send(
            "GET", path_of("runs", self.id, "files", name), stream=True, headers=headers
        )
        connection = self._new_connection(response)
        try:
            while True:
                chunk = connection.read()
                chunk = chunk if isinstance(chunk, bytes) else await chunk
                if not chunk:
                    return
                write(chunk)
        except (httpx.RequestError, httpx.StreamError, OSError) as error:
            raise unreachable(error, self._client.url) from error
        finally:
            with contextlib.suppress(httpx.RequestError, OSError):
                await connection.close()

    async def _read_partials(self) -> None:
        """Reads the partials that the result refers to once more, from the first event on."""
        reader = self._client._new_reader(self.id)
        reader.hold(self._reader.missing)
        again = type(self)(self._client, reader)
        while await again._next() is not None:
            pass
        self._reader.add_partials(reader)

    async def _open(self) -> httpx.Response:
        if self._post is not None and not self._reader.run:
            return await self._post()
        headers = {**stream_headers(), **self._reader.headers()}
        path = path_of("runs", self.id, "events")
        return await self._client._send("GET", path, stream=True, headers=headers, params=self._query)

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(httpx.RequestError, OSError):
                await connection.close()
