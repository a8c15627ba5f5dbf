"""The documents name files that exist, and the page on the architecture names every module of the library."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from operations.extract import extract
from tests.clients import parse_frames
from tests.worlds import assert_described

ROOT: Final = Path(__file__).resolve().parent.parent
ARCHITECTURE: Final = ROOT / "docs" / "architecture.md"
PAGES: Final = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

SUFFIXES: Final = {".conf", ".css", ".json", ".md", ".mjs", ".py", ".toml", ".ts", ".tsx", ".txt"}
OTHERS: Final = {"application/json", "text/event-stream", "var/headway.db"}
"""Names with a slash that are not files of the repository: media types, and the database of a running service."""

BLOCK: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
NAME: Final = re.compile(r"`([\w.-]+(?:/[\w.-]*)*)(?:::\w+)?`(?!:\n)")
"""A name in backticks. One with a colon before a block of code is excluded: that file is the reader's."""

ENTRY: Final = re.compile(r"^- `([\w/]+/)`:(.*\n(?:  .*\n)*)", re.MULTILINE)
"""An entry of a list of files: a folder, and the names of files in it."""


def files(text: str, *folders: Path) -> Iterator[tuple[str, bool]]:
    """The names of files in a text but for built ones, and whether one of the folders has a file of that name."""
    for name in NAME.findall(text):
        path = Path(name)
        if name not in OTHERS and "dist" not in path.parts and ("/" in name or path.suffix in SUFFIXES):
            yield name, any((folder / name).exists() for folder in folders)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    """Every relative link leads to a file, and every name of a file is relative to the page or to a root folder."""
    text = BLOCK.sub("", page.read_text())
    missing = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    for folder, entry in ENTRY.findall(text):
        missing += [f"{folder}{name}" for name, exists in files(entry, ROOT / folder) if not exists]
    folders = (page.parent, ROOT, ROOT / "streaming", ROOT / "tests")
    missing += [name for name, exists in files(ENTRY.sub("", text), *folders) if not exists]
    assert missing == []


def test_every_page_is_linked() -> None:
    """Nobody finds a page that the README does not lead to, by itself or over others."""
    found, new = set[Path](), {ROOT / "README.md"}
    while new:
        found |= new
        links = {(page.parent / link).resolve() for page in new for link in LINK.findall(page.read_text())}
        new = {link for link in links if link.suffix == ".md"} - found
    assert [str(page.relative_to(ROOT)) for page in PAGES if page.resolve() not in found] == []


def test_the_frame_on_the_page_of_the_events() -> None:
    """It is one that the schema of the events describes."""
    page = (ROOT / "docs" / "reference" / "events.md").read_text()
    (message,) = parse_frames(re.findall(r"```\n(id: .*?\n)```", page, re.DOTALL)[0].encode() + b"\n")
    assert_described(message)


def test_the_form_on_the_page_of_the_operations() -> None:
    """It has what a result has of `fields`, but for what every model's has, and fits the schema of the result."""
    (text,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
    shown = json.loads(text.replace("[...]", "[]"))
    schema: Any = extract.describe(0)["result"]
    assert shown.keys() == schema["properties"].keys() - {*schema["required"], "model", "usage"}
    for name, value in shown.items():
        jsonschema.validate(value, {**schema["properties"][name], "$defs": schema["$defs"]})


def test_every_module_is_in_the_list_of_files() -> None:
    """The page on the architecture names each module of `streaming` in the entry of its folder."""
    entries = ENTRY.findall(ARCHITECTURE.read_text())
    named = {ROOT / folder / name for folder, entry in entries for name, _ in files(entry)}
    modules = {path for path in (ROOT / "streaming").rglob("*.py") if path.name != "__init__.py"}
    assert sorted(str(path.relative_to(ROOT)) for path in modules - named) == []
