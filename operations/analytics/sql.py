"""Quoting in SQL, and DuckDB's error messages as its users read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_HINTS: Final = re.compile(r"\s*(Possible solutions:|Possible fixes:|Use \"SET )")
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED: Final = frozenset(
    re.findall(
        r"\w+",
        """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default
    deferrable desc describe distinct do else end except false fetch for foreign from group having in initially
    intersect into lambda lateral leading limit not null offset on only or order pivot pivot_longer pivot_wider
    placing primary qualify references returning select show some summarize symmetric table then to trailing true
    union unique unpivot using variadic when where window with
""",
    )
)
"""DuckDB's reserved words (`duckdb_keywords()`)."""

_LINE: Final = re.compile(r"^LINE (\d+):", re.MULTILINE)
_MAX_MESSAGE: Final = 1_000


def quote(text: str, mark: str = '"') -> str:
    """`text` as an identifier (`"`) or a string (`'`) of SQL."""
    return mark + text.replace(mark, mark * 2) + mark


def identifier(name: str) -> str:
    """A name as a person writes it: quoted only if it must be."""
    return name if _PLAIN.fullmatch(name) and name.lower() not in _RESERVED else quote(name)


def error_message(error: Exception, paths: Mapping[str, str], lines_above: int = 0) -> str:
    """DuckDB's message about the user's SQL or file, without its hints about settings.

    `paths` maps paths of the server to the words that replace them. `lines_above` is the number of lines added above
    the SQL, which its author does not count.
    """
    message = _HINTS.split(str(error), maxsplit=1)[0].strip()
    for path, word in paths.items():
        message = message.replace(path, word)
    message = _LINE.sub(lambda line: f"LINE {max(1, int(line[1]) - lines_above)}:", message)
    return message if len(message) <= _MAX_MESSAGE else message[:_MAX_MESSAGE] + " ..."
