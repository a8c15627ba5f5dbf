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
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Self

import certifi
import gevent
import h11
import httpcore
import httpx
from gevent import ssl as gevent_ssl

from ..logs import Outage
from ..runs.context import run_context
from ..runtime.hub import give_way
from ..runtime.network import certificate_problem, proxy_for
from ..runtime.worker import Worker
from .formats import UpstreamFailed, truncated
from .sockets import TURN_BYTES, ChunkedBody, GeventBackend, GeventStream, NotTlsError, UnresolvedError

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

TURN_PIECES: Final = 32
"""How many pieces are read, or unpacked, before other greenlets run: an upstream may have more at every time."""

PROXY_AUTHENTICATION: Final = 407
"""The status by which a proxy asks for a user and a password (RFC 9110, section 15.5.8)."""

Header = tuple[str, str | bytes]
"""The name and the value of a header; a value that is not ASCII is bytes."""


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
        self._chunks: ChunkedBody | None = None
        if isinstance(stream, GeventStream):
            stream.head_is_read()
            if self._is_chunked(request):
                self._chunks = ChunkedBody(stream, request.idle)
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

    def _is_chunked(self, request: Request) -> bool:
        coding = str(self.headers.get("transfer-encoding", "")).strip().lower()
        return coding == "chunked" and self.status not in (204, 304) and request.method != "HEAD"

    def close(self) -> None:
        """Closes the connection, unless the response is over."""
        self._pieces.close()
        if self._chunks is not None:
            self._chunks.close()
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

    def _decode(self) -> Generator[bytes, None, None]:
        coding = str(self.headers.get("content-encoding", "identity")).strip().lower()
        chunks = self._chunks
        pieces = _in_turns(self._response.stream) if chunks is None else iter(chunks.read, b"")
        try:
            if coding == "identity":
                yield from pieces
            elif coding in ("gzip", "x-gzip", "deflate"):
                yield from _decompress(pieces)
            else:
                raise UpstreamFailed("upstream_failed", f"The upstream's stream is encoded as {coding!r}.")
            if chunks is not None:
                chunks.finish(self._response)
        except ERRORS as error:
            raise _failure(error, self._request, answered=True) from error


def _in_turns(pieces: Any) -> Iterator[bytes]:
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
    UnresolvedError: ("The name of the upstream cannot be resolved.", True),
    NotTlsError: ("The upstream does not speak TLS.", False),
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
            if proxied and type(error) in (UnresolvedError, httpcore.ConnectError):
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
