"""A transport for httpx that calls a WSGI application (PEP 3333) in this process, without a server.

httpx has one, which gathers the body of a request in memory. Here bodies are streams in both directions: the
application reads what is sent, and its events arrive as it yields them.
"""

from __future__ import annotations

import contextvars
import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from _typeshed.wsgi import WSGIApplication

PORTS: Final = {"http": 80, "https": 443}


class WsgiTransport(httpx.BaseTransport):
    """Answers requests with `application`, whose `environ` also has what is in `more`."""

    def __init__(self, application: WSGIApplication, more: Mapping[str, Any]) -> None:
        self._application = application
        self._more = more

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body unread."""
        answer = _Answer(self._application, {**_environ(request), **self._more})
        status, _, reason = answer.status.partition(" ")
        extensions = {"reason_phrase": reason.encode("latin-1")}
        return httpx.Response(int(status), headers=answer.headers, stream=answer, extensions=extensions)


class _Answer(httpx.SyncByteStream):
    """The answer of the application: its head, which is there at once, and its body.

    A server calls each request in a context of its own. So does this one, whatever the context of the caller: Flask
    would share the `g` of one that the command line has opened.
    """

    def __init__(self, application: WSGIApplication, environ: dict[str, Any]) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self._written: list[bytes] = []
        self._context = contextvars.Context()
        self._body = self._context.run(application, environ, self._start_response)
        self._chunks = iter(self._body)
        while not self.status:  # an application may be a generator, which starts with its first chunk
            self._written.append(self._context.run(next, self._chunks))

    def __iter__(self) -> Iterator[bytes]:
        yield from self._written
        while (chunk := self._context.run(next, self._chunks, None)) is not None:
            yield chunk

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            self._context.run(close)

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.status, self.headers = status, headers
        return self._written.append  # what an application writes instead of yielding it, before its first chunk


def _environ(request: httpx.Request) -> dict[str, Any]:
    url = request.url
    headers: dict[str, str] = {}
    for name, value in request.headers.multi_items():
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    assert isinstance(request.stream, httpx.SyncByteStream)
    return {
        **headers,
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": url.path.encode().decode("latin-1"),
        "QUERY_STRING": url.query.decode("ascii"),
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": url.host,
        "SERVER_PORT": str(url.port or PORTS[url.scheme]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BufferedReader(_Input(request.stream)),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


class _Input(io.RawIOBase):
    """The body of a request as a file."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._chunks = iter(stream)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        target = memoryview(buffer).cast("B")
        size = min(len(target), len(self._rest))
        target[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
