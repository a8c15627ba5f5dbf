"""What a store keeps of a run for the worker that begins it later or again: its input, and the headers of its request.

The input is JSON on one line. Where there are headers, their JSON comes first, between two line ends: no other input
begins with one, so an input that was kept without headers reads as it always did.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson
from pydantic import BaseModel

from .context import Headers
from .operation import Operation

LINE_END: Final = b"\n"


def to_keep(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The input `body` with headers, as bytes for a store."""
    if not headers:
        return body
    # WSGI's texts stand for bytes (PEP 3333), so any of them is UTF-8 here.
    return LINE_END + orjson.dumps(dict(headers)) + LINE_END + body


def from_kept(operation: Operation, kept: bytes) -> tuple[BaseModel, Headers]:
    """The checked input and the headers. Raises `pydantic.ValidationError`."""
    headers: dict[str, str] = {}
    if kept.startswith(LINE_END):
        _, head, kept = kept.split(LINE_END, 2)
        headers = orjson.loads(head)
    return operation.input.model_validate_json(kept or b"{}"), Headers(headers)
