"""Where the routes of an extension go: below a blueprint of the application, and under a name that is free."""

from __future__ import annotations

from collections.abc import Container
from itertools import chain, count
from typing import Any

from flask.sansio.blueprints import BlueprintSetupState


def below(parent: BlueprintSetupState, url_prefix: str | None) -> dict[str, Any]:
    """The options that register a blueprint below another one, as Flask registers a nested one.

    So the checks and the error handlers of `parent`, and of those that it is nested in, apply to it.
    """
    prefixes = [prefix for prefix in (parent.url_prefix, url_prefix) if prefix is not None]
    joined = f"{prefixes[0].rstrip('/')}/{prefixes[1].lstrip('/')}" if len(prefixes) == 2 else "".join(prefixes)
    name = full_name(parent.options.get("name_prefix", ""), parent.name)
    return {"name_prefix": name, "url_prefix": joined or None, "subdomain": parent.subdomain}


def full_name(name_prefix: str, name: str) -> str:
    """The name of a blueprint with those that it is nested in."""
    return f"{name_prefix}.{name}".lstrip(".")


def free_name(name: str, taken: Container[str], name_prefix: str = "") -> str:
    """`name`, or with the first number from 2 on that makes one which is not taken."""
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(each for each in names if full_name(name_prefix, each) not in taken)
