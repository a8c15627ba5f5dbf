"""Downloads a document over HTTP, only from the hosts that the deployment allows (`operations.hosts`).

No host is allowed unless `HEADWAY_DOCUMENT_HOSTS` lists it (`example.org,files.example.org:8443`). A host on the list
is trusted with every address that it resolves to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import httpx

from streaming import OperationError

from .hosts import AllowedHosts, HostError, Request, answer_to, body_of

MAX_BYTES = 64 << 20
"""Bytes of a document; an upload has the same limit."""
MAX_REDIRECTS: Final = 5
DEADLINE: Final = 120.0
"""Seconds for the whole document."""
STEP = 1 << 20
"""Bytes between two progress reports."""
HEADERS: Final = {"Accept": "application/pdf, */*;q=0.1", "User-Agent": "headway"}
CODES: Final = frozenset({"host_not_allowed", "too_large"})
"""Codes of `HostError` that the run keeps; every other failure is `fetch_failed`."""


class Download:
    """One download: iterate over it to read the document, then use `content`. Yields the bytes received so far.

    `hosts` are the allowed hosts, each with `:PORT` unless it is the default port of the scheme. `total` is the size
    that the host reports, if any. Raises `OperationError` with `host_not_allowed`, `fetch_failed` (retryable if
    another try may succeed) or `too_large`.
    """

    def __init__(self, url: str, hosts: frozenset[str]) -> None:
        self.content = b""
        self.total: int | None = None
        self._url = url
        self._hosts = AllowedHosts(hosts, private=hosts)

    def __iter__(self) -> Iterator[int]:
        try:
            request = Request("GET", httpx.URL(self._url), HEADERS)
            deadline = time.monotonic() + DEADLINE
            with answer_to(request, self._hosts, MAX_REDIRECTS, deadline) as response:
                _check_status(response.status_code)
                yield from self._receive(response, deadline)
        except httpx.InvalidURL as error:
            raise OperationError("fetch_failed", "The address of the document is not a URL.") from error
        except HostError as error:
            code = error.code if error.code in CODES else "fetch_failed"
            retryable = error.transient or error.code == "timeout"
            raise OperationError(code, error.message, retryable=retryable) from error

    def _receive(self, response: httpx.Response, deadline: float) -> Iterator[int]:
        length = response.headers.get("content-length", "")
        self.total = int(length) if length.isdecimal() else None
        if (self.total or 0) > MAX_BYTES:
            raise HostError("too_large", f"The document is larger than {MAX_BYTES >> 20} MB.")
        received, reported = bytearray(), 0
        for piece in body_of(response, MAX_BYTES, deadline):
            received += piece
            if len(received) - reported >= STEP:
                reported = len(received)
                yield reported
        self.content = bytes(received)


def _check_status(status: int) -> None:
    if status != httpx.codes.OK:
        retryable = status >= 500 or status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)
        raise OperationError("fetch_failed", f"The host answered {status}.", retryable=retryable)
