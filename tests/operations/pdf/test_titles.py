"""Titles that programs write, and titles."""

from __future__ import annotations

import pytest

from operations.pdf.titles import is_title
from tests import pdfs
from tests.operations.documents import Run


@pytest.mark.parametrize(
    "title",
    [
        "Microsoft Word - x.doc",
        "Microsoft Word - Final report",
        "Microsoft PowerPoint - Slides.pptx",
        "report_v3.docx",
        "C:\\Users\\ann\\Desktop\\Angebot 12.xls",
        "/home/ann/thesis.tex",
        "paper.dvi",
        "Untitled",
        "untitled-2",
        "(anonymous)",
        "Document1",
        "PowerPoint-Präsentation",
        "https://example.org/print?id=4",
        "scan0001.pdf",
        "12345",
        "",
        "file:///tmp/a.html",
        "Layout 1.indd",
        "about:blank",
        '"Angebot.odt"',
    ],
)
def test_what_is_no_title(title: str) -> None:
    """Names of files, addresses, and what a program writes where a document has none."""
    assert not is_title(title)


@pytest.mark.parametrize(
    "title",
    [
        "Filesystem Hierarchy Standard",
        "Writing documents in LaTeX",
        "What is new in Python 3.11?",
        "Node.js in Practice",
        "北京云海科技有限公司",
        "Document structure",
        "Q&A: .NET",
        "A PDF/A Primer",
        "Microsoft Word for Lawyers",
        "Über den Text",
    ],
)
def test_what_is_a_title(title: str) -> None:
    """Words of a person, also where they speak of programs."""
    assert is_title(title)


def test_a_heading_instead_of_a_file_name(run: Run) -> None:
    """The title of the result is the first heading then; the metadata keep what the file says."""
    result = run(pdfs.report(1, title="Microsoft Word - x.doc")).result
    assert (result["title"], result["metadata"]["title"]) == ("1. Chapter number 1", "Microsoft Word - x.doc")
