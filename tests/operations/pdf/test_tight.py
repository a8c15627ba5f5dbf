"""Words of a line that is set so tightly that PDFium sees no spaces in it."""

from __future__ import annotations

import pytest

from tests import pdfs
from tests.operations.documents import Run

TIMES = b"<</Type/Font/Subtype/Type1/BaseFont/Times-Roman>>"


def line(gap: int, letters: str = "") -> bytes:
    """A line whose words stand `gap` thousandths of an em apart; `letters` are more operators."""
    words = ["quite", "a", "tight", "line", "of", "text"]
    return b"BT /F 10 Tf %b 72 700 Td [%b] TJ ET" % (
        letters.encode(),
        b"".join(b"(%b)-%d" % (word.encode(), gap) for word in words),
    )


@pytest.mark.parametrize("gap", [250, 120, 100, 80])
def test_a_tight_line(run: Run, gap: int) -> None:
    """The gaps between words are clearly wider than those between letters."""
    assert run(pdfs.one_page(line(gap), font=TIMES)).page(1)["text"] == "quite a tight line of text"


@pytest.mark.parametrize(
    "content",
    [b"(internationalisation)", b"(Donaudampfschifffahrtsgesellschaft)", b"[(W)80(A)90(VYTo)60(AWAVAVATA)] "],
)
def test_a_long_word(run: Run, content: bytes) -> None:
    """A long word, and one whose letters are moved together, stays one."""
    operator = b"TJ" if content.startswith(b"[") else b"Tj"
    page = run(pdfs.one_page(b"BT /F 10 Tf 72 700 Td %b %b ET" % (content, operator), font=TIMES)).page(1)
    assert len(page["text"].split()) == 1


def test_a_spaced_word(run: Run) -> None:
    """Letters that stand apart evenly are one word."""
    content = b"BT /F 10 Tf 0.9 Tc 72 700 Td (internationalisation) Tj ET"
    assert run(pdfs.one_page(content, font=TIMES)).page(1)["text"] == "internationalisation"
