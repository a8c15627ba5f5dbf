"""What JSON from outside may have at most: levels, names and values, counted in its bytes before anything decodes it.

A decoder makes an object of each value, and a model that refuses them an error of each: a few megabytes take seconds
then, in which a hub does nothing else. Counting 4 MiB takes some 30 milliseconds at worst.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Final

MAX_LEVELS: Final = 64
MAX_NAMES: Final = 10_000
"""Members of all objects together."""
MAX_VALUES: Final = 100_000
"""Values of all arrays and objects together."""

_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = bytes(2 if byte in b"[{" else 0 if byte in b"]}" else 1 for byte in range(256))
"""For `bytes.translate`: one level down is 2 and one up 0, so that the level is the sum less the count."""


def excess_of(body: bytes) -> str | None:
    """What is too much in a JSON text, as in `"more than 64 levels"`; `None` if nothing is.

    Text that is no JSON counts up to its first error at least.
    """
    if b"\\" in body:  # only in strings: without escapes every other quote ends one
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if body.count(b'"') > 2 * (MAX_VALUES + MAX_NAMES):
        return _more_than(MAX_VALUES, "values")
    outside = b"".join(body.split(b'"')[::2])
    if outside.count(b":") > MAX_NAMES:
        return _more_than(MAX_NAMES, "names")
    opened = outside.count(b"[") + outside.count(b"{")
    if opened + outside.count(b",") > MAX_VALUES:
        return _more_than(MAX_VALUES, "values")
    if opened > MAX_LEVELS and _levels(outside) > MAX_LEVELS:
        return _more_than(MAX_LEVELS, "levels")
    return None


def _levels(outside: bytes) -> int:
    """The levels of nesting in JSON without its strings."""
    return max(accumulate(step - 1 for step in outside.translate(_STEPS, _NO_BRACKETS)))


def _more_than(limit: int, what: str) -> str:
    return f"more than {limit:,} {what}"
