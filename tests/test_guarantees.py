"""`docs/guarantees.md` and `docs/security.md` name a test in each row, and the test command sees that it ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.guarantees import FILES, promises, unproven
from tests.outcomes import Outcome, Outcomes, Result

ROOT = Path(__file__).parent.parent
GUARANTEES = "\n".join((ROOT / file).read_text() for file in FILES)

DOCUMENT = """
| promise | memory | test |
|---|---|---|
| One. | yes | `a.py::test_one`, memory: `b/c.py` |
| Two. | yes | the same |
"""


def test_every_promise_names_its_test() -> None:
    """There is no promise without a test behind it."""
    assert len(promises(GUARANTEES)) > 60
    assert not [promise for promise, tests in promises(GUARANTEES).items() if not tests]


def test_every_named_test_exists() -> None:
    """The tests that are named are there."""
    for tests in promises(GUARANTEES).values():
        for file, function in tests:
            assert not function or f"def {function}(" in (ROOT / file).read_text(), f"{file} has no {function}"


def ran(**tests: Outcome) -> Outcomes:
    """The outcomes of tests; `__` is written for what a name cannot hold."""
    ids = {"one": "tests/a.py::test_one[x]", "other": "tests/a.py::test_one[y]", "file": "tests/b/c.py::test_any"}
    results = [Result(id=ids[name], source=ids[name].partition("::")[0], outcome=tests[name]) for name in tests]
    return Outcomes(results={result.id: result for result in results})


@pytest.mark.parametrize(
    ("outcomes", "missing"),
    [
        (ran(one="passed", other="passed", file="passed"), []),
        (ran(one="passed", other="skipped", file="passed"), ["tests/a.py::test_one"]),
        (ran(one="passed", file="failed"), ["tests/b/c.py"]),
        (ran(file="passed"), ["tests/a.py::test_one"]),
        (ran(), ["tests/a.py::test_one", "tests/b/c.py"]),
    ],
)
def test_a_named_test_that_did_not_pass(outcomes: Outcomes, missing: list[str]) -> None:
    """One that was skipped in any form, has failed, or did not run leaves its promise unproven."""
    assert unproven(outcomes, DOCUMENT) == missing


@pytest.mark.parametrize(("outcome", "missing"), [("passed", []), ("skipped", ["tests/a.py::test_one"])])
def test_a_part_of_the_tests(outcome: Any, missing: list[str]) -> None:
    """Where only a part was to run, only that part has to have passed."""
    assert unproven(ran(one=outcome), DOCUMENT, partly=True) == missing


def test_a_mix_in() -> None:
    """A test that another module inherits ran as one of the file that it is written in."""
    inherited = Result(id="tests/d.py::TestIt::test_any", source="tests/b/c.py", outcome="passed")
    outcomes = ran(one="passed") + Outcomes(results={inherited.id: inherited})
    assert unproven(outcomes, DOCUMENT) == []
