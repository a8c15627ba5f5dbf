"""What the options of the command line take: URLs, keys, headers, seconds."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import click

from ..errors import Unreachable
from ..requests import base_url, checked_key

LONGEST: Final = 86400
"""Seconds: a day is longer than anything that a command waits for."""

HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~\t]*)")
"""A header (RFC 9110, sections 5.1 and 5.5), in ASCII."""


class UrlType(click.ParamType[str]):
    """The URL of a service."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The URL without a slash at its end."""
        try:
            return base_url(str(value))
        except Unreachable as error:
            return self.fail(str(error), param, ctx)


class KeyType(click.ParamType[str]):
    """An API key. No message shows it."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The key."""
        try:
            return checked_key(str(value))
        except ValueError as error:
            return self.fail(str(error), param, ctx)


class HeaderType(click.ParamType[tuple[str, str]]):
    """A header, as curl takes it. No message shows it: it may be a secret."""

    name = "header"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The name and the value."""
        if isinstance(value, tuple):
            return value
        found = HEADER.fullmatch(str(value))
        if found is None:
            self.fail("a header is 'NAME: VALUE', in ASCII", param, ctx)
        return found[1], found[2].strip()


class NameType(click.ParamType[str]):
    """A name within the URL of a service: of a run, or of one of its files."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name; `.` and `..` are none."""
        return self.fail(f"{value!r} is no name", param, ctx) if value in ("", ".", "..") else str(value)


class Seconds(click.FloatRange):
    """Seconds, up to a day."""

    name = "seconds"

    def __init__(self, min: float, *, min_open: bool = False) -> None:
        super().__init__(min, LONGEST, min_open=min_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The seconds, as a number."""
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return seconds
