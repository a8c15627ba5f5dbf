"""One document from beginning to end, page after page, as plain JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from . import headings, pairs, tables
from .engine import Document
from .errors import Unreadable
from .layout import Page

SAMPLES = 8
"""Pages that the headings of the whole are learned from."""
MAX_TEXT = 20_000_000
"""Characters of all the pages that are read: four times the Bible."""
NO_TITLES = {"untitled", "anonymous", "(anonymous)", "unspecified", "(unspecified)"}
"""What programs write where nobody has given a title."""

Json = dict[str, Any]


class Reader:
    """Reads the pages `numbers` (from 1, in order) of an open document.

    `pages` gives them one by one, `result` the whole once they are read. A page that is damaged is an empty one, told
    in `warnings`; a document without any other is `Unreadable` with `damaged_pdf`, and one whose text outgrows
    `MAX_TEXT` with `too_large`.
    """

    def __init__(self, document: Document, numbers: Sequence[int], *, with_tables: bool, with_thumbnails: bool) -> None:
        self._document = document
        self._numbers = numbers
        self._with_tables = with_tables
        self._with_thumbnails = with_thumbnails
        self._outline = document.outline()
        self._damaged: list[int] = []
        self._scanned: list[int] = []
        self._read: list[Json] = []

    def pages(self) -> Iterator[Json]:
        """Each page: `page`, `text`, `headings`, `tables`, `pairs`, and `thumbnail` where that is wanted."""
        samples = {number: self._page(number) for number in self._samples()}
        profile = headings.learn(list(samples.values()), [(e.title, e.level, e.page) for e in self._outline])
        characters = 0
        for number in self._numbers:
            page = self._content(samples.pop(number) if number in samples else self._page(number), profile)
            characters += len(page["text"])
            if characters > MAX_TEXT:
                raise Unreadable("too_large", f"The text is longer than {MAX_TEXT:,} characters: choose fewer `pages`.")
            self._read.append(page)
            yield page
        if len(self._damaged) == len(self._numbers):
            raise Unreadable("damaged_pdf", "The PDF is damaged: none of its pages can be read.")

    def result(self) -> Json:
        """The whole document; what `pages` gave stands in it again."""
        metadata = self._document.metadata()
        outline = [{"title": e.title, "level": e.level, "page": e.page} for e in self._outline]
        found = [
            {"title": h["text"], "level": h["level"], "page": p["page"]} for p in self._read for h in p["headings"]
        ]
        return {
            "title": self._title(metadata["title"]),
            "metadata": metadata,
            "page_count": self._document.page_count,
            "outline": outline or found,
            "outline_from": "document" if outline else "headings",
            "pages": self._read,
            "counts": self._counts(),
            "warnings": list(self._warnings()),
        }

    def _samples(self) -> Sequence[int]:
        """Pages spread over those that are read."""
        count = len(self._numbers)
        return (
            [self._numbers[index * count // SAMPLES] for index in range(SAMPLES)] if count > SAMPLES else self._numbers
        )

    def _page(self, number: int) -> Page:
        try:
            return self._document.read(number)
        except Unreadable as error:
            if error.code != "damaged_page":
                raise
            self._damaged.append(number)
            return Page(number, 0, 0)

    def _content(self, page: Page, profile: headings.Profile) -> Json:
        if page.images and not page.lines:
            self._scanned.append(page.number)
        grids = tables.find(page) if self._with_tables else []
        boxes = [table.box for table in grids]
        titles = headings.find(page, profile, boxes)
        content: Json = {
            "page": page.number,
            "text": page.text,
            "headings": [{"text": heading.text, "level": heading.level} for heading in titles],
            "tables": [{"rows": table.rows, "header": table.header} for table in grids],
            "pairs": [pair._asdict() for pair in pairs.find(page, [heading.box for heading in titles], boxes)],
        }
        if self._with_thumbnails:
            content["thumbnail"] = None if page.number in self._damaged else self._document.thumbnail(page.number)
        return content

    def _title(self, told: str | None) -> str | None:
        """What the metadata call it, or the foremost heading of the first page with one."""
        if told and told.casefold() not in NO_TITLES:
            return told
        first: list[Json] = next((page["headings"] for page in self._read[:3] if page["headings"]), [])
        return min(first, key=lambda heading: int(heading["level"]))["text"] if first else None

    def _counts(self) -> Json:
        texts = [page["text"] for page in self._read]
        return {
            "pages": len(self._read),
            "words": sum(len(text.split()) for text in texts),
            "characters": sum(map(len, texts)),
            **{kind: sum(len(page[kind]) for page in self._read) for kind in ("headings", "tables", "pairs")},
        }

    def _warnings(self) -> Iterator[Json]:
        if self._damaged:
            message = "These pages are damaged and could not be read."
            yield {"code": "damaged_page", "message": message, "pages": sorted(self._damaged)}
        if self._scanned:
            message = "These pages hold pictures and no text, as scans do; their text is not recognised."
            yield {"code": "no_text", "message": message, "pages": self._scanned}
