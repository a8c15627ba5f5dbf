"""A scripted model: an OpenAI-compatible server, in its own thread, that replies with what a test has prepared.

    with ScriptedModel(calls(("geocode", {"place": "Oslo"})), answer("Cold.")) as model:
        monkeypatch.setenv(...)             # every variable of `model.settings()`
        assert model.requests[0]["messages"]

Replies are streamed in pieces, and must satisfy the schema of the request. A `Refusal` is an error of the server, and a
function is called with the request. Asked whether a field says what a goal asks for, it says yes of those in `fields`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from jsonschema import Draft202012Validator

Json = dict[str, Any]

PIECE: Final = 9
"""Characters at a time."""


@dataclass(frozen=True)
class Refusal:
    """An error of the model's server."""

    status: int
    code: str
    message: str


@dataclass(frozen=True)
class Loose:
    """A reply that is not checked against the schema, as from a server that ignores it."""

    text: str
    pause: float = 0.0
    """Seconds between its pieces."""
    finish_reason: str = "stop"


Reply = str | Refusal | Loose | Callable[[Json], Any]


def calls(*tools: tuple[str, Json], part: str = "Something is missing.") -> str:
    """A reply that calls tools, with every argument that the schema requires."""
    entries = [{"for": part, "tool": tool, "arguments": arguments} for tool, arguments in tools]
    return json.dumps({**_parts(part), "next": {"calls": entries}}, ensure_ascii=False)


def answer(text: str, part: str = "Nothing is missing.", **values: str) -> str:
    """A reply with the answer; `values` are expressions by their names."""
    named = [{"name": name, "expression": expression} for name, expression in values.items()]
    return json.dumps({**_parts(part), "next": {"values": named, "answer": text}}, ensure_ascii=False)


def _parts(part: str) -> Json:
    return {"parts": [{"part": part, "observation": None}]}


class ScriptedModel(ThreadingHTTPServer):
    """The server. `requests` are the bodies of the requests, `unsent` the replies that are left."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *replies: Reply) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.unsent = list(replies)
        self.prompt_tokens = 100
        """What it counts; fewer than a long prompt has mean that the prompt was cut."""
        self.requests: list[Json] = []
        """Those for a reply."""
        self.asked: list[str] = []
        """The questions about fields and entries."""
        self.fields: set[str] = set()
        self.errors: list[str] = []
        self.cut = threading.Event()
        """Set when a client disconnects in the middle of a reply."""
        self.gone = threading.Event()
        self.lock = threading.Lock()

    def settings(self) -> dict[str, str]:
        """The environment variables that select it."""
        return {"HEADWAY_LLM_BASE_URL": f"http://127.0.0.1:{self.server_port}/v1", "HEADWAY_LLM_MODEL": "scripted"}

    def prompt(self, number: int) -> str:
        """The text of all messages of a request, counted from 0."""
        return "\n".join(message["content"] for message in self.requests[number]["messages"])

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.gone.set()
        self.shutdown()
        self.server_close()
        assert kind or not self.errors, self.errors


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedModel

    def do_POST(self) -> None:  # the name that the standard library calls
        """`POST /v1/chat/completions`, streamed."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "top_logprobs" in request:
            question = request["messages"][-1]["content"]
            self.server.asked.append(question)
            name = re.sub(r"(?s).*(?:Field|Condition): (\S+) .*", r"\1", question)
            self._stream(Loose("yes" if name in self.server.fields else "no"))
            return
        with self.server.lock:
            self.server.requests.append(request)
            reply: Any = self.server.unsent.pop(0) if self.server.unsent else Refusal(500, "script", "no reply left")
        reply = reply(request) if callable(reply) else reply
        if isinstance(reply, Refusal):
            self._refuse(reply)
            return
        if isinstance(reply, str):
            schema = request["response_format"]["json_schema"]["schema"]
            if "next" in schema["properties"] and "parts" not in schema["properties"]:  # the second try of an agent
                reply = json.dumps({"next": json.loads(reply)["next"]})
            self._check(reply, schema)
            reply = Loose(reply)
        self._stream(reply)

    def _check(self, reply: str, schema: Json) -> None:
        for error in Draft202012Validator(schema).iter_errors(json.loads(reply)):
            self.server.errors.append(f"{reply}: {error.message}")

    def _refuse(self, refusal: Refusal) -> None:
        error = {"error": {"message": refusal.message, "code": refusal.code, "type": refusal.code}}
        body = json.dumps(error).encode()
        self.send_response(refusal.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, reply: Loose) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for chunk in _chunks(reply, self.server.prompt_tokens):
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                self.wfile.flush()
                if reply.pause and self.server.gone.wait(reply.pause):
                    return
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            self.server.cut.set()

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


def _chunks(reply: Loose, prompt: int) -> Iterator[Json]:
    common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    pieces = [reply.text[at : at + PIECE] for at in range(0, len(reply.text), PIECE)]
    for piece in pieces:
        yield {**common, "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
    yield {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish_reason}]}
    usage = {"prompt_tokens": prompt, "completion_tokens": len(pieces), "total_tokens": prompt + len(pieces)}
    yield {**common, "choices": [], "usage": usage}
