"""A delimited text as a table.

DuckDB's reader gets explicit options, in its strict mode, so that it guesses nothing: it reads a regular file, in which
all records have as many fields as the first. Of any other file `records` makes a regular one.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import IO, Final

import duckdb

from ..errors import FileError
from ..sql import quote
from ..values import distinct
from .columns import Column, Types
from .dialect import Dialect, find_dialect
from .notes import Notes, Rows, listed, short
from .records import Reader, Record
from .text import Text, read_text
from .unpack import Budget

COLUMNS: Final = 10_000
"""Of a file, at most."""
WIDE: Final = 1_000
WIDE_SETTINGS: Final = "SET memory_limit = '1200MB'; SET threads = 1"
"""For more columns than `WIDE`: each takes 32 KB of every batch of rows, of every thread."""
SAMPLE: Final = 1 << 18
"""Characters of the first lines, at least; up to `LONG_SAMPLE` where these are few."""
LONG_SAMPLE: Final = 8 << 20
SAMPLE_LINES: Final = 20
LINE: Final = 64 << 20
"""Bytes of a line, at most."""
NAME: Final = 200
"""Characters of a column's name."""

LF: Final = " new_line = '\\n',"
CARRIAGE: Final = "\ufdd0"
"""A CR in a copy: one of the characters that Unicode keeps for such uses, and that no text has."""
DELIMITERS: Final = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
"""What the name of a file promises."""


@dataclass(frozen=True)
class Body:
    """The records below the header, for DuckDB's reader; `longest` is in bytes of a line, at most."""

    path: Path
    delimiter: str
    escape: str
    width: int
    skip: int
    longest: int
    rows: int | None
    """How many there are, where it is known: DuckDB has to find as many."""
    end: str = ""
    """The reader's option for line ends. It has none that takes CRLF, which it finds by itself."""
    carriage: bool = False
    """Whether `CARRIAGE` stands for a CR, with which DuckDB's reader does not get along."""

    def sql(self) -> str:
        """The table function; its columns are `c0`, `c1` ..."""
        columns = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(self.width))
        line = min(self.longest, LINE)
        return (
            f"read_csv({quote(str(self.path), chr(39))}, auto_detect = false, header = false, strict_mode = true,"
            f" delim = {quote(self.delimiter, chr(39))}, quote = '\"', escape = {quote(self.escape, chr(39))},"
            f"{self.end} columns = {{{columns}}}, skip = {self.skip},"
            f" max_line_size = {line}, buffer_size = {max(line, 32 << 20)})"
        )

    def value(self, column: Column, index: int) -> str:
        """The SQL of a column's values."""
        if self.carriage and column.reading is None:
            return f"replace(c{index}, '{CARRIAGE}', chr(13))"
        return column.typed(f"c{index}")


class Delimited:
    """Loads delimited texts."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, budget: Budget) -> None:
        self._connection = connection
        self._budget = budget

    def load(self, path: Path, suffix: str, table: str, notes: Notes) -> None:
        """Makes a table of a file. Raises `FileError` and DuckDB's errors."""
        text = read_text(path, notes, self._budget)
        with _lines(text) as file:
            first = list(_first_lines(file))
        dialect = find_dialect(first, DELIMITERS.get(suffix, ""))
        if dialect is None:
            raise FileError("empty_file", f"{notes.name} has no records.")
        check_width(dialect.width, notes.name)
        if dialect.width > WIDE:
            self._connection.execute(WIDE_SETTINGS)
        _tell(dialect, notes)
        body, columns = self._read(text, dialect, first, notes)
        self.create(body, columns, dialect.names, table, notes)

    def _read(self, text: Text, dialect: Dialect, first: list[str], notes: Notes) -> tuple[Body, list[Column]]:
        """The records, and the types of the columns: of the file itself if it is regular, or of a copy that is."""
        if text.regular:
            body = self._regular(text, dialect, first, notes.name)
            with contextlib.suppress(duckdb.InvalidInputException):  # it is not so regular
                return body, self._types(body)
            self._connection.execute("DROP TABLE IF EXISTS first_rows")
        body = self._copy(text, dialect, notes)
        return body, self._types(body)

    def _types(self, body: Body) -> list[Column]:
        """The types of the columns. Raises DuckDB's error for a file that is not regular."""
        types = Types(self._connection, body.sql(), body.width)
        columns = types.find()
        if body.rows not in (None, types.rows):
            raise duckdb.InvalidInputException(f"DuckDB reads {types.rows:,} of {body.rows:,} rows")
        return columns

    def _regular(self, text: Text, dialect: Dialect, first: list[str], name: str) -> Body:
        """The file itself, or its end if there is more than one line above the records."""
        lines = dialect.lines + dialect.header_lines
        path, skip = text.path, lines
        if lines > 1:
            with text.path.open("rb") as source:
                source.seek(text.bom + len("".join(first[:lines]).encode()))
                path, skip = self._budget.copy(source, name), 0
        rows = None if text.quotes else text.lines - lines
        end = LF if text.lines and not first[0].endswith("\r\n") else ""
        return Body(path, dialect.delimiter, dialect.escape, dialect.width, skip, text.longest, rows, end)

    def _copy(self, text: Text, dialect: Dialect, notes: Notes) -> Body:
        """The records in a regular file."""
        irregular = _Irregular(dialect.width)
        path = self._budget.new_file()
        with _lines(text) as source, path.open("w", newline="", encoding="utf-8") as target:
            irregular.write(_records(source, dialect, irregular), target, self._budget, notes.name)
        if irregular.width > dialect.width:  # a later record is longer: the earlier ones have too few fields
            width = irregular.width
            irregular = _Irregular(width, named=dialect.width)
            with _lines(text) as source, path.open("w", newline="", encoding="utf-8") as target:
                irregular.write(_records(source, dialect, irregular), target, self._budget, notes.name)
        irregular.tell(notes)
        longest = max(text.longest * 2, 4 << 20)
        return Body(path, ",", '"', irregular.width, 0, longest, irregular.row, LF, irregular.carriage)

    def create(self, body: Body, columns: Sequence[Column], header: Record | None, table: str, notes: Notes) -> None:
        """Makes the table of typed columns."""
        width = len(columns)
        given = [*(header or []), *([""] * width)][:width]
        while width > 1 and not given[width - 1].strip() and header is not None and not columns[width - 1].filled:
            width -= 1
        if width < len(columns):
            notes.add("column_dropped", "Columns at the end without a name and without a value were left out.")
        names = name_columns(given[:width], header is not None, notes)
        typed = ", ".join(
            f"{body.value(column, index)} AS {quote(name)}"
            for index, (name, column) in enumerate(zip(names, columns, strict=False))
        )
        source = body.sql()
        self._tell_types(names, columns, source, notes)
        self._connection.execute(f"CREATE TABLE {quote(table)} AS SELECT {typed} FROM {source}")  # noqa: S608  # quoted

    def _tell_types(self, names: Sequence[str], columns: Sequence[Column], source: str, notes: Notes) -> None:
        notations: dict[str, list[str]] = {}
        types = Types(self._connection, source, len(columns))
        told = 0
        for index, (name, column) in enumerate(zip(names, columns, strict=False)):
            if column.reading is not None and column.reading.notation:
                notations.setdefault(column.reading.notation, []).append(name)
            elif column.reading is None and column.nearly is not None and told < TOLD:
                told += 1
                _tell_text(name, column.nearly.type, types.odd_rows(index, column.nearly), notes)
        for notation, those in notations.items():
            notes.add("notation", f"Read with {notation}: {listed(those)}.")
        if unsure := [name for name, column in zip(names, columns, strict=False) if column.unsure]:
            message = f"Left as text, because a comma may stand before decimals or between thousands: {listed(unsure)}."
            notes.add("ambiguous_numbers", message)


TOLD: Final = 10
"""Columns that were left as text although most of their values have a type, of which a warning tells."""


def _tell_text(name: str, type_name: str, rows: Rows, notes: Notes) -> None:
    what = f"most of its values are {type_name}, but not those in {rows}" if rows.count else "its notation changes"
    notes.add("kept_as_text", f"{short(name)} was left as text: {what}.", rows if rows.count else None)


def _tell(dialect: Dialect, notes: Notes) -> None:
    if dialect.skipped:
        notes.add("lines_skipped", f"Left out above the table: {dialect.skipped}.")
    if dialect.names is None:
        notes.add("no_header", "The first line has values, and no names: the columns are column0, column1 ...")
    if dialect.unsure:
        notes.add("one_column", "Read as one column, as its first line has no delimiter; the other lines have one.")


def check_width(width: int, name: str) -> None:
    """Raises `FileError` with `too_large` for too many columns."""
    if width > COLUMNS:
        raise FileError("too_large", f"{name}: there are {width:,} columns, more than {COLUMNS:,}.")


def name_columns(given: Sequence[str], has_header: bool, notes: Notes) -> list[str]:
    """The names of columns: none is empty, and none comes twice."""
    clean = [name.strip()[:NAME] or f"column{index}" for index, name in enumerate(given)]
    names = distinct(clean)
    changed = [f"{new} (of {old!r})" for old, new in zip(given, names, strict=True) if old != new]
    if changed and has_header:
        message = f"Names were changed that were empty, not the only ones, or had blanks around: {listed(changed)}."
        notes.add("names_changed", message)
    return names


def _lines(text: Text) -> IO[str]:
    """The text; its lines keep their ends."""
    file = text.path.open("rb")
    file.seek(text.bom)
    return io.TextIOWrapper(file, encoding="utf-8", newline="")


def _first_lines(file: Iterable[str]) -> Iterator[str]:
    size = 0
    for count, line in enumerate(file, 1):
        yield line
        size += len(line)
        if size > LONG_SAMPLE or (size > SAMPLE and count > SAMPLE_LINES):
            return


# --- irregular files -------------------------------------------------------------------------------------------------


@dataclass
class _Irregular:
    """Records of any width, as a regular file; and what is to be told of them."""

    width: int
    named: int = 0
    """The width of the header, if it is smaller."""
    row: int = 0
    padded: Rows = field(default_factory=Rows)
    longer: Rows = field(default_factory=Rows)
    literal: Rows = field(default_factory=Rows)
    blank: int = 0
    carriage: bool = False

    def on_literal(self) -> None:
        """A quote without a partner, in the row that is being read."""
        if self.literal.first[-1:] != [self.row + 1]:
            self.literal.add(self.row + 1)

    def write(self, records: Iterable[Record], target: IO[str], budget: Budget, name: str) -> None:
        """Writes the records."""
        named = self.named or self.width
        writer = csv.writer(target, lineterminator="\n")
        blank, spent = 0, 0
        for record in records:
            if not record:
                blank += 1
                continue
            blank = self._blanks(blank, writer)
            self.row += 1
            writer.writerow(self._fit(record, named, name))
            if not self.row % 10_000:
                budget.spend(target.tell() - spent, name)
                spent = target.tell()
        budget.spend(target.tell() - spent, name)

    def _blanks(self, count: int, writer: object) -> int:
        """Blank lines between records: values that are missing, in a table of one column."""
        if self.width == 1:
            for _ in range(count):
                self.row += 1
                writer.writerow([""])  # type: ignore[attr-defined]  # csv has no name for its type
        else:
            self.blank += count
        return 0

    def _fit(self, record: Record, named: int, name: str) -> Record:
        """The record with as many fields as there are columns."""
        if any("\r" in field for field in record):
            self.carriage = True
            record = [field.replace("\r", CARRIAGE) for field in record]
        if len(record) == named == self.width:
            return record
        if len(record) < named:
            self.padded.add(self.row)
        elif len(record) > named:
            filled = next((index for index in range(len(record), named, -1) if record[index - 1]), named)
            if filled > named:
                self.longer.add(self.row)
                check_width(filled, name)
                self.width = max(self.width, filled)
            record = record[:filled]
        return record + [""] * (self.width - len(record))

    def tell(self, notes: Notes) -> None:
        """The warnings."""
        if self.padded.count:
            notes.add("rows_padded", f"{self.padded} had too few fields: the last ones are empty.", self.padded)
        if self.longer.count:
            notes.add("rows_longer", f"{self.longer} had more fields than the header: they got columns.", self.longer)
        if self.literal.count:
            message = f"In {self.literal}, a quote without a partner was read as a character."
            notes.add("quotes_literal", message, self.literal)
        if self.blank:
            notes.add("blank_lines", f"{self.blank:,} blank lines between the rows were left out.")


def _records(source: Iterable[str], dialect: Dialect, irregular: _Irregular) -> Iterator[Record]:
    """The records below the header."""
    lines = islice(source, dialect.lines + dialect.header_lines, None)
    return Reader(dialect.delimiter, dialect.escape, irregular.on_literal).read(chain(lines))
