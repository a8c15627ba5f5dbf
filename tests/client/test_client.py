"""The client as a whole: what it imports and exports, how a run ends, and what a lost connection reports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import httpx
import pytest

from streaming import client
from streaming.client import AsyncClient, Backoff, Client, Done, Left, RunFailed
from streaming.client.reader import RunReader
from tests.client.service import STREAM, TIMESTAMP, URL, Service, client_of, frame


def test_the_client_imports_neither_flask_nor_gevent() -> None:
    """A script that uses only the client, or the command line, stays small."""
    code = "import sys, streaming.client.cli.commands; print([m for m in ('flask', 'gevent') if m in sys.modules])"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


def test_the_public_names() -> None:
    """They are sorted, exist, and have a docstring."""
    assert client.__all__ == sorted(set(client.__all__))
    assert [name for name in client.__all__ if not getattr(client, name).__doc__] == []


def test_a_result_after_disconnect_is_an_error(service: Service) -> None:
    """A run that was left is not mistaken for one that succeeded without a result."""
    with client_of(service) as headway:
        run = headway.start("x")
        run.disconnect()
        assert list(run) == []
        with pytest.raises(Left):
            run.result()


def test_a_failure_before_the_first_event_that_is_read() -> None:
    """A viewer that starts after the `error` event reads the error from the snapshot."""
    snapshot: dict[str, Any] = {"id": "r1", "operation": "x", "status": "failed", "last_event_id": 9}
    snapshot |= {"created": TIMESTAMP, "updated": TIMESTAMP}
    snapshot["error"] = {"code": "broken", "message": "It broke.", "retryable": True}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            assert request.headers["last-event-id"] == "8"
            return httpx.Response(200, headers=STREAM, content=frame(9, "done", {"status": "failed"}))
        return httpx.Response(200, json=snapshot)

    with Client(URL, http=httpx.Client(transport=httpx.MockTransport(answer))) as headway:
        run = headway.watch("r1", after=8)
        assert [type(event) for event in run] == [Done]
        with pytest.raises(RunFailed, match=r"broken: It broke\.") as caught:
            run.result()
    assert caught.value.retryable


def test_on_lost() -> None:
    """It is called with the seconds until the next attempt and the error, if there is one."""
    answers = [httpx.Response(503, headers={"Retry-After": "0"}), httpx.Response(200, headers=STREAM, content=b"")]
    answers += [httpx.Response(200, headers=STREAM, content=frame(1, "done", {"status": "succeeded"}))]
    calls: list[tuple[float, str]] = []
    backoff = Backoff(retry_delay=0.01, max_delay=0.01)
    http = httpx.Client(transport=httpx.MockTransport(lambda _: answers.pop(0)))
    with Client(
        URL, http=http, backoff=backoff, on_lost=lambda wait, error: calls.append((wait, str(error)))
    ) as headway:
        assert [event.type for event in headway.watch("r1")] == ["done"]
    assert [error for _, error in calls] == ["503 Service Unavailable", "None"]
    assert all(wait >= 0.01 for wait, _ in calls)


class ClosableBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that tells whether it was closed."""

    closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b""

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("form", ["blocking", "async"])
def test_a_start_that_is_interrupted_closes_its_response(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C just after the answer leaves no connection open in the caller's `http`."""
    body = ClosableBody()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=STREAM, stream=body))

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    async def start_async() -> None:
        await AsyncClient(URL, http=httpx.AsyncClient(transport=transport)).start("x")

    def start_blocking() -> None:
        Client(URL, http=httpx.Client(transport=transport)).start("x")

    monkeypatch.setattr(RunReader, "connection_opened", interrupt)
    with pytest.raises(KeyboardInterrupt):
        start_blocking() if form == "blocking" else anyio.run(start_async)
    assert body.closed
