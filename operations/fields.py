"""The fields that `extract` takes out of a document: what a model is asked about a page, and what is made of it.

The model fills in a form for each page, every field of which may stay empty there. What it writes is not believed: a
value that does not stand in the text of its page is **unverified**. Then the pages are merged into one instance of the
caller's schema, beside which stands the **evidence**: for each value, by its JSON Pointer (RFC 6901), the pages it is
from. All of this is functions over plain values; `extract` makes the calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from .llm import Message, user
from .occurs import PageText

Json = dict[str, Any]

MOST_FIELDS: Final = 60
"""Values that a schema may ask for: a small model loses the thread long before."""
MOST_DEPTH: Final = 8
"""Levels of objects, lists and references."""
MOST_ITEMS: Final = 50
"""Items of a list on one page."""
MOST_SHOWN: Final = 5
"""Other values of a field that the evidence names."""
TYPES: Final = frozenset({"string", "number", "integer", "boolean"})
HELD_TO: Final = ("type", "enum", "const", "description")
"""What of a field's schema the model is held to. The rest is checked afterwards: servers take different parts of it."""

TASK: Final = (
    "You fill in a form from one page of a document. Copy each value as it stands on the page, numbers as in 1234.5. "
    "Write null where the page does not tell. Do not guess. Answer with JSON only."
)


# --- the form --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Value:
    """A field for one value; `schema` is the caller's."""

    schema: Json


@dataclass(frozen=True)
class Group:
    """Fields by their names: an object."""

    fields: Mapping[str, Field]
    description: str = ""


@dataclass(frozen=True)
class Many:
    """As many of one field as the document has: a list."""

    item: Field
    description: str = ""


Field: TypeAlias = Value | Group | Many


def form_of(schema: Any) -> Group:
    """The form that a JSON Schema describes. Raises `ValueError`, in words for its author, where it describes none."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"no JSON Schema: {error.message[:200]}") from None
    form = _field(schema, schema, 0)
    if not isinstance(form, Group):
        raise ValueError('a JSON Schema of an object: {"type": "object", "properties": {...}}')
    if _count(form) > MOST_FIELDS:
        raise ValueError(f"{MOST_FIELDS} values at the most")
    return form


def _field(schema: Any, root: Json, depth: int) -> Field:
    if depth > MOST_DEPTH:
        raise ValueError(f"objects, lists and references nest {MOST_DEPTH} deep at the most")
    if not isinstance(schema, dict):
        raise ValueError("each field has a schema that says its type")
    if instead := _instead(schema, root):
        said = {name: schema[name] for name in ("description",) if name in schema}
        return _field({**instead, **said}, root, depth + 1)
    told = schema.get("description", "")
    match schema.get("type", "object" if "properties" in schema else "string"):
        case "object":
            parts = schema.get("properties") or {}
            if not parts:
                raise ValueError("an object has `properties`: the fields to look for")
            return Group({name: _field(part, root, depth + 1) for name, part in parts.items()}, told)
        case "array":
            return Many(_field(schema.get("items"), root, depth + 1), told)
        case str(kind) if kind in TYPES:
            return Value({**schema, "type": kind})
        case kind:
            raise ValueError(f"a field is a string, number, integer, boolean, object or array, not {kind!r}")


def _instead(schema: Json, root: Json) -> Json | None:
    """The schema that this one stands for: by reference, or because it only says that null is allowed as well."""
    if "$ref" in schema:
        return _referred(str(schema["$ref"]), root)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            one = [part for part in schema[several] if part != {"type": "null"}]
            if len(one) != 1:
                raise ValueError(f"a field has one type: `{several}` allows for null beside it, and for nothing else")
            return dict(one[0])
    kinds = schema.get("type")
    if isinstance(kinds, list):
        one = [kind for kind in kinds if kind != "null"]
        if len(one) != 1:
            raise ValueError("a field has one type, and may allow for null beside it")
        return {**schema, "type": one[0]}
    return None


def _referred(reference: str, root: Json) -> Json:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    if not reference.startswith("#/") or not isinstance(found, dict):
        raise ValueError(f"the reference {reference[:80]!r} leads nowhere in this schema")
    return found


def _count(field: Field) -> int:
    match field:
        case Group(fields):
            return sum(map(_count, fields.values()))
        case Many(item):
            return _count(item)
        case _:
            return 1


# --- what the model is asked -----------------------------------------------------------------------------------------


def page_schema(field: Field, *, bounded: bool = False) -> Json:
    """The JSON Schema that the model's answer for one page satisfies: strict, and every value may be null.

    `bounded` keeps lists short, for the server that understands that: a small model may not find their end.
    """
    match field:
        case Group(fields):
            parts = {name: _or_null(part, bounded=bounded) for name, part in fields.items()}
            return {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}
        case Many(item):
            bound = {"maxItems": MOST_ITEMS} if bounded else {}
            return {"type": "array", "items": page_schema(item, bounded=bounded), **bound}
        case Value(schema):
            return {name: schema[name] for name in HELD_TO if name in schema}


def _or_null(field: Field, *, bounded: bool) -> Json:
    schema = page_schema(field, bounded=bounded)
    return schema if isinstance(field, Many) else {"anyOf": [schema, {"type": "null"}]}


def messages(form: Group, number: int, text: str) -> list[Message]:
    """What the model is told about a page."""
    asked = "\n".join(_lines(form, ""))
    page = f"Page {number} of the document:\n---\n{text}\n---"
    return [{"role": "system", "content": TASK}, user(f"{page}\n\nThe form:\n{asked}")]


def answer_tokens(field: Field) -> int:
    """How many tokens the answer for a page may have."""
    match field:
        case Group(fields):
            return 16 + sum(map(answer_tokens, fields.values()))
        case Many(item):
            return 16 + 10 * answer_tokens(item)
        case _:
            return 48


def _lines(field: Field, path: str) -> Iterator[str]:
    """A line for each value of the form, with its type and description."""
    match field:
        case Group(fields):
            for name, part in fields.items():
                yield from _lines(part, f"{path}.{name}" if path else name)
        case Many(item):
            if field.description:
                yield f"- {path}: list. {field.description}"
            yield from _lines(item, f"{path}[]")
        case Value(schema):
            kind = " or ".join(map(str, schema["enum"])) if "enum" in schema else schema["type"]
            yield f"- {path} ({schema.get('format', kind)}) {schema.get('description', '')}".rstrip()


def pieces(text: str, most: int) -> list[str]:
    """A page's text in pieces of at most so many characters, cut at the ends of lines, or of words where it must be."""
    found: list[str] = []
    while len(text) > most:
        at = next((at for end in ("\n", " ") if (at := text.rfind(end, most // 2, most)) > 0), most)
        found.append(text[:at])
        text = text[at:].lstrip()
    return [*found, text] if text.strip() else found


# --- what is made of its answers -------------------------------------------------------------------------------------


class Found(NamedTuple):
    """What one page gave for a field."""

    page: PageText
    value: Any


class Merged(NamedTuple):
    """A field over all pages: its value, and the evidence of the values in it by their JSON Pointers."""

    value: Any
    evidence: dict[str, Json]


def clean(field: Field, value: Any) -> Any:
    """What the model wrote, without what says nothing and what the caller's schema does not allow."""
    match field:
        case Group(fields):
            parts = value if isinstance(value, dict) else {}
            kept = {name: clean(part, parts.get(name)) for name, part in fields.items()}
            return kept if any(part not in (None, []) for part in kept.values()) else None
        case Many(item):
            items = [clean(item, each) for each in value] if isinstance(value, list) else []
            return [each for each in items if each is not None]
        case Value(schema):
            return _allowed(schema, value.strip() if isinstance(value, str) else value)


def _allowed(schema: Json, value: Any) -> Any:
    from jsonschema import Draft202012Validator

    if value is None or value == "":
        return None
    if schema["type"] == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)
    valid = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).is_valid(value)
    return value if valid else None


def merge(field: Field, found: Sequence[Found]) -> Merged:
    """One value out of what the pages gave: verified ones win, then those of most pages, then the first."""
    match field:
        case Group(fields):
            merged = {name: merge(part, _parts(found, name)) for name, part in fields.items()}
            evidence = {f"/{_escaped(n)}{p}": e for n, part in merged.items() for p, e in part.evidence.items()}
            return Merged({name: part.value for name, part in merged.items()}, evidence)
        case Many(item):
            merged_items = [merge(item, same) for same in _alike((each.page, i) for each in found for i in each.value)]
            evidence = {f"/{i}{p}": e for i, part in enumerate(merged_items) for p, e in part.evidence.items()}
            return Merged([part.value for part in merged_items], evidence)
        case _:
            return _best(_alike(found))


def _parts(found: Sequence[Found], name: str) -> list[Found]:
    return [Found(page, value[name]) for page, value in found if value[name] not in (None, [])]


def _alike(found: Iterable[tuple[PageText, Any]]) -> list[list[Found]]:
    """What is the same but for case and blanks, together; in the order of the pages."""
    groups: dict[str, list[Found]] = {}
    for page, value in found:
        groups.setdefault(" ".join(json.dumps(value, sort_keys=True).casefold().split()), []).append(Found(page, value))
    return list(groups.values())


def _best(candidates: list[list[Found]]) -> Merged:
    if not candidates:
        return Merged(None, {})
    weighed = [_weighed(same) for same in candidates]
    weighed.sort(key=lambda told: (not told["verified"], -len(told["pages"]), told["pages"]))
    best, *others = weighed
    value = best.pop("value")
    return Merged(value, {"": {**best, **({"others": others[:MOST_SHOWN]} if others else {})}})


def _weighed(same: list[Found]) -> Json:
    """A value with its evidence: the pages on which it stands, or else those for which the model gave it."""
    seen = [found for found in same if found.page.has(found.value)]
    pages = sorted({found.page.number for found in seen or same})
    return {"value": (seen or same)[0].value, "pages": pages, "verified": bool(seen)}


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def unverified(evidence: Mapping[str, Json]) -> list[str]:
    """The JSON Pointers of the values that stand on none of their pages."""
    return [pointer for pointer, told in evidence.items() if not told["verified"]]
