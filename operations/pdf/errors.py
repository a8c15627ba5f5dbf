"""Why a document is not read, in words that may be shown."""

from __future__ import annotations


class Unreadable(Exception):
    """A document, or a page of it, that cannot be read; `code` for programs, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
