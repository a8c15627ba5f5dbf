"""Reads the JSON in a model's answer, as models write it: the one reader for all operations.

Around the JSON there may be thoughts in tags, a code fence and sentences: the first whole object counts. In it may be
comments, trailing or forgotten commas, names and strings in other quotes or none, Python's `True` and `None`, line
ends and quotes inside of strings. `NaN` and `Infinity` are read, as numbers that no schema should take: they spoil a
value and not the answer. What is no JSON for people either is refused: nothing is guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from json import JSONDecoder
from typing import Any, Final, Literal

from pydantic_core import from_json

Partial = Literal["values", "strings"] | None
"""What counts of an answer that is cut off: its complete values, or the beginning of the last string or number too."""

MAX_DEPTH: Final = 60
"""Objects and lists inside one another."""
MAX_STARTS: Final = 40
"""Brackets at which an object is looked for."""

_THOUGHTS: Final = re.compile(
    r"\s*(?:<(think|thinking|thought|thoughts|reasoning|reflection|scratchpad)>.*?</\1>|\[THINK\].*?\[/THINK\]|"
    r"<\|channel\|>(?!final)\w+<\|message\|>.*?(?:<\|end\|>|<\|return\|>|(?=<\|channel\|>)|(?=<\|start\|>))|"
    r"<\|start\|>\w*(?=<\|channel\|>)|<\|channel\|>final[^<]*(?:<\|constrain\|>\w*)?<\|message\|>)",
    re.DOTALL,
)
_CLOSING: Final = re.compile(r"</(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad)>|\[/THINK\]")
_OPENING: Final = re.compile(r"\s*(?:<(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad)>|\[THINK\])")


def read(answer: str, *, partial: Partial = None, names: Collection[str] = ()) -> Any:
    """The value in an answer: an object if it has one, else other JSON. Raises `ValueError` if there is none.

    Of several objects the first with one of `names` counts, else the first that is not empty.
    """
    try:
        # what streams is read anew with each piece, so most of it in Rust
        value = from_json(
            answer, allow_inf_nan=True, allow_partial="trailing-strings" if partial == "strings" else False
        )
    except ValueError:
        value = _search(_without_thoughts(answer), partial, names)
    return _search(value, partial, names) if isinstance(value, str) and "{" in value else value


def is_complete(answer: str) -> bool:
    """Whether the value of an answer is not cut off."""
    try:
        read(answer)
    except ValueError:
        return False
    return True


def without_nan(value: Any) -> Any:
    """The value with null for each number that JSON has not."""
    match value:
        case dict():
            return {name: without_nan(each) for name, each in value.items()}
        case list():
            return [without_nan(each) for each in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def _without_thoughts(answer: str) -> str:
    """The answer after its thoughts; the tag that opens them may be part of the prompt, and they may never end."""
    text = answer
    while match := _THOUGHTS.match(text):
        text = text[match.end() :]
    if _OPENING.match(text):
        return ""
    *_, last = (0, *(match.end() for match in _CLOSING.finditer(text)))
    return text[last:] if "{" in text[last:] and not _is_in_json(text, last) else text


def _is_in_json(text: str, at: int) -> bool:
    """Whether the first object of a text is strict JSON that goes on beyond a place: what stands there is a string."""
    start = text.find("{")
    try:
        return start < at < JSONDecoder().raw_decode(text, max(start, 0))[1]
    except (ValueError, RecursionError):
        return False


def _search(text: str, partial: Partial, names: Collection[str]) -> Any:
    """The value in a text with other text around. What stands inside of an object is not the answer, even if that is
    broken or cut off."""
    found: list[Any] = []
    at = 0
    for _ in range(MAX_STARTS):
        if (start := re.compile(r"[{\[]").search(text, at)) is None:
            break
        parser = _Parser(text, start.start(), partial)
        at = start.end()
        try:
            value = parser.whole()
        except (_NotJsonError, RecursionError) as error:
            if isinstance(error, _CutError) or (parser.has_members and not names):
                break
            at = parser.at if parser.has_members else at
            continue
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, dict) and any(name in first for name in names or first):
            return value
        found.append(value)
        at = parser.at
    if not found:
        raise ValueError("no JSON in the answer")
    return next((value for value in found if isinstance(value, dict) and value), found[0])


class _NotJsonError(ValueError):
    """The text is not the value that is looked for."""


class _CutError(_NotJsonError):
    """The text ends too early."""


_SPACE: Final = re.compile(r"(?:[\s\ufeff]+|//[^\n]*|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
_QUOTES: Final = {'"': '"', "'": "'", "\u201c": "\u201d", "\u201e": "\u201c", "\u00ab": "\u00bb", "`": "`"}
_NAME: Final = re.compile(r"[^\W\d][\w\-.]*")
_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
_WORDS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "None", "NULL", "Null", "nil", "undefined"), None),
    **dict.fromkeys(("NaN", "nan"), math.nan),
    **dict.fromkeys(("Infinity", "inf"), math.inf),
}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""}
_DROPPED: Final = object()
"""The value that is cut off."""


class _Parser:
    """Parses one object or list that begins at a place of a text.

    Afterwards `at` is its end, or the place of its fault. `has_members` says whether it looked like an object: it has
    a name and a colon.
    """

    def __init__(self, text: str, start: int, partial: Partial) -> None:
        self._text = text
        self._partial = partial
        self.at = start
        self.has_members = False

    def whole(self) -> Any:
        value = self._value(0)
        if value is _DROPPED:
            raise _CutError
        return value

    def _value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise _NotJsonError
        char = self._next()
        if char == "{":
            return self._object(depth)
        if char == "[":
            return self._list(depth)
        return self._string() if char in _QUOTES else self._word()

    def _next(self) -> str:
        """The next character that is no space and no comment; none at the end."""
        space = _SPACE.match(self._text, self.at)
        self.at = space.end() if space else self.at
        return self._text[self.at : self.at + 1]

    def _object(self, depth: int) -> Any:
        value: dict[str, Any] = {}
        self.at += 1
        while (char := self._next()) != "}":
            if not char:
                return self._end(value)
            if (name := self._name()) is _DROPPED or not self._colon():
                return value
            each = self._value(depth + 1)
            if each is not _DROPPED:
                value[name] = each
            if each is _DROPPED or not self._separator("}"):
                return value
        self.at += 1
        return value

    def _list(self, depth: int) -> Any:
        value: list[Any] = []
        self.at += 1
        while (char := self._next()) != "]":
            if not char:
                return self._end(value)
            each = self._value(depth + 1)
            if each is not _DROPPED:
                value.append(each)
            if each is _DROPPED or not self._separator("]"):
                return value
        self.at += 1
        return value

    def _end(self, value: Any) -> Any:
        """What counts where the text ends within a value."""
        if self._partial is None:
            raise _CutError
        return value

    def _colon(self) -> bool:
        if (char := self._next()) == ":":
            self.at += 1
            self.has_members = True
            return True
        if char:
            raise _NotJsonError
        return bool(self._end(False))

    def _separator(self, end: str) -> bool:
        """Passes a comma, or a line's end in its place. False at the end of a text that is cut off."""
        before = self.at
        char = self._next()
        if char == ",":
            self.at += 1
        elif not char:
            return bool(self._end(False))
        elif char != end and "\n" not in self._text[before : self.at]:
            raise _NotJsonError
        return True

    def _name(self) -> Any:
        if self._next() in _QUOTES:
            return self._string(is_name=True)
        match = _NAME.match(self._text, self.at)
        if match is None:
            raise _NotJsonError
        self.at = match.end()
        return match[0]

    def _word(self) -> Any:
        if match := _NUMBER.match(self._text, self.at):
            self.at = match.end()
            if self.at == len(self._text) and self._partial != "strings":  # the rest of the number may be cut off
                return self._dropped()
            return self._number(match[0])
        match = re.compile(r"-?[A-Za-z]+").match(self._text, self.at)
        if match is None or match[0].lstrip("-") not in _WORDS:
            if self._partial and (match is None or match.end() == len(self._text)) and len(self._text) - self.at < 9:
                return _DROPPED
            raise _NotJsonError
        self.at = match.end()
        value = _WORDS[match[0].lstrip("-")]
        return -value if match[0].startswith("-") and isinstance(value, float) else value

    @staticmethod
    def _number(text: str) -> Any:
        digits = text.lstrip("+")
        try:
            return int(digits) if re.fullmatch(r"-?\d{1,4000}", digits) else float(digits)
        except ValueError:
            raise _NotJsonError from None

    def _string(self, *, is_name: bool = False) -> Any:
        """A string; a quote that nothing of JSON follows is part of it."""
        close = _QUOTES[self._text[self.at]]
        self.at += 1
        parts: list[str] = []
        while True:
            match = re.compile(rf"[^\\{close}]*").match(self._text, self.at)
            assert match is not None
            parts.append(match[0])
            self.at = match.end()
            char = self._text[self.at : self.at + 1]
            if not char:
                return "".join(parts) if self._partial == "strings" and not is_name else self._dropped()
            self.at += 1
            if char == "\\":
                parts.append(self._escape())
            elif self._ends(is_name=is_name):
                return "".join(parts)
            else:
                parts.append(char)

    def _dropped(self) -> Any:
        self._end(None)
        return _DROPPED

    def _ends(self, *, is_name: bool) -> bool:
        """Whether a quote here ends its string: what follows says so."""
        if is_name:
            return True
        at = self.at
        char = self._next()
        crossed = "\n" in self._text[at : self.at]
        self.at = at
        return not char or char in ",:}]" or crossed

    def _escape(self) -> str:
        char = self._text[self.at : self.at + 1]
        self.at += 1
        if char != "u":
            return _ESCAPES.get(char, char)
        digits = self._text[self.at : self.at + 4]
        if not re.fullmatch(r"[0-9a-fA-F]{4}", digits):
            return "u"
        self.at += 4
        return self._joined(int(digits, 16))

    def _joined(self, unit: int) -> str:
        """The character of a UTF-16 unit, with the one after it if both make one; U+FFFD for half of a pair."""
        if not 0xD800 <= unit < 0xE000:
            return chr(unit)
        low = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})").match(self._text, self.at)
        if unit >= 0xDC00 or low is None:
            return "\ufffd"
        self.at = low.end()
        return chr(0x10000 + ((unit - 0xD800) << 10) + int(low[1], 16) - 0xDC00)
