"""HTTP to other services, for gateways: httpcore's connections on gevent's sockets.

A wait here is a wait in the hub of whoever calls, patched or not: others have their turns meanwhile, and a cancel
reaches it, in the name lookup, the TLS handshake, a request that is not taken and an answer that does not come. However
an exchange ends before its response does, its connection is closed on the spot. httpcore brings the protocol and the
pool; of httpx, whose client would follow redirects and keep cookies, there is what builds requests.

Needs the extra `gateway`; imported when the first stream of a gateway begins.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import certifi
import gevent
import h11
import httpcore
import httpx
from gevent import socket as gevent_socket
from gevent import ssl as gevent_ssl

from ..runs.context import run_context
from ..runtime.worker import Worker
from .formats import UpstreamFailed, truncated

log = logging.getLogger("headway")

IDLE_CONNECTIONS: Final = 32
"""Connections that are kept for the next exchange, of one worker."""

KEPT_FOR: Final = 4.0
"""Seconds that one is kept; gunicorn closes its idle ones after five, and a request must not run into that."""

LEFTOVER_BYTES: Final = 65536
LEFTOVER_SECONDS: Final = 1.0
"""What may follow a stream's last event, and come so late, for its connection to be used again."""

BODY_BYTES: Final = 65536
"""How much is read of an answer that is no stream."""

INFLATED_BYTES: Final = 262_144
"""How much is unpacked of a compressed stream at a time."""

WRITE_TIMEOUT: Final = 30.0
"""Seconds that an upstream may take nothing of a request."""


class _Unresolved(httpcore.ConnectError):
    """The host's name has no address."""


class _Untrusted(httpcore.ConnectError):
    """TLS could not be agreed on."""


class Socket(httpcore.NetworkStream):
    """One of gevent's sockets, as httpcore wants it."""

    def __init__(self, sock: Any) -> None:
        self._socket = sock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._socket.settimeout(timeout)
            received: bytes = self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Socket:
        # A stream whose length nothing else tells ends with TLS's own word, or it was cut (RFC 8446, section 6.1).
        wrapped = ssl_context.wrap_socket(
            self._socket, server_hostname=server_hostname, suppress_ragged_eofs=False, do_handshake_on_connect=False
        )
        try:
            wrapped.settimeout(timeout)
            wrapped.do_handshake()
        except BaseException as error:  # a cancel too
            wrapped.close()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout(str(error)) from error
            if isinstance(error, OSError):
                raise _Untrusted(str(error)) from error
            raise
        return Socket(wrapped)

    def get_extra_info(self, info: str) -> Any:
        # What httpcore asks before it uses a connection again: one that has something to say has been closed.
        return self._is_readable() if info == "is_readable" else None

    def _is_readable(self) -> bool:
        number = self._socket.fileno()
        if number < 0:
            return True
        look = select.poll() if hasattr(select, "poll") else None
        if look is None:  # gevent has taken it away in a patched process
            return bool(select.select([number], [], [], 0)[0])
        look.register(number, select.POLLIN)
        return bool(look.poll(0))


class Sockets(httpcore.NetworkBackend):
    """Where httpcore has its connections from."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Socket:
        deadline = gevent.Timeout(timeout)  # for the lookup and every address together
        try:
            with deadline:
                connected = gevent_socket.create_connection((host, port))
        except gevent.Timeout as expired:
            if expired is not deadline:
                raise
            raise httpcore.ConnectTimeout(f"not within {timeout} s") from expired
        except socket.gaierror as error:
            raise _Unresolved(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Socket(connected)


def trusting(authorities: str) -> Any:
    """A TLS context that trusts the authorities in a PEM file."""
    context = gevent_ssl.SSLContext(gevent_ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authorities)
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `content` gives its body piece by piece; times are seconds without a byte."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]]
    content: Iterable[bytes] = ()
    connect: float
    idle: float


class Pool:
    """Connections to upstream services, for one hub; with TLS, where `authorities` says whom to trust.

    A `shared` pool outlives its exchanges: it keeps connections for the next ones.
    """

    def __init__(self, authorities: str | None = None, *, shared: bool = False) -> None:
        self._shared = shared
        self._pool = httpcore.ConnectionPool(
            ssl_context=None if authorities is None else trusting(authorities),
            max_connections=None,
            max_keepalive_connections=IDLE_CONNECTIONS,
            keepalive_expiry=KEPT_FOR,
            network_backend=Sockets(),
        )

    def send(self, request: Request) -> Exchange:
        """Sends a request, and waits for the head of its response. Raises `UpstreamFailed`."""
        url = httpx.URL(request.url)
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path or b"/")
        timeouts = {"connect": request.connect, "read": request.idle, "write": WRITE_TIMEOUT}
        sent = httpcore.Request(
            request.method,
            target,
            headers=[("Host", url.netloc.decode("ascii")), *request.headers],
            content=request.content,
            extensions={"timeout": timeouts},
        )
        try:
            return Exchange(self._pool.handle_request(sent), request, keep=self._shared)
        except FAULTS as error:
            raise _told(error, request, answered=False) from error

    def close(self) -> None:
        self._pool.close()


class Exchange:
    """A response on its way in."""

    def __init__(self, response: httpcore.Response, request: Request, *, keep: bool = False) -> None:
        self.status: int = response.status
        self.headers = httpx.Headers(response.headers)
        self._response = response
        self._request = request
        self._keep = keep
        self._pieces = self._decoded()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def media_type(self) -> str:
        """What the body is, without parameters, in lower case."""
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    def __iter__(self) -> Iterator[bytes]:
        """The body as it arrives, unpacked; raises `UpstreamFailed` where it breaks off."""
        return self._pieces

    def body(self) -> bytes:
        """The body of an answer that is no stream, or as much of it as anybody would read."""
        held = bytearray()
        for piece in self:
            held += piece
            if len(held) > BODY_BYTES:
                break
        return bytes(held)

    def close(self) -> None:
        """Ends it: the connection is closed, unless the response is over."""
        self._response.close()

    def settle(self) -> None:
        """Keeps the connection for another exchange, once the response is over; what is still to come is dropped."""
        if self._keep:
            gevent.spawn(self._settle)
        else:
            self.close()

    def _settle(self) -> None:
        left = LEFTOVER_BYTES
        with self, contextlib.suppress(UpstreamFailed), gevent.Timeout(LEFTOVER_SECONDS, False):  # type: ignore[arg-type]  # falsy: it ends the block in silence
            for piece in self:
                left -= len(piece)
                if left < 0:
                    break

    def _decoded(self) -> Iterator[bytes]:
        coding = str(self.headers.get("content-encoding", "identity")).strip().lower()
        pieces: Iterator[bytes] = iter(self._response.stream)  # type: ignore[arg-type]  # it is one of both kinds
        try:
            if coding == "identity":
                yield from pieces
            elif coding in ("gzip", "x-gzip", "deflate"):
                yield from _inflated(pieces)
            else:
                raise UpstreamFailed("upstream_failed", f"The upstream's stream is encoded as {coding!r}.")
        except FAULTS as error:
            raise _told(error, self._request, answered=True) from error


def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What gzip or zlib packed, as it comes: each piece is unpacked as far as it goes."""
    unpack = zlib.decompressobj(32 + zlib.MAX_WBITS)  # tells the two apart by their heads
    for packed in pieces:
        left = packed
        while left:
            yield unpack.decompress(left, INFLATED_BYTES)
            left = unpack.unconsumed_tail
    yield unpack.flush()
    if not unpack.eof:
        raise truncated("The upstream's compressed stream was cut.")


FAULTS: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    h11.ProtocolError,
    zlib.error,
)
"""What can go wrong between here and there."""

_TOLD: Final[Mapping[type[Exception], tuple[str, bool]]] = {
    _Unresolved: ("The name of the upstream cannot be resolved.", True),
    _Untrusted: ("The upstream's certificate is not trusted, or it speaks no TLS.", False),
    httpcore.ConnectTimeout: ("The upstream did not take a connection in time.", True),
    httpcore.ConnectError: ("The upstream cannot be reached.", True),
    httpcore.WriteTimeout: ("The upstream did not take the request in time.", True),
    zlib.error: ("The upstream's compressed stream cannot be unpacked.", True),
}


def _told(error: Exception, request: Request, *, answered: bool) -> UpstreamFailed:
    """A fault of the connection, for viewers; the log has its details."""
    log.warning("upstream %s: %s: %s", httpx.URL(request.url).host, type(error).__name__, error)
    if isinstance(error, httpcore.ReadTimeout):
        said = f"The upstream said nothing for {request.idle:g} seconds."
        return UpstreamFailed("upstream_failed", said, retryable=True)
    for kind, (message, retryable) in _TOLD.items():
        if isinstance(error, kind):
            return UpstreamFailed("upstream_failed", message, retryable=retryable)
    if answered:
        return truncated("The upstream's stream was cut.")
    return UpstreamFailed("upstream_failed", "The upstream gave no answer that can be read.", retryable=True)


def multipart(
    fields: Mapping[str, str | list[str]], files: Sequence[tuple[str, Any]]
) -> tuple[list[tuple[str, str]], Iterable[bytes]]:
    """A `multipart/form-data` body (RFC 7578): its headers, and its pieces; files are read as they go."""
    built = httpx.Request("POST", "http://localhost/", data=dict(fields), files=files)
    headers = [(name, built.headers[name]) for name in ("Content-Type", "Content-Length")]
    return headers, built.stream  # type: ignore[return-value]  # of both kinds, as httpx's types say


class SharedPools:
    """The pools of a worker, one for each set of trusted authorities: a part of the worker, used in its hub."""

    def __init__(self, worker: Worker) -> None:
        self._pools: dict[str | None, Pool] = {}

    def pool(self, authorities: str | None) -> Pool:
        """The pool for these authorities, made on first use."""
        if authorities not in self._pools:
            self._pools[authorities] = Pool(authorities, shared=True)
        return self._pools[authorities]

    def close(self) -> None:
        """Closes all connections."""
        while self._pools:
            self._pools.popitem()[1].close()


@contextlib.contextmanager
def pool_for(url: str, ca: str | None) -> Iterator[Pool]:
    """The connections to `url`: the worker's for a run in its hub; a thread, with its own hub, has its own.

    `ca` is a PEM file of authorities to trust; without it OpenSSL's `SSL_CERT_FILE` names them, or they are certifi's.
    """
    authorities = None
    if url.startswith("https:"):
        authorities = ca or os.environ.get("SSL_CERT_FILE") or certifi.where()
    context = run_context.get()
    if context is not None and context.worker.here:
        yield context.worker.part(SharedPools).pool(authorities)
        return
    own = Pool(authorities)
    try:
        yield own
    finally:
        own.close()
