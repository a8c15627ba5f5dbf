"""JSON Schemas that somebody else wrote (2020-12): checked, followed and applied without reading another document.

jsonschema on its own fetches what a `$ref` names from any host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator


def check_schema(schema: Any) -> None:
    """Raises `ValueError`, worded for the schema's author, unless `schema` is a JSON Schema."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"not a JSON Schema: {error.message[:200]}") from None


def validator(schema: Mapping[str, Any], *, formats: bool = False) -> Draft202012Validator:
    """What checks values; `formats` says whether `format` counts."""
    from jsonschema import Draft202012Validator
    from referencing import Registry

    checker = Draft202012Validator.FORMAT_CHECKER if formats else None
    return Draft202012Validator(schema, registry=Registry(), format_checker=checker)


class References:
    """Follows the references within one schema: JSON pointers and anchors. `followed` counts them."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        from referencing import Registry
        from referencing.jsonschema import DRAFT202012

        self.followed = 0
        self._resolver = Registry[Any]().resolver_with_root(DRAFT202012.create_resource(schema))
        self._targets: dict[str, Mapping[str, Any]] = {}

    def follow(self, reference: str) -> Mapping[str, Any]:
        """The schema that `reference` names. Raises `ValueError`, worded for the schema's author, if there is none."""
        self.followed += 1
        if reference not in self._targets:
            self._targets[reference] = self._look_up(reference)
        return self._targets[reference]

    def _look_up(self, reference: str) -> Mapping[str, Any]:
        from referencing.exceptions import Unresolvable

        try:
            target = self._resolver.lookup(reference).contents
        except (Unresolvable, LookupError, TypeError, ValueError):  # a pointer through a number, say, is a TypeError
            target = None
        if not isinstance(target, Mapping):
            raise ValueError(f"the reference {reference[:80]!r} leads nowhere in this schema")
        check_schema(target)  # it may point at an example, which nobody has checked
        return target


def references_in(schema: Mapping[str, Any]) -> Iterator[str]:
    """The references in `schema` and in all schemas inside of it."""
    from referencing.jsonschema import DRAFT202012

    waiting = [DRAFT202012.create_resource(schema)]
    while waiting:
        resource = waiting.pop()
        if isinstance(resource.contents, Mapping):
            yield from (str(resource.contents[key]) for key in ("$ref", "$dynamicRef") if key in resource.contents)
        waiting += resource.subresources()
