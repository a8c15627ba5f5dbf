"""What describes the operations of a runner as JSON, which takes milliseconds to make and stays the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from ..runs.runner import Runner

MOST: Final = 8
"""Documents that are kept: that of the operations, and OpenAPI's for each path under which the routes are asked for."""


class Descriptions:
    """The documents of one extension."""

    def __init__(self) -> None:
        self._made: dict[str, bytes] = {}
        self._runner: Runner | None = None

    def of(self, runner: Runner, name: str, describe: Callable[[Runner], Any]) -> bytes:
        """The document of this name, made where it is not there yet."""
        if self._runner is not runner or len(self._made) > MOST:
            self._runner, self._made = runner, {}
        if name not in self._made:
            self._made[name] = orjson.dumps(describe(runner))
        return self._made[name]
