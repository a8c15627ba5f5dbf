"""JSON, and lines of JSON, as a table. DuckDB reads them; what it refuses is mended here, and told.

Keys that an object has twice get numbers, as columns do, and lines that are no JSON are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import duckdb

from ..sql import quote
from ..values import distinct
from .notes import Notes, Rows, listed
from .text import read_text
from .unpack import Budget

OBJECT: Final = 64 << 20
"""Bytes of one object, at most; and of a file that has to be mended as a whole."""
OPTIONS: Final = (f"maximum_object_size = {OBJECT}", f"maximum_object_size = {OBJECT}, sample_size = -1")
"""Types are guessed from the first rows; if that fails, from all rows."""


class Documents:
    """Loads JSON."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, budget: Budget) -> None:
        self._connection = connection
        self._budget = budget

    def load(self, path: Path, table: str, notes: Notes) -> None:
        """Makes a table of a file. Raises DuckDB's errors."""
        text = read_text(path, notes, self._budget)
        path = text.path
        if text.bom:
            with path.open("rb") as source:
                source.seek(text.bom)
                path = self._budget.copy(source, notes.name)
        try:
            self._create(path, table)
        except (duckdb.ConversionException, duckdb.InvalidInputException):
            mended = self._mend(path, notes)
            if mended is None:
                raise
            self._create(mended, table)

    def _create(self, path: Path, table: str) -> None:
        for number, options in enumerate(OPTIONS, 1):
            try:
                source = f"read_json({quote(str(path), chr(39))}, {options})"
                self._connection.execute(f"CREATE TABLE {quote(table)} AS FROM {source}")
                return
            except (duckdb.ConversionException, duckdb.InvalidInputException):
                if number == len(OPTIONS):
                    raise

    def _mend(self, path: Path, notes: Notes) -> Path | None:
        """The same records, one a line, without what DuckDB refuses; `None` if there is nothing that can be mended."""
        broken, doubled, good = Rows(), _Doubled(), 0
        target = self._budget.new_file()
        with target.open("w", encoding="utf-8") as file:
            for number, record in enumerate(_records(path, doubled), 1):
                if record is _BROKEN:
                    broken.add(number)
                else:
                    good += 1
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
        if good <= broken.count or not (broken.count or doubled.names):
            return None
        self._budget.spend(target.stat().st_size, notes.name)
        if broken.count:
            lines = "1 line is" if broken.count == 1 else f"{broken.count:,} lines are"
            notes.add("lines_broken", f"{lines} no JSON, and left out.", broken)
        if doubled.names:
            notes.add("keys_renamed", f"Keys that an object has twice got numbers: {listed(sorted(doubled.names))}.")
        return target


_BROKEN: Final = object()


class _Doubled:
    """Makes objects, and remembers the names of keys that one had twice."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        plain = dict(pairs)
        if len(plain) == len(pairs):
            return plain
        names = [name for name, _ in pairs]
        self.names.update(name for name in plain if names.count(name) > 1)
        return dict(zip(distinct(names), (value for _, value in pairs), strict=True))


def _records(path: Path, doubled: _Doubled) -> Iterator[Any]:
    """The records of a file: of its lines if the first one is JSON by itself, else of the whole."""
    with path.open(encoding="utf-8") as file:
        first = next((line for line in file if line.strip()), "")
        if path.stat().st_size > OBJECT or _parsed(first, doubled) is not _BROKEN:
            file.seek(0)
            yield from (_parsed(line, doubled) for line in file if line.strip())
            return
        file.seek(0)
        whole = _parsed(file.read(), doubled)
    yield from whole if isinstance(whole, list) else [whole]


def _parsed(text: str, doubled: _Doubled) -> Any:
    try:
        return json.loads(text, object_pairs_hook=doubled)
    except (ValueError, RecursionError):
        return _BROKEN
