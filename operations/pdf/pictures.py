"""Pages whose content is a picture, in which text may stand that only optical recognition can read."""

from __future__ import annotations

from .layout import Page

MOSTLY = 0.5
"""The share of a page that its pictures cover, from which on little text beside them counts as a stamp or fax line."""
STAMP = 300
"""Characters of that text, at most."""
DRAWING = 100
"""Objects of a page without text and pictures, from which on it is a drawing, such as text drawn as shapes."""


def is_picture(page: Page) -> bool:
    """Whether what the page says is mostly in its pictures: a scan, also one with a line of text, or a drawing.

    A scan whose text a scanner has recognised is none.
    """
    if page.recognised:
        return False
    if not page.lines:
        return page.images > 0 or page.drawn >= DRAWING
    return page.pictured >= MOSTLY and len(page.text) <= STAMP
