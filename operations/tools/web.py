"""HTTP for tools: only to allowed hosts, and never for longer or for more than a call may take.

A model that reads a stranger's text may be talked into calling anything, so what it can reach is settled before:

- A request, and every hop of its redirects, goes to a host on the list (`HEADWAY_AGENT_HOSTS`; unset, the hosts of the
  tools themselves), with the port of its scheme unless the list names another.
- A name is resolved here, and the connection is made to the address that was looked at: one that is not public
  (loopback, private, link-local ...) is refused, unless `HEADWAY_AGENT_PRIVATE_HOSTS` names the host.
- Proxies, credentials and cookies of the environment are left alone, and an answer is read up to `MAX_BYTES`.

A call that may safely be repeated is, with growing pauses, where the failure looks like it will pass.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import httpx
import stamina

from ..settings import settings
from .base import ToolError, surroundings

LIBRARY: Final = f"httpx/{httpx.__version__}"
MAX_BYTES: Final = 1 << 20
"""Bytes of an answer. A model is shown far less; this is what a tool has to choose from."""
MAX_REDIRECTS: Final = 3
ATTEMPTS: Final = 3
CONNECT: Final = 5.0
SILENCE: Final = 10.0
"""Seconds that a host may take to connect, and between two pieces of its answer."""
LONGEST_WAIT: Final = 5.0
"""Seconds between two attempts; a host that wants more (`Retry-After`) is not asked again."""
SAFE: Final = frozenset({"GET", "HEAD"})
"""Methods that are repeated and redirected (RFC 9110, section 9.2.1)."""
PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that another try may not meet."""
TOLD: Final = 200
"""Characters of what a host says of its own error."""


@dataclass(frozen=True)
class Reach:
    """The hosts that may be reached (`host` or `host:port`), and those of them that may have addresses of one's own."""

    hosts: frozenset[str]
    private: frozenset[str] = frozenset()

    def check(self, url: httpx.URL) -> None:
        """Raises `ToolError` with `host_not_allowed` for a URL that is not on the list."""
        if url.scheme not in ("http", "https") or url.userinfo:
            raise ToolError("host_not_allowed", "Only http and https URLs without a password are called.")
        if not names(url) & (self.hosts | self.private):
            raise ToolError("host_not_allowed", f"The host {told_host(url)} is not one that may be called.")

    def addresses(self, url: httpx.URL) -> list[str]:
        """Where to connect, best first; raises `ToolError` with `private_address` or `unreachable`."""
        port = url.port or _default_port(url)
        try:
            found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Passing("unreachable", f"The host {told_host(url)} has no address.") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not names(url) & self.private and not all(is_public(address) for address in addresses):
            raise ToolError("private_address", f"The host {told_host(url)} has an address that is not public.")
        return addresses


def names(url: httpx.URL) -> frozenset[str]:
    """What a list may call the host of a URL: with its port, and without where that is the scheme's own."""
    host = url.netloc.decode("ascii").rpartition("@")[2].lower()
    return frozenset({host} if url.port else {host, f"{host}:{_default_port(url)}"})


def told_host(url: httpx.URL) -> str:
    """The host of a URL for an error's text."""
    return url.netloc.decode("ascii").rpartition("@")[2][:100]


def _default_port(url: httpx.URL) -> int:
    return 443 if url.scheme == "https" else 80


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet at large (IANA's registries, as `ipaddress` has them)."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None) or ip
    return bool(inner.is_global and not inner.is_multicast and ip.is_global)


class Passing(ToolError):
    """A failure that another try may not meet; `after` is how many seconds the host wants to be left alone."""

    def __init__(self, code: str, message: str, after: float | None = None) -> None:
        super().__init__(code, message)
        self.after = after


@dataclass(frozen=True)
class Answer:
    """What a host answered."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        """The body, decoded; raises `ToolError` with `not_json`."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ToolError("not_json", "The host answered with something that is no JSON.") from error

    def content(self) -> Any:
        """The body as JSON where it says that it is, else as text; without one, the status."""
        if not self.body:
            return {"status": self.status}
        return self.json() if "json" in self.content_type else self.body.decode(errors="replace")


@dataclass(frozen=True)
class _Request:
    """What is asked, before it is known of whom."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    content: bytes | None

    def headers_at(self, url: httpx.URL) -> dict[str, str]:
        """The headers for one hop: what the caller added, such as a token, is for the host that it named."""
        there = (url.scheme, url.netloc) == (self.url.scheme, self.url.netloc)
        contact = settings().agent_contact  # some hosts want one (Wikimedia's User-Agent policy)
        return {
            "Accept": "application/json, text/*;q=0.5",
            "Accept-Encoding": "identity",
            "User-Agent": f"headway ({contact}) {LIBRARY}" if contact else f"headway {LIBRARY}",
            **({} if self.content is None else {"Content-Type": "application/json"}),
            **(self.headers if there else {}),
            "Host": told_host(url),
        }


@dataclass(frozen=True)
class Web:
    """HTTP for the calls of one run, within its reach. Safe to use from several threads."""

    reach: Reach

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        deadline: float,
    ) -> Answer:
        """What the host answers, whatever its status, tried again where that is safe and makes sense.

        `body` is sent as JSON. `deadline` is a moment of `time.monotonic()`. Raises `ToolError`.
        """
        try:
            parsed = httpx.URL(url)
            parsed = parsed.copy_merge_params(_written(params)) if params else parsed
        except httpx.InvalidURL as error:
            raise ToolError("invalid_arguments", "The arguments do not make a URL.") from error
        content = None if body is None else json.dumps(body).encode()
        asked = _Request(method.upper(), parsed, headers or {}, content)
        attempts = ATTEMPTS if asked.method in SAFE else 1
        left = max(deadline - time.monotonic(), 0.001)
        for attempt in stamina.retry_context(
            _again, attempts=attempts, timeout=left, wait_initial=0.2, wait_max=LONGEST_WAIT, wait_jitter=0.2
        ):
            with attempt:
                return self._followed(asked, deadline)
        raise AssertionError("the last attempt returns or raises")

    def _followed(self, asked: _Request, deadline: float) -> Answer:
        url = asked.url
        for _ in range(MAX_REDIRECTS + 1):
            response, body = self._connected(asked, url, deadline)
            place = response.headers.get("location")
            if place is None or not 300 <= response.status_code < 400:
                return _settled(response, body, url)
            if asked.method not in SAFE:
                raise ToolError("redirected", "The host answered with a redirect, which only a GET follows.")
            url = _joined(url, place)
        raise ToolError("redirected", f"The host answered with more than {MAX_REDIRECTS} redirects.")

    def _connected(self, asked: _Request, url: httpx.URL, deadline: float) -> tuple[httpx.Response, bytes]:
        """One hop, to the first address that takes the connection."""
        self.reach.check(url)
        *others, last = self.reach.addresses(url)
        for address in others:
            with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return _received(asked, url, address, deadline)
        try:
            return _received(asked, url, last, deadline)
        except httpx.HTTPError as error:
            what = "took too long" if isinstance(error, httpx.TimeoutException) else "could not be reached"
            raise Passing("unreachable", f"The host {told_host(url)} {what}.") from error


def _received(asked: _Request, url: httpx.URL, address: str, deadline: float) -> tuple[httpx.Response, bytes]:
    """The answer of one address, which is told, and has to show a certificate for, the name that was asked for."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise ToolError("timeout", "There was no time left for this call.")
    timeout = httpx.Timeout(min(SILENCE, left), connect=min(CONNECT, left))
    named = {"sni_hostname": url.host} if url.scheme == "https" else {}
    # A client a call: a connection that is kept belongs to an address, and an address to many a name.
    with (
        httpx.Client(verify=tls_context(), timeout=timeout, trust_env=False) as client,
        client.stream(
            asked.method,
            url.copy_with(host=address),
            headers=asked.headers_at(url),
            content=asked.content,
            extensions=named,
        ) as response,
    ):
        return response, _read(response, deadline)


def _written(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _joined(url: httpx.URL, place: str) -> httpx.URL:
    """Where a redirect leads (RFC 9110, section 10.2.2)."""
    try:
        there = url.join(place)
    except httpx.InvalidURL as error:
        raise ToolError("redirected", "The host answered with a redirect that leads nowhere.") from error
    if url.scheme == "https" and there.scheme != "https":
        raise ToolError("redirected", "The host answered with a redirect away from https.")
    return there


def _read(response: httpx.Response, deadline: float) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ToolError("not_json", "The host sent its answer compressed, which it was asked not to do.")
    received = bytearray()
    for piece in response.iter_raw():
        received += piece
        if len(received) > MAX_BYTES:
            raise ToolError("too_large", f"The answer is larger than {MAX_BYTES >> 10} KB.")
        if time.monotonic() > deadline:
            raise ToolError("timeout", "The answer took too long.")
    return bytes(received)


def _settled(response: httpx.Response, body: bytes, url: httpx.URL) -> Answer:
    """The answer, or the failure that its status stands for."""
    status = response.status_code
    answer = Answer(status, response.headers.get("content-type", ""), body)
    if status < 400:
        return answer
    message = f"{told_host(url)} answered {status}{_reason(answer)}."
    if status in PASSING:
        raise Passing(f"http_{status}", message, _wanted(response.headers.get("retry-after", "")))
    raise ToolError(f"http_{status}", message)


def _reason(answer: Answer) -> str:
    """What the host says of its error, where it says so in one of the usual ways."""
    try:
        said = json.loads(answer.body)
    except ValueError:
        return ""
    told = (
        [said.get(key) for key in ("reason", "message", "detail", "title", "error")] if isinstance(said, dict) else []
    )
    return next((f": {' '.join(text.split())[:TOLD]}" for text in told if isinstance(text, str) and text), "").rstrip(
        "."
    )


def _wanted(retry_after: str) -> float | None:
    """`Retry-After` in seconds (RFC 9110, section 10.2.3); a date counts as too far away to wait for."""
    if not retry_after:
        return None
    return float(retry_after) if retry_after.isdecimal() else LONGEST_WAIT + 1


def _again(error: Exception) -> bool | float:
    if not isinstance(error, Passing):
        return False
    if error.after is None:
        return True
    return error.after if error.after <= LONGEST_WAIT else False


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """The certificate authorities that httpx trusts; loading them takes longer than most calls."""
    return httpx.create_ssl_context(trust_env=False)


# --- for tools -------------------------------------------------------------------------------------------------------


def request(
    method: str,
    url: str,
    *,
    params: Mapping[str, Any] | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An HTTP request from inside a tool, within the bounds of its call. `body` is sent as JSON. Raises `ToolError`."""
    around = surroundings.get()
    return around.web.request(method, url, params=params, body=body, headers=headers, deadline=around.deadline)


def get_json(url: str, params: Mapping[str, Any] | None = None) -> Any:
    """What a GET answers, decoded; parameters that are `None` are left out. Raises `ToolError`."""
    return request("GET", url, params=params).json()
