"""Which host names are served, and which web pages may change something.

A page can send a request to any address, cookies included, though it cannot read the answer: a form, or `fetch` without
CORS. So a request that changes something is checked for where it comes from (Fetch Metadata; RFC 6454 for `Origin`).
And a page can let its own name point to this machine (DNS rebinding): then it is the same site, and only the name in
`Host` tells. Programs that are no browsers send none of these headers, or name the host they mean.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from ipaddress import ip_network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from .forwarded import read_address

LOOPBACK: Final = ("localhost", "127.0.0.0/8", "[::1]")
"""The names of a machine for itself."""

PORTS: Final = {"http": 80, "https": 443}

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""

OWN: Final = frozenset({"same-origin", "none"})
"""Values of `Sec-Fetch-Site` of a page of the same origin, and of a person who types an address."""

HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@?#,\s]+)(?::([0-9]{1,5}))?")


class Host(NamedTuple):
    """A name or an address in lower case, and its port if there is one."""

    name: str
    port: int | None


def read_host(text: str) -> Host | None:
    """The parts of a `Host` header; `None` for a text that is no such header."""
    match = HOST.fullmatch(text)
    return match and Host(match[1].lower().rstrip("."), None if match[2] is None else int(match[2]))


def is_served(text: str, hosts: Iterable[str]) -> bool:
    """Whether a `Host` header is among `hosts`, which are entries of HEADWAY_HOSTS."""
    host = read_host(text)
    return host is not None and any(_matches(host, entry) for entry in hosts)


def _matches(host: Host, entry: str) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        address, network = read_address(host.name), ip_network(entry)
        return address is not None and address.version == network.version and address in network
    wanted = read_host(entry.lstrip("."))
    if wanted is None or wanted.port not in (None, host.port):
        return False
    return host.name == wanted.name or (entry.startswith(".") and host.name.endswith(f".{wanted.name}"))


def may_change(host: str, site: str | None, origin: str | None, allowed: Collection[str]) -> bool:
    """Whether a request may change something that was sent to `host`, from where its two headers say.

    `site` is `Sec-Fetch-Site`, and decides where it is present; `origin` is `Origin`. Without both it comes from no
    page. `allowed` are the origins of HEADWAY_CORS_ORIGINS.
    """
    own = site in OWN if site is not None else origin is None or is_same_host(origin, host)
    return own or (origin is not None and ("*" in allowed or origin in allowed))


def is_same_host(origin: str, host: str) -> bool:
    """Whether an origin has the host and port of a `Host` header. Schemes are ignored: TLS may end in a proxy."""
    wanted = read_host(host)
    try:
        parts = urlsplit(origin)
        theirs, port = read_host(parts.netloc), parts.port
    except ValueError:
        return False
    default = PORTS.get(parts.scheme)
    if wanted is None or theirs is None or default is None or theirs.name != wanted.name:
        return False
    return (port or default) == (wanted.port or default)
