"""Names and texts in SQL, and DuckDB's words as its users are to read them."""

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
_LONGEST: Final = 1_000


def quoted(text: str, sign: str = '"') -> str:
    """`text` as a name (`"`) or a text (`'`) of SQL."""
    return sign + text.replace(sign, sign * 2) + sign


def named(name: str) -> str:
    """A name as one would write it: in quotes only where it needs them."""
    return name if _PLAIN.fullmatch(name) and name.lower() not in _RESERVED else quoted(name)


def complaint(error: Exception, ours: Mapping[str, str], lines_above: int = 0) -> str:
    """What DuckDB says of somebody's own SQL or file, without its advice on settings.

    `ours` are paths with what is said in their place, and `lines_above` the lines that were put above the SQL, which
    its writer does not count.
    """
    said = _HINTS.split(str(error), maxsplit=1)[0].strip()
    for path, word in ours.items():
        said = said.replace(path, word)
    said = _LINE.sub(lambda line: f"LINE {max(1, int(line[1]) - lines_above)}:", said)
    return said if len(said) <= _LONGEST else said[:_LONGEST] + " ..."
