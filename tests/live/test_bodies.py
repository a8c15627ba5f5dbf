"""Bodies that code of the application has read before Headway: under gunicorn, in every way, on starts and answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from streaming.client import Client, Done, Question, RequestRefused
from tests.apps.readers import READERS
from tests.clients import parse_frames
from tests.servers import Server, gunicorn

KINDS: Final[dict[str, dict[str, Any]]] = {
    "json": {"json": {"word": "hello"}},
    "form": {"data": {"word": "hello"}},
    "multipart": {"data": {"word": "hello"}, "files": {"file": ("a.txt", "content")}},
}

CONSUMING: Final = {
    "json-uncached": KINDS,
    "get-data-uncached": KINDS,
    "stream": KINDS,
    "stream-part": KINDS,
    "uncached-then-form": KINDS,
    "parse-form-data": {"form", "multipart"},
    "wsgi-input": KINDS,
}
"""The readers that keep nothing, and of which kinds; `get_json` reads nothing but JSON."""


def consumes(reader: str, kind: str) -> bool:
    """Whether nothing is left of a body of this kind."""
    return kind in CONSUMING.get(reader, ()) and (reader, kind) not in {
        ("json-uncached", "form"),
        ("json-uncached", "multipart"),
    }


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The application under gunicorn, whose body is a file without `tell`."""
    with gunicorn("tests.apps.readers:reading()") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of it: making one takes longer than a request."""
    with httpx.Client(base_url=server.url, timeout=10) as client:
        yield client


def send(client: httpx.Client, path: str, headers: dict[str, str], chunked: bool, **body: Any) -> httpx.Response:
    """A POST, with the length of its body or in chunks."""
    request = client.build_request("POST", path, headers=headers, **body)
    content: Any = request.read()
    if chunked:
        content = iter([content])
    kept = {name: value for name, value in request.headers.items() if name != "content-length"}
    return client.post(path, headers=kept, content=content)


@pytest.mark.parametrize(("header", "chunked"), [("X-Reader", True), ("X-Authorize", False)], ids=["hook", "authorize"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_a_start(client: httpx.Client, reader: str, kind: str, header: str, chunked: bool) -> None:
    """It has its whole input, or is refused where nothing is left of it; in chunks, and with a length."""
    response = send(client, "/operations/echoed", {header: reader}, chunked, **KINDS[kind])
    if consumes(reader, kind):
        check_refused(response)
    else:
        assert response.status_code == 200, response.text
        events = parse_frames(response.content.removeprefix(b"retry: 2000\n\n"))
        expected = {"word": "hello", "file": "content" if kind == "multipart" else None, "answer": None}
        assert [event.json["result"] for event in events if event.event == "result"] == [expected]


def check_refused(response: httpx.Response) -> None:
    """The problem says what happened, and comes without a traceback."""
    problem = response.json()
    assert problem["code"] in ("body_consumed", "incomplete_body", "invalid_form"), problem
    assert response.status_code == (500 if problem["code"] == "body_consumed" else 400)
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("reader", READERS)
def test_an_answer(client: httpx.Client, reader: str, chunked: bool) -> None:
    """It arrives, or is refused, and the question stays open."""
    start = client.post("/operations/echoed", json={"word": "ask"}, headers={"Prefer": "respond-async"})
    path = start.headers["Location"]
    with client.stream("GET", f"{path}/events") as stream:
        question = next(line for line in stream.iter_lines() if '"question"' in line)
    answer = {"question": json.loads(question.removeprefix("data: "))["question"], "answer": "yes"}
    response = send(client, f"{path}/answer", {"X-Reader": reader}, chunked, json=answer)
    if consumes(reader, "json"):
        check_refused(response)
        assert client.get(path).json()["status"] == "waiting"
        client.delete(path)
    else:
        assert response.status_code == 202, response.text


@pytest.mark.parametrize("reader", READERS)
def test_an_answer_that_is_a_form(client: httpx.Client, reader: str) -> None:
    """An answer is JSON; whatever has read the form, the refusal is the caller's."""
    start = client.post("/operations/echoed", json={"word": "ask"}, headers={"Prefer": "respond-async"})
    path = start.headers["Location"]
    response = send(client, f"{path}/answer", {"X-Reader": reader}, chunked=False, **KINDS["form"])
    assert response.status_code in (400, 415, 422) or response.json()["code"] == "body_consumed", response.text
    client.delete(path)


def test_flask_wtf(client: httpx.Client) -> None:
    """Its `CSRFProtect` looks into the form for its token, unless a header has it."""
    token, protect = client.get("/token").text, {"X-Protect": "1"}
    refused = client.post("/operations/echoed", headers=protect, json={"word": "hello"})
    assert (refused.status_code, refused.json()["detail"]) == (400, "The CSRF token is missing.")
    for kind in KINDS:
        response = client.post("/operations/echoed", headers={**protect, "X-CSRFToken": token}, **KINDS[kind])
        assert '"word":"hello"' in response.text
    form = {"word": "hello", "csrf_token": token}
    assert '"word":"hello"' in client.post("/operations/echoed", headers=protect, data=form).text
    files = KINDS["multipart"]["files"]
    assert '"file":"content"' in client.post("/operations/echoed", headers=protect, data=form, files=files).text


def test_the_client_of_an_application_with_flask_wtf(client: httpx.Client) -> None:
    """Its `headers()` is called for each request: starts, answers and cancels pass with a token."""
    calls = list[None]()

    def headers() -> dict[str, str]:
        calls.append(None)
        return {"X-Protect": "1", "X-CSRFToken": client.get("/token").text}

    url = str(client.base_url)
    with Client(url, headers=headers, http=client) as ours:
        with ours.start("echoed", {"word": "ask"}) as run:
            for event in run:
                if isinstance(event, Question):
                    run.answer("yes")
            assert run.result() == {"word": "ask", "file": None, "answer": "yes"}
        with ours.start("echoed", {"word": "ask"}) as run:
            run.cancel()
            assert isinstance(list(run)[-1], Done)
        assert len(calls) == 4
    with (
        Client(url, headers={"X-Protect": "1"}, http=client) as theirs,
        pytest.raises(RequestRefused, match="CSRF token is missing"),
    ):
        theirs.start("echoed", {"word": "ask"})


@pytest.mark.parametrize("reader", ["nothing", "form", "get-data"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_body_that_is_too_large(client: httpx.Client, reader: str, kind: str) -> None:
    """The limit is Headway's on its routes, whoever reads."""
    body = {**KINDS[kind]}
    name = "json" if kind == "json" else "data"
    body[name] = {"word": "x" * 200_000}
    response = send(client, "/operations/echoed", {"X-Reader": reader}, chunked=True, **body)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
