"""JSON with what DuckDB refuses: marks, other encodings, keys that come twice, lines that are broken."""

from __future__ import annotations

import contextlib
import json

import pytest

from operations.errors import CodedError
from tests.operations.analytics.loading import Load, code_of

RECORDS = json.dumps([{"city": "Zürich", "n": 1}, {"city": "東京", "n": 2}], ensure_ascii=False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(encoding: str, load: Load) -> None:
    """With a byte order mark or without."""
    loaded = load(RECORDS.encode(encoding), "a.json")
    assert (loaded.names, loaded.rows()) == (["city", "n"], [["Zürich", 1], ["東京", 2]])


def test_cp1252(load: Load) -> None:
    """Against the standard, but it happens; it is told."""
    loaded = load('[{"city": "Zürich"}]'.encode("cp1252"), "a.json")
    assert (loaded.rows(), loaded.codes) == ([["Zürich"]], ["encoding_guessed"])


@pytest.mark.parametrize("content", ['[{"a": 1, "b": 2, "a": 3}]', '{"a": 1, "b": 2, "a": 3}\n{"a": 4, "b": 5}\n'])
def test_keys_that_come_twice(content: str, load: Load) -> None:
    """Both values are kept, the second under a name with a number."""
    loaded = load(content, "a.json")
    assert (loaded.names[:3], loaded.rows()[0]) == (["a", "b", "a_1"], [1, 2, 3])
    assert loaded.codes == ["keys_renamed"]


def test_keys_that_come_twice_inside(load: Load) -> None:
    """In an object within another."""
    assert load('[{"a": {"x": 1, "x": 2}}]', "a.json").rows() == [[{"x": 1, "x_1": 2}]]


@pytest.mark.parametrize("broken", ['{"n": 2', "nonsense", '{"n": 2}}', '{"n": [1, 2}'])
def test_a_broken_line(broken: str, load: Load) -> None:
    """It is told with its number, and the others are read."""
    loaded = load(f'{{"n": 1}}\n{broken}\n{{"n": 3}}\n{{"n": 4}}\n', "a.jsonl")
    assert loaded.rows() == [[1], [3], [4]]
    assert [(warning["code"], warning["rows"]) for warning in loaded.warnings] == [("lines_broken", [2])]


def test_a_line_that_is_cut_off(load: Load) -> None:
    """The end of a file that was written when it was read."""
    loaded = load('{"n": 1}\n{"n": 2}\n{"n": 3, "te', "a.ndjson")
    assert (loaded.rows(), loaded.codes) == ([[1], [2]], ["lines_broken"])


def test_numbers_are_kept(load: Load) -> None:
    """Records that had to be mended have the numbers and texts that they had."""
    loaded = load('{"n": 9007199254740993, "x": 0.1, "t": "\\u2028é", "t": "00501"}\n', "a.jsonl")
    assert loaded.rows() == [["9007199254740993", 0.1, "\u2028é", "00501"]]


@pytest.mark.parametrize("content", ['[{"a": 1}, {"a"', '{"a": 1', "{]", '{"a"}\n{"b"}\n{"c": 1}\n'])
def test_what_is_no_json(content: str, load: Load) -> None:
    """A document that is broken, and lines that mostly are, are refused with the reason."""
    code, message = code_of(load, content, "a.json")
    assert (code, "a.json" in message, "own" in message) == ("unreadable_file", True, False)


def test_deep_json(load: Load) -> None:
    """It is read or refused, and breaks nothing."""
    with contextlib.suppress(CodedError):
        assert load('{"a": 1, "a": ' + "[" * 100_000 + "]" * 100_000 + "}", "a.json").tables
