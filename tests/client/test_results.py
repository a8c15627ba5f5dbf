"""The result of a run: in time, and of a type."""

from __future__ import annotations

import pickle
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import anyio
import httpx
import pytest
from pydantic import BaseModel, ValidationError

from streaming.client import AsyncClient, Backoff, Left
from tests.client.conftest import ClientOf
from tests.client.service import STREAM, URL, frame
from tests.clients import PATIENCE


class Report(BaseModel):
    """A result."""

    pages: int
    day: date | None = None


@dataclass
class Pages:
    """The same, as a dataclass."""

    pages: int


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A stream that ends once it may; it counts how often it was closed."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield frame(1, "start", {"run": "r1", "operation": "x"})
        assert self.goes_on.wait(PATIENCE)
        yield self.rest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield frame(1, "start", {"run": "r1", "operation": "x"})
        with anyio.fail_after(PATIENCE):
            while not self.goes_on.is_set():
                await anyio.sleep(0.005)
        yield self.rest

    rest = frame(2, "result", {"result": {"pages": 3, "day": "2026-11-23"}}) + frame(3, "done", {"status": "succeeded"})

    def close(self) -> None:
        self.closed += 1
        self.goes_on.set()

    async def aclose(self) -> None:
        self.close()


def test_a_result_that_is_not_there_in_time(client_of: ClientOf) -> None:
    """It is a `TimeoutError`, again and again; the connection stays open, and the run is read to its end."""
    body = Body()
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, headers={**STREAM, "Run-Id": "r1"}, stream=body)

    with client_of(answer) as headway, headway.start("x") as run:
        for seconds in (0.01, 0.0, 0.02):
            with pytest.raises(TimeoutError, match=f"run r1 is not over after {seconds:g} seconds"):
                run.result(timeout=seconds)
        assert body.closed == 0
        body.goes_on.set()
        assert run.result(timeout=PATIENCE, type=Report).pages == 3
        assert run.result() == {"pages": 3, "day": "2026-11-23"}
        assert list(run) == []
    assert len(requests) == 1


def test_a_timeout_without_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under trio no task outlives its block: the connection is closed, and the next call opens another one."""
    bodies = [Body(), Body()]
    bodies[1].goes_on.set()
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("last-event-id"))
        return httpx.Response(200, headers={**STREAM, "Run-Id": "r1"}, stream=bodies[len(seen) - 1])

    async def main() -> None:
        http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        backoff = Backoff(retry_delay=0, max_delay=0)
        async with AsyncClient(URL, http=http, backoff=backoff) as headway, headway.start("x") as run:
            assert (await anext(run)).type == "start"
            with monkeypatch.context() as patch:
                patch.setattr("asyncio.get_running_loop", no_loop)
                with pytest.raises(TimeoutError):
                    await run.result(timeout=0.01)
            assert await run.result(type=Report) == Report(pages=3, day=date(2026, 11, 23))

    def no_loop() -> None:
        raise RuntimeError("no running event loop")

    anyio.run(main)
    assert seen == [None, "1"]


def test_a_run_that_is_left_after_a_timeout(client_of: ClientOf) -> None:
    """It ends what reads it."""
    body = Body()
    body.rest = b""
    with client_of(lambda _: httpx.Response(200, headers={**STREAM, "Run-Id": "r1"}, stream=body)) as headway:
        run = headway.start("x")
        with pytest.raises(TimeoutError):
            run.result(timeout=0.01)
        run.disconnect()
        body.goes_on.set()
        with pytest.raises(Left):
            run.result(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        (Report, Report(pages=3, day=date(2026, 11, 23))),
        (Pages, Pages(pages=3)),
        (dict[str, int | date], {"pages": 3, "day": date(2026, 11, 23)}),
        (None, {"pages": 3, "day": "2026-11-23"}),
    ],
)
def test_a_result_of_a_type(client_of: ClientOf, kind: Any, result: Any) -> None:
    """A pydantic model, or any type that pydantic knows; without one it is JSON."""
    body = Body()
    body.goes_on.set()
    with client_of(lambda _: httpx.Response(200, headers={**STREAM, "Run-Id": "r1"}, stream=body)) as headway:
        run = headway.start("x")
        assert run.result(type=kind) == result
        with pytest.raises(ValidationError) as caught:
            run.result(type=int)
        assert pickle.loads(pickle.dumps(caught.value)).error_count() == 1
