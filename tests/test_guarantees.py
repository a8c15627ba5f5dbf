"""`docs/guarantees.md` names a test for each promise, and each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
GUARANTEES = TESTS.parent / "docs" / "guarantees.md"

ROW = re.compile(r"^\| (?P<promise>[^|]+) \|.*\| (?P<tests>[^|]+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def rows() -> list[tuple[str, str]]:
    """The promises and what is said of their tests."""
    found = [(row["promise"], row["tests"]) for row in ROW.finditer(GUARANTEES.read_text())]
    return [(promise, tests) for promise, tests in found if promise != "promise" and set(promise) - set("-")]


def test_every_promise_names_its_test() -> None:
    """There is no promise without a test behind it."""
    assert len(rows()) > 30
    before = ""
    for promise, tests in rows():
        named = before if tests == "the same" else tests
        assert NAMED.search(named), promise
        before = named


def test_every_named_test_exists() -> None:
    """The tests that are named are there."""
    for _, tests in rows():
        for path, name in NAMED.findall(tests):
            text = (TESTS / path).read_text()
            assert not name or f"def {name}(" in text, f"{path} has no {name}"
