"""The reader of answers: forty answers as models write them, and what is in them."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from operations.llm.answers import is_complete, read, without_nan
from operations.llm.fitting import fitted

A = {"number": "42", "total": 9.5}
PLAIN = '{"number": "42", "total": 9.5}'

ANSWERS: list[tuple[str, Any]] = [
    (PLAIN, A),
    (f"\ufeff  {PLAIN}\n", A),
    (f"```json\n{PLAIN}\n```", A),
    (f"```\n{PLAIN}\n```\nI hope this helps!", A),
    (f"~~~json\n{PLAIN}\n~~~", A),
    (f"Here is the form:\n\n{PLAIN}\n\nThe total includes tax.", A),
    (f"Sure! The {{fields}} are: {PLAIN}", A),
    (f'<think>It says {{42}} and "total".</think>\n{PLAIN}', A),
    (f'<think>\nA draft: {{"number": "41"}}\n</think>\n\n```json\n{PLAIN}\n```', A),
    (f"The page says 42.\n</think>\n{PLAIN}", A),
    (f'[THINK]{{"number": 1}}[/THINK]{PLAIN}', A),
    (f"<reasoning>So {{}} it is.</reasoning>{PLAIN}", A),
    (f"<thought>hm</thought>{PLAIN}", A),
    (
        f'<|channel|>analysis<|message|>We need {{"a": 1}}.<|end|><|start|>assistant<|channel|>final<|message|>{PLAIN}',
        A,
    ),
    (f"<|channel|>final <|constrain|>json<|message|>{PLAIN}<|return|>", A),
    ('{"number": "42", "total": 9.5,}', A),
    ('{"number": "42", "total": 9.5, "items": [1, 2, ],}', {**A, "items": [1, 2]}),
    ('{\n  // the number\n  "number": "42", /* of the\n invoice */\n  "total": 9.5 # with tax\n}', A),
    ("{'number': '42', 'total': 9.5}", A),
    ('{number: "42", total: 9.5}', A),
    ("{\u201cnumber\u201d: \u201c42\u201d, \u201ctotal\u201d: 9.5}", A),
    ('{"number": "42"\n "total": 9.5}', A),
    ('{"paid": True, "open": False, "note": None}', {"paid": True, "open": False, "note": None}),
    ('{"total": +9.5, "rate": .19, "n": 5.}', {"total": 9.5, "rate": 0.19, "n": 5.0}),
    ('{"address": "Mill Lane 12\nBerlin"}', {"address": "Mill Lane 12\nBerlin"}),
    ('{"seller": "Anna "Die Feder" Schmidt", "number": "42"}', {"seller": 'Anna "Die Feder" Schmidt', "number": "42"}),
    (r'{"path": "C:\invoices", "b": "a\_b"}', {"path": "C:invoices", "b": "a_b"}),
    (
        '{"url": "https://example.org/a", "tag": "#1 // no comment"}',
        {"url": "https://example.org/a", "tag": "#1 // no comment"},
    ),
    ('{"note": "</think> is a tag", "number": "42"}', {"note": "</think> is a tag", "number": "42"}),
    (json.dumps(PLAIN), A),
    (f"[{PLAIN}]", [A]),
    (f"The list:\n[{PLAIN}, {PLAIN},]", [A, A]),
    (f"As in [1], the answer is {PLAIN}", A),
    (f'{PLAIN}\n{{"number": "43"}}', A),
    (f'{{"type": "object", "properties": {{"number": {{}}}}}}\n{PLAIN}', A),
    ('{"a": {"b": {"c": [1, {"d": "e"}]}}}', {"a": {"b": {"c": [1, {"d": "e"}]}}}),
    ('{"smile": "\\ud83d\\ude00", "half": "\\ud83d", // x\n}', {"smile": "\U0001f600", "half": "\ufffd"}),
    ('{"number": "1", "number": "42", "total": 9.5}', A),
    ('{"total": undefined, "number": "42"}', {"total": None, "number": "42"}),
    ("Answer: {}", {}),
    ("42", 42),
]


@pytest.mark.parametrize(("answer", "value"), ANSWERS)
def test_the_value_in_an_answer(answer: str, value: Any) -> None:
    """Whatever stands around it, and however it is written."""
    assert read(answer, names=("number", "total") if "properties" in answer else ()) == value
    assert is_complete(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Thirty-one.",
        "I see no form.",
        "The set {a, b} is not an object.",
        '{"total": 1,651.00}',
        '{"total": 1.651.00}',
        '{"total": 9 euros, "seller": {"number": "42"}}',
        '{"items": [{"number": "42"}, {"number": "4',
        '{"total" 9}',
        '{"number": "42", "tot',
        '{"number": "42"',
        "<think>{} or ",
        '<think>It may be {"number": "42"} or not',
        "{" * 10_000,
        '{"a":' * 10_000,
        "[" * 10_000,
    ],
)
def test_what_is_no_json_is_refused(answer: str) -> None:
    """Nothing is guessed: not the number in `1,651.00`, and not the end of an answer that is cut off."""
    with pytest.raises(ValueError):  # noqa: PT011
        read(answer)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "nan"])
def test_a_number_that_json_has_not_spoils_its_value_alone(word: str) -> None:
    """The others of the answer count."""
    value = read(f'{{"number": "42", "total": {word}}}')
    assert value["number"] == "42"
    assert not math.isfinite(value["total"])
    assert without_nan([value]) == [{"number": "42", "total": None}]


@pytest.mark.parametrize(
    ("answer", "values", "strings"),
    [
        ('{"number": "42", "total": 16', {"number": "42"}, {"number": "42", "total": 16}),
        ('{"number": "42", "tot', {"number": "42"}, {"number": "42"}),
        ('{"number": "42", "name": "In', {"number": "42"}, {"number": "42", "name": "In"}),
        ('```json\n{"items": [{"a": "1"}, {"a": "2', {"items": [{"a": "1"}, {}]}, {"items": [{"a": "1"}, {"a": "2"}]}),
        ('{"paid": tr', {}, {}),
        ("{", {}, {}),
    ],
)
def test_what_counts_of_an_answer_that_is_cut_off(answer: str, values: Any, strings: Any) -> None:
    """The complete values, and with `strings` the beginning of the last one; a number may have more digits."""
    assert read(answer, partial="values") == values
    assert read(answer, partial="strings") == strings
    assert not is_complete(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@example({"</think>": {"a": 1}}, "The answer:\n")
@given(st.dictionaries(st.text(), JSON, min_size=1), st.sampled_from(["", "The answer:\n", "```json\n"]))
def test_json_is_read_as_it_is(value: dict[str, Any], before: str) -> None:
    """The tolerant reader and the strict one agree."""
    assert read(before + json.dumps(value)) == value
    assert read(before + json.dumps(value, ensure_ascii=False, indent=1)) == value


@given(st.text(alphabet='{}[]",:\\/#* \n1anN', max_size=60))
def test_any_text_has_a_value_or_none(answer: str) -> None:
    """The only error is `ValueError`, also for a partial answer."""
    for partial in (None, "values", "strings"):
        with contextlib.suppress(ValueError):
            read(answer, partial=partial)


SCHEMA = {
    "type": "object",
    "properties": {"sql": {"type": "string", "minLength": 1}, "rows": {"type": "integer"}},
    "required": ["sql"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"sql": "SELECT 1"}, {"sql": "SELECT 1"}),
        ({"sql": "SELECT 1", "explanation": "One."}, {"sql": "SELECT 1"}),
        ({"SQL": ["SELECT 1"], "rows": "5"}, {"sql": "SELECT 1", "rows": 5}),
        ([{"sql": "SELECT 1"}], {"sql": "SELECT 1"}),
        ({"answer": {"sql": "SELECT 1", "rows": 5.0}}, {"sql": "SELECT 1", "rows": 5}),
    ],
)
def test_what_fits_a_schema_after_a_conversion(value: Any, fits: Any) -> None:
    """Names that the schema has not are left out, and wrapped values are taken out."""
    assert fitted(value, SCHEMA) == fits


@pytest.mark.parametrize("value", [{"sql": ""}, {"rows": 5}, "SELECT 1", [], {"sql": "x", "rows": "many"}, {"sql": {}}])
def test_what_does_not_fit(value: Any) -> None:
    """It is refused."""
    with pytest.raises(ValueError, match="does not satisfy"):
        fitted(value, SCHEMA)
