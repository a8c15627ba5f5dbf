"""References in a result: `{"$partial": KEY}` stands for the value of the partial of this key, which was sent before.

So no event of a long result is long. What refers to no partial of the run is data of the operation's own, and stays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, TypeVar

import orjson

V = TypeVar("V")

NAME: Final = "$partial"
"""The one member of an object that is a reference."""

MARK: Final = b'"$partial"'
"""What the JSON of a value with references contains."""

_PARTIAL: Final = b"\nevent: partial\ndata: "
_ATTEMPT: Final = b"\nevent: attempt\ndata: "
_STAMPED, _KEY, _VALUE = b'{"timestamp":"', b'","key":', b',"value":'


def fill(value: Any, lookup: Callable[[str, Any], Any]) -> Any:
    """A copy of decoded JSON with `lookup(key, reference)` in place of each reference."""
    if isinstance(value, list):
        return [fill(each, lookup) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and isinstance(key := value.get(NAME), str):
        return lookup(key, value)
    return {name: fill(each, lookup) for name, each in value.items()}


def keys_in(value: Any) -> set[str]:
    """The keys of the partials that decoded JSON refers to."""
    keys: set[str] = set()
    fill(value, lambda key, _: keys.add(key))
    return keys


class PartialValues(dict[str, bytes]):
    """The values of some partials, as JSON, read out of the frames of their run."""

    def __init__(self, keys: Collection[str]) -> None:
        super().__init__()
        self._keys = keys
        self._versions: dict[str, list[tuple[int, bytes]]] = {}

    def read(self, frames: bytes) -> None:
        """Takes the partials in the next frames; an attempt drops those that its checkpoint does not have."""
        if _PARTIAL not in frames and _ATTEMPT not in frames:
            return
        for frame in frames.split(b"\n\n"):
            head, separator, data = frame.partition(_PARTIAL)
            if separator and b"\n" not in head:
                for key, value in _partial_in(data):
                    if key in self._keys:
                        self._versions.setdefault(key, []).append((int(head.removeprefix(b"id: ")), value))
                        self[key] = value
                continue
            head, separator, data = frame.partition(_ATTEMPT)
            if separator and b"\n" not in head:
                self._drop_after(int((_decoded(data) or {}).get("after") or 0))

    def _drop_after(self, last: int) -> None:
        self._versions = versions_until(last, self._versions)
        self.clear()
        self.update({key: versions[-1][1] for key, versions in self._versions.items()})


def versions_until(last: int, versions: Mapping[str, list[tuple[int, V]]]) -> dict[str, list[tuple[int, V]]]:
    """The values of each key up to event number `last`, each with its number; without the keys that have none."""
    until = ((key, [each for each in of_key if each[0] <= last]) for key, of_key in versions.items())
    return {key: of_key for key, of_key in until if of_key}


def _partial_in(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The key and the value of a partial; none for one of another service, with data of another form."""
    # As the recorder has written it: a value may be large, and need not be decoded. A quotation mark within the key
    # is escaped, so what follows it is found.
    start = data.find(_KEY, len(_STAMPED)) if data.startswith(_STAMPED) else -1
    end = data.find(_VALUE, start)
    if 0 < start < end and data.find(b'"', len(_STAMPED)) == start:
        yield orjson.loads(data[start + len(_KEY) : end]), data[end + len(_VALUE) : -1]
        return
    decoded = _decoded(data)
    if isinstance(decoded, dict) and isinstance(decoded.get("key"), str) and "value" in decoded:
        yield decoded["key"], orjson.dumps(decoded["value"])


def _decoded(data: bytes) -> Any:
    try:
        return orjson.loads(b"\n".join(data.split(b"\ndata: ")))
    except orjson.JSONDecodeError:
        return None
