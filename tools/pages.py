"""Pages of the documents with parts that a tool writes, between a line that names the part and a line that ends it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

END = "<!-- to here -->\n"


def begin(part: str) -> str:
    """The line above a part."""
    return f"<!-- {part}, written by `make format` -->\n"


def write_part(text: str, part: str, lines: Iterable[str]) -> str:
    """The page with a part written anew. Raises `ValueError` where it has no such part."""
    before, found, rest = text.partition(begin(part))
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"the page has no line {begin(part)!r}, or {END!r} nowhere after it")
    written = "\n".join(lines)
    return f"{before}{found}\n{written}\n\n{ended}{after}"


def part_of(text: str, part: str) -> str:
    """A part as the page has it."""
    return text.partition(begin(part))[2].partition(END)[0]


def table(*header: str, rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in (header, *rows)]
    return [
        line.replace("|  |", "| |").replace("|  |", "| |")
        for line in (lines[0], "|---" * len(header) + "|", *lines[1:])
    ]
