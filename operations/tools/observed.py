"""What the tools of a run have returned, as the checks of an answer read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ..form.words import normalize
from .values import QUANTITY, Path, leaves

NOT_FOUND: Final = ("http_404", "http_410", "not_found")
"""Codes of failures that say that there is nothing."""
FAULTS: Final = (
    *("invalid_arguments", "no_such_tool", "wrong_sql", "not_a_query", "not_allowed"),
    *("http_400", "http_405", "http_406", "http_415", "http_422"),
)
"""Codes of failures of a call itself, which another one might not have."""
STEM: Final = 4
"""Letters that two forms of a word have in common."""
_ENDING: Final = re.compile(r"(?:[bdgmnprt]?(?:e?[rdn]|ing)|ity|ness|al|a?tion|ion|ment|[ae]nce|y|e|or|th)?")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])")
_OF_A_LIST: Final = (
    *("count", "hit", "total", "page", "size", "limit", "offset", "number", "status", "ok", "success", "message"),
    *("error", "query", "took", "time", "next", "version"),
)
"""Words in the names of fields that say something of a list, and not of what is in it."""
SAYS_MORE: Final = 2
"""Fields of a record that says something, though it has no more than an empty list of something."""
ROUNDED: Final = 0.01
"""How much a model may round a coordinate."""


@dataclass(frozen=True)
class Observed:
    """A call and its whole answer; `name` is what an expression calls it, `code` the kind of a failure."""

    name: str
    tool: str
    arguments: Mapping[str, Any]
    code: str | None
    text: str

    @cached_property
    def value(self) -> Any:
        """The answer, decoded if it is JSON."""
        try:
            return _with_units(json.loads(self.text))
        except ValueError:
            return self.text

    @property
    def is_empty(self) -> bool:
        """Whether the answer says that there is nothing."""
        return self.code in NOT_FOUND or (self.code is None and _is_empty(self.value, self.arguments))

    @property
    def is_useful(self) -> bool:
        """Whether it holds something."""
        return self.code is None and not self.is_empty

    @property
    def title(self) -> str:
        """The tool and its arguments, for people."""
        given = [_short(value) for value in self.arguments.values() if value is not None]
        return f"{self.tool} ({', '.join(given)})" if given else self.tool

    @property
    def subject(self) -> str:
        """The arguments that are words, which tell calls of one tool apart."""
        return ", ".join(_short(value) for value in self.arguments.values() if value not in (None, ""))


def _is_empty(value: Any, arguments: Mapping[str, Any]) -> bool:
    if isinstance(value, dict):
        if value.get("error") and (value.get("ok") is False or value.get("success") is False):
            return True  # with the status of a success
        parts = [each for each in value.values() if isinstance(each, list | dict)]
        asked = {normalize(str(each)) for each in arguments.values()}
        says = [
            key
            for key, each in value.items()
            if each and each is not True and not isinstance(each, list | dict) and normalize(str(each)) not in asked
        ]
        own = [key for key in says if not {*words_of_key(key)} & {*_OF_A_LIST}]
        is_list = bool(parts) and len(own) < SAYS_MORE  # and no record, of which one field is an empty list
        return not value or all(each is None for each in value.values()) or (is_list and not any(map(bool, parts)))
    return value in (None, "", []) or value == [[]] or value == [{}]


def _with_units(value: Any) -> Any:
    """A value whose quantities are texts, such as `31 hours`, and no objects of a value and a unit."""
    if isinstance(value, list):
        return [_with_units(each) for each in value]
    if not isinstance(value, dict):
        return value
    number, unit = value.get("value"), value.get("unit")
    if len(value) == len(QUANTITY) and isinstance(unit, str) and isinstance(number, int | float):
        return f"{number} {unit}"
    return {key: _with_units(each) for key, each in value.items()}


def _has_number(value: Any, number: float) -> bool:
    """Whether a number stands in a value, about as exactly as it is given."""
    if isinstance(value, dict | list):
        return any(_has_number(each, number) for each in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, int | float) and abs(value - number) < ROUNDED


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_same(one: Observed, other: Observed) -> bool:
    """Whether two calls have found the same record, by a name with and without a word more: `the Palm House`."""
    is_name = has_words(one.subject, other.subject) or has_words(other.subject, one.subject)
    return one.tool == other.tool and is_name and one.is_useful and one.value == other.value


class Observations:
    """All observations of a run by their names."""

    def __init__(self, observed: Iterable[Observed]) -> None:
        self.all = list(observed)
        self.by_name = {each.name: each for each in self.all}
        self.values = {each.name: each.value for each in self.all if each.is_useful}
        self.called = {normalize(str(value)) for each in self.all for value in each.arguments.values()}
        self._again = {
            each.name for at, each in enumerate(self.all) if any(_is_same(each, one) for one in self.all[:at])
        }

    def at(self, path: Path) -> Any:
        """What stands at a path."""
        value: Any = self.values[str(path[0])]
        for key in path[1:]:
            value = value[key]
        return value

    def leaves(self) -> Iterator[tuple[Path, Any]]:
        """All texts, numbers and truth values with their paths; those of a record that was found twice once."""
        for name in (name for name in self.values if name not in self._again):
            value = self.values[name]
            yield from ((path, self.at(path)) for path in leaves(value, (name,)))

    def fields(self) -> Iterator[tuple[Path, Any]]:
        """All values with their paths, and the fields that have none."""
        yield from self.leaves()
        for place in {self.record(path) for path, _ in self.leaves()}:
            record = self.at(place)
            nulls = [key for key, value in record.items() if value is None] if isinstance(record, dict) else ()
            yield from (((*place, key), None) for key in nulls)

    def mentions(self, arguments: Mapping[str, Any], goal: str) -> bool:
        """Whether a word of the arguments of a call stands in the goal or in what was observed."""
        known = set(words_of(" ".join(map(text_of, (goal, *self.values.values())))))
        return any(set(words_of(str(value))) & known for value in arguments.values())

    def record(self, path: Path) -> Path:
        """The path of the innermost object around a leaf, or of the whole observation."""
        while len(path) > 1 and not isinstance(self.at(path[:-1]), dict):
            path = path[:-1]
        return path[:-1] if len(path) > 1 else path

    def siblings(self, path: Path) -> Sequence[Any]:
        """The entries of the list around a path, itself among them; none outside of lists."""
        for end in range(len(path) - 1, 0, -1):
            if isinstance(path[end], int):
                entries: Sequence[Any] = self.at(path[:end])
                return entries
        return ()

    def entry(self, path: Path) -> Path | None:
        """The path of the entry of a list in which a path is."""
        for end in range(len(path) - 1, 0, -1):
            if isinstance(path[end], int):
                return path[: end + 1]
        return None

    def subject(self, path: Path) -> str:
        """What a value is about, in a word: the name of its entry in a list, or the arguments of the call."""
        entry = self.entry(path)
        if entry is not None and len(self.siblings(path)) > 1:
            record = self.at(entry)
            texts = [each for each in record.values() if isinstance(each, str)] if isinstance(record, dict) else []
            names = [record[key] for key in ("name", "title", "id", "city", "number") if key in record] if texts else []
            return str((names or texts or [f"{entry[-1]}"])[0])
        return self._subject(self.by_name[str(path[0])])

    def _subject(self, observed: Observed) -> str:
        """The words of a call; for one by numbers that another call has given, such as coordinates, those of that."""
        given = [value for value in observed.arguments.values() if value not in (None, "")]
        places = [value for value in given if isinstance(value, float)]
        for other in self.all if places and not any(isinstance(value, str) for value in given) else ():
            if other is not observed and other.is_useful and all(_has_number(other.value, each) for each in places):
                return self._subject(other)
        return observed.subject


def words(text: str) -> frozenset[str]:
    """A set of words, from a text with spaces between them."""
    return frozenset(text.split())


def text_of(value: Any) -> str:
    """All words of a value, normalized."""
    return normalize(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def words_of(text: str) -> list[str]:
    """The words of a text, also of a name with underscores, without the endings that tell one from several."""
    return [_stem(word) for word in re.findall(r"[^\W_]+", normalize(text))]


def words_of_key(key: str) -> list[str]:
    """The words of the name of a field: `weight_g`, `distanceKm`."""
    return words_of(spaced(key))


def spaced(key: str) -> str:
    """The name of a field as people write it: `distance km` for `distanceKm`; a name keeps its capital."""
    words = _CAMEL.sub(" ", key).split(" ") if " " not in key else [key]
    plain = [word if word.isupper() or len(words) == 1 else word.lower() for word in words]
    return " ".join(plain).replace("_", " ")


def _stem(word: str) -> str:
    stem = word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
    return f"{stem[:-2]}y" if len(stem) > 3 and stem.endswith("ie") else stem


def is_alike(word: str, other: str) -> bool:
    """Whether two words differ in their endings alone: `join` and `joined`, `humid` and `humidity`."""
    if word == other or word[:STEM] != other[:STEM] or min(len(word), len(other)) < STEM:
        return word == other
    common = next((at for at, pair in enumerate(zip(word, other, strict=False)) if pair[0] != pair[1]), None)
    rests = (word[common:], other[common:]) if common else (word[len(other) :], other[len(word) :])
    return all(map(_ENDING.fullmatch, rests))


def has_words(term: str, text: str) -> bool:
    """Whether all words of a term stand in a text, which may be one text or the words of many."""
    return set(words_of(term)) <= set(words_of(text))
