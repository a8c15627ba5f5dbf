"""`read`: the text of the run's documents, by page or around words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from streaming import Upload

from ..pdf.envelope import has_header
from ..pdf.errors import Unreadable
from ..pdf.process import PdfProcess
from .base import ToolError, tool
from .context import call_context

SUFFIXES: Final = (".pdf", ".txt", ".md")
MAX_PASSAGES: Final = 6
MARGIN: Final = 200
"""Characters on each side of a match."""
MAX_PAGES: Final = 500
MAX_TEXT: Final = 2_000_000
"""Pages of a document, and characters of all of them, that are read."""
DEFAULT_PAGES: Final = 3
"""Pages without the argument `pages`."""

_PAGES: Final = re.compile(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?")


def documents(files: Sequence[Upload]) -> list[Upload]:
    """The documents among the files of a run."""
    return [file for file in files if file.filename.lower().endswith(SUFFIXES)]


@tool(repeatable=True)
def read(
    file: Annotated[str | None, Field(description="the document's name; may be left out where there is one")] = None,
    pages: Annotated[str | None, Field(max_length=20, description="as in 3 or 2-5")] = None,
    find: Annotated[
        str | None, Field(max_length=100, description="words: gives the passages around them instead")
    ] = None,
) -> dict[str, Any]:
    """Reads a document that came with the goal: some of its pages, or the passages that hold certain words."""
    document = _document(file)
    content = _read(document.path)
    texts = content["pages"]
    answer = {"file": document.filename, "page_count": content["page_count"]}
    passages = list(_passages(texts, find)) if find and find.strip() else []
    if passages:
        return {**answer, "passages": passages}
    if find and find.strip():  # words that it does not hold
        answer, pages = {**answer, "passages": []}, None
    first, last = _range(pages, len(texts))
    return {**answer, "pages": [{"page": n, "text": texts[n - 1]} for n in range(first, last + 1)]}


def _document(name: str | None) -> Upload:
    files = documents(call_context.get().files)
    is_only = len(files) == 1  # whatever a model calls it
    matches = [file for file in files if is_only or (name and file.filename.lower() == name.strip().lower())]
    if len(matches) != 1:
        raise ToolError(
            "invalid_arguments", f"Name one of these documents: {', '.join(file.filename for file in files)}"
        )
    return matches[0]


def _read(path: Path) -> dict[str, Any]:
    """The number of pages, and the texts of the first ones."""
    if not has_header(path):
        with path.open("rb") as file:
            return {"page_count": 1, "pages": [file.read(4 * MAX_TEXT).decode(errors="replace")[:MAX_TEXT]]}
    try:
        with PdfProcess() as document:
            count = document.open(path)
            document.end_after(call_context.get().seconds_left)
            return {"page_count": count, "pages": document.texts(MAX_PAGES, MAX_TEXT)}
    except Unreadable as error:
        raise ToolError(error.code, error.message) from error
    except TimeoutError as error:
        raise ToolError("timeout", "Reading the document took too long.") from error
    except MemoryError as error:
        raise ToolError("too_large", "Reading the document takes too much memory.") from error


def _range(pages: str | None, count: int) -> tuple[int, int]:
    match = _PAGES.fullmatch(pages) if pages and pages.strip() else None
    if pages and pages.strip() and not match:
        raise ToolError("invalid_arguments", "pages is a number or a range of them, as in 3 or 2-5")
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, min(DEFAULT_PAGES, count))
    if not 1 <= first <= last <= count:
        raise ToolError("pages_out_of_range", f"The document has the pages 1 to {count}.")
    return first, last


def _passages(pages: Sequence[str], words: str) -> Iterator[dict[str, Any]]:
    """Passages with the words in this order, else with any of them. White space does not matter."""
    parts = list(map(re.escape, words.split()))
    for separator in (r"\s+", "|"):
        passages = list(_matches(pages, re.compile(separator.join(parts), re.IGNORECASE)))
        if passages:
            yield from passages[:MAX_PASSAGES]
            return


def _matches(pages: Sequence[str], pattern: re.Pattern[str]) -> Iterator[dict[str, Any]]:
    for number, text in enumerate(pages, 1):
        end = 0
        for match in pattern.finditer(text):
            if match.start() >= end:
                end = match.end() + MARGIN
                yield {"page": number, "text": text[max(match.start() - MARGIN, 0) : end]}
