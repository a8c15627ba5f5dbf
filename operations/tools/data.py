"""`query`: SQL over the tables that came with the run, or over the sample data set where none did."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import Field

from streaming import OperationError, Upload

from ..analytics import queries
from .base import ToolError, surroundings, tool
from .documents import documents

ROWS: Final = 50
"""That a statement gives at the most; more are for a person to look at."""
COLUMNS: Final = 40
"""Of a table that a model is told of."""


def tables(files: Sequence[Upload]) -> list[Upload]:
    """Those of a run's files that are tables: all that are no documents."""
    read = documents(files)
    return [file for file in files if file not in read]


def describe(files: Sequence[Upload]) -> list[str]:
    """The tables in a line each, as in `orders(day DATE, price DOUBLE): 365 rows`.

    Raises `OperationError` for a file that is no table.
    """
    return [
        f"{table['name']}({_columns(table['columns'])}): {table['rows']} rows"
        for table in queries.describe(tables(files))
    ]


def _columns(columns: Sequence[queries.Column]) -> str:
    return ", ".join(f"{column['name']} {column['type']}" for column in columns[:COLUMNS])


@tool
def query(
    sql: Annotated[str, Field(min_length=1, max_length=800, description="one SELECT statement in DuckDB's SQL")],
) -> dict[str, Any]:
    """Runs SQL over the tables that came with the goal."""
    around = surroundings.get()
    left = max(around.deadline - time.monotonic(), 0.1)
    try:
        answer = queries.run_sql(sql, tables(around.files), limit=ROWS, seconds=left)
    except OperationError as error:
        raise ToolError(error.code, error.message) from error
    names = [column["name"] for column in answer["columns"]]
    told = {"columns": names, "rows": [[row[name] for name in names] for row in answer["rows"]]}
    return {**told, "note": f"There are more than {ROWS} rows."} if answer["truncated"] else told
