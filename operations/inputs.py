"""What the inputs of the operations have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from streaming import Upload


class Input(BaseModel):
    """An input that a form may send: a field that nobody has filled in counts as left out, an unknown one is an error.

    A browser sends every field of a form: an empty text, and an empty file without a name where none is chosen.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        filled = {name: _filled(value) for name, value in values.items()}
        return {name: value for name, value in filled.items() if name not in cls.model_fields or not _is_blank(value)}


def _filled(value: Any) -> Any:
    return [item for item in value if not _is_blank(item)] if isinstance(value, list) else value


def _is_blank(value: Any) -> bool:
    if isinstance(value, Upload):
        return not value.filename and not value.size
    return isinstance(value, str) and not value.strip()
