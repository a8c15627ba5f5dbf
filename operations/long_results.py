"""Results of any length in events of at most 1 MiB, which every client takes.

A result that is longer refers to values that were sent as partials: `{"$partial": KEY}`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Final

import orjson

from streaming import Event, event, partial

MOST: Final = 1_000_000
"""Bytes of JSON in an event, which has a number, a name and a time besides."""


def size(value: Any) -> int:
    """Bytes of JSON."""
    return len(orjson.dumps(value))


def reference(key: str) -> dict[str, str]:
    """What stands in a result for the value of a partial."""
    return {"$partial": key}


def shortened(result: dict[str, Any], sent: Mapping[str, Any]) -> Generator[Event, None, dict[str, Any]]:
    """A result that fits into an event; `sent` are members of references to what was sent already.

    A member is sent as a partial of its own name where that is not enough; one that is too long for an event is cut,
    which a warning says, in the result too.
    """
    if size(result) <= MOST:
        return result
    short = result | dict(sent)
    for name in sorted(short.keys() - sent.keys() - {"warnings"}, key=lambda name: size(short[name]), reverse=True):
        if size(short) <= MOST:
            break
        value = cut(short[name])
        if value is not short[name]:
            warning = {"code": "result_cut", "message": f"Some of `{name}` is left out: it has more than 1 MB."}
            yield event("warning", warning)
            short["warnings"] = [*short.get("warnings", ()), warning]
        yield partial(name, value)
        short[name] = reference(name)
    return short


def cut(value: Any) -> Any:
    """A value that fits into an event: the longest of its parts are halved until it does."""
    while size(value) > MOST:
        value = _halved(value)
    return value


def _halved(value: Any) -> Any:
    if isinstance(value, dict):
        longest = max(value, key=lambda name: size(value[name]))
        return {**value, longest: _halved(value[longest])}
    if isinstance(value, list) and len(value) == 1:
        return [_halved(value[0])]
    return value[: len(value) // 2]
