"""The records of a delimited text (RFC 4180), also where it is not quite one.

A quote counts as one only where the field begins with it, but for blanks, and where its partner ends the field. Any
other quote is a character like others, as in `5" pipe`; nothing is dropped or joined because of it. Lines end in LF,
CRLF or CR, each as it comes. DuckDB's reader in strict mode reads regular files in the same way, which a test compares.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

SPAN: Final = 1 << 20
"""Characters of a quoted field of several lines, at most: beyond, the quote that opens it counts as a character."""

Record = list[str]


class Reader:
    """Reads records; `on_literal` is told of each quote that has no partner."""

    def __init__(self, delimiter: str, escape: str = '"', on_literal: Callable[[], None] = lambda: None) -> None:
        self._delimiter = delimiter
        self._on_literal = on_literal
        self._escape = escape
        inner = r'[^"]*(?:""[^"]*)*' if escape == '"' else r'[^"\\]*(?:(?:\\[\s\S]|"")[^"\\]*)*'
        end = rf" *(?={re.escape(delimiter)}|[\r\n]|\Z)"
        self._open = re.compile(rf' *"({inner})')
        self._inner = re.compile(inner)
        self._close = re.compile(f'"{end}')
        self._waiting: deque[str] = deque()

    def read(self, lines: Iterable[str]) -> Iterator[Record]:
        """The records of lines that keep their ends; a blank line is a record without fields."""
        source = iter(lines)
        while True:
            line = self._waiting.popleft() if self._waiting else next(source, None)
            if line is None:
                return
            if '"' in line:
                yield self._fields(line, source)
            else:
                text = line.rstrip("\r\n")
                yield text.split(self._delimiter) if text else []

    def _fields(self, line: str, source: Iterator[str]) -> Record:
        """The fields of a record that has quotes, which may go on over further lines."""
        fields: Record = []
        start = 0
        while True:
            if (quoted := self._quoted(line, start, source)) is not None:
                field, line, start = quoted
            else:
                end = line.find(self._delimiter, start)
                field = line[start:].rstrip("\r\n") if end < 0 else line[start:end]
                start = len(line) if end < 0 else end
            fields.append(field)
            if not line.startswith(self._delimiter, start):
                return fields
            start += len(self._delimiter)

    def _quoted(self, line: str, start: int, source: Iterator[str]) -> tuple[str, str, int] | None:
        """A quoted field, the line in which it ends, and where; `None` if the field is not quoted."""
        opening = self._open.match(line, start)
        if opening is None:
            return None
        parts, end, taken, size = [opening[1]], opening.end(), [], 0
        while end == len(line) and size < SPAN:
            following = self._waiting.popleft() if self._waiting else next(source, None)
            if following is None:
                break
            taken.append(following)
            line, end = following, self._inner.match(following).end()  # type: ignore[union-attr]  # it may be empty
            parts.append(line[:end])
            size += len(line)
        if (closing := self._close.match(line, end)) is None:
            self._waiting.extendleft(reversed(taken))
            self._on_literal()
            return None
        return self._unescaped("".join(parts)), line, closing.end()

    def _unescaped(self, text: str) -> str:
        text = text.replace('""', '"')
        return text if self._escape == '"' else re.sub(r"\\([\s\S])", r"\1", text)
