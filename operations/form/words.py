"""Words in any script: text without the differences that do not matter, and where a word begins and ends.

Case, kinds of white space, dashes, quotes and digits do not matter, nor do marks that a language writes or leaves out
(Arabic and Hebrew vowels, Greek accents, the dots of a Turkish I). Chinese, Japanese, Thai and others write no spaces:
there a word may begin anywhere, except within a letter and its marks. Korean and Japanese particles may follow a word,
and Arabic and Hebrew prefixes may precede it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_PLAIN: Final = str.maketrans(
    {"\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u00ad": None}
    | {"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u05f3": "'", "\u05f4": '"'}
    | dict.fromkeys(map(ord, "\u00ab\u00bb\u201c\u201d\u201e\u201f"), '"')
    | {"\u3007": "0", "\u066b": ".", "\u066c": ",", "\u060c": ",", "\u3001": ",", "\u3002": ".", "\u0640": None}
)
_SAME: Final = str.maketrans(
    "\u0131\u0451\u03ac\u03ad\u03ae\u03af\u03cc\u03cd\u03ce\u0390\u03b0\u0623\u0625\u0622\u0649\u06cc\u06a9\u0629",
    "i\u0435\u03b1\u03b5\u03b7\u03b9\u03bf\u03c5\u03c9\u03ca\u03cb\u0627\u0627\u0627\u064a\u064a\u0643\u0647",
)
"""Letters that are written one for the other: a Turkish i, a Russian yo, Greek accents, forms of alef, ya and kaf."""
_DROPPED: Final = re.compile(
    "(?<=i)\u0307|[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670"
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana and Han."""
_GAP: Final = re.compile(f"(?<=[{_UNSPACED}]) (?=[{_UNSPACED}])")
_IS_UNSPACED: Final = re.compile(f"[{_UNSPACED}]")
_KANA: Final = "\u30a1-\u30fa\u30fc-\u30ff"
_IS_KATAKANA: Final = re.compile(f"[{_KANA}]")
_IS_HIRAGANA: Final = re.compile("[\u3041-\u309f]")
_IS_HANGUL: Final = re.compile("[\uac00-\ud7a3]")
_IS_HAN: Final = re.compile("[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_FOLLOWING_VOWEL: Final = re.compile("[\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3]")
_LEADING_VOWEL: Final = re.compile("[\u0e40-\u0e44\u0ec0-\u0ec4]")
"""Thai and Lao write these after and before their consonant."""

_KOREAN: Final = re.compile(
    "(?:(?:은|는|이|가|을|를|의|에|에게|에서|께|께서|와|과|랑|이랑|로|으로|로서|로써|으로서|으로써|도|만|부터|까지|마다|보다|처럼|"
    "하고|이며|며|이고|고|입니다|이다|님|씨|귀하|귀중|측|사|주식회사|라고|이라고|라는|이라는|라|이라)){1,3}"
)
_KOREAN_BEFORE: Final = re.compile("(?:주식회사|유한회사|사단법인|재단법인)")
_JAPANESE: Final = (
    "は",
    "が",
    "を",
    "に",
    "で",
    "と",
    "も",
    "の",
    "へ",
    "や",
    "から",
    "まで",
    "より",
    "など",
    "さん",
    "さま",
)
_JAPANESE_AFTER: Final = (*_JAPANESE, "です", "だ", "である", "による", "において", "および")
_ARABIC_BEFORE: Final = re.compile("[وف]?[بكل]?(?:ال|ل)?")
_HEBREW_BEFORE: Final = re.compile("[והבכלמש]{1,2}")
_ARABIC: Final = re.compile("[\u0620-\u064a\u066e-\u06d3]+")
_HEBREW: Final = re.compile("[\u05d0-\u05ea]+")


def normalize(text: str) -> str:
    """The text without the differences that do not matter, on one line."""
    if text.isascii():
        return " ".join(text.casefold().split())
    text = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    text = _DROPPED.sub("", text.casefold()).translate(_SAME)
    text = "".join(char if char < "\u0660" else _digit(char) for char in unicodedata.normalize("NFC", text))
    return _GAP.sub("", " ".join(text.split()))


def _digit(char: str) -> str:
    value = unicodedata.decimal(char, None)
    return char if value is None else str(value)


def joins_without_space(before: str, after: str) -> bool:
    """Whether two lines that end and begin so are one text without a space between them."""
    return bool(_IS_UNSPACED.match(before) and _IS_UNSPACED.match(after))


def has_kana(text: str) -> bool:
    """Whether there is Japanese in it."""
    return bool(_IS_HIRAGANA.search(text) or _IS_KATAKANA.search(text))


def has_unspaced(text: str) -> bool:
    """Whether there is a script in it that is written without spaces."""
    return _IS_UNSPACED.search(text) is not None


def has_thai(text: str) -> bool:
    """Whether there is Thai in it."""
    return bool(re.search("[\u0e01-\u0e5b]", text))


# --- where words stand -----------------------------------------------------------------------------------------------


def spans_of(words: str, text: str) -> Iterator[tuple[int, int]]:
    """Where `words`, normalized, stand in a normalized text as whole words."""
    pattern = _pattern(words)
    match = pattern.search(text)
    while match:
        start, end = match.span()
        if _begins(text, start, end) and _ends(text, start, end):
            yield start, end
        match = pattern.search(text, start + 1)


_TOKEN: Final = re.compile(r"[,;.]* +|[^\W_]+|[,;](?!\d)|[^ ]")
_BETWEEN: Final = "(?: ?[.,;|]{1,2} ?| )"
"""Between two words of a value there may be a comma, a dot or the end of a line on the page."""


def _pattern(words: str) -> re.Pattern[str]:
    """Spaces beside punctuation do not matter, nor do commas and dots between words, and at the end."""
    tokens = _TOKEN.findall(words.rstrip(" .,;:") or words)
    parts: list[str] = []
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else ""
        after = tokens[index + 1] if index + 1 < len(tokens) else ""
        if token.isalnum():
            parts.append(re.escape(token))
        elif token[-1] not in " ,;":  # punctuation, which may have spaces around it
            parts.append(f"{' ?' * bool(before)}{re.escape(token)}{' ?' * bool(after)}")
        elif before.isalnum() and after.isalnum():
            parts.append(_BETWEEN)
    return re.compile("".join(parts))


def _begins(text: str, start: int, end: int) -> bool:
    if start == 0 or not _same_word(text[start - 1], text[start]):
        return not (start and _is_lone_han(text, start, end))
    before = text[max(0, start - 8) : start]
    if _IS_HANGUL.match(text[start]):
        run = re.search("[\uac00-\ud7a3]+$", before)
        return run is not None and _KOREAN_BEFORE.fullmatch(run[0]) is not None
    if _IS_HIRAGANA.match(text[start]):
        return before.endswith(_JAPANESE)
    for letters, prefix in ((_ARABIC, _ARABIC_BEFORE), (_HEBREW, _HEBREW_BEFORE)):
        if letters.match(text[start]):
            run = re.search(f"(?:{letters.pattern})$", before)
            return run is not None and prefix.fullmatch(run[0]) is not None
    return False


def _ends(text: str, start: int, end: int) -> bool:
    if end == len(text) or not _same_word(text[end - 1], text[end]):
        return end == len(text) or not _is_lone_han(text, start, end)
    if _IS_HANGUL.match(text[end - 1]):
        run = re.match("[\uac00-\ud7a3]+", text[end:])
        return run is not None and _KOREAN.fullmatch(run[0]) is not None
    if _IS_HIRAGANA.match(text[end - 1]):
        return text.startswith(_JAPANESE_AFTER, end)
    return False


def _is_lone_han(text: str, start: int, end: int) -> bool:
    """Whether this is one Han character beside others: most words have two."""
    if end - start != 1 or not _IS_HAN.match(text[start]):
        return False
    return any(_IS_HAN.match(char) for char in (text[start - 1 : start], text[end : end + 1]) if char)


def _same_word(first: str, second: str) -> bool:
    """Whether a letter continues the one before it, so that no word ends between them."""
    if not (_is_letter(first) and _is_letter(second)):
        return False
    if unicodedata.category(second)[0] == "M" or _LEADING_VOWEL.match(first) or _FOLLOWING_VOWEL.match(second):
        return True
    for script in (_IS_KATAKANA, _IS_HIRAGANA, _IS_HANGUL):
        if script.match(first) and script.match(second):
            return True
    others = (_IS_UNSPACED, _IS_HANGUL)
    return not any(script.match(char) for script in others for char in (first, second))


def _is_letter(char: str) -> bool:
    return char.isalnum() or char == "_" or unicodedata.category(char)[0] == "M"
