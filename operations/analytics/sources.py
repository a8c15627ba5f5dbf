"""The files of a run, and the names of their tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streaming import Upload

from .names import ALIAS, table_name


@dataclass(frozen=True)
class Source:
    """One file, and the name of its table."""

    path: str
    filename: str
    table: str


def sources(files: Sequence[Upload | Path]) -> list[Source]:
    """The files as sources, each with its own table name."""
    used = {ALIAS} if files and table_name(_filename(files[0])).lower() != ALIAS else set()
    result = []
    for file in files:
        name = _unused(table_name(_filename(file)), used)
        used.add(name.lower())
        path = file.path if isinstance(file, Upload) else file
        result.append(Source(str(path), _filename(file), name))
    return result


SAMPLE: Final = tuple(sorted((Path(__file__).parent / "sample").glob("*.csv")))
"""The sample data set: a year of an imaginary bicycle shop."""


def _unused(name: str, used: set[str]) -> str:
    number, candidate = 2, name
    while candidate.lower() in used:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def _filename(file: Upload | Path) -> str:
    return file.filename if isinstance(file, Upload) else file.name
