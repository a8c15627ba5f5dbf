"""HTTP to other services, for gateways: httpcore's connections on gevent's sockets.

Every wait is one in the caller's hub, whether the process is patched or not: other greenlets run meanwhile, and a
cancel interrupts it, in the name lookup, the TLS handshake, the request and the response. An exchange that ends before
its response does closes its connection at once. httpcore has the protocol and the pool; of httpx, whose client would
follow redirects and keep cookies, only what builds requests is used.

Needs the extra `gateway`; imported when a gateway is declared.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Self

import certifi
import gevent
import h11
import httpcore
import httpx
from gevent import selectors as gevent_selectors
from gevent import socket as gevent_socket
from gevent import ssl as gevent_ssl

from ..logs import Outage
from ..runs.context import run_context
from ..runtime.hub import give_way
from ..runtime.network import certificate_problem, open_connection, proxy_for
from ..runtime.worker import Worker
from .formats import UpstreamFailed, truncated

log: Final = logging.getLogger("headway")

IDLE_CONNECTIONS: Final = 32
"""Connections that a worker keeps for later exchanges."""

KEEP_ALIVE: Final = 4.0
"""Seconds that one is kept; gunicorn closes its idle ones after five, and a request must not meet that."""

LEFTOVER_BYTES: Final = 65536
LEFTOVER_SECONDS: Final = 1.0
"""How much may follow the last event of a stream, and for how long, if its connection is to be used again."""

BODY_BYTES: Final = 65536
"""How much is read of a response that is no stream."""

WRITE_TIMEOUT: Final = 30.0
"""Seconds that an upstream may read nothing of a request."""

TURN_BYTES: Final = 65536
TURN_PIECES: Final = 32
"""How much is read, or unpacked, before other greenlets run: an upstream may have more at every time."""

PROXY_AUTHENTICATION: Final = 407
"""The status by which a proxy asks for a user and a password (RFC 9110, section 15.5.8)."""

HEAD_PIECE: Final = 4096
HEAD_BYTES: Final = 262_144
"""How much is read of a head at a time, and how long it may be with all before it (`100 Continue`)."""


Header = tuple[str, str | bytes]
"""The name and the value of a header; a value that is not ASCII is bytes."""


class _Unresolved(httpcore.ConnectError):
    """The host's name has no address."""


class _NotTls(httpcore.ConnectError):
    """The TLS handshake failed, because of the certificate or because the other side does not speak TLS."""


class GeventStream(httpcore.NetworkStream):
    """One of gevent's sockets.

    From a request on until `head_is_read` it is at the head of a response, which comes in a bounded time and size:
    within `timeout` seconds after its first byte, however slowly its bytes drip.
    """

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        self._since_turn = 0
        self._head_bytes: int | None = None
        self._head_began = 0.0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        at_head = self._head_bytes is not None
        if self._since_turn >= (HEAD_PIECE if at_head else TURN_BYTES):
            self._since_turn = 0
            give_way()
        try:
            self._socket.settimeout(self._left_for_head(timeout) if self._head_bytes else timeout)
            received: bytes = self._socket.recv(min(max_bytes, HEAD_PIECE) if at_head else max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        self._since_turn += len(received)
        if self._head_bytes is not None:
            self._count_head(len(received))
        return received

    def head_is_read(self) -> None:
        """Called once the final response is there."""
        self._head_bytes = None

    def _left_for_head(self, timeout: float | None) -> float | None:
        if timeout is None:
            return None
        left = self._head_began + timeout - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"the head was not complete after {timeout} s")
        return left

    def _count_head(self, received: int) -> None:
        if not self._head_bytes:
            self._head_began, self._head_bytes = time.monotonic(), 0
        self._head_bytes += received
        if self._head_bytes > HEAD_BYTES:
            raise httpcore.RemoteProtocolError("the head is too long")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._head_bytes = 0
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> GeventStream:
        # A stream whose length is unknown ends with a closure alert of TLS, or it was cut (RFC 8446, section 6.1).
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
            if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
                raise _NotTls(str(error)) from error
            if isinstance(error, OSError):
                raise httpcore.ReadError(str(error)) from error
            raise
        return GeventStream(wrapped)

    def get_extra_info(self, info: str) -> Any:
        # Before httpcore uses a connection again: one that has something to read has been closed.
        return self._is_readable() if info == "is_readable" else None

    def _is_readable(self) -> bool:
        number = self._socket.fileno()
        if number < 0:
            return True
        if not hasattr(select, "poll"):  # gevent removes it from a patched process
            return bool(select.select([number], [], [], 0)[0])
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))


class GeventBackend(httpcore.NetworkBackend):
    """Opens httpcore's connections."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> GeventStream:
        deadline = gevent.Timeout(timeout)  # for the lookup and every address together
        try:
            with deadline:
                connected = open_connection(
                    host, port, sockets=gevent_socket, selector=gevent_selectors.DefaultSelector
                )
        except gevent.Timeout as expired:
            if expired is not deadline:
                raise
            raise httpcore.ConnectTimeout(f"not within {timeout} s") from expired
        except socket.gaierror as error:
            raise _Unresolved(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return GeventStream(connected)


def tls_context(authorities: str) -> Any:
    """A TLS context that trusts the authorities in a PEM file, or in a folder as `openssl rehash` makes it."""
    context = gevent_ssl.SSLContext(gevent_ssl.PROTOCOL_TLS_CLIENT)
    is_folder = Path(authorities).is_dir()
    try:
        context.load_verify_locations(**{"capath" if is_folder else "cafile": authorities})
    except OSError as error:
        log.error("the authorities in %s cannot be read: %s", authorities, error)
        raise UpstreamFailed("upstream_failed", "The authorities for certificates cannot be read.") from error
    return context


def _proxy(url: str) -> httpcore.Proxy:
    """The proxy at a URL, whose user and password it is asked with."""
    try:
        proxy = httpx.Proxy(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise UpstreamFailed("upstream_failed", "The environment names a proxy that cannot be used.") from error
    if proxy.url.scheme == "https":
        raise UpstreamFailed("upstream_failed", "A proxy that is spoken to by TLS is not supported.")
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise UpstreamFailed("upstream_failed", "A SOCKS proxy needs a package: pip install socksio.")
    return httpcore.Proxy(str(proxy.url), auth=proxy.raw_auth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `content` is its body in pieces; `connect` and `idle` are seconds without a byte."""

    method: str
    url: str
    headers: Sequence[Header]
    content: Iterable[bytes] = ()
    connect: float
    idle: float


class Pool:
    """Connections to upstream services, for one hub; `authorities` are what to trust, if any of them has TLS.

    `proxy` is the URL of one that they go through. A `shared` pool outlives its exchanges, and keeps connections for
    later ones. Raises `UpstreamFailed` for authorities and a proxy that cannot be used.
    """

    def __init__(self, authorities: str | None = None, proxy: str | None = None, *, shared: bool = False) -> None:
        self._shared = shared
        self._proxied = proxy is not None
        self._pool = httpcore.ConnectionPool(
            ssl_context=None if authorities is None else tls_context(authorities),
            max_connections=None,
            max_keepalive_connections=IDLE_CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE,
            network_backend=GeventBackend(),
            proxy=None if proxy is None else _proxy(proxy),
        )

    def send(self, request: Request) -> Exchange:
        """Sends a request, and waits for the head of its response. Raises `UpstreamFailed`."""
        url = httpx.URL(request.url)
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path or b"/")
        timeouts = {"connect": request.connect, "read": request.idle, "write": WRITE_TIMEOUT}
        core_request = httpcore.Request(
            request.method,
            target,
            headers=[("Host", url.netloc.decode("ascii")), *request.headers],
            content=request.content,
            extensions={"timeout": timeouts},
        )
        try:
            response = self._pool.handle_request(core_request)
            if self._proxied and response.status == PROXY_AUTHENTICATION:
                response.close()
                raise httpcore.ProxyError(str(PROXY_AUTHENTICATION))
            return Exchange(response, request, keep=self._shared)
        except ERRORS as error:
            raise _failure(error, request, answered=False, proxied=self._proxied) from error

    def close(self) -> None:
        """Closes the connections."""
        self._pool.close()


AWAY: Final = (502, 503, 504)
"""What a proxy answers for a server that is away, and a server that stops."""


class Exchange:
    """A response that arrives."""

    def __init__(self, response: httpcore.Response, request: Request, *, keep: bool = False) -> None:
        self.status: int = response.status
        self.headers: Any = httpx.Headers(response.headers)
        stream = response.extensions.get("network_stream")
        if isinstance(stream, GeventStream):
            stream.head_is_read()
        self._response = response
        self._request = request
        self._keep = keep
        self._pieces = self._decode()
        if self.status not in AWAY:
            Outage.of(self.name).back()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """What the log calls the server that was asked."""
        return _name(self._request)

    @property
    def media_type(self) -> str:
        """The media type of the body, without parameters, in lower case; empty without one."""
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    def __iter__(self) -> Iterator[bytes]:
        """The body as it arrives, unpacked. Raises `UpstreamFailed` where it breaks off."""
        return self._pieces

    def body(self, most: int = BODY_BYTES) -> bytes:
        """The body of a response that is no stream, up to `most` bytes or a little more."""
        body = bytearray()
        for piece in self:
            body += piece
            if len(body) > most:
                break
        return bytes(body)

    def close(self) -> None:
        """Closes the connection, unless the response is over."""
        self._response.close()

    def release(self) -> None:
        """Keeps the connection for another exchange, after the rest of the response, which is dropped."""
        if self._keep:
            gevent.spawn(self._skip_rest)
        else:
            self.close()

    def _skip_rest(self) -> None:
        room = LEFTOVER_BYTES
        with self, contextlib.suppress(UpstreamFailed), gevent.Timeout(LEFTOVER_SECONDS, False):  # type: ignore[arg-type]  # falsy: it ends the block in silence
            for piece in self:
                room -= len(piece)
                if room < 0:
                    break

    def _decode(self) -> Iterator[bytes]:
        coding = str(self.headers.get("content-encoding", "identity")).strip().lower()
        pieces: Iterator[bytes] = iter(self._response.stream)  # type: ignore[arg-type]  # it is one of both kinds
        try:
            if coding == "identity":
                yield from _in_turns(pieces)
            elif coding in ("gzip", "x-gzip", "deflate"):
                yield from _decompress(_in_turns(pieces))
            else:
                raise UpstreamFailed("upstream_failed", f"The upstream's stream is encoded as {coding!r}.")
        except ERRORS as error:
            raise _failure(error, self._request, answered=True) from error


def _in_turns(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, of which one read may bring thousands: other greenlets run in between."""
    for number, piece in enumerate(pieces, 1):
        yield piece
        if not number % TURN_PIECES:
            give_way()


def _decompress(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Unpacks gzip or zlib, each piece as far as it goes."""
    decompressor = zlib.decompressobj(32 + zlib.MAX_WBITS)  # recognises either by its head
    for piece in pieces:
        while piece:
            yield decompressor.decompress(piece, TURN_BYTES)
            piece = decompressor.unconsumed_tail  # noqa: PLW2901  # the rest of it
            if piece:
                give_way()
    yield decompressor.flush()
    if not decompressor.eof:
        raise truncated("The upstream's compressed stream was cut.")


ERRORS: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    h11.ProtocolError,
    zlib.error,
)
"""What a connection, a response and its compression can raise."""

_MESSAGES: Final[Mapping[type[Exception], tuple[str, bool]]] = {
    _Unresolved: ("The name of the upstream cannot be resolved.", True),
    _NotTls: ("The upstream does not speak TLS.", False),
    httpcore.ConnectTimeout: ("The upstream did not accept a connection in time.", True),
    httpcore.ConnectError: ("The upstream cannot be reached.", True),
    httpcore.LocalProtocolError: ("The request has a header that cannot be sent.", False),
    httpcore.WriteTimeout: ("The upstream did not read the request in time.", True),
    zlib.error: ("The upstream's compressed stream cannot be unpacked.", True),
}


def _name(request: Request) -> str:
    return f"upstream {httpx.URL(request.url).netloc.decode('ascii')}"


def _failure(error: Exception, request: Request, *, answered: bool, proxied: bool = False) -> UpstreamFailed:
    """The error for viewers; its details go to the log, once for a server that is away."""
    Outage.of(_name(request)).gone(f"{type(error).__name__}: {error}")
    if isinstance(error, httpcore.ReadTimeout):
        silence = f"The upstream sent nothing for {request.idle:g} seconds."
        return UpstreamFailed("upstream_failed", silence, retryable=True)
    if isinstance(error, httpcore.ProxyError):
        return _refusal_of_proxy(str(error)[:3])
    if problem := certificate_problem(error):
        return UpstreamFailed("upstream_failed", f"The upstream's certificate {problem}.")
    for kind, (message, retryable) in _MESSAGES.items():
        if isinstance(error, kind):
            if proxied and type(error) in (_Unresolved, httpcore.ConnectError):
                message = message.replace("upstream", "proxy")  # noqa: PLW2901  # it is the proxy that is connected to
            return UpstreamFailed("upstream_failed", message, retryable=retryable)
    if answered:
        return truncated("The upstream's stream was cut.")
    return UpstreamFailed("upstream_failed", "The upstream sent no response that can be read.", retryable=True)


def _refusal_of_proxy(status: str) -> UpstreamFailed:
    if status == str(PROXY_AUTHENTICATION):
        return UpstreamFailed("upstream_failed", "The proxy refuses the user and the password that it got (407).")
    retryable = not status.startswith("4")
    return UpstreamFailed("upstream_failed", "The proxy did not connect to the upstream.", retryable=retryable)


def multipart(
    fields: Mapping[str, str | list[str]], files: Sequence[tuple[str, Any]]
) -> tuple[list[tuple[str, str]], Iterable[bytes]]:
    """The headers and the pieces of a `multipart/form-data` body (RFC 7578); files are read as they are sent."""
    request = httpx.Request("POST", "http://localhost/", data=dict(fields), files=files)
    headers = [(name, request.headers[name]) for name in ("Content-Type", "Content-Length")]
    return headers, request.stream  # type: ignore[return-value]  # of both kinds, as httpx's types say


class SharedPools:
    """The pools of a worker, one for each pair of authorities and proxy: a part of the worker, used in its hub."""

    def __init__(self, worker: Worker) -> None:
        self._pools: dict[tuple[str | None, str | None], Pool] = {}

    def pool(self, authorities: str | None, proxy: str | None) -> Pool:
        """The pool for these, made on first use. Raises `UpstreamFailed`."""
        key = authorities, proxy
        if key not in self._pools:
            self._pools[key] = Pool(authorities, proxy, shared=True)
        return self._pools[key]

    def close(self) -> None:
        """Closes all connections."""
        while self._pools:
            self._pools.popitem()[1].close()


@contextlib.contextmanager
def pool_for(url: str, ca: str | None) -> Iterator[Pool]:
    """The worker's pool for a run in its hub, or a pool of its own for one in a thread, which has another hub.

    `ca` is a PEM file of authorities to trust; without it they are those of `SSL_CERT_FILE` or `SSL_CERT_DIR`
    (OpenSSL), or certifi's. The proxy is that of the environment, see `proxy_for`. Raises `UpstreamFailed`.
    """
    authorities = None
    if url.startswith("https:"):
        authorities = ca or os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR") or certifi.where()
    proxy = proxy_for(url)
    context = run_context.get()
    if context is not None and context.worker.here:
        yield context.worker.part(SharedPools).pool(authorities, proxy)
        return
    with contextlib.closing(Pool(authorities, proxy)) as pool:
        yield pool
