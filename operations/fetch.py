"""Downloads a document over HTTP, only from the hosts that the deployment allows.

A server that fetches any URL for strangers can be sent to hosts behind its own firewall. So no host is allowed unless
`HEADWAY_DOCUMENT_HOSTS` lists it (`example.org,files.example.org:8443`). Every hop of a redirect is checked, with the
URL parser that also makes the connection, and the proxies, credentials and cookies of the environment are not used. A
host on the list is trusted with every address that it resolves to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx

from streaming import OperationError

MAX_BYTES = 64 << 20
"""Bytes of a document; an upload has the same limit."""
MAX_REDIRECTS = 5
TIMEOUT = httpx.Timeout(10, connect=5)
"""Seconds without a byte."""
DEADLINE = 120.0
"""Seconds for the whole document."""
STEP = 1 << 20
"""Bytes between two progress reports."""
HEADERS = {"Accept": "application/pdf, */*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "headway"}


class Download:
    """One download: iterate over it to read the document, then use `content`. Yields the bytes received so far.

    `hosts` are the allowed hosts, each with `:PORT` unless it is the default port of the scheme. `total` is the size
    that the host reports, if any. Raises `OperationError` with `host_not_allowed`, `fetch_failed` (retryable if
    another try may succeed) or `too_large`.
    """

    def __init__(self, url: str, hosts: frozenset[str]) -> None:
        self.content = b""
        self.total: int | None = None
        self._url = httpx.URL(url)
        self._hosts = hosts

    def __iter__(self) -> Iterator[int]:
        try:
            with httpx.Client(timeout=TIMEOUT, trust_env=False, headers=HEADERS) as client:
                yield from self._follow(client)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OperationError(
                "fetch_failed", f"{self._url.host} could not be read: {type(error).__name__}.", retryable=True
            ) from error

    def _follow(self, client: httpx.Client) -> Iterator[int]:
        for _ in range(MAX_REDIRECTS + 1):
            self.check_host()
            with client.stream("GET", self._url) as response:
                if response.next_request is None:
                    yield from self._receive(response)
                    return
                self._url = response.next_request.url
        raise OperationError("fetch_failed", f"More than {MAX_REDIRECTS} redirects.")

    def check_host(self) -> None:
        """Raises `OperationError` unless the URL of this hop is allowed."""
        url = self._url
        if url.scheme not in ("http", "https") or url.userinfo:
            raise OperationError("fetch_failed", "Only http and https URLs without a password are fetched.")
        host = url.netloc.decode("ascii").lower()
        with_port = host if url.port else f"{host}:{443 if url.scheme == 'https' else 80}"
        if not {host, with_port} & self._hosts:
            raise OperationError("host_not_allowed", f"Documents are not fetched from {host}.")

    def _receive(self, response: httpx.Response) -> Iterator[int]:
        _check_head(response)
        length = response.headers.get("content-length", "")
        self.total = int(length) if length.isdecimal() else None
        _check_size(self.total or 0)
        received = bytearray()
        deadline, reported = time.monotonic() + DEADLINE, 0
        for chunk in response.iter_raw():
            received += chunk
            _check_size(len(received))
            if time.monotonic() > deadline:
                raise OperationError("fetch_failed", f"The document took longer than {DEADLINE:.0f} s.", retryable=True)
            if len(received) - reported >= STEP:
                reported = len(received)
                yield reported
        self.content = bytes(received)


def _check_head(response: httpx.Response) -> None:
    status = response.status_code
    if status != httpx.codes.OK:
        retryable = status >= 500 or status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)
        raise OperationError("fetch_failed", f"The host answered {status}.", retryable=retryable)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise OperationError(
            "fetch_failed", "The host sent the document compressed, although the request does not allow that."
        )


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise OperationError("too_large", f"The document is larger than {MAX_BYTES >> 20} MB.")
