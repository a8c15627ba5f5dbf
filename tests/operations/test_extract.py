"""`extract` as a function: what it finds in known documents, and how it fails on those that it cannot read.

The limits of time and memory, and uploads, are the library's: `tests/live/test_extract_live.py` tests them on a real
server.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from operations import fetch, long_results
from operations.extract import MAX_PAGES, Extract, extract, page_numbers
from operations.pdf import codes, engine, objects, reader
from operations.pdf.text import clean
from streaming import OperationError, Upload
from tests import pdfs
from tests.operations.declared import undeclared
from tests.operations.documents import Outcome, Run, code_of, running


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the operation in this process."""
    return running(tmp_path, monkeypatch)


# --- content ---------------------------------------------------------------------------------------------------------

STYLES = {
    "every cell ruled": pdfs.GRID,
    "no rules between the rows": pdfs.COLUMNS_ONLY,
    "no outer border": pdfs.INNER_ONLY,
    "no rules at all": pdfs.UNRULED,
    "striped": pdfs.STRIPES,
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_a_table_is_found_however_it_is_ruled(run: Run, style: Any) -> None:
    """The table of an invoice has its cells and its header, whatever lines are drawn."""
    (table,) = run(pdfs.invoice(*style)).page(1)["tables"]
    assert (table["rows"], table["header"]) == ([list(row) for row in pdfs.ITEMS], True)


def test_tables_can_be_switched_off(run: Run) -> None:
    """`tables=False` leaves the list empty."""
    assert run(pdfs.invoice(*pdfs.GRID), tables=False).page(1)["tables"] == []


def test_merged_cells_are_one_cell(run: Run) -> None:
    """The text is in the first of the merged cells, and the others are empty."""
    sheet = pdfs.Sheet()
    rows = [("Region", "", "Sum"), ("North", "East", "12"), ("South", "West", "30")]
    sheet.table(60, 100, rows, *pdfs.GRID, ("SPAN", (0, 0), (1, 0)))
    assert run(sheet.pdf()).page(1)["tables"][0]["rows"] == [list(row) for row in rows]


PROSE = [f"word{number} and some more words in this line of it" for number in range(8)]
NO_TABLES: dict[str, list[tuple[float, list[str]]]] = {
    "two columns of prose": [(60, PROSE), (330, PROSE)],
    "a list with bullets": [(60, ["•"] * 6), (90, ["one", "two", "three", "four", "five", "six"])],
    "a numbered list": [(60, ["1.", "2.", "3.", "4."]), (90, ["one", "two", "three", "four"])],
    "a table of contents": [(60, ["Introduction", "Methods", "Results", "Index"]), (400, ["1", "7", "12", "30"])],
    "a form": [(60, ["Name:", "Street:", "Town:", "Country:"]), (200, ["Ada", "Mill Lane", "London", "England"])],
    "a program": [(60, ["{", "int", "return", "}"]), (120, ["int a;", "b = 1;", "a + b;", "// done {"])],
}


@pytest.mark.parametrize("columns", NO_TABLES.values(), ids=NO_TABLES)
def test_aligned_text_that_is_no_table(run: Run, columns: list[tuple[float, list[str]]]) -> None:
    """Prose, lists, contents, forms and programs are aligned too."""
    sheet = pdfs.Sheet()
    for x, lines in columns:
        sheet.paragraph(x, 100, lines)
    assert run(sheet.pdf()).page(1)["tables"] == []


def test_values_beside_and_below_their_keys(run: Run) -> None:
    """All three layouts of key and value make pairs; a colon inside a paragraph does not."""
    pairs = {pair["key"]: pair["value"] for pair in run(pdfs.invoice(*pdfs.GRID)).page(1)["pairs"]}
    assert pairs == {
        "Invoice number": "2026-0042",
        "Date": "23 November 2026",
        "Customer": "K-1138",
        "Due": "2026-12-23",
        "Bill to": "Example Works Ltd\n12 Mill Lane\nSpringfield",
        "Total": "1,651.00",
    }


@pytest.mark.parametrize("text", ["https://example.org/a", "std::vector is one", "at 10:30", "C:\\files", "see: below"])
def test_other_colons_make_no_pairs(run: Run, text: str) -> None:
    """URLs, C++ names, times, paths and sentences have colons without a key."""
    sheet = pdfs.Sheet()
    sheet.text(60, 100, text)
    assert run(sheet.pdf()).page(1)["pairs"] == []


def test_filled_form_fields_are_pairs(run: Run) -> None:
    """The keys are the names that people see; an empty field makes no pair."""
    pairs = [(pair["key"], pair["value"]) for pair in run(pdfs.form()).page(1)["pairs"]]
    assert pairs == [("Surname", "Lovelace"), ("Member", "yes"), ("Newsletter", "no")]


def test_tables_and_pairs_have_their_place(run: Run) -> None:
    """Boxes are points from the top left corner of the upright page, whose width and height are told."""
    page = run(pdfs.invoice(*pdfs.GRID)).page(1)
    assert (page["width"], page["height"]) == (595.3, 841.9)
    (x0, top, x1, bottom) = page["tables"][0]["box"]
    assert (x0, top) == (60, 230)
    assert (x1, bottom) == pytest.approx((334, 320), abs=20)
    boxes = {pair["key"]: pair["box"] for pair in page["pairs"]}
    assert boxes["Customer"] == pytest.approx([360, 100, 475, 113], abs=5)
    assert boxes["Bill to"] == pytest.approx([60, 151, 145, 199], abs=5)
    assert [pair["box"] for pair in run(pdfs.form()).page(1)["pairs"]] == [None] * 3


def headings(outcome: Outcome, page: int) -> list[tuple[str, int]]:
    """The headings of a page and their levels."""
    return [(heading["text"], heading["level"]) for heading in outcome.page(page)["headings"]]


@pytest.mark.parametrize("outline", [False, True])
def test_headings_have_the_level_of_their_type_or_of_the_outline(run: Run, outline: bool) -> None:
    """Larger type is a higher level, bold text is a heading too, and a running title is not."""
    outcome = run(pdfs.report(4, outline=outline))
    for page in range(1, 5):
        chapter = (f"{page}. Chapter number {page}", 1)
        assert headings(outcome, page) == [chapter, (f"{page}.1 What it is about", 2), ("A remark", 3)]


def test_the_outline_decides_the_level(run: Run) -> None:
    """A heading in the outline has its level there, even if it looks like the body."""
    sheet = pdfs.Sheet()
    sheet.paragraph(60, 200, pdfs.BODY)
    sheet.text(60, 300, "4.2 Plainly set")
    sheet.canvas.bookmarkPage("top")
    sheet.canvas.addOutlineEntry("Top", "top", level=0)
    sheet.canvas.bookmarkPage("deep")
    sheet.canvas.addOutlineEntry("Plainly Set", "deep", level=1)
    assert headings(run(sheet.pdf()), 1) == [("4.2 Plainly set", 2)]


def test_a_heading_of_two_lines(run: Run) -> None:
    """Adjacent lines of the same type are one heading."""
    sheet = pdfs.Sheet()
    sheet.paragraph(60, 100, ["All that is known of the", "habits of lazy dogs"], 20)
    sheet.paragraph(60, 200, pdfs.BODY * 2)
    assert headings(run(sheet.pdf()), 1) == [("All that is known of the habits of lazy dogs", 1)]


def test_the_outline_of_the_result(run: Run) -> None:
    """It is the document's own, or made of its headings, and `outline_from` says which."""
    own = run(pdfs.report(2, outline=True)).result
    made = run(pdfs.report(2)).result
    first = {"title": "Chapter number 1", "level": 1, "page": 1}
    assert (own["outline_from"], own["outline"][0], len(own["outline"])) == ("document", first, 4)
    assert (made["outline_from"], made["outline"][0]["title"], len(made["outline"])) == (
        "headings",
        "1. Chapter number 1",
        6,
    )


def test_the_title_of_the_result(run: Run) -> None:
    """It is that of the metadata, unless a program made it up, else the first heading."""
    assert run(pdfs.report(1, title="The Truth")).result["title"] == "The Truth"
    assert run(pdfs.report(1, title="untitled")).result["title"] == "1. Chapter number 1"


def test_metadata(run: Run) -> None:
    """They have the title, the producer, whether the file is encrypted, and dates as RFC 3339."""
    metadata = run(pdfs.report(1, title="Truth")).result["metadata"]
    assert metadata["title"] == "Truth"
    assert metadata["created"] == "2000-01-01T00:00:00Z"
    assert metadata["encrypted"] is False
    assert metadata["producer"].startswith("ReportLab")


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("D:20150518143719-06'00'", "2015-05-18T14:37:19-06:00"),
        ("D:20150518143719Z", "2015-05-18T14:37:19Z"),
        ("D:2015", "2015-01-01T00:00:00Z"),
        ("D:20151399", None),
        ("D:20150518143719+99'00'", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(text: str, date: str | None) -> None:
    """A PDF date (ISO 32000-1, 7.9.4) becomes RFC 3339, and other text None."""
    assert engine.date(text) == date


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_pages(run: Run, degrees: int) -> None:
    """A page is read like any other if it is turned."""
    upright, turned = pdfs.invoice(*pdfs.GRID), pdfs.rotated(pdfs.invoice(*pdfs.GRID), degrees)
    assert run(turned).result["pages"] == run(upright).result["pages"]


def test_counts_add_up(run: Run) -> None:
    """`counts` are those of the selected pages."""
    result = run(pdfs.report(3), pages="2-3").result
    texts = [page["text"] for page in result["pages"]]
    assert result["counts"] == {
        "pages": 2,
        "words": sum(len(text.split()) for text in texts),
        "characters": sum(map(len, texts)),
        "headings": 6,
        "tables": 0,
        "pairs": 0,
    }
    assert result["page_count"] == 3


def test_hyphenated_words_are_joined(run: Run) -> None:
    """A word that continues in the next line has no hyphen in the text."""
    sheet = pdfs.Sheet()
    sheet.paragraph(60, 100, ["The minutes of the extra-", "ordinary meeting were read"])
    assert run(sheet.pdf()).page(1)["text"] == "The minutes of the extraordinary\nmeeting were read"


def test_invalid_characters_of_a_font_are_dropped(run: Run) -> None:
    """A lone surrogate and a NUL in a font's map do not reach the text."""
    outcome = run(pdfs.unicode_holes())
    text = outcome.page(1)["text"]
    assert text.endswith("Z")
    assert "\0" not in text
    assert text.encode()


@given(st.text(st.characters(codec=None, categories=None)))
def test_clean_text_can_be_encoded(text: str) -> None:
    """The result is UTF-8 without control characters but tab and LF, and cleaning it again changes nothing."""
    cleaned = clean(text)
    cleaned.encode()
    assert not [character for character in cleaned if character < " " and character not in "\t\n"]
    assert clean(cleaned) == cleaned


def test_a_scan_is_a_warning(run: Run) -> None:
    """A page that is only a picture has no text, and a warning lists it."""
    outcome = run(pdfs.scan())
    assert outcome.page(1)["text"] == ""
    assert [(warning["code"], warning["pages"]) for warning in outcome.result["warnings"]] == [("picture_page", [1])]


# --- events ----------------------------------------------------------------------------------------------------------


def test_each_page_is_a_partial_and_progress(run: Run) -> None:
    """The run says what it opens and how many pages there are; the result has the pages of the partials."""
    outcome = run(pdfs.report(3))
    events = [(event.name, event.data.get("key"), event.data.get("done")) for event in outcome.events]
    assert events == [
        ("progress", None, None),
        ("progress", None, 0),
        *(step for page in (1, 2, 3) for step in (("partial", f"page-{page}", None), ("progress", None, page))),
    ]
    assert all(e.data["total"] == 3 and e.data["unit"] == "pages" for e in outcome.events[1:] if e.name == "progress")
    assert [e.data["value"] for e in outcome.events if e.name == "partial"] == outcome.result["pages"]
    assert undeclared(extract, outcome.events) == []


def test_the_file_name_has_no_folders(run: Run) -> None:
    """Folders in the name that the client sends are dropped."""
    assert run(pdfs.report(1), filename="../../C:\\temp\\report.pdf").result["filename"] == "report.pdf"


def test_pictures_are_files(run: Run) -> None:
    """With `render` each page names the file that has its picture, which is handed over before the page."""
    outcome = run(pdfs.report(2), render=True)
    assert [page["thumbnail"] for page in outcome.result["pages"]] == ["page-1.jpg", "page-2.jpg"]
    names = [event.name for event in outcome.events if event.name in ("file", "partial")]
    assert names == ["file", "partial"] * 2
    assert max(len(event.body) for event in outcome.events) < 10_000
    assert outcome.files["page-1.jpg"].type == "image/jpeg"
    picture = outcome.picture("page-1.jpg")
    assert (picture.format, max(picture.size)) == ("JPEG", engine.PICTURE)
    assert len(set(picture.convert("L").tobytes())) > 2, "the picture is blank"
    assert "thumbnail" not in run(pdfs.report(1)).page(1)


@pytest.mark.parametrize("box", [b"[0 0 9000000 9000000]", b"[0 0 9000000 1]", b"[0 0 0 0]"])
def test_a_page_of_any_size_has_a_small_thumbnail(run: Run, box: bytes) -> None:
    """The size of a page does not decide how much memory its picture takes."""
    page = b"<</Type/Page/Parent 2 0 R/MediaBox" + box
    outcome = run(pdfs.one_page(b"0 0 m 100 100 l S", page=page), render=True)
    assert max(outcome.picture("page-1.jpg").size) <= engine.PICTURE


def test_a_long_result_refers_to_its_pages(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """So no event is long; a page that is too long itself is cut, and so is another member, with a warning."""
    monkeypatch.setattr(long_results, "MOST", 3_000)
    long = pdfs.Sheet()
    long.paragraph(60, 60, [f"Line {number} of a page that has more text than others have" for number in range(70)])
    for pdf, cut in ((pdfs.report(6), []), (long.pdf(), [1])):
        outcome = run(pdf)
        assert max(len(event.body) for event in outcome.events) < 3_100
        assert len(json.dumps(outcome.sent)) < 4_000
        refers = outcome.sent["pages"][0] == {"$partial": "page-1"}
        assert refers == (not cut)
        assert outcome.result["pages"] == [value for key, value in outcome.partials.items() if key.startswith("page-")]
        codes = {warning["code"]: warning.get("pages") for warning in outcome.result["warnings"]}
        assert codes.get("page_cut", []) == cut
        assert [e.data["code"] for e in outcome.events if e.name == "warning"] == list(codes)


# --- input -----------------------------------------------------------------------------------------------------------


def test_pages_are_selected_by_number_and_range(run: Run) -> None:
    """The result has each page once, in order."""
    outcome = run(pdfs.report(5), pages=" 4, 1-2 ,2")
    assert [page["page"] for page in outcome.result["pages"]] == [1, 2, 4]


@pytest.mark.parametrize(
    "pages", ["0", "5-2", "1-", "-3", "1,,2", "1;2", "two", "1.5", "٣-", "1" * 9, "1," * 600 + "1"]
)
def test_invalid_pages(pages: str) -> None:
    """The input is invalid, and the error names the field."""
    with pytest.raises(ValidationError) as failure:
        Extract(file=Upload(Path("x"), "x", "", 1), pages=pages)
    assert [error["loc"] for error in failure.value.errors()] == [("pages",)]


def test_pages_beyond_the_document(run: Run) -> None:
    """The run fails if the document is shorter."""
    assert code_of(run, pdfs.report(2), pages="1,3") == "pages_out_of_range"


def test_the_number_of_pages_is_limited(run: Run) -> None:
    """A run on thousands of pages fails, unless it selects a part of them."""
    pdf = pdfs.many_pages(MAX_PAGES + 1)
    assert code_of(run, pdf) == "too_many_pages"
    assert run(pdf, pages=f"{MAX_PAGES + 1}").result["counts"]["pages"] == 1


def test_millions_of_pages_are_not_counted_one_by_one() -> None:
    """Ranges that repeat millions of pages fail at once."""
    with pytest.raises(OperationError, match="too_many_pages"):
        page_numbers(",".join(["1-9999999"] * 80), 9_999_999)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"file": Upload(Path("x"), "x.pdf", "", 1), "document_url": "https://example.org/x.pdf"},
        {"document_url": "ftp://example.org/x.pdf"},
        {"document_url": "https://ann:secret@example.org/x.pdf"},
        {"document_url": "https://"},
    ],
)
def test_the_input_has_one_document(options: dict[str, Any]) -> None:
    """A file or an HTTP URL without credentials, and not both."""
    with pytest.raises(ValidationError) as failure:
        Extract(**options)
    assert [error["loc"] for error in failure.value.errors()] == [("document_url",)]


def test_empty_fields_of_a_form_are_ignored() -> None:
    """A browser sends every field of a form, and an empty file without a name if none is chosen."""
    no_file = Upload(Path("x"), "", "application/octet-stream", 0)
    form = {"document_url": "https://example.org/x.pdf", "pages": " ", "password": "", "file": no_file}
    fields = Extract.model_validate({**form, "tables": "false", "render": "on"})
    assert (fields.pages, fields.password, fields.file, fields.tables, fields.render) == (
        None,
        None,
        None,
        False,
        True,
    )


def test_the_schema_is_enough_for_a_form() -> None:
    """Every field has a title and a description, the password is marked as one, and other fields are not allowed."""
    schema = Extract.model_json_schema()
    assert all({"title", "description"} <= set(field) for field in schema["properties"].values())
    assert {"format": "password", "writeOnly": True, "type": "string"} in schema["properties"]["password"]["anyOf"]
    assert schema["additionalProperties"] is False


def test_the_password_is_not_logged() -> None:
    """The `repr` of the input does not contain it."""
    assert "secret" not in repr(Extract(file=Upload(Path("x"), "x", "", 1), password="secret"))


# --- failures --------------------------------------------------------------------------------------------------------

ALGORITHMS = ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_encrypted_documents(run: Run, algorithm: str) -> None:
    """A missing and a wrong password have different codes; with the right one the run succeeds."""
    pdf = pdfs.encrypted(pdfs.report(1), "Grüße", algorithm) if algorithm == "AES-256" else None
    pdf = pdf or pdfs.encrypted(pdfs.report(1), "sesame", algorithm)
    password = "Grüße" if algorithm == "AES-256" else "sesame"
    assert code_of(run, pdf) == "password_required"
    assert code_of(run, pdf, password="mustard") == "wrong_password"
    assert code_of(run, pdf, password="\ud800") == "wrong_password"
    result = run(pdf, password=password).result
    assert (result["metadata"]["encrypted"], result["counts"]["headings"]) == (True, 3)


def test_a_password_that_is_not_needed(run: Run) -> None:
    """A document without encryption is read with any password."""
    assert run(pdfs.report(1), password="sesame").result["counts"]["pages"] == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"hello", "not_a_pdf"),
        (b"PK\x03\x04" + b"\0" * 5000, "not_a_pdf"),
        (b"\0" * 2000 + b"%PDF-1.7\nstartxref\n0\n%%EOF", "damaged_pdf"),
        (b"%PDF-1.7\n", "truncated_pdf"),
        (b"%PDF-1.7\nnothing else\nstartxref\n9\n%%EOF\n", "damaged_pdf"),
        (b"%PDF-1.7\n1 0 obj<</Linearized 1/L 9999>>endobj startxref\n0\n%%EOF", "truncated_pdf"),
    ],
)
def test_files_that_are_no_complete_pdf(run: Run, content: bytes, code: str) -> None:
    """An empty file, another kind of file, a truncated and a damaged one have different codes."""
    assert code_of(run, content) == code


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.98])
def test_a_truncated_document_has_no_partial_result(run: Run, share: float) -> None:
    """The run fails, wherever the file was cut, instead of returning the remaining pages."""
    pdf = pdfs.report(5)
    assert code_of(run, pdf[: int(share * len(pdf))]) == "truncated_pdf"


@pytest.mark.parametrize("pdf", [pdfs.deep_tree(3000), pdfs.looped_tree()], ids=["deep", "looped"])
def test_an_endless_page_tree(run: Run, pdf: bytes) -> None:
    """A very deep tree, and one that contains itself, are errors and not a crash."""
    assert code_of(run, pdf) == "damaged_pdf"


def test_one_damaged_page(run: Run) -> None:
    """The other pages are read, and a warning lists the damaged one."""
    outcome = run(pdfs.damaged_page(), render=True)
    assert outcome.result["warnings"] == [
        {"code": "damaged_page", "message": "These pages are damaged and could not be read.", "pages": [2]}
    ]
    assert [page["thumbnail"] is None for page in outcome.result["pages"]] == [False, True, False]


def test_too_much_text(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page, and a document, with too many characters are `too_large`."""
    with monkeypatch.context() as patched:
        patched.setattr(codes, "MAX_CHARACTERS", 100)
        assert code_of(run, pdfs.report(1)) == "too_large"
    monkeypatch.setattr(reader, "MAX_TEXT", 1000)
    assert code_of(run, pdfs.report(3)) == "too_large"


def test_a_drawing_has_no_tables(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page with too many lines is read as text alone."""
    sheet = pdfs.Sheet()
    sheet.table(60, 100, [("North", "12"), ("South", "30")], *pdfs.GRID)
    pdf = sheet.pdf()
    assert len(run(pdf).page(1)["tables"]) == 1
    monkeypatch.setattr(objects, "MAX_OBJECTS", 5)
    page = run(pdf).page(1)
    assert (page["tables"], page["text"]) == ([], "North 12\nSouth 30")


def test_the_service_does_not_import_what_only_the_child_needs() -> None:
    """Importing the operation loads neither PDFium nor Pillow nor httpx."""
    script = "import sys, operations.extract; print([m for m in ('pypdfium2', 'PIL', 'httpx') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


# --- from a URL ------------------------------------------------------------------------------------------------------


class _Web(BaseHTTPRequestHandler):
    """A web server: each path shows one behaviour of a host."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Responds by the path."""
        port = self.connection.getsockname()[1]
        answers: dict[str, tuple[int, dict[str, str], bytes]] = {
            "/report.pdf": (200, {}, pdfs.report(2)),
            "/moved": (302, {"Location": "/report.pdf"}, b""),
            "/abroad": (302, {"Location": f"http://localhost:{port}/report.pdf"}, b""),
            "/file": (302, {"Location": "file:///etc/passwd"}, b""),
            "/ann": (302, {"Location": f"http://ann:x@127.0.0.1:{port}/report.pdf"}, b""),
            "/round": (302, {"Location": "/round"}, b""),
            "/broken": (500, {}, b""),
            "/packed": (200, {"Content-Encoding": "gzip"}, b"x"),
            "/page.html": (200, {}, b"<!doctype html>"),
        }
        status, headers, body = answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """The host and port of that server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def allowing(hosts: str) -> Iterator[None]:
    """Allows these hosts in the `with` block."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HEADWAY_DOCUMENT_HOSTS", hosts)
        yield


@pytest.mark.parametrize("path", ["report.pdf", "moved"])
def test_a_document_is_fetched_from_an_allowed_host(run: Run, web: str, path: str) -> None:
    """The document is read like an upload; a redirect to an allowed host is followed."""
    with allowing(f"example.org, {web}"):
        outcome = run(document_url=f"http://{web}/{path}")
    assert outcome.result["counts"]["pages"] == 2
    assert outcome.result["filename"] == path
    assert outcome.events[0].data["step"] == "fetch"


def test_a_large_download_reports_progress(run: Run, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The progress counts bytes."""
    monkeypatch.setattr(fetch, "STEP", 500)
    with allowing(web):
        fetched = [e.data for e in run(document_url=f"http://{web}/report.pdf").events if e.data.get("step") == "fetch"]
    assert fetched[-1]["unit"] == "bytes"
    assert 0 < fetched[-1]["done"] <= fetched[-1]["total"] == len(pdfs.report(2))


@pytest.mark.parametrize("hosts", ["", "example.org", "127.0.0.1", "127.0.0.1:1", "*", "localhost:{port}"])
def test_no_other_host_is_allowed(run: Run, web: str, hosts: str) -> None:
    """The list is empty by default, a host without a port means the default port, and there are no wildcards."""
    with allowing(hosts.format(port=web.partition(":")[2])):
        assert code_of(run, document_url=f"http://{web}/report.pdf") == "host_not_allowed"


@pytest.mark.parametrize(
    ("path", "code", "retryable"),
    [
        ("abroad", "host_not_allowed", False),
        ("file", "fetch_failed", False),
        ("ann", "fetch_failed", False),
        ("round", "fetch_failed", False),
        ("missing", "fetch_failed", False),
        ("broken", "fetch_failed", True),
        ("packed", "fetch_failed", False),
        ("page.html", "not_a_pdf", False),
    ],
)
def test_failed_downloads(run: Run, web: str, path: str, code: str, retryable: bool) -> None:
    """Redirects to other hosts or in a circle, errors and other content fail the run with their code."""
    with allowing(web), pytest.raises(OperationError) as failure:
        run(document_url=f"http://{web}/{path}")
    assert (failure.value.code, failure.value.retryable) == (code, retryable)


def test_a_refused_connection_is_retryable(run: Run, web: str) -> None:
    """The host may accept connections later."""
    with allowing("127.0.0.1:1"), pytest.raises(OperationError) as failure:
        run(document_url="http://127.0.0.1:1/report.pdf")
    assert (failure.value.code, failure.value.retryable) == ("fetch_failed", True)


def test_the_size_of_a_download_is_limited(run: Run, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document above the limit fails the run."""
    monkeypatch.setattr(fetch, "MAX_BYTES", 1000)
    with allowing(web):
        assert code_of(run, document_url=f"http://{web}/report.pdf") == "too_large"


# --- real documents --------------------------------------------------------------------------------------------------


def test_the_filesystem_hierarchy_standard(run: Run) -> None:
    """Fifty pages of a real document: chapters, sections and all 33 tables, which have no outer borders."""
    outcome = run(pdfs.debian("fhs/fhs-3.0.pdf"))
    assert outcome.result["title"] == "Filesystem Hierarchy Standard"
    assert outcome.result["counts"]["pages"] == 50
    assert headings(outcome, 10) == [
        ("Chapter 3. The Root Filesystem", 1),
        ("3.1. Purpose", 2),
        ("Rationale", 5),
        ("Rationale", 5),
    ]
    table = outcome.page(9)["tables"][0]
    assert table["header"]
    assert table["rows"] == [
        ["", "shareable", "unshareable"],
        ["static", "/usr\n/opt", "/etc\n/boot"],
        ["variable", "/var/mail\n/var/spool/news", "/var/run\n/var/lock"],
    ]
    assert outcome.page(33)["tables"][0]["rows"][2] == [
        "English",
        "United Kingdom",
        "Unicode UTF-8",
        "/usr/share/man/\nen_GB.10646",
    ]
    with_header = [table for page in outcome.result["pages"] for table in page["tables"] if table["header"]]
    assert len(with_header) == 33
    assert outcome.result["counts"]["pairs"] == 0
    json.dumps(outcome.result, allow_nan=False).encode()


def test_the_debian_policy_manual(run: Run) -> None:
    """A document made by TeX, with an outline of 339 entries: neither its contents nor its prose is a table."""
    outcome = run(pdfs.debian("policy.pdf"), pages="1-60")
    assert (outcome.result["outline_from"], len(outcome.result["outline"])) == ("document", 339)
    assert outcome.result["counts"]["tables"] == 0
    assert headings(outcome, 24) == [
        ("3.2 The version of a package", 2),
        ("3.2.1 Version numbers based on dates", 3),
        ("3.2.2 Uniqueness of version numbers", 3),
    ]
