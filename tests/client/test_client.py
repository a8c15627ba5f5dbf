"""The parts of the Python client by themselves; `test_client_contract.py` plays whole streams to it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from streaming import Parser, client
from streaming.client import (
    AsyncClient,
    Backoff,
    Client,
    ClientError,
    Conflict,
    Delta,
    Done,
    File,
    InvalidInput,
    Left,
    NotAStream,
    NotFound,
    Other,
    Overloaded,
    Progress,
    Question,
    RequestRefused,
    Reset,
    RunFailed,
    Unauthorized,
    Unreachable,
    errors,
)
from streaming.client.cli.exit_codes import ExitCode
from streaming.client.errors import refusal, retry_after
from streaming.client.events import make_event, read_event
from streaming.client.reader import RunReader

STAMP = "2026-11-23T09:30:00.125Z"
STREAM = {"content-type": "text/event-stream"}
URL = "http://service.test/api"


# -- what it is -------------------------------------------------------------------------------------------------------


def test_a_client_loads_neither_flask_nor_gevent() -> None:
    """A script that only uses the client, or the command line, stays as small as they are."""
    code = "import sys, streaming.client.cli.commands; print([m for m in ('flask', 'gevent') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names() -> None:
    """They are sorted, each is there, and each says what it is."""
    assert client.__all__ == sorted(set(client.__all__))
    assert [name for name in client.__all__ if not getattr(client, name).__doc__] == []


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    """The docstring of `errors` names each class once, under the class that it derives from."""
    drawn = re.findall(r"^(\W*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)[1:]
    parents: list[tuple[int, str]] = []
    for indent, name in drawn:
        parents = [(depth, parent) for depth, parent in parents if depth < len(indent)]
        if parents:
            assert issubclass(getattr(errors, name), getattr(errors, parents[-1][1])), name
        parents.append((len(indent), name))
    made = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, ClientError)}
    assert {name for _, name in drawn} - {"HeadwayError"} == made


# -- events -----------------------------------------------------------------------------------------------------------


def test_an_event_has_the_type_of_its_name() -> None:
    """Its fields are those of its data, which stays as it came."""
    data = {"timestamp": STAMP, "done": 1, "total": 4, "unit": "pages", "extra": True}
    event = read_event(7, "progress", json.dumps(data))
    assert isinstance(event, Progress)
    assert (event.id, event.type, event.data, event.timestamp) == (7, "progress", data, STAMP)
    assert (event.done, event.total, event.unit, event.step, event.percent) == (1, 4, "pages", None, 25)


@pytest.mark.parametrize(("done", "total"), [(None, 4), (1, None), (1, 0)])
def test_a_progress_without_an_extent_has_no_percent(done: float | None, total: float | None) -> None:
    """Where either end is unknown there is no share of it."""
    assert Progress(id=1, type="progress", data={}, done=done, total=total).percent is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("delta", {"channel": "text"}),
        ("delta", {"text": 3}),
        ("partial", {"value": 1}),
        ("progress", {"done": "half"}),
        ("question", {}),
        ("note", {"colour": "blue"}),
    ],
)
def test_an_event_that_lacks_what_its_name_promises_is_an_other(name: str, data: dict[str, Any]) -> None:
    """It keeps its name and its data, for whoever knows better."""
    event = make_event(2, name, data)
    assert type(event) is Other
    assert (event.type, event.data) == (name, data)


@given(st.sampled_from(["start", "progress", "delta", "done", "error", "reset", "note"]), st.text())
def test_no_data_breaks_the_reading(name: str, text: str) -> None:
    """Whatever comes, there is an event with that name and number, or none."""
    event = read_event(3, name, text)
    assert event is None or (event.id, event.type) == (3, name)


def test_a_parser_can_tell_an_event_without_an_id() -> None:
    """With `own_ids` it has none; the standard's last event id goes on as ever."""
    stream = frame(4, "a", {}) + b"data: b\n\n: c\n\nid\ndata: d\n\n" + frame(5, "e", {})
    for cut in (1, len(stream)):
        parser = Parser(own_ids=True)
        pieces = [stream[at : at + cut] for at in range(0, len(stream), cut)]
        assert [message.id for piece in pieces for message in parser.feed(piece)] == ["4", "", "", "5"]
    assert [message.id for message in Parser().feed(stream)] == ["4", "4", "", "5"]


# -- coming back ------------------------------------------------------------------------------------------------------

amounts = st.floats(min_value=0, max_value=1000)


@given(amounts, amounts, st.integers(0, 10_000), st.none() | amounts, st.none() | amounts, st.floats(0, 1))
def test_a_wait_is_never_less_than_was_asked_for(
    delay: float, most: float, waits: int, retry: float | None, after: float | None, chance: float
) -> None:
    """`retry:` and `Retry-After` are lower bounds, and beyond the larger bound there is only a quarter of jitter."""
    backoff = Backoff(retry_delay=delay, max_delay=most)
    least = delay if retry is None else retry
    waited = backoff.wait(waits, retry=retry, retry_after=after, chance=chance)
    assert waited >= max(least, after or 0)
    assert waited <= max(least, most, after or 0) * 1.25


def test_waits_double() -> None:
    """Each one in a row is twice the one before, up to the largest."""
    backoff = Backoff(retry_delay=1, max_delay=5)
    waits = [backoff.wait(number, retry=None, retry_after=None, chance=0) for number in range(5)]
    assert waits == [1, 2, 4, 5, 5]


@pytest.mark.parametrize("wrong", [{"max_attempts": -1}, {"retry_delay": -1.0}, {"max_delay": float("nan")}])
def test_a_backoff_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    """It would wait backwards, or for ever."""
    with pytest.raises(ValueError, match="0 or more"):
        Backoff(**wrong)


def test_a_retry_after_of_an_hour_is_told_instead_of_waited_for() -> None:
    """Nobody wants a program that stands still for so long without a word."""
    refused = refusal(503, "Unavailable", {"retry-after": "3600"}, b"")
    with pytest.raises(Overloaded):
        RunReader("r1").connection_lost(refused)


def test_an_event_that_is_too_large_is_no_reason_to_come_back() -> None:
    """It would be as large the next time."""
    reader = RunReader("r1", max_event=50)
    reader.connection_opened(200, STREAM)
    with pytest.raises(NotAStream) as caught:
        reader.receive(b"id: 1\ndata: " + b"x" * 100)
    with pytest.raises(NotAStream):
        reader.connection_lost(caught.value)


def test_the_question_that_is_open() -> None:
    """It is known from its event, or from the snapshot where that is gone, until it has its answer."""
    reader = RunReader("r1")
    reader.connection_opened(200, STREAM)
    asked = {"question": "q1", "prompt": "Go on?", "schema": {"type": "boolean"}}
    (reset,) = reader.receive(frame(4, "reset", {"snapshot": {"id": "r1", "question": asked}}))
    assert isinstance(reset, Reset)
    assert reader.open_question() == "q1"
    reader.receive(frame(5, "answer", {"question": "q1", "answer": True}))
    with pytest.raises(ValueError, match="no question"):
        reader.open_question()
    (again,) = reader.receive(frame(6, "question", {**asked, "question": "q2"}))
    assert isinstance(again, Question)
    assert (reader.open_question(), again.schema) == ("q2", {"type": "boolean"})


def frame(number: int, name: str, data: dict[str, Any]) -> bytes:
    """A frame as the service writes it."""
    return f"id: {number}\nevent: {name}\ndata: {json.dumps({'timestamp': STAMP, **data})}\n\n".encode()


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (400, InvalidInput, False),
        (401, Unauthorized, False),
        (403, Unauthorized, False),
        (404, NotFound, False),
        (409, Conflict, False),
        (413, RequestRefused, False),
        (422, InvalidInput, False),
        (429, Overloaded, True),
        (500, RequestRefused, True),
        (501, RequestRefused, False),
        (503, Overloaded, True),
    ],
)
def test_a_refusal_has_the_type_of_its_status(status: int, kind: type[RequestRefused], transient: bool) -> None:
    """And says whether it may pass."""
    refused = refusal(status, "A reason", {}, b"")
    assert type(refused) is kind
    assert refused.transient == transient


def test_a_problem_names_the_fields() -> None:
    """The text of the error is what a person needs to put it right."""
    problem = {"title": "Invalid input", "detail": "no", "code": "invalid_input"}
    body = json.dumps({**problem, "errors": [{"loc": ["pages", 0], "msg": "too many"}, "rubbish", {}]}).encode()
    refused = refusal(422, "Unprocessable", {}, body)
    assert str(refused) == "422 Invalid input: no; pages.0: too many"
    assert (refused.code, refused.errors) == ("invalid_input", [{"loc": ["pages", 0], "msg": "too many"}])


@pytest.mark.parametrize("body", [b"", b"<h1>Bad gateway</h1>", b"[]", b"null", b'{"detail": 3, "errors": 4}', b"\xff"])
def test_a_refusal_need_not_be_a_problem_document(body: bytes) -> None:
    """A proxy says what it likes."""
    refused = refusal(502, "Bad Gateway", {}, body)
    assert (str(refused), refused.code, refused.errors) == ("502 Bad Gateway", "", [])


def test_retry_after_is_a_number_or_a_date() -> None:
    """RFC 9110, section 10.2.3; anything else says nothing."""
    assert retry_after("7") == 7
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < (retry_after(in_a_minute) or 0) <= 60
    assert retry_after("Mon, 01 Jan 2001 00:00:00 GMT") == 0
    assert [retry_after(text) for text in ("", "soon", "-1", "1e3")] == [None] * 4


# -- requests ---------------------------------------------------------------------------------------------------------


class Service:
    """Remembers what it was asked, and answers each start with a whole run."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answers a request."""
        self.requests.append(request)
        if request.method == "POST" and "/operations/" in request.url.path:
            body = frame(1, "start", {"run": "r/1", "operation": "x"}) + frame(2, "result", {"result": 5})
            body += frame(3, "done", {"status": "succeeded", "elapsed": 1})
            return httpx.Response(200, headers={**STREAM, "Run-Id": "r/1"}, content=body)
        return httpx.Response(200, json={"operations": [], "runs": []})


@pytest.fixture
def service() -> Service:
    """A service without a network."""
    return Service()


def blocking(service: Service, **options: Any) -> Client:
    """A client of it."""
    return Client(URL, http=httpx.Client(transport=httpx.MockTransport(service)), **options)


class Pages(BaseModel):
    """An input."""

    first: int
    last: int | None = None


@pytest.mark.parametrize("value", [{"first": 1}, Pages(first=1)])
def test_an_input_is_sent_as_json(service: Service, value: Any) -> None:
    """A mapping or a pydantic model, of which only what was set is sent."""
    with blocking(service) as headway:
        assert headway.start("a name", value).result() == 5
    (request,) = service.requests
    assert request.url.raw_path == b"/api/operations/a%20name"
    assert (request.headers["content-type"], json.loads(request.content)) == ("application/json", {"first": 1})


def test_an_input_with_a_file_is_sent_as_a_form(service: Service, tmp_path: Path) -> None:
    """Files from the disk and from memory, several under one name, beside text, numbers and booleans."""
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    files = [tmp_path / "a.pdf", File("b.txt", b"bee", "text/plain")]
    with blocking(service) as headway:
        headway.start("x", {"file": files, "pages": "1-2", "render": True, "n": [1, 2], "none": None}).result()
    (request,) = service.requests
    body = request.content
    assert request.headers["content-type"].startswith("multipart/form-data")
    assert b'name="file"; filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n%PDF' in body
    assert b'name="file"; filename="b.txt"\r\nContent-Type: text/plain\r\n\r\nbee' in body
    for name, value in (("pages", "1-2"), ("render", "true"), ("n", "1"), ("n", "2")):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in body
    assert b"none" not in body


def test_a_form_takes_no_objects(service: Service, tmp_path: Path) -> None:
    """It says which field, instead of sending something that the service cannot read."""
    with blocking(service) as headway, pytest.raises(ValueError, match=r"options: .* not a dict"):
        headway.start("x", {"file": File("a", b""), "options": {"deep": 1}})
    assert service.requests == []


def test_each_start_has_its_own_key(service: Service) -> None:
    """Two starts are two runs, unless the caller says otherwise."""
    with blocking(service) as headway:
        for key in (None, None, "mine"):
            headway.start("x", idempotency_key=key).result()
    first, second, third = (request.headers["idempotency-key"] for request in service.requests)
    assert first != second
    assert third == "mine"


def test_headers_of_a_function_are_made_for_each_request(service: Service) -> None:
    """So that a token is a fresh one."""
    tokens = iter("abc")
    with blocking(service, headers=lambda: {"Authorization": f"Bearer {next(tokens)}"}) as headway:
        headway.operations()
        headway.runs(status="running", limit=5)
    assert [request.headers["authorization"] for request in service.requests] == ["Bearer a", "Bearer b"]
    assert dict(service.requests[1].url.params) == {"status": "running", "limit": "5"}


def test_headers_may_be_awaited(service: Service) -> None:
    """A function with `async` does too."""

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


def test_a_stream_is_asked_for_uncompressed(service: Service) -> None:
    """Compression would hold events back."""
    with blocking(service) as headway:
        headway.start("x").result()
    headers = service.requests[0].headers
    assert (headers["accept"], headers["accept-encoding"]) == ("text/event-stream", "identity")


def test_ids_cannot_leave_their_path(service: Service) -> None:
    """Whatever stands in a run's id is quoted."""
    with blocking(service) as headway, headway.start("x") as run:
        list(run)
        with pytest.raises(NotAStream):
            run.snapshot()
    assert service.requests[-1].url.raw_path == b"/api/runs/r%2F1"


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x", "http://", "http://x/?a=b"])
def test_a_url_that_cannot_be_asked_is_said_at_once(url: str) -> None:
    """And there is no point in trying again."""
    with pytest.raises(Unreachable) as caught:
        Client(url)
    assert not caught.value.transient


def test_a_service_elsewhere_is_named(service: Service) -> None:
    """A redirect is not followed, for what is sent may be a secret; the error says where to."""
    moved = httpx.MockTransport(lambda _: httpx.Response(308, headers={"Location": "https://there.test/"}))
    said = pytest.raises(RequestRefused, match=r"308 .*: the service is at https://there\.test/")
    with Client(URL, http=httpx.Client(transport=moved)) as headway, said:
        headway.start("x")


# -- the ending -------------------------------------------------------------------------------------------------------


def test_a_result_after_leaving_is_an_error(service: Service) -> None:
    """Nobody takes a run that was left for one that succeeded without a result."""
    with blocking(service) as headway:
        run = headway.start("x")
        run.disconnect()
        assert list(run) == []
        with pytest.raises(Left):
            run.result()


def test_a_failure_that_was_read_before_is_asked_for() -> None:
    """A viewer that came after the `error` event still says what went wrong."""
    snapshot: dict[str, Any] = {"id": "r1", "operation": "x", "status": "failed", "created": STAMP, "updated": STAMP}
    snapshot |= {"last_event_id": 9, "error": {"code": "broken", "message": "It broke.", "retryable": True}}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            assert request.headers["last-event-id"] == "8"
            return httpx.Response(200, headers=STREAM, content=frame(9, "done", {"status": "failed"}))
        return httpx.Response(200, json=snapshot)

    with Client(URL, http=httpx.Client(transport=httpx.MockTransport(answer))) as headway:
        run = headway.watch("r1", after=8)
        assert [type(event) for event in run] == [Done]
        with pytest.raises(RunFailed, match=r"broken: It broke\.") as caught:
            run.result()
    assert caught.value.retryable


def test_lost_connections_are_told() -> None:
    """`on_lost` gets the seconds until the next attempt and what happened."""
    answers = [httpx.Response(503, headers={"Retry-After": "0"}), httpx.Response(200, headers=STREAM, content=b"")]
    answers += [httpx.Response(200, headers=STREAM, content=frame(1, "done", {"status": "succeeded"}))]
    told: list[tuple[float, str]] = []
    backoff = Backoff(retry_delay=0.01, max_delay=0.01)
    transport = httpx.MockTransport(lambda _: answers.pop(0))
    http = httpx.Client(transport=transport)
    with Client(URL, http=http, backoff=backoff, on_lost=lambda wait, why: told.append((wait, str(why)))) as headway:
        assert [event.type for event in headway.watch("r1")] == ["done"]
    assert [why for _, why in told] == ["503 Service Unavailable", "None"]
    assert all(wait >= 0.01 for wait, _ in told)


def test_a_delta_is_text_unless_it_says_otherwise() -> None:
    """The channel is `text` where none is named."""
    assert isinstance(spoken := make_event(1, "delta", {"text": "a"}), Delta)
    assert (spoken.text, spoken.channel) == ("a", "text")


def test_the_exit_codes_are_documented() -> None:
    """The table of `docs/clients.md` has each of them, and no other."""
    documentation = Path(__file__).parents[2] / "docs" / "clients.md"
    table = documentation.read_text().split("| exit code | |")[1].split("\n\n")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(ExitCode)
