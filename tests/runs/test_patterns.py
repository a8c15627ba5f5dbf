"""Patterns of strangers: those of a linear-time engine, and how much their searches cost."""

from __future__ import annotations

import random
import time

import pytest

from streaming.runs.patterns import MAX_SIZE, compile_cost, matches, search_cost


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("b", "abc", True),
        ("^b", "abc", False),
        ("^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$", "DE89370400440532013000", True),
        (r"^\d{4}-\d{2}-\d{2}$", "2026-11-29", True),
        (r"^[\w.+-]+@[\w-]+\.\w+$", "ada@example.org", True),
        (r"^\p{Lu}", "Éa", True),
        ("^(a+)+$", "a" * 3_000_000 + "b", False),
        ("^(a|a)*$", "a" * 1_000_000 + "b", False),
    ],
)
def test_a_search(pattern: str, text: str, found: bool) -> None:
    """It is a search, not a match of the whole; what backtracks elsewhere takes linear time."""
    assert matches(pattern, text) is found


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?=a)b", "look-around"),
        (r"(a)\1", "backreferences"),
        ("(", "unclosed group"),
        ("a{2,1}", "invalid repetition"),
        ("a{99999999999999999999}", "too large"),
        ("(a{1000}){1000}", "too large"),
        (r"\w{1000}", "too large"),
        (r"[\w-]{1000}", "too large"),
        (r"\p{L}{1000}", "too large"),
        ("((((a{9}){9}){9}){9}){99}", "too large"),
        ("a" * 1001, "too large"),
        ("(" * 999, "unclosed group|nest|limit"),
    ],
    ids=lambda value: value[:20],
)
def test_a_pattern_that_cannot_be_used(pattern: str, reason: str) -> None:
    """The error names it, in one line."""
    with pytest.raises(ValueError, match=reason) as failure:
        matches(pattern, "")
    assert repr(pattern[:80]) in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("pattern", [r"\w{130}", "(a{100}){390}", "[^a]{10000}", r"(?i)\w{100}|\d{400}", "x{39999}"])
def test_the_largest_patterns_take_milliseconds_to_compile(pattern: str) -> None:
    """The size is known before the engine sees the pattern."""
    start = time.process_time()
    assert not matches(pattern, "")
    assert time.process_time() - start < 1
    assert compile_cost(pattern) <= MAX_SIZE + 1


@pytest.mark.parametrize("pattern", ["[ab]*a[ab]{15}c", "[ab]*a[ab]{50}c", "[ab]*a[ab]{500}c", r"\w{100}x"])
def test_the_cost_of_a_search(pattern: str) -> None:
    """It is not far below the time that the slowest searches take."""
    text = "".join(random.Random(5).choices("ab", k=20_000))
    matches(pattern, "")
    start = time.process_time()
    matches(pattern, text)
    assert time.process_time() - start < 20e-6 * search_cost(pattern, len(text)) + 0.05


def test_plain_patterns_are_cheap() -> None:
    """A text of megabytes may be searched for a small pattern."""
    assert search_cost(r"\S", 4_000_000) < 50_000
