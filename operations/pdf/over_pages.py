"""Tables that go on from one page to the next: the parts are joined under one header.

Two tables are parts of one if nothing but running titles and remarks such as "continued" stands between them, and their
columns are the same.
"""

from __future__ import annotations

import re
from typing import Any

from .layout import Page
from .tabular import Table

MARGIN = 0.1
"""Share of the page's height at its top and bottom, where running titles and page numbers are."""
_CONTINUED = re.compile(
    r"continue|\bcont\b|\bcont\.|fortsetzung|suite|continu|segue|vervolg|see notes|next page|продолжение|續|续|続",
    re.IGNORECASE,
)

_LABEL = re.compile(r"\D*[\w.-]*\w")


class OverPages:
    """Takes the tables of a document, in order, and finds those that go on from the page before."""

    def __init__(self) -> None:
        self._last: tuple[Page, Table] | None = None
        self._parts: list[list[tuple[int, Table]]] = []

    def add(self, page: Page, table: Table) -> bool:
        """Takes the next table, and says whether it goes on from the page before."""
        goes_on = self._last is not None and _goes_on(*self._last, page, table)
        if self._last and goes_on:
            if not self._parts or self._parts[-1][-1][1] is not self._last[1]:
                self._parts.append([(self._last[0].number, self._last[1])])
            self._parts[-1].append((page.number, table))
        self._last = page, table
        return goes_on

    def joined(self) -> list[dict[str, Any]]:
        """The tables over several pages, each as a `JoinedTable`."""
        return [
            {
                "pages": [number for number, _ in parts],
                "rows": _rows([table for _, table in parts]),
                "header": parts[0][1].header,
                "caption": parts[0][1].caption,
            }
            for parts in self._parts
        ]


def _goes_on(page: Page, table: Table, next_page: Page, following: Table) -> bool:
    if next_page.number != page.number + 1 or not _same_columns(table, following):
        return False
    return _is_continued(table, following) or (_ends(page, table) and _begins(next_page, following))


def _is_continued(table: Table, following: Table) -> bool:
    """Whether the captions say so: "Table 3" and "Table 3, continued"."""
    one, other = (_LABEL.match(caption or "") for caption in (table.caption, following.caption))
    same = one is not None and other is not None and one[0].casefold() == other[0].casefold()
    return same and _CONTINUED.search(following.caption or "") is not None


def _rows(parts: list[Table]) -> list[list[str]]:
    """The rows of all parts, without the header where it is repeated."""
    first = parts[0].rows
    joined = list(first)
    for part in parts[1:]:
        repeated = 0
        while repeated < min(len(first), len(part.rows)) and part.rows[repeated] == first[repeated]:
            repeated += 1
        joined += part.rows[repeated:]
    return joined


def _ends(page: Page, table: Table) -> bool:
    below = [line for line in page.lines if line.middle[1] > table.box.bottom and line.words]
    return not any(line.middle[1] < (1 - MARGIN) * page.height and not _CONTINUED.search(line.text) for line in below)


def _begins(page: Page, table: Table) -> bool:
    above = [line for line in page.lines if line.middle[1] < table.box.top and line.words]
    caption = table.caption or ""
    return not any(
        line.middle[1] > MARGIN * page.height and not _CONTINUED.search(line.text) and line.text not in caption
        for line in above
    )


def _same_columns(one: Table, other: Table) -> bool:
    if len(one.columns) != len(other.columns):
        return False
    if one.rows[0] == other.rows[0]:
        return True
    shift = other.box.x0 - one.box.x0  # the margins of left and right pages differ
    pairs = zip(one.columns, other.columns, strict=True)
    return all(left < there[1] - shift and there[0] - shift < right for (left, right), there in pairs)
