"""What the package gives to those who import it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import streaming

CONTRACT = {
    "EncodeError",
    "Headway",
    "MemoryLog",
    "MemoryStore",
    "Message",
    "OperationError",
    "Parser",
    "ask",
    "delta",
    "encode",
    "event",
    "flush",
    "on_cancel",
    "operation",
    "partial",
    "progress",
    "stream",
}
"""The names that the contract and its examples import."""


def test_the_names_of_the_contract() -> None:
    """They are all there."""
    assert set(streaming.__all__) >= CONTRACT


def test_what_is_exported_is_listed_and_what_is_listed_is_exported() -> None:
    """`__all__` is sorted, without a name twice, and the package holds no other public name but its modules."""
    assert streaming.__all__ == sorted(set(streaming.__all__))
    assert all(hasattr(streaming, name) for name in streaming.__all__)  # some are loaded when they are asked for
    public = {
        name
        for name, value in vars(streaming).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }
    assert public == set(streaming.__all__)


def test_everything_exported_says_what_it_is() -> None:
    """Each public name has a docstring of its own."""
    undescribed = [name for name in streaming.__all__ if not getattr(streaming, name).__doc__]
    assert undescribed == []


def test_the_package_is_typed() -> None:
    """Type checkers of those who use it read its annotations (PEP 561)."""
    assert (Path(streaming.__file__).parent / "py.typed").is_file()


def test_every_error_is_of_one_family() -> None:
    """Whoever catches `HeadwayError` catches all that the package raises by itself."""
    errors = [value for name in streaming.__all__ if isinstance(value := getattr(streaming, name), type)]
    for error in errors:
        if issubclass(error, Exception):
            assert issubclass(error, streaming.HeadwayError)
