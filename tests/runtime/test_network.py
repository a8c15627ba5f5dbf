"""Connections to names with several addresses, the proxies of the environment, and what is wrong with certificates."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Iterator
from typing import Any

import gevent.selectors
import gevent.socket
import pytest

from streaming import open_connection, proxy_for
from tests.apps.proxy import BLACK_HOLE, black_hole, forget_proxies, resolve
from tests.clients import PATIENCE

KITS: dict[str, dict[str, Any]] = {
    "plain": {},
    "gevent": {"sockets": gevent.socket, "selector": gevent.selectors.DefaultSelector},
}


@pytest.fixture(params=KITS)
def kit(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The sockets of the standard library, and gevent's."""
    return KITS[request.param]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_an_address_that_swallows_packets(
    kit: dict[str, Any], listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is tried 250 ms later, and wins; nothing else is left open."""
    port = listener.getsockname()[1]
    resolve(monkeypatch, BLACK_HOLE, "127.0.0.1")
    with black_hole(port):
        start = time.monotonic()
        with open_connection("shop.test", port, PATIENCE, **kit) as connected:
            assert connected.getpeername() == ("127.0.0.1", port)
        assert 0.2 < time.monotonic() - start < PATIENCE / 2


def test_a_slow_address_still_wins_over_one_that_fails(
    kit: dict[str, Any], listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is followed by the next address at once, and by the error of the last one where all refuse."""
    port = listener.getsockname()[1]
    resolve(monkeypatch, "127.0.0.8", "::1", "127.0.0.1")
    monkeypatch.setattr("streaming.runtime.network.ATTEMPT_DELAY", PATIENCE)
    with open_connection("shop.test", port, 2 * PATIENCE, **kit) as connected:
        assert connected.getpeername() == ("127.0.0.1", port)
    resolve(monkeypatch, "127.0.0.8", "127.0.0.7", name="closed.test")
    with pytest.raises(ConnectionRefusedError):
        open_connection("closed.test", port, PATIENCE, **kit)


def test_addresses_that_all_swallow_packets(kit: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The timeout is for all of them together."""
    resolve(monkeypatch, BLACK_HOLE)
    with black_hole() as port, pytest.raises(TimeoutError):
        open_connection("shop.test", port, 0.3, **kit)


def test_families_take_turns(kit: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A network without IPv6 must not wait for each of a name's IPv6 addresses (RFC 8305, section 4)."""
    tried: list[str] = []

    def refuse(self: Any, address: Any) -> int:
        tried.append(address[0])
        return errno.ECONNREFUSED

    module = kit.get("sockets", socket)
    monkeypatch.setattr(module, "socket", type("Refusing", (module.socket,), {"connect_ex": refuse}))
    resolve(monkeypatch, "2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2")
    with pytest.raises(ConnectionRefusedError):
        open_connection("shop.test", 80, PATIENCE, **kit)
    assert tried == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"]


def test_a_check_goes_before_every_packet(kit: dict[str, Any], listener: socket.socket) -> None:
    """It sees the addresses, and may refuse them."""

    def refuse(addresses: Any) -> None:
        raise PermissionError(*addresses)

    with pytest.raises(PermissionError, match=r"127\.0\.0\.1"):
        open_connection("127.0.0.1", listener.getsockname()[1], PATIENCE, check=refuse, **kit)
    listener.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        assert not listener.accept()


CORPORATE = {
    "HTTPS_PROXY": "http://proxy.test:3128",
    "HTTP_PROXY": "plain.test:80",
    "NO_PROXY": ".corp.test,10.0.0.0/8",
}


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        (CORPORATE, "https://api.example.org/v1", "http://proxy.test:3128"),
        (CORPORATE, "http://api.example.org/v1", "http://plain.test:80"),
        (CORPORATE, "https://models.corp.test/v1", None),
        (CORPORATE, "https://10.1.2.3:8443/v1", None),
        (CORPORATE, "https://11.1.2.3/v1", "http://proxy.test:3128"),
        (CORPORATE, "http://127.0.0.1:11434/v1", None),
        (CORPORATE, "http://localhost:11434/v1", None),
        (CORPORATE, "http://[::1]:11434/v1", None),
        ({"all_proxy": "http://a.test"}, "https://api.example.org", "http://a.test"),
        ({"ALL_PROXY": "http://a.test", "NO_PROXY": "*"}, "https://api.example.org", None),
        ({"ALL_PROXY": "http://a.test", "NO_PROXY": "x.test:8443"}, "https://x.test:8443", None),
        ({"ALL_PROXY": "http://a.test", "NO_PROXY": "x.test:8443"}, "https://x.test", "http://a.test"),
        ({"HTTPS_PROXY": ""}, "https://api.example.org", None),
        ({}, "https://api.example.org", None),
    ],
)
def test_proxies_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, expected: str | None
) -> None:
    """As curl has them, but this machine's own addresses always go direct."""
    forget_proxies(monkeypatch)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == expected
