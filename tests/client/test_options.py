"""What a client takes from the environment and its options, and what it shows of itself."""

from __future__ import annotations

import pickle
from typing import Any

import httpx
import pytest

from streaming.client import AsyncClient, Client, NotAStream, NotFound, Snapshot, Start, Unreachable
from tests.client.conftest import ClientOf
from tests.client.service import STREAM, TIMESTAMP, URL, Service, frame

CLIENTS: list[type[Any]] = [Client, AsyncClient]
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's."""
    for name in ("HEADWAY_URL", "HEADWAY_API_KEY", "SSL_CERT_FILE", "SSL_CERT_DIR", *PROXIES):
        monkeypatch.delenv(name, raising=False)


def key_sent(service: Service) -> str | None:
    """The key of the last request."""
    sent: str | None = service.requests[-1].headers.get("authorization")
    return sent


@pytest.mark.parametrize("kind", CLIENTS)
def test_the_url_of_the_environment(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`HEADWAY_URL` is the service where the caller names none; an empty one is none."""
    assert kind().url == "http://127.0.0.1:8000"
    monkeypatch.setenv("HEADWAY_URL", "")
    assert kind().url == "http://127.0.0.1:8000"
    monkeypatch.setenv("HEADWAY_URL", "https://example.org/api/")
    assert kind().url == "https://example.org/api"
    assert kind("http://service.test").url == "http://service.test"
    monkeypatch.setenv("HEADWAY_URL", "example.org")
    with pytest.raises(Unreachable, match=r"'example\.org' is not the http or https URL"):
        kind()


def test_the_key_of_the_environment(client_of: ClientOf, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """`HEADWAY_API_KEY` is sent where the caller has no key; an empty key of the caller is none."""
    monkeypatch.setenv("HEADWAY_API_KEY", "of-the-environment\n")
    for options, key in (
        ({}, "Bearer of-the-environment"),
        ({"api_key": "mine"}, "Bearer mine"),
        ({"api_key": ""}, None),
        ({"headers": {"authorization": "Basic mine"}}, "Basic mine"),
    ):
        with client_of(service, **options) as headway:
            headway.operations()
        assert key_sent(service) == key


def test_the_callers_http_wins_over_the_environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header of its own says who asks, unless the client is given a key."""
    monkeypatch.setenv("HEADWAY_API_KEY", "of-the-environment")
    http = httpx.Client(transport=httpx.MockTransport(service), headers={"Authorization": "Basic theirs"})
    Client(URL, http=http).operations()
    assert key_sent(service) == "Basic theirs"
    Client(URL, http=http, api_key="mine").operations()
    assert key_sent(service) == "Bearer mine"


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("key", ["a key", "a\r\nX-Evil: 1", "sch\u00fcssel"])
def test_a_key_that_no_header_carries(kind: Any, key: str) -> None:
    """It is refused at once, and the message does not show it."""
    with pytest.raises(ValueError, match="API key") as caught:
        kind(api_key=key)
    assert key not in str(caught.value)


def test_with_options(client_of: ClientOf, service: Service) -> None:
    """The other client has these options, and the connections of the first, which closes them."""
    with client_of(service, api_key="a", headers={"X-Who": "me"}) as headway:
        other = (
            headway._client.with_options(api_key="b")
            if hasattr(headway, "_client")
            else headway.with_options(api_key="b")
        )
        assert other._http is (headway._client if hasattr(headway, "_client") else headway)._http
        assert (other.url, other._headers, other._owns_http) == (URL, {"X-Who": "me"}, False)
        assert other._api_key == "b"
        headway.operations()
    assert key_sent(service) == "Bearer a"


def test_an_option_of_a_call() -> None:
    """A client for one call leaves the connections open."""
    service = Service()
    with Client(URL, http=httpx.Client(transport=httpx.MockTransport(service))) as headway:
        with headway.with_options(headers={"X-Who": "you"}) as other:
            other.operations()
        headway.operations()
    assert [request.headers.get("x-who") for request in service.requests] == ["you", None]
    with pytest.raises(ValueError, match="heartbeat"):
        headway.with_options(heartbeat=0)


def test_the_user_agent(client_of: ClientOf, service: Service) -> None:
    """It is the client's own, unless the caller has one."""
    with client_of(service) as headway:
        headway.operations()
    with client_of(service, headers={"user-agent": "mine/1"}) as headway:
        headway.operations()
    ours, theirs = (request.headers.get_list("user-agent") for request in service.requests)
    assert ours[0].startswith("headway-python/")
    assert "httpx/" in ours[0]
    assert theirs == ["mine/1"]
    http = httpx.Client(transport=httpx.MockTransport(service), headers={"User-Agent": "theirs/2"})
    Client(URL, http=http).operations()
    assert service.requests[-1].headers["user-agent"] == "theirs/2"


def test_reprs_show_no_secrets(service: Service) -> None:
    """Neither a key, nor headers, nor the password of a URL; a run shows how far it was read."""
    http = httpx.Client(transport=httpx.MockTransport(service))
    headway = Client("http://ann:a-secret@service.test/api", api_key="a-secret", headers={"X": "a-secret"}, http=http)
    assert repr(headway) == "<Client http://service.test/api>"
    run = headway.start("x")
    assert repr(run) == "<Run r/1, live, after event 0>"
    run.result()
    assert repr(run) == "<Run r/1, succeeded, after event 3>"
    assert repr(headway.watch("r2", after=4)) == "<Run r2, live, after event 4>"
    start = AsyncClient("http://service.test", api_key="a-secret").start("x", {"secret": "a-secret"})
    assert repr(start) == "<AsyncStart x, not awaited>"
    with pytest.raises(Unreachable) as caught:
        Client("ftp://ann:a-secret@service.test")
    assert "a-secret" not in str(caught.value)


def test_the_raw_response(client_of: ClientOf) -> None:
    """A run has the answer of its stream, `request` that of any other, and a refusal its own."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return httpx.Response(
                200, headers={**STREAM, "X-Node": "7"}, content=frame(1, "done", {"status": "failed"})
            )
        if request.url.path == "/api/echo":
            assert request.headers["content-type"] == "application/json"
            return httpx.Response(201, json={"q": request.url.params["q"], "body": request.content.decode()})
        return httpx.Response(404, json={"code": "run_not_found"}, headers={"X-Node": "8"})

    with client_of(answer) as headway:
        echoed = headway.request("PUT", "/echo", json={"a": 1}, params={"q": "x"})
        assert (echoed.status_code, echoed.json()) == (201, {"q": "x", "body": '{"a":1}'})
        with pytest.raises(NotFound) as caught:
            headway.request("GET", "/nothing")
        assert caught.value.response is not None
        assert caught.value.response.headers["x-node"] == "8"
    with Client(URL, http=httpx.Client(transport=httpx.MockTransport(answer))) as client:
        run = client.watch("r1")
        assert run.response is None
        list(run)
        assert run.response is not None
        assert run.response.headers["x-node"] == "7"


def test_runs_are_snapshots(client_of: ClientOf) -> None:
    """Each has the fields of a snapshot; a list of anything else is no answer of a service."""
    entry = {"id": "r1", "operation": "x", "status": "running", "created": TIMESTAMP, "updated": TIMESTAMP}
    answers: list[Any] = [[{**entry, "last_event_id": 3, "later": "field"}], [3], [{"id": "r1"}], "r1"]
    with client_of(lambda _: httpx.Response(200, json={"runs": answers.pop(0)})) as headway:
        (run,) = headway.runs()
        assert isinstance(run, Snapshot)
        assert (run.id, run.status, run.over, run.result) == ("r1", "running", False, None)
        assert pickle.loads(pickle.dumps(run)) == run
        for _ in range(3):
            with pytest.raises(NotAStream):
                headway.runs()


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"operations": \xff}', b"null", b"<html>", b'{"operations": [1]}'])
def test_an_answer_that_is_none(client_of: ClientOf, body: bytes) -> None:
    """Whatever another service sends, the error is one of the client."""
    with client_of(lambda _: httpx.Response(200, content=body)) as headway:
        for method, arguments in (("operations", ()), ("snapshot", ("r1",)), ("token", ("r1",))):
            with pytest.raises(NotAStream):
                getattr(headway, method)(*arguments)


# -- proxies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "gopher://127.0.0.1:70", "http://[::1"])
def test_a_proxy_of_the_environment_that_cannot_be_used(kind: Any, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as one; where it is not for this URL, it is not used."""
    monkeypatch.setitem(__import__("sys").modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(Unreachable, match="the proxy of the environment cannot be used: ") as caught:
        kind("http://service.test")
    assert not caught.value.transient
    monkeypatch.setenv("NO_PROXY", "service.test")
    assert kind("http://service.test").url == "http://service.test"
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("ALL_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert kind("http://service.test").url == "http://service.test"


@pytest.mark.parametrize("kind", CLIENTS)
def test_certificates_that_cannot_be_read(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are named as what is wrong."""
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    with pytest.raises(Unreachable, match="SSL_CERT_FILE"):
        kind("https://service.test")


def test_a_start_is_iterated_over(service: Service) -> None:
    """`async for event in client.start(...)` starts, reads and leaves; afterwards it still gives the run."""
    import anyio

    async def main() -> None:
        http = httpx.AsyncClient(transport=httpx.MockTransport(service))
        async with AsyncClient(URL, http=http) as headway:
            start = headway.start("x")
            assert [event.type async for event in start] == ["start", "result", "done"]
            assert await (await start).result() == 5
            async for event in headway.start("x"):
                assert isinstance(event, Start)
                break

    anyio.run(main)
    assert len(service.requests) == 2
