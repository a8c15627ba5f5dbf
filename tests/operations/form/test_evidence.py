"""Whether a value stands in the text of a page."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.form.evidence import PageText

PAGE = PageText(
    1,
    "Invoice No. 2026\u20110042 of 23 November 2026, due 2026-12-03\nEXAMPLE  Works\nLtd. \u2018Mill\u2019 Lane 12\n"
    "Total: 1,651.00 EUR (incl. 19 % VAT)\nBalance: -250.5\nSumme 1.234,50 / 12 345,6\nJan. 5th, 2027 7/8/2026 0.125",
)


STANDING: tuple[Any, ...] = (
    *(
        "2026-0042",
        "example works ltd",
        "Example Works\nLtd.",
        "'Mill' Lane",
        "No.",
        "1,651.00",
        "1651",
        "1651.0",
        "EUR",
    ),
    *(1651, 1651.0, 19, 12, -250.5, 250.5, 1234.5, 12345.6, 0.125, 2026),
    *("2026-11-23", "2026-12-03", "2027-01-05", "2026-08-07", "2026-07-08"),
)
MISSING: tuple[Any, ...] = (
    *("2026-00", "Work", "xample", "Mill Street", "", " ", "165", "651.001", "--"),
    *(165, 1, 651.5, -19, 2500, 1651.01, 10**30, 1e-9),
    *("2026-11-24", "2026-13-45", "2027-11-23"),
    *(True, False, None, [], {}),
)


@pytest.mark.parametrize("value", STANDING)
def test_a_value_that_stands_on_the_page(value: Any) -> None:
    """Case, white space, dashes, separators and notations of dates do not matter."""
    assert PAGE.has(value)


@pytest.mark.parametrize("value", MISSING)
def test_a_value_that_does_not_stand_on_the_page(value: Any) -> None:
    """A part of a word or of a number does not count, and true and false never stand on a page."""
    assert not PAGE.has(value)


@given(st.text(), st.text())
def test_any_text_can_be_checked(page: str, value: str) -> None:
    """The answer is true or false for any page and any value."""
    assert PageText(1, page).has(value) in (True, False)


@given(st.integers(-(10**12), 10**12), st.sampled_from(["{:,}", "{:_}", "{}"]))
def test_numbers_match_in_every_notation(number: int, notation: str) -> None:
    """With any separator of thousands, or none."""
    on_page = notation.format(number).replace("_", " ")
    assert PageText(1, f"Total: {on_page} EUR").has(number)
