"""The service's log: lines as text or as JSON, without secrets."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from operations import logs
from streaming.logs import Lines

Configure = Callable[[str, str], None]
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ \[\d+\] [\w.]+: ")


@pytest.fixture
def configure() -> Iterator[Configure]:
    """`logs.configure` as in a new process, whose root logger has no handler."""
    root, loggers = logging.getLogger(), [logging.getLogger(name) for name in ("", "headway", "httpx")]
    handlers, levels = list[logging.Handler](), [logger.level for logger in loggers]

    def configure(form: str, level: str) -> None:
        handlers.extend(root.handlers)
        root.handlers = []
        logs.configure(form, level)

    try:
        yield configure
    finally:
        root.handlers = handlers
        for logger, before in zip(loggers, levels, strict=True):
            logger.setLevel(before)


def record(message: str, *args: Any, name: str = "headway", error: Exception | None = None, **more: Any) -> Any:
    """A record of the log."""
    info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord(name, logging.INFO, "", 0, message, args, info)
    vars(made).update(more)
    return made


def test_text() -> None:
    """Time, level, process and logger stand before the message, and the run, its operation and its owner behind it."""
    line = logs.Text().format(record("it %s", "ended", run="r1", operation="count", owner="ann lee", seconds=1.5))
    assert LINE.match(line)
    assert line.endswith('headway: it ended run=r1 operation=count owner="ann lee"')
    assert logs.Text().format(record("plain", run="-", operation="-", owner="-")).endswith("headway: plain")


def test_json() -> None:
    """Every field of the record is one of the object."""
    line = logs.Json().format(record("it %s", "ended\n", run="r1", owner="-", seconds=1.5, what={1, 2}))
    read = json.loads(line)
    assert "\n" not in line
    assert {"level": "INFO", "message": "it ended\n", "run": "r1", "seconds": 1.5, "logger": "headway"}.items() <= (
        read.items()
    )
    assert "owner" not in read
    assert {"time", "process"} < read.keys()


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\x1b[2Jb", "a\x00b", "a\x85b", "a\u2028b", "a\x7fb"])
@pytest.mark.parametrize("name", ["gunicorn.access", "werkzeug", "tools"])
def test_a_line_is_one_line(text: str, name: str) -> None:
    """Line ends and control characters of others are escaped."""
    line = logs.Text().format(record("%s", text, name=name, owner=text))
    assert line.isprintable()


def test_a_traceback() -> None:
    """It follows on lines that are indented, so that its text is never taken for a line of the log."""
    try:
        raise LookupError("x\n2026-11-29T10:00:00.000Z ERROR [1] headway: forged\x1b[2J")
    except LookupError as error:
        line = logs.Text().format(record("failed", error=error))
        read = json.loads(logs.Json().format(record("failed", error=error)))
    first, *rest = line.split("\n")
    assert first.endswith("headway: failed")
    assert all(each.startswith("    ") and each.isprintable() for each in rest)
    assert "LookupError" in line
    assert "LookupError" in read["traceback"]


def test_a_stack() -> None:
    """That of a warning of ours is indented too."""
    line = logs.Text().format(record("blocks, at\n%s", Lines("  File a\n  File b")))
    assert line.split("\n")[1:] == ["      File a", "      File b"]


def test_colours_are_dropped() -> None:
    """The development server colours its lines."""
    assert logs.Text().format(record("\x1b[33mGET\x1b[0m", name="werkzeug")).endswith("werkzeug: GET")


@pytest.mark.parametrize("form", logs.FORMS)
def test_no_secret_is_written(form: str, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    """Run tokens and keys are masked, whoever logs them."""
    configure(form, "INFO")
    logging.getLogger("headway").info("see %s", "/runs/r?token=s3cret and Bearer s3cret")
    logging.getLogger("tools").warning("hwt_s3cret.x")
    written = capsys.readouterr().err
    assert written.count("***") == 3
    assert "s3cret" not in written


def test_the_level(configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    """It is that of our own lines; what other libraries say at DEBUG, which may be prompts, is never written."""
    configure("text", "DEBUG")
    logging.getLogger("headway").debug("ours")
    logging.getLogger("openai").debug("theirs")
    logging.getLogger("httpx").info("a URL")
    logs.configure("text", "ERROR")
    logging.getLogger("headway").warning("too low")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("headway: ours")


def test_a_log_that_is_configured_stays() -> None:
    """Of an application that has handlers, or of gunicorn's `--log-config`: here of pytest."""
    before = list(logging.getLogger().handlers)
    logs.configure("json", "INFO")
    assert logging.getLogger().handlers == before != []
