"""One instance of the caller's schema from the model's answers for all pages, with the evidence of each value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from streaming import JsonSchema

from .evidence import PageText
from .schema import Field, Json, ListField, ObjectField, ValueField


class PageValue(NamedTuple):
    """The value of a field in the model's answer for one page."""

    page: PageText
    value: Any


class Merged(NamedTuple):
    """A field over all pages: its value, and the evidence of the values in it by their JSON Pointers."""

    value: Any
    evidence: dict[str, Json]


def clean(field: Field, answer: Any) -> Any:
    """The model's answer without empty values and without those that the caller's schema does not allow."""
    match field:
        case ObjectField(fields):
            values = answer if isinstance(answer, dict) else {}
            parts = {name: clean(part, values.get(name)) for name, part in fields.items()}
            return parts if any(part not in (None, []) for part in parts.values()) else None
        case ListField(item):
            items = [clean(item, each) for each in answer] if isinstance(answer, list) else []
            return [each for each in items if each is not None]
        case ValueField(schema):
            return _allowed(schema, answer.strip() if isinstance(answer, str) else answer)


def _allowed(schema: Json, value: Any) -> Any:
    if value is None or value == "":
        return None
    if schema["type"] == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if JsonSchema(schema, formats=True).is_valid(value) else None


def merge(field: Field, values: Sequence[PageValue]) -> Merged:
    """One value from those of the pages: verified ones win, then those of most pages, then the first."""
    match field:
        case ObjectField(fields):
            merged = {name: merge(part, _parts(values, name)) for name, part in fields.items()}
            evidence = {f"/{_escape(n)}{p}": e for n, part in merged.items() for p, e in part.evidence.items()}
            return Merged({name: part.value for name, part in merged.items()}, evidence)
        case ListField(item):
            groups = _group((page, each) for page, items in values for each in items)
            merged_items = [merge(item, group) for group in groups]
            evidence = {f"/{i}{p}": e for i, part in enumerate(merged_items) for p, e in part.evidence.items()}
            return Merged([part.value for part in merged_items], evidence)
        case _:
            return _best(_group(values))


def _parts(values: Sequence[PageValue], name: str) -> list[PageValue]:
    return [PageValue(page, value[name]) for page, value in values if value[name] not in (None, [])]


def _group(values: Iterable[tuple[PageText, Any]]) -> list[list[PageValue]]:
    """Values that differ only in case and white space, grouped, in the order of the pages."""
    groups: dict[str, list[PageValue]] = {}
    for page, value in values:
        key = " ".join(json.dumps(value, sort_keys=True).casefold().split())
        groups.setdefault(key, []).append(PageValue(page, value))
    return list(groups.values())


def _best(groups: list[list[PageValue]]) -> Merged:
    if not groups:
        return Merged(None, {})
    candidates = sorted(
        map(_candidate, groups), key=lambda each: (not each["verified"], -len(each["pages"]), each["pages"])
    )
    best, *others = candidates
    value = best.pop("value")
    return Merged(value, {"": {**best, **({"others": others[:MAX_OTHERS]} if others else {})}})


MAX_OTHERS = 5
"""Other values of a field that its evidence lists."""


def _candidate(group: list[PageValue]) -> Json:
    """A value with its evidence: the pages on which it stands, or else those for which the model gave it."""
    verified = [each for each in group if each.page.has(each.value)]
    pages = sorted({each.page.number for each in verified or group})
    return {"value": (verified or group)[0].value, "pages": pages, "verified": bool(verified)}


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def unverified(evidence: Mapping[str, Json]) -> list[str]:
    """The JSON Pointers of the values that stand on none of their pages."""
    return [pointer for pointer, entry in evidence.items() if not entry["verified"]]
