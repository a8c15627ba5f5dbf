"""The error for a document that cannot be read; viewers may see its message."""

from __future__ import annotations


class Unreadable(Exception):
    """A document or page that cannot be read: `code` is for programs, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
