"""The rows of `docs/guarantees.md` and `docs/security.md`, and the tests that they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.outcomes import Outcomes

FILES = (Path("docs/guarantees.md"), Path("docs/security.md"))
HEADS = ("promise", "attack")
ROW = re.compile(r"^\| (?P<promise>[^|]+) \|.*\| (?P<tests>[^|]+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


class Named(NamedTuple):
    """A test as the document names it; without a function it is every test of the file."""

    file: str
    function: str

    def __str__(self) -> str:
        return "::".join(filter(None, self))


def documents() -> str:
    """The texts of the documents."""
    return "\n".join(file.read_text() for file in FILES if file.exists())


def promises(text: str) -> dict[str, list[Named]]:
    """The promises of a document, each with its tests; "the same" are those of the row above."""
    named: dict[str, list[Named]] = {}
    before: list[Named] = []
    for row in ROW.finditer(text):
        if row["promise"] not in HEADS and set(row["promise"]) - set("-"):
            if row["tests"] != "the same":
                before = [Named(f"tests/{file}", function) for file, function in NAMED.findall(row["tests"])]
            named[row["promise"]] = before
    return named


def unproven(outcomes: Outcomes, text: str, *, partly: bool = False) -> list[str]:
    """The named tests that did not pass with all their parameters; with `partly`, those among them that ran."""
    named = {test for tests in promises(text).values() for test in tests}
    return sorted(str(test) for test in named if not _has_passed(test, outcomes, partly))


def _has_passed(named: Named, outcomes: Outcomes, partly: bool) -> bool:
    matching = [
        result.outcome
        for result in outcomes.results.values()
        if named.file in (result.file, result.source) and named.function in ("", result.function)
    ]
    return set(matching) == {"passed"} or (partly and not matching)
