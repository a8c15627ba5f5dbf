"""JSON Schemas that somebody else wrote (2020-12): checked, followed, and applied to values, in bounded time.

jsonschema by itself fetches what a `$ref` names, searches for patterns with an engine that backtracks, and compares
each item of an array with all others; a schema that refers to itself in several places may take it for ever. Here
references stay within the schema, patterns are those of an engine that takes linear time (Rust's `regex`, which
pydantic has), and each check has a number of steps. jsonschema is imported on first use, which takes 50 ms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import datetime
from functools import cache, cached_property
from itertools import islice
from typing import Any, Final

import orjson

from ..errors import FieldError
from ..protocol.json_limits import excess_of
from .patterns import compile_cost, matches, search_cost

STEPS: Final = 50_000
"""Steps of one check, of a schema or of a value by it: a step takes about a microsecond."""
MAX_NESTED: Final = 150
"""Keywords inside one another in a check of a value. At some 900 Python's recursion ends, and what jsonschema keeps in
Rust panics then, which no `except Exception` catches."""
MAX_ERRORS: Final = 20
"""Errors of a value that are listed."""
MAX_MESSAGE: Final = 500
"""Characters of one: jsonschema quotes the value."""
FORMATS: Final = ("date", "email", "ipv4", "ipv6", "uuid")
"""Formats that jsonschema checks by itself, in linear time; `date-time` and `time` are checked besides."""
DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
"""RFC 3339, section 5.6."""

_COSTS: Final = {"$ref": 15, "$dynamicRef": 30, "unevaluatedItems": 40, "unevaluatedProperties": 40}
"""Steps of keywords that take more than `_COST`."""
_COST: Final = 5
_LOOK_UP: Final = 50
"""Steps of finding what a reference names, in a check of the schema."""

SAMPLES: Final[tuple[Any, ...]] = (None, True, 0, "", [], {})
"""A schema by which the check of one of these takes too long is refused."""

_REFERENCES: Final = ("$ref", "$dynamicRef")

Check = Callable[[Any, Any, Any, Any], Iterator[Any] | None]


class _TooLong(ValueError):
    """A check takes more steps than it may."""


class _Budget:
    """The steps that are left of a check, and how many keywords are inside one another now."""

    __slots__ = ("depth", "steps")

    def __init__(self) -> None:
        self.steps = STEPS
        self.depth = 0


_budget: ContextVar[_Budget] = ContextVar("headway_schema_budget")


def _begin() -> None:
    _budget.set(_Budget())


def _spend(steps: int) -> None:
    budget = _budget.get()
    budget.steps -= steps
    if budget.steps < 0:
        raise _TooLong("the check takes too long")


class JsonSchema:
    """A JSON Schema (2020-12) that somebody else wrote; `check` it before you rely on it.

    References lead to JSON pointers and anchors within it. `formats` says whether `format` counts (`FORMATS`).
    """

    def __init__(self, schema: Mapping[str, Any], *, formats: bool = False) -> None:
        # Without `$schema`: where a reference leads to the top, jsonschema would go on by the draft that it names.
        self._schema = {key: value for key, value in schema.items() if key != "$schema"}
        self._formats = formats
        self._checked: set[int] = set()

    @cached_property
    def _resolver(self) -> Any:
        """Resolves references at the top; its registry knows all anchors, and would else look for each."""
        from referencing import Registry
        from referencing.jsonschema import DRAFT202012

        top = DRAFT202012.create_resource(self._schema)
        return Registry[Any]().with_resource(top.id() or "", top).crawl().resolver(base_uri=top.id() or "")

    @staticmethod
    def decode(text: str) -> Any:
        """A schema that a form has as text. Raises `ValueError` for what is not JSON, or too much of it."""
        encoded = text.encode()
        if excess := excess_of(encoded):
            raise ValueError(f"has {excess}")
        try:
            return orjson.loads(encoded)
        except orjson.JSONDecodeError:
            raise ValueError("not JSON") from None

    def check(self) -> None:
        """Raises `ValueError`, worded for the schema's author, unless this is a schema that values can be checked by.

        It is too large, say, or refers elsewhere, or has a pattern with a look-ahead.
        """
        from .metaschema import check_shape, check_size  # building it takes longer than most checks

        check_size(self._schema)
        _begin()
        try:
            check_shape(self._schema)
            self._check(self._schema, self._resolver)
            for sample in SAMPLES:
                self._find_error(sample)
        except (RecursionError, OverflowError, MemoryError, _TooLong):
            raise ValueError("the schema takes too long to check: simplify it") from None

    def errors(self, value: Any) -> list[FieldError]:
        """What does not fit, the first `MAX_ERRORS`; `loc` is the path within the value."""
        from referencing.exceptions import Unresolvable

        _begin()
        try:
            found = list(islice(self._validator().iter_errors(value), MAX_ERRORS))
        except (RecursionError, OverflowError, MemoryError, ValueError):
            return [{"loc": [], "msg": "takes too long to check by its schema"}]
        except Unresolvable as error:
            return [{"loc": [], "msg": f"cannot be checked: its schema refers elsewhere: {error}"[:MAX_MESSAGE]}]
        return [{"loc": [*error.absolute_path], "msg": error.message[:MAX_MESSAGE]} for error in found]

    def is_valid(self, value: Any) -> bool:
        """Whether `value` fits."""
        return not self.errors(value)

    def references(self) -> Iterator[str]:
        """The references in it and in all schemas inside of it."""
        for contents, _ in self._parts(self._schema, self._resolver):
            yield from (str(contents[key]) for key in _REFERENCES if key in contents)

    def follow(self, reference: str) -> Mapping[str, Any]:
        """The schema that `reference` names. Raises `ValueError`, worded for the schema's author, if there is none."""
        _begin()
        target, resolver = self._look_up(reference, self._resolver)
        if not isinstance(target, Mapping):
            raise ValueError(f"the reference {reference[:80]!r} leads to no type")
        if id(target) not in self._checked:  # it may point at an example, which nobody has checked
            self._check(target, resolver)
        return target

    def _find_error(self, value: Any) -> Any:
        return next(self._validator().iter_errors(value), None)

    def _validator(self) -> Any:
        validators, formats = _bounded()
        return validators(self._schema, _resolver=self._resolver, format_checker=formats if self._formats else None)

    def _check(self, schema: Any, resolver: Any) -> None:
        """Checks a schema and those inside of it, and what they refer to."""
        from .metaschema import check_chains, check_shape, for_the_same_value

        waiting, chains = [(schema, resolver)], dict[int, list[int]]()
        while waiting:
            schema, resolver = waiting.pop()
            if schema is not self._schema:
                check_shape(schema)
            for contents, resolver_there in self._parts(schema, resolver):
                self._checked.add(id(contents))
                _check_keywords(contents, top=contents is self._schema)
                targets = [self._look_up(contents[key], resolver_there) for key in _REFERENCES if key in contents]
                for target in targets:
                    if id(target[0]) not in self._checked:
                        self._checked.add(id(target[0]))
                        waiting.append(target)
                chains[id(contents)] = [id(each) for each in (*for_the_same_value(contents), *(t[0] for t in targets))]
        check_chains(chains)

    def _look_up(self, reference: Any, resolver: Any) -> tuple[Any, Any]:
        from referencing.exceptions import Unresolvable

        _spend(_LOOK_UP)
        try:
            found = resolver.lookup(reference)
        except (Unresolvable, LookupError, TypeError, ValueError):  # a pointer through a number, say, is a TypeError
            found = None
        if found is None or not isinstance(found.contents, Mapping | bool):
            raise ValueError(f"the reference {str(reference)[:80]!r} leads nowhere in this schema")
        return found.contents, found.resolver

    def _parts(self, schema: Any, resolver: Any) -> Iterator[tuple[Mapping[str, Any], Any]]:
        """The schema and all schemas inside of it that are objects, each with its resolver."""
        from referencing.jsonschema import DRAFT202012

        waiting = [(DRAFT202012.create_resource(schema), resolver)]
        while waiting:
            resource, resolver = waiting.pop()
            if isinstance(resource.contents, Mapping):
                yield resource.contents, resolver
            waiting += [(inner, resolver.in_subresource(inner)) for inner in resource.subresources()]


def _check_keywords(schema: Mapping[str, Any], *, top: bool) -> None:
    """Raises `ValueError` for a keyword whose value the checks here do not take."""
    if "$schema" in schema and not top:
        raise ValueError("only the top of a schema has $schema")
    if "unevaluatedProperties" in schema and "patternProperties" in schema:
        raise ValueError("unevaluatedProperties does not go with patternProperties")
    if "$dynamicRef" in schema and "unevaluatedProperties" in schema:
        raise ValueError("unevaluatedProperties does not go with $dynamicRef")
    for pattern in (*schema.get("patternProperties", ()), *([schema["pattern"]] if "pattern" in schema else ())):
        _spend(compile_cost(pattern))
        matches(pattern, "")


# --- keywords --------------------------------------------------------------------------------------------------------


@cache
def _bounded() -> tuple[Any, Any]:
    """jsonschema's validator with the keywords below, each of which counts its steps, and the checker of formats."""
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.validators import extend

    own = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties(Draft202012Validator.VALIDATORS["additionalProperties"]),
        "uniqueItems": _unique_items,
    }
    keywords = {**Draft202012Validator.VALIDATORS, **own}
    counted = {name: _counted(check, _COSTS.get(name, _COST)) for name, check in keywords.items()}
    formats = FormatChecker(FORMATS)
    formats.checks("date-time", ValueError)(_is_date_time)
    formats.checks("time", ValueError)(lambda value: not isinstance(value, str) or _is_date_time(f"1970-01-01T{value}"))
    return extend(Draft202012Validator, counted), formats  # type: ignore[no-untyped-call]


def _is_date_time(value: object) -> bool:
    """Whether this is no string, or one that is a time. Raises `ValueError` for a day that does not exist."""
    if not isinstance(value, str):
        return True
    return bool(DATE_TIME.fullmatch(value) and datetime.fromisoformat(value.upper()))


def _counted(check: Check, cost: int) -> Check:
    """The keyword, which takes steps for itself, for the items that it may look at, and for its messages."""

    def count(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        looked_at = sum(len(each) for each in (value, instance) if isinstance(each, list | dict))
        _spend(cost + looked_at // 4)
        budget = _budget.get()
        budget.depth += 1
        try:
            if budget.depth > MAX_NESTED:
                raise _TooLong("the check nests too deep")
            for error in check(validator, value, instance, schema) or ():
                _spend(10 + len(error.message) // 50)
                yield error
        finally:
            budget.depth -= 1

    return count


def _error(message: str) -> Any:
    from jsonschema import ValidationError

    return ValidationError(message)


def _matches(pattern: str, text: str) -> bool:
    _spend(search_cost(pattern, len(text)))
    return matches(pattern, text)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    if isinstance(instance, str) and not _matches(pattern, instance):
        yield _error(f"{instance[:80]!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any) -> Iterator[Any]:
    if isinstance(instance, dict):
        for pattern, inner in patterns.items():
            for name in filter(lambda name: _matches(pattern, name), instance):
                yield from validator.descend(instance[name], inner, path=name, schema_path=pattern)


def _additional_properties(original: Check) -> Check:
    def check(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any] | None:
        """The keyword, with the properties of `patternProperties` left out here: it searches with Python's `re`."""
        patterns = schema.get("patternProperties")
        if not patterns or not isinstance(instance, dict):
            return original(validator, allowed, instance, schema)
        rest = {name: value for name, value in instance.items() if not any(_matches(each, name) for each in patterns)}
        others = {key: value for key, value in schema.items() if key != "patternProperties"}
        return original(validator, allowed, rest, others)

    return check


def _unique_items(validator: Any, unique: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if unique and isinstance(instance, list):
        seen = set()
        for item in instance:
            key = _hashable(item)
            if key in seen:
                yield _error("has an item twice")
                return
            seen.add(key)


def _hashable(value: Any) -> Any:
    """A value that is equal for equal JSON: 1 and 1.0 are, 1 and true are not."""
    _spend(1)
    if isinstance(value, list):
        return ("list", *map(_hashable, value))
    if isinstance(value, dict):
        return ("dict", frozenset((name, _hashable(each)) for name, each in value.items()))
    return (isinstance(value, bool), value)
