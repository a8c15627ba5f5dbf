"""One document, page by page, as plain JSON."""

from __future__ import annotations

import base64
import contextlib
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

from . import headings, pairs, tables
from .engine import Document
from .errors import Unreadable
from .images import ImageDocument
from .layout import Page
from .over_pages import OverPages
from .pictures import is_picture
from .recogniser import Recognised, Recogniser, with_recognised
from .titles import is_title
from .warnings import STOPPED, Warnings
from .word_boxes import WordBoxes

SAMPLES = 8
"""Pages from which the heading types of the document are learned."""
MAX_TEXT = 20_000_000
"""Characters of all pages of a run: four times the Bible."""

MAX_WORD_BOXES = 2_000_000
"""Words of all pages of a run whose boxes are handed over: 21 MB."""

Json = dict[str, Any]


class Reader:
    """Reads the pages `numbers` (from 1, in order) of an open document.

    `pages` yields them one by one; after that, `result` returns the whole. A damaged page is empty and listed in
    `warnings`. A document without any other page is `Unreadable` with `damaged_pdf`, and one whose text exceeds
    `MAX_TEXT` with `too_large`.
    """

    def __init__(
        self,
        document: Document | ImageDocument,
        numbers: Sequence[int],
        *,
        with_tables: bool,
        with_thumbnails: bool,
        with_word_boxes: bool = False,
        recogniser: Recogniser | None = None,
        why_unread: str = "",
    ) -> None:
        self._document = document
        self._recogniser = recogniser
        self._numbers = numbers
        self._with_tables = with_tables
        self._with_thumbnails = with_thumbnails
        self._words_left = MAX_WORD_BOXES if with_word_boxes else 0
        self._outline = document.outline()
        self._warnings = Warnings()
        self._warnings.say_why_unread(why_unread)
        self._pages: list[Json] = []
        self._over_pages = OverPages()
        self.before: int = 0

    def state(self) -> bytes:
        """What was read so far, for `restore`, without the pictures of the pages."""
        pages = [{**page, "thumbnail": ""} if page.get("thumbnail") else page for page in self._pages]
        return pickle.dumps((pages, self._warnings, self._over_pages, self._words_left))

    def restore(self, state: bytes) -> None:
        """Goes on after the pages of a state, which `pages` yields first: there are so many `before`."""
        # From a process like this one, which no other code of the service trusts either.
        self._pages, self._warnings, self._over_pages, self._words_left = pickle.loads(state)  # noqa: S301
        self.before = len(self._pages)

    def pages(self) -> Iterator[Json]:
        """Each page, as `content.PageContent`; `thumbnail`, if it is wanted, is the JPEG in Base64.

        `word_boxes`, if they are wanted, are `WordBoxes`, unless the pages until then have `MAX_WORD_BOXES`.
        """
        yield from self._pages[:]
        left = self._numbers[self.before :]
        samples = {number: self._page(number) for number in self._samples()} if left else {}
        profile = headings.learn(list(samples.values()), [(e.title, e.level, e.page) for e in self._outline])
        characters = sum(map(_characters, self._pages))
        for number in left:
            page = self._content(samples.pop(number) if number in samples else self._page(number), profile)
            characters += _characters(page)
            if characters > MAX_TEXT:
                raise Unreadable("too_large", f"The text is longer than {MAX_TEXT:,} characters: choose fewer `pages`.")
            self._pages.append(page)
            yield page
        if len(self._warnings.pages("damaged_page")) == len(self._numbers):
            raise Unreadable("damaged_pdf", "The PDF is damaged: none of its pages can be read.")

    def result(self) -> Json:
        """The whole document, with everything that `pages` has yielded."""
        metadata = self._document.metadata()
        self._warnings.look_through(self._document.notices(), self._numbers)
        outline = [{"title": e.title, "level": e.level, "page": e.page} for e in self._outline]
        from_headings = [
            {"title": h["text"], "level": h["level"], "page": p["page"]} for p in self._pages for h in p["headings"]
        ]
        return {
            "title": self._title(metadata["title"]),
            "metadata": metadata,
            "page_count": self._document.page_count,
            "outline": outline or from_headings,
            "outline_from": "document" if outline else "headings",
            "pages": self._pages,
            "joined_tables": self._over_pages.joined(),
            "counts": self._counts(),
            "warnings": self._warnings.all(),
        }

    def _samples(self) -> Sequence[int]:
        """Some of the pages, evenly spread."""
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
            self._warnings.add("damaged_page", number)
            return Page(number, 0, 0)

    def _content(self, page: Page, profile: headings.Profile) -> Json:
        found = self._recognised(page) if is_picture(page) else None
        self._warnings.look_at(page, recognised=found is not None)
        if found:
            page, found = with_recognised(page, found)
        page_tables = tables.find(page) if self._with_tables else []
        boxes = [table.box for table in page_tables]
        page_headings = headings.find(page, profile, boxes)
        content: Json = {
            "page": page.number,
            "width": page.width,
            "height": page.height,
            "text": page.text,
            "headings": [{"text": heading.text, "level": heading.level} for heading in page_headings],
            "tables": [
                {
                    "rows": table.rows,
                    "header": table.header,
                    "box": table.box.rounded(),
                    "caption": table.caption,
                    "continues": self._over_pages.add(page, table),
                }
                for table in page_tables
            ],
            "pairs": [
                {"key": pair.key, "value": pair.value, "box": pair.box and pair.box.rounded()}
                for pair in pairs.find(page, [heading.box for heading in page_headings], boxes)
            ],
            "hidden": [hidden._asdict() for hidden in page.hidden],
        }
        if found is not None:
            content["recognised"] = [
                {"text": line.text, "confidence": line.confidence, "box": line.box.rounded()} for line in found
            ]
        if self._words_left > 0 and (count := sum(len(line.words) for line in page.lines)) <= self._words_left:
            self._words_left -= count
            content["word_boxes"] = WordBoxes.of(page)
        if self._with_thumbnails:
            damaged = page.number in self._warnings.pages("damaged_page")
            picture = None if damaged else self._document.picture(page.number)
            content["thumbnail"] = picture and base64.b64encode(picture).decode()
        return content

    def _recognised(self, page: Page) -> list[Recognised] | None:
        """The lines in the page's pictures; `None` if they are not recognised."""
        if self._recogniser is None:
            return None
        found = None
        if self._recogniser.may_read:
            with contextlib.suppress(Unreadable, MemoryError):
                found = self._recogniser.read(self._document.pixels(page.number))
        if found is None:
            self._warnings.say_why_unread(STOPPED)
        return found

    def _title(self, title: str | None) -> str | None:
        """The title in the metadata, or the highest heading of the first page with any."""
        if title and is_title(title):
            return title
        first: list[Json] = next((page["headings"] for page in self._pages[:3] if page["headings"]), [])
        return min(first, key=lambda heading: int(heading["level"]))["text"] if first else None

    def _counts(self) -> Json:
        texts = [page["text"] for page in self._pages]
        return {
            "pages": len(self._pages),
            "words": sum(len(text.split()) for text in texts),
            "characters": sum(map(len, texts)),
            **{kind: sum(len(page[kind]) for page in self._pages) for kind in ("headings", "tables", "pairs")},
        }


def _characters(page: Json) -> int:
    return len(page["text"]) + sum(len(hidden["text"]) for hidden in page["hidden"])
