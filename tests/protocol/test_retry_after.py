"""What `Retry-After` asks for."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import parse_retry_after
from streaming.protocol.retry_after import LONGEST

NOW: Final = 784111757.0
"""Sun, 06 Nov 1994 08:49:17 GMT."""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 120 ", 120),
        ("007", 7),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 20),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 20),
        ("Sun Nov  6 08:49:37 1994", 20),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 20),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
        ("Wed, 01 Jan 1000 00:00:00 GMT", 0),
    ],
)
def test_a_number_or_a_date(value: str, seconds: float) -> None:
    """A date may have the three formats of RFC 9110, section 5.6.7; what has passed asks for no wait."""
    assert parse_retry_after(value, NOW) == seconds


@pytest.mark.parametrize("value", ["100000000", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_more_than_the_longest_wait(value: str) -> None:
    """It counts as that: to ignore it would be to come back at once."""
    assert parse_retry_after(value, NOW) == LONGEST


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "1e3", "+7", "٧", "Sun, 99 Nov 1994 08:49:37 GMT"])
def test_what_is_neither_is_ignored(value: str) -> None:
    """It is not an error of the one who reads it."""
    assert parse_retry_after(value, NOW) is None


dates = st.builds(
    "Sun, {} {} {:04} {}:{}:{} {}".format,
    st.integers(-1, 40),
    st.sampled_from(["Jan", "Dec", "None"]),
    st.integers(0, 99999),
    *[st.integers(0, 99)] * 3,
    st.sampled_from(["GMT", "+9999", "-2359", ""]),
)


@given(st.text() | dates)
def test_no_header_breaks_it(value: str) -> None:
    """Whatever a service sends, there is a wait within the bounds, or none."""
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST
