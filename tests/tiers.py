"""A pytest plugin for two tiers: `make test` runs every test in its short form, `make test-long` the long forms.

A test that has both takes the fixture `long`, and does more where it is true. Tests of hypothesis have both by
themselves. Either is marked `long`, so that `pytest -m long --long` runs the long forms alone. A test, or one of its
parameters, that carries the mark in its source has a long form alone, and is not collected for the short one.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

EXAMPLES = 2_000
"""The examples of hypothesis in the long form; in the short one it tries its own 100."""

TIMEOUT = 1800
"""Seconds that a test may take in its long form."""

LONGEST = ("test_console", "test_typescript", "test_lease", "test_faults", "test_drain", "test_slow_viewer")
"""The modules that take the longest. They begin first: the last one to begin runs alone in the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long`."""
    parser.addoption("--long", action="store_true", help="run tests that have a long form in it")


def pytest_configure(config: pytest.Config) -> None:
    """Counts hypothesis's examples, and never times them, which says more about the machine than about the code."""
    untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("short", untimed)
    # In CI hypothesis tries the same examples every time. The long form looks for new ones, and remembers what failed.
    remembers = settings.get_profile("default")
    settings.register_profile(
        "long", untimed, max_examples=EXAMPLES, derandomize=False, database=remembers.database, print_blob=True
    )
    settings.load_profile("long" if config.getoption("--long") else "short")


@pytest.fixture(scope="session")
def long(pytestconfig: pytest.Config) -> bool:
    """Whether tests run in their long form."""
    return bool(pytestconfig.getoption("--long"))


@pytest.hookimpl(tryfirst=True)  # before `-m` selects by the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks tests with a long form, gives them time for it, leaves out those without a short one, and orders all."""
    long = config.getoption("--long")
    if not long:
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))
    for item in items:
        if "long" in getattr(item, "fixturenames", ()) or is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.long)
        if long and item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(TIMEOUT))
