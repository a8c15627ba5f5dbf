"""A small server of the OpenAI API with prepared replies: the dialects of other servers, and their faults.

    with fake_model(Reply(text("Yes"), finish())) as fake:
        chat(model_of(fake), ...)          # or HEADWAY_LLM_BASE_URL=fake.url
        fake.requests[0]["messages"]

Each call gets the next reply; the last one is repeated.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.clients import PATIENCE

DONE = b"data: [DONE]\n\n"


def chunk(data: Any) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def said(**delta: Any) -> bytes:
    """A piece of the answer, as `choices[0].delta`."""
    return chunk({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def text(*pieces: str) -> bytes:
    """Pieces of text."""
    return b"".join(said(content=piece) for piece in pieces)


def finish(reason: str = "stop", *, prompt: int = 10, completion: int = 5) -> bytes:
    """The end of an answer, with its usage."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    last = chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    return last + chunk({"choices": [], "usage": usage}) + DONE


class Reply:
    """The reply to one call.

    `silence` is the seconds before the last part, or before the head if there is only one part; `promised` is how much
    larger the `Content-Length` is than the body.
    """

    def __init__(
        self,
        *parts: bytes,
        status: int = 200,
        headers: dict[str, str] | None = None,
        silence: float = 0.0,
        promised: int = 0,
    ) -> None:
        self.parts = parts or (b"",)
        self.status = status
        self.headers = headers or {}
        self.silence = silence
        self.promised = promised


def problem(status: int, message: str, *, headers: dict[str, str] | None = None, **more: Any) -> Reply:
    """An error in the format of the API."""
    body = json.dumps({"error": {"message": message, **more}}).encode()
    return Reply(body, status=status, headers={"Content-Type": "application/json", **(headers or {})})


class Fake(ThreadingHTTPServer):
    """The server: its requests, and how many clients have `left` before the end."""

    daemon_threads = True

    def __init__(self, replies: Sequence[Reply], models: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies = list(replies)
        self.models = models
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.left = 0
        self.waiting = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The value of `HEADWAY_LLM_BASE_URL`."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def next(self) -> Reply:
        """The reply of this call."""
        with self.lock:
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Logs nothing: some tests are about disconnects."""


class _Handler(BaseHTTPRequestHandler):
    server: Fake

    def do_GET(self) -> None:
        """The list of models."""
        models = [{"id": name, "object": "model"} for name in self.server.models]
        self._answer(Reply(json.dumps({"data": models}).encode(), headers={"Content-Type": "application/json"}))

    def do_POST(self) -> None:
        """A completion."""
        length = int(self.headers["Content-Length"])
        self.server.requests.append(json.loads(self.rfile.read(length)))
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self._answer(self.server.next())

    def _answer(self, reply: Reply) -> None:
        *parts, last = reply.parts
        if not parts and reply.silence:
            self._wait(reply.silence)
        self.send_response(reply.status)
        for name, value in {"Content-Type": "text/event-stream", **reply.headers}.items():
            self.send_header(name, value)
        if reply.promised:
            self.send_header("Content-Length", str(sum(map(len, reply.parts)) + reply.promised))
        self.end_headers()
        for part in parts:
            self.wfile.write(part)
        if parts and reply.silence:
            self.wfile.flush()
            self._wait(reply.silence)
        self.wfile.write(last)

    def _wait(self, seconds: float) -> None:
        """Waits, and notices a disconnect."""
        self.server.waiting += 1
        end = time.monotonic() + seconds
        self.connection.settimeout(0.02)
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                if not self.connection.recv(1, socket.MSG_PEEK):
                    self.server.left += 1
                    raise ConnectionAbortedError
        self.connection.settimeout(PATIENCE)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


@contextlib.contextmanager
def fake_model(*replies: Reply, models: Sequence[str] = ("fake-1",)) -> Iterator[Fake]:
    """Runs the server in the `with` block."""
    server = Fake(replies or [Reply(text("Yes."), finish())], models)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def outcome(work: Any, each: Callable[[Any], None] = lambda _: None) -> Any:
    """Runs a generator to its end; returns its value. `each` is called with what it yields."""
    while True:
        try:
            each(next(work))
        except StopIteration as end:
            return end.value
