"""The library's log: the logger `headway` of the standard library, which the application configures, or nobody.

Each record of it has `run`, `operation` and `owner` (`RunFilter`), and is one line: what came from outside cannot break
a line or move a terminal's cursor. What goes away and comes back writes one line each (`Outage`).
"""

from __future__ import annotations

import logging
import re
from typing import Any, ClassVar, Final, Protocol

log: Final = logging.getLogger("headway")

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What ends a line somewhere, or is a command to a terminal."""


class Lines(str):
    """A text of several lines that stands in the log as it is, such as a stack."""

    __slots__ = ()


def of_run(run: str | None, operation: str, owner: str = "", **more: Any) -> dict[str, Any]:
    """The fields of a record about a run, for `extra`, with those in `more`."""
    return {"run": run or "-", "operation": operation, "owner": owner or "-", **more}


class Logged(Protocol):
    """What a line about a run says of it."""

    @property
    def id(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def owner(self) -> str: ...


def log_run(level: int, run: Logged, how: str, *args: Any, exc_info: bool = False, **more: Any) -> None:
    """One line about a run; `more` are fields of its record."""
    extra = of_run(run.id, run.operation, run.owner, **more)
    message = f"operation %r (run %s) {how}"
    log.log(level, message, run.operation, run.id, *args, exc_info=exc_info, extra=extra, stacklevel=2)


def one_line(text: str) -> str:
    """`text` with its control characters and line ends as Python writes them in a string."""
    return CONTROL.sub(lambda match: repr(match[0])[1:-1], text)


def _keep_on_one_line(record: logging.LogRecord) -> bool:
    """A filter: escapes what is in the arguments of a message, unless it is `Lines`."""
    if isinstance(record.args, tuple) and CONTROL.search(record.getMessage()):
        record.args = tuple(_escaped(value) for value in record.args)
    return True


def _escaped(value: Any) -> Any:
    is_text = isinstance(value, str | BaseException) and not isinstance(value, Lines)
    return one_line(str(value)) if is_text else value


log.addFilter(_keep_on_one_line)


class Outage:
    """Whether something that this process needs is away, such as a store or a server.

    Several parts of the process may notice: the first one that fails writes a line of `level`, and the last one that
    succeeds again writes another. `errors` counts the failures of all of them.
    """

    _away: ClassVar[dict[str, Outage]] = {}

    def __init__(self, name: str, level: int = logging.WARNING) -> None:
        self.name = name
        self.errors: int = 0
        self._level = level
        self._failing: set[str] = set()

    @classmethod
    def of(cls, name: str) -> Outage:
        """That of a server, which has a name in this process as a logger has."""
        return cls._away.get(name) or _OutageOfServer(name)

    def gone(self, why: object, part: str = "", *, unexpected: BaseException | None = None) -> None:
        """Notes a failure; `unexpected` is an exception whose traceback helps."""
        self.errors += 1
        before = bool(self._failing)
        self._failing.add(part)
        if not before:
            log.log(self._level, "%s is away: %.500s", self.name, why, exc_info=unexpected)

    def back(self, part: str = "") -> None:
        """Notes a success."""
        if part in self._failing:
            self._failing.discard(part)
            if not self._failing:
                log.warning("%s is back", self.name)


class _OutageOfServer(Outage):
    """Known by its name for as long as it lasts."""

    def gone(self, why: object, part: str = "", *, unexpected: BaseException | None = None) -> None:
        self._away[self.name] = self
        super().gone(why, part, unexpected=unexpected)

    def back(self, part: str = "") -> None:
        super().back(part)
        self._away.pop(self.name, None)
