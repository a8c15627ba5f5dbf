"""Text comes in the order in which people read it, whatever the order in which a file draws it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from operations.pdf import bidi
from tests import pdfs
from tests.operations.documents import Run
from tests.operations.pdf.test_tables import put
from tests.servers import program, scratch

LEFT = [
    "The left column tells how the",
    "house was built by two men and",
    "a horse, in a year with a long",
    "winter.",
] * 2
RIGHT = [
    "On the right one reads what it",
    "cost, who paid for it, and why",
    "the roof had to be made anew in",
    "the spring after that.",
] * 2


def columns_row_by_row() -> pdfs.Sheet:
    """Two columns under a title, whose lines are drawn from left to right."""
    sheet = pdfs.Sheet()
    sheet.text(60, 80, "A house of two stories, and of two columns, which this long title stands above", 12)
    for index, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        sheet.text(60, 120 + 12 * index, left)
        sheet.text(320, 120 + 12 * index, right)
    sheet.text(60, 240, "Below both columns there is one more line that runs over the whole of the page.")
    return sheet


def test_columns_drawn_row_by_row(run: Run) -> None:
    """The left column is read before the right one, between what stands above and below both."""
    lines = run(columns_row_by_row().pdf()).page(1)["text"].splitlines()
    assert lines[1:-1] == [*LEFT, *RIGHT]
    assert lines[0].startswith("A house")
    assert lines[-1].startswith("Below both")


def test_columns_with_lines_at_other_heights(run: Run) -> None:
    """Columns need not share their base lines."""
    sheet = pdfs.Sheet()
    for index, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        sheet.text(60, 120 + 12 * index, left)
        sheet.text(320, 126 + 12 * index, right)
    assert run(sheet.pdf()).page(1)["text"].splitlines() == [*LEFT, *RIGHT]


def test_columns_drawn_in_their_order_stay(run: Run) -> None:
    """A file that draws the right column first means it, such as a box beside the text."""
    sheet = pdfs.Sheet()
    sheet.paragraph(320, 120, RIGHT)
    sheet.paragraph(60, 126, LEFT)
    assert run(sheet.pdf()).page(1)["text"].splitlines() == [*RIGHT, *LEFT]


def test_a_table_is_read_row_by_row(run: Run) -> None:
    """Columns of a table are no columns of text."""
    sheet = pdfs.Sheet()
    put(sheet, 100, [(f"An article of the kind {n}", f"{n}0.00", f"{n}9.50") for n in range(8)], [60, 300, 400])
    assert run(sheet.pdf()).page(1)["text"].splitlines()[1] == "An article of the kind 1 10.00 19.50"


NUMBERED = [
    f"the parties agree in line {word} of this contract that" for word in ("one", "two", "three", "four", "five", "six")
]


@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.parametrize("margin", [30, 420], ids=["left", "right"])
def test_numbers_of_lines_are_kept_apart(run: Run, margin: int, step: int) -> None:
    """A contract or a manuscript counts its lines beside them; the numbers are no part of its sentences."""
    sheet = pdfs.Sheet()
    lines = NUMBERED * 5
    for index, line in enumerate(lines, 1):
        if margin < 60 and index % step == 0:
            sheet.text(margin, 100 + 14 * index, str(index), 8)
        sheet.text(60, 100 + 14 * index, line)
        if margin > 60 and index % step == 0:
            sheet.text(margin, 100 + 14 * index, str(index), 8)
    text = run(sheet.pdf()).page(1)["text"].splitlines()
    assert text[:-1] == lines
    assert text[-1] == " ".join(str(index) for index in range(step, 31, step))


def test_numbers_of_a_list_stay_with_it(run: Run) -> None:
    """Numbers that do not count the lines, or that stand in a table, are text."""
    sheet = pdfs.Sheet()
    put(sheet, 100, [(str(n), "Bolt", f"{n}.50") for n in range(1, 9)], [60, 200, 300])
    assert run(sheet.pdf()).page(1)["text"].splitlines()[2] == "3 Bolt 3.50"
    sheet = pdfs.Sheet()
    for index, year in enumerate((1990, 1993, 1994, 2001, 2007, 2020)):
        sheet.text(30, 100 + 14 * index, str(year))
        sheet.text(70, 100 + 14 * index, NUMBERED[index])
    assert run(sheet.pdf()).page(1)["text"].splitlines()[0] == f"1990 {NUMBERED[0]}"


@pytest.mark.parametrize("first", [True, False], ids=["drawn first", "drawn last"])
def test_captions_stand_where_they_are_seen(run: Run, first: bool) -> None:
    """A caption that is drawn before or after all the text is read between the lines around it."""
    sheet = pdfs.Sheet()
    caption = ["Figure 3. The house from the south, in the", "year in which it was sold."]
    if first:
        sheet.paragraph(60, 400, caption, 9)
    sheet.paragraph(60, 100, pdfs.BODY)
    sheet.paragraph(60, 500, ["And after the picture the text goes on."])
    if not first:
        sheet.paragraph(60, 400, caption, 9)
    assert run(sheet.pdf()).page(1)["text"].splitlines() == [
        *pdfs.BODY,
        *caption,
        "And after the picture the text goes on.",
    ]


# --- from right to left ----------------------------------------------------------------------------------------------


def visual(*lines: tuple[float, float, str]) -> bytes:
    """A page of lines as they are seen from left to right: x, base line, text. Each sign is 6 points wide."""
    letters = sorted({sign for _, _, text in lines for sign in text} - {" "})
    codes = {sign: 0x41 + number for number, sign in enumerate(letters)} | {" ": 0x20}
    pairs = b"".join(b"<%02X> <%04X> " % (code, ord(sign)) for sign, code in codes.items())
    mapping = b"1 begincodespacerange <00> <FF> endcodespacerange %d beginbfchar %b endbfchar" % (len(codes), pairs)
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Courier/ToUnicode 6 0 R>>"
    shown = b"".join(
        b"BT /F 10 Tf %d %d Td <%b> Tj ET\n" % (x, y, b"".join(b"%02X" % codes[sign] for sign in text))
        for x, y, text in lines
    )
    leaf = pdfs.PAGE + b"/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
    tree = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    return pdfs.raw([b"<</Type/Catalog/Pages 2 0 R>>", tree, leaf, pdfs.stream(shown), font, pdfs.stream(mapping)])


SENTENCES = {
    "number in Hebrew": ("2026-0042 רפסמ תינובשח", "חשבונית מספר 2026-0042"),
    "number in Arabic": ("0042-2026 مقر ةروتاف", "فاتورة رقم 2026-0042"),
    "amount and percent": (".0.5% וא 1,651.00 אוה םולשתה", "התשלום הוא 1,651.00 או 0.5%."),
    "Latin words": ("ףסכ חלש Example Works Ltd חוקלה", "הלקוח Example Works Ltd שלח כסף"),
    "brackets": ("דבלב (ILS) םילקש", "שקלים (ILS) בלבד"),
    "a Hebrew word in English": (
        "the words םולש םלוע mean peace",
        "the words עולם שלום mean peace",
    ),
}


@pytest.mark.parametrize(("seen", "read"), SENTENCES.values(), ids=SENTENCES)
def test_text_from_right_to_left_is_in_logical_order(run: Run, seen: str, read: str) -> None:
    """Letters, numbers, Latin words and brackets come as they would be typed."""
    assert run(visual((60, 700, seen))).page(1)["text"] == read


def test_marks_follow_their_letters() -> None:
    """A glyph may draw a letter with its marks, and lam with alef; such characters begin at one place."""
    glyphs = [("\u0644\u0627", 60.0), ("\u0645\u064e", 70.0), ("\u0633", 80.0)]
    chars = [
        bidi.Char(code, index, x + 5 * offset, x + 5 * offset + 5, x)
        for index, (code, x, offset) in enumerate(
            (code, x, offset) for text, x in glyphs for offset, code in enumerate(text)
        )
    ]
    assert ["".join(char.code for char in word) for word in bidi.words(chars, 10)] == ["\u0633\u0645\u064e\u0644\u0627"]


def test_tables_and_pairs_from_right_to_left(run: Run) -> None:
    """The first column is on the right, and a value stands left of its key."""
    rows = [("ריחמ", "תומכ", "טירפ"), ("10.00", "3", "לוחכ רפס"), ("120.50", "12", "םודא טע"), ("7.25", "5", "תרבחמ")]
    lines = [
        (right - 6 * len(text), 600 - 20 * row, text)
        for row, texts in enumerate(rows)
        for right, text in zip((250, 350, 500), texts, strict=True)
    ]
    pair = [(440, 700, ":חוקל רפסמ"), (330, 700, "1138")]
    page = run(visual(*pair, *lines)).page(1)
    assert page["tables"][0]["rows"] == [
        ["פריט", "כמות", "מחיר"],
        ["ספר כחול", "3", "10.00"],
        ["עט אדום", "12", "120.50"],
        ["מחברת", "5", "7.25"],
    ]
    assert [(pair["key"], pair["value"]) for pair in page["pairs"]] == [("מספר לקוח", "1138")]
    assert page["pairs"][0]["box"][0] == pytest.approx(330, abs=2)


PAGE = """<meta charset="utf-8"><body dir="rtl" style="font: 12px 'DejaVu Sans'; width: 500px">
<p>هذه فاتورة من شركة المثال بتاريخ 12 مارس 2026 إلى العميل Example Works Ltd في مدينة القاهرة.</p>
<p>والمبلغ هو 1,651.00 دولار (USD) فقط، أي قليلاً ما.</p>
<p>זוהי חשבונית מספר 2026-0042 ללקוח Example Works Ltd בעיר תל אביב (ישראל).</p>
<table border="1"><tr><th>الصنف<th>الكمية<th>السعر<tr><td>كتاب أزرق<td>3<td>10.00
<tr><td>قلم أحمر<td>12<td>120.50</table>"""


@pytest.mark.live
def test_a_page_that_chromium_printed(run: Run, tmp_path: Path) -> None:
    """Chromium draws each Arabic letter by itself, some of them with marks, and lam and alef as one."""
    source, printed = tmp_path / "page.html", tmp_path / "page.pdf"
    source.write_text(PAGE, encoding="utf-8")
    command = [
        program("chromium"),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}/profile",
    ]
    with scratch() as folder:  # where it leaves a folder for its profile's lock
        command += ["--no-pdf-header-footer", f"--print-to-pdf={printed}", source.as_uri()]
        subprocess.run(command, check=True, env={**os.environ, "TMPDIR": str(folder)})
    page = run(printed.read_bytes()).page(1)
    assert " ".join(page["text"].splitlines()[:-3]) == (
        "هذه فاتورة من شركة المثال بتاريخ 12 مارس 2026 إلى العميل Example Works Ltd في مدينة القاهرة. "
        "والمبلغ هو 1,651.00 دولار (USD) فقط، أي قليلاً ما. "
        "זוהי חשבונית מספר 2026-0042 ללקוח Example Works Ltd בעיר תל אביב (ישראל)."
    )
    assert page["tables"][0]["rows"] == [
        ["الصنف", "الكمية", "السعر"],
        ["كتاب أزرق", "3", "10.00"],
        ["قلم أحمر", "12", "120.50"],
    ]
