"""Forms, notes and stamps: what is filled in on a page belongs to its text, as it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from operations.extract import model_text
from tests import pdfs
from tests.operations.documents import Run

CHOICE = b"/FT/Ch/Ff 131072/T(country)/TU(Country)/V(de)/Opt[[(de)(Germany)][(fr)(France)]]"
PASSWORD = b"/FT/Tx/Ff 8192/T(pin)/TU(PIN)/V(s3cret)"
NAME = b"/FT/Tx/T(name)/TU(Name)/V(Ada Lovelace)"
DRAWN = b"<</Type/XObject/Subtype/Form/BBox[0 0 200 18]/Resources<</Font<</F 5 0 R>>>>/Length %d>>stream\n%b\nendstream"


def pairs(page: dict[str, Any]) -> dict[str, str]:
    """The pairs of a page."""
    return {pair["key"]: pair["value"] for pair in page["pairs"]}


def drawn(text: bytes) -> bytes:
    """The appearance of an annotation that shows this text."""
    content = b"BT /F 12 Tf 2 4 Td (%b) Tj ET" % text
    return DRAWN % (len(content), content)


@pytest.mark.parametrize("appearances", [b"", b"/NeedAppearances true"], ids=["none", "to be made"])
def test_values_stand_beside_their_labels(run: Run, appearances: bytes) -> None:
    """A text field, a choice by its label, a password as stars, whether the file has pictures of them or not."""
    content = (
        pdfs.label(100, "Full name") + pdfs.label(130, "Country") + pdfs.label(160, "PIN") + pdfs.label(190, "End")
    )
    fields = pdfs.widget(100, NAME), pdfs.widget(130, CHOICE), pdfs.widget(160, PASSWORD)
    page = run(pdfs.annotated(*fields, form=appearances, content=content)).page(1)
    assert page["text"] == "Full name Ada Lovelace\nCountry Germany\nPIN ******\nEnd"
    assert pairs(page) == {"Name": "Ada Lovelace", "Country": "Germany", "PIN": "******"}


def test_a_drawn_password_is_not_shown(run: Run) -> None:
    """Some programs draw the password into the picture of its field: neither text nor thumbnail has it."""
    field = pdfs.widget(160, PASSWORD + b"/AP<</N 7 0 R>>")
    outcome = run(pdfs.annotated(field, extra=[drawn(b"s3cret")]), render=True)
    assert outcome.page(1)["text"] == "******"
    assert "s3cret" not in str(outcome.result) + str(outcome.events)


def test_boxes_to_check(run: Run) -> None:
    """A box to check is in the text, before or behind its label, with its mark or without."""
    sheet = pdfs.Sheet()
    form = sheet.canvas.acroForm
    for top, name, checked in ((100, "Member", True), (130, "Newsletter", False)):
        form.checkbox(name=name, checked=checked, x=60, y=842 - top - 4, size=12)
        sheet.text(90, top, name)
    sheet.text(60, 160, "Paid by")
    for left, value in ((120, "card"), (220, "bill")):
        form.radio(name="paid", value=value, selected=value == "bill", x=left, y=842 - 164, size=12)
        sheet.text(left + 20, 160, value)
    page = run(sheet.pdf()).page(1)
    assert page["text"] == "☑ Member\n☐ Newsletter\nPaid by ○ card ◉ bill"
    assert pairs(page) == {"Member": "yes", "Newsletter": "no", "paid": "bill"}


def test_several_choices_and_lines(run: Run) -> None:
    """A list shows all its chosen options by their labels; a field of several lines keeps them."""
    several = b"/FT/Ch/Ff 2097152/T(langs)/V[(a)(c)]/I[0 2]/Opt[[(a)(Ada)][(b)(Basic)][(c)(Cobol)]]"
    lines = b"/FT/Tx/Ff 4096/T(address)/V(12 Mill Lane\\rSpringfield)"
    content = pdfs.label(230, "Address")
    page = run(
        pdfs.annotated(pdfs.widget(100, several, height=60), pdfs.widget(230, lines, height=40), content=content)
    ).page(1)
    assert pairs(page) == {"langs": "Ada, Cobol", "address": "12 Mill Lane\nSpringfield"}
    assert "Address 12 Mill Lane\nSpringfield" in page["text"]


def test_notes_and_stamps(run: Run) -> None:
    """A note is text whether the file has its picture or not, and so is a stamp; the thumbnail shows them too."""
    rect = b"/F 4/Rect[72 500 272 518]"
    note = b"<</Type/Annot/Subtype/FreeText/Contents(Call back on Monday)/DA(/Helv 12 Tf 0 g)%b>>" % rect
    stamp = b"<</Type/Annot/Subtype/Stamp/AP<</N 8 0 R>>/F 4/Rect[72 400 272 418]>>"
    pdf = pdfs.annotated(note, stamp, content=pdfs.label(100, "Letter"), extra=[drawn(b"PAID 2026-03-12")])
    outcome = run(pdf, render=True)
    page = outcome.page(1)
    assert page["text"] == "Letter\nCall back on Monday\nPAID 2026-03-12"
    with_notes = outcome.picture("page-1.jpg").convert("L").resize((247, 320))
    assert min(with_notes.crop((30, 115, 110, 165)).tobytes()) < 200  # where note and stamp stand


@pytest.mark.parametrize("flags", [2, 32], ids=["hidden", "no view"])
def test_fields_that_nobody_sees(run: Run, flags: int) -> None:
    """A hidden field, or one beside the page, is neither text nor pair."""
    hidden = pdfs.widget(100, NAME).replace(b"/F 4", b"/F %d" % flags)
    beside = pdfs.widget(100, CHOICE, left=700)
    page = run(pdfs.annotated(hidden, beside, content=pdfs.label(130, "Seen"))).page(1)
    assert (page["text"], page["pairs"]) == ("Seen", [])


def test_the_model_reads_a_form(run: Run) -> None:
    """Values are in the text that it gets; where a page has nothing else, the names of the fields too."""
    page = run(pdfs.annotated(pdfs.widget(100, NAME), pdfs.widget(130, CHOICE))).page(1)
    assert model_text(page) == "Name: Ada Lovelace\nCountry: Germany"
    page = run(pdfs.annotated(pdfs.widget(100, NAME), content=pdfs.label(100, "Applicant"))).page(1)
    assert model_text(page) == "Applicant Ada Lovelace"


def test_a_form_in_two_columns(run: Run) -> None:
    """A value goes to the label on its left, not to the other column."""
    content = b"".join(
        pdfs.label(top, f"{side} {top}", left) for left, side in ((60, "L"), (320, "R")) for top in (100, 130)
    )
    fields = [
        pdfs.widget(top, b"/FT/Tx/T(f%d%d)/V(%d-%d)" % (left, top, left, top), left=left, width=90)
        for left in (380, 120)
        for top in (130, 100)
    ]
    lines = run(pdfs.annotated(*fields, content=content)).page(1)["text"].splitlines()
    assert [part for line in lines for part in ("L 100 120-100", "R 100 380-100") if part in line] == [
        "L 100 120-100",
        "R 100 380-100",
    ]


def test_a_page_of_many_fields_is_bounded(run: Run) -> None:
    """Thousands of fields are read as far as the limit, in little time."""
    fields = [pdfs.widget(top % 700, b"/FT/Tx/T(f%d)/V(v%d)" % (top, top)) for top in range(2_500)]
    page = run(pdfs.annotated(*fields, content=pdfs.label(20, "Many"))).page(1)
    assert len(page["pairs"]) == 2_000
