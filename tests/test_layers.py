"""The floors of the house: imports point downward only, and the library stands on four packages.

client  the Python client and the command line; it loads neither Flask nor gevent
HTTP    requests, responses, and the socket under them
work    operations, and what runs them
memory  event logs, with the clock and the hub that every floor above waits with
pure    bytes and values: no socket, no clock, no Flask, no gevent
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import streaming

ROOT = Path(__file__).resolve().parent.parent

FLOORS = {
    "client": "__main__ client client.aio client.commands client.doctor client.errors client.events client.flags"
    " client.following client.requests client.show client.sync client.viewing",
    "HTTP": "admission relays blueprint metrics openapi response inputs drain disconnect",
    "work": "gateways dialects saving upstream outbound runner production recorder operation executors nursery child"
    " answers watchdog",
    "memory": "logs logs.base logs.drift logs.lease logs.memory logs.redis logs.scripts logs.sqlite logs.statements"
    " logs.tail logs.wire logs.writer clock hub",
    "pure": "vocabulary events sse lifecycle errors observe settings",
}
"""The modules of `streaming`, the highest floor first. A new module is entered here."""

FLOOR_OF = {module: floor for floor, modules in FLOORS.items() for module in modules.split()}
HEIGHT = {floor: height for height, floor in enumerate(reversed(FLOORS))}

PURE_PACKAGES = {"orjson", "pydantic"}
IMPURE_STANDARD_LIBRARY = {"asyncio", "multiprocessing", "select", "selectors", "socket", "ssl", "subprocess"} | {
    "threading",
    "time",
}
CORE = ("flask", "gevent", "orjson", "pydantic")
NAMES_OF_EXTRAS = {"save_events", "save_result"}


def modules(package: str) -> dict[str, Path]:
    """The modules of a package by their names within it; the package's own `__init__` is left out."""
    folder = ROOT / package
    found = {path.relative_to(folder).with_suffix(""): path for path in folder.rglob("*.py")}
    names = {".".join(part for part in path.parts if part != "__init__"): file for path, file in found.items()}
    return {name: file for name, file in names.items() if name}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Every import of a file, in functions and for types too, as a module and the name taken from it ("" for all)."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*parents, *(node.module or "").split(".")]).strip(".")
            yield from ((module, alias.name) for alias in node.names)


def imported_modules(path: Path) -> Iterator[str]:
    """The modules of `streaming` that a file imports, by their names in the table above."""
    for module, name in imports(path):
        if module.split(".")[0] == "streaming":
            whole = f"{module}.{name}".removeprefix("streaming.")
            yield whole if whole in FLOOR_OF else module.removeprefix("streaming").lstrip(".")


def test_every_module_has_a_floor() -> None:
    """The table names the modules of the library, no fewer and no more."""
    assert set(modules("streaming")) == set(FLOOR_OF)


@pytest.mark.parametrize("module", sorted(FLOOR_OF))
def test_imports_point_downward(module: str) -> None:
    """A module imports its own floor and those below, and nothing through the package's front door."""
    for imported in imported_modules(modules("streaming")[module]):
        assert imported in FLOOR_OF, f"streaming.{module} imports streaming.{imported}"
        above = HEIGHT[FLOOR_OF[imported]] > HEIGHT[FLOOR_OF[module]]
        assert not above, f"{module} ({FLOOR_OF[module]}) imports {imported} ({FLOOR_OF[imported]})"


@pytest.mark.parametrize("module", sorted(FLOOR_OF))
def test_the_library_knows_nothing_of_the_service(module: str) -> None:
    """Nothing in `streaming` imports the operations or the application."""
    roots = {imported.split(".")[0] for imported, _ in imports(modules("streaming")[module])}
    assert not roots & {"operations", "app", "bench", "tests"}


@pytest.mark.parametrize("module", FLOORS["pure"].split())
def test_the_pure_floor_is_pure(module: str) -> None:
    """It imports the standard library without its sockets, threads and clocks, pydantic and orjson."""
    allowed = (sys.stdlib_module_names - IMPURE_STANDARD_LIBRARY) | PURE_PACKAGES | {"streaming"}
    roots = {imported.split(".")[0] for imported, _ in imports(modules("streaming")[module])}
    assert roots <= allowed, f"streaming.{module} imports {sorted(roots - allowed)}"


@pytest.mark.parametrize("module", sorted(modules("operations")))
def test_operations_use_public_names_only(module: str) -> None:
    """An operation is written with what `streaming` exports, as anybody else's is."""
    for imported, name in imports(modules("operations")[module]):
        if imported.split(".")[0] == "streaming":
            assert imported == "streaming", f"operations.{module} imports {imported}"
            assert name in streaming.__all__, f"operations.{module} imports {name}, which is not public"


def test_the_exported_names_are_there() -> None:
    """Every name in `__all__` exists."""
    assert not [name for name in streaming.__all__ if not hasattr(streaming, name)]


def test_the_library_needs_four_packages() -> None:
    """`streaming` works where only Flask, gevent, pydantic, orjson and what these need are installed.

    Names that need an extra are loaded when they are asked for, and are left out here.
    """
    barred = sorted(set(metadata.packages_distributions()) - top_level_names(closure(CORE)) - {"streaming"})
    assert "gunicorn" in barred
    names = ", ".join(sorted(set(streaming.__all__) - NAMES_OF_EXTRAS))
    code = f"import sys; sys.modules.update(dict.fromkeys({barred!r})); from streaming import {names}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def closure(names: tuple[str, ...]) -> set[str]:
    """Distributions by name, and everything that they need here."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in seen:
            seen.add(name)
            waiting += [need.name for need in map(Requirement, metadata.requires(name) or ()) if is_needed(need)]
    return seen


def is_needed(requirement: Requirement) -> bool:
    """Whether a requirement holds on this Python without any extra."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def top_level_names(distributions: set[str]) -> set[str]:
    """What can be imported of these distributions."""
    owners = metadata.packages_distributions().items()
    return {name for name, owned_by in owners if {canonicalize_name(owner) for owner in owned_by} & distributions}
