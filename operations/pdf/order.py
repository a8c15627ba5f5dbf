"""The lines of a page in the order in which they are read, where the order of the file is another.

PDFium returns text in the order in which it is drawn, and joins what stands at one height. That is right for most
files. It is not where columns are drawn row by row, where numbers of lines stand beside the text, and where a caption
is drawn before or after everything else. Only these are put in order; a table is read row by row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import median

from .bidi import is_right_to_left
from .columns import Column, is_value, merged
from .layout import Cell, Line, Row, Word, rows

MIN_LINES = 4
"""Lines of each column, at least: fewer may be a form or a table."""
MIN_WIDTH = 8.0
"""Ems of a column of text, at least."""
MIN_NUMBERS = 5
"""Numbered lines, at least."""
MAX_ROWS, MAX_LINES = 400, 2_000
"""Rows and lines of a page; one with more is no text."""
NUMBER_GAP = 0.6
"""Ems between the number of a line and the line, at least."""
BELOW = 0.8
"""Type sizes between the middles of two lines, at least; the mark of a footnote is higher than its line by less."""
_FLUSH = 3.0
"""Points between the edges of the numbers of lines, at most."""
_CAPTION = re.compile(
    r"(?:table|tab\.|figure|fig\.|abbildung|abb\.|tabelle|tableau|figura|tabla|tabela|exhibit|chart|scheme|plate)"
    r"\s*[\dIVX]+(?:[.-]\d+)*\s*(?:[.:|–—-]|$)",
    re.IGNORECASE,
)


def in_order(lines: Sequence[Line]) -> list[Line]:
    """The lines in reading order."""
    ordered, numbers = _without_numbers([part for line in lines for part in _level(line.words)])
    page_rows = rows(word for line in ordered for word in line.words)
    if len(page_rows) <= MAX_ROWS and len(ordered) <= MAX_LINES:
        for block in _blocks(page_rows):
            ordered = _by_column(ordered, block)
        ordered = _with_captions(ordered)
    return [*ordered, *numbers]


# --- columns ---------------------------------------------------------------------------------------------------------


def _blocks(page_rows: list[Row]) -> Iterator[tuple[list[Row], list[Column]]]:
    """Rows that are columns of text, with these columns."""
    index = 0
    while index < len(page_rows):
        block, columns = _block(page_rows, index)
        if len(block) >= MIN_LINES and all(_is_text(block, column) for column in columns):
            yield block, columns
            index += len(block)
        else:
            index += max(1, len(block) // 4)


def _block(page_rows: list[Row], index: int) -> tuple[list[Row], list[Column]]:
    """The rows from `index` on that leave the same gaps free, at least one."""
    columns: list[Column] = []
    block: list[Row] = []
    for row in page_rows[index:]:
        wider = merged(columns, row)
        if len(wider) < len(columns) or (len(block) > 1 and len(wider) == 1):
            break
        block.append(row)
        columns = wider
    return (block, columns) if len(columns) > 1 else (block[:1], [])


def _is_text(block: list[Row], column: Column) -> bool:
    """Whether the column is running text: wide, with several words in each line, few values, and lines that fill it."""
    cells = [cell for row in block for cell in row.cells if column[0] <= cell.box.x0 <= column[1]]
    words = [word for cell in cells for word in cell.words]
    size = max(median(word.size for word in words), 1.0)
    full = sum(cell.box.x1 - cell.box.x0 >= 0.7 * (column[1] - column[0]) for cell in cells)
    return (
        len(cells) >= MIN_LINES
        and column[1] - column[0] >= MIN_WIDTH * size
        and full >= 0.6 * len(cells)
        and len(words) >= 2.5 * len(cells)
        and sum(is_value(word.text) for word in words) < 0.25 * len(words)
    )


def _by_column(lines: list[Line], block: tuple[list[Row], list[Column]]) -> list[Line]:
    """The lines, with those of the block column by column if they are drawn across the columns."""
    block_rows, columns = block
    of_word = {id(word): _column(cell, columns) for row in block_rows for cell in row.cells for word in cell.words}
    inside = [line for line in lines if all(id(word) in of_word for word in line.words)]
    visits = [of_word[id(word)] for line in inside for word in line.words]
    if sum(one != other for one, other in pairwise(visits)) < max(len(columns) + 1, len(block_rows) // 2):
        return lines
    parts: list[list[Line]] = [[] for _ in columns]
    for line in inside:
        for column in range(len(columns)):
            parts[column] += _level(word for word in line.words if of_word[id(word)] == column)
    if is_right_to_left(" ".join(line.text for line in inside)):
        parts.reverse()
    sorted_parts = [line for part in parts for line in sorted(part, key=lambda line: line.middle[1])]
    moved = {id(line) for line in inside}
    at = next(index for index, line in enumerate(lines) if id(line) in moved)
    kept = [line for line in lines if id(line) not in moved]
    return kept[:at] + sorted_parts + kept[at:]


def _level(words: Iterable[Word]) -> Iterator[Line]:
    """The words of a line of PDFium as lines: it joins short lines, and those of columns at other heights."""
    line: list[Word] = []
    for word in words:
        apart = line and abs(word.middle[1] - line[-1].middle[1]) > BELOW * max(word.size, line[-1].size)
        if apart and word.upright and line[-1].upright:
            yield Line(tuple(line))
            line = []
        line.append(word)
    if line:
        yield Line(tuple(line))


def _column(cell: Cell, columns: Sequence[Column]) -> int:
    return next(index for index, column in enumerate(columns) if column[0] <= cell.box.x0 <= column[1])


# --- numbers of lines ------------------------------------------------------------------------------------------------


def _without_numbers(lines: list[Line]) -> tuple[list[Line], list[Line]]:
    """The lines without the numbers that stand beside them, and a line of these numbers for each margin."""
    apart: list[Line] = []
    for at in (0, -1):
        numbers = max((_numbers(lines, at, edge) for edge in ("x0", "x1")), key=len)
        if numbers:
            chosen = {id(word) for word in numbers}
            apart.append(Line(tuple(numbers)))
            rest = (tuple(word for word in line.words if id(word) not in chosen) for line in lines)
            lines = [Line(words) for words in rest if words]
    return lines, apart


def _numbers(lines: Sequence[Line], at: int, edge: str) -> list[Word]:
    """The numbers at the beginning (0) or the end (-1) of lines that count them, flush at their left or right edge."""
    every = [line for line in lines if line.upright]
    found = sorted((line.words[at] for line in every if line.words[at].text.isdecimal()), key=lambda w: w.middle[1])
    if len(found) < MIN_NUMBERS:
        return []
    place = median(getattr(word.box, edge) for word in found)
    flush = [word for word in found if abs(getattr(word.box, edge) - place) <= _FLUSH]
    counts = [int(word.text) for word in flush]
    steps = {later - earlier for earlier, later in pairwise(counts)}
    if len(flush) < MIN_NUMBERS or len(steps) != 1 or not steps <= {1, 2, 5, 10}:
        return []
    return flush if _beside_text(flush, every, at) else []


def _beside_text(numbers: list[Word], lines: Sequence[Line], at: int) -> bool:
    """Whether the numbers stand outside of text that has several words a line, apart from it."""
    chosen = {id(word) for word in numbers}
    top, bottom = numbers[0].box.top, numbers[-1].box.bottom
    texts = [
        [word for word in line.words if id(word) not in chosen] for line in lines if top <= line.middle[1] <= bottom
    ]
    texts = [words for words in texts if words]
    edge = max(word.box.x1 for word in numbers) if at == 0 else min(word.box.x0 for word in numbers)
    gap = NUMBER_GAP * numbers[0].size
    outside = all((words[0].box.x0 - edge > gap) if at == 0 else (edge - words[-1].box.x1 > gap) for words in texts)
    cells = sum(len(row.cells) for row in rows(word for words in texts for word in words))
    several = sum(map(len, texts)) >= 4 * len(texts) and cells <= 1.2 * len(texts)
    return outside and several and len(texts) >= MIN_NUMBERS


# --- captions --------------------------------------------------------------------------------------------------------


def _with_captions(lines: list[Line]) -> list[Line]:
    """The lines, with each caption that is drawn out of turn after the line above it."""
    for caption in [line for line in lines if line.upright and _CAPTION.match(line.text)]:
        at = _index(lines, caption)
        end = at + 1
        while end < len(lines) and _follows(lines[end - 1], lines[end]):
            end += 1
        whole, others = lines[at:end], lines[:at] + lines[end:]
        above = [line for line in others if _over(line, caption) and line.box.bottom <= caption.middle[1]]
        below = [line for line in others if _over(line, caption) and line.box.top >= whole[-1].middle[1]]
        before = max(above, key=lambda line: line.box.bottom, default=None)
        after = min(below, key=lambda line: line.box.top, default=None)
        in_turn = (at == 0 and before is None) or (at > 0 and lines[at - 1] is before)
        in_turn = in_turn or (end < len(lines) and lines[end] is after)
        if not in_turn and before is not None and after is not None:
            place = _index(others, before) + 1
            lines = others[:place] + whole + others[place:]
    return lines


def _index(lines: Sequence[Line], wanted: Line) -> int:
    return next(index for index, line in enumerate(lines) if line is wanted)


def _over(one: Line, other: Line) -> bool:
    return one.box.x0 < other.box.x1 and other.box.x0 < one.box.x1


def _follows(above: Line, below: Line) -> bool:
    """Whether a line goes on below another one, in the same type."""
    gap = below.box.top - above.box.bottom
    return abs(above.size - below.size) < 0.3 and -0.5 * above.size < gap < 0.4 * above.size and _over(above, below)
