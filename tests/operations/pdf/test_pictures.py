"""Pages that are mostly picture are told."""

from __future__ import annotations

import pytest
from PIL import Image

from tests import pdfs
from tests.operations.documents import Run, codes


def test_a_scan_with_a_fax_line(run: Run) -> None:
    """A line of text on a page that is a picture does not make it a page of text."""
    sheet = pdfs.Sheet()
    sheet.picture(20, 20, 555, 800)
    sheet.text(40, 15, "From: +49 30 1234567   2026-03-12 09:14   Page 1/1", 8)
    sheet.new_page()
    sheet.paragraph(60, 100, pdfs.BODY)
    outcome = run(sheet.pdf())
    assert "1234567" in outcome.page(1)["text"]
    assert codes(outcome) == [("picture_page", [1])]


@pytest.mark.parametrize("pieces", [1, 12])
def test_a_scan_in_strips(run: Run, pieces: int) -> None:
    """Scanners cut a page into strips; together they are one picture."""
    sheet = pdfs.Sheet()
    for piece in range(pieces):
        sheet.picture(0, 842 * piece / pieces, 595, 842 / pieces)
    sheet.text(40, 15, "Received 12 March")
    assert codes(run(sheet.pdf())) == [("picture_page", [1])]


def test_a_page_with_a_logo_or_a_background(run: Run) -> None:
    """Neither a small picture beside text nor a large one behind it makes a page a picture."""
    sheet = pdfs.Sheet()
    sheet.picture(400, 20, 100, 60)
    sheet.text(60, 100, "Invoice")
    sheet.new_page()
    sheet.picture(0, 0, 595, 842, Image.effect_noise((64, 64), 10))  # nowhere as dark as the text
    for top in range(100, 500, 50):
        sheet.paragraph(60, top, pdfs.BODY)
    assert codes(run(sheet.pdf())) == []


def test_a_drawing_without_text(run: Run) -> None:
    """Text that was turned into shapes can be seen and not be read."""
    sheet = pdfs.Sheet()
    for at in range(200):
        sheet.canvas.rect(60 + 2 * at, 400, 1, 8, fill=1)
    sheet.new_page()
    sheet.canvas.rect(60, 400, 100, 100)
    assert codes(run(sheet.pdf())) == [("picture_page", [1])]
