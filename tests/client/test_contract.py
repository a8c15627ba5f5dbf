"""The Python client reads the streams of `tests/streams`, as the TypeScript client does, blocking and with `await`.

The transport is played: a silence beyond the client's read timeout is that timeout, and is not waited for.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest

from streaming.client import (
    AsyncClient,
    AsyncRun,
    Backoff,
    Client,
    Interrupted,
    NotAStream,
    RequestRefused,
    Run,
    RunCancelled,
    RunEvent,
    RunFailed,
)

STREAMS: Final = Path(__file__).parents[1] / "streams"
FAULTS: Final = sorted((STREAMS / "faults").glob("*.json"))
RECORDED: Final = sorted((STREAMS / "recorded").glob("*.json"))
DEFAULTS: Final = {"heartbeat": 15, "max_attempts": 4, "retry_delay": 0.01, "max_delay": 0.02, "last_event_id": 0}
URL: Final = "http://service.test"

Piece = bytes | float | Exception
"""Bytes that arrive, a silence in seconds, or how the connection ends."""


@dataclass
class Player:
    """A service that answers as a case says, and remembers what it was asked."""

    answers: list[dict[str, Any]]
    snapshot: Any = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    finished: float = 0.0

    def answer(self, request: httpx.Request) -> tuple[int, dict[str, str], Callable[[], Iterator[Piece]]]:
        """The status, the headers and the pieces of the body."""
        if request.method == "GET" and not request.url.path.endswith("/events"):
            return 200, {"Content-Type": "application/json"}, lambda: iter([json.dumps(self.snapshot).encode()])
        seen = {"method": request.method, "path": request.url.path, "waited": time.monotonic() - self.finished}
        self.requests.append({**seen, "last_event_id": request.headers.get("last-event-id")})
        if request.method == "POST":
            assert json.loads(request.content) == {"pages": 3}
            self.keys.append(request.headers.get("idempotency-key"))
        assert self.answers, "asked once more than is expected"
        answer = self.answers.pop(0)
        if answer.get("status") == 0:
            self.finished = time.monotonic()
            raise httpx.ReadError("the connection is gone")
        return answer.get("status", 200), self._headers(request, answer), lambda: self._pieces(answer)

    def _headers(self, request: httpx.Request, answer: dict[str, Any]) -> dict[str, str]:
        ours: dict[str, str | None] = {"Content-Type": "text/event-stream"}
        if "json" in answer:
            ours["Content-Type"] = "application/problem+json"
        elif request.method == "POST":
            ours |= {"Location": "/runs/r1", "Run-Id": "r1"}
        return {name: value for name, value in {**ours, **answer.get("headers", {})}.items() if value is not None}

    def _pieces(self, answer: dict[str, Any]) -> Iterator[Piece]:
        body = [json.dumps(answer["json"])] if "json" in answer else answer.get("body", [])
        try:
            for piece in body:
                if isinstance(piece, str):
                    yield piece.encode()
                else:
                    yield float(piece["wait"]) if "wait" in piece else base64.b64decode(piece["base64"])
            if answer.get("end") == "cut":
                yield httpx.RemoteProtocolError("the connection broke off")
            elif answer.get("end") == "stall":
                yield float("inf")
        finally:
            self.finished = time.monotonic()


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The pieces of a body, each taken for what it is."""

    def __init__(self, pieces: Iterator[Piece], request: httpx.Request) -> None:
        self._pieces = pieces
        self._patience = request.extensions["timeout"]["read"]

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, bytes):
                yield piece
            elif piece > self._patience:
                raise httpx.ReadTimeout("silent")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in iter(self):
            yield piece

    def close(self) -> None:
        """Nothing to let go of."""

    async def aclose(self) -> None:
        """Nothing to let go of."""


def respond(player: Player, request: httpx.Request) -> httpx.Response:
    """The response that the player gives."""
    request.read()
    status, headers, pieces = player.answer(request)
    return httpx.Response(status, headers=headers, stream=Body(pieces(), request))


class Played(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Both kinds of transport."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return respond(self._player, request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return respond(self._player, request)


@dataclass
class Seen:
    """What a client made of a stream."""

    events: list[dict[str, Any]]
    ending: dict[str, Any]


def view_blocking(player: Player, begin: Callable[[Any], Any], options: dict[str, Any]) -> Seen:
    """With `Client`."""
    events: list[dict[str, Any]] = []
    with httpx.Client(transport=Played(player)) as http, Client(URL, http=http, **options) as client:
        try:
            run: Run = begin(client)
            with run:
                events.extend(shown(event) for event in run)
                return Seen(events, {"status": "succeeded", "result": run.result()})
        except Exception as error:  # noqa: BLE001  # judged by the caller
            return Seen(events, ending_of(error))


def view_awaiting(player: Player, begin: Callable[[Any], Any], options: dict[str, Any]) -> Seen:
    """With `AsyncClient`."""
    events: list[dict[str, Any]] = []

    async def view() -> Seen:
        async with (
            httpx.AsyncClient(transport=Played(player)) as http,
            AsyncClient(URL, http=http, **options) as client,
        ):
            try:
                begun = begin(client)
                run = begun if isinstance(begun, AsyncRun) else await begun
                async with run:
                    async for event in run:
                        events.append(shown(event))  # noqa: PERF401  # those before an error are kept
                    return Seen(events, {"status": "succeeded", "result": await run.result()})
            except Exception as error:  # noqa: BLE001  # judged by the caller
                return Seen(events, ending_of(error))

    return anyio.run(view)


VIEWS: Final = {"blocking": view_blocking, "awaiting": view_awaiting}


def shown(event: RunEvent) -> dict[str, Any]:
    """An event as the cases write it."""
    return {"id": event.id, "type": event.type, "data": event.data}


def ending_of(error: Exception) -> dict[str, Any]:
    """An error as the cases write it; one that they do not know is a failure of the test."""
    match error:
        case RunFailed():
            told = {"code": error.code, "message": error.message, "retryable": error.retryable}
            return {"status": "failed", "error": told}
        case RunCancelled():
            return {"status": "cancelled", "reason": error.reason}
        case Interrupted():
            return {"status": "interrupted"}
        case RequestRefused() | NotAStream():
            return {"status": "problem", "http": error.status, "code": error.code}
    raise error


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.stem)
def test_a_fault(path: Path, view: str) -> None:
    """Whatever goes wrong, the events, the ending and the requests are those that the case tells."""
    case = json.loads(path.read_text())
    told = {**DEFAULTS, **case.get("options", {})}
    after = told.pop("last_event_id")
    options = {"heartbeat": told.pop("heartbeat"), "backoff": Backoff(**told)}
    player = Player(list(case["answers"]), case.get("snapshot"))

    def begin(client: Any) -> Any:
        return client.start("count", {"pages": 3}) if case["verb"] == "start" else client.watch("r1", after=after)

    seen = VIEWS[view](player, begin, options)
    assert seen.events == case["events"]
    assert seen.ending == case["ending"]
    assert len(player.requests) == len(case["requests"])
    for request, expected in zip(player.requests, case["requests"], strict=True):
        assert (request["method"], request["path"]) == (expected["method"], expected["path"])
        assert request["last_event_id"] == expected.get("last_event_id")
        assert request["waited"] >= expected.get("after", 0)
    if case.get("same_key"):
        assert len(set(player.keys)) == 1
    assert all(player.keys)


class AtOnce(Backoff):
    """Comes back without waiting."""

    def wait(self, waits: int, *, retry: float | None, retry_after: float | None, chance: float) -> float:
        """No time at all."""
        return 0.0


def cuts(case: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Every place at which a stream can be cut, and both ways to do it."""
    size = len("".join(case["frames"]).encode())
    yield from ((at, end) for at in range(size + 1) for end in ("whole", "cut"))


def answers_after_cut(case: dict[str, Any], at: int, end: str) -> list[dict[str, Any]]:
    """The first connection ends after `at` bytes; the next one brings what was not finished in it."""
    frames = [frame.encode() for frame in case["frames"]]
    whole = b"".join(frames)
    got, read = 0, 0
    for number, frame in enumerate(frames):
        read += len(frame)
        if read <= at:
            got = number
    rest = b"".join([frames[0], *frames[got + 1 :]])
    second = {"body": [as_piece(rest)]} if got < len(frames) - 1 else {"status": 204}
    return [{"body": [as_piece(whole[:at])], "end": end}, second]


def as_piece(data: bytes) -> dict[str, str]:
    """Bytes as a case writes them."""
    return {"base64": base64.b64encode(data).decode()}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_run_byte_by_byte(path: Path, view: str) -> None:
    """A stream that comes in pieces of one byte is read as the whole."""
    case = json.loads(path.read_text())
    stream = "".join(case["frames"]).encode()
    player = Player([{"body": [as_piece(bytes([byte])) for byte in stream]}], case["snapshot"])
    seen = VIEWS[view](player, lambda client: client.watch(case["run"]), {})
    assert (seen.events, seen.ending) == (case["events"], case["ending"])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_run_cut_anywhere(path: Path, view: str) -> None:
    """Cut at any byte, cleanly or not, each event is given once and the ending is the same."""
    case = json.loads(path.read_text())
    step = 1 if view == "blocking" else 7  # what is cut where is the business of the core, which both share
    for at, end in list(cuts(case))[::step]:
        player = Player(answers_after_cut(case, at, end), case["snapshot"])
        seen = VIEWS[view](player, lambda client: client.watch(case["run"]), {"backoff": AtOnce()})
        assert (seen.events, seen.ending) == (case["events"], case["ending"]), (at, end)


def test_there_are_cases() -> None:
    """The folders that the tests above read hold some."""
    assert len(FAULTS) > 30
