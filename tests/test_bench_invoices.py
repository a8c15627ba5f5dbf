"""The invoices of the benchmark: what is right for each field is what its document says."""

from __future__ import annotations

import pytest

from bench.invoice_pages import INVOICES
from bench.invoices import KINDS, judge, read
from operations.form.evidence import PageText


def test_there_are_a_hundred_fields() -> None:
    """Ten for each of ten invoices, and at least one in each that the document does not hold."""
    assert [len(each.answers) for each in INVOICES] == [10] * 10
    assert all(any(right is None or None in _several(right) for _, right in each.answers.values()) for each in INVOICES)


def test_the_right_values_stand_in_the_document() -> None:
    """Each field has one that does, or none; a day that is so many days after another does not stand there."""
    for invoice in INVOICES:
        parts = [part for page in invoice.pages for part in page]
        page = PageText(1, "\n".join(part[2] if len(part) == 3 else _lines(part[2]) for part in parts))
        for name, (_, right) in invoice.answers.items():
            values = _several(right)
            assert None in values or any(map(page.has, values)), (invoice.name, name)


def test_an_invoice_is_a_document_that_extract_reads() -> None:
    """With the letters of its language, in the order in which it is drawn."""
    polish = next(each for each in INVOICES if each.name == "polish")
    [page] = read(polish, None)["pages"]
    assert "Plakat B1 150 8,40 1 260,00 23% 1 549,80\nRazem 7 460,00 599,80 8 059,80\nDo zapłaty:" in page["text"]


@pytest.mark.parametrize(
    ("value", "right", "unverified", "kind"),
    [
        (5.0, 5, [], KINDS[0]),
        (None, None, [], KINDS[0]),
        ("ACME Ltd.", ("Acme Ltd", "Acme"), [], KINDS[0]),
        (5.0, 5, ["/it"], KINDS[1]),
        (None, 5, [], KINDS[1]),
        (6, 5, ["/it"], KINDS[1]),
        (6, 5, [], KINDS[2]),
        ("x", None, [], KINDS[2]),
    ],
)
def test_answers_are_judged(value: object, right: object, unverified: list[str], kind: str) -> None:
    """A value that says that it is doubtful is told, also if it is right."""
    result = {"fields": {"it": value}, "unverified": unverified, "not_understood": {}, "incomplete": [], "evidence": {}}
    assert judge("it", right, result)[0] == kind


def _several(right: object) -> tuple[object, ...]:
    return right if isinstance(right, tuple) else (right,)


def _lines(rows: list[list[str]]) -> str:
    return "\n".join(map(" ".join, rows))
