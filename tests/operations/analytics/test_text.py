"""Encodings: byte order marks, UTF-8, then cp1252, with UTF-16 and Shift-JIS."""

from __future__ import annotations

import pytest

from operations.analytics.files.text import Scan, is_shift_jis
from tests.operations.analytics.loading import Load, code_of

WEST = "name;n\nMünster;1\nÅlesund – “ok” €;2\n"
JAPAN = "名前,数\n東京,1\nトウキョウ,2\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_western_text(encoding: str, load: Load) -> None:
    """Its letters are those that were written, and a guess is told."""
    loaded = load(WEST.encode(encoding))
    assert loaded.rows() == [["Münster", 1], ["Ålesund – “ok” €", 2]]
    assert loaded.codes == (["encoding_guessed"] if encoding in ("utf-16-le", "utf-16-be", "cp1252") else [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "shift-jis", "cp932"])
def test_japanese_text(encoding: str, load: Load) -> None:
    """Also in Shift-JIS, whose letters may hold bytes that are delimiters elsewhere."""
    loaded = load(JAPAN.encode(encoding))
    assert loaded.rows() == [["東京", 1], ["トウキョウ", 2]]
    assert loaded.names == ["名前", "数"]


def test_latin_1(load: Load) -> None:
    """It is read as cp1252, which has the same letters; bytes that cp1252 does not have are Latin-1's controls."""
    assert load("a;b\né;ÿ\n".encode("latin-1")).rows() == [["é", "ÿ"]]
    assert load(b"a;b\n\xe9;\x81\n").rows() == [["é", "\x81"]]


def test_one_wrong_line_does_not_spoil_a_file(load: Load) -> None:
    """In a file whose other lines are UTF-8, a line that is not is read as cp1252, and told."""
    lines = [*(f"Zürich {number}".encode() for number in range(5)), "Genève".encode("cp1252")]
    loaded = load(b"name\n" + b"\n".join(lines) + b"\n")
    assert loaded.rows()[-2:] == [["Zürich 4"], ["Genève"]]
    assert loaded.warnings[0]["message"].endswith("1 are not UTF-8, and were read as cp1252: 7.")


def test_an_end_that_is_cut_off(load: Load) -> None:
    """UTF-16 that ends within a character is refused, as its end is missing."""
    code, message = code_of(load, "a;b\né;1\n".encode("utf-16")[:-1])
    assert (code, message) == ("unreadable_file", "a.csv is not UTF-16 to its end.")


def test_nuls_in_other_text(load: Load) -> None:
    """A few NULs do not make UTF-16 of a file: they are removed, and told."""
    loaded = load(b"a,b\n1,x\0\n2,\0y\n")
    assert (loaded.rows(), loaded.codes) == ([[1, "x"], [2, "y"]], ["nul_removed"])


@pytest.mark.parametrize(
    "text", ["Müller", "Ärzte “Ä”", "São Paulo", "Łódź".replace("Ł", "L"), "naïve – déjà", "ÄÖÜ", "€ 5"]
)
def test_western_text_is_not_shift_jis(text: str) -> None:
    """Short texts of cp1252 that decode as Shift-JIS too."""
    assert not is_shift_jis(text.encode("cp1252", "ignore"))


@pytest.mark.parametrize("text", ["東京", "日本,大阪", "カタカナ", "ひらがな", "株式会社ｱｲｳ商事"])
def test_short_japanese_text_is_shift_jis(text: str) -> None:
    """Two characters are enough."""
    assert is_shift_jis(text.encode("cp932"))


@pytest.mark.parametrize(
    ("data", "regular"),
    [
        (b"a\nb\n", True),
        (b"a\r\nb\r\n", True),
        (b"a\nb", True),
        (b"a\r\nb\n", False),
        (b"a\rb\r", False),
        (b"a\n\nb\n", False),
        (b"a\r\n\r\nb", False),
        (b"\na", False),
        (b"a\n\n", False),
    ],
)
def test_line_ends_are_seen_in_any_chunks(data: bytes, regular: bool) -> None:
    """A file is regular if all lines end alike and none is blank, wherever its chunks end."""
    for size in range(1, len(data) + 1):
        scan = Scan()
        for start in range(0, len(data), size):
            scan.add(data[start : start + size])
        assert scan.regular is regular
