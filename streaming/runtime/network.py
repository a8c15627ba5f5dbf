"""Connections to other services: to which of a name's addresses, by which proxy, and what is wrong with a certificate.

For the sockets of the standard library, patched or not, and for gevent's own.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from itertools import chain, zip_longest
from typing import Any, Final
from urllib.parse import urlsplit

ATTEMPT_DELAY: Final = 0.25
"""Seconds before the next address is tried beside those that have not answered (RFC 8305, section 8)."""

PROBLEMS: Final = {
    9: "is not valid yet",
    10: "has expired",
    62: "is for another name",
    64: "is for another name",
    **dict.fromkeys((2, 18, 19, 20, 21), "is of an unknown issuer"),
}
"""OpenSSL's results of a verification (openssl-verification-options(1), x509_vfy.h)."""


def open_connection(
    host: str,
    port: int,
    timeout: float | None = None,
    *,
    check: Callable[[Sequence[str]], object] = lambda addresses: None,
    sockets: Any = socket,
    selector: Callable[[], Any] | None = None,
) -> Any:
    """A TCP connection to the address of `host` that accepts one first, within `timeout` seconds ("Happy Eyeballs").

    A second address is tried 250 ms after the first, or once that has failed, so one that swallows packets costs no
    more (RFC 8305). Addresses of both families take turns. `check` is called with all of them before anything is sent,
    and may raise. `sockets` is the module whose sockets are used, `selector` makes a selector for them. Raises
    `TimeoutError`, `socket.gaierror`, or the `OSError` of the last address.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    entries = sockets.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    check([entry[4][0] for entry in entries])
    race = _Race([(*entry[:3], (entry[4][0], port, *entry[4][2:])) for entry in _interleaved(entries)], sockets)
    with ExitStack() as stack:
        stack.callback(race.close)
        race.selector = stack.enter_context((selector or selectors.DefaultSelector)())
        return race.run(deadline)


def _interleaved(entries: Sequence[Any]) -> Iterable[Any]:
    """The addresses, one of each family in turn, beginning with the first (RFC 8305, section 4)."""
    distinct = {entry[4]: entry for entry in entries}.values()
    first = [entry for entry in distinct if entry[0] == entries[0][0]]
    others = [entry for entry in distinct if entry[0] != entries[0][0]]
    return [entry for entry in chain(*zip_longest(first, others)) if entry is not None]


class _Race:
    """Connections that are being opened, of which the first one wins."""

    selector: Any

    def __init__(self, entries: Iterable[Any], sockets: Any) -> None:
        self._waiting = deque(entries)
        self._sockets = sockets
        self._opening: set[Any] = set()
        self._error: OSError = OSError(errno.EADDRNOTAVAIL, "no address")

    def run(self, deadline: float | None) -> Any:
        """The winner."""
        next_at = 0.0
        while self._waiting or self._opening:
            if self._waiting and (not self._opening or time.monotonic() >= next_at):
                next_at = time.monotonic() + ATTEMPT_DELAY
                self._open(self._waiting.popleft())
            limits = [limit for limit in (deadline, next_at if self._waiting else None) if limit is not None]
            left = max(min(limits) - time.monotonic(), 0.0) if limits else None
            if self._opening:
                for key, _ in self.selector.select(left):
                    if self._is_open(key.fileobj):
                        return key.fileobj
                    next_at = 0.0
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError("no address accepted a connection in time")
        raise self._error

    def _open(self, entry: Any) -> None:
        family, kind, protocol, address = entry
        try:
            sock = self._sockets.socket(family, kind, protocol)
        except OSError as error:  # a family that this machine has not
            self._error = error
            return
        self._opening.add(sock)
        sock.setblocking(False)
        number = sock.connect_ex(address)
        if number in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            self.selector.register(sock, selectors.EVENT_WRITE)
        else:
            self._fail(sock, number)

    def _is_open(self, sock: Any) -> bool:
        self.selector.unregister(sock)
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._fail(sock, number)
        else:
            self._opening.discard(sock)
        return not number

    def _fail(self, sock: Any, number: int) -> None:
        self._error = OSError(number, os.strerror(number))
        self._opening.discard(sock)
        sock.close()

    def close(self) -> None:
        """Closes those that have not won."""
        for sock in self._opening:
            sock.close()


def proxy_for(url: str) -> str | None:
    """The URL of the proxy that the environment has for `url`: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, in any case.

    `NO_PROXY` lists what goes direct: `example.org` with all names below it, `host:port`, addresses, networks as in
    `10.0.0.0/8`, and `*`. This machine's own addresses and `localhost` always do.
    """
    from urllib import request  # it imports much

    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    proxies = request.getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    bypass: Callable[[str, dict[str, str]], bool] = request.proxy_bypass_environment  # type: ignore[attr-defined]
    if not proxy or _is_within(host, proxies.get("no", "")) or bypass(f"{host}:{port}", proxies):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_within(host: str, networks: str) -> bool:
    """Whether `host` is this machine, or an address in one of the networks."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    for text in networks.split(","):
        try:
            if address in ipaddress.ip_network(text.strip().strip("[]"), strict=False):
                return True
        except ValueError:
            continue
    return address.is_loopback


def certificate_problem(error: BaseException | None) -> str | None:
    """What is wrong with the certificate because of which `error` was raised, as in "has expired"; `None` if nothing.

    The errors that led to it count too, as HTTP libraries raise their own.
    """
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return PROBLEMS.get(error.verify_code, "is not trusted")
        error = error.__cause__ or error.__context__
    return None
