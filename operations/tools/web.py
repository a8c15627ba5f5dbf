"""HTTP for tools: only to allowed hosts, and with limits on the time and size of an answer.

Text from a stranger may persuade a model to call anything, so these rules do not depend on the model:

- A request, and every hop of its redirects, goes to a host on the list (`HEADWAY_AGENT_HOSTS`; by default the hosts of
  the tools), with the default port of its scheme unless the list has another.
- This module resolves the name, checks the address, and connects to this very address. It must be public (not loopback,
  private, link-local ...), unless the host is on the list `HEADWAY_AGENT_PRIVATE_HOSTS`.
- The proxies, credentials and cookies of the environment are not used, and an answer has at most `MAX_BYTES`.

After a transient failure, a request that is safe to repeat is sent again, with growing pauses.
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
from .base import ToolError

USER_AGENT: Final = f"httpx/{httpx.__version__}"
MAX_BYTES: Final = 1 << 20
"""Bytes of an answer. The model sees far less; a tool may select from this."""
MAX_REDIRECTS: Final = 3
ATTEMPTS: Final = 3
CONNECT: Final = 5.0
SILENCE: Final = 10.0
"""Seconds for a connection, and between two pieces of an answer."""
MAX_WAIT: Final = 5.0
"""Seconds between two attempts; if a host requires more (`Retry-After`), there is no other attempt."""
SAFE: Final = frozenset({"GET", "HEAD"})
"""Methods that are repeated, and that follow redirects (RFC 9110, section 9.2.1)."""
TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that another attempt may not get."""
MAX_REASON: Final = 200
"""Characters of a host's own error message."""


@dataclass(frozen=True)
class AllowedHosts:
    """The hosts that tools may call (`host` or `host:port`), and those of them that may have private addresses."""

    hosts: frozenset[str]
    private: frozenset[str] = frozenset()

    def check(self, url: httpx.URL) -> None:
        """Raises `ToolError` with `host_not_allowed` for a URL that is not on the list."""
        if url.scheme not in ("http", "https") or url.userinfo:
            raise ToolError("host_not_allowed", "Only http and https URLs without a password are called.")
        if not host_names(url) & (self.hosts | self.private):
            raise ToolError("host_not_allowed", f"The host {display_host(url)} is not allowed.")

    def addresses(self, url: httpx.URL) -> list[str]:
        """The addresses to connect to, best first; raises `ToolError` with `private_address` or `unreachable`."""
        port = url.port or _default_port(url)
        try:
            entries = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise TransientError("unreachable", f"The host {display_host(url)} has no address.") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        if not host_names(url) & self.private and not all(is_public(address) for address in addresses):
            raise ToolError("private_address", f"The host {display_host(url)} has an address that is not public.")
        return addresses


def host_names(url: httpx.URL) -> frozenset[str]:
    """The names of a URL's host in lists: with its port, and without it if that is the scheme's default."""
    host = url.netloc.decode("ascii").rpartition("@")[2].lower()
    return frozenset({host} if url.port else {host, f"{host}:{_default_port(url)}"})


def display_host(url: httpx.URL) -> str:
    """The host of a URL, for error messages."""
    return url.netloc.decode("ascii").rpartition("@")[2][:100]


def _default_port(url: httpx.URL) -> int:
    return 443 if url.scheme == "https" else 80


def is_public(address: str) -> bool:
    """Whether an IP address is public (IANA's registries, as `ipaddress` implements them)."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None) or ip
    return bool(inner.is_global and not inner.is_multicast and ip.is_global)


class TransientError(ToolError):
    """A failure that may not last; `after` is how many seconds to wait before another attempt, if the host says so."""

    def __init__(self, code: str, message: str, after: float | None = None) -> None:
        super().__init__(code, message)
        self.after = after


@dataclass(frozen=True)
class Answer:
    """The answer of a host."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        """The body, decoded; raises `ToolError` with `not_json`."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ToolError("not_json", "The answer of the host is not JSON.") from error

    def content(self) -> Any:
        """The body, decoded if its type is JSON, else as text; the status if there is no body."""
        if not self.body:
            return {"status": self.status}
        return self.json() if "json" in self.content_type else self.body.decode(errors="replace")


@dataclass(frozen=True)
class _Request:
    """A request, before its host is resolved."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    content: bytes | None

    def headers_at(self, url: httpx.URL) -> dict[str, str]:
        """The headers for one hop. Those of the caller, such as a token, go only to the host of the request."""
        same_host = (url.scheme, url.netloc) == (self.url.scheme, self.url.netloc)
        contact = settings().agent_contact  # some hosts require one (Wikimedia's User-Agent policy)
        return {
            "Accept": "application/json, text/*;q=0.5",
            "Accept-Encoding": "identity",
            "User-Agent": f"headway ({contact}) {USER_AGENT}" if contact else f"headway {USER_AGENT}",
            **({} if self.content is None else {"Content-Type": "application/json"}),
            **(self.headers if same_host else {}),
            "Host": display_host(url),
        }


@dataclass(frozen=True)
class Web:
    """HTTP for the calls of one run, to its allowed hosts. Can be used from several threads."""

    allowed: AllowedHosts

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
        """The answer to a request, which is repeated if that is safe and may help.

        `body` becomes JSON. `deadline` is a time of `time.monotonic()`. Raises `ToolError`, also for a status from 400.
        """
        try:
            parsed = httpx.URL(url)
            parsed = parsed.copy_merge_params(_without_none(params)) if params else parsed
        except httpx.InvalidURL as error:
            raise ToolError("invalid_arguments", "The arguments do not make a URL.") from error
        content = None if body is None else json.dumps(body).encode()
        request = _Request(method.upper(), parsed, headers or {}, content)
        attempts = ATTEMPTS if request.method in SAFE else 1
        left = max(deadline - time.monotonic(), 0.001)
        for attempt in stamina.retry_context(
            _retry_after, attempts=attempts, timeout=left, wait_initial=0.2, wait_max=MAX_WAIT, wait_jitter=0.2
        ):
            with attempt:
                return self._follow(request, deadline)
        raise AssertionError("the last attempt returns or raises")

    def _follow(self, request: _Request, deadline: float) -> Answer:
        url = request.url
        for _ in range(MAX_REDIRECTS + 1):
            response, body = self._connect(request, url, deadline)
            location = response.headers.get("location")
            if location is None or not 300 <= response.status_code < 400:
                return _check_status(response, body, url)
            if request.method not in SAFE:
                raise ToolError("redirected", "The host answered with a redirect, which only a GET follows.")
            url = _redirect_target(url, location)
        raise ToolError("redirected", f"The host answered with more than {MAX_REDIRECTS} redirects.")

    def _connect(self, request: _Request, url: httpx.URL, deadline: float) -> tuple[httpx.Response, bytes]:
        """One hop, to the first address that accepts the connection."""
        self.allowed.check(url)
        *others, last = self.allowed.addresses(url)
        for address in others:
            with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return _send(request, url, address, deadline)
        try:
            return _send(request, url, last, deadline)
        except httpx.HTTPError as error:
            what = "took too long" if isinstance(error, httpx.TimeoutException) else "could not be reached"
            raise TransientError("unreachable", f"The host {display_host(url)} {what}.") from error


def _send(request: _Request, url: httpx.URL, address: str, deadline: float) -> tuple[httpx.Response, bytes]:
    """The answer of one address. The `Host` header and the certificate are for the name, not for the address."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise ToolError("timeout", "There was no time left for this call.")
    timeout = httpx.Timeout(min(SILENCE, left), connect=min(CONNECT, left))
    extensions = {"sni_hostname": url.host} if url.scheme == "https" else {}
    # A client for each request: connections are pooled by address, and an address may have many names.
    with (
        httpx.Client(verify=tls_context(), timeout=timeout, trust_env=False) as client,
        client.stream(
            request.method,
            url.copy_with(host=address),
            headers=request.headers_at(url),
            content=request.content,
            extensions=extensions,
        ) as response,
    ):
        return response, _read(response, deadline)


def _without_none(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _redirect_target(url: httpx.URL, location: str) -> httpx.URL:
    """The target of a redirect (RFC 9110, section 10.2.2)."""
    try:
        target = url.join(location)
    except httpx.InvalidURL as error:
        raise ToolError("redirected", "The host answered with a redirect to an invalid URL.") from error
    if url.scheme == "https" and target.scheme != "https":
        raise ToolError("redirected", "The host answered with a redirect away from https.")
    return target


def _read(response: httpx.Response, deadline: float) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ToolError("not_json", "The host sent its answer compressed, although the request does not allow that.")
    received = bytearray()
    for piece in response.iter_raw():
        received += piece
        if len(received) > MAX_BYTES:
            raise ToolError("too_large", f"The answer is larger than {MAX_BYTES >> 10} KB.")
        if time.monotonic() > deadline:
            raise ToolError("timeout", "The answer took too long.")
    return bytes(received)


def _check_status(response: httpx.Response, body: bytes, url: httpx.URL) -> Answer:
    """The answer; raises the error for its status."""
    status = response.status_code
    answer = Answer(status, response.headers.get("content-type", ""), body)
    if status < 400:
        return answer
    message = f"{display_host(url)} answered {status}{_reason(answer)}."
    if status in TRANSIENT:
        raise TransientError(f"http_{status}", message, _seconds_to_wait(response.headers.get("retry-after", "")))
    raise ToolError(f"http_{status}", message)


def _reason(answer: Answer) -> str:
    """The host's own error message, from one of the usual keys."""
    try:
        error = json.loads(answer.body)
    except ValueError:
        return ""
    keys = ("reason", "message", "detail", "title", "error") if isinstance(error, dict) else ()
    message = next((error[key] for key in keys if isinstance(error.get(key), str) and error[key]), "")
    return f": {' '.join(message.split())[:MAX_REASON]}".rstrip(".") if message else ""


def _seconds_to_wait(retry_after: str) -> float | None:
    """`Retry-After` in seconds (RFC 9110, section 10.2.3); a date counts as too long."""
    if not retry_after:
        return None
    return float(retry_after) if retry_after.isdecimal() else MAX_WAIT + 1


def _retry_after(error: Exception) -> bool | float:
    if not isinstance(error, TransientError):
        return False
    if error.after is None:
        return True
    return error.after if error.after <= MAX_WAIT else False


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """The certificate authorities of httpx, cached: loading them takes longer than most calls."""
    return httpx.create_ssl_context(trust_env=False)
