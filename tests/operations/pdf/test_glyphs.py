"""Glyphs are mended where it is certain what they mean, and told where it is not known."""

from __future__ import annotations

import pytest

from operations.pdf.glyphs import meaning
from tests import pdfs
from tests.operations.documents import Run, codes

DESCRIPTOR = (
    b"/FontDescriptor<</Type/FontDescriptor/FontName/%b/Flags 4/FontBBox[0 0 1000 1000]/ItalicAngle 0"
    b"/Ascent 800/Descent -200/CapHeight 700/StemV 80>>"
)


def font(differences: bytes, name: bytes = b"ABCDEF+Minion") -> bytes:
    """A font whose glyphs have these names."""
    encoding = b"/Encoding<</Type/Encoding/Differences[%b]>>" % differences
    widths = b"/FirstChar 0/LastChar 127/Widths[%b]" % (b"500 " * 128)
    return b"<</Type/Font/Subtype/Type1/BaseFont/%b%b%b%b>>" % (name, widths, encoding, DESCRIPTOR % name)


IDENTITY = b"<</Type/Font/Subtype/Type0/BaseFont/ABCDEF+Bar/Encoding/Identity-H/DescendantFonts[6 0 R]>>"
DESCENDANT = (
    b"<</Type/Font/Subtype/CIDFontType2/BaseFont/ABCDEF+Bar/DW 500"
    b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>%b>>" % (DESCRIPTOR % b"ABCDEF+Bar")
)


def shown(text: bytes) -> bytes:
    """A line of text."""
    return b"BT /F 12 Tf 72 700 Td %b Tj ET" % text


@pytest.mark.parametrize("place", ["in the font", "elsewhere"])
def test_ligatures_by_their_names(run: Run, place: str) -> None:
    """`f_i` and the like are their parts, also at codes that are line ends or blanks in text."""
    item = font(b"1/f_i/T_h/f_f_i.alt 9/c_t 10/f_f 13/f_l 66/f_j")
    extra: list[bytes] = []
    if place == "elsewhere":
        start = item.index(b"/Encoding") + len(b"/Encoding")
        end = item.index(b"]>>", start) + 3
        extra, item = [item[start:end]], item[:start] + b" 6 0 R" + item[end:]
    content = shown(rb"(\002e o\003ce de\001nes a\011s, o\012 the \015oor of the Bord)")
    outcome = run(pdfs.one_page(content, font=item, extra=extra))
    assert outcome.page(1)["text"] == "The office defines acts, off the floor of the fjord"
    assert codes(outcome) == []


def test_glyphs_that_nobody_can_name(run: Run) -> None:
    """They are replacement characters, and a warning has their pages; the others of the font are letters."""
    outcome = run(pdfs.one_page(shown(rb"(de\001ne)"), font=font(b"1/g123")))
    assert outcome.page(1)["text"] == "de\ufffdne"
    assert codes(outcome) == [("no_unicode", [1])]


def test_a_font_without_unicode(run: Run) -> None:
    """The codes of such a font are no letters, though they look like some."""
    outcome = run(pdfs.one_page(shown(b"<00260037001200040041>"), font=IDENTITY, extra=[DESCENDANT]))
    assert outcome.page(1)["text"] == "\ufffd" * 5
    assert codes(outcome) == [("no_unicode", [1])]


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("f_i", "fi"),
        ("T_h", "Th"),
        ("f_f_l.liga", "ffl"),
        ("uni00660069", "fi"),
        ("u1F600", "😀"),
        ("longs_t", "st"),
        ("fi_f", "fif"),
        ("g123", None),
        ("f_g12", None),
        ("uniD800", None),
        (".notdef", None),
        ("", None),
        ("uni000A", None),
    ],
)
def test_names(name: str, letters: str | None) -> None:
    """A part that is not known makes the whole unknown."""
    assert meaning("Minion", 1, name) == letters


def test_codes_of_tex() -> None:
    """Computer Modern has its ligatures at fixed codes, whether the file names them or not."""
    assert [meaning("ABCDEF+CMR10", code, None) for code in (11, 12, 15, 16)] == ["ff", "fi", "ffl", None]
    assert (meaning("CMEX10", 88, None), meaning("CMSY10", 48, None), meaning("Minion", 12, None)) == ("∑", "′", None)


ACCENTED = {
    "before the letter": (rb"[(caf)(\264)333(e)] TJ", "café"),
    "behind the letter": (rb"[(M)(o)444(\250)111(ller)] TJ", "Möller"),
    "at the beginning": (rb"[(\250)400(Ubung)] TJ", "Übung"),
    "under the letter": (rb"[(fa)(\270)417(cade)] TJ", "façade"),
    "raised over a capital": (rb"1 0 0 1 74 702.5 Tm (\264) Tj 1 0 0 1 72 700 Tm (Eric) Tj", "Éric"),
    "beside a letter": (rb"[(d)(\264)(accord)] TJ", "d´accord"),
    "a backtick in code": (rb"(`ls`) Tj", "`ls`"),
}


@pytest.mark.parametrize(("drawn", "text"), ACCENTED.values(), ids=ACCENTED)
def test_accents_drawn_apart(run: Run, drawn: bytes, text: str) -> None:
    """An accent that stands over or under a letter is joined with it, and no other."""
    item = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
    content = b"BT /F 12 Tf 1 0 0 1 72 700 Tm %b ET" % drawn
    found = run(pdfs.one_page(content, font=item)).page(1)["text"]
    assert found == text
