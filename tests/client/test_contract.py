"""Both Python clients read the streams of `tests/streams`, as the TypeScript client does.

The transport is simulated: a silence that is longer than the read timeout raises that timeout at once.
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
"""Bytes that arrive, a silence in seconds, or the error that ends the connection."""


@dataclass
class Player:
    """A service that answers as a case says, and records the requests."""

    answers: list[dict[str, Any]]
    snapshot: Any = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    finished: float = 0.0

    def answer(self, request: httpx.Request) -> tuple[int, dict[str, str], Callable[[], Iterator[Piece]]]:
        """The status, the headers and the pieces of the body."""
        if request.method == "GET" and not request.url.path.endswith("/events"):
            return 200, {"Content-Type": "application/json"}, lambda: iter([json.dumps(self.snapshot).encode()])
        record = {"method": request.method, "path": request.url.path, "waited": time.monotonic() - self.finished}
        self.requests.append({**record, "last_event_id": request.headers.get("last-event-id")})
        if request.method == "POST":
            assert json.loads(request.content) == {"pages": 3}
            self.keys.append(request.headers.get("idempotency-key"))
        assert self.answers, "one more request than expected"
        answer = self.answers.pop(0)
        if answer.get("status") == 0:
            self.finished = time.monotonic()
            raise httpx.ReadError("the connection was lost")
        return answer.get("status", 200), self._headers(request, answer), lambda: self._pieces(answer)

    def _headers(self, request: httpx.Request, answer: dict[str, Any]) -> dict[str, str]:
        headers: dict[str, str | None] = {"Content-Type": "text/event-stream"}
        if "json" in answer:
            headers["Content-Type"] = "application/problem+json"
        elif request.method == "POST":
            headers |= {"Location": "/runs/r1", "Run-Id": "r1"}
        return {name: value for name, value in {**headers, **answer.get("headers", {})}.items() if value is not None}

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
    """The body of a response, made of pieces."""

    def __init__(self, pieces: Iterator[Piece], request: httpx.Request) -> None:
        self._pieces = pieces
        self._timeout = request.extensions["timeout"]["read"]

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, bytes):
                yield piece
            elif piece > self._timeout:
                raise httpx.ReadTimeout("silent")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in iter(self):
            yield piece

    def close(self) -> None:
        """Nothing to release."""

    async def aclose(self) -> None:
        """Nothing to release."""


def respond(player: Player, request: httpx.Request) -> httpx.Response:
    """The response of the player."""
    request.read()
    status, headers, pieces = player.answer(request)
    return httpx.Response(status, headers=headers, stream=Body(pieces(), request))


class PlayerTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport for both clients."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return respond(self._player, request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return respond(self._player, request)


@dataclass
class Outcome:
    """What a client read of a stream."""

    events: list[dict[str, Any]]
    ending: dict[str, Any]


def read_blocking(player: Player, open_run: Callable[[Any], Any], options: dict[str, Any]) -> Outcome:
    """Reads with `Client`."""
    events: list[dict[str, Any]] = []
    with httpx.Client(transport=PlayerTransport(player)) as http, Client(URL, http=http, **options) as client:
        try:
            run: Run = open_run(client)
            with run:
                events.extend(as_data(event) for event in run)
                return Outcome(events, {"status": "succeeded", "result": run.result()})
        except Exception as error:  # noqa: BLE001  # the caller compares it
            return Outcome(events, ending_of(error))


def read_async(player: Player, open_run: Callable[[Any], Any], options: dict[str, Any]) -> Outcome:
    """Reads with `AsyncClient`."""
    events: list[dict[str, Any]] = []

    async def read() -> Outcome:
        async with (
            httpx.AsyncClient(transport=PlayerTransport(player)) as http,
            AsyncClient(URL, http=http, **options) as client,
        ):
            try:
                started = open_run(client)
                run = started if isinstance(started, AsyncRun) else await started
                async with run:
                    async for event in run:
                        events.append(as_data(event))  # noqa: PERF401  # keeps the events before an error
                    return Outcome(events, {"status": "succeeded", "result": await run.result()})
            except Exception as error:  # noqa: BLE001  # the caller compares it
                return Outcome(events, ending_of(error))

    return anyio.run(read)


READERS: Final = {"blocking": read_blocking, "async": read_async}


def as_data(event: RunEvent) -> dict[str, Any]:
    """An event, as a case writes it."""
    return {"id": event.id, "type": event.type, "data": event.data}


def ending_of(error: Exception) -> dict[str, Any]:
    """An error, as a case writes it; any other error fails the test."""
    match error:
        case RunFailed():
            data = {"code": error.code, "message": error.message, "retryable": error.retryable}
            return {"status": "failed", "error": data}
        case RunCancelled():
            return {"status": "cancelled", "reason": error.reason}
        case Interrupted():
            return {"status": "interrupted"}
        case RequestRefused() | NotAStream():
            return {"status": "problem", "http": error.status, "code": error.code}
    raise error


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.stem)
def test_a_fault(path: Path, reader: str) -> None:
    """The events, the ending and the requests are those of the case."""
    case = json.loads(path.read_text())
    settings = {**DEFAULTS, **case.get("options", {})}
    after = settings.pop("last_event_id")
    options = {"heartbeat": settings.pop("heartbeat"), "backoff": Backoff(**settings)}
    player = Player(list(case["answers"]), case.get("snapshot"))

    def open_run(client: Any) -> Any:
        return client.start("count", {"pages": 3}) if case["verb"] == "start" else client.watch("r1", after=after)

    outcome = READERS[reader](player, open_run, options)
    assert outcome.events == case["events"]
    assert outcome.ending == case["ending"]
    assert len(player.requests) == len(case["requests"])
    for request, expected in zip(player.requests, case["requests"], strict=True):
        assert (request["method"], request["path"]) == (expected["method"], expected["path"])
        assert request["last_event_id"] == expected.get("last_event_id")
        assert request["waited"] >= expected.get("after", 0)
    if case.get("same_key"):
        assert len(set(player.keys)) == 1
    assert all(player.keys)


class NoWait(Backoff):
    """Connects again without waiting."""

    def wait(self, waits: int, *, retry: float | None, retry_after: float | None, chance: float) -> float:
        """No seconds."""
        return 0.0


def cuts(case: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Every byte at which a stream can be cut, and both ways to end the connection there."""
    size = len("".join(case["frames"]).encode())
    yield from ((at, end) for at in range(size + 1) for end in ("whole", "cut"))


def answers_after_cut(case: dict[str, Any], at: int, end: str) -> list[dict[str, Any]]:
    """The first connection ends after `at` bytes; the second one has the frames that were not complete in it."""
    frames = [frame.encode() for frame in case["frames"]]
    whole = b"".join(frames)
    last, end_of_frame = 0, 0
    for number, frame in enumerate(frames):
        end_of_frame += len(frame)
        if end_of_frame <= at:
            last = number
    rest = b"".join([frames[0], *frames[last + 1 :]])
    second = {"body": [as_piece(rest)]} if last < len(frames) - 1 else {"status": 204}
    return [{"body": [as_piece(whole[:at])], "end": end}, second]


def as_piece(data: bytes) -> dict[str, str]:
    """Bytes, as a case writes them."""
    return {"base64": base64.b64encode(data).decode()}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_run_byte_by_byte(path: Path, reader: str) -> None:
    """A stream in pieces of one byte is read like one in a single piece."""
    case = json.loads(path.read_text())
    stream = "".join(case["frames"]).encode()
    player = Player([{"body": [as_piece(bytes([byte])) for byte in stream]}], case["snapshot"])
    outcome = READERS[reader](player, lambda client: client.watch(case["run"]), {})
    assert (outcome.events, outcome.ending) == (case["events"], case["ending"])


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_run_cut_anywhere(path: Path, reader: str, long: bool) -> None:
    """Cut at any byte, cleanly or not, each event is read once and the ending is the same.

    The long form cuts at every byte; the short one at some, fewer with `async`: the clients share what handles cuts.
    """
    case = json.loads(path.read_text())
    step = 1 if long else 5 if reader == "blocking" else 29
    for at, end in list(cuts(case))[::step]:
        player = Player(answers_after_cut(case, at, end), case["snapshot"])
        outcome = READERS[reader](player, lambda client: client.watch(case["run"]), {"backoff": NoWait()})
        assert (outcome.events, outcome.ending) == (case["events"], case["ending"]), (at, end)


def test_the_number_of_cases() -> None:
    """The tests above have found the folder of faults."""
    assert len(FAULTS) > 30
