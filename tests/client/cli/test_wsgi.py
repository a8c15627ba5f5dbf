"""The transport that calls a WSGI application in this process."""

from __future__ import annotations

import contextvars
import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from flask import Flask, g, request

from streaming.client.cli.wsgi import WsgiTransport


def client(application: Any, **more: Any) -> httpx.Client:
    """A client whose requests `application` answers."""
    return httpx.Client(transport=WsgiTransport(application, more), base_url="http://localhost:81/pré")


def test_the_environ_of_a_request() -> None:
    """It has what PEP 3333 asks for, decoded as a server decodes it, and what the caller of the transport adds."""
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.update(environ, body=environ["wsgi.input"].read())
        start_response("201 Made", [("X-One", "a"), ("X-One", "b")])
        return [b"an", b"", b"swer"]

    with client(application, extra=1) as http:
        headers = [("X-Two", "a"), ("X-Two", "b"), ("Content-Type", "text/plain")]
        response = http.post("/a%2Fb", params={"q": "ü"}, headers=headers, content=b"asked")
    assert (response.status_code, response.reason_phrase, response.content) == (201, "Made", b"answer")
    assert response.headers.get_list("X-One") == ["a", "b"]
    assert (seen["REQUEST_METHOD"], seen["PATH_INFO"]) == ("POST", "/pr\xc3\xa9/a/b")
    assert (seen["QUERY_STRING"], seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("q=%C3%BC", "localhost", "81")
    assert (seen["HTTP_X_TWO"], seen["CONTENT_TYPE"], seen["CONTENT_LENGTH"]) == ("a,b", "text/plain", "5")
    assert (seen["body"], seen["extra"], seen["HTTP_HOST"]) == (b"asked", 1, "localhost:81")


def test_an_answer_arrives_as_it_is_yielded() -> None:
    """Each chunk is there before the next is made; leaving closes the application's iterable."""
    made: list[str] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        write = start_response("200 OK", [])
        write(b"zero")
        try:
            for name in ("one", "two", "three"):
                made.append(name)
                yield name.encode()
        finally:
            made.append("closed")

    with client(application) as http, http.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        assert [next(chunks), next(chunks), next(chunks)] == [b"zero", b"one", b"two"]
        assert made == ["one", "two"]
    assert made == ["one", "two", "closed"]


def test_a_body_is_read_as_the_application_reads_it() -> None:
    """It is gathered nowhere: the application has the first part before the second is made."""
    made: list[int] = []

    def body() -> Iterator[bytes]:
        for number in range(3):
            made.append(number)
            yield bytes([number]) * io.DEFAULT_BUFFER_SIZE

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        first = environ["wsgi.input"].read(10)
        start_response(f"200 {len(made)}", [])
        return [first, environ["wsgi.input"].read()[-1:]]

    with client(application) as http:
        response = http.post("/", content=body())
    assert (response.reason_phrase, response.content) == ("1", bytes(10) + b"\2")


def test_requests_do_not_share_the_context_of_the_caller() -> None:
    """Flask's `g` is new for each request, also where the caller has an application context open."""
    app = Flask(__name__)
    own = contextvars.ContextVar("own", default="of nobody")

    @app.get("/<name>")
    def view(name: str) -> dict[str, Any]:
        return {"before": g.setdefault("name", ""), "now": own.get(), "length": request.content_length or 0}

    own.set("of the caller")
    with app.app_context(), httpx.Client(transport=WsgiTransport(app, {}), base_url="http://localhost") as http:
        g.name = "kept"
        assert http.get("/ann").json() == {"before": "", "now": "of nobody", "length": 0}


def test_an_error_of_the_application_is_raised() -> None:
    """It is its own, with its traceback: there is no server that would hide it."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        raise LookupError("broken")

    with client(application) as http, pytest.raises(LookupError, match="broken"):
        http.get("/")
