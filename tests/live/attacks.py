"""The worst bodies and headers that strangers have thought of, each with the statuses that may answer it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any, Final
from urllib.parse import urlencode

SIZE: Final = 4 << 20
"""Bytes: HEADWAY_MAX_JSON."""
JSON: Final = {"Content-Type": "application/json"}
URLENCODED: Final = {"Content-Type": "application/x-www-form-urlencoded"}
PDF: Final = b'Content-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-1.4'
BURN: Final = {"steps": 1, "interval": 0, "burn": 1}


@dataclass(frozen=True)
class Attack:
    """One request; `answer_to` is the schema of a question that it answers first."""

    path: str
    body: bytes
    statuses: tuple[int, ...] = (422,)
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    answer_to: dict[str, Any] | None = None
    method: str = "POST"
    times: int = 1


def to(operation: str, body: Any, *statuses: int, **more: Any) -> Attack:
    """A start with a body of JSON."""
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Attack(f"/operations/{operation}", encoded, statuses or (422,), **more)


def filled(unit: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    """As much as a body may have, of one unit again and again."""
    return before + unit * ((SIZE - len(before) - len(after)) // len(unit)) + after


def names(count: int) -> bytes:
    """An object with so many unknown members."""
    return b"{" + b",".join(b'"k%d":1' % number for number in range(count)) + b"}"


def form(operation: str, *parts: bytes, boundary: str = "b", statuses: tuple[int, ...] = (413, 422, 400)) -> Attack:
    """A start with a form of several parts."""
    edge = b"--" + boundary.encode()
    body = b"".join(edge + b"\r\n" + part + b"\r\n" for part in parts) + edge + b"--\r\n"
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return Attack(f"/operations/{operation}", body, statuses, headers)


def part(name: str, value: bytes) -> bytes:
    """A text of such a form."""
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value


def fields(schema: Any) -> Attack:
    """A document, with the form that a model should fill in, as text."""
    return form("extract", PDF, part("fields", schema if isinstance(schema, bytes) else json.dumps(schema).encode()))


def fan_out(count: int, levels: int) -> dict[str, Any]:
    """Each definition refers to the next one so many times."""
    definitions: dict[str, Any] = {f"d{levels}": {"type": "string"}}
    for level in range(levels):
        inner = {"$ref": f"#/$defs/d{level + 1}"}
        definitions[f"d{level}"] = {"type": "object", "properties": {f"p{number}": inner for number in range(count)}}
    return {"type": "object", "$defs": definitions, "properties": {"it": {"$ref": "#/$defs/d0"}}}


def answer(schema: dict[str, Any], value: bytes, *statuses: int) -> Attack:
    """An answer to a question with this schema."""
    return Attack("answer", b'{"question":"q2","answer":' + value + b"}", statuses or (422,), answer_to=schema)


def long_header(name: str, value: str, *statuses: int, path: str = "/operations/simulate", **more: Any) -> Attack:
    """A start with one header many times, half a megabyte of it: servers join headers of one name."""
    cases = ("".join(letters) for letters in product(*((letter, letter.swapcase()) for letter in name)))
    lines = dict.fromkeys(islice(cases, 60), value * (7_000 // len(value)))
    return Attack(path, b'{"steps":0}', statuses, {**JSON, **lines}, **more)


TREE: Final = {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"$ref": "#"}]}}

ATTACKS: Final[dict[str, Callable[[], Attack]]] = {
    "a million unknown names": lambda: to("simulate", names(330_000)),
    "10,000 unknown names": lambda: to("simulate", names(10_000)),
    "10,000 names in a value": lambda: to("anything", b'{"numbers":' + names(9_999) + b"}"),
    "one name of 4 MB": lambda: to("simulate", filled(b"k", b'{"', b'":1}')),
    "100,000 open brackets": lambda: to("simulate", b"[" * 100_000),
    "4 MB of open brackets": lambda: to("simulate", filled(b"[")),
    "100,000 open objects": lambda: to("anything", b'{"tree":' + b'{"a":' * 100_000),
    "65 levels": lambda: to("anything", b'{"tree":{"a":' + b"[" * 64 + b"]" * 64 + b"}}"),
    "4 MB of quotes": lambda: to("simulate", filled(b'"'), 422, 400),
    "4 MB of escapes": lambda: to("think", filled(b"\\\\", b'{"prompt":"', b'"}')),
    "4 MB of escaped quotes": lambda: to("think", filled(b'\\"', b'{"prompt":"', b'"}')),
    "4 MB of null characters": lambda: to("think", filled(b"\\u0000", b'{"prompt":"', b'"}')),
    "4 MB of text": lambda: to("think", filled(b"x", b'{"prompt":"', b'"}')),
    "4 MB and a byte": lambda: to("think", b"x" * (SIZE + 1), 413),
    "two million numbers": lambda: to("anything", filled(b"1,", b'{"numbers":[', b"1]}")),
    "99,000 wrong items": lambda: to("anything", b'{"numbers":[' + b'"x",' * 99_000 + b"1]}"),
    "99,000 numbers": lambda: to("anything", b'{"numbers":[' + b"1," * 99_000 + b"1]}", 202),
    "49,000 empty objects": lambda: to("anything", b'{"numbers":[' + b"{}," * 49_000 + b"1]}"),
    "99,000 messages": lambda: to("think", b'{"prompt":"x","messages":[' + b"1," * 99_000 + b"1]}"),
    "99,000 tools": lambda: to("agent", b'{"goal":"x","tools":[' + b'"x",' * 99_000 + b'"x"]}'),
    "a number of 4 million digits": lambda: to("simulate", filled(b"9", b'{"steps":', b"}"), 400, 422),
    "numbers of 4,300 digits": lambda: to("anything", b'{"numbers":[' + b"9" * 4300 + b",1" * 9 + b"]}", 202, 400, 422),
    "numbers beyond a float": lambda: to("simulate", b'{"interval":1e400,"burn":NaN,"silent":-Infinity}', 400, 422),
    "no UTF-8": lambda: to("think", filled(b"\xff", b'{"prompt":"', b'"}'), 400, 422),
    "half characters": lambda: to("think", b'{"prompt":"' + b"\\ud800" * 1000 + b'"}', 400, 422),
    "20,000 fields of a form": lambda: Attack(
        "/operations/simulate", urlencode({f"name{number}": 1 for number in range(20_000)}).encode(), (422,), URLENCODED
    ),
    "10,000 fields of a form": lambda: Attack(
        "/operations/simulate", urlencode({f"name{number}": 1 for number in range(10_000)}).encode(), (422,), URLENCODED
    ),
    "4 MB of ampersands": lambda: Attack("/operations/simulate", filled(b"&"), (422,), URLENCODED),
    "4 MB of percent signs": lambda: Attack("/operations/think", filled(b"%00", b"prompt="), (422,), URLENCODED),
    "1,001 parts": lambda: form("think", *(part(f"p{number}", b"1") for number in range(1_001))),
    "20,000 parts": lambda: form("think", *(part("prompt", b"1") for number in range(20_000))),
    "a part of 4 MB": lambda: form("think", part("prompt", b"x" * (SIZE + 1))),
    "two parts of 3 MB": lambda: form("analyze", part("sql", b"x" * (3 << 20)), part("question", b"x" * (3 << 20))),
    "a part whose head does not end": lambda: form("think", filled(b"x", b"Content-Disposition: form-data; x=")),
    "a file of near boundaries": lambda: form("simulate", PDF.replace(b'"file"', b'"f"') + b"\r\n--a" * (2 << 20)),
    "a file of line ends": lambda: form("simulate", PDF.replace(b'"file"', b'"f"') + b"\r" * (8 << 20)),
    "a file of 30 MB": lambda: form("simulate", PDF.replace(b'"file"', b'"f"') + b"\0" * (30 << 20)),
    "a boundary of 7,000 characters": lambda: form(
        "think", part("prompt", b"\r\n--" + b"b" * SIZE), boundary="b" * 7000
    ),
    "900 files": lambda: form("analyze", *(PDF for _ in range(900))),
    "references that fan out": lambda: fields(fan_out(12, 4)),
    "references that fan out in JSON": lambda: to("extract", {"fields": fan_out(100, 3)}),
    "100,000 brackets in a field": lambda: fields(b"[" * 100_000),
    "100,000 brackets in a string": lambda: to("extract", {"fields": "[" * 100_000}),
    "a repetition beyond an integer": lambda: fields(
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "a{99999999999999999999}"}}}
    ),
    "a bound beyond a float": lambda: fields(b'{"properties":{"a":{"type":"number","maximum":1e400}}}'),
    "100,000 choices": lambda: fields({"properties": {"a": {"type": "string", "enum": list(range(100_000))}}}),
    "60 large patterns": lambda: fields(
        {"properties": {f"p{number}": {"type": "string", "pattern": rf"\w{{130}}{number}"} for number in range(60)}}
    ),
    "levels of anyOf": lambda: fields(json.loads('{"properties":{"a":' + '{"anyOf":[' * 30 + "{}" + "]}" * 30 + "}}")),
    "an answer for a pattern that backtracks": lambda: answer({"pattern": "^(a+)+$"}, b'"' + b"a" * 4_000_000 + b'b"'),
    "an answer for a pattern of many states": lambda: answer(
        {"items": {"pattern": "[ab]*a[ab]{500}c"}},
        json.dumps(["".join(random.Random(5).choices("ab", k=200_000))] * 10).encode(),
    ),
    "an answer of unique objects": lambda: answer(
        {"uniqueItems": True, "maxItems": 1}, b"[" + b",".join(b'{"a":%d}' % number for number in range(9_000)) + b"]"
    ),
    "an answer of 90,000 values": lambda: answer(TREE, b"[" + b"[1]," * 45_000 + b"[1]]"),
    "an answer with long messages": lambda: answer(TREE, b"[" * 50 + b'"' + b"x" * 3_000_000 + b'"' + b"]" * 50),
    "an answer of 100,000 brackets": lambda: answer(TREE, b"[" * 100_000),
    "an answer beyond a float": lambda: answer({"multipleOf": 0.1}, b"1e400", 400, 422),
    "a question without an end": lambda: to("asking", {"of": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}, 202),
    "a question with 2,000 schemas": lambda: to(
        "asking", {"of": {"properties": {f"p{number}": {"type": "string"} for number in range(2_000)}}}, 202
    ),
    "a long Accept": lambda: long_header("Accept", "a/b;q=0.1,", 200, 202),
    "a long Prefer": lambda: long_header("Prefer", "a,", 202, 200),
    "a long traceparent": lambda: long_header("traceparent", "0-", 202, 200),
    "a long Cookie": lambda: long_header("Cookie", "a=b;", 202, 200),
    "a long Last-Event-ID": lambda: long_header("Last-Event-ID", "9", 404, path="/runs/none/events", method="GET"),
    "a long query": lambda: Attack("/runs?before=" + "%00" * 1_300, b"", (200,), {}, method="GET"),
    "ten runs that burn": lambda: to("simulate", BURN, 202, times=10),
}


def each() -> Iterator[tuple[str, Attack]]:
    """All of them, made one by one."""
    for name, make in ATTACKS.items():
        yield name, make()
