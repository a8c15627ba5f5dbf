"""What may stand around a PDF in its file, and what means that a part of it is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from operations.pdf.envelope import has_header
from tests import pdfs
from tests.operations.documents import Run, code_of

HTTP_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n" + b"X-Padding: %b\r\n" % (b"x" * 1500) + b"\r\n"
PDF = pdfs.report(2)
WITHOUT_XREF = re.sub(rb"xref\n0 \d+\n(\d{10} \d{5} [nf] ?\r?\n)+", b"", PDF)
UPDATE = b"99 0 obj\n<</Type/Metadata>>\nendobj\n"


@pytest.mark.parametrize(
    "file",
    {
        "NULs after the end": PDF + b"\0" * 100_000,
        "blanks after the end": PDF + b" \r\n" * 3_000,
        "a tail of HTTP": PDF + b"\r\n--boundary--\r\n" + b"<html><p>An object of 4 KB</p></html>\n" * 200,
        "a short tail": PDF + b"\r\n0\r\n\r\n",
        "a head of HTTP": HTTP_HEAD + PDF,
        "much before the header": b"\x1b%-12345X@PJL SET RESOLUTION=600\r\n" * 3_000 + PDF,
        "both": HTTP_HEAD + PDF + b"\0" * 10_000,
        "no table of objects": WITHOUT_XREF,
        "no table of objects, and padding": WITHOUT_XREF + b"\0" * 10_000,
        "a table of objects that is elsewhere": re.sub(rb"startxref\n\d+", b"startxref\n77", PDF),
        "no mark of the end": PDF.replace(b"%%EOF", b""),
        "an update": PDF + UPDATE + b"trailer<</Root 6 0 R/Size 100>>\nstartxref\n0\n%%EOF\n",
    }.items(),
    ids=lambda file: file[0],
)
def test_what_is_around_a_document(run: Run, file: tuple[str, bytes]) -> None:
    """It is read as if that were not there."""
    assert file[1] != PDF
    pages = run(file[1]).result["pages"]
    assert [page["text"].splitlines()[1] for page in pages] == ["1. Chapter number 1", "2. Chapter number 2"]


@pytest.mark.parametrize(
    "cut",
    [
        lambda pdf: pdf[: pdf.rindex(b"startxref")],
        lambda pdf: pdf[: len(pdf) // 2] + b"\0" * 5_000,
        lambda pdf: HTTP_HEAD + pdf[: len(pdf) // 2],
        lambda pdf: pdf + UPDATE + b"10 0 obj\n<</Length 900>>stream\nBT",
        lambda pdf: pdf + UPDATE[:-9],
    ],
    ids=["before startxref", "padded", "after a head of HTTP", "in an update", "in an update's first object"],
)
def test_real_cuts(run: Run, cut: Callable[[bytes], bytes]) -> None:
    """A part of the document is missing: no partial result."""
    assert code_of(run, cut(PDF)) == "truncated_pdf"


def test_what_is_no_pdf_at_all(run: Run) -> None:
    """A header further down than any message's head is none."""
    assert code_of(run, b"\0" * (1 << 20) + PDF) == "not_a_pdf"


def test_the_agent_reads_such_a_file_too(tmp_path: Path) -> None:
    """It is not taken for text."""
    path = tmp_path / "0"
    path.write_bytes(HTTP_HEAD + PDF)
    assert has_header(path)
    path.write_bytes(b"Our price list is a PDF.")
    assert not has_header(path)
