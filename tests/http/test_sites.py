"""Which hosts are served, which pages may change something, and how proxies are believed: values in, verdicts out."""

from __future__ import annotations

import pytest

from streaming.http.forwarded import client_address, forwarded_prefix, requested_host
from streaming.http.gate import is_loopback
from streaming.http.sites import LOOPBACK, is_same_host, is_served, may_change

MANY = ",".join(f"10.0.0.{number}" for number in range(1, 9))


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1", "127.0.0.1:80", "127.255.1.2:1", "[::1]", "[::1]:8000"],
)
def test_loopback_names(host: str) -> None:
    """The machine's names for itself, with or without a port."""
    assert is_served(host, LOOPBACK)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.evil.example",
        "128.0.0.1",
        "0.0.0.0",
        "[::]",
        "[::2]:80",
        "192.168.1.2",
        "localhost@evil.example",
        "localhost,evil.example",
        "localhost:80:80",
        "localhost:",
        "localhost:abc",
        "local host",
        "[::1",
        "::1",
        "127.1",
        "2130706433",
    ],
)
def test_names_that_are_not_loopback(host: str) -> None:
    """Anything else is not, however it begins or ends, and neither is a text that is no host."""
    assert not is_served(host, LOOPBACK)


@pytest.mark.parametrize(
    ("entries", "served", "refused"),
    [
        (["app.example.org"], ["app.example.org", "APP.example.org.:443"], ["example.org", "x.app.example.org"]),
        ([".example.org"], ["example.org", "a.b.example.org"], ["badexample.org", "example.org.evil.example"]),
        (["app.example.org:8443"], ["app.example.org:8443"], ["app.example.org", "app.example.org:443"]),
        (["10.0.0.0/8", "fd00::/8"], ["10.1.2.3:80", "[fd00::1]"], ["11.0.0.1", "[fe80::1]", "ten.example"]),
        (["a.example", "[::1]"], ["a.example", "[::1]:8000"], ["b.example"]),
        (["*"], ["anything.example"], ["a b"]),
    ],
)
def test_entries(entries: list[str], served: list[str], refused: list[str]) -> None:
    """An entry is a name, a name with all below it, a name with a port, an address, a network, or any."""
    assert [host for host in served if not is_served(host, entries)] == []
    assert [host for host in refused if is_served(host, entries)] == []


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://a.example", "a.example"),
        ("http://a.example", "a.example"),
        ("https://a.example", "A.example."),
        ("https://a.example", "a.example:443"),
        ("http://a.example", "a.example:80"),
        ("http://a.example:8000", "a.example:8000"),
        ("https://a.example:8000", "a.example:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_an_origin_of_the_same_host(origin: str, host: str) -> None:
    """Host and port are those of `Host`, and the scheme is ignored: TLS may end in a proxy."""
    assert is_same_host(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", "a.example"),
        ("", "a.example"),
        ("https://b.example", "a.example"),
        ("https://a.example.evil.example", "a.example"),
        ("https://a.example@evil.example", "a.example"),
        ("http://a.example:8000", "a.example:8001"),
        ("http://a.example", "a.example:8000"),
        ("http://a.example:8000", "a.example"),
        ("https://a.example:99999999", "a.example"),
        ("https://[::1", "[::1]"),
        ("https://a.example, https://a.example", "a.example"),
        ("file://a.example", "a.example"),
        ("chrome-extension://a.example", "a.example"),
        ("https://a.example", ""),
    ],
)
def test_a_foreign_origin(origin: str, host: str) -> None:
    """Any other host or port is foreign, and what is no origin of a page is too."""
    assert not is_same_host(origin, host)


@pytest.mark.parametrize(
    ("site", "origin", "allowed", "verdict"),
    [
        (None, None, (), True),  # curl, and servers
        ("same-origin", None, (), True),
        ("none", None, (), True),
        ("same-origin", "https://evil.example", (), True),  # it decides: a proxy may have changed the host
        ("same-site", "https://b.a.example", (), False),
        ("cross-site", "https://a.example", (), False),
        ("cross-site", None, ("*",), False),
        ("anything", None, (), False),
        ("", None, (), False),
        ("same-site", "https://b.a.example", ("https://b.a.example",), True),
        ("cross-site", "https://b.example", ("https://b.example",), True),
        ("cross-site", "https://c.example", ("https://b.example",), False),
        ("cross-site", "https://c.example", ("*",), True),
        (None, "https://a.example", (), True),
        (None, "https://b.example", (), False),
        (None, "https://b.example", ("https://b.example",), True),
        (None, "null", (), False),
    ],
)
def test_who_may_change(site: str | None, origin: str | None, allowed: tuple[str, ...], verdict: bool) -> None:
    """`Sec-Fetch-Site` decides where it is present, else `Origin`; an allowed origin may in any case."""
    assert may_change("a.example", site, origin, allowed) is verdict


def for_(value: str, peer: str = "192.0.2.9") -> dict[str, str]:
    """An environ with this `X-Forwarded-For`."""
    return {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": value}


@pytest.mark.parametrize(
    ("value", "proxies", "address"),
    [
        ("203.0.113.7", 0, "192.0.2.9"),
        ("203.0.113.7", 1, "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7", 1, "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7 , 10.0.0.1", 2, "203.0.113.7"),
        ("203.0.113.7", 2, "192.0.2.9"),
        (MANY, 8, "10.0.0.1"),
        (" 203.0.113.7:4711 ", 1, "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", 1, "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:443", 1, "2001:db8:1:2::/64"),
        ('"[2001:db8:1:2::9]"', 1, "2001:db8:1:2::/64"),
        ("fe80::1%eth0", 1, "fe80::/64"),
        ("::ffff:203.0.113.7", 1, "203.0.113.7"),
        ("unknown", 1, "192.0.2.9"),
        ("_hidden", 1, "192.0.2.9"),
        ("", 1, "192.0.2.9"),
        (",", 1, "192.0.2.9"),
        ("999.1.1.1", 1, "192.0.2.9"),
        ("[2001:db8::1", 1, "2001:db8::/64"),
        ("\u0661.1.1.1", 1, "192.0.2.9"),
        ("x" * 100_000, 1, "192.0.2.9"),
    ],
)
def test_the_address_of_a_client(value: str, proxies: int, address: str) -> None:
    """It is what the outermost trusted proxy has seen; whatever cannot be one leaves the peer's address."""
    assert client_address(for_(value), proxies) == address


@pytest.mark.parametrize(("peer", "address"), [("", ""), ("::1", "::/64"), ("unix:", "unix:"), (None, "")])
def test_the_address_of_a_peer(peer: str | None, address: str) -> None:
    """Without proxies it is the peer's; a unix socket has none."""
    assert client_address({"REMOTE_ADDR": peer}, 0) == address


def test_hosts_and_prefixes_of_proxies() -> None:
    """They are read like addresses, and only a path becomes a prefix."""
    environ = {"HTTP_HOST": "inner:8000", "HTTP_X_FORWARDED_HOST": "evil.example, a.example:8443"}
    assert [requested_host(environ, proxies) for proxies in (0, 1, 3)] == ["inner:8000", "a.example:8443", "inner:8000"]
    prefixes = {"/app": "/app", "/a/b/": "/a/b", "x, /b": "/b", "//evil.example": "", "app": "", "/": "", "/a\r\nb": ""}
    for value, prefix in prefixes.items():
        assert forwarded_prefix({"HTTP_X_FORWARDED_PREFIX": value}, 1) == prefix
        assert forwarded_prefix({"HTTP_X_FORWARDED_PREFIX": value}, 0) == ""


def test_proxy_fix_comes_first() -> None:
    """Where werkzeug's middleware has changed the environ, nothing is read a second time."""
    environ = {**for_("203.0.113.7", "198.51.100.1"), "HTTP_X_FORWARDED_PREFIX": "/a", "werkzeug.proxy_fix.orig": {}}
    assert (client_address(environ, 1), forwarded_prefix(environ, 1)) == ("198.51.100.1", "")


def test_loopback_addresses() -> None:
    """Addresses, `localhost`, and the paths of unix sockets."""
    assert all(map(is_loopback, ["127.0.0.1", "127.9.9.9", "::1", "localhost", "/run/headway.sock", "@"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "192.168.1.2", "example.org", ""]))
