"""Spreadsheets (.xlsx, .xlsb, .xls, .ods): each sheet with cells is a table.

python-calamine reads them, which was the fastest of the readers and takes all of these formats. A cell has a type
already: a column of numbers, of dates or of true and false has it, and any other is text, as its cells show it.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import python_calamine

from ..errors import FileError
from ..sql import quote
from .delimited import CARRIAGE, LF, Body, check_width, name_columns
from .dialect import find_header
from .notes import Notes, Rows, short
from .unpack import Budget, check_archive

SHEETS: Final = 100
"""Of a file, at most."""
CELLS: Final = 20_000_000
"""Of a sheet, at most, empty ones too."""
FIRST: Final = 500
BYTES: Final = 4
"""Of a character in a line, at most: one of a single byte may be a quote, which is doubled."""
WHOLE: Final = 2**53
"""Beyond it a number of a spreadsheet is no certain whole number."""

Cell = Any


@dataclass(frozen=True)
class Sheet:
    """A sheet with cells."""

    name: str
    rows: list[list[Cell]]


class Sheets:
    """Loads spreadsheets."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, budget: Budget) -> None:
        self._connection = connection
        self._budget = budget

    def read(self, path: Path, notes: Notes) -> Iterator[Sheet]:
        """The sheets that have cells. Raises `FileError`."""
        if zipfile.is_zipfile(path):
            check_archive(path, notes.name, self._budget)
        try:
            book = python_calamine.CalamineWorkbook.from_path(str(path))
            names = book.sheet_names
            if len(names) > SHEETS:
                raise FileError("too_large", f"{notes.name} has {len(names):,} sheets, more than {SHEETS:,}.")
            for name in names:
                yield from self._sheet(book, name, notes)
        except python_calamine.PasswordError as error:
            raise FileError("unreadable_file", f"{notes.name} is protected with a password.") from error
        except (python_calamine.CalamineError, OSError, ValueError) as error:
            raise FileError("unreadable_file", f"{notes.name} is damaged: no sheet can be read.") from error

    def _sheet(self, book: Any, name: str, notes: Notes) -> Iterator[Sheet]:
        try:
            sheet = book.get_sheet_by_name(name)
        except python_calamine.WorksheetNotFound:
            notes.add("sheet_skipped", f"{short(name)} is a chart, and no sheet with cells.")
            return
        if sheet.height * sheet.width > CELLS:
            raise FileError("too_large", f"{short(name)} in {notes.name} has more than {CELLS:,} cells.")
        rows = sheet.to_python(skip_empty_area=True)
        if any(cell not in ("", None) for row in rows for cell in row):
            yield Sheet(name, rows)
        else:
            notes.add("sheet_skipped", f"{short(name)} is empty.")

    def load(self, sheet: Sheet, table: str, notes: Notes) -> None:
        """Makes a table of a sheet."""
        records = [_record(row) for row in sheet.rows[:FIRST]]
        top, names = find_header(records)
        if any(records[:top]):
            notes.add("lines_skipped", f"Left out above the table: {sum(map(bool, records[:top]))} rows.")
        if names is None:
            notes.add("no_header", "The first row has values, and no names: the columns are column0, column1 ...")
        body = sheet.rows[top + (names is not None) :]
        while body and not _record(body[-1]):
            body.pop()
        blank = len(body)
        body = [row for row in body if any(cell != "" for cell in row)]
        if blank := blank - len(body):
            notes.add("blank_lines", f"{blank:,} empty rows between the others were left out.")
        width = max([len(names or []), *(len(_record(row)) for row in body)])
        check_width(width, notes.name)
        columns = name_columns([*(names or []), *([""] * width)][:width], names is not None, notes)
        self._create(body, columns, table, notes)

    def _create(self, body: list[list[Cell]], names: Sequence[str], table: str, notes: Notes) -> None:
        types = [_type([row[index] for row in body if index < len(row)]) for index in range(len(names))]
        for index, (name, type_name) in enumerate(zip(names, types, strict=True)):
            if type_name == "VARCHAR":
                _tell_text(name, [row[index] for row in body if index < len(row)], notes)
        written = self._write(body, len(names))
        typed = ", ".join(
            f"{_typed(f'c{index}', type_name, written.carriage)} AS {quote(name)}"
            for index, (name, type_name) in enumerate(zip(names, types, strict=True))
        )
        self._connection.execute(f"CREATE TABLE {quote(table)} AS SELECT {typed} FROM {written.sql()}")  # noqa: S608  # quoted

    def _write(self, rows: list[list[Cell]], width: int) -> Body:
        """The rows as a regular file for DuckDB's reader."""
        path = self._budget.new_file()
        longest, carriage = 0, False
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            for row in rows:
                texts = [*map(_text, row), *([""] * width)][:width]
                if any("\r" in text for text in texts):
                    carriage = True
                    texts = [text.replace("\r", CARRIAGE) for text in texts]
                longest = max(longest, sum(map(len, texts)))
                writer.writerow(texts)
        most = max(BYTES * longest + 3 * width, 4 << 20)
        return Body(path, ",", '"', width, 0, most, len(rows), LF, carriage)


def _typed(column: str, type_name: str, carriage: bool) -> str:
    """The SQL of a column's values."""
    if carriage and type_name == "VARCHAR":
        return f"replace({column}, '{CARRIAGE}', chr(13))"
    return f"CAST({column} AS {type_name})"


def _record(row: Sequence[Cell]) -> list[str]:
    """The texts of a row, up to its last cell that is not empty."""
    texts = list(map(_text, row))
    while texts and not texts[-1]:
        texts.pop()
    return texts


def _text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if _is_whole(cell) else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    if isinstance(cell, timedelta):
        return _duration(cell)
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)


def _duration(cell: timedelta) -> str:
    """Hours, minutes and seconds, as a spreadsheet shows them."""
    minutes, seconds = divmod(cell.total_seconds(), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02}:{minutes:02}:{seconds:02g}" if seconds >= 10 else f"{hours:02}:{minutes:02}:0{seconds:g}"


def _is_whole(cell: float) -> bool:
    return cell.is_integer() and abs(cell) < WHOLE


def _type(cells: Sequence[Cell]) -> str:
    """The type of a column."""
    kinds = {type(cell) for cell in cells if cell != ""}
    if kinds and kinds <= {int, float}:
        numbers = [cell for cell in cells if cell != ""]
        return "BIGINT" if all(_is_whole(float(number)) for number in numbers) else "DOUBLE"
    if kinds == {date, datetime} or kinds == {datetime}:
        return "TIMESTAMP"
    return {frozenset({bool}): "BOOLEAN", frozenset({date}): "DATE", frozenset({time}): "TIME"}.get(
        frozenset(kinds), "VARCHAR"
    )


def _tell_text(name: str, cells: Sequence[Cell], notes: Notes) -> None:
    """Tells of the few cells that keep a column of numbers or dates from its type."""
    others, filled = Rows(), 0
    for row, cell in enumerate(cells, 1):
        filled += cell != ""
        if isinstance(cell, str) and cell:
            others.add(row)
    if 0 < others.count <= filled / 5:
        notes.add("kept_as_text", f"{short(name)} was left as text: {others} have text.", others)
