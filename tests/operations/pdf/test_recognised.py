"""Text in pictures: what is asked of the process that recognises it, and what becomes of its answers."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from operations.extract import Extract
from operations.pdf import images, ocr, recogniser
from operations.pdf.recogniser import MAX_SIDE, Pixels, Recogniser
from streaming import Upload
from tests import pdfs
from tests.operations.documents import Outcome, Run, code_of, codes

LINES = [
    {"text": "Invoice 42", "confidence": 0.99, "words": [["Invoice", 200, 200, 320, 240], ["42", 330, 200, 370, 240]]},
    {"text": "Net 100.00", "confidence": 0.9, "words": [["Net", 200, 300, 260, 340], ["100.00", 900, 300, 1000, 340]]},
    {
        "text": "Total 119.00",
        "confidence": 0.8,
        "words": [["Total", 200, 400, 280, 440], ["119.00", 900, 400, 1000, 440]],
    },
]
ANSWERS = """
import json, sys
while head := sys.stdin.buffer.readline():
    size = json.loads(head)
    pixels = sys.stdin.buffer.read(size["width"] * size["height"] * 3)
    assert len(pixels) == size["width"] * size["height"] * 3
    print({answer!r}, flush=True)
"""

Answering = Callable[..., None]


@pytest.fixture
def answering(run: Run, monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Puts a program in the place of the process, which answers each picture with these lines."""

    def put(lines: Any = LINES, program: str = ANSWERS) -> None:
        command = [sys.executable, "-c", program.replace("{answer!r}", repr(json.dumps(lines)))]
        monkeypatch.setattr(recogniser, "python_command", lambda _: command)
        monkeypatch.setattr(recogniser, "is_installed", lambda: True)

    return put


def scan(*stamps: tuple[float, float, str]) -> bytes:
    """A page that is a picture, with these lines of text over it, and one of text."""
    sheet = pdfs.Sheet()
    sheet.picture(20, 20, 555, 800)
    for left, top, stamp in stamps:
        sheet.text(left, top, stamp, 8)
    sheet.new_page()
    sheet.paragraph(60, 100, pdfs.BODY)
    return sheet.pdf()


def picture(kind: str, *, size: tuple[int, int] = (1654, 2339), mode: str = "RGB", **options: Any) -> bytes:
    """A file of one picture."""
    file = io.BytesIO()
    Image.new(mode, size, 0xFFFF if mode == "I;16" else "white").save(file, kind, **options)
    return file.getvalue()


def texts(outcome: Outcome) -> list[str]:
    """The texts of the pages."""
    return [page["text"] for page in outcome.result["pages"]]


def test_the_text_of_a_picture_is_that_of_its_page(run: Run, answering: Answering) -> None:
    """Each line has its confidence and its place, and the warning says that there may be mistakes."""
    answering()
    outcome = run(scan())
    assert texts(outcome)[0] == "Invoice 42\nNet 100.00\nTotal 119.00"
    assert "recognised" not in outcome.page(2)
    lines = outcome.page(1)["recognised"]
    assert [(line["text"], line["confidence"]) for line in lines] == [(e["text"], e["confidence"]) for e in LINES]
    assert lines[0]["box"] == [72.0, 72.0, 133.2, 86.4]
    assert codes(outcome) == [("recognised_text", [1])]


def test_a_line_that_is_text_already_does_not_come_twice(run: Run, answering: Answering) -> None:
    """A stamp or a fax line over the scan is recognised too; both stand in the order of the page."""
    answering()
    outcome = run(scan((72, 83, "Invoice 42"), (300, 250, "PAID")))
    assert texts(outcome)[0] == "Invoice 42\nNet 100.00\nTotal 119.00\nPAID"
    assert [line["text"] for line in outcome.page(1)["recognised"]] == ["Net 100.00", "Total 119.00"]


@pytest.mark.parametrize("wanted", [True, False])
def test_without_the_extra_the_warning_says_so(run: Run, wanted: bool) -> None:
    """Unless nobody wants it."""
    outcome = run(scan(), ocr=wanted)
    assert codes(outcome) == [("picture_page", [1])]
    [warning] = outcome.result["warnings"]
    assert ("pip install 'rapidocr" in warning["message"]) is wanted
    assert "{}" not in warning["message"]


def test_nothing_is_recognised_if_nobody_wants_it(run: Run, answering: Answering) -> None:
    """The process is not started."""
    answering(program="raise SystemExit")
    assert codes(run(scan(), ocr=False)) == [("picture_page", [1])]


def test_a_picture_without_text_is_no_page_to_warn_of(run: Run, answering: Answering) -> None:
    """It was looked at, which the warning says."""
    answering([])
    outcome = run(scan())
    assert (texts(outcome)[0], outcome.page(1)["recognised"]) == ("", [])
    assert codes(outcome) == [("recognised_text", [1])]


@pytest.mark.parametrize(
    "program", ["raise SystemExit(1)", "import os; os.abort()", "import sys; sys.stdin.buffer.readline()", "print('[')"]
)
def test_a_process_that_fails_leaves_the_page_as_it_is(run: Run, answering: Answering, program: str) -> None:
    """A crash or no memory there ends neither the run nor the reading of the other pages."""
    answering(program=program)
    outcome = run(scan())
    assert codes(outcome) == [("picture_page", [1])]
    assert "failed, or took too long" in outcome.result["warnings"][0]["message"]
    assert texts(outcome)[1]


def test_a_process_that_takes_too_long_is_ended(answering: Answering) -> None:
    """For a page, and for all of a document; afterwards no page is tried."""
    answering(program="import time; time.sleep(600)")
    with Recogniser(0.2) as slow:
        assert slow.may_read
        assert slow.read(Pixels(1, 1, b"\0\0\0", 1.0)) is None
        assert not slow.may_read


def test_a_process_that_fails_often_is_not_started_again(answering: Answering) -> None:
    """A document may be made to break it."""
    answering(program="raise SystemExit(1)")
    with Recogniser(600) as failing:
        tries = 0
        while failing.may_read:
            assert failing.read(Pixels(1, 1, b"\0\0\0", 1.0)) is None
            tries += 1
    assert tries == recogniser.MAX_FAILURES


LIMITS = """
import os, resource
from operations.pdf import ocr
ocr._engine = dict
ocr._lines = lambda *_: [{
    "text": f"{resource.getrlimit(resource.RLIMIT_AS)[0]} {os.getpriority(os.PRIO_PROCESS, 0)} {sorted(os.environ)}",
    "confidence": 1, "words": [["x", 0, 0, 1, 1]],
}]
ocr.main()
"""


def test_the_process_has_limits_and_no_secrets(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the one above it, which reads the PDF; its address space is larger."""
    monkeypatch.setenv("HEADWAY_LLM_API_KEY", "secret")
    answering(program=LIMITS)
    with Recogniser(120) as limited:
        [line] = limited.read(Pixels(1, 1, b"\0\0\0", 1.0)) or []
    memory, priority, names = line.text.split(" ", 2)
    assert int(memory) == ocr.MEMORY
    assert int(priority) > 0
    assert "OMP_NUM_THREADS" in names
    assert "HEADWAY" not in names


@pytest.mark.parametrize(
    "file",
    [
        picture("PNG", dpi=(200, 200)),
        picture("PNG", mode="RGBA", dpi=(200, 200)),
        picture("PNG", mode="P", dpi=(200, 200)),
        picture("PNG", mode="I;16", dpi=(200, 200)),
        picture("JPEG", dpi=(200, 200)),
        picture("JPEG", mode="CMYK", dpi=(200, 200)),
        picture("TIFF", mode="1", compression="group4", dpi=(200, 200)),
        picture("TIFF", dpi=(200, 200)),
    ],
    ids=["png", "alpha", "palette", "16 bits", "jpeg", "cmyk", "fax", "tiff"],
)
def test_a_page_in_a_picture_file(run: Run, answering: Answering, file: bytes) -> None:
    """Whatever the file is called; its page has the size that the resolution says."""
    answering()
    outcome = run(file, filename="page.bin", render=True)
    [page] = outcome.result["pages"]
    assert (page["text"], page["width"], page["height"]) == ("Invoice 42\nNet 100.00\nTotal 119.00", 595.4, 842.0)
    assert page["thumbnail"]
    assert (outcome.result["page_count"], outcome.result["metadata"]["encrypted"]) == (1, False)


def test_the_pages_of_a_tiff_file(run: Run, answering: Answering) -> None:
    """`pages` selects among them."""
    answering()
    frames = [Image.new("L", (400, 300), "white") for _ in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "TIFF", save_all=True, append_images=frames[1:])
    outcome = run(file.getvalue(), pages="2-3")
    assert (outcome.result["page_count"], len(outcome.result["pages"])) == (3, 2)
    assert codes(outcome) == [("recognised_text", [2, 3])]


def test_a_picture_that_a_camera_turned_is_upright(run: Run, answering: Answering) -> None:
    """By the note in the file (Exif)."""
    answering()
    turned = Image.Exif()
    turned[0x0112] = 6
    [page] = run(picture("JPEG", size=(800, 400), exif=turned, dpi=(72, 72))).result["pages"]
    assert (page["width"], page["height"]) == (400, 800)


def test_a_picture_without_the_extra(run: Run) -> None:
    """It is a page without text, and the warning says why."""
    outcome = run(picture("PNG"))
    assert (texts(outcome), codes(outcome)) == ([""], [("picture_page", [1])])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_picture_that_is_damaged(run: Run, kind: str) -> None:
    """One that is cut off, and one that is nothing but a beginning."""
    file = picture(kind, size=(300, 300))
    assert code_of(run, file[:8]) == "damaged_image"
    assert code_of(run, file[: len(file) // 2]) == "damaged_image"


def test_a_picture_that_is_too_large(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pixels are counted before anything is unpacked."""
    monkeypatch.setattr(images, "MAX_PIXELS", 10_000)
    assert code_of(run, picture("PNG", size=(101, 100))) == "too_large"


def test_a_large_page_is_looked_at_in_bounds(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poster has no more pixels than a letter."""
    sizes: list[tuple[int, int]] = []

    def read(_: Recogniser, picture: Pixels) -> None:
        sizes.append((picture.width, picture.height))

    monkeypatch.setattr(recogniser, "is_installed", lambda: True)
    monkeypatch.setattr(Recogniser, "read", read)
    sheet = pdfs.Sheet()
    sheet.canvas.setPageSize((3_000, 300))
    sheet.picture(0, 0, 3_000, 300)
    run(sheet.pdf())
    run(picture("PNG", size=(6_000, 60)))
    assert all(max(size) <= MAX_SIDE for size in sizes)
    assert len(sizes) == 2


def test_the_words_of_a_line() -> None:
    """Chinese characters are parts of their own, which are joined; a line without all of its parts is one word."""
    box = [[0, 0], [10, 0], [10, 10], [0, 10]]
    far = [[20, 0], [30, 0], [30, 10], [20, 10]]
    line = [0.0, 0.0, 30.0, 10.0]
    assert ocr._words("a b", [("a", 1.0, box), ("b", 1.0, far)], line) == [["a", 0, 0, 10, 10], ["b", 20, 0, 30, 10]]
    assert ocr._words("\u5317\u4eac", [("\u5317", 1.0, box), ("\u4eac", 1.0, far)], line) == [
        ["\u5317\u4eac", 0, 0, 30, 10]
    ]
    assert ocr._words("a b", [("a", 1.0, box)], line) == [["a b", *line]]
    assert ocr._words("a b", [("x", 1.0, box), ("b", 1.0, far)], line) == [["a b", *line]]


def test_recognition_has_the_time_of_the_run(tmp_path: Path) -> None:
    """And leaves some for everything else."""
    from operations.extract import TIMEOUT, _ocr_seconds

    file = Upload(tmp_path, "x", "", 1)
    assert 0 < _ocr_seconds(Extract(file=file)) < TIMEOUT
    assert _ocr_seconds(Extract(file=file, ocr=False)) == 0


@pytest.mark.long  # the extra `ocr` takes 400 MB
def test_real_text_is_recognised() -> None:
    """A line of Latin letters, in the process and in its memory."""
    page = Image.new("RGB", (900, 300), "white")
    ImageDraw.Draw(page).text((60, 100), "Total due 1,651.00 EUR", "black", ImageFont.load_default(48))
    with Recogniser(120) as real:
        [line] = real.read(Pixels(900, 300, page.tobytes(), 1.0)) or []
    assert line.text == "Total due 1,651.00 EUR"
    assert line.confidence > 0.9
