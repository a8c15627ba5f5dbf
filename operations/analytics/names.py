"""The names of tables."""

from __future__ import annotations

from typing import Final

ALIAS: Final = "data"
"""The second name of the first table."""
NAME_LENGTH: Final = 60


def table_name(filename: str) -> str:
    """A file's name as an SQL name that needs no quotes: letters, digits and underscores, no digit first."""
    stem = filename.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    words = "".join(letter if letter.isalnum() else "_" for letter in stem).strip("_") or "table"
    return (f"t_{words}" if words[0].isdigit() else words)[:NAME_LENGTH]
