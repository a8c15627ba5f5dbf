"""The file of a request as a field of an input."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


def uploads_in(checked: BaseModel) -> Iterator[tuple[str, Upload]]:
    """The files in an input, by their fields."""
    for name, value in checked:
        for each in value if isinstance(value, Collection) else [value]:
            if isinstance(each, Upload):
                yield name, each


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a request, on disk until the run has ended: a field type for inputs.

    `filename` and `content_type` are the client's words; do not use the name as a path. `size` is in bytes, `sha256` in
    hexadecimal digits, and empty for one that code has made without it.
    """

    path: Path
    filename: str
    content_type: str
    size: int
    sha256: str = field(default="", compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The upload as JSON."""
        return {
            "path": str(self.path),
            "filename": self.filename,
            "content_type": self.content_type,
            "size": self.size,
        }

    def __repr__(self) -> str:
        return f"<Upload {self.filename!r} {self.size} bytes>"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._check, serialization=core_schema.plain_serializer_function_ser_schema(cls._dump)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "binary"}

    def _dump(self) -> dict[str, Any]:
        digests = _digests.get()
        if digests is None:
            return self.as_dict()
        reference = {"sha256": digests.get(self.path, ""), **self.as_dict()}
        del reference["path"]
        return reference

    @classmethod
    def _check(cls, value: Any) -> Upload:
        if isinstance(value, Upload):
            return value
        paths = (_paths.get() or {}).get(value["sha256"]) if isinstance(value, dict) and "sha256" in value else None
        if not paths:
            raise ValueError("a file is sent as multipart/form-data")
        paths.append(path := paths.pop(0))  # each of several with this content has its own
        return cls(path, value["filename"], value["content_type"], value["size"], value["sha256"])


_digests: Final[ContextVar[Mapping[Path, str] | None]] = ContextVar("headway_upload_digests", default=None)
_paths: Final[ContextVar[Mapping[str, list[Path]] | None]] = ContextVar("headway_upload_paths", default=None)


@contextmanager
def by_digest(digests: Mapping[Path, str]) -> Iterator[None]:
    """In this block an upload as JSON refers to its content by the digest, and says nothing of its path."""
    token = _digests.set(digests)
    try:
        yield
    finally:
        _digests.reset(token)


@contextmanager
def at_paths(paths: Mapping[str, list[Path]]) -> Iterator[None]:
    """In this block such a reference is taken for an upload: each content by its digest is at these paths."""
    token = _paths.set(paths)
    try:
        yield
    finally:
        _paths.reset(token)
