"""The test command, over folders of a few tests that pass, fail, crash, or fail only once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.outcomes import Outcome, Outcomes, Result
from tests.servers import ROOT, environment
from tests.suite import verdict

PROMISE = "| It works. | yes | `test_it.py::test_one` |\n"


def outcomes(not_collected: list[str] | None = None, *, complete: bool = True, **tests: Outcome) -> Outcomes:
    """The outcomes of some tests of one file."""
    ids = {name: f"tests/test_it.py::test_{name}" for name in tests}
    results = {ids[name]: Result(id=ids[name], source="tests/test_it.py", outcome=tests[name]) for name in tests}
    return Outcomes(results=results, not_collected=not_collected or [], complete=complete)


PASSED = outcomes(one="passed", two="passed", three="skipped")
FAILED = outcomes(one="failed", two="failed", three="passed")
NONE = outcomes()


@pytest.mark.parametrize(
    ("first", "rerun", "passed", "last"),
    [
        (PASSED, NONE, True, "PASSED: 2 passed, 1 skipped, 0 failed, 0 flaky"),
        (
            PASSED + outcomes(two="failed"),
            outcomes(two="passed"),
            True,
            "PASSED: 2 passed, 1 skipped, 0 failed, 1 flaky",
        ),
        (FAILED, outcomes(one="passed", two="passed"), False, "FAILED: 3 passed, 0 skipped, 0 failed, 2 flaky"),
        (FAILED, outcomes(one="passed", two="failed"), False, "FAILED: 2 passed, 0 skipped, 1 failed, 1 flaky"),
        (PASSED + outcomes(two="failed"), NONE, False, "FAILED: 1 passed, 1 skipped, 1 failed, 0 flaky"),
        (PASSED + outcomes(["tests/x.py"]), NONE, False, "FAILED: 2 passed, 1 skipped, 0 failed, 0 flaky"),
        (
            PASSED + outcomes(complete=False),
            NONE,
            False,
            "FAILED: 2 passed, 1 skipped, 0 failed, 0 flaky, and not all tests ran",
        ),
        (NONE, NONE, False, "FAILED: 0 passed, 0 skipped, 0 failed, 0 flaky, and not all tests ran"),
    ],
    ids=[
        "all passed",
        "one is flaky",
        "two are flaky",
        "one fails twice",
        "the rerun crashed",
        "one file is broken",
        "pytest crashed",
        "nothing ran",
    ],
)
def test_a_verdict(first: Outcomes, rerun: Outcomes, passed: bool, last: str) -> None:
    """One flaky test does not fail the run; anything else that did not pass does."""
    result, lines = verdict(first, rerun, PROMISE if first.results else "", long=False)
    assert (result, lines[-1]) == (passed, last)


def test_files_that_tests_left_behind() -> None:
    """They are named."""
    passed, lines = verdict(PASSED, NONE, PROMISE, ["headway-analytics-x"], long=False)
    assert passed
    assert lines[-4:-1] == ["Left behind, and deleted:", "  headway-analytics-x", ""]


def test_a_promise_whose_test_is_skipped() -> None:
    """A test that the guarantees name has to have passed."""
    passed, lines = verdict(outcomes(one="skipped"), NONE, PROMISE, long=False)
    assert not passed
    assert lines[-3:-1] == ["  tests/test_it.py::test_one", ""]


QUICK = {
    "PYTHONPATH": str(ROOT),
    "PYTEST_XDIST_AUTO_NUM_WORKERS": "1",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "xdist.plugin",
}
"""pytest with its workers and no other plugin: without hypothesis it starts in a quarter of the time."""


def run(folder: Path, tests: str, *, broken: str = "") -> tuple[int, str]:
    """The exit code and the verdict of the test command over a folder with these tests."""
    (folder / "docs").mkdir()
    (folder / "tests").mkdir()
    (folder / "docs" / "guarantees.md").write_text(PROMISE)
    (folder / "pyproject.toml").write_text(
        '[tool.pytest]\nstrict_markers = true\ntestpaths = ["tests"]\nmarkers = ["live", "long"]\n'
    )
    (folder / "tests" / "conftest.py").write_text('pytest_plugins = ["tests.outcomes"]\n')
    (folder / "tests" / "test_it.py").write_text(f"import os, pathlib, pytest\n{tests}")
    if broken:
        (folder / "tests" / "test_broken.py").write_text(broken)
    done = subprocess.run(
        [sys.executable, "-m", "tests.suite"],
        cwd=folder,
        env=environment(QUICK),
        capture_output=True,
        text=True,
    )
    print(done.stdout, done.stderr)  # noqa: T201  for a test that fails
    return done.returncode, done.stdout.rpartition("=\n")[2]


ONE = """
def test_one(record_property):
    record_property("figure", ("the time of one", "1 ms"))
"""
LEFT = """
import tempfile

def test_that_leaves_a_file():
    tempfile.mkstemp(prefix="left-")
"""
FLAKY = """
@pytest.mark.live
def test_that_fails_first():
    seen = pathlib.Path("seen")
    first = not seen.exists()
    seen.touch()
    assert not first
"""


@pytest.mark.timeout(180)  # it starts three pytests with their workers
def test_one_flaky_test(tmp_path: Path) -> None:
    """It is printed and does not fail the run, and the figures of both halves are printed too."""
    code, text = run(tmp_path, ONE + FLAKY)
    assert code == 0
    assert text == (
        "\n"
        "the time of one  1 ms\n"
        "\n"
        "Flaky: failed, then passed by itself:\n"
        "  tests/test_it.py::test_that_fails_first\n"
        "\n"
        "PASSED: 2 passed, 0 skipped, 0 failed, 1 flaky\n"
    )


BAD = """
def test_one():
    pytest.skip("not today")

def test_that_fails():
    assert False

@pytest.fixture
def failing():
    yield
    assert False

def test_whose_fixture_fails(failing):
    pass

def test_that_crashes():
    os.abort()
"""


@pytest.mark.timeout(180)
def test_what_fails_the_run(tmp_path: Path) -> None:
    """A test or fixture that fails twice, a crash, a file that cannot be read, and a promise whose test is skipped."""
    code, text = run(tmp_path, BAD + LEFT, broken="import nothing_of_this_name\n")
    assert code == 1
    for test in ("test_that_fails", "test_whose_fixture_fails", "test_that_crashes"):
        assert f"  tests/test_it.py::{test}\n" in text
    assert "Could not be collected:\n  tests/test_broken.py\n" in text
    assert "Named in docs/guarantees.md or docs/security.md, but did not pass:\n  tests/test_it.py::test_one\n" in text
    assert "Left behind, and deleted:\n  left-" in text
    assert "FAILED: 1 passed, 1 skipped, 3 failed, 0 flaky\n" in text
