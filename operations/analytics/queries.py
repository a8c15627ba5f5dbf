"""SQL as a plain function, for other operations, such as the agent's tool `query`.

    answer = run_sql("SELECT city, sum(price) AS income FROM orders GROUP BY city")
    answer["rows"]      # [{"city": "Porto", "income": 1234.5}, ...]

It blocks until the answer is there, works in greenlets, threads and processes, waits for its turn as `analyze` does,
and stops with its run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NotRequired, cast

import orjson
from typing_extensions import TypedDict  # pydantic takes no other on Python 3.11

from streaming import Upload

from .engine import Engine
from .sources import SAMPLE, sources
from .sql import identifier

FIRST_ROWS: Final = 5
"""How many tables are described with their first row, and with texts of their columns."""
TEXTS: Final = 200
TEXT: Final = 40
"""How many different texts of a column, and of how many characters at most."""
TEXT_COLUMNS: Final = 50
TEXT_ROWS: Final = 10_000
"""The columns and rows of a table in which these are looked for: a large one must not take long to describe."""
SECONDS: Final = 60.0
"""Time limit of a statement."""

BYTES: Final = 4 << 20
"""Of JSON that `run_sql` collects, plus one batch at most."""


class Column(TypedDict):
    """A column, with DuckDB's name of its type."""

    name: str
    type: str


class Table(TypedDict):
    """A table of a run, and its file; `part` is the sheet or the member of an archive, where there are several."""

    name: str
    file: str
    part: NotRequired[str]
    rows: int
    columns: list[Column]


class Described(Table):
    """A table for a model that writes SQL: with its first row, where there is one, and short texts of its columns."""

    first: NotRequired[dict[str, Any]]
    texts: NotRequired[list[str]]


class Warned(TypedDict):
    """What was skipped, guessed or changed; `rows` are the first ones that it is about, from 1."""

    code: str
    message: str
    rows: NotRequired[list[int]]


class Answer(TypedDict):
    """The answer to a statement: `truncated` if there are, or may be, more rows than these."""

    sql: str
    tables: list[Table]
    columns: list[Column]
    rows: list[dict[str, Any]]
    truncated: bool
    warnings: list[Warned]


def run_sql(sql: str, files: Sequence[Upload | Path] = (), *, limit: int = 200, seconds: float = SECONDS) -> Answer:
    """The first `limit` rows of one statement over the files, or over the sample data set if there are none.

    Each file is a table named after it, the first also `data`. Values are JSON, as described in
    `values`. `seconds` limits the statement, not the wait for a turn. Raises `OperationError` with a code of
    `operations.analyze` and DuckDB's message, with which a model can correct its SQL.
    """
    columns: list[Column] = []
    rows: list[dict[str, Any]] = []
    size = 0
    with Engine() as engine:
        tables, warnings = _tables(engine, files)
        for message in engine.ask(sql, limit + 1, seconds):
            columns = public_columns(message.get("columns", ())) or columns
            rows += message.get("rows", ())
            size += len(orjson.dumps(message))
            if size > BYTES:
                break
    truncated = len(rows) > limit or size > BYTES
    return {
        "sql": sql,
        "tables": tables,
        "columns": columns,
        "rows": rows[:limit],
        "truncated": truncated,
        "warnings": warnings,
    }


def describe(files: Sequence[Upload | Path] = ()) -> tuple[list[Described], list[Warned]]:
    """The tables that `run_sql` makes of these files, for a model that writes SQL, and what it should know of them.

    Some have their first row. Raises `OperationError` with `empty_file`, `not_a_table`, `unreadable_file`, `too_large`
    or `timeout`.
    """
    with Engine() as engine:
        tables, warnings = _tables(engine, files)
        described = [cast(Described, table) for table in tables]
        for table in described[:FIRST_ROWS]:
            name = identifier(table["name"])
            rows = _rows(engine, f"SELECT * FROM {name}", 1)  # noqa: S608  # in quotes where it needs them
            table["first"] = rows[0] if rows else {}
            table["texts"] = _texts(engine, table)
        return described, warnings


def _texts(engine: Engine, table: Table) -> list[str]:
    columns = [identifier(column["name"]) for column in table["columns"] if column["type"] == "VARCHAR"][:TEXT_COLUMNS]
    some = f"(SELECT * FROM {identifier(table['name'])} LIMIT {TEXT_ROWS})"  # noqa: S608  # in quotes where it needs them
    of_each = [
        f"(SELECT DISTINCT {each} AS text FROM {some} WHERE length({each}) < {TEXT} LIMIT {TEXTS})"  # noqa: S608
        for each in columns
    ]
    return [row["text"] for row in _rows(engine, " UNION ".join(of_each), TEXTS * len(columns))] if of_each else []


def _rows(engine: Engine, sql: str, limit: int) -> list[dict[str, Any]]:
    return [row for message in engine.ask(sql, limit, SECONDS) for row in message.get("rows", ())]


def _tables(engine: Engine, files: Sequence[Upload | Path]) -> tuple[list[Table], list[Warned]]:
    messages = list(engine.load(sources(files or SAMPLE)))
    return (
        [message["table"] for message in messages if "table" in message],
        [message["warning"] for message in messages if "warning" in message],
    )


def public_columns(columns: Sequence[dict[str, str]]) -> list[Column]:
    """The columns without the family of their type, which is internal."""
    return [{"name": column["name"], "type": column["type"]} for column in columns]
