"""What people should know of a document that was read, gathered by code, with its pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from .engine import Notices
from .layout import Page
from .pictures import is_picture

MESSAGES: Final = {
    "damaged_page": "These pages are damaged and could not be read.",
    "recognised_text": "The text of these pages was recognised in their pictures, and may have mistakes.",
    "picture_page": "These pages are mostly pictures, such as scans; the text in the pictures is not recognised.",
    "ocr_layer": "The text of these scans is what a scanner has recognised, and may have mistakes.",
    "hidden_text": "These pages have text that nobody sees on them; it is apart from their text, in `hidden`.",
    "damaged_content": "A part of what these pages draw cannot be unpacked; text may be missing.",
    "no_unicode": "These pages have glyphs of which the file does not say what they mean; they are \ufffd in the text.",
    "dynamic_form": "This is a dynamic form (XFA), whose content only Adobe's programs show; its pages are a notice.",
    "portfolio": "This is a portfolio: its content is in the files attached to it, which are not read.",
    "attachments": "The document has files attached to it, which are not read.",
    "unchecked_text": "These pages take so long to draw that text which nobody sees may be among theirs.",
}
"""What each code says, in the order of the result."""
NOT_INSTALLED: Final = ": this service has no RapidOCR (pip install 'rapidocr>=3.10,<4' onnxruntime)"
STOPPED: Final = ": that failed, or took too long"
"""Why the text of pictures is not recognised, if it was wanted."""

MAX_NAME: Final = 100
"""Characters of a file's name in a message."""


class Warnings:
    """Warnings in the making."""

    def __init__(self) -> None:
        self._pages: dict[str, list[int]] = {}
        self._details: dict[str, str] = {}

    def add(self, code: str, page: int) -> None:
        """Adds a page to the warning with this code."""
        pages = self._pages.setdefault(code, [])
        if page not in pages:  # another attempt looks at its samples once more
            pages.append(page)

    def look_at(self, page: Page, *, recognised: bool = False) -> None:
        """Adds the page to all warnings that it needs; `recognised` says whether its pictures were read."""
        found = {
            "recognised_text": recognised,
            "picture_page": is_picture(page) and not recognised,
            "ocr_layer": page.recognised,
            "hidden_text": bool(page.hidden),
            "unchecked_text": not page.checked,
            "damaged_content": page.damaged,
            "no_unicode": page.unknown > 0,
        }
        for code, is_so in found.items():
            if is_so:
                self.add(code, page.number)

    def look_through(self, notices: Notices, numbers: Sequence[int]) -> None:
        """Adds what is to be known of the whole document, of which these pages were read."""
        for code, is_so in (("dynamic_form", notices.is_dynamic), ("portfolio", notices.is_portfolio)):
            if is_so:
                self._pages[code] = list(numbers)
        if notices.attachments or notices.pages_with_files:
            self._pages["attachments"] = notices.pages_with_files
        if notices.names:
            more = ", ..." if notices.attachments > len(notices.names) else ""
            names = ", ".join(name[:MAX_NAME] for name in notices.names)
            self._details["attachments"] = f"The document has files attached to it, which are not read: {names}{more}"

    def say_why_unread(self, why: str) -> None:
        """Adds to the message of pages that are pictures why their text is not recognised."""
        self._details["picture_page"] = MESSAGES["picture_page"].removesuffix(".") + f"{why}."

    def pages(self, code: str) -> list[int]:
        """The pages of a warning, in order."""
        return sorted(self._pages.get(code, ()))

    def all(self) -> list[dict[str, Any]]:
        """The warnings: `code`, `message`, `pages`."""
        return [
            {"code": code, "message": self._details.get(code, message), "pages": self.pages(code)}
            for code, message in MESSAGES.items()
            if code in self._pages
        ]
