"""The partials that a reader holds for a result that may refer to them (`protocol.partials`)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from ..protocol.partials import fill, keys_in, versions_until
from ..protocol.typed import Partial

HELD_BYTES: Final = 64 * 1024 * 1024
"""Bytes of JSON beyond which none is held: where the result refers to any, the stream is read once more for those."""


class HeldPartials:
    """The partials of all keys, or only those of `keys`, then however much they are; the newest of a key counts.

    `whole` says whether the reader has seen all partials of the run so far: what refers to another one is data.
    """

    def __init__(self, *, whole: bool = True, keys: Collection[str] | None = None) -> None:
        self.whole: bool = whole
        self._keys = keys
        self._held: dict[str, list[tuple[int, Any]]] = {}
        self._size = 0

    def add(self, event: Partial, size: int) -> None:
        """Takes a partial whose data had `size` bytes."""
        if self._keys is None:
            self._size += size
            if self._size > HELD_BYTES:
                self._held.clear()
                self.whole = False
                return
        elif event.key not in self._keys:
            return
        self._held.setdefault(event.key, []).append((event.id, event.value))

    def add_all(self, other: HeldPartials) -> None:
        """Takes what another one holds; nothing is missing any more."""
        self._held.update(other._held)
        self.whole = True

    def drop_after(self, last: int) -> None:
        """Drops those after the checkpoint of a new attempt."""
        self._held = versions_until(last, self._held)

    def missing(self, result: Any) -> set[str]:
        """The keys that `result` refers to, and that the stream may have."""
        return set() if self.whole else keys_in(result) - self._held.keys()

    def fill(self, result: Any) -> Any:
        """`result` with the values of partials in place of references, as far as they are held."""
        if not self._held:
            return result
        return fill(result, lambda key, reference: self._held[key][-1][1] if key in self._held else reference)
