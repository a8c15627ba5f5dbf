"""Kinds of files: what is compressed is unpacked within limits, and what is no table is refused by its name."""

from __future__ import annotations

import bz2
import gzip
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from operations.analytics.files import loader, unpack
from operations.analytics.files.kinds import kind_of
from tests.operations.analytics.loading import Load, code_of, zipped

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TABLE = "a,b\n1,x\n2,y\n"

OTHERS: dict[str, tuple[bytes, str]] = {
    "html": (b"<!DOCTYPE html>\n<html><body><table><tr><td>a,b</td></tr></table></body></html>", "an HTML page"),
    "html without a declaration": (b"\n <HTML>\n<p>a,b</p>", "an HTML page"),
    "a part of html": (b"<table><tr><td>1</td></tr></table>", "an HTML page"),
    "html in utf-16": ("<html><p>é</p></html>".encode("utf-16"), "an HTML page"),
    "xml": (b'<?xml version="1.0"?>\n<rows><row a="1"/></rows>', "an XML document"),
    "xml without a declaration": (b"<rows>\n<row>1,2</row>\n</rows>", "an XML document"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0,0"/></svg>', "an SVG image"),
    "pdf": (b"%PDF-1.7\n1 0 obj\n", "a PDF document"),
    "pdf after junk": (b"junk\n%PDF-1.7\n", "a PDF document"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image"),
    "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG image"),
    "gif": (b"GIF89a\1\0\1\0", "a GIF image"),
    "tiff": (b"II*\0\x08\0\0\0", "a TIFF image"),
    "webp": (b"RIFF\x24\0\0\0WEBPVP8 ", "a WebP image"),
    "bmp": (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", "a BMP image"),
    "rtf": (b"{\\rtf1\\ansi a,b}", "an RTF document"),
    "sqlite": (b"SQLite format 3\0\x10\0", "an SQLite database"),
    "xz": (b"\xfd7zXZ\0\0\x04", "an xz archive"),
    "tar": (b"a.csv" + b"\0" * 252 + b"ustar\0" + b"00", "a tar archive"),
    "bytes": (bytes(range(256)) * 4, "a binary file of no kind that is known here"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_table_is_refused_by_its_name(what: str, load: Load) -> None:
    """HTML, XML, PDF, pictures and others, whatever they are called."""
    content, name = OTHERS[what]
    for filename in ("a.csv", "a.json", "a"):
        assert code_of(load, content, filename) == ("not_a_table", f"{filename} is {name}, and no table.")


@pytest.mark.parametrize(
    "name", ["ORCID", "MZ", "ID3", "GIF89", "OggS", "PAR1", "ARROW1", "BZh9", "RIFF", "fLaC", "a,b,ftyp", "MZ-Größe"]
)
def test_a_name_of_a_column_is_no_signature(name: str, tmp_path: Path) -> None:
    """Signatures of letters are words in a text."""
    path = tmp_path / "a.csv"
    for encoding in ("utf-8", "cp1252"):
        path.write_bytes(f"{name},count\nx,1\n".encode(encoding))
        assert kind_of(path, "a.csv") == "csv"


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstd.compress}


@pytest.mark.parametrize("ending", COMPRESSED)
def test_compressed_files(ending: str, load: Load) -> None:
    """They are what they unpack to, by their content, and end as damaged where they are cut off."""
    packed = COMPRESSED[ending](TABLE.encode())
    assert load(packed, f"a.csv.{ending}").rows() == [[1, "x"], [2, "y"]]
    assert load(packed, "a.csv").rows() == [[1, "x"], [2, "y"]]
    assert load(COMPRESSED[ending](b'{"n": 1}\n'), f"log.jsonl.{ending}").names == ["n"]
    code, message = code_of(load, COMPRESSED[ending](TABLE.encode() * 99)[:-9], f"a.csv.{ending}")
    assert (code, "cut off" in message) == ("unreadable_file", True)


def test_an_archive(load: Load) -> None:
    """Each table of a ZIP archive is a table named after its file; other files are told."""
    packed = zipped(
        {"north.csv": TABLE, "sub/south.csv": TABLE, "read.me.html": "<html></html>", "__MACOSX/x": "?", "none.csv": ""}
    )
    loaded = load(packed, "sales.zip")
    assert [(table["name"], table["file"], table["part"]) for table in loaded.tables] == [
        ("north", "sales.zip", "north.csv"),
        ("south", "sales.zip", "sub/south.csv"),
    ]
    assert loaded.rows("SELECT count(*) FROM data") == [[2]]
    assert [warning["code"] for warning in loaded.warnings] == ["file_skipped"]
    assert "read.me.html is an HTML page" in loaded.warnings[0]["message"]
    assert "none.csv" in loaded.warnings[0]["message"]


def test_names_in_an_archive(load: Load) -> None:
    """Files of the same name get numbers, and a later table is never `data`."""
    loaded = load(zipped({"x/a.csv": TABLE, "y/a.csv": TABLE, "data.csv": TABLE}), "a.zip")
    assert [table["name"] for table in loaded.tables] == ["a", "a_2", "data_2"]


def test_an_archive_without_tables(load: Load) -> None:
    """It is refused with what its first file is."""
    assert code_of(load, zipped({"a.txt": "<html></html>"}), "a.zip")[0] == "not_a_table"
    assert code_of(load, zipped({}), "a.zip")[0] == "empty_file"
    assert code_of(load, zipped({"word/document.xml": "<w/>"}), "a.zip") == (
        "not_a_table",
        "a.zip is a Word document, and no table.",
    )
    assert code_of(load, zipped({"a.csv": TABLE})[:-30], "a.zip")[0] == "unreadable_file"


def test_compressed_files_in_an_archive(load: Load) -> None:
    """They are unpacked too, to a depth."""
    inner = zipped({"a.csv.gz": gzip.compress(TABLE.encode())})
    assert load(inner, "a.zip").rows() == [[1, "x"], [2, "y"]]
    for _ in range(unpack.DEPTH):
        inner = zipped({"a.zip": inner})
    assert code_of(load, inner, "a.zip")[0] == "too_large"


@pytest.mark.parametrize("ending", ["gz", "bz2", "zst", "zip", "xlsx"])
def test_a_bomb(ending: str, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a file unpacks to is bounded, whatever it says of itself."""
    monkeypatch.setattr(loader, "UNPACKED", 1 << 20)
    zeros = b"0" * (2 << 20)
    packed = {
        "zip": lambda: zipped({"a.csv": zeros}),
        "xlsx": lambda: zipped({"xl/workbook.xml": zeros}),
    }.get(ending, lambda: COMPRESSED[ending](zeros))()
    assert code_of(load, packed, f"a.{ending}") == ("too_large", f"a.{ending} unpacks to more than 1 MB.")


def test_a_limit_names_the_file(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table below other lines is copied: the message has the name of the file, and no path of the server."""
    monkeypatch.setattr(loader, "UNPACKED", 5)
    assert code_of(load, "# x\n# y\n" + TABLE) == ("too_large", "a.csv unpacks to more than 0 MB.")


def test_many_small_files(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of files and of tables is bounded."""
    monkeypatch.setattr(loader, "TABLES", 2)
    three = zipped({"a.csv": TABLE, "b.csv": TABLE, "c.csv": TABLE})
    assert code_of(load, three, "a.zip") == ("too_large", "There are more than 2 tables.")
    monkeypatch.setattr(unpack, "MEMBERS", 2)
    assert code_of(load, three, "a.zip") == ("too_large", "a.zip has 3 files, more than 2.")


def test_many_long_names(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of columns are bounded together, as all of them are one event."""
    monkeypatch.setattr(loader, "DESCRIPTION", 1_000)
    assert code_of(load, ",".join("x" * 100 + str(number) for number in range(20)))[0] == "too_large"
    loaded = load("x" * 500 + "\n1\n")
    assert (len(loaded.names[0]), loaded.codes) == (200, ["names_changed"])


def test_a_password(load: Load) -> None:
    """An encrypted archive is told as such."""
    data = bytearray(zipped({"a.csv": TABLE}))
    buffer = io.BytesIO(bytes(data))
    with zipfile.ZipFile(buffer) as archive:
        start = archive.start_dir
    data[6] |= 1
    data[start + 8] |= 1
    assert code_of(load, bytes(data), "a.zip") == ("unreadable_file", "a.zip is protected with a password.")


def test_parquet(load: Load, tmp_path: Path) -> None:
    """By its content, whatever its name is."""
    path = tmp_path / "x.parquet"
    duckdb.execute(f"COPY (SELECT 1 AS n, DATE '2024-01-05' AS d) TO '{path}'")
    assert load(path.read_bytes(), "a.csv").types == ["INTEGER", "DATE"]
    assert code_of(load, b"hello", "a.parquet") == ("unreadable_file", "a.parquet is not Parquet, as its name says.")


def test_arrow(load: Load) -> None:
    """Arrow and Feather files are read where pyarrow is installed."""
    pyarrow = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    table = pyarrow.table({"n": [1, None], "s": ["x", "y"]})
    buffer = io.BytesIO()
    feather.write_feather(table, buffer, compression="zstd")
    assert load(buffer.getvalue(), "a.feather").rows() == [[1, "x"], [None, "y"]]
    stream = io.BytesIO()
    with pyarrow.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    assert load(stream.getvalue(), "a.arrows").rows() == [[1, "x"], [None, "y"]]
    assert code_of(load, buffer.getvalue()[:200], "a.feather")[0] == "unreadable_file"


def test_arrow_without_pyarrow(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere they are refused by their name."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert code_of(load, b"ARROW1\0\0", "a.feather")[0] == "not_a_table"


def test_text_in_a_file_called_xls(load: Load) -> None:
    """Many programs write CSV or HTML into a file with this name: it is what it holds."""
    assert load("a\tb\n1\tx\n", "a.xls").rows() == [[1, "x"]]
    assert code_of(load, "<html><table></table></html>", "a.xls")[0] == "not_a_table"
    assert code_of(load, "a,b\n", "a.xlsx") == ("unreadable_file", "a.xlsx is not a spreadsheet, as its name says.")


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"\xef\xbb\xbf", b"\xff\xfe", b"\0\0", b"# only\n# comments\n", b"sep=;\n"]
)
def test_empty_files(content: bytes, load: Load) -> None:
    """There is nothing to read in them."""
    assert code_of(load, content)[0] == "empty_file"
