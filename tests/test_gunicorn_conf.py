"""gunicorn's configuration file, read as gunicorn reads it."""

from __future__ import annotations

import json
import logging
import resource
import runpy
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from streaming.http.heartbeat import most_streams

CONF = Path(__file__).resolve().parent.parent / "gunicorn.conf.py"


@pytest.fixture(autouse=True)
def metrics_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder for the figures: the file would make one, and set its variable in this process for good."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("drain", "graceful"),
    [(None, 22), ("60", 72), ("2.5", 14), ("0", 12), ("-3", 12), ("nan", 22), ("inf", 22), ("x", 22)],
)
def test_the_kill_comes_after_the_drain(drain: str | None, graceful: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """gunicorn kills only after HEADWAY_DRAIN; one that cannot be read is for the application to refuse."""
    monkeypatch.delenv("HEADWAY_DRAIN", raising=False)
    if drain is not None:
        monkeypatch.setenv("HEADWAY_DRAIN", drain)
    assert runpy.run_path(str(CONF))["graceful_timeout"] == graceful


def test_connections_outnumber_streams() -> None:
    """A worker takes more connections than streams, so that it can still refuse, cancel and answer health checks."""
    from streaming.settings import Settings

    assert runpy.run_path(str(CONF))["worker_connections"] > Settings.read({}).max_streams


def test_connections_leave_files_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process may open few files, its connections do not take all of them, and outnumber its streams."""
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 1024))
    assert most_streams(10_000) == 768 < runpy.run_path(str(CONF))["worker_connections"] < 1024 - 100


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        ('"GET /runs/r1/events?token=s3cret HTTP/1.1" 200', '"GET /runs/r1/events?token=*** HTTP/1.1" 200'),
        ('"GET /runs/r1?a=1&token=s3cret&b=2 HTTP/1.1"', '"GET /runs/r1?a=1&token=***&b=2 HTTP/1.1"'),
        ("?t%6FkeN=s3cret", "?t%6FkeN=***"),
        ("token=s3cret", "token=***"),  # %(q)s
        ('"https://a.example/?token=s3cret#x" "curl"', '"https://a.example/?token=***#x" "curl"'),
        ("Authorization Bearer s3cret.x-y", "Authorization Bearer ***"),
        ("basic YW5uOnMzY3JldA== curl", "basic *** curl"),
        ("/runs?mytoken=1&last_event_id=7", "/runs?mytoken=1&last_event_id=7"),
    ],
)
@pytest.mark.parametrize("logger", ["gunicorn.access", "gunicorn.error"])
def test_no_secret_is_logged(logger: str, line: str, logged: str) -> None:
    """Run tokens and keys are replaced in both logs, wherever the format shows them."""
    conf = runpy.run_path(str(CONF))
    (hide,) = logging.getLogger(logger).filters
    record = logging.LogRecord(logger, logging.INFO, "", 0, "%(line)s", ({"line": line},), None)
    assert hide(record)  # type: ignore[operator]
    assert record.getMessage() == logged
    assert conf["hide_secrets"] is hide


@pytest.mark.parametrize("form", ["text", "json", "", "nonsense"])
def test_gunicorns_lines_have_the_form_of_the_log(form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of its error log, and of its access log, which has the run, and no secret."""
    monkeypatch.setenv("HEADWAY_LOG", form)
    conf = runpy.run_path(str(CONF))
    cfg = Config()
    for name in ("error", "access"):
        cfg.set(f"{name}log", str(tmp_path / name))
    cfg.set("access_log_format", conf["access_log_format"])
    environ = {"REQUEST_METHOD": "GET", "RAW_URI": "/runs/r1?token=s3cret", "SERVER_PROTOCOL": "HTTP/1.1"}
    environ |= {"PATH_INFO": "/runs/r1", "HTTP_USER_AGENT": "curl\x1b[2J", "headway.run": "r1"}
    logger = conf["Logger"](cfg)
    try:
        logger.info("Booting worker with pid: %s", 7)
        logger.access(SimpleNamespace(status="200 OK", headers=[], sent=5), {}, environ, timedelta(seconds=1))
    finally:
        for log in (logger.error_log, logger.access_log):
            handler = logger._get_gunicorn_handler(log)
            log.removeHandler(handler)
            handler.close()
    booting, access = ((tmp_path / name).read_text() for name in ("error", "access"))
    assert booting.count("\n") == access.count("\n") == 1
    assert "s3cret" not in access
    if form == "json":
        assert json.loads(booting)["message"] == "Booting worker with pid: 7"
        expected = {
            "run": "r1",
            "path": "/runs/r1",
            "status": "200",
            "seconds": "1.000000",
            "logger": "gunicorn.access",
        }
        assert expected.items() <= json.loads(access).items()
    else:
        assert booting.endswith("] gunicorn.error: Booting worker with pid: 7\n")
        assert '"GET /runs/r1?token=*** HTTP/1.1" 200 5 1.000000 "-" "curl\\x1b[2J" run=r1' in access


@pytest.mark.parametrize(
    ("level", "expected"), [("debug", "debug"), ("WARNING", "warning"), ("loud", None), ("", None)]
)
def test_the_level_of_gunicorns_lines(level: str, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of the log; one that cannot be read is for the application to refuse."""
    monkeypatch.setenv("HEADWAY_LOG_LEVEL", level)
    assert runpy.run_path(str(CONF)).get("loglevel") == expected


@pytest.mark.parametrize(("port", "address"), [("12345", "0.0.0.0:12345"), ("", "127.0.0.1:8000")])
def test_the_address_is_gunicorns_own(port: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its default knows PORT, as platforms set it, and a `bind` here would hide that."""
    monkeypatch.delenv("PORT", raising=False)
    if port:
        monkeypatch.setenv("PORT", port)
    command = [sys.executable, "-m", "gunicorn", "--print-config", "-c", str(CONF), "tests.apps.echo:app"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=CONF.parent).stdout
    [line] = [line for line in printed.splitlines() if line.startswith("bind ")]
    assert line.split("=", 1)[1].strip() == repr([address])
