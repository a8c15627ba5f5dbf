"""What a result says of the model that made it."""

from __future__ import annotations

from typing_extensions import TypedDict  # pydantic takes no other on Python 3.11


class ModelInfo(TypedDict):
    """A model. One for `demonstration` shows that all works, and its answers are not to be trusted."""

    name: str
    demonstration: bool
