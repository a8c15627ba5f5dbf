"""httpcore's connections on gevent's sockets, and a faster way to read what most event streams come in: chunks.

httpcore connects, speaks TLS, sends the request and reads the head of the response with h11, which gets no byte after
that head. A chunked body is then read by llhttp (httptools): h11 takes four times as long for each event. At its end
h11 gets an end too, and httpcore may use the connection again. Any other body goes through h11.
"""

from __future__ import annotations

import contextlib
import errno
import re
import select
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any, Final

import gevent
import httpcore
from gevent import selectors as gevent_selectors
from gevent import socket as gevent_socket
from httptools import HttpParserError, HttpResponseParser

from ..runtime.hub import give_way
from ..runtime.network import open_connection

TURN_BYTES: Final = 65536
"""How much is read, or unpacked, before other greenlets run: an upstream may have more at every time."""

HEAD_PIECE: Final = 4096
HEAD_BYTES: Final = 262_144
"""How much is read of a head at a time, and how long it may be with all before it (`100 Continue`)."""

HEAD_END: Final = re.compile(rb"\n\r?\n")
"""The blank line after a head, as h11 finds it."""

CHUNKED_HEAD: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"
BODILESS_BYTES: Final = 65536
"""How much a chunked body may have of extensions, trailers and sizes without any data (RFC 9112, section 7.1)."""


class UnresolvedError(httpcore.ConnectError):
    """The host's name has no address."""


class NotTlsError(httpcore.ConnectError):
    """The TLS handshake failed, because of the certificate or because the other side does not speak TLS."""


class GeventStream(httpcore.NetworkStream):
    """One of gevent's sockets.

    From a request on until `head_is_read` it is at the head of a response, which comes in a bounded time and size:
    within `timeout` seconds after its first byte, however slowly its bytes drip. `rest` is what came after that head.
    `watcher` is what a `ChunkedBody` waits with, which a close interrupts.
    """

    def __init__(self, sock: Any) -> None:
        self.rest = b""
        self.socket = sock
        self.watcher: Any = None
        self._since_turn = 0
        self._head_bytes: int | None = None
        self._head_began = 0.0
        self._head_tail = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        at_head = self._head_bytes is not None
        if self.rest:
            received, self.rest = self.rest, b""
        else:
            received = self._receive(min(max_bytes, HEAD_PIECE) if at_head else max_bytes, timeout)
        return self._without_rest(received) if at_head else received

    def _receive(self, max_bytes: int, timeout: float | None) -> bytes:
        self.take_turn(HEAD_PIECE if self._head_bytes is not None else TURN_BYTES)
        try:
            self.socket.settimeout(self._left_for_head(timeout) if self._head_bytes else timeout)
            received: bytes = self.socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        self._since_turn += len(received)
        if self._head_bytes is not None:
            self._count_head(len(received))
        return received

    def take_turn(self, most: int, received: int = 0) -> None:
        """Lets other greenlets run where more than `most` bytes have been read since that was done last."""
        self._since_turn += received
        if self._since_turn >= most:
            self._since_turn = 0
            give_way()

    def head_is_read(self) -> None:
        """Called once the final response is there."""
        self._head_bytes = None
        self._head_tail = b""

    def _without_rest(self, received: bytes) -> bytes:
        """The bytes up to the end of a head; what follows is kept."""
        tail = self._head_tail
        end = HEAD_END.search(tail + received)
        if end is None:
            self._head_tail = (tail + received)[-2:]
            return received
        at = end.end() - len(tail)
        self._head_tail, self.rest = b"", received[at:]
        return received[:at]

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
            self.socket.settimeout(timeout)
            self.socket.sendall(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        if self.watcher is not None:
            gevent.get_hub().cancel_wait(self.watcher, OSError(errno.EBADF, "closed"), close_watcher=True)
            self.watcher = None
        self.socket.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> GeventStream:
        # A stream whose length is unknown ends with a closure alert of TLS, or it was cut (RFC 8446, section 6.1).
        wrapped = ssl_context.wrap_socket(
            self.socket, server_hostname=server_hostname, suppress_ragged_eofs=False, do_handshake_on_connect=False
        )
        try:
            wrapped.settimeout(timeout)
            wrapped.do_handshake()
        except BaseException as error:  # a cancel too
            wrapped.close()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout(str(error)) from error
            if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
                raise NotTlsError(str(error)) from error
            if isinstance(error, OSError):
                raise httpcore.ReadError(str(error)) from error
            raise
        return GeventStream(wrapped)

    def get_extra_info(self, info: str) -> Any:
        # Before httpcore uses a connection again: one that has something to read has been closed.
        return bool(self.rest) or self._is_readable() if info == "is_readable" else None

    def _is_readable(self) -> bool:
        number = self.socket.fileno()
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
            raise UnresolvedError(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return GeventStream(connected)


class ChunkedBody:
    """The data of a chunked body, within `idle` seconds after the read before.

    Of short pieces, which are expected, each takes one wait and one system call. One timer notices silence: it is set
    again only when it is due. After the end, `finish` gives h11 one. `close` it.
    """

    def __init__(self, stream: GeventStream, idle: float) -> None:
        self._stream = stream
        self._idle = idle
        self._data: list[bytes] = []
        self._ended = self._exceeded = False
        self._bodiless = 0
        self._failure: httpcore.RemoteProtocolError | None = None
        self._hub: Any = gevent.get_hub()
        self._waiting_since = 0.0
        self._waiting: Any = None
        self._timer: Any = None
        self.on_body = self._data.append
        self._parser = HttpResponseParser(self)
        self._parser.feed_data(CHUNKED_HEAD)
        if stream.socket.__class__ is gevent_socket.socket:  # not TLS, which has a buffer of its own
            stream.socket.settimeout(0.0)
            stream.watcher = self._hub.loop.io(stream.socket.fileno(), 1)
            self._timer = self._hub.loop.timer(idle)
            self._timer.start(self._check_silence)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._ended = True

    def on_message_begin(self) -> None:
        """Called by the parser; the first time for `CHUNKED_HEAD`."""
        self._exceeded = self._ended

    def read(self) -> bytes:
        """The data that the next read brings, all of it together; nothing at the end. Raises httpcore's errors."""
        data = self._data
        while not self._ended:
            if self._failure is not None:
                raise self._failure
            received = self._receive()
            if not received:
                raise httpcore.RemoteProtocolError("the connection was closed before the last chunk")
            try:
                self._parser.feed_data(received)
            except HttpParserError as error:
                self._exceeded = True
                self._failure = httpcore.RemoteProtocolError(str(error))  # what came before it is passed on first
            if data:
                self._bodiless = 0
                whole = data[0] if len(data) == 1 else b"".join(data)
                data.clear()
                return whole
            self._bodiless += len(received)
            if self._bodiless > BODILESS_BYTES:
                raise httpcore.RemoteProtocolError("the chunks have too many extensions")
        return b""

    def _receive(self) -> bytes:
        stream = self._stream
        if stream.rest or self._timer is None:
            return stream.read(TURN_BYTES, self._idle)
        while True:
            self._waiting_since = self._hub.loop.now()
            self._waiting = gevent.getcurrent()
            try:
                self._hub.wait(stream.watcher)
                received: bytes = stream.socket.recv(TURN_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise httpcore.ReadError(str(error)) from error
            finally:
                self._waiting = None
            stream.take_turn(TURN_BYTES, len(received))
            return received

    def _check_silence(self) -> None:
        """Called by the timer."""
        waiting, left = self._waiting, self._idle
        if waiting is not None:
            left = self._waiting_since + self._idle - self._hub.loop.now()
        if waiting is None or left > 0.001:
            self._timer.stop()
            self._timer = self._hub.loop.timer(left)
            self._timer.start(self._check_silence)
        else:
            waiting.throw(httpcore.ReadTimeout(f"nothing for {self._idle} s"))

    def finish(self, response: httpcore.Response) -> None:
        """Ends the response, so that its connection may be used again; closes it where more than the body came."""
        self.close()
        if self._ended and not self._exceeded:
            self._stream.rest = LAST_CHUNK
            for _ in response.stream:  # type: ignore[union-attr]  # it is one of both kinds
                pass
        response.close()

    def close(self) -> None:
        """Ends the watch for more."""
        if self._timer is None:
            return
        watcher, self._stream.watcher = self._stream.watcher, None
        with contextlib.suppress(ValueError):  # the loop has been destroyed before
            self._timer.stop()
            self._timer.close()
            if watcher is not None:
                watcher.close()
        self._timer = None
