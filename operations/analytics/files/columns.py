"""The types of text columns: a column has a type where every value comes back from it as its own text (`readings`).

All readings are tested on the first rows. Then the first one that fits there is tested on all rows, and others only
where it fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import duckdb

from .notes import Rows
from .readings import BLANKS, MARKED, MARKS, PLAIN, TRIMMED, Reading, V

WIDE: Final = 400
"""Aggregates of a statement: more are slow, and values are tested as rows of (column, value) instead."""
SAMPLE_ROWS: Final = 2_000
FEWEST_ROWS: Final = 50
SAMPLE_CELLS: Final = 200_000
"""Of the first test, at most."""
ODD: Final = 1_000
"""Values that the first reading does not fit, by which others are chosen."""
FEW: Final = 50
"""Columns whose odd values are looked at; if there are more, every reading is tested on all rows."""
NEARLY: Final = 0.8
"""The share of a text column's values with a type from which its others are told."""

Fit = tuple[Reading, int]
Results = dict[int, tuple[int, ...]]


@dataclass
class Column:
    """A column: the readings that fit its values, the best one first."""

    fits: list[Fit] = field(default_factory=list)
    filled: int = 0
    """Values that are not NULL."""
    unsure: bool = False
    """Whether its numbers have two meanings, and it was left as text."""
    nearly: Reading | None = None
    """The reading of most values, where others keep the column from having a type."""

    @property
    def reading(self) -> Reading | None:
        """How its values are read; `None` for text."""
        return self.fits[0][0] if self.fits else None

    def typed(self, name: str) -> str:
        """The SQL of its values."""
        return self.fits[0][0].typed(name, self.fits[0][1]) if self.fits else name


class Types:
    """Finds the types of the columns `c0`, `c1` ... of a table or table function, all of them text."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: str, width: int) -> None:
        self._connection = connection
        self._table = table
        self.rows = 0
        """Rows of the table, once the columns are known."""
        self.columns = [Column() for _ in range(width)]

    def find(self) -> list[Column]:
        """The columns."""
        width = len(self.columns)
        rows = max(FEWEST_ROWS, min(SAMPLE_ROWS, SAMPLE_CELLS // width))
        values = f"SELECT [{self._names(range(width))}] AS vs FROM {self._table} LIMIT {rows}"  # noqa: S608  # own names
        pairs = f"SELECT unnest(range({width})) AS k, unnest(vs) AS v FROM ({values})"  # noqa: S608
        self._connection.execute(f"CREATE TEMP TABLE first_rows AS {pairs}")
        self._test_first_rows()
        _resolve(self.columns)
        if self.rows == rows:
            self._confirm()
        self._connection.execute("DROP TABLE first_rows")
        return self.columns

    def odd_rows(self, index: int, reading: Reading) -> Rows:
        """The rows whose value has not this reading."""
        numbered = f"SELECT row_number() OVER () AS row, c{index} AS v FROM {self._table}"  # noqa: S608  # own names
        odd = f"v IS NOT NULL AND NOT coalesce({reading.row.replace(V, 'v')}, false)"
        rows = Rows()
        found = self._connection.execute(f"SELECT row FROM ({numbered}) WHERE {odd} LIMIT 1000").fetchall()  # noqa: S608
        for (row,) in found:
            rows.add(row)
        return rows

    # --- the first rows ------------------------------------------------------------------------------------------

    def _test_first_rows(self) -> None:
        tests = [MARKS, BLANKS, *(reading.aggregate for reading in PLAIN)]
        marked, padded, texts = [], [], []
        for index, (filled, marks, blanks, *values) in self._first(range(len(self.columns)), tests).items():
            column = self.columns[index]
            column.filled = filled
            column.fits = _fits(PLAIN, values) if filled else []
            if marks and filled and not (column.fits and column.fits[0][0].type == "BIGINT"):
                marked.append(index)
            elif blanks and not column.fits:
                padded.append(index)
            if filled and not column.fits:
                texts.append(index)
        self._add_fits(marked, MARKED)
        self._add_fits([index for index in [*padded, *marked] if not self.columns[index].fits], TRIMMED)
        self._find_nearly([index for index in texts if not self.columns[index].fits])

    def _add_fits(self, indexes: Sequence[int], readings: Sequence[Reading]) -> None:
        for index, (_, *values) in self._first(indexes, [reading.aggregate for reading in readings]).items():
            self.columns[index].fits += _fits(readings, values)

    def _find_nearly(self, indexes: Sequence[int]) -> None:
        """The reading of most values of text columns."""
        tests = [f"count(*) FILTER ({reading.row})" for reading in PLAIN]
        for index, (filled, *counts) in self._first(indexes, tests).items():
            best = max(range(len(PLAIN)), key=lambda one, counts=counts: counts[one])  # type: ignore[misc]
            if counts[best] >= NEARLY * filled:
                self.columns[index].nearly = PLAIN[best]

    # --- all rows ------------------------------------------------------------------------------------------------

    def _confirm(self) -> None:
        every = [reading.aggregate for reading in (*PLAIN, *MARKED)]
        tests = {
            index: [column.fits[0][0].aggregate] if column.fits else ([] if column.filled else every)
            for index, column in enumerate(self.columns)
        }
        failed = []
        for index, (filled, *values) in self._results(self._table, tests).items():
            column = self.columns[index]
            if not column.filled and filled:
                column.fits = _fits((*PLAIN, *MARKED), values)
            elif column.fits and not values[0]:
                column.nearly = column.fits[0][0]
                failed.append(index)
            elif column.fits:
                column.fits = [(column.fits[0][0], values[0])]
            column.filled = filled
        _resolve(self.columns)
        self._try_others(failed)

    def _try_others(self, failed: Sequence[int]) -> None:
        """The readings of columns in which that of the first rows fails."""
        every = (*PLAIN, *MARKED, *TRIMMED)
        choices = {index: self._candidates(index, every) if len(failed) <= FEW else list(every) for index in failed}
        tests = {index: [reading.aggregate for reading in readings] for index, readings in choices.items() if readings}
        for index in failed:
            self.columns[index].fits = []
        for index, (_, *values) in self._results(self._table, tests).items():
            self.columns[index].fits = _fits(choices[index], values)
        _resolve(self.columns)

    def _candidates(self, index: int, readings: Sequence[Reading]) -> list[Reading]:
        """The readings that fit the values of the first rows, with some that the reading of these does not fit."""
        first = self.columns[index].fits[0][0]
        odd = f"NOT coalesce({first.row.replace(V, f'c{index}')}, false)"
        values = (
            f"(SELECT v AS c0 FROM first_rows WHERE k = {index} UNION ALL"  # noqa: S608  # own names
            f" (SELECT c{index} FROM {self._table} WHERE {odd} LIMIT {ODD}))"
        )
        rows = self.rows
        [(_, *found)] = self._results(values, {0: [reading.aggregate for reading in readings]}).values()
        self.rows = rows
        return [reading for reading, value in zip(readings, found, strict=True) if value]

    # --- SQL -----------------------------------------------------------------------------------------------------

    def _first(self, indexes: Sequence[int], tests: Sequence[str]) -> Results:
        """For each column the number of its values in the first rows, and the results of the tests on them."""
        return self._grouped(f"FROM first_rows WHERE k IN {(*indexes, -1)}", indexes, tests) if indexes else {}

    def _results(self, table: str, tests: Mapping[int, Sequence[str]]) -> Results:
        """For each column the number of its values, and the results of its tests."""
        if sum(1 + len(ones) for ones in tests.values()) <= WIDE:
            return self._one_row(table, tests)
        groups: dict[tuple[str, ...], list[int]] = {}
        for index, ones in tests.items():
            groups.setdefault(tuple(ones), []).append(index)
        results: Results = {}
        for ones, indexes in groups.items():
            values = f"SELECT [{self._names(indexes)}] AS vs FROM {table}"  # noqa: S608  # own names
            pairs = f"SELECT unnest({indexes}) AS k, unnest(vs) AS v FROM ({values})"  # noqa: S608
            results |= self._grouped(f"FROM ({pairs})", indexes, ones)
        return results

    def _one_row(self, table: str, tests: Mapping[int, Sequence[str]]) -> Results:
        parts = {index: ["count({v})", *ones] for index, ones in tests.items()}
        if not parts:
            return {}
        columns = ", ".join(one.replace(V, f"c{index}") for index, ones in parts.items() for one in ones)
        [(self.rows, *row)] = self._connection.execute(f"SELECT count(*), {columns} FROM {table}").fetchall()  # noqa: S608
        results, start = {}, 0
        for index, ones in parts.items():
            results[index] = tuple(row[start : start + len(ones)])
            start += len(ones)
        return results

    def _grouped(self, pairs: str, indexes: Sequence[int], tests: Sequence[str]) -> Results:
        columns = ", ".join(one.replace(V, "v") for one in ["count({v})", *tests])
        found = self._connection.execute(f"SELECT k, count(*), {columns} {pairs} GROUP BY k").fetchall()
        results: Results = {index: (0,) * (1 + len(tests)) for index in indexes}
        self.rows = found[0][1] if found else 0
        return results | {row[0]: tuple(row[2:]) for row in found}

    @staticmethod
    def _names(indexes: Iterable[int]) -> str:
        return ", ".join(f"c{index}" for index in indexes)


def _fits(readings: Sequence[Reading], values: Sequence[int]) -> list[Fit]:
    return [(reading, value) for reading, value in zip(readings, values, strict=True) if value]


def _resolve(columns: Sequence[Column]) -> None:
    """Decides what `1,234` and `1.234` are by the columns in which the decimal mark is certain."""
    certain = {column.fits[0][0].mark for column in columns if column.fits and not _is_unsure(column)} - {""}
    for column in columns:
        if not _is_unsure(column):
            continue
        if len(certain) == 1:
            column.fits.sort(key=lambda fit: fit[0].mark not in certain)
        elif column.fits[0][0].unsure:  # not a plain number either
            column.fits, column.unsure = [], True


def _is_unsure(column: Column) -> bool:
    return any(reading.unsure for reading, _ in column.fits)
