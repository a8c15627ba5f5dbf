"""`read` and `query`: the documents and the tables that came with a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from operations.tools import ToolError
from operations.tools.data import MAX_ROWS, describe, query, tables
from operations.tools.documents import documents, read
from streaming import OperationError, Upload
from tests import pdfs
from tests.apps.agent_calls import call, code_of

Put = Callable[[str, bytes], Upload]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """A file that came with a run."""

    def put(name: str, content: bytes) -> Upload:
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        path.write_bytes(content)
        return Upload(path, name, "application/octet-stream", len(content))

    return put


# --- read ------------------------------------------------------------------------------------------------------------


def test_pages_are_read(put: Put) -> None:
    """The first ones, or those that are asked for."""
    report = [put("report.pdf", pdfs.report(5))]
    found = call(read, files=report)
    assert (found["file"], found["page_count"]) == ("report.pdf", 5)
    assert [page["page"] for page in found["pages"]] == [1, 2, 3]
    assert all(page["text"] for page in found["pages"])
    assert [page["page"] for page in call(read, files=report, pages="4-5")["pages"]] == [4, 5]
    assert [page["page"] for page in call(read, files=report, pages=" 2 ")["pages"]] == [2]


@pytest.mark.parametrize("pages", ["0", "6", "3-2", "4-9"])
def test_pages_that_there_are_not(put: Put, pages: str) -> None:
    """Are told with those that there are."""
    with pytest.raises(ToolError, match="1 to 5") as failed:
        call(read, files=[put("report.pdf", pdfs.report(5))], pages=pages)
    assert failed.value.code == "pages_out_of_range"


def test_pages_that_are_none(put: Put) -> None:
    """Are arguments that do not fit."""
    assert code_of(read, files=[put("a.txt", b"a")], pages="all") == "invalid_arguments"


NOTES = "The first line.\n" + "Filler. " * 100 + "\nThe secret   word\nis Swordfish.\n" + "More filler. " * 100


def test_words_are_found(put: Put) -> None:
    """With what stands around them, whatever white space is between; and each by itself where they are not together."""
    notes = [put("notes.txt", NOTES.encode())]
    [passage] = call(read, files=notes, find="secret word is")["passages"]
    assert passage["page"] == 1
    assert "Swordfish" in passage["text"]
    assert len(passage["text"]) < 600
    [either] = call(read, files=notes, find="swordfish mackerel")["passages"]
    assert "Swordfish" in either["text"]
    assert call(read, files=notes, find="mackerel")["passages"] == []


def test_one_of_several_documents_is_named(put: Put) -> None:
    """By its file's name, in either case; a name that there is not is told with those that there are."""
    files = [put("One.md", b"the first"), put("two.txt", b"the second"), put("sales.csv", b"a,b\n1,2\n")]
    assert documents(files) == files[:2]
    assert call(read, files=files, file="one.md")["pages"][0]["text"] == "the first"
    for name in (None, "three.md", "sales.csv"):
        with pytest.raises(ToolError, match=r"One\.md, two\.txt") as failed:
            call(read, files=files, file=name)
        assert failed.value.code == "not_found"


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "encrypted": (lambda: pdfs.encrypted(pdfs.report(1), "sesame"), "password_required"),
    "truncated": (lambda: pdfs.report(3)[:2000], "truncated_pdf"),
    "a bomb": (pdfs.deflate_bomb, "too_large"),
}


@pytest.mark.parametrize(("make", "code"), BAD.values(), ids=BAD)
def test_a_document_that_cannot_be_read_is_a_failure(put: Put, make: Callable[[], bytes], code: str) -> None:
    """And none of anything but the call."""
    assert code_of(read, files=[put("bad.pdf", make())]) == code


def test_reading_ends_in_time(put: Put) -> None:
    """A call that is over takes its process along."""
    assert code_of(read, files=[put("report.pdf", pdfs.report(5))], seconds=0.01) == "timeout"


# --- query -----------------------------------------------------------------------------------------------------------

SALES = b"city,pieces\nOslo,3\nLisbon,4\nOslo,5\n"


def test_tables_are_asked(put: Put) -> None:
    """Each under the name of its file; what comes back is columns and rows."""
    files = [put("sales.csv", SALES), put("notes.txt", b"nothing")]
    assert tables(files) == files[:1]
    found = call(query, files=files, sql="SELECT city, sum(pieces) AS pieces FROM sales GROUP BY city ORDER BY city")
    assert found == {"columns": ["city", "pieces"], "rows": [["Lisbon", 4], ["Oslo", 8]]}


def test_rows_have_an_end(put: Put) -> None:
    """Of many rows the first are given, and that there are more is said."""
    found = call(query, files=[put("sales.csv", SALES)], sql="SELECT * FROM range(1000)")
    assert len(found["rows"]) == MAX_ROWS
    assert str(MAX_ROWS) in found["note"]


def test_wrong_sql_is_told(put: Put) -> None:
    """In DuckDB's words, so that a model can mend it."""
    with pytest.raises(ToolError, match="citty") as failed:
        call(query, files=[put("sales.csv", SALES)], sql="SELECT citty FROM sales")
    assert failed.value.code == "wrong_sql"


@pytest.mark.parametrize("sql", ["SELECT * FROM read_text('/etc/passwd')", "COPY sales TO '/tmp/sales.csv'"])
def test_a_model_reaches_nothing_else(put: Put, sql: str) -> None:
    """No file, and no other place."""
    assert code_of(query, files=[put("sales.csv", SALES)], sql=sql) in ("not_allowed", "not_a_query", "wrong_sql")


def test_a_statement_ends_in_time(put: Put) -> None:
    """However much it would count."""
    sql = "SELECT count(*) FROM range(100000000) a, range(100000000) b"
    assert code_of(query, files=[put("sales.csv", SALES)], sql=sql, seconds=1) == "timeout"


def test_a_model_is_told_of_the_tables(put: Put) -> None:
    """Names, columns, types and rows in a line each; a file that is none stops the run before it has begun."""
    [line] = describe([put("sales.csv", SALES), put("notes.md", b"nothing")])
    assert line == "sales(city VARCHAR, pieces BIGINT): 3 rows"
    with pytest.raises(OperationError) as failed:
        describe([put("picture.parquet", b"\0\1\2")])
    assert failed.value.code == "unreadable_file"
