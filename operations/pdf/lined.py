"""Tables between horizontal lines: above and below the header, and mostly at the end.

Lines of one width that follow each other bound a table as long as there are several cells between them. Lines of a part
of that width stand in the header, under what names several columns. If the last line is the header's, the rows below it
that keep the columns belong to the table too.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .aligned import cells_of, is_other_layout
from .columns import Column, Part, columns_of, is_aligned, parts_of
from .layout import Box, Row, Rule, Word, around, rows
from .ruled import MAX_RULES, join
from .tabular import Table, table_of

WIDTH = 60.0
"""Points of a line that bounds a table, at least."""
SAME = 6.0
"""Points by which the ends of two lines of one table differ, at most."""
BROKEN = 12.0
"""Points of a gap in one line, at most: some are drawn column by column."""
MAX_LINES = 200
"""Lines of one width; a page with more is a drawing."""
MAX_ROWS = 400
"""Rows between two lines: more than small type has."""
MAX_STARTS = 8
"""Lines from which on a table is looked for where the ones above are no part of it."""
HEADER_ROWS = 6
"""Rows of text in a header, at most."""
_PITCH = 2.6
"""Type sizes from the top of one row to the top of the next, at most."""
_LONG = 6
"""Words of a cell that is running text, more than."""


@dataclass(frozen=True, slots=True)
class _Strip:
    """What stands between two lines, or below the last one."""

    top: float
    bottom: float
    rows: list[Row]

    @property
    def is_tabular(self) -> bool:
        """Whether there are rows of several cells, which are not running text."""
        cells = [cell for row in self.rows if len(row.cells) > 1 for cell in row.cells]
        prose = any(len(row.cells) == 1 and len(row.cells[0].words) > 2 * _LONG for row in self.rows)
        return bool(cells) and not prose and sum(len(cell.words) for cell in cells) <= _LONG * len(cells)

    @property
    def may_be_inside(self) -> bool:
        """Whether the strip is empty, or has one row that may head a part of the table."""
        return not self.rows or (len(self.rows) == 1 and len(self.rows[0].cells[0].words) <= _LONG)


def tables(rules: Iterable[Rule], words: list[Word]) -> Iterator[Table]:
    """The tables between horizontal lines."""
    joined = join(rules)
    if len(joined) > MAX_RULES:
        return
    lines = list(_whole(rule for rule in joined if rule.horizontal))
    partial = [rule for rule in joined if rule.horizontal]
    done: list[Box] = []
    for group in _groups(lines):
        free = [word for word in words if not any(box.holds(*word.middle) for box in done)]
        for table in _tables(group, partial, free):
            done.append(table.box)
            yield table


def _whole(rules: Iterable[Rule]) -> Iterator[Rule]:
    """The lines, with those joined that have a short gap between them."""
    line: Rule | None = None
    for rule in sorted(rules, key=lambda rule: (rule.at, rule.start)):
        if line and rule.at == line.at and rule.start - line.end <= BROKEN:
            line = Rule(True, line.at, line.start, max(line.end, rule.end))
        else:
            if line and line.end - line.start >= WIDTH:
                yield line
            line = rule
    if line and line.end - line.start >= WIDTH:
        yield line


def _groups(lines: Iterable[Rule]) -> list[list[Rule]]:
    """Lines with the same ends, from the top; the widest first."""
    groups: list[list[Rule]] = []
    for line in lines:
        for group in groups:
            if abs(group[0].start - line.start) <= SAME and abs(group[0].end - line.end) <= SAME:
                group.append(line)
                break
        else:
            groups.append([line])
    groups = [group for group in groups if len(group) <= MAX_LINES]
    return sorted(groups, key=lambda group: group[0].start - group[0].end)


def _tables(group: list[Rule], partial: list[Rule], words: list[Word]) -> Iterator[Table]:
    left, right = group[0].start - SAME, group[0].end + SAME
    inside = [word for word in words if left <= word.middle[0] <= right]
    strips = list(_strips(group, inside))
    for run in _runs(strips):
        for start in range(min(len(run), MAX_STARTS)):
            table = _table(run[start:], partial)
            if table:
                yield table
                break


def _strips(group: list[Rule], words: list[Word]) -> Iterator[_Strip]:
    """What stands between the lines, and at last what stands below them."""
    bounds = [line.at for line in group]
    ordered = sorted(words, key=lambda word: word.middle[1])
    heights = [word.middle[1] for word in ordered]
    for top, bottom in zip(bounds, [*bounds[1:], float("inf")], strict=True):
        between = rows(ordered[bisect_right(heights, top) : bisect_left(heights, bottom)])
        yield _Strip(top, bottom, between[:MAX_ROWS])


def _runs(strips: list[_Strip]) -> Iterator[list[_Strip]]:
    """Strips that may be one table, without what is no part of it at both ends."""
    run: list[_Strip] = []
    for strip in [*strips[:-1], None]:
        if strip and (strip.is_tabular or (run and strip.may_be_inside)):
            run.append(strip)
            continue
        while run and not run[-1].is_tabular:
            run.pop()
        if run:
            yield _with_body(run, strips)
        run = []


def _with_body(run: list[_Strip], strips: list[_Strip]) -> list[_Strip]:
    """The strips, and the rows below them if they are a header alone."""
    if len(run) > 1 or len(run[0].rows) > HEADER_ROWS:
        return run
    below = strips[strips.index(run[-1]) + 1]
    body: list[Row] = []
    above = run[-1].rows[-1]
    for row in below.rows:
        wide = any(len(cell.words) > 2 * _LONG for cell in row.cells)
        if wide or row.box.top - above.box.top > _PITCH * row.size:
            break
        body.append(row)
        above = row
    while body and len(body[-1].cells) < 2:
        body.pop()
    return [*run, _Strip(below.top, body[-1].box.bottom, body)] if body else run


def _table(strips: list[_Strip], partial: list[Rule]) -> Table | None:
    """The strips as a table, or `None` if they are none."""
    everything = [row for strip in strips for row in strip.rows]
    columns = columns_of(everything)
    if len(columns) < 2:
        return None
    has_header = len(strips) > 1 and len(strips[0].rows) <= HEADER_ROWS
    body = strips[1:] if has_header else strips
    records = list(_records(body, columns))
    if not _is_table(records, columns, strict=not has_header):
        return None
    header = _header(strips[0], columns, partial) if has_header else []
    box = around(row.box for row in everything)
    box = Box(box.x0, min(box.top, strips[0].top), box.x1, max(box.bottom, strips[-1].bottom))
    apart = len(strips) <= 3 or any(len(strip.rows) > 2 for strip in body)  # else each row has its line
    content = [_content(record, len(columns)) for record in [*header, *records]]
    return table_of(content, box, header=has_header and apart)


Record = list[Part]
"""The parts of one row of a table, of all its lines."""


def _content(record: Record, count: int) -> list[list[Word]]:
    cells: list[list[Word]] = [[] for _ in range(count)]
    for part in record:
        cells[part.first] += part.words
    return cells


def _records(strips: Sequence[_Strip], columns: Sequence[Column]) -> Iterator[Record]:
    for strip in strips:
        lines = [(row, parts_of(row, columns)) for row in strip.rows]
        full = [parts for _, parts in lines if len(parts) > (len(columns) + 1) // 2]
        if len(strips) > 2 and len(full) <= 1 and len(lines) <= HEADER_ROWS:
            yield [part for _, parts in lines for part in parts]
        else:
            yield from _by_line(lines)


def _by_line(lines: list[tuple[Row, Record]]) -> Iterator[Record]:
    """A record for each line, except those that continue the one above: close, and nothing in the first column."""
    leads = [row.box.top for row, parts in lines if parts[0].first == 0]
    gaps = sorted(below - above for above, below in pairwise(leads))
    pitch = gaps[len(gaps) // 2] if gaps else 0.0
    record: Record = []
    last = 0.0
    for row, parts in lines:
        if record and parts[0].first > 0 and row.box.top - last < 0.85 * pitch:
            record += parts
        else:
            if record:
                yield record
            record = list(parts)
        last = row.box.top
    if record:
        yield record


def _is_table(records: list[Record], columns: Sequence[Column], *, strict: bool) -> bool:
    several = [record for record in records if len(record) > 1]
    filled = sum(map(len, several))
    if len(several) < (3 if strict else 2) or filled < (0.6 if strict else 0.4) * len(several) * len(columns):
        return False
    cells = cells_of(several, len(columns))
    share = 0.7 if strict else 0.5
    aligned = all(is_aligned([(cell.box.x0, cell.box.x1) for cell in column], share) for column in cells if column)
    return aligned and not is_other_layout([column for column in cells if column])


def _header(strip: _Strip, columns: Sequence[Column], partial: list[Rule]) -> list[Record]:
    """The rows of the header: the lines of a name are one cell, except where a line is drawn between them."""
    inner = [rule for rule in partial if strip.top + 1 < rule.at < strip.bottom - 1]
    records: list[Record] = []
    bands: list[int] = []
    for row in strip.rows:
        band = len({rule.at for rule in inner if rule.at < row.box.bottom - 1})
        parts = [_widened(part, columns, inner) for part in parts_of(row, columns)]
        if records and bands[-1] == band and not _spans(parts) and not _spans(records[-1]):
            records[-1] += parts
        else:
            records.append(list(parts))
            bands.append(band)
    return _lowered(records, columns, inner)


def _widened(part: Part, columns: Sequence[Column], inner: list[Rule]) -> Part:
    """The part, over all the columns that the line right below it has above them."""
    left, right, bottom = part.words[0].box.x0, part.words[-1].box.x1, part.words[0].box.bottom
    for rule in inner:
        if -2 < rule.at - bottom < part.words[0].size and rule.start - SAME < left and right < rule.end + SAME:
            under = [index for index, (x0, x1) in enumerate(columns) if x0 < rule.end - 1 and rule.start + 1 < x1]
            if part.first in under:
                return Part(under[0], max(under[-1], part.last), part.words)
    return part


def _spans(parts: Iterable[Part]) -> bool:
    return any(part.first < part.last for part in parts)


def _lowered(records: list[Record], columns: Sequence[Column], inner: list[Rule]) -> list[Record]:
    """The records, with each name of one column in the last row, unless there is a line below it."""
    for above, below in pairwise(records):
        for part in [part for part in above if part.first == part.last]:
            left, right = columns[part.first]
            bottom = max(word.box.bottom for word in part.words)
            underlined = any(rule.at > bottom - 2 and rule.start < right and left < rule.end for rule in inner)
            if not underlined:
                above.remove(part)
                below.append(part)
    return [record for record in records if record]
