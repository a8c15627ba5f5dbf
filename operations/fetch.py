"""Fetches a document over HTTP, from the hosts that the deployment allows and from no other.

A server that fetches what strangers name can be sent to the hosts behind its own firewall. So the list of hosts is
empty unless `HEADWAY_DOCUMENT_HOSTS` fills it (`example.org,files.example.org:8443`), every hop of a redirect is held
against it by the parser that also makes the connection, and proxies, credentials and cookies of the environment are
left alone. A name on the list is trusted together with every address that it resolves to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx

from streaming import OperationError

MAX_BYTES = 64 << 20
"""Bytes of a document, as of an upload."""
MAX_REDIRECTS = 5
TIMEOUT = httpx.Timeout(10, connect=5)
"""Seconds without a byte."""
DEADLINE = 120.0
"""Seconds for the whole document."""
STEP = 1 << 20
"""Bytes between two reports."""
HEADERS = {"Accept": "application/pdf, */*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "headway"}


class Download:
    """One document on its way: iterate over it for the bytes received so far, then take `content`.

    `hosts` are the names that may be fetched from, each with `:PORT` where that is not the scheme's own.
    `total` is what the host says the size is, if it does. Raises `OperationError` with `host_not_allowed`,
    `fetch_failed` (retryable where another try may succeed) or `too_large`.
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
            self._check()
            with client.stream("GET", self._url) as response:
                if response.next_request is None:
                    yield from self._receive(response)
                    return
                self._url = response.next_request.url
        raise OperationError("fetch_failed", f"More than {MAX_REDIRECTS} redirects.")

    def _check(self) -> None:
        """Holds the URL of this hop against the list."""
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
        again = status >= 500 or status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)
        raise OperationError("fetch_failed", f"The host answered {status}.", retryable=again)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise OperationError("fetch_failed", "The host sent the document compressed, which it was asked not to do.")


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise OperationError("too_large", f"The document is larger than {MAX_BYTES >> 20} MB.")
