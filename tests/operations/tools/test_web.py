"""What tools may reach, and for how long and how much: hosts, addresses, redirects, sizes, times, and further tries."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from operations.tools import ToolError, request, tool
from operations.tools.web import ATTEMPTS, MAX_BYTES, Reach, is_public
from tests.apps.agent_calls import call, code_of, look
from tests.apps.apis import Apis, Fault


@tool
def send(url: str, method: str = "POST", token: str | None = None) -> Any:
    """Sends something."""
    headers = {"Authorization": token} if token else None
    return request(method, url, body={"note": "hello"}, headers=headers).status


@pytest.fixture
def apis() -> Iterator[Apis]:
    """A server to ask."""
    with Apis(routes={"/there": lambda *_: (200, {}, {"there": True})}) as server:
        yield server


@pytest.fixture
def reach(apis: Apis) -> Reach:
    """Leave to ask it, although its address is not public."""
    here = frozenset({f"127.0.0.1:{apis.server_port}"})
    return Reach(here, here)


def redirect(place: str, status: int = 302) -> Fault:
    """An answer that leads elsewhere."""
    return Fault(status, headers={"Location": place})


# --- where to --------------------------------------------------------------------------------------------------------


def test_an_allowed_host_is_asked(apis: Apis, reach: Reach) -> None:
    """It is told who asks and what for, and nothing else."""
    assert call(look, reach=reach, url=f"{apis.url}/there?a=b") == {"there": True}
    [(method, path, headers, body)] = apis.seen
    assert (method, path, body) == ("GET", "/there?a=b", b"")
    assert headers["Host"] == f"127.0.0.1:{apis.server_port}"
    assert headers["User-Agent"].startswith("headway httpx/")
    assert "Cookie" not in headers
    assert "Authorization" not in headers


def test_hosts_may_be_told_whom_to_write_to(apis: Apis, reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    """`HEADWAY_AGENT_CONTACT` stands in the `User-Agent`."""
    monkeypatch.setenv("HEADWAY_AGENT_CONTACT", "ops@example.org")
    call(look, reach=reach, url=f"{apis.url}/there")
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
def test_other_hosts_are_not(url: str, hosts: set[str]) -> None:
    """The list names the host, with its port unless that is the scheme's own; nothing is resolved or connected."""
    assert code_of(look, reach=Reach(frozenset(hosts)), url=url) == "host_not_allowed"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("http://Example.org/", {"example.org"}),
        ("https://example.org/", {"example.org:443"}),
        ("http://example.org:8080/", {"example.org:8080"}),
        ("http://example.org/", {"example.org:80"}),
        ("http://[2001:db8::1]:8080/", {"[2001:db8::1]:8080"}),
    ],
)
def test_hosts_on_the_list_are_allowed(url: str, hosts: set[str]) -> None:
    """By their names in lower case, with the port of their scheme or without."""
    Reach(frozenset(hosts)).check(httpx.URL(url))


@pytest.mark.parametrize("url", ["http://[::1", "http://exa mple.org:port/", "http://\x00/"])
def test_what_is_no_url_is_told(url: str) -> None:
    """It is a failure of the arguments."""
    assert code_of(look, reach=Reach(frozenset()), url=url) in ("invalid_arguments", "host_not_allowed")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0"])
def test_an_allowed_host_with_a_private_address_is_not_asked(apis: Apis, host: str) -> None:
    """The address is looked at, whatever the name is."""
    reach = Reach(frozenset({f"{host}:{apis.server_port}"}))
    assert code_of(look, reach=reach, url=f"http://{host}:{apis.server_port}/there") == "private_address"
    assert apis.seen == []


def test_a_name_is_resolved_once(apis: Apis, reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to the address that was looked at: a name that changes in between wins nothing."""
    answers = [["93.184.216.34", "10.0.0.1"], ["10.0.0.1"]]
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    # One address of several that is private is enough.
    assert code_of(look, reach=Reach(frozenset({"example.org"})), url="http://example.org/") == "private_address"
    assert asked == ["example.org"]


def test_a_name_is_connected_to_by_its_address(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host is told the name that was asked for; an address that does not answer gives way to the next."""
    there = f"shop.example:{apis.server_port}"
    closed = "127.0.0.9"
    resolved = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in (closed, "127.0.0.1")]
    original = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: resolved if host == "shop.example" else original(host, *a, **k)
    )
    reach = Reach(frozenset({there}), frozenset({there}))
    assert call(look, reach=reach, url=f"http://{there}/there") == {"there": True}
    assert apis.seen[0][2]["Host"] == there


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    """Those that the registries give to the internet at large, also where one hides in another."""
    assert is_public(address) is public


def test_a_host_that_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is unreachable, and named."""

    def nothing(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "internal resolver text")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(ToolError, match=r"nowhere\.example") as failed:
        call(look, reach=Reach(frozenset({"nowhere.example"})), url="http://nowhere.example/", seconds=0.3)
    assert failed.value.code == "unreachable"
    assert "internal" not in failed.value.message


# --- redirects -------------------------------------------------------------------------------------------------------


def test_a_redirect_is_followed(apis: Apis, reach: Reach) -> None:
    """A relative one too."""
    apis.faults["/old"] = [redirect("/new")]
    apis.faults["/new"] = [redirect("there", 307)]
    assert call(look, reach=reach, url=f"{apis.url}/old") == {"there": True}


@pytest.mark.parametrize(
    "place",
    ["http://example.org/", "http://localhost:{port}/there", "http://127.0.0.1/", "//evil.test/", "file:///etc/passwd"],
)
def test_a_redirect_leads_to_no_other_host(apis: Apis, reach: Reach, place: str) -> None:
    """Each hop is held against the list."""
    apis.faults["/old"] = [redirect(place.format(port=apis.server_port))]
    assert code_of(look, reach=reach, url=f"{apis.url}/old") == "host_not_allowed"
    assert apis.paths == ["/old"]


def test_a_redirect_leads_to_no_private_address(apis: Apis, reach: Reach) -> None:
    """A host that is allowed, but not with such an address, is not asked either."""
    wider = Reach(reach.hosts | {f"localhost:{apis.server_port}"}, reach.private)
    apis.faults["/old"] = [redirect(f"http://localhost:{apis.server_port}/there")]
    assert code_of(look, reach=wider, url=f"{apis.url}/old") == "private_address"
    assert apis.paths == ["/old"]


def test_redirects_that_do_not_end(apis: Apis, reach: Reach) -> None:
    """Are followed a few times only."""
    apis.faults["/old"] = [redirect("/old") for _ in range(50)]
    assert code_of(look, reach=reach, url=f"{apis.url}/old") == "redirected"
    assert len(apis.seen) < 10


def test_what_was_meant_for_one_host_is_not_told_another(apis: Apis, reach: Reach) -> None:
    """A header that the tool added goes no further than the host it was added for."""
    with Apis(routes={"/there": lambda *_: (200, {}, {})}) as other:
        both = frozenset({f"127.0.0.1:{server.server_port}" for server in (apis, other)})
        apis.faults["/old"] = [redirect(f"{other.url}/there")]
        assert call(send, reach=Reach(both, both), url=f"{apis.url}/old", method="GET", token="secret") == 200
        assert apis.seen[0][2]["Authorization"] == "secret"
        assert "Authorization" not in other.seen[0][2]


def test_only_safe_methods_are_redirected(apis: Apis, reach: Reach) -> None:
    """A POST is not sent anywhere else."""
    apis.faults["/old"] = [redirect("/there")]
    assert code_of(send, reach=reach, url=f"{apis.url}/old") == "redirected"
    assert apis.paths == ["/old"]


# --- how much, how long ----------------------------------------------------------------------------------------------


def test_an_answer_is_read_up_to_a_bound(apis: Apis, reach: Reach) -> None:
    """And no further, whether it tells its length or not."""
    apis.faults["/there"] = [Fault(body=b" " * (MAX_BYTES + 1))]
    assert code_of(look, reach=reach, url=f"{apis.url}/there") == "too_large"


def test_an_answer_that_is_packed_is_not_unpacked(apis: Apis, reach: Reach) -> None:
    """Nobody asked for that, and a few bytes may become any number."""
    apis.faults["/there"] = [Fault(body=gzip.compress(b"[" * 10**6), headers={"Content-Encoding": "gzip"})]
    assert code_of(look, reach=reach, url=f"{apis.url}/there") == "not_json"


@pytest.mark.parametrize("fault", [Fault(delay=30), Fault(trickle=True)], ids=["silent", "a byte at a time"])
def test_a_call_ends_at_its_deadline(apis: Apis, reach: Reach, fault: Fault) -> None:
    """Whether the host says nothing or never stops."""
    apis.faults["/there"] = [fault]
    begun = time.monotonic()
    assert code_of(look, reach=reach, url=f"{apis.url}/there", seconds=0.5) in ("timeout", "unreachable")
    assert time.monotonic() - begun < 10


def test_what_is_no_json_is_told(apis: Apis, reach: Reach) -> None:
    """A page of HTML is not handed on."""
    apis.faults["/there"] = [Fault(body=b"<!doctype html>")]
    assert code_of(look, reach=reach, url=f"{apis.url}/there") == "not_json"


# --- once more -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_failure_that_may_pass_is_tried_again(apis: Apis, reach: Reach, status: int) -> None:
    """Until it has passed, with a pause before each further try."""
    apis.faults["/there"] = [Fault(status)] * (ATTEMPTS - 1)
    begun = time.monotonic()
    assert call(look, reach=reach, url=f"{apis.url}/there") == {"there": True}
    assert len(apis.seen) == ATTEMPTS
    assert time.monotonic() - begun > 0.2


def test_a_failure_that_does_not_pass_is_told(apis: Apis, reach: Reach) -> None:
    """After the last try, with the status and what the host says of it."""
    apis.faults["/there"] = [Fault(503, json.dumps({"reason": "Down for\n maintenance."}).encode())] * ATTEMPTS
    with pytest.raises(ToolError, match=r"answered 503: Down for maintenance\.$") as failed:
        call(look, reach=reach, url=f"{apis.url}/there")
    assert failed.value.code == "http_503"
    assert len(apis.seen) == ATTEMPTS


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_failure_that_is_final_is_not_tried_again(apis: Apis, reach: Reach, status: int) -> None:
    """The same request would meet it again."""
    apis.faults["/there"] = [Fault(status, b"{}")]
    assert code_of(look, reach=reach, url=f"{apis.url}/there") == f"http_{status}"
    assert len(apis.seen) == 1


def test_a_host_that_wants_to_be_left_alone_for_long_is(apis: Apis, reach: Reach) -> None:
    """A `Retry-After` beyond what a call can wait ends it; a short one is waited for."""
    for after in ("3600", "Wed, 21 Oct 2099 07:28:00 GMT"):
        apis.faults["/there"] = [Fault(429, headers={"Retry-After": after})]
        assert code_of(look, reach=reach, url=f"{apis.url}/there") == "http_429"
    apis.faults["/there"] = [Fault(429, headers={"Retry-After": "1"})]
    begun = time.monotonic()
    assert call(look, reach=reach, url=f"{apis.url}/there") == {"there": True}
    assert time.monotonic() - begun >= 1


def test_what_changes_something_is_done_once(apis: Apis, reach: Reach) -> None:
    """A POST that failed may have been heard."""
    apis.faults["/there"] = [Fault(503)]
    assert code_of(send, reach=reach, url=f"{apis.url}/there") == "http_503"
    assert [(method, json.loads(body)) for method, _, _, body in apis.seen] == [("POST", {"note": "hello"})]


def test_nobody_listens() -> None:
    """A port that is closed is unreachable, after the tries that it is worth."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    here = frozenset({f"127.0.0.1:{port}"})
    assert code_of(look, reach=Reach(here, here), url=f"http://127.0.0.1:{port}/") == "unreachable"


def test_a_proxy_of_the_environment_is_left_alone(apis: Apis, reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is reached is what was checked."""
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert call(look, reach=reach, url=f"{apis.url}/there") == {"there": True}


def test_a_certificate_has_to_be_of_the_name(certificate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to an address, and still only a certificate of the host's name will do."""
    from operations.tools import web

    context = httpx.create_ssl_context(trust_env=False)
    context.load_verify_locations(certificate.authority)
    monkeypatch.setattr(web, "tls_context", lambda: context)
    original = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: original("127.0.0.1", *a, **k))
    with Apis(routes={"/there": lambda *_: (200, {}, {})}) as secure:
        secure.serve_tls(certificate)
        for host, expected in (("localhost", None), ("bank.example", "unreachable")):
            there = frozenset({f"{host}:{secure.server_port}"})
            url = f"https://{host}:{secure.server_port}/there"
            said: dict[str, Any] = {"reach": Reach(there, there), "url": url, "seconds": 1.0}
            assert (code_of(look, **said) if expected else call(look, **said)) == (expected or {})
