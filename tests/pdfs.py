"""PDFs for the tests: documents made by reportlab, raw ones made byte by byte, and real ones from Debian.

reportlab makes what people print (invoices, reports, forms), pypdf encrypts it, and `raw` writes what no program
would: bombs, and page trees that contain themselves.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Table, TableStyle

DEBIAN = Path("/usr/share/doc/debian-policy")
"""The folder of two documents in the package debian-policy: `fhs/fhs-3.0.pdf` (50 pages) and `policy.pdf` (193)."""

ITEMS = (
    ("Item", "Quantity", "Unit price", "Amount"),
    ("Blue widget", "3", "10.00", "30.00"),
    ("Crate of green widgets", "12", "120.50", "1,446.00"),
    ("Delivery", "1", "15.00", "15.00"),
    ("Assembly on site", "2", "80.00", "160.00"),
)
"""The table of the invoices below; its first row names the columns."""


class Sheet:
    """A PDF in the making. Coordinates are points from the top left corner; `pdf` gives the bytes."""

    def __init__(self, title: str = "", size: tuple[float, float] = A4) -> None:
        self._file = io.BytesIO()
        self.width, self.height = size
        self.canvas = Canvas(self._file, pagesize=size, invariant=True)
        if title:
            self.canvas.setTitle(title)

    def text(self, x: float, top: float, text: str, size: float = 10, *, bold: bool = False) -> None:
        """Writes one line, whose base line is at `top`."""
        self.canvas.setFont("Helvetica-Bold" if bold else "Helvetica", size)
        self.canvas.drawString(x, self.height - top, text)

    def paragraph(self, x: float, top: float, lines: Iterable[str], size: float = 10) -> None:
        """Writes lines of running text."""
        for index, line in enumerate(lines):
            self.text(x, top + 1.2 * size * index, line, size)

    def table(self, x: float, top: float, rows: Sequence[tuple[str, ...]], *style: Any) -> None:
        """Draws a table; `style` are reportlab's commands."""
        table = Table(rows, style=TableStyle(style))
        _, height = table.wrapOn(self.canvas, self.width, self.height)
        table.drawOn(self.canvas, x, self.height - top - height)

    def picture(self, x: float, top: float, width: float, height: float, image: Image.Image | None = None) -> None:
        """Draws a picture: noise, if it is not given."""
        drawn = ImageReader(image or Image.effect_noise((64, 64), 40))
        self.canvas.drawImage(drawn, x, self.height - top - height, width, height)

    def new_page(self) -> None:
        """Starts the next page."""
        self.canvas.showPage()

    def pdf(self) -> bytes:
        """The finished file."""
        self.canvas.save()
        return self._file.getvalue()


GRID = (("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold"))
COLUMNS_ONLY = (
    ("BOX", (0, 0), (-1, -1), 0.5, colors.black),
    ("INNERGRID", (0, 0), (-1, 0), 0.5, colors.black),
    ("LINEBEFORE", (1, 0), (-1, -1), 0.5, colors.black),
    ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
    ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold"),
)
INNER_ONLY = (("INNERGRID", (0, 0), (-1, -1), 0.5, colors.black), ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold"))
UNRULED = (("ALIGN", (1, 0), (-1, -1), "RIGHT"), ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold"))
STRIPES = (
    *UNRULED,
    ("ROWBACKGROUNDS", (0, 0), (-1, -1), [colors.lightgrey, colors.white]),
)


def invoice(*style: Any) -> bytes:
    """One page: letterhead, key-value pairs in three layouts, the table of `ITEMS` in this style, and a footer."""
    sheet = Sheet("Invoice 2026-0042")
    sheet.text(60, 80, "Invoice", 22, bold=True)
    sheet.text(60, 110, "Invoice number: 2026-0042")
    sheet.text(60, 124, "Date: 23 November 2026")
    sheet.text(360, 110, "Customer:")
    sheet.text(440, 110, "K-1138")
    sheet.text(360, 124, "Due:")
    sheet.text(440, 124, "2026-12-23")
    sheet.paragraph(60, 160, ["Bill to:", "Example Works Ltd", "12 Mill Lane", "Springfield"])
    sheet.table(60, 230, ITEMS, *style)
    sheet.text(360, 420, "Total:", bold=True)
    sheet.text(440, 420, "1,651.00", bold=True)
    sheet.paragraph(
        60,
        470,
        [
            "Please note the following: payment is due within thirty days of the date above, and goods",
            "remain ours until then. Should you find a fault, tell us: we will mend it or take it back, and",
            "you will not be charged for either of these.",
        ],
    )
    return sheet.pdf()


BODY = [
    "The quick brown fox jumps over the lazy dog and goes on to do it again, for as long as anybody cares to",
    "watch it, which is longer than one would think. The dog, being lazy, does not mind, and sleeps through",
    "the whole of it.",
]


def report(pages: int = 3, *, outline: bool = False, title: str = "") -> bytes:
    """Chapters of a page each, with sections, bold notes, body text, and a running title with the page's number."""
    sheet = Sheet(title)
    for number in range(1, pages + 1):
        sheet.text(60, 40, f"The Annual Report, page {number}", 9, bold=True)
        sheet.text(60, 110, f"{number}. Chapter number {number}", 20, bold=True)
        sheet.paragraph(60, 140, BODY)
        sheet.text(60, 220, f"{number}.1 What it is about", 14, bold=True)
        sheet.paragraph(60, 240, BODY)
        sheet.text(60, 310, "A remark", 10, bold=True)
        sheet.paragraph(60, 326, BODY)
        if outline:
            for level, entry in enumerate((f"Chapter number {number}", "What it is about")):
                sheet.canvas.bookmarkPage(f"{number}-{level}")
                sheet.canvas.addOutlineEntry(entry, f"{number}-{level}", level=level)
        sheet.new_page()
    return sheet.pdf()


def form() -> bytes:
    """A page with a text field, one that is empty, and two check boxes."""
    sheet = Sheet()
    fields = sheet.canvas.acroForm
    sheet.text(60, 80, "Application", 18, bold=True)
    fields.textfield(name="surname", tooltip="Surname", value="Lovelace", x=60, y=700)
    fields.textfield(name="fax", tooltip="Fax", value="", x=60, y=650)
    fields.checkbox(name="member", tooltip="Member", checked=True, x=60, y=600)
    fields.checkbox(name="newsletter", tooltip="Newsletter", checked=False, x=60, y=560)
    return sheet.pdf()


def encrypted(pdf: bytes, password: str, algorithm: str = "AES-256") -> bytes:
    """`pdf` under a password; the algorithms are pypdf's: RC4-40, RC4-128, AES-128, AES-256-R5, AES-256."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf)))
    writer.encrypt(password, algorithm=algorithm)
    return _written(writer)


def rotated(pdf: bytes, degrees: int) -> bytes:
    """`pdf` with every page rotated clockwise."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf)))
    for page in writer.pages:
        page.rotate(degrees)
    return _written(writer)


def _written(writer: PdfWriter) -> bytes:
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def debian(name: str) -> bytes:
    """A document of the package debian-policy. Without it a test is skipped; in CI it fails."""
    path = DEBIAN / f"{name}.gz"
    if not path.exists():
        sentence = f"{path} is missing: `make test` installs debian-policy"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(sentence)
    return gzip.decompress(path.read_bytes())


# --- byte by byte (ISO 32000-1, 7.5) ---------------------------------------------------------------------------------

PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def raw(objects: Sequence[bytes]) -> bytes:
    """A file of these objects, which are numbered from 1; the first one is the catalogue."""
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%b" % (len(objects) + 1, table)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """A stream object."""
    return b"<<%b/Length %d>>stream\n%b\nendstream" % (entries, len(content), content)


def one_page(
    content: bytes,
    entries: bytes = b"",
    *,
    page: bytes = PAGE,
    resources: bytes = b"",
    font: bytes = FONT,
    extra: Sequence[bytes] = (),
) -> bytes:
    """A page with this content, and a font as /F; `extra` are objects from 6 on."""
    tree = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    leaf = page + b"/Contents 4 0 R/Resources<</Font<</F 5 0 R>>%b>>>>" % resources
    return raw([b"<</Type/Catalog/Pages 2 0 R>>", tree, leaf, stream(content, entries), font, *extra])


def layered(content: bytes, *, form: bytes = b"", off: bool = True, resources: bytes = b"") -> bytes:
    """A page with a layer /L, which is off or on, and a form object /X that belongs to it."""
    state = b"/OFF[6 0 R]" if off else b"/ON[6 0 R]"
    catalogue = b"<</Type/Catalog/Pages 2 0 R/OCProperties<</OCGs[6 0 R]/D<<%b>>>>>>" % state
    tree = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    names = b"/Font<</F 5 0 R>>/Properties<</L 6 0 R>>/XObject<</X 7 0 R>>%b" % resources
    leaf = PAGE + b"/Contents 4 0 R/Resources<<%b>>>>" % names
    entries = b"/Type/XObject/Subtype/Form/BBox[0 0 612 792]/OC 6 0 R/Resources<</Font<</F 5 0 R>>>>"
    layer = b"<</Type/OCG/Name(Layer)>>"
    return raw([catalogue, tree, leaf, stream(content), FONT, layer, stream(form, entries)])


def annotated(*annotations: bytes, form: bytes = b"", content: bytes = b"", extra: Sequence[bytes] = ()) -> bytes:
    """A page with these annotations, which are its form's fields too; `extra` are objects from 6 + their number on."""
    kids = b" ".join(b"%d 0 R" % number for number in range(6, 6 + len(annotations)))
    fields = b"/AcroForm<</Fields[%b]/DR<</Font<</Helv 5 0 R>>>>/DA(/Helv 12 Tf 0 g)%b>>" % (kids, form)
    tree = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    leaf = PAGE + b"/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>/Annots[%b]>>" % kids
    catalogue = b"<</Type/Catalog/Pages 2 0 R%b>>" % fields
    return raw([catalogue, tree, leaf, stream(content), FONT, *annotations, *extra])


def widget(top: int, entries: bytes, left: int = 150, width: int = 200, height: int = 18) -> bytes:
    """A field of a form, printed and shown, without an appearance; `top` is from the top of the page."""
    rect = b"/Rect[%d %d %d %d]" % (left, 792 - top - height, left + width, 792 - top)
    return b"<</Type/Annot/Subtype/Widget/F 4/DA(/Helv 12 Tf 0 g)%b%b>>" % (rect, entries)


def label(top: int, text: str, left: int = 60) -> bytes:
    """A line of text as page content, at the height of a field with the same `top`."""
    return b"BT /F 12 Tf %d %d Td (%b) Tj ET\n" % (left, 792 - top - 13, text.encode("latin-1"))


def deflate_bomb(megabytes: int = 2000) -> bytes:
    """A page whose content is a thousandth of what it unpacks to.

    One megabyte is packed and then repeated, which a full flush permits (RFC 1951, 3.2.3: blocks may stand alone).
    """
    packer = zlib.compressobj(9)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    million = packer.compress(b" " * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return one_page(head + million * megabytes + packer.flush(), b"/Filter/FlateDecode")


def many_pages(count: int) -> bytes:
    """A document in which one page appears `count` times."""
    kids = b" ".join(b"3 0 R" for _ in range(count))
    tree = b"<</Type/Pages/Kids[%b]/Count %d>>" % (kids, count)
    return raw([b"<</Type/Catalog/Pages 2 0 R>>", tree, PAGE + b">>"])


def deep_tree(depth: int) -> bytes:
    """One page at the end of a tree of `depth` nodes, each below the last."""
    nodes = [b"<</Type/Pages/Kids[%d 0 R]/Count 1/Parent %d 0 R>>" % (at + 1, at - 1) for at in range(3, depth + 2)]
    first = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    leaf = b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 612 792]>>" % (depth + 1)
    return raw([b"<</Type/Catalog/Pages 2 0 R>>", first, *nodes, leaf])


def looped_tree() -> bytes:
    """A page tree that contains itself."""
    return raw([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R]/Count 3>>"])


def damaged_page() -> bytes:
    """Three pages, the second of which does not exist."""
    tree = b"<</Type/Pages/Kids[3 0 R 9 0 R 4 0 R]/Count 3>>"
    return raw([b"<</Type/Catalog/Pages 2 0 R>>", tree, PAGE + b">>", PAGE + b">>"])


def unicode_holes() -> bytes:
    """A page that shows "ABC"; its font maps A to half a surrogate pair, B to a NUL and C to the letter Z."""
    mapping = (
        b"1 begincodespacerange <00> <FF> endcodespacerange 3 beginbfchar <41> <D800> <42> <0000> <43> <005A> endbfchar"
    )
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>"
    tree = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    leaf = PAGE + b"/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
    content = stream(b"BT /F 12 Tf 72 700 Td (ABC) Tj ET")
    return raw([b"<</Type/Catalog/Pages 2 0 R>>", tree, leaf, content, font, stream(mapping)])


def scan() -> bytes:
    """A page that is one picture."""
    sheet = Sheet()
    sheet.canvas.drawInlineImage(Image.effect_noise((64, 64), 40), 60, 300, 400, 400)
    return sheet.pdf()
