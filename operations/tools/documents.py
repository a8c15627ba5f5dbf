"""`read`: the text of the documents that came with the run, by page or around words that are looked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from streaming import Upload

from .base import ToolError, surroundings, tool

KINDS: Final = (".pdf", ".txt", ".md")
"""How the names of documents end."""
PASSAGES: Final = 6
AROUND: Final = 200
"""Characters on each side of what was found."""
FIRST: Final = 3
"""Pages that are given where nothing says which."""

_PAGES: Final = re.compile(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?")


def documents(files: Sequence[Upload]) -> list[Upload]:
    """Those of a run's files that can be read."""
    return [file for file in files if file.filename.lower().endswith(KINDS)]


@tool
def read(
    file: Annotated[str | None, Field(description="the document's name; may be left out where there is one")] = None,
    pages: Annotated[str | None, Field(max_length=20, description="as in 3 or 2-5")] = None,
    find: Annotated[
        str | None, Field(max_length=100, description="words: gives the passages around them instead")
    ] = None,
) -> dict[str, Any]:
    """Reads a document that came with the goal: some of its pages, or the passages that hold certain words."""
    chosen = _chosen(file)
    read = _pages_of(chosen.path)
    told = {"file": chosen.filename, "page_count": read["page_count"]}
    if find and find.strip():
        return {**told, "passages": list(_passages(read["pages"], find))}
    first, last = _range(pages, len(read["pages"]))
    return {**told, "pages": [{"page": n, "text": read["pages"][n - 1]} for n in range(first, last + 1)]}


def _chosen(name: str | None) -> Upload:
    offered = documents(surroundings.get().files)
    found = [file for file in offered if name is None or file.filename.lower() == name.strip().lower()]
    if len(found) != 1:
        raise ToolError("not_found", f"Name one of these documents: {', '.join(file.filename for file in offered)}")
    return found[0]


def _pages_of(path: Path) -> dict[str, Any]:
    left = max(surroundings.get().deadline - time.monotonic(), 0.001)
    command = [sys.executable, "-m", "operations.tools.reading", str(path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=env, timeout=left, check=True)
    except subprocess.TimeoutExpired as error:
        raise ToolError("timeout", "Reading the document took too long.") from error
    except subprocess.CalledProcessError as error:
        raise ToolError("too_large", "Reading the document takes more memory or time than it may.") from error
    told: dict[str, Any] = json.loads(done.stdout)
    if "code" in told:
        raise ToolError(told["code"], told["message"])
    return told


def _range(pages: str | None, count: int) -> tuple[int, int]:
    match = _PAGES.fullmatch(pages) if pages and pages.strip() else None
    if pages and pages.strip() and not match:
        raise ToolError("invalid_arguments", "pages is a number or a range of them, as in 3 or 2-5")
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, min(FIRST, count))
    if not 1 <= first <= last <= count:
        raise ToolError("pages_out_of_range", f"The pages that can be read are 1 to {count}.")
    return first, last


def _passages(pages: Sequence[str], words: str) -> Iterator[dict[str, Any]]:
    """Where the words stand, at first as they are, else each of them; overlapping passages are given once."""
    for pattern in (_loosely(words), "|".join(map(re.escape, words.split()))):
        found = list(_around(pages, re.compile(pattern, re.IGNORECASE)))
        if found:
            yield from found[:PASSAGES]
            return


def _loosely(words: str) -> str:
    """The words in their order, whatever white space stands between them."""
    return r"\s+".join(map(re.escape, words.split()))


def _around(pages: Sequence[str], pattern: re.Pattern[str]) -> Iterator[dict[str, Any]]:
    for number, text in enumerate(pages, 1):
        end = 0
        for match in pattern.finditer(text):
            if match.start() >= end:
                end = match.end() + AROUND
                yield {"page": number, "text": text[max(match.start() - AROUND, 0) : end]}
