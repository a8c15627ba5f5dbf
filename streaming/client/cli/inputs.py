"""The input of a run, from `--json` and the flags of its operation; and what else a person types as JSON."""

from __future__ import annotations

from typing import Any

import click
import orjson

from ..sync import Client
from .flags import command_of, input_of, read_source
from .output import cleaned


def operation_named(client: Client, name: str) -> dict[str, Any]:
    """An operation of the service. Raises `click.UsageError` where there is none of this name."""
    catalogue = {str(entry.get("name")): entry for entry in cleaned(client.operations())}
    if name not in catalogue:
        names = ", ".join(sorted(catalogue)) or "none"
        raise click.UsageError(f"there is no operation {name!r}; the service offers {names}")
    found: dict[str, Any] = catalogue[name]
    return found


def read_input(ctx: click.Context, entry: dict[str, Any], rest: list[str], document: str | None) -> dict[str, Any]:
    """The input from `--json` and the operation's flags, which win."""
    schema = entry["input"] if isinstance(entry.get("input"), dict) else {}
    command = command_of(str(entry["name"]), str(entry.get("description") or ""), schema)
    with command.make_context(f"{ctx.command_path} {entry['name']}", rest) as parsed:
        flags = input_of(parsed.params, schema)
    return {**(read_json(document) if document is not None else {}), **flags}


def read_json(source: str) -> dict[str, Any]:
    """The value of `--json`, an object. Raises `click.UsageError`."""
    try:
        value = orjson.loads(read_typed("--json", source))
    except orjson.JSONDecodeError as error:
        raise click.UsageError(f"--json: {error}") from None
    if not isinstance(value, dict):
        raise click.UsageError("--json: the input must be an object")
    return value


def read_typed(name: str, source: str) -> str:
    """What a person typed for `name`, or the text that it names. Raises `click.UsageError`."""
    try:
        return read_source(source)
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{name}: {error}") from None
