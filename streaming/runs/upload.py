"""The file of a request as a field of an input."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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

    `filename` and `content_type` are the client's words; do not use the name as a path. `size` is in bytes.
    """

    path: Path
    filename: str
    content_type: str
    size: int

    def as_dict(self) -> dict[str, Any]:
        """The upload as JSON."""
        return {**asdict(self), "path": str(self.path)}

    def __repr__(self) -> str:
        return f"<Upload {self.filename!r} {self.size} bytes>"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._check, serialization=core_schema.plain_serializer_function_ser_schema(cls.as_dict)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "binary"}

    @classmethod
    def _check(cls, value: Any) -> Upload:
        if isinstance(value, Upload):
            return value
        raise ValueError("a file is sent as multipart/form-data")
