"""The error for a document that cannot be read; viewers may see its message."""

from __future__ import annotations

from ..errors import CodedError


class Unreadable(CodedError):
    """A document or page that cannot be read: `code` is for programs, `message` for people."""
