"""The requests that a client sends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from pydantic import BaseModel

from streaming.client import AsyncClient, Client, File, NotAStream, RequestRefused, Unreachable
from tests.client.conftest import ClientOf
from tests.client.service import URL, Service


class Pages(BaseModel):
    """An input."""

    first: int
    last: int | None = None


@pytest.mark.parametrize("value", [{"first": 1}, Pages(first=1)])
def test_an_input_is_sent_as_json(client_of: ClientOf, service: Service, value: Any) -> None:
    """From a mapping, or from a pydantic model, of which only the fields that were set are sent."""
    with client_of(service) as headway:
        assert headway.start("a name", value).result() == 5
    (request,) = service.requests
    assert request.url.raw_path == b"/api/operations/a%20name"
    assert (request.headers["content-type"], json.loads(request.content)) == ("application/json", {"first": 1})


def test_an_input_with_a_file_is_sent_as_a_form(client_of: ClientOf, service: Service, tmp_path: Path) -> None:
    """It may have files on disk and in memory, several of one name, beside text, numbers and booleans."""
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    files = [tmp_path / "a.pdf", File("b.txt", b"bee", "text/plain")]
    with client_of(service) as headway:
        headway.start("x", {"file": files, "pages": "1-2", "render": True, "n": [1, 2], "none": None}).result()
    (request,) = service.requests
    body = request.content
    assert request.headers["content-type"].startswith("multipart/form-data")
    assert b'name="file"; filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n%PDF' in body
    assert b'name="file"; filename="b.txt"\r\nContent-Type: text/plain\r\n\r\nbee' in body
    for name, value in (("pages", "1-2"), ("render", "true"), ("n", "1"), ("n", "2")):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in body
    assert b"none" not in body


def test_objects_beside_a_file(client_of: ClientOf, service: Service) -> None:
    """Each is its JSON as text, as the TypeScript client sends it; those of a list are sent one by one."""
    fields = {"properties": {"total": {"type": "number"}}}
    with client_of(service) as headway:
        headway.start("x", {"file": File("a", b""), "fields": fields, "parts": [{"n": 1}, [2, "\u00e9"]]}).result()
    (request,) = service.requests
    for name, value in (
        ("fields", '{"properties":{"total":{"type":"number"}}}'),
        ("parts", '{"n":1}'),
        ("parts", '[2,"\u00e9"]'),
    ):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in request.content


def test_a_form_takes_only_json(client_of: ClientOf, service: Service) -> None:
    """The error names the field, and nothing is sent."""
    with client_of(service) as headway, pytest.raises(ValueError, match=r"options: .* not a set"):
        headway.start("x", {"file": File("a", b""), "options": {1, 2}})
    assert service.requests == []


def test_each_start_has_its_own_key(client_of: ClientOf, service: Service) -> None:
    """Two starts are two runs, unless the caller passes a key."""
    with client_of(service) as headway:
        for key in (None, None, "mine"):
            headway.start("x", idempotency_key=key).result()
    first, second, third = (request.headers["idempotency-key"] for request in service.requests)
    assert first != second
    assert third == "mine"


def test_a_function_gives_the_headers_of_each_request(client_of: ClientOf, service: Service) -> None:
    """So that a token is always fresh."""
    tokens = iter("abc")
    with client_of(service, headers=lambda: {"Authorization": f"Bearer {next(tokens)}"}) as headway:
        headway.operations()
        headway.runs(status="running", limit=5)
    assert [request.headers["authorization"] for request in service.requests] == ["Bearer a", "Bearer b"]
    assert dict(service.requests[1].url.params) == {"status": "running", "limit": "5"}


def test_an_async_function_may_give_the_headers(service: Service) -> None:
    """`AsyncClient` awaits it, and adds the API key."""

    async def headers() -> dict[str, str]:
        await anyio.sleep(0)
        return {"X-Who": "me"}

    async def main() -> Any:
        async with (
            httpx.AsyncClient(transport=httpx.MockTransport(service)) as http,
            AsyncClient(URL, http=http, headers=headers, api_key="k") as headway,
            headway.start("x") as run,
        ):
            return await run.result()

    assert anyio.run(main) == 5
    assert service.requests[0].headers["x-who"] == "me"
    assert service.requests[0].headers["authorization"] == "Bearer k"


def test_a_stream_is_requested_without_compression(client_of: ClientOf, service: Service) -> None:
    """Compression would delay events. The media types are those of an answer and of a refusal."""
    with client_of(service) as headway:
        headway.start("x").result()
        with pytest.raises(NotAStream):
            list(headway.watch("r1"))
    for request in service.requests:
        assert request.headers["accept"] == "text/event-stream, application/problem+json"
        assert request.headers["accept-encoding"] == "identity"


def test_all_else_is_requested_as_json(client_of: ClientOf, service: Service) -> None:
    """And refusals as problems; a detached start prefers not to wait for the run."""
    with client_of(service) as headway:
        headway.operations()
        headway.start("x", detached=True)
    assert [request.headers["accept"] for request in service.requests] == [
        "application/json, application/problem+json"
    ] * 2
    assert [request.headers.get("prefer") for request in service.requests] == [None, "respond-async"]


def test_ids_cannot_leave_their_path(client_of: ClientOf, service: Service) -> None:
    """The id of a run is quoted."""
    with client_of(service) as headway, headway.start("x") as run:
        list(run)
        with pytest.raises(NotAStream):
            run.snapshot()
    assert service.requests[-1].url.raw_path == b"/api/runs/r%2F1"


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x", "http://", "http://x/?a=b"])
def test_an_invalid_url_is_refused_at_once(url: str) -> None:
    """Another attempt would not help."""
    with pytest.raises(Unreachable) as caught:
        Client(url)
    assert not caught.value.transient


def test_a_redirect_is_refused(client_of: ClientOf) -> None:
    """The request may carry a secret, so it does not follow; the error names the location."""
    refused = pytest.raises(RequestRefused, match=r"308 .*: the service is at https://there\.test/")
    moved = {"Location": "https://there.test/"}
    with client_of(lambda _: httpx.Response(308, headers=moved)) as headway, refused:
        headway.start("x")
