"""The client as a whole: what it imports and exports, how a run ends, and what a lost connection reports."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Iterator
from types import FrameType
from typing import Any, assert_type

import anyio
import httpx
import pytest
from pydantic import BaseModel

from streaming import client
from streaming.client import (
    AsyncClient,
    AsyncRun,
    Backoff,
    Client,
    ClientError,
    Done,
    Left,
    Run,
    RunEvent,
    RunFailed,
    Snapshot,
)
from streaming.client.reader import RunReader
from tests.client.conftest import ClientOf
from tests.client.service import STREAM, TIMESTAMP, URL, Service, frame


def test_the_client_imports_neither_flask_nor_gevent() -> None:
    """A script that uses only the client, or the command line, stays small."""
    code = "import sys, streaming.client.cli.commands; print([m for m in ('flask', 'gevent') if m in sys.modules])"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


def test_the_public_names() -> None:
    """They are sorted, exist, and have a docstring."""
    assert client.__all__ == sorted(set(client.__all__))
    assert [name for name in client.__all__ if not getattr(client, name).__doc__] == []


def test_a_result_after_disconnect_is_an_error(client_of: ClientOf, service: Service) -> None:
    """A run that was left is not mistaken for one that succeeded without a result."""
    with client_of(service) as headway:
        run = headway.start("x")
        run.disconnect()
        assert list(run) == []
        with pytest.raises(Left):
            run.result()


def test_a_failure_before_the_first_event_that_is_read(client_of: ClientOf) -> None:
    """A viewer that starts after the `error` event reads the error from the snapshot."""
    snapshot: dict[str, Any] = {"id": "r1", "operation": "x", "status": "failed", "last_event_id": 9}
    snapshot |= {"created": TIMESTAMP, "updated": TIMESTAMP}
    snapshot["error"] = {"code": "broken", "message": "It broke.", "retryable": True}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            assert request.headers["last-event-id"] == "8"
            return httpx.Response(200, headers=STREAM, content=frame(9, "done", {"status": "failed"}))
        return httpx.Response(200, json=snapshot)

    with client_of(answer) as headway:
        run = headway.watch("r1", after=8)
        assert [type(event) for event in run] == [Done]
        with pytest.raises(RunFailed, match=r"broken: It broke\.") as caught:
            run.result()
    assert caught.value.retryable


def test_on_lost(client_of: ClientOf) -> None:
    """It is called with the seconds until the next attempt and the error, if there is one."""
    answers = [httpx.Response(503, headers={"Retry-After": "0"}), httpx.Response(200, headers=STREAM, content=b"")]
    answers += [httpx.Response(200, headers=STREAM, content=frame(1, "done", {"status": "succeeded"}))]
    calls: list[tuple[float, str]] = []
    backoff = Backoff(retry_delay=0.01, max_delay=0.01)

    def on_lost(wait: float, error: ClientError | None) -> None:
        calls.append((wait, str(error)))

    with client_of(lambda _: answers.pop(0), backoff=backoff, on_lost=on_lost) as headway:
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


class InterruptedBody(ClosableBody):
    """A body during which Ctrl-C is pressed, after the first event."""

    def __iter__(self) -> Iterator[bytes]:
        yield frame(1, "start", {"run": "r1", "operation": "x"})
        raise KeyboardInterrupt


def test_ctrl_c_while_it_waits_for_an_event() -> None:
    """It is raised where the caller waits; leaving the block closes the connection."""
    body = InterruptedBody()
    http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, headers=STREAM, stream=body)))
    with Client(URL, http=http) as headway, headway.watch("r1") as run:
        assert next(run).type == "start"
        with pytest.raises(KeyboardInterrupt):
            next(run)
        assert not body.closed
    assert body.closed


def test_disconnect_while_the_thread_that_reads_closes_the_connection(service: Service) -> None:
    """It raises nothing, at whichever of its lines the other thread is done."""
    http = httpx.Client(transport=httpx.MockTransport(service))
    closed_at: set[int] = set()

    def disconnect(run: Run, at: int) -> None:
        """Calls `run.disconnect`, and reads the run to its end before line number `at` of it."""
        lines: list[int] = []

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            if frame.f_code is not Run.disconnect.__code__:
                return None
            if event == "line":
                lines.append(frame.f_lineno)
                if len(lines) == at:
                    reading = threading.Thread(target=list, args=(run,), daemon=True)
                    reading.start()
                    reading.join(0.1)  # where `disconnect` keeps it waiting, it goes on later
                    closed_at.add(frame.f_lineno)
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            run.disconnect()
        finally:
            sys.settrace(before)

    for at in range(1, 12):
        disconnect(Client(URL, http=http).start("x"), at)
    assert len(closed_at) > 4


def test_a_blocking_client_beside_an_event_loop(service: Service) -> None:
    """It needs none, and may be used in a thread whose loop runs, as in a notebook."""

    async def main() -> Any:
        http = httpx.Client(transport=httpx.MockTransport(service))
        return Client(URL, http=http).start("x").result()

    assert anyio.run(main) == 5


def test_a_blocking_client_in_greenlets() -> None:
    """Where gevent has patched the standard library, a run that waits lets the others go on."""
    code = """
        from gevent import monkey, spawn, joinall
        monkey.patch_all()
        import time, httpx
        from streaming.client import Client
        from tests.client.service import STREAM, frame

        events = [frame(number, "delta", {"text": "a"}) for number in (1, 2)]
        events += [frame(3, "done", {"status": "succeeded"})]
        waiting, most = 0, 0

        class Body(httpx.SyncByteStream):
            def __iter__(self):
                global waiting, most
                for event in events:
                    waiting += 1
                    most = max(most, waiting)
                    time.sleep(0.1)
                    waiting -= 1
                    yield event

        transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=STREAM, stream=Body()))
        headway = Client("http://service.test", http=httpx.Client(transport=transport))
        readers = [spawn(lambda: [event.type for event in headway.watch("r1")]) for _ in range(10)]
        joinall(readers)
        assert [reader.value for reader in readers] == [["delta", "delta", "done"]] * 10
        assert most == 10, most
    """
    process = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "")


class Ending(BaseModel):
    """A result."""

    pages: int


def test_the_types_of_both_clients() -> None:
    """What mypy reads of a method of `Client` is that of `AsyncClient`, without `await`."""

    def blocking(headway: Client, run: Run) -> None:
        assert_type(headway.operations(), list[dict[str, Any]])
        assert_type(headway.runs(status="running", limit=1), list[Snapshot])
        assert_type(headway.snapshot("r1"), Snapshot)
        assert_type(headway.answer("r1", question="q1", answer=True), Snapshot)
        assert_type(headway.start("x", {"pages": 3}), Run)
        assert_type(run.answer(True, question="q1"), Snapshot)
        assert_type(run.cancel(), Snapshot)
        assert_type(next(run), RunEvent)
        assert_type(run.result(), Any)
        assert_type(run.result(5, type=Ending), Ending)
        assert_type(run.result(type=list[int]), list[int])
        assert_type(headway.with_options(api_key="k"), Client)
        headway.with_options(api_keys="k")  # type: ignore[call-arg]
        headway.snapshot(3)  # type: ignore[arg-type]
        headway.runs(state="running")  # type: ignore[call-arg]

    async def awaiting(headway: AsyncClient, run: AsyncRun) -> None:
        assert_type(await headway.snapshot("r1"), Snapshot)
        assert_type(await headway.start("x", {"pages": 3}), AsyncRun)
        assert_type(await run.answer(True, question="q1"), Snapshot)
        assert_type(await anext(run), RunEvent)
        assert_type(await run.result(5, type=Ending), Ending)
        async for event in headway.start("x"):
            assert_type(event, RunEvent)

    for cls, async_cls in ((Client, AsyncClient), (Run, AsyncRun)):
        for name in ("operations", "runs", "request", "snapshot", "cancel", "answer", "result"):
            if method := getattr(cls, name, None):
                assert not inspect.iscoroutinefunction(method)
                assert inspect.signature(method) == inspect.signature(getattr(async_cls, name))
                assert method.__doc__ == getattr(async_cls, name).__doc__
    assert callable(blocking)
    assert callable(awaiting)


def test_tokens_and_erasing(client_of: ClientOf) -> None:
    """A token of a run, with what it may; and the request that deletes a run."""
    asked: list[tuple[str, str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path, request.content))
        return (
            httpx.Response(201, json={"token": "hwt_x", "expires": TIMESTAMP})
            if request.content
            else httpx.Response(204)
        )

    with client_of(answer) as headway:
        assert headway.token("r/1", 60, ["watch", "cancel"]) == "hwt_x"
        headway.erase("r/1")
    assert asked == [
        ("POST", "/api/runs/r/1/tokens", b'{"seconds":60,"may":["watch","cancel"]}'),
        ("DELETE", "/api/runs/r/1/events", b""),
    ]


def test_what_a_run_has_said_comes_in_a_few_pieces() -> None:
    """A stream is asked for with its deltas joined; a start is not."""
    queries: list[tuple[str, bytes]] = []

    def service(request: httpx.Request) -> httpx.Response:
        queries.append((request.method, request.url.query))
        done = b'id: 1\nevent: done\ndata: {"timestamp":"t","status":"cancelled","elapsed":1}\n\n'
        return httpx.Response(200, headers=STREAM, content=done)

    with Client(URL, http=httpx.Client(transport=httpx.MockTransport(service))) as client:
        assert [event.type for event in client.watch("r1")] == ["done"]
        assert [event.type for event in client.start("count", {})] == ["done"]
    assert queries == [("GET", b"merge=deltas"), ("POST", b"")]
