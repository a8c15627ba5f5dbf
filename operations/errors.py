"""The base of the errors with a code."""

from __future__ import annotations


class CodedError(Exception):
    """A failure: `code` is for programs, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
