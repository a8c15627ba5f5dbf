"""The client that operations and tools share: allowed hosts, addresses, redirects."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from operations import hosts
from operations.hosts import AllowedHosts, HostError, Request, answer_to, body_of, is_public
from tests.apps.apis import Apis, Fault
from tests.apps.proxy import BLACK_HOLE, Certificates, Proxy, black_hole, forget_proxies, resolve

REDIRECTS = 3


@pytest.fixture
def apis() -> Iterator[Apis]:
    """A server to call."""
    with Apis(routes={"/there": lambda *_: (200, {}, {"there": True})}) as server:
        yield server


def get(url: str, seconds: float = 20.0, max_bytes: int = 1000) -> bytes:
    """The body of a GET of `url`, whose host is allowed with any address."""
    parsed = httpx.URL(url)
    here = hosts.host_names(parsed)
    deadline = time.monotonic() + seconds
    with answer_to(Request("GET", parsed, {}), AllowedHosts(here, here), REDIRECTS, deadline) as response:
        return b"".join(body_of(response, max_bytes, deadline))


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("http://Example.org/", {"example.org"}),
        ("https://example.org/", {"example.org:443"}),
        ("http://example.org:8080/", {"example.org:8080"}),
        ("http://example.org/", {"example.org:80"}),
        ("http://EXAMPLE.org:80/", {"example.org"}),
        ("http://[2001:db8::1]:8080/", {"[2001:db8::1]:8080"}),
    ],
)
def test_hosts_on_the_list_are_allowed(url: str, hosts: set[str]) -> None:
    """The case does not matter, and the default port is optional."""
    AllowedHosts(frozenset(hosts)).check(httpx.URL(url))


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
        ("::ffff:93.184.216.34", False),
        ("::ffff:0:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("2002:5db8:d822::1", False),
        ("2001:0:5db8:d822::1", False),
        ("64:ff9b::93.184.216.34", False),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b:1::10.0.0.1", False),
        ("64:ff9b:1:ffff:ffff:ffff:a9fe:a9fe", False),
        ("::127.0.0.1", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    """Those that are global in the registries, and have no IPv4 address inside, which a gateway would call."""
    assert is_public(address) is public


def test_a_redirect_away_from_https(apis: Apis, certificate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not followed, even to a host that is allowed: what is read could be changed on the way."""
    context: ssl.SSLContext = httpx.create_ssl_context(trust_env=False)
    context.load_verify_locations(certificate.authority)
    monkeypatch.setattr(hosts, "tls_context", lambda: context)
    with Apis() as secure:
        secure.serve_tls(certificate)
        secure.faults["/old"] = [Fault(302, headers={"Location": f"{apis.url}/there"})]
        request = Request("GET", httpx.URL(f"https://127.0.0.1:{secure.server_port}/old"), {})
        both = frozenset({f"127.0.0.1:{server.server_port}" for server in (apis, secure)})
        with pytest.raises(HostError, match="away from https") as failure:
            answer_to(request, AllowedHosts(both, both), REDIRECTS, time.monotonic() + 20).__enter__()
    assert failure.value.code == "redirected"
    assert apis.seen == []


def test_the_body_of_a_redirect_is_not_read(apis: Apis) -> None:
    """Its size does not matter then."""
    apis.faults["/old"] = [Fault(302, b" " * 5000, {"Location": "/there"})]
    assert get(f"{apis.url}/old") == b'{"there": true}'


def test_an_address_that_accepts_and_is_silent(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request may have had its effect there: the error says so, and no other address gets it."""
    apis.faults["/there"] = [Fault(delay=30)]
    addresses = ("127.0.0.1", "127.0.0.9")
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
    original = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: entries if host == "shop.example" else original(host, *a, **k)
    )
    with pytest.raises(HostError, match=r"shop\.example:\d+ took too long") as failure:
        get(f"http://shop.example:{apis.server_port}/there", seconds=0.3)
    assert (failure.value.code, failure.value.transient) == ("unreachable", True)
    assert apis.paths == ["/there"]


# --- the network -----------------------------------------------------------------------------------------------------


def test_an_address_that_swallows_packets(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is tried beside it, before the time for connecting is over."""
    resolve(monkeypatch, BLACK_HOLE, "127.0.0.1")
    with black_hole(apis.server_port):
        assert get(f"http://shop.test:{apis.server_port}/there") == b'{"there": true}'


def test_the_proxy_of_the_settings(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the name, and which addresses may be called is its rule; the list of hosts holds all the same."""
    with Proxy(apis.server_port) as proxy:
        monkeypatch.setenv("HEADWAY_FETCH_PROXY", proxy.url)
        assert get("http://shop.test/there") == b'{"there": true}'
        with pytest.raises(HostError) as failure:
            AllowedHosts(frozenset({"shop.test"})).check(httpx.URL("http://other.test/"))
    assert proxy.asked == ["GET http://shop.test/there HTTP/1.1"]
    assert failure.value.code == "host_not_allowed"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """The document of a 407 is the proxy's, not the host's."""
    with Proxy(0, b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("HEADWAY_FETCH_PROXY", proxy.url)
        with pytest.raises(HostError, match="proxy") as failure:
            get(f"{scheme}://shop.test/there")
    assert (failure.value.code, failure.value.transient) == ("unreachable", False)


@pytest.mark.parametrize("kind", [kind for kind in Certificates.KINDS if kind != "good"])
def test_a_certificate_that_is_not_trusted(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another try does not help; the error says why."""
    certificates = Certificates(tmp_path)
    forget_proxies(monkeypatch)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    monkeypatch.setattr(hosts, "tls_context", hosts.tls_context.__wrapped__)
    resolve(monkeypatch, "127.0.0.1")
    with Apis() as secure:
        secure.serve_tls(certificates.of(kind))
        with pytest.raises(HostError, match=f"The certificate of the host .* {kind}") as failure:
            get(f"https://shop.test:{secure.server_port}/there")
    assert (failure.value.code, failure.value.transient) == ("unreachable", False)
