"""HTTP of tools: allowed hosts, addresses, redirects, limits and retries."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from operations import hosts
from operations.hosts import AllowedHosts
from operations.tools import ToolError, request, tool
from operations.tools.web import ATTEMPTS, MAX_BYTES
from tests.apps.agent_calls import call, code_of, look
from tests.apps.apis import Apis, Fault


@tool
def send(url: str, method: str = "POST", token: str | None = None) -> Any:
    """Sends something."""
    headers = {"Authorization": token} if token else None
    return request(method, url, body={"note": "hello"}, headers=headers).status


@pytest.fixture
def apis() -> Iterator[Apis]:
    """A server to call."""
    with Apis(routes={"/there": lambda *_: (200, {}, {"there": True})}) as server:
        yield server


@pytest.fixture
def allowed(apis: Apis) -> AllowedHosts:
    """Allows that server, although its address is not public."""
    hosts = frozenset({f"127.0.0.1:{apis.server_port}"})
    return AllowedHosts(hosts, hosts)


def redirect(location: str, status: int = 302) -> Fault:
    """A redirect."""
    return Fault(status, headers={"Location": location})


# --- hosts -----------------------------------------------------------------------------------------------------------


def test_an_allowed_host_gets_the_request(apis: Apis, allowed: AllowedHosts) -> None:
    """It has a `User-Agent`, and neither cookies nor credentials."""
    assert call(look, hosts=allowed, url=f"{apis.url}/there?a=b") == {"there": True}
    [(method, path, headers, body)] = apis.seen
    assert (method, path, body) == ("GET", "/there?a=b", b"")
    assert headers["Host"] == f"127.0.0.1:{apis.server_port}"
    assert headers["User-Agent"].startswith("headway httpx/")
    assert "Cookie" not in headers
    assert "Authorization" not in headers


def test_the_user_agent_has_the_contact(apis: Apis, allowed: AllowedHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contact is `HEADWAY_AGENT_CONTACT`."""
    monkeypatch.setenv("HEADWAY_AGENT_CONTACT", "ops@example.org")
    call(look, hosts=allowed, url=f"{apis.url}/there")
    assert apis.seen[0][2]["User-Agent"].startswith("headway (ops@example.org) httpx/")


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("http://example.org/", set()),
        ("http://example.org/", {"example.com", "sub.example.org", "org"}),
        ("http://example.org:8080/", {"example.org"}),
        ("https://example.org/", {"example.org:80"}),
        ("http://example.org.evil.test/", {"example.org"}),
        ("http://example.org@evil.test/", {"example.org"}),
        ("http://user:secret@example.org/", {"example.org"}),
        ("ftp://example.org/", {"example.org"}),
        ("file:///etc/passwd", {"", "etc"}),
        ("/etc/passwd", {""}),
    ],
)
def test_other_hosts_are_not_allowed(url: str, hosts: set[str]) -> None:
    """The list must have the host, with its port unless that is the default; nothing is resolved or connected."""
    assert code_of(look, hosts=AllowedHosts(frozenset(hosts)), url=url) == "host_not_allowed"


@pytest.mark.parametrize("url", ["http://[::1", "http://exa mple.org:port/", "http://\x00/"])
def test_an_invalid_url(url: str) -> None:
    """The call fails."""
    assert code_of(look, hosts=AllowedHosts(frozenset()), url=url) in ("invalid_arguments", "host_not_allowed")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0"])
def test_an_allowed_host_with_a_private_address_gets_no_request(apis: Apis, host: str) -> None:
    """The address is checked, whatever the name is."""
    allowed = AllowedHosts(frozenset({f"{host}:{apis.server_port}"}))
    assert code_of(look, hosts=allowed, url=f"http://{host}:{apis.server_port}/there") == "private_address"
    assert apis.seen == []


def test_a_name_is_resolved_once(apis: Apis, allowed: AllowedHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to the address that was checked, even if the name then gets another."""
    answers = [["93.184.216.34", "10.0.0.1"], ["10.0.0.1"]]
    names: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        names.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    # One private address among several is enough.
    assert code_of(look, hosts=AllowedHosts(frozenset({"example.org"})), url="http://example.org/") == "private_address"
    assert names == ["example.org"]


def test_a_name_is_connected_to_by_its_address(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The `Host` header has the name; after an address that does not answer, the next one is tried."""
    host_and_port = f"shop.example:{apis.server_port}"
    closed = "127.0.0.9"
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in (closed, "127.0.0.1")]
    original = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: entries if host == "shop.example" else original(host, *a, **k)
    )
    allowed = AllowedHosts(frozenset({host_and_port}), frozenset({host_and_port}))
    assert call(look, hosts=allowed, url=f"http://{host_and_port}/there") == {"there": True}
    assert apis.seen[0][2]["Host"] == host_and_port


def test_a_host_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is `unreachable` and names the host."""

    def nothing(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "internal resolver text")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(ToolError, match=r"nowhere\.example") as failure:
        call(look, hosts=AllowedHosts(frozenset({"nowhere.example"})), url="http://nowhere.example/", seconds=0.3)
    assert failure.value.code == "unreachable"
    assert "internal" not in failure.value.message


# --- redirects -------------------------------------------------------------------------------------------------------


def test_a_redirect_is_followed(apis: Apis, allowed: AllowedHosts) -> None:
    """Also a relative one."""
    apis.faults["/old"] = [redirect("/new")]
    apis.faults["/new"] = [redirect("there", 307)]
    assert call(look, hosts=allowed, url=f"{apis.url}/old") == {"there": True}


@pytest.mark.parametrize(
    "place",
    ["http://example.org/", "http://localhost:{port}/there", "http://127.0.0.1/", "//evil.test/", "file:///etc/passwd"],
)
def test_a_redirect_to_another_host(apis: Apis, allowed: AllowedHosts, place: str) -> None:
    """Each hop is checked."""
    apis.faults["/old"] = [redirect(place.format(port=apis.server_port))]
    assert code_of(look, hosts=allowed, url=f"{apis.url}/old") == "host_not_allowed"
    assert apis.paths == ["/old"]


def test_a_redirect_to_a_private_address(apis: Apis, allowed: AllowedHosts) -> None:
    """The host must be on the list of private hosts too."""
    wider = AllowedHosts(allowed.hosts | {f"localhost:{apis.server_port}"}, allowed.private)
    apis.faults["/old"] = [redirect(f"http://localhost:{apis.server_port}/there")]
    assert code_of(look, hosts=wider, url=f"{apis.url}/old") == "private_address"
    assert apis.paths == ["/old"]


def test_endless_redirects(apis: Apis, allowed: AllowedHosts) -> None:
    """Only a few are followed."""
    apis.faults["/old"] = [redirect("/old") for _ in range(50)]
    assert code_of(look, hosts=allowed, url=f"{apis.url}/old") == "redirected"
    assert len(apis.seen) < 10


def test_headers_of_a_tool_do_not_follow_a_redirect(apis: Apis, allowed: AllowedHosts) -> None:
    """Only the host of the request gets them."""
    with Apis(routes={"/there": lambda *_: (200, {}, {})}) as other:
        both = frozenset({f"127.0.0.1:{server.server_port}" for server in (apis, other)})
        apis.faults["/old"] = [redirect(f"{other.url}/there")]
        assert call(send, hosts=AllowedHosts(both, both), url=f"{apis.url}/old", method="GET", token="secret") == 200
        assert apis.seen[0][2]["Authorization"] == "secret"
        assert "Authorization" not in other.seen[0][2]


def test_only_safe_methods_are_redirected(apis: Apis, allowed: AllowedHosts) -> None:
    """A POST does not follow a redirect."""
    apis.faults["/old"] = [redirect("/there")]
    assert code_of(send, hosts=allowed, url=f"{apis.url}/old") == "redirected"
    assert apis.paths == ["/old"]


# --- limits ----------------------------------------------------------------------------------------------------------


def test_the_size_of_an_answer_is_limited(apis: Apis, allowed: AllowedHosts) -> None:
    """The call fails after `MAX_BYTES`."""
    apis.faults["/there"] = [Fault(body=b" " * (MAX_BYTES + 1))]
    assert code_of(look, hosts=allowed, url=f"{apis.url}/there") == "too_large"


def test_a_compressed_answer_is_not_read(apis: Apis, allowed: AllowedHosts) -> None:
    """The request does not allow it, and a few bytes may expand to any number."""
    apis.faults["/there"] = [Fault(body=gzip.compress(b"[" * 10**6), headers={"Content-Encoding": "gzip"})]
    assert code_of(look, hosts=allowed, url=f"{apis.url}/there") == "not_json"


@pytest.mark.parametrize("fault", [Fault(delay=30), Fault(trickle=True)], ids=["silent", "a byte at a time"])
def test_a_call_ends_at_its_deadline(apis: Apis, allowed: AllowedHosts, fault: Fault) -> None:
    """Both if the host sends nothing, and if it never stops."""
    apis.faults["/there"] = [fault]
    start = time.monotonic()
    assert code_of(look, hosts=allowed, url=f"{apis.url}/there", seconds=0.5) in ("timeout", "unreachable")
    assert time.monotonic() - start < 10


def test_an_answer_that_is_not_json(apis: Apis, allowed: AllowedHosts) -> None:
    """An HTML page is an error."""
    apis.faults["/there"] = [Fault(body=b"<!doctype html>")]
    assert code_of(look, hosts=allowed, url=f"{apis.url}/there") == "not_json"


# --- retries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_transient_failure_is_retried(apis: Apis, allowed: AllowedHosts, status: int) -> None:
    """With a pause before each attempt."""
    apis.faults["/there"] = [Fault(status)] * (ATTEMPTS - 1)
    start = time.monotonic()
    assert call(look, hosts=allowed, url=f"{apis.url}/there") == {"there": True}
    assert len(apis.seen) == ATTEMPTS
    assert time.monotonic() - start > 0.2


def test_a_transient_failure_that_lasts(apis: Apis, allowed: AllowedHosts) -> None:
    """After the last attempt, the error has the status and the host's message."""
    apis.faults["/there"] = [Fault(503, json.dumps({"reason": "Down for\n maintenance."}).encode())] * ATTEMPTS
    with pytest.raises(ToolError, match=r"answered 503: Down for maintenance\.$") as failure:
        call(look, hosts=allowed, url=f"{apis.url}/there")
    assert failure.value.code == "http_503"
    assert len(apis.seen) == ATTEMPTS


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_permanent_failure_is_not_retried(apis: Apis, allowed: AllowedHosts, status: int) -> None:
    """Another attempt would fail too."""
    apis.faults["/there"] = [Fault(status, b"{}")]
    assert code_of(look, hosts=allowed, url=f"{apis.url}/there") == f"http_{status}"
    assert len(apis.seen) == 1


def test_retry_after(apis: Apis, allowed: AllowedHosts) -> None:
    """A short wait is respected; a long one fails the call at once; a date that has passed is no wait."""
    for after in ("3600", "Wed, 21 Oct 2099 07:28:00 GMT"):
        apis.faults["/there"] = [Fault(429, headers={"Retry-After": after})]
        assert code_of(look, hosts=allowed, url=f"{apis.url}/there") == "http_429"
    apis.faults["/there"] = [Fault(429, headers={"Retry-After": "1"})]
    start = time.monotonic()
    assert call(look, hosts=allowed, url=f"{apis.url}/there") == {"there": True}
    assert time.monotonic() - start >= 1
    apis.faults["/there"] = [Fault(503, headers={"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"})]
    assert call(look, hosts=allowed, url=f"{apis.url}/there") == {"there": True}


def test_a_post_is_not_retried(apis: Apis, allowed: AllowedHosts) -> None:
    """A POST that fails may have had its effect."""
    apis.faults["/there"] = [Fault(503)]
    assert code_of(send, hosts=allowed, url=f"{apis.url}/there") == "http_503"
    assert [(method, json.loads(body)) for method, _, _, body in apis.seen] == [("POST", {"note": "hello"})]


def test_a_closed_port() -> None:
    """The host is unreachable, after all attempts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    here = frozenset({f"127.0.0.1:{port}"})
    assert code_of(look, hosts=AllowedHosts(here, here), url=f"http://127.0.0.1:{port}/") == "unreachable"


def test_proxies_of_the_environment_are_not_used(
    apis: Apis, allowed: AllowedHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes to the address that was checked."""
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert call(look, hosts=allowed, url=f"{apis.url}/there") == {"there": True}


def test_the_certificate_must_be_for_the_name(certificate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to an address, but the certificate is checked against the host's name."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_verify_locations(certificate.authority)
    monkeypatch.setattr(hosts, "tls_context", lambda: context)
    original = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: original("127.0.0.1", *a, **k))
    with Apis(routes={"/there": lambda *_: (200, {}, {})}) as secure:
        secure.serve_tls(certificate)
        for host, expected in (("localhost", None), ("bank.example", "unreachable")):
            there = frozenset({f"{host}:{secure.server_port}"})
            url = f"https://{host}:{secure.server_port}/there"
            options: dict[str, Any] = {"hosts": AllowedHosts(there, there), "url": url, "seconds": 1.0}
            assert (code_of(look, **options) if expected else call(look, **options)) == (expected or {})
