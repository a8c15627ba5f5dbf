"""Arrow and Feather files: DuckDB reads them through pyarrow, where that is installed."""

from __future__ import annotations

from pathlib import Path

import duckdb

from ..errors import FileError
from ..sql import quote


def load_arrow(connection: duckdb.DuckDBPyConnection, path: Path, table: str, name: str) -> None:
    """Makes a table of an Arrow IPC file or stream. Raises `FileError` with `not_a_table` or `unreadable_file`."""
    try:
        import pyarrow
        from pyarrow import ipc
    except ImportError as error:
        raise FileError(
            "not_a_table", f"{name} is an Arrow file, which is not read here: save it as Parquet."
        ) from error
    try:
        with pyarrow.memory_map(str(path)) as file:
            is_file = file.read(6) == b"ARROW1"
            file.seek(0)
            reader = (ipc.open_file if is_file else ipc.open_stream)(file)
            content = reader.read_all()
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise FileError("unreadable_file", f"{name} is a damaged Arrow file.") from error
    connection.register("arrow_file", content)
    connection.execute(f"CREATE TABLE {quote(table)} AS FROM arrow_file")
    connection.unregister("arrow_file")
