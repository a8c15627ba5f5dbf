"""`AsyncClient` for tests that block, so that they run with both clients; a portal has the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import anyio.from_thread

from streaming.client import AsyncClient, AsyncRun, RunEvent


class PortalRun:
    """An `AsyncRun` for a test without an event loop."""

    def __init__(self, portal: anyio.from_thread.BlockingPortal, run: AsyncRun) -> None:
        self._portal = portal
        self._run = run
        self.id = run.id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.disconnect()

    def __iter__(self) -> Iterator[RunEvent]:
        while (event := self._portal.call(self._next)) is not None:
            yield event

    async def _next(self) -> RunEvent | None:
        async for event in self._run:
            return event
        return None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **options: self._portal.call(lambda: getattr(self._run, name)(*args, **options))


class PortalClient:
    """An `AsyncClient` for a test without an event loop."""

    def __init__(self, portal: anyio.from_thread.BlockingPortal, url: str, **options: Any) -> None:
        self._portal = portal
        self._client = AsyncClient(url, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._portal.call(self._client.aclose)

    def start(self, *args: Any, **options: Any) -> PortalRun:
        """Starts a run."""

        async def start() -> AsyncRun:
            return await self._client.start(*args, **options)

        return PortalRun(self._portal, self._portal.call(start))

    def watch(self, run: str, **options: Any) -> PortalRun:
        """Watches a run."""
        return PortalRun(self._portal, self._client.watch(run, **options))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **options: self._portal.call(lambda: getattr(self._client, name)(*args, **options))
