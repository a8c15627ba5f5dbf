"""A scripted HTTP proxy on loopback, whatever the name it is asked for; and addresses that swallow packets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import pytest
import trustme

BLACK_HOLE: Final = "127.0.0.9"


class Proxy:
    """Connects every name to `port` of this machine (RFC 9110, section 9.3.6), or answers with `refuses`.

    `asked` has the first lines of the requests, `authorizations` their `Proxy-Authorization`.
    """

    def __init__(self, port: int, refuses: bytes = b"") -> None:
        self.asked: list[str] = []
        self.authorizations: list[str | None] = []
        self._port, self._refuses = port, refuses
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[Any] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.address}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        self.authorizations.append(headers.get("proxy-authorization"))
        self.asked.append(lines[0])
        if self._refuses:
            client.sendall(self._refuses)
            return
        target = socket.create_connection(("127.0.0.1", self._port))
        self._open.append(target)
        if lines[0].startswith("CONNECT "):
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            method, url, version = lines[0].split(" ")
            path = "/" + url.split("/", 3)[3]
            target.sendall(head.replace(lines[0].encode(), f"{method} {path} {version}".encode(), 1))
        threading.Thread(target=_pump, args=(client, target), daemon=True).start()
        _pump(target, client)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for sock in (source, target):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def black_hole(port: int = 0) -> Iterator[int]:
    """A listener at `BLACK_HOLE` that accepts no more: its queue is full, and packets to it are dropped."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind((BLACK_HOLE, port))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str, name: str = "shop.test") -> None:
    """Makes `name` resolve to these addresses, in this order."""
    import gevent.socket

    for module in (socket, gevent.socket):

        def answer(host: Any, port: Any, *args: Any, original: Any = module.getaddrinfo, **kwargs: Any) -> Any:
            if host not in (name, name.encode()):
                return original(host, port, *args, **kwargs)
            families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
            rest = [(0, 0) if ":" in address else () for address in addresses]
            entries = zip(families, addresses, rest, strict=True)
            return [(family, socket.SOCK_STREAM, 6, "", (address, port, *more)) for family, address, more in entries]

        monkeypatch.setattr(module, "getaddrinfo", answer)


class Certificates:
    """Certificates of one authority, each with something that is wrong: `{kind: (certificate, trusted authority)}`."""

    KINDS: Final = {
        "is for another name": ("bank.test", {}, True),
        "has expired": ("shop.test", {"not_after": datetime(2020, 1, 1, tzinfo=UTC)}, True),
        "is of an unknown issuer": ("shop.test", {}, False),
        "good": ("shop.test", {}, True),
    }

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ours, self._others = trustme.CA(), trustme.CA()
        self.authority = folder / "authority.pem"
        self._ours.cert_pem.write_to_path(self.authority)

    def of(self, kind: str) -> Any:
        """The files of a certificate, as `Upstream` takes them."""
        name, validity, ours = self.KINDS[kind]
        start = {"not_before": datetime(2019, 1, 1, tzinfo=UTC)} if validity else {}
        leaf = (self._ours if ours else self._others).issue_cert(name, **start, **validity)  # type: ignore[arg-type]
        return _files(leaf, self._folder)


class _Files:
    def __init__(self, pem: Path) -> None:
        self.certfile = self.keyfile = pem


def _files(leaf: trustme.LeafCert, folder: Path) -> _Files:
    pem = folder / "leaf.pem"
    leaf.private_key_and_cert_chain_pem.write_to_path(pem)
    return _Files(pem)


def forget_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves no proxy and no authority in the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def tls_server(certificate: Any) -> ssl.SSLContext:
    """The context of a server with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certfile, certificate.keyfile)
    return context
