"""redis-py's connections on gevent's sockets, which never block the hub, patched or not.

redis-py's own block it where the standard library is not patched (gevent.pywsgi alone, `flask run`), and calls in a
thread pool cost two thread switches each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from gevent import socket, ssl
from redis.connection import AbstractConnection, SSLConnection, UnixDomainSocketConnection
from redis.connection import Connection as TcpConnection

Kinds: TypeAlias = Mapping[str, Callable[..., AbstractConnection]]


class _Tcp(TcpConnection):
    """A connection over a gevent socket."""

    def _connect(self) -> Any:
        sock = socket.create_connection((self.host, self.port), self.socket_connect_timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in self.socket_keepalive_options.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.settimeout(self.socket_timeout)
        return sock


class _Tls(SSLConnection, _Tcp):
    """A connection over TLS, on a gevent socket."""

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        # `create_default_context` of gevent returns the standard library's context, whose sockets block the hub.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca_certs or self.ca_path or self.ca_data:
            context.load_verify_locations(self.ca_certs, self.ca_path, self.ca_data)
        else:
            context.load_default_certs()
        context.check_hostname = self.check_hostname
        context.verify_mode = self.cert_reqs
        if self.certfile or self.keyfile:
            context.load_cert_chain(self.certfile, self.keyfile, self.certificate_password)
        if self.ssl_min_version is not None:
            context.minimum_version = self.ssl_min_version
        if self.ssl_ciphers:
            context.set_ciphers(self.ssl_ciphers)
        return context.wrap_socket(sock, server_hostname=self.host)


class _Unix(UnixDomainSocketConnection):
    """A connection over a gevent unix socket."""

    def _connect(self) -> Any:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(self.socket_connect_timeout)
        try:
            sock.connect(self.path)
        except OSError:
            sock.close()
            raise
        sock.settimeout(self.socket_timeout)
        return sock


GREEN: Final[Kinds] = {"redis": _Tcp, "rediss": _Tls, "unix": _Unix}
"""The connections by the scheme of a URL."""

BLOCKING: Final[Kinds] = {
    "redis": TcpConnection,
    "rediss": SSLConnection,
    "unix": UnixDomainSocketConnection,
}
"""redis-py's own, for a process that must not have a hub, since it is about to fork."""
