"""Writing on a connection in the place of the server: gunicorn's gevent worker, HTTP/1, without TLS.

gunicorn writes what a stream yields, and only in the greenlet of that stream, which has to be resumed for each event of
a paced stream. Where gunicorn itself iterates over a stream (`http.gunicorn` sees that), the head and the first bytes
go through gunicorn, and the stream sends all that follows: whoever has new frames sends them at once, if the kernel
takes them without waiting. Framing and the count of bytes, which the access log shows, are gunicorn's, and so is the
end of the response.
"""

from __future__ import annotations

import errno
import socket
import sys
from typing import Any

import gevent.socket


class Direct:
    """The connection of a response, whose first bytes gunicorn has written.

    A send may leave something: then nothing else is sent until `write`, in the greenlet of the stream, has sent that.
    """

    __slots__ = ("_response", "_rest", "_socket")

    def __init__(self, response: Any) -> None:
        self._response = response
        self._socket = response.sock
        self._rest = b""

    @property
    def unfinished(self) -> bool:
        """Whether something is left of the last send."""
        return bool(self._rest)

    def send(self, block: bytes) -> bool:
        """Sends a block without waiting; false where some of it, or all, is left."""
        response = self._response
        chunk = b"%X\r\n%b\r\n" % (len(block), block) if response.chunked else block
        response.sent += len(block)
        try:
            sent = self._socket.send(chunk, 0, 0.0)
        except OSError:  # there is no room, or no peer: `write` finds out
            sent = 0
        if sent == len(chunk):
            return True
        self._rest = chunk[sent:]
        return False

    def write(self, block: bytes) -> None:
        """Sends what is left of the last send, else a block, and waits until the kernel has taken it.

        Raises `OSError` where the peer has gone.
        """
        if self._rest or not self.send(block):
            self._socket.sendall(self._rest)
            self._rest = b""

    def end(self, last: bytes) -> None:
        """Ends the response, and the output of the connection, in place of a greenlet that does not come back."""
        if last:
            self.write(last)
        self._socket.sendall(b"0\r\n\r\n" if self._response.chunked else b"")
        self._socket.shutdown(socket.SHUT_WR)

    def check_finished(self) -> None:
        """Raises `ConnectionResetError`, at which gunicorn closes the connection, where the response broke off."""
        if self._rest:
            raise ConnectionResetError(errno.ECONNRESET, "the stream broke off in a write")


def direct(response: Any) -> Direct | None:
    """The connection of a response of gunicorn's; `None` where only gunicorn may write on it (TLS, HTTP/2)."""
    of_gunicorn = getattr(sys.modules.get("gunicorn.http.wsgi"), "Response", None)
    if response.__class__ is not of_gunicorn or response.response_length is not None:
        return None
    return Direct(response) if response.sock.__class__ is gevent.socket.socket else None
