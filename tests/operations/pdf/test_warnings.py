"""What people should know of a document: each is a warning with its pages, in the result and as an event."""

from __future__ import annotations

import io
import zlib

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject

from operations.pdf.raw import inflates
from operations.pdf.survey import Survey, survey
from tests import pdfs
from tests.operations.documents import Run, codes

TEXT = pdfs.label(100, "Some words on a page that is long enough to be cut")
PACKED = zlib.compress(TEXT * 40)


def document(*contents: bytes, catalogue: bytes = b"") -> bytes:
    """Pages with these streams as their contents."""
    count = len(contents)
    kids = b" ".join(b"%d 0 R" % (4 + 2 * at) for at in range(count))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R%b>>" % catalogue,
        b"<</Type/Pages/Kids[%b]/Count %d>>" % (kids, count),
        pdfs.FONT,
    ]
    for at, content in enumerate(contents):
        leaf = pdfs.PAGE + b"/Contents %d 0 R/Resources<</Font<</F 3 0 R>>>>>>" % (5 + 2 * at)
        objects += [leaf, content]
    return pdfs.raw(objects)


def with_files(pdf: bytes, *names: str) -> PdfWriter:
    """A copy with attached files."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf)))
    for name in names:
        writer.add_attachment(name, b"<Invoice/>")
    return writer


def written(writer: PdfWriter) -> bytes:
    """The file."""
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def test_contents_that_cannot_be_unpacked(run: Run) -> None:
    """The pages are told: one that lost all, one that lost a part, one with an unknown filter; not a blank one."""
    flate = b"/Filter/FlateDecode"
    broken = PACKED[:30] + b"\xff" * 40 + PACKED[70:]
    pdf = document(
        pdfs.stream(PACKED, flate),
        pdfs.stream(broken, flate),
        pdfs.stream(b"\xff" + PACKED[9:], flate),
        pdfs.stream(TEXT, b"/Filter/NoSuchDecode"),
        pdfs.stream(b""),
        pdfs.stream(PACKED[:-4], flate),  # only its checksum is missing
        pdfs.stream(b"GARBAGE~>", b"/Filter[/ASCII85Decode/FlateDecode]"),
    )
    assert codes(run(pdf)) == [("damaged_content", [2, 3, 4, 7])]


def test_a_damaged_form_object(run: Run) -> None:
    """What a page draws from another stream counts too, in an encrypted document as well."""
    damaged = pdfs.stream(b"\x78\x9c" + b"\xff" * 60, b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Filter/FlateDecode")
    pdf = pdfs.one_page(TEXT + b"/X Do", resources=b"/XObject<</X 6 0 R>>", extra=[damaged])
    assert codes(run(pdf)) == [("damaged_content", [1])]


@pytest.mark.parametrize("algorithm", [None, "AES-256"])
def test_attached_files(run: Run, algorithm: str | None) -> None:
    """An electronic invoice carries its data as a file: the message names it."""
    pdf = written(with_files(pdfs.invoice(*pdfs.GRID), "factur-x.xml", "terms\n.pdf"))
    outcome = run(pdfs.encrypted(pdf, "", algorithm) if algorithm else pdf)
    assert codes(outcome) == [("attachments", [])]
    assert "factur-x.xml, terms .pdf" in outcome.result["warnings"][0]["message"]


def test_a_file_attached_to_a_page(run: Run) -> None:
    """The warning has the page that it is attached to."""
    note = b"<</Type/Annot/Subtype/FileAttachment/Rect[9 9 29 29]/FS<</Type/Filespec/F(data.csv)>>>>"
    assert codes(run(pdfs.annotated(note, content=TEXT))) == [("attachments", [1])]


def test_a_portfolio(run: Run) -> None:
    """Its pages are only a cover sheet."""
    writer = with_files(pdfs.report(2), "minutes.docx")
    writer.root_object[NameObject("/Collection")] = DictionaryObject({NameObject("/Type"): NameObject("/Collection")})
    assert codes(run(written(writer))) == [("portfolio", [1, 2]), ("attachments", [])]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (b"1 0 <</Coll#65ction<<>>>>", Survey(portfolio=True)),
        (b"1 0 <</OCProperties 4 0 R>>", Survey(layers=True)),
        (b"1 0 <</Pages 2 0 R>>", Survey()),
    ],
)
def test_names_in_object_streams(names: bytes, found: Survey) -> None:
    """The catalogue may be packed with others, and its names be in hexadecimal; of encrypted ones nothing is known."""
    packed = pdfs.stream(zlib.compress(names), b"/Type/ObjStm/N 1/First 4/Filter/FlateDecode")
    assert survey(pdfs.raw([packed]), encrypted=False) == found
    assert survey(pdfs.raw([packed]), encrypted=True) == Survey(layers=True)


def test_a_dynamic_form(run: Run) -> None:
    """The pages of such a form only say that another program is needed; those of a static one are the form."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdfs.report(2))))
    form = DictionaryObject({NameObject("/Fields"): ArrayObject(), NameObject("/XFA"): ArrayObject()})
    writer.root_object[NameObject("/AcroForm")] = form
    assert codes(run(written(writer))) == []
    dynamic = written(writer).replace(b"/Type /Catalog", b"/Type /Catalog /NeedsRendering true")
    assert codes(run(dynamic)) == [("dynamic_form", [1, 2])]


def test_warnings_of_some_pages(run: Run) -> None:
    """Only the pages that were read are named."""
    sheet = pdfs.Sheet()
    for _ in range(3):
        sheet.picture(0, 0, 595, 842)
        sheet.new_page()
    assert codes(run(sheet.pdf(), pages="2-3")) == [("picture_page", [2, 3])]


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (PACKED, True),
        (PACKED[:-4], True),
        (PACKED + b"\r\n", True),
        (PACKED[: len(PACKED) // 2], False),
        (PACKED[:20] + b"\xff" + PACKED[21:], False),
        (b"", False),
    ],
)
def test_what_can_be_unpacked(data: bytes, whole: bool) -> None:
    """A missing checksum and bytes after the end lose nothing."""
    assert inflates(data) == whole


def test_the_survey_of_a_bomb_is_bounded() -> None:
    """A file that unpacks to gigabytes is not unpacked to its end."""
    found = survey(pdfs.deflate_bomb(200), encrypted=False)
    assert not found.damaged
