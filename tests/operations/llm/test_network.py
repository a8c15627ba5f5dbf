"""Models in a network as it is: addresses that do not answer, proxies, private authorities."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from operations.llm.client import Model, chat
from operations.llm.connection import client
from streaming import OperationError
from tests.apps.llm_fake import fake_model
from tests.apps.proxy import (
    BLACK_HOLE,
    Certificates,
    Proxy,
    black_hole,
    forget_proxies,
    resolve,
    tls_server,
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forget_proxies(monkeypatch)
    stamina.set_testing(True, attempts=3)
    yield
    stamina.set_testing(False)


def answer_of(url: str) -> list[object]:
    """What a call of the model at `url` yields."""
    return list(chat(Model("fake-1", client(url, "key-1", 10.0)), [{"role": "user", "content": "?"}]))


def test_an_address_that_swallows_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is tried beside it, before the time for connecting is over."""
    resolve(monkeypatch, BLACK_HOLE, "127.0.0.1")
    with fake_model() as fake, black_hole(fake.server_address[1]):
        assert answer_of(fake.url.replace("127.0.0.1", "shop.test"))


@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, secure: bool) -> None:
    """That of the environment, by TLS too, with a private authority."""
    with fake_model() as fake, Proxy(fake.server_address[1]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY" if secure else "HTTP_PROXY", proxy.url)
        if secure:
            certificates = Certificates(tmp_path)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
            fake.socket = tls_server(certificates.of("good")).wrap_socket(fake.socket, server_side=True)
        assert answer_of(f"{'https' if secure else 'http'}://shop.test:{fake.server_address[1]}/v1")
    assert proxy.asked[0].startswith("CONNECT shop.test" if secure else "POST http://shop.test")


@pytest.mark.parametrize(("status", "retryable"), [("407 Authenticate", False), ("503 Service Unavailable", True)])
def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch, status: str, *, retryable: bool) -> None:
    """A call is made again only after what may pass."""
    with Proxy(0, f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(OperationError, match="model_away") as failure:
            answer_of(f"https://model.test:{urllib.parse.urlsplit(proxy.url).port}/v1")
    assert failure.value.retryable is retryable
    assert len(proxy.asked) == (3 if retryable else 1)


@pytest.mark.parametrize("kind", [kind for kind in Certificates.KINDS if kind != "good"])
def test_a_certificate_that_is_not_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    """The error says why, and the call is not made again."""
    certificates = Certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    resolve(monkeypatch, "127.0.0.1")
    with fake_model() as fake:
        fake.socket = tls_server(certificates.of(kind)).wrap_socket(fake.socket, server_side=True)
        with pytest.raises(OperationError, match=f"The certificate of the model's server {kind}") as failure:
            answer_of(f"https://shop.test:{fake.server_address[1]}/v1")
    assert not failure.value.retryable
