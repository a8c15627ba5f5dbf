"""What JSON from outside may have: counted in its bytes, before anything decodes it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from streaming.protocol import json_limits
from streaming.protocol.json_limits import MAX_LEVELS, MAX_NAMES, MAX_VALUES, excess_of

SIZE = 4 << 20
"""Bytes: what `HEADWAY_MAX_JSON` is by default."""


def names(count: int) -> bytes:
    """An object with so many members."""
    return json.dumps({f"name {number}": number for number in range(count)}).encode()


@pytest.mark.parametrize(
    ("body", "excess"),
    [
        (b"", None),
        (b"[" * MAX_LEVELS + b"]" * MAX_LEVELS, None),
        (b"[" * (MAX_LEVELS + 1) + b"]" * (MAX_LEVELS + 1), "more than 64 levels"),
        (b'{"a":' * (MAX_LEVELS + 1) + b"1" + b"}" * (MAX_LEVELS + 1), "more than 64 levels"),
        (b"[" + b"[[]]," * 100 + b"[]]", None),
        (names(MAX_NAMES), None),
        (names(MAX_NAMES + 1), "more than 10,000 names"),
        (b"[" + b"1," * (MAX_VALUES - 2) + b"1]", None),
        (b"[" + b"1," * MAX_VALUES + b"1]", "more than 100,000 values"),
        (b'["' + b'","' * (SIZE // 3) + b'"]', "more than 100,000 values"),
        (b'"' + b"[{:," * 100_000 + b'"', None),
        (rb'"\"' + b"[" * 100 + rb"\\\"" + b":" * 20_000 + rb'\\"', None),
        (rb'["\\",' + b"[" * 64 + b"]" * 64 + b"]", "more than 64 levels"),
    ],
    ids=lambda value: value[:12].decode() if isinstance(value, bytes) else None,
)
def test_levels_names_and_values(body: bytes, excess: str | None) -> None:
    """Brackets, colons and commas count outside of strings only."""
    assert excess_of(body) == excess


def test_it_counts_as_a_decoder_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any JSON: with limits of what it has nothing is too much, and with one less something is."""
    source = random.Random(5)
    for _ in range(300):
        value = {"it": grown(source, 5)}
        body = json.dumps(value, ensure_ascii=source.random() < 0.5).encode(errors="surrogatepass")
        levels, names = depth(value), sum(map(len, objects(value)))
        monkeypatch.setattr(json_limits, "MAX_LEVELS", levels)
        monkeypatch.setattr(json_limits, "MAX_NAMES", names)
        assert excess_of(body) is None, body
        monkeypatch.setattr(json_limits, "MAX_LEVELS", levels - 1)
        assert excess_of(body) == f"more than {levels - 1} levels", body
        monkeypatch.setattr(json_limits, "MAX_NAMES", names - 1)
        assert excess_of(body) == f"more than {names - 1} names", body


def grown(source: random.Random, levels: int) -> Any:
    """A random value, with strings that look like structure."""
    kind = source.randrange(4) if levels else 3
    text = "".join(source.choices('\\"[]{}:,a\u2028é\n', k=source.randrange(12)))
    if kind == 0:
        return [grown(source, levels - 1) for _ in range(source.randrange(4))]
    if kind < 3:
        return {f"{text}{number}": grown(source, levels - 1) for number in range(source.randrange(4))}
    return source.choice([text, 1, -1.5e300, None, True])


def depth(value: Any) -> int:
    """The levels of a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a value."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(each)


@pytest.mark.parametrize(
    "unit", [b'"', b'""', b'"a",', b"\\\\", b'\\"', b"[", b"]", b"[]", b"[],", b"{}", b"1,", b"x", b'"k":1,', b"[[]]"]
)
def test_four_megabytes_take_milliseconds(unit: bytes) -> None:
    """Whatever they are made of."""
    for body in (unit * (SIZE // len(unit)), b'"' + unit * (SIZE // len(unit)) + b'"'):
        start = time.process_time()
        excess_of(body)
        assert time.process_time() - start < 0.5
