"""The requests that a client sends."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from pydantic import BaseModel, ConfigDict, Field

from streaming.client import AsyncClient, Backoff, Client, File, InvalidInput, NotAStream, RequestRefused, Unreachable
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


def test_a_number_of_any_size(client_of: ClientOf, service: Service) -> None:
    """It is sent as it is; what JSON cannot hold is an error."""
    with client_of(service) as headway:
        headway.start("x", {"n": 2**70}).result()
        for value in (object(), {1}):
            with pytest.raises(TypeError):
                headway.start("x", {"n": value})
    assert json.loads(service.requests[0].content) == {"n": 2**70}


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


def opened(path: Path) -> Any:
    """An open file, as a caller has it."""
    return path.open("rb")


def piped(path: Path) -> Any:
    """What can be read only once."""
    reading, writing = os.pipe()
    os.write(writing, path.read_bytes())
    os.close(writing)
    return open(reading, "rb")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (Path, "a.pdf"),
        (lambda path: path.read_bytes(), "file"),
        (lambda path: bytearray(path.read_bytes()), "file"),
        (lambda path: memoryview(path.read_bytes()), "file"),
        (opened, "a.pdf"),
        (lambda path: io.BytesIO(path.read_bytes()), "file"),
        (piped, "file"),
        (lambda path: File("b.pdf", path.read_bytes()), "b.pdf"),
        (str, "a.pdf"),
        (lambda path: [str(path)], "a.pdf"),
    ],
)
@pytest.mark.parametrize("cuts", [0, 1])
def test_each_form_of_a_file(
    client_of: ClientOf, tmp_path: Path, make: Callable[[Path], Any], name: str, cuts: int
) -> None:
    """A path, bytes, an open file, and a text where the operation takes a file; a start that is repeated has it too."""
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF")
    service = Reading(cuts)
    value = make(path)
    with client_of(service, backoff=Backoff(retry_delay=0, max_delay=0)) as headway:
        assert headway.start("read", {"file": value, "pages": "1-2"}).result() == 5
    assert len(service.bodies) == cuts + 1
    for body in service.bodies:
        assert f'name="file"; filename="{name}"'.encode() in body
        assert b"\r\n\r\n%PDF\r\n" in body
        assert b'name="pages"\r\n\r\n1-2\r\n' in body
    if hasattr(value, "close"):
        value.close()


class Reading(Service):
    """A service whose operation takes a file and a text; the first `cuts` starts are lost after they were read."""

    def __init__(self, cuts: int = 0) -> None:
        super().__init__()
        self.cuts = cuts
        self.bodies: list[bytes] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            file = {"anyOf": [{"type": "string", "format": "binary"}, {"type": "null"}]}
            fields = {"file": {"type": "array", "items": file}, "pages": {"type": "string"}, "odd": True}
            return httpx.Response(200, json={"operations": [{"name": "read", "input": {"properties": fields}}]})
        if request.headers["content-type"] == "application/json":
            errors = [{"loc": ["file", 0], "msg": "a file is sent as multipart/form-data"}, {"loc": [], "msg": "no"}]
            errors.append({"loc": ["pages"], "msg": "no"})
            return httpx.Response(422, json={"code": "invalid_input", "errors": errors})
        self.bodies.append(request.content)
        if self.cuts:
            self.cuts -= 1
            raise httpx.ReadError("lost")
        return super().__call__(request)


def test_a_text_is_no_path_where_the_operation_takes_text(client_of: ClientOf, tmp_path: Path) -> None:
    """What somebody has typed is not opened: the field has to be one for a file. The refusal is the service's."""
    (tmp_path / "secret").write_bytes(b"secret")
    service = Reading()
    with client_of(service) as headway, pytest.raises(InvalidInput):
        headway.start("read", {"pages": str(tmp_path / "secret")})
    with client_of(service) as headway, pytest.raises(FileNotFoundError):
        headway.start("read", {"file": str(tmp_path / "missing")})
    assert service.bodies == []


class Papers(BaseModel):
    """An input with files."""

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True)

    file: Path
    more: bytes = Field(b"", serialization_alias="extra")
    pages: int = 1
    day: date = date(2026, 11, 23)


def test_a_model_with_files(client_of: ClientOf, tmp_path: Path) -> None:
    """Its paths and bytes are files, under their aliases; of the rest only what was set is sent, as JSON has it."""
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    service = Reading()
    with client_of(service) as headway:
        headway.start("read", Papers(file=tmp_path / "a.pdf", more=b"\xff", day=date(2026, 1, 2))).result()
    (body,) = service.bodies
    assert b'name="file"; filename="a.pdf"' in body
    assert b'name="extra"; filename="extra"' in body
    assert b'name="day"\r\n\r\n2026-01-02' in body
    assert b"pages" not in body


def test_the_name_of_a_file_may_be_no_text(client_of: ClientOf, tmp_path: Path) -> None:
    """On Linux it is bytes; what is no UTF-8 is sent as a question mark."""
    path = Path(os.fsdecode(bytes(tmp_path) + b"/\xff.pdf"))
    path.write_bytes(b"%PDF")
    service = Reading()
    with client_of(service) as headway:
        headway.start("read", {"file": path}).result()
    assert b'filename="?.pdf"' in service.bodies[0]


@pytest.mark.parametrize(("linger", "prefer"), [(None, None), (0, "linger=0"), (1.2, "linger=2"), (60, "linger=60")])
def test_a_start_asks_for_a_linger(
    client_of: ClientOf, service: Service, linger: float | None, prefer: str | None
) -> None:
    """In whole seconds; with a detached start both are preferred."""
    with client_of(service) as headway:
        headway.start("x", linger=linger).result()
        headway.start("x", linger=linger, detached=True)
        with pytest.raises(ValueError, match="linger"):
            headway.start("x", linger=float("nan"))
    preferred = [request.headers.get("prefer") for request in service.requests]
    assert preferred == [prefer, ", ".join(filter(None, ["respond-async", prefer]))]


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
    sent = len(service.requests)
    with client_of(service) as headway:
        for run in (".", "..", ""):
            with pytest.raises(ValueError, match=r"no names of a service|belongs to no run"):
                headway.cancel(run)
    assert len(service.requests) == sent


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://x",
        "http://",
        "http://x/?a=b",
        "http://x:99999",
        "http://[::1",
        "http://a b",
        "http://\x00",
    ],
)
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
