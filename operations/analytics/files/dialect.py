"""How a delimited text is written, by its first lines: delimiter, lines before the header, header.

The first line that is no comment decides: what it does not contain is no delimiter, unless a table of several columns
follows it after a blank line, or with a header over numbers and dates. So `name` over `Smith, John` is one column, and
so are `c0`, `v0`, `a;b`. The candidate wins under which the records have the width of the header, then the one that is
in the first line, then the one with the most numbers and dates, then the one with the most columns.

The first record is the header, unless a number or date stands in it over others of its kind; numbers that count up,
such as years, are a header.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from .records import Reader, Record

DELIMITERS: Final = (",", ";", "\t", "|", "\x1f", "\x01")
RECORDS: Final = 500
"""Records of the sample."""
ENOUGH: Final = 0.9
"""The share of records that a table below other lines has to explain."""

_SEPARATOR: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_TYPED: Final = re.compile(
    r"[-+]?[\d.,'’\u00a0\u202f]*\d[\d.,]*(?:[eE][-+]?\d+)?%?|\d{4}-\d\d?-\d\d?(?:[T ][\d:.]+(?:Z|[-+]\d\d:?\d\d)?)?"
    r"|\d\d?[./]\d\d?[./]\d{2,4}"
)


@dataclass(frozen=True)
class Dialect:
    """What the first lines tell: `skipped` are numbers of lines before the table, `names` its header, if it has one."""

    delimiter: str
    escape: str
    lines: int
    """Lines before the first record of the table."""
    skipped: str
    """What stands in them, for people; empty if there is nothing to tell."""
    names: Record | None
    header_lines: int
    """Lines of the header, which may have quotes around line ends."""
    width: int
    unsure: bool = False
    """Whether most lines have a delimiter that the first line does not have."""


def find_dialect(lines: Sequence[str], preferred: str = "") -> Dialect | None:
    """The dialect of a text that begins with these lines, which keep their ends; `None` if there is no record."""
    start, comments = 0, 0
    delimiter = ""
    if lines and (match := _SEPARATOR.fullmatch(lines[0])):
        start, delimiter = 1, match[1]
    while start < len(lines) and (lines[start].startswith("#") or not lines[start].strip()):
        comments += lines[start].startswith("#")
        start += 1
    header = _commented_header(lines, start, delimiter) if comments else None
    comments -= header is not None
    if start == len(lines):
        return None
    candidates = [delimiter] if delimiter else [*([preferred] if preferred else []), *DELIMITERS]
    tables = [table for one in candidates if (table := _table(lines[start:], one, bool(delimiter))) is not None]
    best = max(tables, key=lambda table: table.rank, default=None) or _one_column(lines[start:])
    return _dialect(best, lines, start, comments, header)


@dataclass(frozen=True)
class _Table:
    """The records from the header on, under one delimiter."""

    delimiter: str
    escape: str
    before: int
    """Lines before the header, after the comments."""
    records: list[Record]
    rank: tuple[bool, bool, float, int]


def _records(lines: Sequence[str], delimiter: str) -> tuple[list[Record], str]:
    """The records of some lines, and the escape of their quotes."""
    literal = 0

    def count() -> None:
        nonlocal literal
        literal += 1

    doubled = list(Reader(delimiter, on_literal=count).read(lines))
    if literal and any('\\"' in line for line in lines):
        before, literal = literal, 0
        escaped = list(Reader(delimiter, "\\", count).read(lines))
        if literal < before:
            return escaped, "\\"
    return doubled, '"'


def _table(lines: Sequence[str], delimiter: str, certain: bool) -> _Table | None:
    records, escape = _records(lines, delimiter)
    records = records[:RECORDS]
    filled = [record for record in records if record]
    if not filled:
        return None
    width = len(filled[0])
    below = _header_below(records) if not certain else 0
    if below:
        before = _lines_of(lines, delimiter, escape, below)
        return _rank(_Table(delimiter, escape, before, records[below:], (False, False, 0, 0)))
    if width < 2 and not certain:
        return None
    return _rank(_Table(delimiter, escape, 0, records, (False, False, 0, 0)))


def _rank(table: _Table) -> _Table:
    filled = [record for record in table.records if record]
    width = len(filled[0])
    fitting = sum(len(record) == width for record in filled) / len(filled)
    cells = [cell for record in filled[1:] for cell in record if cell]
    typed = round(sum(map(is_typed, cells)) / max(1, len(cells)), 2)
    rank = (fitting >= ENOUGH, not table.before, typed, width)
    return _Table(table.delimiter, table.escape, table.before, table.records, rank)


def _header_below(records: Sequence[Record]) -> int:
    """The index of a header below lines that belong to no table; 0 if the first record is the header.

    The table needs at least two columns and two records, and most records have its width. It has to be told from a
    ragged table: by a blank line above it, or by a header over numbers and dates.
    """
    widths = Counter(len(record) for record in records if record)
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    first = next(index for index, record in enumerate(records) if record)
    if width < 2 or count < 2 or len(records[first]) >= width:
        return 0
    top = next(index for index, record in enumerate(records) if len(record) == width)
    rest = [record for record in records[top:] if record]
    if sum(len(record) == width for record in rest) < ENOUGH * len(rest):
        return 0
    table = [record for record in rest if len(record) == width]
    after_blank = any(not record for record in records[first:top])
    return top if after_blank or _is_over_values(table) else 0


def find_header(records: Sequence[Record]) -> tuple[int, Record | None]:
    """The index of a table's first record among these, and its header, if it has one."""
    top = _header_below(records) or next(index for index, record in enumerate(records) if record)
    filled = [record for record in records[top:] if record]
    return top, (filled[0] if is_header(filled) else None)


def _is_over_values(table: Sequence[Record]) -> bool:
    """Whether the first record has only words, and at least one column below them only numbers or dates."""
    head, *body = table
    if any(is_typed(cell) or not cell.strip() for cell in head):
        return False
    columns = [[record[index] for record in body if record[index].strip()] for index in range(len(head))]
    return any(column and all(map(is_typed, column)) for column in columns)


def _lines_of(lines: Sequence[str], delimiter: str, escape: str, count: int) -> int:
    """How many lines the first records take."""
    taken = 0

    def counted() -> object:
        nonlocal taken
        for line in lines:
            taken += 1
            yield line

    reader = Reader(delimiter, escape).read(counted())  # type: ignore[arg-type]
    for _ in range(count):
        next(reader)
    return taken


def _one_column(lines: Sequence[str]) -> _Table:
    """The text as one column, of which no character is a delimiter but one that cannot be there."""
    records, escape = _records(lines, "\x1f")
    return _Table("\x1f", escape, 0, records[:RECORDS], (False, False, 0, 1))


def _commented_header(lines: Sequence[str], start: int, delimiter: str) -> Record | None:
    """The last comment as a header: it has the width of the record below it, which has a number or date."""
    if start == len(lines) or not lines[start - 1].startswith("#") or lines[start - 1].startswith("##"):
        return None
    for one in [delimiter] if delimiter else DELIMITERS:
        head, below = _records([lines[start - 1].lstrip("# ")], one)[0][0], _records([lines[start]], one)[0][0]
        if len(head) == len(below) > 1 and any(map(is_typed, below)) and not any(map(is_typed, head)):
            return head
    return None


def _dialect(table: _Table, lines: Sequence[str], start: int, comments: int, header: Record | None) -> Dialect:
    filled = [record for record in table.records if record]
    names = header or (filled[0] if is_header(filled) else None)
    kinds = [f"{comments} comments"] if comments > 1 else ["a comment"] if comments else []
    if table.before:
        kinds.append("a line" if table.before == 1 else f"{table.before} lines")
    above = start + table.before
    if header is not None:
        header_lines = 0  # it was the last of the comments
    else:
        header_lines = 0 if names is None else _lines_of(lines[above:], table.delimiter, table.escape, 1)
    return Dialect(
        delimiter=table.delimiter,
        escape=table.escape,
        lines=above,
        skipped=" and ".join(kinds),
        names=names,
        header_lines=header_lines,
        width=len(filled[0]),
        unsure=table.rank[3] == 1 and table.delimiter == "\x1f" and _is_unsure(lines[start:]),
    )


def _is_unsure(lines: Sequence[str]) -> bool:
    """Whether all lines below the first have the same number of a delimiter, and there are several."""
    body = [line for line in lines[1:] if line.strip()]
    return len(body) > 1 and any(
        min(counts) == max(counts) > 0 for one in DELIMITERS if (counts := [line.count(one) for line in body])
    )


def is_header(records: Sequence[Record]) -> bool:
    """Whether the first record names the columns."""
    head, *body = records
    if _counts_up(head):
        return True
    if not body:
        return not any(map(is_typed, head))
    data = names = 0
    for index, cell in enumerate(head):
        column = [record[index] for record in body if index < len(record) and record[index].strip()]
        if not column or not all(map(is_typed, column)):
            continue
        if is_typed(cell):
            data += 1
        else:
            names += bool(cell.strip())
    return names >= data if data else True


def _counts_up(head: Record) -> bool:
    """Whether the numbers of a header beside words count up, as years do."""
    numbers = [int(cell) for cell in head if re.fullmatch(r"\d{1,4}", cell)]
    steps = {b - a for a, b in pairwise(numbers)}
    return len(numbers) >= 2 and len(steps) == 1 and min(steps) in (1, 5, 10) and len(numbers) < len(head)


def is_typed(cell: str) -> bool:
    """Whether a cell looks like a number or a date, in any notation."""
    return _TYPED.fullmatch(cell.strip()) is not None
