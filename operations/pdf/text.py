"""Text that is safe for a model, a database or a JSON parser.

PDFs contain glyphs, and their maps to Unicode are often wrong: lone surrogates, NULs, noncharacters and the private
code points of symbol fonts all occur, and each of them breaks some consumer.
"""

from __future__ import annotations

import re
import unicodedata

_DROPPED = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f"  # controls except tab, line feed and next line
    "\u00ad"  # soft hyphen: a word may break here, whether it does or not
    "\u200b\u2060\ufeff"  # zero width
    "\ufdd0-\ufdef\ufffe\uffff"  # noncharacters (Unicode 16, section 23.7)
    "]"
)
_LINE_ENDS = re.compile("\r\n?|[\x85\u2028\u2029]")
_GLYPHS = str.maketrans(
    {
        **{chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)},  # ff, fi, fl ...
        "\uf0b7": "\u2022",  # the bullet of Symbol, which word processors write
        "\uf0a7": "\u25aa",  # the bullet of Wingdings
    }
)


def clean(text: str) -> str:
    """`text` with surrogate pairs joined, lone surrogates replaced by U+FFFD, and no control characters but tab and LF.

    Ligatures become letters, so that a search for "file" finds the word; the rest is normalised to NFC.
    """
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = unicodedata.normalize("NFC", text.translate(_GLYPHS))
    return _DROPPED.sub("", _LINE_ENDS.sub("\n", text))


def one_line(text: str) -> str:
    """`text` cleaned, with each run of white space replaced by one space."""
    return " ".join(clean(text).split())
