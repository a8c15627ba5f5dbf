"""One instance of the caller's schema from the model's answers for all pages, with the evidence of each value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from .amounts import amount_of, is_numeric
from .beside import NONE, OTHER, OWN, has_own_block, says_nothing, support
from .convert import NotUnderstood
from .dates import date_of
from .evidence import PageText, Span
from .kinds import misfit
from .labels import Purpose, purpose_of, spaced
from .places import Place, boxes_of, bring_together
from .rivals import is_ambiguous
from .schema import Field, Json, ListField, ObjectField, ValueField
from .sums import settle
from .words import normalize

MAX_OTHERS: Final = 5
"""Other values of a field that its evidence lists."""
MAX_PLACES: Final = 10
"""Places of a value that are compared with what else its page has."""
LABEL: Final = "label"
"""The reason of a value that stands only beside the label of something else."""
AMBIGUOUS: Final = "ambiguous"
"""That of one that another value of its page may be as well."""

Path = tuple[str, ...]


class PageValue(NamedTuple):
    """The value of a field in the model's answer for one page."""

    page: PageText
    value: Any


class _Found(NamedTuple):
    """How much a page speaks for a value, and the place of it that speaks most, if it is in its words."""

    strength: int
    span: Span | None
    ambiguous: bool = False


class Merged(NamedTuple):
    """A field over all pages: its value, and by JSON Pointers the evidence of the values in it, and what was answered
    where no answer was understood."""

    value: Any
    evidence: dict[str, Json]
    not_understood: dict[str, str]


def merge(form: ObjectField, values: Sequence[PageValue]) -> Merged:
    """One value from those of the pages.

    Verified ones win, then those beside the label of the field, then those of most pages, then the first, or the last
    for a total. Of sums and their parts those win that agree.
    """
    merged = _merge(form, values, ())
    if isinstance(merged.value, dict):
        settle(form, merged.value, merged.evidence, [value.page for value in values])
    for entry in merged.evidence.values():
        for each in (entry, *entry.get("others", ())):
            each.pop("support", None)
            if each.pop("ambiguous", False) and each["verified"]:
                each.update(verified=False, reason=AMBIGUOUS)
            if boxes := boxes_of(each.pop("places")):
                each["boxes"] = boxes
    return merged


def _merge(field: Field, values: Sequence[PageValue], path: Path) -> Merged:
    match field:
        case ObjectField(fields):
            objects = [each for each in values if isinstance(each.value, dict)]
            parts = {name: _merge(part, _parts(objects, name), (*path, name)) for name, part in fields.items()}
            merged = _joined({f"/{_escape(name)}": part for name, part in parts.items()})
            value: Any = {name: part.value for name, part in parts.items()}
            return Merged(value, merged.evidence, {**merged.not_understood, **_unread(values, bool(objects))})
        case ListField(item):
            groups = _group((page, each) for page, items in values for each in items)
            items = [_merge(item, group, (*path, "[]")) for group in groups]
            for each in items:
                bring_together(each.evidence.values())
            merged = _joined({f"/{index}": part for index, part in enumerate(items)})
            return Merged([part.value for part in items], merged.evidence, merged.not_understood)
        case ValueField():
            understood = [each for each in values if not isinstance(each.value, NotUnderstood)]
            best = _best(field, _group(understood), path)
            return Merged(best.value, best.evidence, _unread(values, bool(understood)))


def _joined(parts: Mapping[str, Merged]) -> Merged:
    evidence = {start + pointer: entry for start, part in parts.items() for pointer, entry in part.evidence.items()}
    unread = {start + pointer: text for start, part in parts.items() for pointer, text in part.not_understood.items()}
    return Merged(None, evidence, unread)


def _unread(values: Sequence[PageValue], is_known: bool) -> dict[str, str]:
    """The answer of the first page that was not understood, unless that of another page was."""
    texts = [each.value.text for each in values if isinstance(each.value, NotUnderstood)]
    return {"": texts[0]} if texts and not is_known else {}


def _parts(values: Sequence[PageValue], name: str) -> list[PageValue]:
    return [PageValue(page, value[name]) for page, value in values if value[name] not in (None, [])]


def _group(values: Iterable[tuple[PageText, Any]]) -> list[list[PageValue]]:
    """Values that differ only in case and white space, grouped, in the order of the pages."""
    groups: dict[str, list[PageValue]] = {}
    for page, value in values:
        key = " ".join(json.dumps(value, sort_keys=True, default=repr).casefold().split())
        groups.setdefault(key, []).append(PageValue(page, value))
    return list(groups.values())


def _best(field: ValueField, groups: list[list[PageValue]], path: Path) -> Merged:
    if not groups:
        return Merged(None, {}, {})
    candidates = [_candidate(field, group, path) for group in groups]
    purpose = purpose_of(path, field.schema.get("description", ""), _kind(field, groups[0][0].value))
    last_wins = purpose is not None and purpose.concept == "total"
    candidates.sort(
        key=lambda each: (
            not each["verified"],
            -each["support"],
            0 if last_wins else -len(each["pages"]),
            -each["pages"][-1] if last_wins else each["pages"][0],
        )
    )
    best, *others = candidates
    value = best.pop("value")
    return Merged(value, {"": {**best, **({"others": others[:MAX_OTHERS]} if others else {})}}, {})


def _candidate(field: ValueField, group: list[PageValue], path: Path) -> Json:
    """A value with its evidence: the pages on which it stands, or else those for which the model gave it."""
    value = group[0].value
    purpose = None if "[]" in path else purpose_of(path, field.schema.get("description", ""), _kind(field, value))
    supports = [(each, _support(each, purpose, path)) for each in group]
    strengths = [found.strength for _, found in supports if found]
    best = max(strengths, default=None)
    if purpose is not None and purpose.group == "party" and OTHER in strengths and best != OWN:
        best = OTHER  # one page has the party under a label, and this is not it
    reason = misfit(value, path, field.schema) or (LABEL if best == OTHER else None)
    verified = best is not None and reason is None
    shown = [(each, found) for each, found in supports if found and (found.strength > OTHER or not verified)]
    standing = [each for each, _ in shown]
    pages = sorted({each.page.number for each in standing or group})
    places = [Place(each.page, found.span, each.value) for each, found in shown if found.span]
    entry = {
        "value": (standing or group)[0].value,
        "pages": pages,
        "verified": verified,
        "support": best or 0,
        "ambiguous": bool(shown) and all(found.ambiguous for _, found in shown),
        "places": places,
    }
    return entry if verified or reason is None or (reason == LABEL and best is None) else {**entry, "reason": reason}


def _support(each: PageValue, purpose: Purpose | None, path: Path) -> _Found | None:
    """Where the value stands, and how much what is beside it speaks for it; `None` if it does not stand on the page."""
    if purpose is None:
        first = next(each.page.find(each.value), None)
        return first and _Found(NONE, first)
    spans = list(each.page.find(each.value))
    if not spans:
        is_nothing = each.value == 0 and not isinstance(each.value, bool) and says_nothing(each.page, purpose)
        return _Found(NONE, None) if is_nothing else None
    places = [_Found(support(each.page, span, purpose), span) for span in dict.fromkeys(spans)]
    best = max(places, key=lambda found: found.strength)
    if best.strength == NONE and purpose.group == "party" and _is_name(path) and has_own_block(each.page, purpose):
        return best._replace(strength=OTHER)
    alike = [found for found in places if found.strength == best.strength][:MAX_PLACES]
    return best._replace(ambiguous=all(_is_doubtful(each.page, found, purpose, path) for found in alike))


def _is_doubtful(page: PageText, found: _Found, purpose: Purpose, path: Path) -> bool:
    assert found.span is not None
    return found.strength > OTHER and is_ambiguous(page, found.span, purpose, found.strength, spaced(path[-1]))


def _is_name(path: Path) -> bool:
    """Whether a field of a party is its name: `seller.name`, `buyer`."""
    last = normalize(path[-1].replace("_", " "))
    return purpose_of((path[-1],), "", "string") is not None or last in (
        "name",
        "company",
        "company name",
        "firma",
        "nom",
    )


def _kind(field: ValueField, value: Any) -> str:
    kind = str(field.schema.get("format", field.schema["type"]))
    if kind == "string" and isinstance(value, str):
        plain = normalize(value)
        if date_of(value) is not None and len(plain) < 40:
            return "date"
        return "amount" if is_numeric(plain) or amount_of(plain) else kind
    return kind


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def unverified(evidence: Mapping[str, Json]) -> list[str]:
    """The JSON Pointers of the values that stand on none of their pages, or beside the label of something else."""
    return [pointer for pointer, entry in evidence.items() if not entry["verified"]]
