"""What glyphs mean that have no Unicode of their own, where their names say it for certain."""

from __future__ import annotations

import re
from typing import Final

_LETTERS: Final = {
    "ff": "ff",
    "fi": "fi",
    "fl": "fl",
    "ffi": "ffi",
    "ffl": "ffl",
    "ct": "ct",
    "st": "st",
    "longs": "s",
    "germandbls": "ß",
    "ae": "æ",
    "oe": "œ",
    "AE": "Æ",
    "OE": "Œ",
    "dotlessi": "ı",
    "dotlessj": "ȷ",
    "hyphen": "-",
    "quoteright": "’",
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "period": ".",
    "comma": ",",
    "space": " ",
}
"""Names of which ligatures and variants are made (Adobe Glyph List)."""
_UNICODE: Final = re.compile(r"uni((?:[0-9A-F]{4})+)|u([0-9A-F]{4,6})")
_TEX: Final = re.compile(r"(?:[A-Z]{6}\+)?cm(?:r|bx|ti|sl|b|ss|ssbx|ssi|bxti|bxsl|dunh|u|csc)\d+", re.IGNORECASE)
_TEX_LIGATURES: Final = {11: "ff", 12: "fi", 13: "fl", 14: "ffi", 15: "ffl"}
"""The codes of TeX's own encoding (OT1), in which Computer Modern has its ligatures."""
_TEX_SYMBOLS: Final = re.compile(r"(?:[A-Z]{6}\+)?cm(sy|ex)\d+", re.IGNORECASE)
_TEX_SIGNS: Final = {
    "sy": {48: "′"},
    "ex": {
        **dict(enumerate("()[]⌊⌋⌈⌉{}⟨⟩")),
        **dict(enumerate("()()[]⌊⌋⌈⌉{}⟨⟩", 16)),
        **dict(enumerate("()[]⌊⌋⌈⌉{}⟨⟩", 32)),
        **dict(enumerate("∑∏∫⋃⋂", 80)),
        **dict(enumerate("∑∏∫⋃⋂", 88)),
        **dict.fromkeys(range(112, 117), "√"),
    },
}
"""Codes of its mathematical fonts (OMS, OMX): a prime, and brackets and operators in their sizes."""


def meaning(font: str, code: int, name: str | None) -> str | None:
    """The letters that a glyph stands for, or `None` if its name does not say it.

    A name has parts between `_`, and its variant behind a point (Adobe Glyph List Specification, 2).
    """
    if name is None:
        if symbols := _TEX_SYMBOLS.fullmatch(font):
            return _TEX_SIGNS[symbols[1].lower()].get(code)
        return _TEX_LIGATURES.get(code) if _TEX.fullmatch(font) else None
    parts = [_part(part) for part in name.partition(".")[0].split("_")]
    return "".join(map(str, parts)) if all(parts) and not name.startswith(".") else None


def _part(name: str) -> str | None:
    if len(name) == 1 and name.isascii() and name.isalpha():
        return name
    if found := _UNICODE.fullmatch(name):
        digits = found[1] or found[2]
        size = 4 if found[1] else len(digits)
        codes = [int(digits[at : at + size], 16) for at in range(0, len(digits), size)]
        valid = all(0x20 <= code < 0xD800 or 0xE000 <= code <= 0x10FFFF for code in codes)
        return "".join(map(chr, codes)) if valid else None
    return _LETTERS.get(name)
