"""`query`: SQL over the run's tables, or over the sample data set if it has none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import Field

from streaming import OperationError, Upload

from ..analytics import queries
from .base import ToolError, tool
from .calls import cut
from .context import call_context
from .documents import documents

MAX_ROWS: Final = 50
"""Rows of an answer; a model has no use for more."""
MAX_WARNINGS: Final = 10
MAX_COLUMNS: Final = 40
"""Columns in the description of a table."""
MAX_VALUE: Final = 40
"""Bytes of a text in its first row."""


def tables(files: Sequence[Upload]) -> list[Upload]:
    """The tables among the files of a run: all files that are not documents."""
    others = documents(files)
    return [file for file in files if file not in others]


def describe(files: Sequence[Upload]) -> tuple[list[str], frozenset[str]]:
    """A line for each table, as in `orders(day DATE): 365 rows, such as {"day": "2026-01-01"}`, and for each warning.

    Also the short texts in their rows. Raises `OperationError` for a file that is not a table.
    """
    found, warnings = queries.describe(tables(files))
    lines = [f"{table['name']}({_columns(table['columns'])}): {table['rows']} rows{_such_as(table)}" for table in found]
    lines += [f"Warning: {warning['message']}" for warning in warnings[:MAX_WARNINGS]]
    return lines, frozenset(text for table in found for text in table.get("texts", ()))


def _such_as(table: queries.Described) -> str:
    """The first row: how the table writes a month, and the words in it."""
    first = [*table.get("first", {}).items()][:MAX_COLUMNS]
    shown = {name: cut(value, MAX_VALUE) if isinstance(value, str) else value for name, value in first}
    return f", such as {json.dumps(shown, ensure_ascii=False, default=str)}" if shown else ""


def _columns(columns: Sequence[queries.Column]) -> str:
    return ", ".join(f"{column['name']} {column['type']}" for column in columns[:MAX_COLUMNS])


@tool(repeatable=True)
def query(
    sql: Annotated[str, Field(min_length=1, max_length=800, description="one SELECT statement in DuckDB's SQL")],
) -> Any:
    """Runs SQL over the tables that came with the goal."""
    context = call_context.get()
    try:
        answer = queries.run_sql(sql, tables(context.files), limit=MAX_ROWS, seconds=context.seconds_left)
    except OperationError as error:
        raise ToolError(error.code, error.message) from error
    rows = answer["rows"]
    return {"rows": rows, "note": f"There are more than {MAX_ROWS} rows."} if answer["truncated"] else rows
