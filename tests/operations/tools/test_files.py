"""`read` and `query`: the documents and the tables of a run."""

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
    """A file of a run."""

    def put(name: str, content: bytes) -> Upload:
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        path.write_bytes(content)
        return Upload(path, name, "application/octet-stream", len(content))

    return put


# --- read ------------------------------------------------------------------------------------------------------------


def test_pages(put: Put) -> None:
    """By default the first ones, else those of the argument."""
    report = [put("report.pdf", pdfs.report(5))]
    answer = call(read, files=report)
    assert (answer["file"], answer["page_count"]) == ("report.pdf", 5)
    assert [page["page"] for page in answer["pages"]] == [1, 2, 3]
    assert all(page["text"] for page in answer["pages"])
    assert [page["page"] for page in call(read, files=report, pages="4-5")["pages"]] == [4, 5]
    assert [page["page"] for page in call(read, files=report, pages=" 2 ")["pages"]] == [2]


@pytest.mark.parametrize("pages", ["0", "6", "3-2", "4-9"])
def test_pages_beyond_the_document(put: Put, pages: str) -> None:
    """The error has the pages that exist."""
    with pytest.raises(ToolError, match="1 to 5") as failure:
        call(read, files=[put("report.pdf", pdfs.report(5))], pages=pages)
    assert failure.value.code == "pages_out_of_range"


def test_invalid_pages(put: Put) -> None:
    """They are invalid arguments."""
    assert code_of(read, files=[put("a.txt", b"a")], pages="all") == "invalid_arguments"


NOTES = "The first line.\n" + "Filler. " * 100 + "\nThe secret   word\nis Swordfish.\n" + "More filler. " * 100


def test_words(put: Put) -> None:
    """A match is a passage around the words, whatever the white space; else any of the words, or the first pages."""
    notes = [put("notes.txt", NOTES.encode())]
    [passage] = call(read, files=notes, find="secret word is")["passages"]
    assert passage["page"] == 1
    assert "Swordfish" in passage["text"]
    assert len(passage["text"]) < 600
    [either] = call(read, files=notes, find="swordfish mackerel")["passages"]
    assert "Swordfish" in either["text"]
    without = call(read, files=notes, find="mackerel")
    assert without["passages"] == []
    assert "Swordfish" in without["pages"][0]["text"]


def test_several_documents(put: Put) -> None:
    """The argument `file` names one, in any case; for another name the error lists the documents."""
    files = [put("One.md", b"the first"), put("two.txt", b"the second"), put("sales.csv", b"a,b\n1,2\n")]
    assert documents(files) == files[:2]
    assert call(read, files=files, file="one.md")["pages"][0]["text"] == "the first"
    for name in (None, "three.md", "sales.csv"):
        with pytest.raises(ToolError, match=r"One\.md, two\.txt") as failure:
            call(read, files=files, file=name)
        assert failure.value.code == "invalid_arguments"
    assert call(read, files=files[:1], file="report")["file"] == "One.md", "there is no other"


UNREADABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "encrypted": (lambda: pdfs.encrypted(pdfs.report(1), "sesame"), "password_required"),
    "truncated": (lambda: pdfs.report(3)[:2000], "truncated_pdf"),
    "a bomb": (pdfs.deflate_bomb, "too_large"),
}


@pytest.mark.parametrize(("make", "code"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_document(put: Put, make: Callable[[], bytes], code: str) -> None:
    """Only the call fails."""
    assert code_of(read, files=[put("bad.pdf", make())]) == code


def test_reading_ends_at_the_deadline(put: Put) -> None:
    """The process ends with the call."""
    assert code_of(read, files=[put("report.pdf", pdfs.report(5))], seconds=0.01) == "timeout"


# --- query -----------------------------------------------------------------------------------------------------------

SALES = b"city,pieces\nOslo,3\nLisbon,4\nOslo,5\n"


def test_sql(put: Put) -> None:
    """A table has the name of its file; the answer has columns and rows."""
    files = [put("sales.csv", SALES), put("notes.txt", b"nothing")]
    assert tables(files) == files[:1]
    answer = call(query, files=files, sql="SELECT city, sum(pieces) AS pieces FROM sales GROUP BY city ORDER BY city")
    assert answer == [{"city": "Lisbon", "pieces": 4}, {"city": "Oslo", "pieces": 8}]


def test_the_rows_are_limited(put: Put) -> None:
    """The answer has the first rows, and a note that there are more."""
    answer = call(query, files=[put("sales.csv", SALES)], sql="SELECT * FROM range(1000)")
    assert len(answer["rows"]) == MAX_ROWS
    assert str(MAX_ROWS) in answer["note"]


def test_wrong_sql(put: Put) -> None:
    """The error has DuckDB's message, with which a model can correct it."""
    with pytest.raises(ToolError, match="citty") as failure:
        call(query, files=[put("sales.csv", SALES)], sql="SELECT citty FROM sales")
    assert failure.value.code == "wrong_sql"


@pytest.mark.parametrize("sql", ["SELECT * FROM read_text('/etc/passwd')", "COPY sales TO '/tmp/sales.csv'"])
def test_other_files_cannot_be_read_or_written(put: Put, sql: str) -> None:
    """The statement fails."""
    assert code_of(query, files=[put("sales.csv", SALES)], sql=sql) in ("not_allowed", "not_a_query", "wrong_sql")


def test_a_statement_ends_at_the_deadline(put: Put) -> None:
    """The call fails with its code."""
    sql = "SELECT count(*) FROM range(100000000) a, range(100000000) b"
    assert code_of(query, files=[put("sales.csv", SALES)], sql=sql, seconds=1) == "timeout"


def test_the_description_of_tables(put: Put) -> None:
    """A line has name, columns, types and rows; a file that is no table fails the run before its first step."""
    [line], texts = describe([put("sales.csv", SALES), put("notes.md", b"nothing")])
    assert line == 'sales(city VARCHAR, pieces BIGINT): 3 rows, such as {"city": "Oslo", "pieces": 3}'
    assert "Oslo" in texts
    wide = ",".join(f"c{number}" for number in range(80))
    _, texts = describe([put("wide.csv", f"{wide}\n{wide.replace('c', 'v')}\n{wide.replace('c', 'w')}\n".encode())])
    assert {"v0", "w49"} <= texts, "of as many columns as can be looked through in no time"
    assert "v79" not in texts
    with pytest.raises(OperationError) as failure:
        describe([put("picture.parquet", b"\0\1\2")])
    assert failure.value.code == "unreadable_file"
