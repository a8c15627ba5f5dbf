"""The error of a file that cannot be read."""

from __future__ import annotations

from ..errors import CodedError


class FileError(CodedError):
    """A file is wrong, or exceeds a limit; `code` and `message` are for the user."""
