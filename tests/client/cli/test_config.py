"""What the options of all commands make: the run that is meant, the certificates, and a command line that goes on."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import certifi
import click
import pytest
from click.testing import CliRunner
from flask.cli import ScriptInfo

from streaming.client.cli.config import Config, RunType, common
from streaming.http.command import typed_before
from tests.command_line import CommandLine
from tests.conftest import Certificate


@pytest.mark.parametrize(
    ("typed", "run", "service"),
    [
        ("r1", "r1", None),
        ("-r1", "-r1", None),
        ("a%2Fb", "a%2Fb", None),
        ("/runs/r1", "r1", None),
        ("runs/r1", "r1", None),
        ("/api/runs/r1/events", "r1", None),
        ("/runs/r1?token=hwt_x", "r1", None),
        ("/runs/a%2Db", "a-b", None),
        ("http://example.org/runs/r1", "r1", "http://example.org"),
        ("HTTPS://example.org/api/runs/r1/files/a.png", "r1", "HTTPS://example.org/api"),
        ("http://example.org/#/runs/r1?token=hwt_x", "r1", "http://example.org"),
        ("http://example.org/api/#/runs/r1", "r1", "http://example.org/api"),
        ("http://example.org/runs/runs/r1", "r1", "http://example.org/runs"),
    ],
)
def test_each_form_of_a_run(typed: str, run: str, service: str | None) -> None:
    """An id, a path, or a URL, also that of the console; the service of a URL is asked."""
    ctx = click.Context(click.Command("watch"), obj=Config(url=None))
    assert RunType().convert(typed, None, ctx) == run
    assert ctx.obj.url == service


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["r1"], "a-key"),
        (["http://mine.test/api/runs/r1"], "a-key"),
        (["HTTP://MINE.test:80/runs/r1"], "a-key"),
        (["http://mine.test:81/runs/r1"], None),
        (["https://mine.test/runs/r1"], None),
        (["http://other.test/runs/r1"], None),
        (["http://mine.test@other.test/runs/r1"], None),
        (["http://other.test/runs/r1", "--key", "its-key"], "its-key"),
        (["--key", "its-key", "http://other.test/runs/r1"], "its-key"),
        (["--url", "http://other.test", "http://other.test/runs/r1"], "a-key"),
    ],
)
def test_whose_key_is_sent(words: list[str], key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the environment is for its service: the URL of a run elsewhere does not get it."""
    monkeypatch.setenv("HEADWAY_URL", "http://mine.test/api")
    monkeypatch.setenv("HEADWAY_API_KEY", "a-key")

    @common
    @click.argument("run", type=RunType())
    @click.command()
    @click.pass_obj
    def watch(config: Config, run: str) -> None:
        assert config.key == key

    CliRunner().invoke(watch, words, catch_exceptions=False)


def test_certificates(tmp_path: Path) -> None:
    """Those of the system, those of a file, or any; nothing else is relaxed."""
    assert Config(url=None).tls is None
    own = Config(url=None, cacert=certifi.where()).tls
    assert own is not None
    assert (own.verify_mode, own.check_hostname) == (ssl.CERT_REQUIRED, True)
    any_certificate = Config(url=None, insecure=True).tls
    assert any_certificate is not None
    assert any_certificate.verify_mode == ssl.CERT_NONE
    (tmp_path / "empty.pem").touch()
    with pytest.raises(click.UsageError, match="has no certificates"):
        _ = Config(url=None, cacert=str(tmp_path / "empty.pem")).tls


class Empty(BaseHTTPRequestHandler):
    """A service without operations."""

    def do_GET(self) -> None:
        body = b'{"operations": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Writes nothing."""


def test_a_service_with_a_certificate_of_its_own(certificate: Certificate) -> None:
    """It is refused, unless its authority is named, or any certificate will do."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certfile, certificate.keyfile)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        shell = CommandLine("python -m streaming", {"HEADWAY_URL": f"https://127.0.0.1:{server.server_port}"})
        refused = shell.run("operations")
        assert (refused.code, refused.err.count("\n")) == (6, 1)
        assert "CERTIFICATE_VERIFY_FAILED" in refused.err
        assert shell.run("operations", "--cacert", str(certificate.authority)).code == 0
        assert shell.run("operations", "--insecure").code == 0
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("application", "line"),
    [(None, "flask headway watch r1"), ("my shop:create", "flask --app 'my shop:create' headway watch r1")],
)
def test_the_command_line_of_an_application(application: str | None, line: str) -> None:
    """`flask headway` names the application that was asked."""
    flask = click.Context(click.Group("flask"), info_name="flask", obj=ScriptInfo(application))
    config = Config(url=None, command=typed_before("headway", flask))
    group = click.Context(click.Group("headway"), info_name="headway", parent=flask, obj=config)
    ctx = click.Context(click.Command("run"), info_name="run", parent=group)
    assert config.line(ctx, "watch", "r1") == line
