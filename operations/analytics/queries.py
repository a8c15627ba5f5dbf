"""SQL as a plain function, for operations that look something up on their way: the agent's tool `query`.

    answer = run_sql("SELECT city, sum(price) AS income FROM orders GROUP BY city")
    answer["rows"]      # [{"city": "Porto", "income": 1234.5}, ...]

It returns when the answer is there, works in greenlets, threads and processes, takes its turn like `analyze`, and ends
with its run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
from typing_extensions import TypedDict  # pydantic takes no other on Python 3.11

from streaming import Upload

from ..turns import Turn
from .engine import Engine
from .sources import SAMPLE, sources

KIND: Final = "analytics"
"""The kind of its turns."""

SECONDS: Final = 60.0
"""How long a statement may take."""

BYTES: Final = 4 << 20
"""Of JSON that `run_sql` gathers, give or take a batch."""


class Column(TypedDict):
    """A column: its name, and DuckDB's name of its type."""

    name: str
    type: str


class Table(TypedDict):
    """A table of a run, and the file that it was made of."""

    name: str
    file: str
    rows: int
    columns: list[Column]


class Answer(TypedDict):
    """What a statement gave: `truncated` says that there were, or may be, more rows than these."""

    sql: str
    tables: list[Table]
    columns: list[Column]
    rows: list[dict[str, Any]]
    truncated: bool


def run_sql(sql: str, files: Sequence[Upload | Path] = (), *, limit: int = 200, seconds: float = SECONDS) -> Answer:
    """The first `limit` rows that one statement gives, over the files or, without any, over the sample data set.

    Each file (CSV, JSON or Parquet) is a table named after it, the first also `data`. Values are JSON, as `values`
    tells. `seconds` bound the statement, not the wait for a turn. Raises `OperationError` with one of the codes of
    `operations.analyze`; its message says what is wrong with the SQL, so that a model can mend it.
    """
    columns: list[Column] = []
    rows: list[dict[str, Any]] = []
    size = 0
    with _database() as engine:
        tables = _tables(engine, files)
        for message in engine.ask(sql, limit + 1, seconds):
            columns = plain(message.get("columns", ())) or columns
            rows += message.get("rows", ())
            size += len(orjson.dumps(message))
            if size > BYTES:
                break
    truncated = len(rows) > limit or size > BYTES
    return {"sql": sql, "tables": tables, "columns": columns, "rows": rows[:limit], "truncated": truncated}


def describe(files: Sequence[Upload | Path] = ()) -> list[Table]:
    """The tables that `run_sql` has for these files, for a model that is to write the SQL.

    Raises `OperationError` with `empty_file`, `unreadable_file`, `too_large` or `timeout`.
    """
    with _database() as engine:
        return _tables(engine, files)


@contextmanager
def _database() -> Iterator[Engine]:
    """A database, once its turn has come."""
    with Turn(KIND) as turn:
        turn.take()
        with Engine() as engine:
            yield engine


def _tables(engine: Engine, files: Sequence[Upload | Path]) -> list[Table]:
    return [message["loaded"] for message in engine.load(sources(files or SAMPLE)) if "loaded" in message]


def plain(columns: Sequence[dict[str, str]]) -> list[Column]:
    """Columns as they are shown: without the family of their type."""
    return [{"name": column["name"], "type": column["type"]} for column in columns]
