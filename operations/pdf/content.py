"""What is read of a PDF, as the types of the operation's result and partials."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict  # pydantic takes no other on Python 3.11

from ..model_info import ModelInfo

Box = list[float]
"""Left, top, right and bottom in points, from the top left corner of the page with its text upright."""


class Heading(TypedDict):
    """A heading, and its level from 1."""

    text: str
    level: int


class Table(TypedDict):
    """Rows of cells from the top; `header` says whether the first row names the columns.

    `continues` says that the table goes on from the page before; the result has it as a `JoinedTable` too.
    """

    rows: list[list[str]]
    header: bool
    box: Box
    caption: str | None
    continues: bool


class JoinedTable(TypedDict):
    """A table over several `pages`, its rows under one header: where pages repeat the header, it is left out."""

    pages: list[int]
    rows: list[list[str]]
    header: bool
    caption: str | None


class Pair(TypedDict):
    """A key without its colon, and its value; the filled field of a form has no box."""

    key: str
    value: str
    box: Box | None


class HiddenText(TypedDict):
    """Text that nobody sees on the page, and why: it is no part of the page's text."""

    text: str
    reason: Literal["off_page", "invisible", "layer", "covered", "clipped", "colour", "tiny"]


class RecognisedLine(TypedDict):
    """A line of text that was recognised in a picture, with the confidence of that from 0 to 1."""

    text: str
    confidence: float
    box: Box


class PageContent(TypedDict):
    """A page; `thumbnail` names the file with its picture, where it was asked for, and is null for a damaged page.

    `recognised` is there if the text in the page's pictures was recognised: its lines, which the text has too.

    `width` and `height` are points of the page with its text upright, in which the boxes are measured.
    """

    page: int
    width: float
    height: float
    text: str
    headings: list[Heading]
    tables: list[Table]
    pairs: list[Pair]
    hidden: list[HiddenText]
    recognised: NotRequired[list[RecognisedLine]]
    thumbnail: NotRequired[str | None]


class PageFields(TypedDict):
    """What the model has found on a page.

    `unverified` are the JSON Pointers of the values that do not stand in its text; `not_understood` has the answers
    that are no value of their field, by JSON Pointer.
    """

    page: int
    fields: Any
    unverified: list[str]
    not_understood: dict[str, str]


class Metadata(TypedDict):
    """The metadata of the document; what is missing is null. Dates are RFC 3339."""

    title: str | None
    author: str | None
    subject: str | None
    keywords: str | None
    creator: str | None
    producer: str | None
    created: str | None
    modified: str | None
    version: str | None
    encrypted: bool
    tagged: bool


class OutlineEntry(TypedDict):
    """An entry of the table of contents; one without a target has no page."""

    title: str
    level: int
    page: int | None


class Counts(TypedDict):
    """How much was read."""

    pages: int
    words: int
    characters: int
    headings: int
    tables: int
    pairs: int


class Warned(TypedDict):
    """Something that people should know of the result."""

    code: str
    message: str
    pages: list[int]


class ModelUsage(TypedDict):
    """The tokens of all calls of the model."""

    prompt_tokens: int
    completion_tokens: int


class FieldBox(TypedDict):
    """Where a value stands on a page; a value over several lines has a box on each."""

    page: int
    box: Box


class OtherValue(TypedDict):
    """Another value of a field, with its evidence."""

    value: Any
    pages: list[int]
    verified: bool
    reason: NotRequired[str]
    boxes: NotRequired[list[FieldBox]]


class Evidence(TypedDict):
    """The pages that a value comes from, and whether it stands there; `reason` says why it may be wrong though it does.

    `boxes` tells where, up to 100 times; it is absent where that is not known. `others` are the values that lost.
    """

    pages: list[int]
    verified: bool
    reason: NotRequired[str]
    boxes: NotRequired[list[FieldBox]]
    others: NotRequired[list[OtherValue]]


class ExtractResult(TypedDict):
    """The document; from `fields` on only where fields were asked for. `evidence` is by JSON Pointer."""

    filename: str | None
    title: str | None
    metadata: Metadata
    page_count: int
    outline: list[OutlineEntry]
    outline_from: Literal["document", "headings"]
    pages: list[PageContent]
    joined_tables: list[JoinedTable]
    counts: Counts
    warnings: list[Warned]
    fields: NotRequired[Any]
    evidence: NotRequired[dict[str, Evidence]]
    unverified: NotRequired[list[str]]
    not_understood: NotRequired[dict[str, str]]
    incomplete: NotRequired[list[int]]
    model: NotRequired[ModelInfo]
    usage: NotRequired[ModelUsage]
