"""What the package gives to those who import it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import streaming
from streaming.extras import EXTRAS

ROOT = Path(__file__).resolve().parent.parent

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
    """Each public name has a docstring of its own; an alias of a type cannot have one."""
    undescribed = [name for name in streaming.__all__ if not getattr(streaming, name).__doc__]
    assert undescribed == ["Events"]


def test_the_package_is_typed() -> None:
    """Type checkers of those who use it read its annotations (PEP 561)."""
    assert (Path(streaming.__file__).parent / "py.typed").is_file()


def test_every_error_is_of_one_family() -> None:
    """Whoever catches `HeadwayError` catches all that the package raises by itself."""
    errors = [value for name in streaming.__all__ if isinstance(value := getattr(streaming, name), type)]
    for error in errors:
        if issubclass(error, Exception):
            assert issubclass(error, streaming.HeadwayError)


UNCLAIMED = re.compile(
    r"(?:pip3? install|uv add|pipx \w+|npx|npm (?:install|i|exec)|(?:pnpm|yarn) \w+)\s"
    r"[^`\n]*?(?<![\w/.-])(@?headway[\w/-]*)(?!\.?[\w/])"
)
"""A command that installs a package of ours by its name."""


@pytest.mark.parametrize("command", ["pip install headway", "pip install 'headway[cli]'", "npx headway-types URL"])
def test_a_command_that_installs_by_name_is_known(command: str) -> None:
    """The expression finds something."""
    assert UNCLAIMED.search(command)


def test_nothing_is_installed_by_an_unclaimed_name() -> None:
    """No registry has Headway, so whoever claimed the name there would be installed: a path or a wheel is."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    texts = (name for name in tracked if name.endswith((".md", ".py", ".ts", ".tsx", ".mjs", ".toml")))
    found = {name: UNCLAIMED.findall((ROOT / name).read_text()) for name in texts if name != "tests/test_package.py"}
    assert {name: names for name, names in found.items() if names} == {}


def test_the_extras_are_those_that_errors_name() -> None:
    """The packages of `streaming/extras.py` are those of pyproject.toml, with the extras that one of them includes."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    declared["cli"].remove("headway[client]")
    declared["cli"] += declared["client"]
    assert {name: sorted(packages) for name, packages in declared.items()} == {
        name: list(packages) for name, packages in EXTRAS.items()
    }
