"""What people should know of a document that was read, gathered by code, with its pages."""

from __future__ import annotations

from typing import Any, Final

from .layout import Page
from .pictures import is_picture

MESSAGES: Final = {
    "damaged_page": "These pages are damaged and could not be read.",
    "picture_page": "These pages are mostly pictures, such as scans; the text in the pictures is not recognised.",
    "ocr_layer": "The text of these scans is what a scanner has recognised, and may have mistakes.",
    "hidden_text": "These pages have text that nobody sees on them; it is apart from their text, in `hidden`.",
    "unchecked_text": "These pages take so long to draw that text which nobody sees may be among theirs.",
}
"""What each code says, in the order of the result."""


class Warnings:
    """Warnings in the making."""

    def __init__(self) -> None:
        self._pages: dict[str, list[int]] = {}

    def add(self, code: str, page: int) -> None:
        """Adds a page to the warning with this code."""
        self._pages.setdefault(code, []).append(page)

    def look_at(self, page: Page) -> None:
        """Adds the page to all warnings that it needs."""
        found = {
            "picture_page": is_picture(page),
            "ocr_layer": page.recognised,
            "hidden_text": bool(page.hidden),
            "unchecked_text": not page.checked,
        }
        for code, is_so in found.items():
            if is_so:
                self.add(code, page.number)

    def pages(self, code: str) -> list[int]:
        """The pages of a warning, in order."""
        return sorted(self._pages.get(code, ()))

    def all(self) -> list[dict[str, Any]]:
        """The warnings: `code`, `message`, `pages`."""
        return [
            {"code": code, "message": message, "pages": self.pages(code)}
            for code, message in MESSAGES.items()
            if code in self._pages
        ]
