"""What the proxies in front of the server say of a request, read without changing its environ.

Each proxy appends the address of its client to `X-Forwarded-For`, so with `HEADWAY_PROXIES=N` the last N entries are
those of trusted proxies, and the first of these N is the client; whatever stands before it may be forged. The other
headers are read in the same way. A header with fewer entries did not come through all of the proxies, and is ignored.

Where the application has werkzeug's `ProxyFix`, the environ is right already, and nothing is read here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

PROXY_FIX: Final = "werkzeug.proxy_fix.orig"
"""The key that `ProxyFix` leaves in an environ."""

CLIENT_PREFIX: Final = 64
"""The bits of an IPv6 address that tell clients apart: a connection gets at least so many (RFC 6177), and may use all
addresses behind them."""

PREFIX: Final = re.compile(r"(/[\w.~!$&'()*+,;=:@%-]+)+", re.ASCII)
"""A path that can stand before another one (RFC 3986, section 3.3)."""

Address = IPv4Address | IPv6Address


def client_address(environ: Mapping[str, Any], proxies: int) -> str:
    """The address of the client, that of an IPv6 client as its network; of what is no address the text, if any."""
    for text in (_entry(environ, "FOR", proxies), environ.get("REMOTE_ADDR") or ""):
        address = read_address(text)
        if isinstance(address, IPv6Address):
            return str(IPv6Network((address, CLIENT_PREFIX), strict=False))
        if address is not None:
            return str(address)
    return environ.get("REMOTE_ADDR") or ""


def requested_host(environ: Mapping[str, Any], proxies: int) -> str:
    """The host, maybe with a port, that the client asked for; empty where its request names none."""
    return _entry(environ, "HOST", proxies) or environ.get("HTTP_HOST") or ""


def forwarded_prefix(environ: Mapping[str, Any], proxies: int) -> str:
    """The path that a proxy has removed from the front of the request's path, or nothing."""
    prefix = _entry(environ, "PREFIX", proxies).rstrip("/")
    return prefix if PREFIX.fullmatch(prefix) else ""


def read_address(text: str) -> Address | None:
    """The address in a text that may have a port, brackets or a zone; that of an IPv4 client in IPv6 as IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _entry(environ: Mapping[str, Any], name: str, proxies: int) -> str:
    """What the outermost trusted proxy has written into a header."""
    if not proxies or PROXY_FIX in environ:
        return ""
    entries = environ.get(f"HTTP_X_FORWARDED_{name}", "").split(",")
    return entries[-proxies].strip() if len(entries) >= proxies else ""
