"""The values of a model's answer as the caller's schema wants them: what fits after a conversion is converted.

`"1651.00"` becomes a number, `23 November 2026` a date, `{"value": 5}` and `[5]` become 5. Words that say that there is
no value (`null`, `n/a`) are none. What does not fit is `NotUnderstood`, and named in the result.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from streaming import JsonSchema

from .amounts import amount_of, decimal_mark, is_numeric, readings
from .dates import date_of
from .schema import Field, Json, ListField, ObjectField, ValueField
from .words import normalize

MAX_SHOWN: Final = 200
"""Characters of an answer that was not understood."""
_NO_VALUE: Final = (
    "null none nil n/a na n.a. n.a nan undefined unknown empty missing tbd - -- --- ? . ... <null> (null) "
    "(none) [null] null. none. #n/a unbekannt unavailable inconnu desconocido sconosciuto onbekend 无 未知 なし 不明 "
    "없음 нет"
)
_NONE: Final = frozenset(_NO_VALUE.split()) | {
    *("not available", "not applicable", "not specified", "not found", "not given", "not provided", "not stated"),
    *("not mentioned", "not present", "no value", "no data", "keine angabe", "keine angaben", "nicht angegeben"),
    *("nicht vorhanden", "non spécifié", "non renseigné", "non communiqué", "no especificado", "non specificato"),
}
_YES_WORDS: Final = "true yes y ja oui sí si sì sim tak ano да はい 是 예 x ✓ ✔ ☑ ☒ checked"
_YES: Final = frozenset(_YES_WORDS.split())
_NO_WORDS: Final = "false no n nein non não nie ne нет いいえ 否 아니요 ☐ unchecked"
_NO: Final = frozenset(_NO_WORDS.split())
_WRAPPED: Final = ("value", "answer", "result", "text", "content")
_NUMBER: Final = re.compile(r"(?P<number>[-+(]?\d(?:[\d.,' ]*\d)?)\)?(?P<minus>-)? ?(?:%|[^\W\d_]{1,12}\.?)?")
_MULTIPLE: Final = re.compile(
    r"k|m|mio|mn|mrd|bn|million\w*|billion\w*|thousand|lakhs?|crores?|tsd|тыс|млн|万|億|亿|만|억|千"
)
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ]\d\d:\d\d.*")


@dataclass(frozen=True)
class NotUnderstood:
    """An answer that is no value of its field; `text` is its beginning."""

    text: str

    @classmethod
    def of(cls, answer: Any) -> NotUnderstood:
        """That of an answer."""
        return cls(str(answer)[:MAX_SHOWN])


_MARK: Final = "\0not_understood"


def to_json(value: Any) -> Any:
    """Values of `clean` as JSON, for a checkpoint."""
    if isinstance(value, NotUnderstood):
        return {_MARK: value.text}
    if isinstance(value, dict):
        return {key: to_json(each) for key, each in value.items()}
    return [to_json(each) for each in value] if isinstance(value, list) else value


def from_json(value: Any) -> Any:
    """The values that `to_json` took."""
    if isinstance(value, dict):
        return NotUnderstood(value[_MARK]) if _MARK in value else {key: from_json(each) for key, each in value.items()}
    return [from_json(each) for each in value] if isinstance(value, list) else value


def clean(field: Field, answer: Any) -> Any:
    """The values of an answer, converted; `None` where it has none, and `NotUnderstood` for what does not fit."""
    match field:
        case ObjectField(fields):
            return _object(fields, answer)
        case ListField(item):
            items = [clean(item, each) for each in _items(answer, item)]
            return [each for each in items if each is not None]
        case ValueField(schema):
            return _value(schema, answer)


def _object(fields: Mapping[str, Field], answer: Any) -> Any:
    values = _unwrapped(fields, answer)
    if not isinstance(values, dict):
        if len(fields) == 1 and not _is_none(values):
            values = {next(iter(fields)): values}
        else:
            return None if _is_none(values) else NotUnderstood.of(answer)
    known = {_plain(name): name for name in fields}
    values = {name if name in fields else known.get(_plain(name), name): each for name, each in values.items()}
    parts = {name: clean(part, values.get(name)) for name, part in fields.items()}
    return parts if any(part not in (None, []) for part in parts.values()) else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _unwrapped(fields: Mapping[str, Field], answer: Any) -> Any:
    """The object in a list of one, or in another one with a single name: `{"invoice": {...}}`."""
    known = set(map(_plain, fields))
    while (isinstance(answer, list) and len(answer) == 1) or (
        isinstance(answer, dict) and len(answer) == 1 and not known & set(map(_plain, answer))
    ):
        [answer] = answer if isinstance(answer, list) else answer.values()
    return answer


def _items(answer: Any, item: Field) -> list[Any]:
    """The items of a list: itself, the list in an object with one name, or the one item alone."""
    if isinstance(answer, dict) and len(answer) == 1 and isinstance(inner := next(iter(answer.values())), list):
        return inner
    if isinstance(answer, list):
        return answer
    return [] if _is_none(answer) else [answer]


def _is_none(value: Any) -> bool:
    return value is None or value in ({}, []) or (isinstance(value, str) and _none_word(value))


def _none_word(text: str) -> bool:
    return not text.strip() or text.strip().casefold() in _NONE


# --- one value -------------------------------------------------------------------------------------------------------


def _value(schema: Json, answer: Any) -> Any:
    answer = _bare(answer)
    if answer is None or (isinstance(answer, str) and answer not in schema.get("enum", ()) and _none_word(answer)):
        return None
    if isinstance(answer, float) and not math.isfinite(answer):
        return NotUnderstood.of(answer)
    checked = JsonSchema(schema, formats=True)
    for value in map(_trimmed, (answer, _converted(schema, answer))):
        whole = int(value) if schema["type"] == "integer" and isinstance(value, float) and value.is_integer() else value
        if whole is not None and checked.is_valid(whole):
            return whole
    return NotUnderstood.of(answer)


def _trimmed(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _bare(answer: Any) -> Any:
    """The value in a list of one, or in an object that is about one."""
    for _ in range(4):
        if isinstance(answer, list) and len(answer) <= 1:
            answer = answer[0] if answer else None
        elif isinstance(answer, dict) and (key := next((each for each in _WRAPPED if each in answer), None)):
            answer = answer[key]
        elif isinstance(answer, dict) and len(answer) <= 1:
            answer = next(iter(answer.values()), None)
        else:
            break
    return answer


def _converted(schema: Json, answer: Any) -> Any:
    """The answer as the schema's type, `None` if it cannot be."""
    if isinstance(answer, list | dict):
        return None
    if "enum" in schema:
        same = [each for each in schema["enum"] if normalize(str(each)) == normalize(str(answer))]
        return same[0] if len(same) == 1 else None
    match schema["type"]:
        case "number" | "integer":
            return number_of(answer) if isinstance(answer, str) else None
        case "boolean":
            return _boolean(answer)
        case _:
            return _string(schema, answer)


def _boolean(answer: Any) -> bool | None:
    text = str(answer).strip().casefold()
    return True if text in _YES or answer == 1 else False if text in _NO or answer == 0 else None


def _string(schema: Json, answer: Any) -> str | None:
    text = answer if isinstance(answer, str) else str(answer).lower() if isinstance(answer, bool) else _written(answer)
    moment = _MOMENT.fullmatch(text.strip())
    match schema.get("format"):
        case "date":
            day = date_of(moment[1] if moment else text)
            return day.isoformat() if day else None
        case "date-time":
            return text.strip().replace(" ", "T", 1) if moment else None
        case _:
            return text


def _written(number: float) -> str:
    return format(Decimal(str(number)), "f").removesuffix(".0")


def number_of(text: str) -> float | int | None:
    """The number that a text is, with its currency, its unit or its percent sign; `None` if it may be two, or none.

    A point is the mark of decimals, as the prompt says, and so is a comma unless three digits follow.
    """
    plain = normalize(text)
    amount = amount_of(plain)
    match = _NUMBER.fullmatch(amount.number if amount else plain)
    if match is None or _MULTIPLE.fullmatch(plain.rpartition(match["number"])[2].strip(" %.")):
        return None
    number = match["number"].lstrip("(")
    if not is_numeric(number):
        return None
    found = readings(number, decimal_mark(number) or ("." if "," in number or "." in number else None))
    if len(found) != 1:
        return None
    [value] = found
    value = -value if match["minus"] or match["number"].startswith("(") else value
    return int(value) if value == value.to_integral_value() and "." not in str(value) else float(value)
