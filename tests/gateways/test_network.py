"""Gateways and relays in a network as it is: addresses that do not answer, proxies, private authorities."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from streaming import Headway, relay
from tests.apps.gateway_upstream import Upstream
from tests.apps.proxy import BLACK_HOLE, Certificates, Proxy, black_hole, forget_proxies, resolve
from tests.gateways.test_gateway import GatewayRun
from tests.worlds import World, entered


@pytest.fixture
def world() -> Iterator[World]:
    """One world: the other differs in nothing that is tested here."""
    with entered("own hub") as world:
        yield world


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_proxies(monkeypatch)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A service with one stream."""
    with Upstream() as upstream:
        upstream.will(lambda call: call.stream(b"data: ok\n\n"))
        yield upstream


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Good and bad ones."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


def failure_of(world: World, url: str, **options: Any) -> dict[str, Any]:
    """The error of a run."""
    with GatewayRun(world, url, **options) as run:
        assert run.ending() == ("failed", "upstream_failed")
        error: dict[str, Any] = run.messages()[-2].json
        return error


def test_an_address_that_does_not_answer(world: World, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not eat the time for connecting, as of an IPv6 address in a network without IPv6."""
    resolve(monkeypatch, BLACK_HOLE, "127.0.0.1")
    with (
        black_hole(upstream.port),
        GatewayRun(world, f"http://shop.test:{upstream.port}/operations/work", connect=5) as run,
    ):
        assert run.events() == [("message", "ok")]


def test_a_relay_by_another_address_and_a_proxy(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the connections of gateways."""
    app = Flask(__name__)
    Headway(app)
    app.post("/")(lambda: relay(f"http://shop.test:{upstream.port}/operations/work", connect=5))
    with monkeypatch.context() as patched, black_hole(upstream.port):
        resolve(patched, BLACK_HOLE, "127.0.0.1")
        assert b"data: ok" in app.test_client().post("/").data
    with Proxy(upstream.port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert b"data: ok" in app.test_client().post("/").data
    assert len(proxy.asked) == 1


@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy(world: World, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, *, secure: bool) -> None:
    """It gets the name, which is not resolved here, and the user and password of its URL; TLS goes through it."""
    with (
        Upstream(certificates.of("good") if secure else None) as upstream,
        Proxy(upstream.port) as proxy,
    ):
        upstream.will(lambda call: call.stream(b"data: ok\n\n"))
        monkeypatch.setenv("HTTPS_PROXY" if secure else "HTTP_PROXY", f"http://user:p%40ss@{proxy.address}")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
        with GatewayRun(world, f"{'https' if secure else 'http'}://shop.test/operations/work") as run:
            assert run.events() == [("message", "ok")]
        assert upstream.calls[0].headers["host"] == "shop.test"
        assert "proxy-authorization" not in upstream.calls[0].headers or not secure
    first_line = "CONNECT shop.test:443 HTTP/1.1" if secure else "POST http://shop.test/operations/work HTTP/1.1"
    assert proxy.asked == [first_line]
    assert proxy.authorizations == ["basic dxnlcjpwqhnz"]


def test_no_proxy(world: World, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that `NO_PROXY` lists is connected to directly."""
    resolve(monkeypatch, "127.0.0.1")
    with Proxy(upstream.port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "shop.test")
        with GatewayRun(world, f"http://shop.test:{upstream.port}/operations/work") as run:
            assert run.events() == [("message", "ok")]
    assert proxy.asked == []


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("status", "expected", "retryable"),
    [
        (b"407 Proxy Authentication Required", "The proxy refuses the user and the password that it got (407).", False),
        (b"503 Service Unavailable", "The proxy did not connect to the upstream.", True),
        (b"403 Forbidden", "The proxy did not connect to the upstream.", False),
    ],
)
def test_a_proxy_that_refuses(
    world: World, monkeypatch: pytest.MonkeyPatch, scheme: str, status: bytes, expected: str, *, retryable: bool
) -> None:
    """Another try helps only against some of its errors. What it answers in the upstream's place counts as its."""
    with Proxy(0, b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        error = failure_of(world, f"{scheme}://shop.test/work")
    assert error["retryable"] is retryable
    if scheme == "https" or status.startswith(b"407"):
        assert error["message"] == expected


@pytest.mark.parametrize(
    ("proxy", "expected", "retryable"),
    [
        ("http://127.0.0.1:9", "The proxy cannot be reached.", True),
        ("http://nowhere.invalid:3128", "The name of the proxy cannot be resolved.", True),
        ("https://127.0.0.1:9", "A proxy that is spoken to by TLS is not supported.", False),
        ("socks5://127.0.0.1:9", "A SOCKS proxy needs a package: pip install socksio.", False),
        ("ftp://127.0.0.1:9", "The environment names a proxy that cannot be used.", False),
    ],
)
def test_a_proxy_that_is_not_there(
    world: World, monkeypatch: pytest.MonkeyPatch, proxy: str, expected: str, *, retryable: bool
) -> None:
    """The error says that it is the proxy."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setattr("streaming.gateways.pool.find_spec", lambda name: None)
    error = failure_of(world, "https://shop.test/work")
    assert (error["message"], error["retryable"]) == (expected, retryable)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_authorities_of_the_environment(
    world: World, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    """A private authority, as a file or as a folder with names of hashes."""
    (tmp_path / "a.pem").write_bytes(certificates.authority.read_bytes())
    if variable == "SSL_CERT_DIR":
        subprocess.run(["openssl", "rehash", str(tmp_path)], check=True)
    monkeypatch.setenv(variable, str(tmp_path if variable == "SSL_CERT_DIR" else certificates.authority))
    resolve(monkeypatch, "127.0.0.1")
    with Upstream(certificates.of("good")) as upstream:
        upstream.will(lambda call: call.stream(b"data: ok\n\n"))
        with GatewayRun(world, f"https://shop.test:{upstream.port}/operations/work") as run:
            assert run.events() == [("message", "ok")]


@pytest.mark.parametrize("kind", [kind for kind in Certificates.KINDS if kind != "good"])
def test_a_certificate_that_is_not_trusted(
    world: World, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The error says why, and no other try helps."""
    resolve(monkeypatch, "127.0.0.1")
    with Upstream(certificates.of(kind)) as upstream:
        url = f"https://shop.test:{upstream.port}/operations/work"
        error = failure_of(world, url, ca=str(certificates.authority))
    assert (error["message"], error["retryable"]) == (f"The upstream's certificate {kind}.", False)


def refuse_in_plain_text(listener: socket.socket) -> None:
    """Answers as a web server does on another port than that for TLS."""
    with listener.accept()[0] as client:
        client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        client.recv(65536)


def test_an_upstream_without_tls(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not retryable either; nor are authorities that cannot be read."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse_in_plain_text, args=(listener,)).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/work"
        error = failure_of(world, url)
    assert (error["message"], error["retryable"]) == ("The upstream does not speak TLS.", False)
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/authorities.pem")
    error = failure_of(world, url)
    assert (error["message"], error["retryable"]) == ("The authorities for certificates cannot be read.", False)
