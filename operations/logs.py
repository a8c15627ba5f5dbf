"""The service's log: one line an event on standard error, as text or as JSON, for gunicorn's own lines too.

`HEADWAY_LOG` and `HEADWAY_LOG_LEVEL` choose the form and the level. gunicorn's master imports this module, which gevent
has not patched there: it stands on the standard library alone.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from typing import Any, Final, TextIO

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FORMS: Final = ("text", "json")

STYLE: Final = re.compile(r"\x1b\[[0-9;]*m")
"""Colours, which the development server has in its lines."""
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What ends a line somewhere, or is a command to a terminal."""

SECRETS: Final = re.compile(
    r"((?<![\w%-])(?:t|%74)(?:o|%6f)(?:k|%6b)(?:e|%65)(?:n|%6e)=)[^&\s\"'#]+|\b((?:bearer|basic)\s+)[^\s\"',;]+|"
    r"\b(hwt_)[\w.-]+",
    re.IGNORECASE | re.ASCII,
)

FIELDS: Final = ("run", "operation", "owner")
OWN: Final = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})
"""What a record has besides the fields that were logged with it."""


ACCESS: Final = {"run": "{headway.run}e", "address": "h", "method": "m", "path": "U", "status": "s", "seconds": "L"}
"""The fields of a line of gunicorn's access log, and what they are called among its values."""


def hide_secrets(record: logging.LogRecord) -> bool:
    """A filter: replaces run tokens and keys in a message. A line of the access log gets its fields."""
    if isinstance(record.args, dict):
        for field, atom in ACCESS.items():
            setattr(record, field, record.args.get(atom))
    message = record.getMessage()
    hidden = SECRETS.sub(lambda match: f"{match[1] or match[2] or match[3]}***", message)
    if hidden != message:
        record.msg, record.args = hidden, ()
    return True


class Text(logging.Formatter):
    """`TIME LEVEL [PROCESS] LOGGER: MESSAGE run=R operation=O owner=W`, as one line.

    A stack or a traceback follows on lines that are indented, so that nothing in it looks like a line of the log.
    """

    def format(self, record: logging.LogRecord) -> str:
        first, *rest = record.getMessage().split("\n") if _has_lines(record) else [record.getMessage()]
        fields = "".join(f" {name}={_word(value)}" for name, value in _fields(record) if name in FIELDS)
        line = f"{_time(record)} {record.levelname} [{record.process}] {record.name}: {_escaped(first)}{fields}"
        return "\n    ".join([line, *(_escaped(each) for each in [*rest, *_traceback(record)])])


class Json(logging.Formatter):
    """One JSON object a line: `time`, `level`, `process`, `logger`, `message`, and the fields of the record."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "process": record.process,
            "logger": record.name,
            "message": record.getMessage(),
            **dict(_fields(record)),
        }
        if trace := _traceback(record):
            line["traceback"] = "\n".join(trace)
        return json.dumps(line, default=str)


def formatter(form: str) -> logging.Formatter:
    """The formatter of a form; text for one that is unknown, which the application refuses itself."""
    return Json() if form.strip().lower() == "json" else Text()


class StandardError(logging.StreamHandler[TextIO]):
    """A handler for what is standard error when a line is written."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.addFilter(hide_secrets)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # nobody sets it
        return sys.stderr


def configure(form: str, level: str) -> None:
    """Sends the lines of this process to standard error, from `level` on; those of other libraries from INFO on.

    Like `logging.basicConfig` it does nothing where somebody else has configured logging.
    """
    root = logging.getLogger()
    if not all(isinstance(each, StandardError) for each in root.handlers):
        return
    handler = StandardError()
    handler.setFormatter(formatter(form))
    root.handlers = [handler]
    root.setLevel(max(logging.getLevelName(level), logging.INFO))
    logging.getLogger("headway").setLevel(level)
    # At INFO it logs URLs with their queries: what the agent's tools look up, and the signatures of documents' URLs.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _time(record: logging.LogRecord) -> str:
    """RFC 3339, in UTC, with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    for name, value in vars(record).items():
        if name not in OWN and value not in ("-", None):
            yield name, value


def _has_lines(record: logging.LogRecord) -> bool:
    """Whether a message has lines of its own, a stack: the library escapes those that came from outside."""
    return record.name == "headway"


def _traceback(record: logging.LogRecord) -> list[str]:
    if not record.exc_text and record.exc_info and record.exc_info[0]:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
    return [*(record.exc_text or "").splitlines(), *(record.stack_info or "").splitlines()]


def _word(value: Any) -> str:
    text = _escaped(str(value))
    return json.dumps(text, ensure_ascii=False) if re.search(r'[\s"=]', text) else text


def _escaped(text: str) -> str:
    return CONTROL.sub(lambda match: repr(match[0])[1:-1], STYLE.sub("", text))
