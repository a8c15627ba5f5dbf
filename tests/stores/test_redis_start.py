"""What stops the start of an application over a Redis that answers: certificates, passwords and permissions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from flask import Flask

from streaming import Headway
from streaming.errors import SettingError, StoreAway
from streaming.stores.redis.connection import Connection
from streaming.stores.redis.store import RedisStore
from tests.clients import Address
from tests.conftest import Certificate
from tests.servers import Server, answers_redis, free_port, launched, program, scratch
from tests.stores.contract import until
from tests.stores.redis_user import rules
from tests.stores.shared_contract import ids, read_all, start_run

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server(certificate: Certificate) -> Iterator[Server]:
    """A Redis with a plain port, and one for TLS that wants a certificate of its clients."""
    address, tls = Address(port=free_port()), free_port()
    command = [program("redis-server"), "--port", str(address.port), "--bind", address.host, "127.0.0.2", "--save", ""]
    command += ["--tls-port", str(tls), "--tls-cert-file", str(certificate.certfile)]
    command += ["--tls-key-file", str(certificate.keyfile), "--tls-ca-cert-file", str(certificate.authority)]
    with scratch() as folder:
        command += ["--dir", str(folder)]
        with launched(
            "redis", command, address, folder, ready=answers_redis, url=f"rediss://localhost:{tls}/0"
        ) as server:
            yield server


def start(url: str) -> str:
    """Starts an application over the store at `url`. Gives the line that refuses it, or `""`."""
    try:
        Headway(Flask(__name__), store=url)
    except SettingError as refused:
        (line,) = str(refused).splitlines()
        assert line.startswith("HEADWAY_STORE")
        assert "s3cret" not in line
        return line
    return ""


# TLS


def test_certificates_of_both(server: Server, certificate: Certificate) -> None:
    """Each side shows one that the other trusts."""
    own = f"ssl_certfile={certificate.certfile}&ssl_keyfile={certificate.keyfile}"
    url = f"{server.url}?ssl_ca_certs={certificate.authority}&{own}"
    assert start(url) == ""
    store = RedisStore(url)
    try:
        start_run(store).end()
        assert ids(read_all(store, "r")) == [1, 2]
    finally:
        store.close()


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_certificate_that_is_refused(server: Server, certificate: Certificate, tmp_path: Path, wrong: str) -> None:
    """An authority that is not trusted and a name that it does not have are told apart."""
    authority, host, why = certificate.authority, "127.0.0.2", "not valid for '127.0.0.2'"
    if wrong == "authority":
        authority, host, why = tmp_path / "other.pem", "localhost", "self-signed certificate in certificate chain"
        trustme.CA().cert_pem.write_to_path(authority)
    own = f"ssl_certfile={certificate.certfile}&ssl_keyfile={certificate.keyfile}"
    assert why in start(f"{server.url.replace('localhost', host)}?ssl_ca_certs={authority}&{own}")


@pytest.mark.parametrize("lacks", ["ssl_ca_certs", "ssl_certfile"])
def test_a_worker_says_so_once(
    server: Server, certificate: Certificate, caplog: pytest.LogCaptureFixture, lacks: str
) -> None:
    """A worker goes on to try, after one line in its log."""
    why = "certificate verify failed" if lacks == "ssl_ca_certs" else "it may want a certificate of its clients"
    option = "" if lacks == "ssl_ca_certs" else f"?ssl_ca_certs={certificate.authority}"
    store = RedisStore(f"{server.url}{option}")
    try:
        with pytest.raises(StoreAway, match=why):
            store.find("r")
        until(lambda: store.outage.errors > 3, "it tries again")
        (line,) = [message for message in caplog.messages if "is away" in message]
        assert why in line
    finally:
        store.close()


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
def test_a_file_that_cannot_be_read(certificate: Certificate, tmp_path: Path, name: str) -> None:
    """The line names the option, its file and why, and not the password beside it."""
    files = {"ssl_certfile": certificate.certfile, "ssl_keyfile": certificate.keyfile} if name != "ssl_ca_certs" else {}
    bad = tmp_path / "bad.pem"
    for text, why in ((None, "No such file"), ("nothing", "(PEM|SSL|X509)")):
        if text:
            bad.write_text(text)
        query = "&".join(f"{option}={path}" for option, path in {**files, name: bad}.items())
        with pytest.raises(SettingError, match=f"^HEADWAY_STORE has ssl_.*{why}") as refused:
            RedisStore(f"rediss://:s3cret@localhost:1/0?{query}")
        assert "s3cret" not in str(refused.value)


# Users


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ([">other"], "invalid username-password pair or user is disabled"),
        (["-xadd"], "may not use XADD on keys that begin with 'headway:'"),
        (["-evalsha"], "no permissions to run the 'evalsha' command"),
        (["-script"], "no permissions to run the 'script|load' command"),
        (["resetkeys", "~other:*"], "on keys that begin with 'headway:'"),
        (["-xread"], "may not use XREAD"),
    ],
    ids=str,
)
def test_a_user_who_may_not(server: Server, wrong: list[str], line: str, certificate: Certificate) -> None:
    """The line names what Redis refuses."""
    plain = plain_url(server)
    admin = Connection(plain)
    base = [rule for rule in rules() if not rule.startswith(">")]
    admin.execute(
        [("ACL", "SETUSER", "limited", "reset", *base, *([] if wrong == [">other"] else [">s3cret"]), *wrong)]
    )
    admin.close()
    assert line in start(plain.replace("://", "://limited:s3cret@"))


def plain_url(server: Server) -> str:
    """The URL of its port without TLS."""
    return f"redis://127.0.0.1:{server.port}/0"
