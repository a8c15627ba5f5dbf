"""Hyphens at the end of a line stay in addresses and compounds, and go where they only part a word."""

from __future__ import annotations

import pytest

from operations.pdf.hyphens import joined, words
from tests import pdfs
from tests.operations.documents import Run

PAGE = words("The well-known long-term plan is for information on the whole; we re-read it.")


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ("exam", "ple,", "example,"),
        ("(infor", "mation)", "(information)"),
        ("well", "known", "well-known"),
        ("“Long", "term”", "“Long-term”"),
        ("https://example", "site.org/a", "https://example-site.org/a"),
        ("ann.example@my", "company.com", "ann.example@my-company.com"),
        ("/usr/share/my", "package", "/usr/share/my-package"),
        ("2026-03", "12", "2026-03-12"),
        ("0301234", "56", "0301234-56"),
        ("state-of-the", "art", "state-of-the-art"),
        ("state", "of-the-art", "state-of-the-art"),
        ("e", "mail", "e-mail"),
        ("twenty", "one", "twenty-one"),
        ("self", "service", "self-service"),
        ("self", "ish", "selfish"),
        ("Jean", "Paul", "Jean-Paul"),
        ("E-Mail-Adres", "sen", "E-Mail-Adressen"),
        ("in", "side", "inside"),
        ("pho", "to", "photo"),
        ("some", "times", "sometimes"),
    ],
)
def test_the_parts_of_a_word(first: str, second: str, word: str) -> None:
    """A compound that the page has elsewhere, and one that is certain by itself, keeps its hyphen."""
    assert joined(first, second, PAGE) == word


def test_a_page(run: Run) -> None:
    """The page's own words decide."""
    lines = ["A well-known site is www.example-", "site.org, and it is a well-", "known place for infor-", "mation."]
    sheet = pdfs.Sheet()
    sheet.paragraph(60, 100, lines)
    text = " ".join(run(sheet.pdf()).page(1)["text"].split())
    assert text == "A well-known site is www.example-site.org, and it is a well-known place for information."
