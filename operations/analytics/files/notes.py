"""The warnings of one table: what was skipped, guessed or changed; one for each code, with some of its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

ROWS: Final = 20
"""Rows that a warning lists; its message has their number."""
NAME: Final = 100
"""Characters of a file's name or of a value in a message."""


@dataclass
class Rows:
    """Numbers of rows, from 1: the first few, and how many there are."""

    first: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, row: int) -> None:
        """Adds a row."""
        self.count += 1
        if len(self.first) < ROWS:
            self.first.append(row)

    def __str__(self) -> str:
        return "1 row" if self.count == 1 else f"{self.count:,} rows"


class Notes:
    """The warnings of one file or sheet, in the order in which they came up."""

    def __init__(self, name: str) -> None:
        self.name = short(name)
        self._notes: dict[str, dict[str, Any]] = {}

    def add(self, code: str, message: str, rows: Rows | None = None) -> None:
        """Adds a warning, or a sentence to the one with this code."""
        if (note := self._notes.get(code)) is not None:
            note["message"] = f"{note['message']} {message}"
            note["rows"] = [*note.get("rows", []), *(rows.first if rows else [])][:ROWS]
        else:
            self._notes[code] = {"code": code, "message": f"{self.name}: {message}"}
            if rows is not None:
                self._notes[code]["rows"] = list(rows.first)

    def messages(self) -> list[dict[str, Any]]:
        """The warnings, each `{"code", "message"}`, and `rows` where it is about some."""
        return [{key: value for key, value in note.items() if value != []} for note in self._notes.values()]


def short(text: str, length: int = NAME) -> str:
    """The text on one line, cut at a length."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 3] + "..."


def listed(names: list[str], most: int = 5) -> str:
    """Some of the names, in a sentence."""
    shown = ", ".join(short(name, 40) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
