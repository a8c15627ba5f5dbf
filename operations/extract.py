"""`extract`: the content of a PDF, page by page.

It runs in a child process with limited time and memory, and PDFium in another below it, without the service's keys: a
PDF is a program that a stranger wrote, and PDFium, which runs it, is neither thread-safe nor safe enough for more.

A run without a result ends with one of these codes:

    empty_file, not_a_pdf, truncated_pdf, damaged_pdf      the file is not a complete PDF
    damaged_image                                          the file is a picture that is not complete
    password_required, wrong_password                      it is encrypted
    unsupported_encryption                                 it is encrypted in a way that PDFium does not support
    pages_out_of_range, too_many_pages                     `pages` does not fit the document or the limit
    host_not_allowed, fetch_failed                         the host of `document_url` is not allowed, or failed
    too_large, timeout                                     more than `MEMORY`, `TIMEOUT` or a limit of `pdf`
    model_...                                              with `fields`, an error of the model (`llm.errors`)

With `fields` the pages, once they are all read, go to a model one by one (`form`); without it no model is asked.

Its checkpoints have what was read so far, about once a second, and with `fields` what was found on each page: another
attempt reads and asks for the rest.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Generator, Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, cast
from urllib.parse import unquote

from pydantic import BeforeValidator, Field, HttpUrl, SecretStr, ValidationInfo, field_validator

from streaming import Event, JsonSchema, OperationError, Upload, checkpoint, event, file, operation, partial, progress

from .attempts import kept, packed, unpacked
from .form.schema import form_of
from .inputs import Input
from .long_results import cut, reference, shortened
from .pdf.content import ExtractResult, PageContent, PageFields
from .pdf.errors import Unreadable
from .pdf.process import PdfProcess
from .pdf.text import one_line
from .pdf.word_boxes import WordBoxes
from .processes import processors
from .settings import settings

TIMEOUT = 300.0
"""Seconds; 2,000 pages with tables and thumbnails take about 30 on one core."""
TIMEOUT_WITH_FIELDS = 3600.0
"""Seconds if a model reads the pages too, which takes seconds for each page."""
OCR_SHARE = 0.6
"""The share of them in which text in pictures may be recognised."""
MEMORY = 1 << 30
"""Bytes of address space, for each of the two processes."""
RETRIES = 2
"""How often another worker goes on with a run."""
MAX_PAGES = 2_000
"""Pages of one run."""

MOST_KEPT = 1_000_000
"""Bytes of a checkpoint."""
MAX_NAME = 100
"""Characters of the name of a form's field."""

PAGE_CUT = "Some of the text or the tables of these pages is left out: each has more than 1 MB."

_RANGES = re.compile(r"\s*\d{1,7}\s*(?:-\s*\d{1,7}\s*)?(?:,\s*\d{1,7}\s*(?:-\s*\d{1,7}\s*)?)*")


def _from_text(value: Any) -> Any:
    """Decodes JSON, which a form sends as text."""
    return JsonSchema.decode(value) if isinstance(value, str) else value


FIELDS = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "date": {"type": "string", "format": "date", "description": "The day of the invoice"},
        "total": {"type": "number", "description": "What is to be paid, with tax"},
    },
}
"""An example."""


class Extract(Input):
    """The document, and what to extract from it."""

    file: Upload | None = Field(
        default=None, title="File", description="The PDF itself, or pages in a PNG, JPEG or TIFF file."
    )
    document_url: HttpUrl | None = Field(
        default=None,
        title="URL",
        description="The address of the PDF, instead of a file; only on hosts that this service allows.",
        examples=["https://example.org/report.pdf"],
        validate_default=True,
    )
    pages: str | None = Field(
        default=None,
        title="Pages",
        description="Pages, counted from 1; all of them if left out.",
        examples=["1-10,14"],
        max_length=1000,
    )
    password: SecretStr | None = Field(
        default=None, title="Password", description="The password of the PDF, if it is encrypted."
    )
    tables: bool = Field(default=True, title="Tables", description="Whether to look for tables.")
    ocr: bool = Field(
        default=True,
        title="Text in pictures",
        description="Whether to recognise the text of pages that are pictures, if this service can.",
    )
    render: bool = Field(
        default=False, title="Thumbnails", description="Whether to hand over a picture of each page, as a file."
    )

    fields: Annotated[dict[str, Any] | None, BeforeValidator(_from_text)] = Field(
        default=None,
        title="Fields",
        description="The fields that a language model looks for on each page: a JSON Schema of an object.",
        examples=[FIELDS],
    )

    @field_validator("fields")
    @classmethod
    def _form(cls, fields: dict[str, Any] | None) -> dict[str, Any] | None:
        if fields is not None:
            form_of(fields)
        return fields

    @field_validator("document_url")
    @classmethod
    def _one_document(cls, url: HttpUrl | None, info: ValidationInfo) -> HttpUrl | None:
        if "file" in info.data and (url is None) == (info.data["file"] is None):
            raise ValueError("give either a file or a document_url")
        if url and (url.username or url.password):
            raise ValueError("a URL without a user name and a password")
        return url

    @field_validator("pages")
    @classmethod
    def _page_ranges(cls, pages: str | None) -> str | None:
        if pages and not (_RANGES.fullmatch(pages) and all(1 <= first <= last for first, last in _ranges(pages))):
            raise ValueError("page numbers from 1 and ranges of them, as in 1-10,14")
        return pages


def _ocr_seconds(input: Extract) -> float:
    """How long the text in pictures may be recognised: the rest of a run is for everything else."""
    return _seconds(input) * OCR_SHARE if input.ocr else 0.0


def _seconds(input: Extract) -> float:
    return TIMEOUT if input.fields is None else TIMEOUT_WITH_FIELDS


@operation(
    title="Extract a PDF",
    runs_in="process",
    timeout=_seconds,
    memory=MEMORY,
    retries=RETRIES,
    concurrency=processors(),
    partials=PageContent | PageFields,
)
def extract(input: Extract) -> Generator[Event, None, ExtractResult]:
    """Reads a PDF page by page: text, headings, tables and key-value pairs, and with a model the fields you name."""
    source = (yield from _fetch(str(input.document_url))) if input.document_url else _upload(input).path
    yield progress("Opening the document", step="open")
    password = input.password.get_secret_value() if input.password else None
    before: dict[str, Any] = kept() or {}
    with _operation_errors(), PdfProcess() as document:
        numbers = page_numbers(input.pages, document.open(source, password))
        boxes: dict[int, WordBoxes] = {}
        result = {"filename": _filename(input), **(yield from _read(document, numbers, input, boxes, before))}
    filled = {} if input.fields is None else (yield from _fill(input.fields, result["pages"], boxes, before))
    pages = [reference(f"page-{page['page']}") for page in result["pages"]]
    return cast("ExtractResult", (yield from shortened(result | filled, {"pages": pages})))


def _read(
    document: PdfProcess, numbers: list[int], input: Extract, boxes: dict[int, WordBoxes], before: dict[str, Any]
) -> Generator[Event, None, dict[str, Any]]:
    """The content of these pages, each sent as it is read; the `boxes` of their words, if there are fields, are not.

    `before` is the checkpoint of the last attempt, which has sent those of its `state`. The newest state replaces it.
    """
    total = len(numbers)
    if not before:
        yield progress(f"Pages to read: {total}", done=0, total=total, unit="pages", step="pages")
    pages: list[dict[str, Any]] = []
    too_long: list[int] = []
    for message in document.content(
        numbers,
        tables=input.tables,
        thumbnails=input.render,
        word_boxes=input.fields is not None,
        ocr_seconds=_ocr_seconds(input),
        state=before.get("state"),
    ):
        if "result" in message:
            before["state"] = message["state"]
            cut_off = {"code": "page_cut", "message": PAGE_CUT, "pages": too_long}
            warnings = [*message["result"]["warnings"], *([cut_off] if too_long else [])]
            for warning in warnings if "filled" not in before else ():
                yield event("warning", warning)
            return {**message["result"], "warnings": warnings, "pages": pages}
        if packed := message["page"].pop("word_boxes", None):
            boxes[message["page"]["page"]] = WordBoxes(*packed)
        whole = yield from _handed_over(message["page"], sent=message["before"])
        page = cut(whole)
        pages.append(page)
        if page is not whole:
            too_long.append(page["page"])
        if message["before"]:
            continue
        yield partial(f"page-{page['page']}", page)
        yield progress(f"Page {page['page']}", done=len(pages), total=total, unit="pages", step="pages")
        if message["state"] is not None:
            yield checkpoint({"state": message["state"]})
    raise AssertionError("the result is the last message")


def _handed_over(page: dict[str, Any], *, sent: bool) -> Generator[Event, None, dict[str, Any]]:
    """The page as its partial has it: its picture is a file, which another attempt may have `sent`."""
    if page.get("thumbnail") is not None:
        name = f"page-{page['page']}.jpg"
        if not sent:
            yield file(name, base64.b64decode(page["thumbnail"]), type="image/jpeg")
        page = {**page, "thumbnail": name}
    return page


def _fill(
    fields: dict[str, Any], pages: list[dict[str, Any]], boxes: dict[int, WordBoxes], before: dict[str, Any]
) -> Generator[Event, None, dict[str, Any]]:
    from .form.filler import FormFiller  # importing the model's client takes longer than reading most documents

    def keep(filled: dict[str, Any]) -> Iterator[Event]:
        """What is found is kept where all of it, with what was read, fits into a checkpoint."""
        value = {"state": before["state"], "filled": packed(filled)}
        if value["state"] is not None and sum(map(len, value.values())) < MOST_KEPT:
            yield checkpoint(value)

    filled = None if "filled" not in before else unpacked(before["filled"])
    texts = ((page["page"], model_text(page)) for page in pages)
    return (yield from FormFiller(fields).fill(texts, boxes, filled, keep))


def model_text(page: dict[str, Any]) -> str:
    """What the model reads of a page: its text; of a form without any other text also the names of its fields."""
    rest = page["text"]
    fields = [pair for pair in page["pairs"] if pair["box"] is None]  # those of a form
    for pair in sorted(fields, key=lambda pair: -len(pair["value"])):
        rest = rest.replace(pair["value"], " ", 1)
    if not fields or any(map(str.isalnum, rest)):
        return str(page["text"])
    return "\n".join(f"{pair['key'][:MAX_NAME]}: {pair['value']}" for pair in fields)


def page_numbers(pages: str | None, count: int) -> list[int]:
    """The page numbers that `pages` selects in a document of `count` pages, in order and once each.

    Raises `OperationError` with `pages_out_of_range` or `too_many_pages`.
    """
    ranges = _ranges(pages) if pages else [(1, count)]
    last = max(last for _, last in ranges)
    if last > count:
        raise OperationError("pages_out_of_range", f"There is no page {last}: the document has {count}.")
    total = sum(last - first + 1 for first, last in ranges)
    if total > MAX_PAGES:
        message = f"{total:,} pages are more than the {MAX_PAGES:,} of one run: select fewer with `pages`."
        raise OperationError("too_many_pages", message)
    return sorted({number for first, last in ranges for number in range(first, last + 1)})


def _ranges(pages: str) -> list[tuple[int, int]]:
    bounds = (part.partition("-") for part in pages.split(","))
    return [(int(first), int(last or first)) for first, _, last in bounds]


def _fetch(url: str) -> Generator[Event, None, bytes]:
    from .fetch import Download  # importing httpx takes longer than reading most uploads

    download = Download(url, settings().document_hosts)
    yield progress("Fetching the document", step="fetch")
    for received in download:
        yield progress("Fetching the document", done=received, total=download.total, unit="bytes", step="fetch")
    return download.content


def _upload(input: Extract) -> Upload:
    assert input.file is not None  # `_one_document` has checked that there is either a file or a URL
    return input.file


def _filename(input: Extract) -> str | None:
    path = unquote(input.document_url.path or "") if input.document_url else _upload(input).filename
    return one_line(PurePosixPath(path.replace("\\", "/")).name) or None


@contextlib.contextmanager
def _operation_errors() -> Iterator[None]:
    """Turns the errors of the PDF package into those of the operation."""
    try:
        yield
    except Unreadable as error:
        raise OperationError(error.code, error.message) from error
