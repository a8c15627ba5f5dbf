"""The two forms of a test; each run of the tests checks the one that it is in."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.tiers import EXAMPLES, TIMEOUT


def test_a_test_with_a_long_form(long: bool, request: pytest.FixtureRequest) -> None:
    """It is marked by its fixture, and has more time in the long form."""
    assert request.node.get_closest_marker("long")
    timeout = request.node.get_closest_marker("timeout")
    assert (timeout.args if timeout else None) == ((TIMEOUT,) if long else None)


@pytest.mark.long
def test_a_test_without_a_short_form(long: bool) -> None:
    """It is there in the long form alone."""
    assert long


def test_examples_of_hypothesis(long: bool, request: pytest.FixtureRequest) -> None:
    """Each of its tests has a long form, which tries more examples and never the same ones on purpose."""
    assert settings().max_examples == (EXAMPLES if long else 100)
    assert not (long and settings().derandomize)
    marks = [item for item in request.session.items if item.get_closest_marker("hypothesis")]
    assert not [item.nodeid for item in marks if not item.get_closest_marker("long")]
