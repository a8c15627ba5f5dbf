"""The files of a run: the kind of each, and the name of its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from streaming import OperationError, Upload

Kind = Literal["csv", "json", "parquet"]

ALIAS: Final = "data"
"""The second name of the first table."""

NAME_LENGTH: Final = 60

_ENDINGS: Final[dict[str, Kind]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".geojson": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@dataclass(frozen=True)
class Source:
    """One file, and the name of its table."""

    path: str
    filename: str
    kind: Kind
    table: str


def sources(files: Sequence[Upload | Path]) -> list[Source]:
    """The files as sources, each with its own table name.

    Raises `OperationError` with `empty_file` or `unreadable_file`.
    """
    used = {ALIAS} if files and table_name(_filename(files[0])).lower() != ALIAS else set()
    result = []
    for file in files:
        name = _unused(table_name(_filename(file)), used)
        used.add(name.lower())
        path = file.path if isinstance(file, Upload) else file
        result.append(Source(str(path), _filename(file), _kind(path, _filename(file)), name))
    return result


SAMPLE: Final = tuple(sorted((Path(__file__).parent / "sample").glob("*.csv")))
"""The sample data set: a year of an imaginary bicycle shop."""


def table_name(filename: str) -> str:
    """A file's name as an SQL name that needs no quotes: letters, digits and underscores, no digit first."""
    stem = filename.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    words = "".join(letter if letter.isalnum() else "_" for letter in stem).strip("_") or "table"
    return (f"t_{words}" if words[0].isdigit() else words)[:NAME_LENGTH]


def _unused(name: str, used: set[str]) -> str:
    number, candidate = 2, name
    while candidate.lower() in used:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def _filename(file: Upload | Path) -> str:
    return file.filename if isinstance(file, Upload) else file.name


def _kind(path: Path, filename: str) -> Kind:
    """The kind of a file, by its first bytes, else by its name."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.strip():
        raise OperationError("empty_file", f"{filename or 'The file'} is empty.")
    if head[:4] == b"PAR1":
        return "parquet"
    kind = _ENDINGS.get(PurePosixPath(filename.lower()).suffix)
    if kind == "parquet" or b"\0" in head:
        raise OperationError("unreadable_file", f"{filename or 'The file'} is not CSV, JSON or Parquet.")
    return kind or ("json" if head.lstrip()[:1] in (b"[", b"{") else "csv")
