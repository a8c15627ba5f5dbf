"""The input of a run as its snapshot shows it: without secrets and contents of files, and within bounds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any, Final

import orjson
from pydantic import BaseModel

from .operation import Operation
from .upload import Upload

SHOWN_BYTES: Final = 16_384
"""What the input may take in a snapshot. Beyond it the largest fields are left out, each with how many bytes it has."""

MARK_BYTES: Final = 64
"""A field of fewer bytes is never left out by itself: what says so takes nearly as many."""

MASK: Final = "**********"
"""What stands for a secret: pydantic's own for a `SecretStr`."""

SECRET: Final = re.compile(
    r"(?:^|[_\W]|(?<=[a-z])(?=[A-Z]))(?:password|passwd|passphrase|secret|token|api[_-]?key|authorization|credentials?)$",
    re.IGNORECASE,
)
"""The end of a field's name whose text is a secret."""

IN_URL: Final = re.compile(
    r"(?<=://)([^/@:\s]*:)[^/@\s]+(?=@)|([?&][\w.-]*(?:token|key|secret|sig|signature|password|credential)=)[^&#\s]+",
    re.IGNORECASE,
)
"""A password, and a query's secrets, in a URL within any text."""


def shown_input(operation: Operation, checked: BaseModel) -> bytes | None:
    """The checked input as JSON; `None` for one that JSON cannot hold."""
    value = operation.checked_input(checked)
    fields = operation.file_fields()
    uploads = {name for name, field in type(value).model_fields.items() if (field.alias or name) in fields}
    try:
        body = value.model_dump_json(by_alias=True, exclude=uploads or None, warnings=False)
        found = orjson.loads(body)
    except Exception:  # noqa: BLE001  # code may start a run with any object, and serializers raise anything
        return None
    if isinstance(found, dict):
        for name in uploads:
            found[type(value).model_fields[name].alias or name] = _files(getattr(value, name))
    return _within_bounds(found, _secret_names(type(value)))


def _files(value: Any) -> Any:
    """Uploads by name and size."""
    if isinstance(value, Upload):
        return {"name": value.filename, "size": value.size}
    return [_files(each) for each in value] if isinstance(value, list | tuple | set | frozenset) else None


def _within_bounds(found: Any, secrets: Collection[str]) -> bytes:
    sizes = {name: len(orjson.dumps(value)) for name, value in found.items()} if isinstance(found, dict) else {}
    size = len(orjson.dumps(found))
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if size <= SHOWN_BYTES or sizes[name] < MARK_BYTES:
            break
        found[name] = _Omitted(omitted=sizes[name])
        size -= sizes[name] - len(orjson.dumps(found[name]))
    if size <= SHOWN_BYTES:
        shown = orjson.dumps(_masked(found, secrets))
        if len(shown) <= SHOWN_BYTES:  # a mask may be longer than a secret
            return b"%b" % shown  # a copy: the bytes that orjson returns hold four kilobytes, however short they are
    return orjson.dumps({"omitted": size})


class _Omitted(dict[str, int]):
    """What stands for a value that is left out: how many bytes it has."""


def _masked(value: Any, secrets: Collection[str], name: str = "") -> Any:
    if isinstance(value, _Omitted):
        return value
    if isinstance(value, dict):
        return {key: _masked(each, secrets, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, secrets, name) for each in value]
    if name in secrets or (isinstance(value, str) and SECRET.search(name)):
        return value if value is None else MASK
    if isinstance(value, str):
        return IN_URL.sub(lambda match: f"{match[1] or match[2]}{MASK}", value)
    return value


@lru_cache(maxsize=64)
def _secret_names(model: type[BaseModel]) -> frozenset[str]:
    """The names of the fields that are secret by their declaration (`SecretStr`, `writeOnly`, `format: password`)."""
    try:
        return frozenset(_secrets_in(model.model_json_schema()))
    except Exception:  # noqa: BLE001  # a type without a schema
        return frozenset()


def _secrets_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _secrets_in(each)
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties")
    for name, each in properties.items() if isinstance(properties, dict) else ():
        kinds = [each, *each.get("anyOf", ()), each.get("items")] if isinstance(each, dict) else []
        if any(
            isinstance(kind, dict) and (kind.get("writeOnly") or kind.get("format") == "password") for kind in kinds
        ):
            yield name
    for each in schema.values():
        yield from _secrets_in(each)
