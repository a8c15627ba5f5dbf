"""The files of a run: what kind each is, and what its table is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, Self

from streaming import OperationError, Upload

Kind = Literal["csv", "json", "parquet"]

FIRST: Final = "data"
"""What the first table is also called."""

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
    """One file, and the table that is made of it."""

    path: str
    filename: str
    kind: Kind
    table: str

    def as_dict(self) -> dict[str, Any]:
        """The source as JSON."""
        return asdict(self)

    @classmethod
    def of(cls, said: dict[str, Any]) -> Self:
        """The source that `as_dict` was made of."""
        return cls(**said)


def sources(files: Sequence[Upload | Path]) -> list[Source]:
    """The files as sources, each under a table name of its own.

    Raises `OperationError` with `empty_file` or `unreadable_file`.
    """
    taken = {FIRST} if files and table_name(_filename(files[0])).lower() != FIRST else set()
    found = []
    for file in files:
        name = _free(table_name(_filename(file)), taken)
        taken.add(name.lower())
        path = file.path if isinstance(file, Upload) else file
        found.append(Source(str(path), _filename(file), _kind(path, _filename(file)), name))
    return found


SAMPLE: Final = tuple(sorted((Path(__file__).parent / "sample").glob("*.csv")))
"""The data set that ships: a year of a bicycle shop that does not exist."""


def table_name(filename: str) -> str:
    """A file's name as one that SQL takes without quotes: letters, digits and underscores, no digit first."""
    stem = filename.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    words = "".join(sign if sign.isalnum() else "_" for sign in stem).strip("_") or "table"
    return (f"t_{words}" if words[0].isdigit() else words)[:NAME_LENGTH]


def _free(name: str, taken: set[str]) -> str:
    number, candidate = 2, name
    while candidate.lower() in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def _filename(file: Upload | Path) -> str:
    return file.filename if isinstance(file, Upload) else file.name


def _kind(path: Path, filename: str) -> Kind:
    """What a file is by its first bytes, and else by its name."""
    with path.open("rb") as opened:
        head = opened.read(4096)
    if not head.strip():
        raise OperationError("empty_file", f"{filename or 'The file'} is empty.")
    if head[:4] == b"PAR1":
        return "parquet"
    told = _ENDINGS.get(PurePosixPath(filename.lower()).suffix)
    if told == "parquet" or b"\0" in head:
        raise OperationError("unreadable_file", f"{filename or 'The file'} is no CSV, JSON or Parquet.")
    return told or ("json" if head.lstrip()[:1] in (b"[", b"{") else "csv")
