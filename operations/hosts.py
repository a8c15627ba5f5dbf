"""HTTP to the hosts that the deployment allows, and to no others.

A server that fetches any URL for strangers can be sent to hosts behind its own firewall, and text from a stranger may
persuade a model to call anything. So these rules depend neither on the caller nor on the model:

- A request, and every hop of its redirects, goes to a host on a list, with the default port of its scheme unless the
  list has another. No redirect leads away from https, and only a safe method follows one.
- This module resolves the name, checks the address, and connects to this very address. It must be public (not loopback,
  private, link-local ...), unless the host is on a second list.
- Where `HEADWAY_FETCH_PROXY` names a proxy, each request goes to that, which resolves the name: to which addresses it
  connects is its own rule then. The proxies of the environment are not used, nor are credentials and cookies.
- An answer that is compressed, too large or too slow is not read to its end.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import httpcore
import httpx

from streaming import certificate_problem, open_connection

from .errors import CodedError
from .network import transport
from .settings import settings

CONNECT: Final = 5.0
SILENCE: Final = 10.0
"""Seconds for a connection, and between two pieces of an answer."""
SAFE: Final = frozenset({"GET", "HEAD"})
"""Methods that are repeated, and that follow redirects (RFC 9110, section 9.2.1)."""

WITH_IPV4: Final = tuple(
    map(
        ipaddress.IPv6Network,
        ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::ffff:0:0/96", "::ffff:0:0:0/96", "::/96"),
    )
)
"""Addresses with an IPv4 address inside, which a gateway may send to a host behind it: NAT64 (RFC 6052, RFC 8215), 6to4
(RFC 3056), Teredo (RFC 4380), mapped, translated and compatible ones (RFC 4291, RFC 2765)."""


class HostError(CodedError):
    """A request that was not made, or not answered well.

    `code` is `wrong_url`, `host_not_allowed`, `private_address`, `unreachable`, `redirected`, `compressed`, `too_large`
    or `timeout`. `message` names the host and nothing internal. `transient` says that the failure may not last.
    """

    def __init__(self, code: str, message: str, *, transient: bool = False) -> None:
        super().__init__(code, message)
        self.transient = transient


@dataclass(frozen=True)
class AllowedHosts:
    """The hosts that may be called (`host` or `host:port`), and those of them that may have private addresses."""

    hosts: frozenset[str]
    private: frozenset[str] = frozenset()

    def check(self, url: httpx.URL) -> None:
        """Raises `HostError` with `wrong_url` or `host_not_allowed` for a URL that is not on the list."""
        if url.scheme not in ("http", "https") or url.userinfo:
            raise HostError("wrong_url", "Only http and https URLs without a password are called.")
        if not host_names(url) & (self.hosts | self.private):
            raise HostError("host_not_allowed", f"The host {display_host(url)} is not allowed.")

    def check_addresses(self, url: httpx.URL, addresses: Sequence[str]) -> None:
        """Raises `HostError` with `private_address` for a host with an address that it may not have."""
        if not host_names(url) & self.private and not all(map(is_public, addresses)):
            raise HostError("private_address", f"The host {display_host(url)} has an address that is not public.")


def host_names(url: httpx.URL) -> frozenset[str]:
    """The names of a URL's host in lists: with its port, and without it if that is the scheme's default."""
    host = url.netloc.decode("ascii").lower()
    return frozenset({host} if url.port else {host, f"{host}:{_default_port(url)}"})


def display_host(url: httpx.URL) -> str:
    """The host of a URL, for error messages."""
    return url.netloc.decode("ascii")[:100]


def _default_port(url: httpx.URL) -> int:
    return 443 if url.scheme == "https" else 80


def is_public(address: str) -> bool:
    """Whether an IP address is public (IANA's registries, as `ipaddress` implements them). One of `WITH_IPV4` is not.

    Where a network reaches IPv4 by NAT64 alone, a host is called by such an address: it needs the second list.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    translated = ip.version == 6 and any(ip in network for network in WITH_IPV4)
    return ip.is_global and not ip.is_multicast and not translated


@dataclass(frozen=True)
class Request:
    """A request. `headers` go to every hop; `own_headers`, such as a token, only to the host of `url`."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    own_headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None

    def headers_at(self, url: httpx.URL) -> dict[str, str]:
        """The headers for one hop."""
        same_host = (url.scheme, url.netloc) == (self.url.scheme, self.url.netloc)
        own = self.own_headers if same_host else {}
        return {"Accept-Encoding": "identity", **self.headers, **own, "Host": url.netloc.decode("ascii")}


@contextlib.contextmanager
def answer_to(request: Request, allowed: AllowedHosts, redirects: int, deadline: float) -> Iterator[httpx.Response]:
    """The answer after at most so many redirects, its body unread; read it with `body_of` within the block.

    `deadline` is a time of `time.monotonic()`. Raises `HostError`, also for what goes wrong while the body is read.
    """
    url = request.url
    try:
        for _ in range(redirects + 1):
            with contextlib.ExitStack() as connection:
                response = connection.enter_context(_send(request, url, allowed, deadline))
                location = response.headers.get("location")
                if location is None or not 300 <= response.status_code < 400:
                    yield response
                    return
            url = _redirect_target(request, url, location)
    except httpx.HTTPError as error:
        raise _unreachable(url, error) from error
    raise HostError("redirected", f"The host answered with more than {redirects} redirects.")


def body_of(response: httpx.Response, max_bytes: int, deadline: float) -> Iterator[bytes]:
    """The body in pieces as they arrive. Raises `HostError` with `compressed`, `too_large` or `timeout`."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise HostError("compressed", "The host sent its answer compressed, although the request does not allow that.")
    received = 0
    for piece in response.iter_raw():
        received += len(piece)
        if received > max_bytes:
            raise HostError("too_large", f"The answer is larger than {max_bytes >> 10:,} KB.")
        if time.monotonic() > deadline:
            raise HostError("timeout", "The answer took too long.")
        yield piece


def _unreachable(url: httpx.URL, error: httpx.HTTPError) -> HostError:
    host = display_host(url)
    if problem := certificate_problem(error):
        return HostError("unreachable", f"The certificate of the host {host} {problem}.")
    if isinstance(error, httpx.ProxyError):
        refused = str(error).startswith("4")
        return HostError("unreachable", f"The proxy did not connect to the host {host}.", transient=not refused)
    what = "took too long" if isinstance(error, httpx.TimeoutException) else "could not be reached"
    return HostError("unreachable", f"The host {host} {what}.", transient=True)


@contextlib.contextmanager
def _send(request: Request, url: httpx.URL, allowed: AllowedHosts, deadline: float) -> Iterator[httpx.Response]:
    """The answer to one hop."""
    allowed.check(url)
    left = deadline - time.monotonic()
    timeout = httpx.Timeout(max(min(SILENCE, left), 0.0), connect=max(min(CONNECT, left), 0.0))
    proxy = settings().fetch_proxy
    with (
        # A client for each request: a connection is checked for one host.
        httpx.Client(transport=_transport(url, allowed, left, proxy), timeout=timeout, trust_env=False) as client,
        client.stream(request.method, url, headers=request.headers_at(url), content=request.content) as response,
    ):
        if proxy and response.status_code == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
            raise httpx.ProxyError("407")
        yield response


def _transport(url: httpx.URL, allowed: AllowedHosts, left: float, proxy: str | None) -> httpx.HTTPTransport:
    """The way to a host, directly to an address that is checked, or by the proxy; for `left` seconds."""

    def check(addresses: Sequence[str]) -> None:
        if left <= 0:
            raise HostError("timeout", "There was no time left for this call.")
        if not proxy:
            allowed.check_addresses(url, addresses)

    def connect(host: str, port: int, timeout: float | None) -> Any:
        try:
            return open_connection(host, port, timeout, check=check)
        except (socket.gaierror, UnicodeError) as error:
            message = f"The {'proxy' if proxy else f'host {display_host(url)}'} has no address."
            raise HostError("unreachable", message, transient=True) from error

    trusted = tls_context() if url.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made: httpx.HTTPTransport = transport(httpx, httpcore, connect, verify=trusted, proxy=proxy, trust_env=False)
    return made


def _redirect_target(request: Request, url: httpx.URL, location: str) -> httpx.URL:
    """The target of a redirect (RFC 9110, section 10.2.2)."""
    if request.method not in SAFE:
        raise HostError("redirected", "The host answered with a redirect, which only a GET follows.")
    try:
        target = url.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise HostError("redirected", "The host answered with a redirect to an invalid URL.") from error
    if url.scheme == "https" and target.scheme != "https":
        raise HostError("redirected", "The host answered with a redirect away from https.")
    return target


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """The certificate authorities of `SSL_CERT_FILE`, `SSL_CERT_DIR` or httpx, cached: loading takes some time."""
    return httpx.create_ssl_context()
