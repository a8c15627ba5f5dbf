"""The floors of the house: folders of `streaming`, which import downward only, and the packages each may stand on."""

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

ALL = None
"""Any package that is installed: what an extra brings is said by the modules that need it."""

PURE = {"orjson", "pydantic", "pydantic_core"}
GREEN = {*PURE, "gevent", "greenlet"}

FLOORS: dict[str, tuple[set[str], set[str] | None]] = {
    "testing": ({"runs", "stores", "runtime", "protocol"}, ALL),
    "client": ({"protocol"}, ALL),
    "http": ({"gateways", "runs", "stores", "runtime", "protocol"}, ALL),
    "gateways": ({"runs", "runtime", "protocol"}, ALL),
    "runs": ({"stores", "runtime", "protocol"}, {*GREEN, "jsonschema", "referencing"}),
    "stores": ({"runtime", "protocol"}, {*GREEN, "obstore", "redis"}),
    "runtime": ({"protocol"}, GREEN),
    "protocol": (set(), PURE),
}
"""The floors, the highest first: which others each imports, and which packages besides the standard library."""

GROUND = {"errors", "settings", "variables", "clock", "extras", "logs"}
"""What every floor may import; these import one another, and `clock` waits with gevent."""

DOORS = {"__main__", "http.command"}
"""The two entries to the command line, which import the client: `python -m streaming` and `flask headway`."""

IMPURE_STANDARD_LIBRARY = {"asyncio", "multiprocessing", "select", "selectors", "socket", "ssl", "subprocess"} | {
    "threading",
    "time",
}
CORE = ("flask", "gevent", "jsonschema", "orjson", "pydantic")
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


def floor_of(module: str) -> str:
    """The folder that a module of `streaming` stands in, or its name where it stands on the ground."""
    return module.split(".", maxsplit=1)[0]


def imported_modules(path: Path) -> Iterator[str]:
    """The modules of `streaming` that a file imports, by their names within it."""
    known = modules("streaming")
    for module, name in imports(path):
        if module.split(".")[0] == "streaming":
            whole = f"{module}.{name}".removeprefix("streaming.")
            yield whole if whole in known else module.removeprefix("streaming").lstrip(".")


def test_every_module_stands_on_a_floor() -> None:
    """`streaming` holds the folders of the table, the modules on the ground, and an entry to the command line."""
    assert {floor_of(module) for module in modules("streaming")} == {*FLOORS, *GROUND, "__main__"}


@pytest.mark.parametrize("module", sorted(modules("streaming")))
def test_imports_point_downward(module: str) -> None:
    """A module imports its own floor, those that the table allows and the ground; the client only by its doors."""
    floor = floor_of(module)
    allowed = {floor, *GROUND, *(FLOORS[floor][0] if floor in FLOORS else ())}
    allowed |= {"client"} if module in DOORS else set()
    for imported in imported_modules(modules("streaming")[module]):
        assert floor_of(imported) in allowed, f"streaming.{module} imports streaming.{imported}"


@pytest.mark.parametrize("module", sorted(modules("streaming")))
def test_the_library_knows_nothing_of_the_service(module: str) -> None:
    """Nothing in `streaming` imports the operations or the application."""
    roots = {imported.split(".")[0] for imported, _ in imports(modules("streaming")[module])}
    assert not roots & {"operations", "app", "bench", "tests"}


@pytest.mark.parametrize(
    "module", sorted(module for module in modules("streaming") if FLOORS.get(floor_of(module), ((), ALL))[1] is not ALL)
)
def test_a_floor_stands_on_its_packages(module: str) -> None:
    """It imports the standard library and the packages of its row; the protocol has no sockets, threads and clocks."""
    floor = floor_of(module)
    allowed = {*sys.stdlib_module_names, *(FLOORS[floor][1] or ()), "streaming"}
    if floor == "protocol":
        allowed -= IMPURE_STANDARD_LIBRARY
    roots = {imported.split(".")[0] for imported, _ in imports(modules("streaming")[module])}
    assert roots <= allowed, f"streaming.{module} imports {sorted(roots - allowed)}"


def test_only_http_and_the_gateways_know_of_flask() -> None:
    """Requests are the matter of one floor; what is below it works without Flask."""
    for module, path in modules("streaming").items():
        if any(imported.split(".")[0] in ("flask", "werkzeug") for imported, _ in imports(path)):
            assert floor_of(module) == "http", f"streaming.{module} imports Flask"


@pytest.mark.parametrize("module", sorted(modules("streaming")))
def test_no_function_replaces_what_its_module_holds(module: str) -> None:
    """What exists once in a process belongs to its `Worker`: no module has a `global` statement."""
    nodes = ast.walk(ast.parse(modules("streaming")[module].read_text()))
    assert not [node.names for node in nodes if isinstance(node, ast.Global)]


def test_no_module_bears_a_public_name() -> None:
    """A child module takes the place of a function of its name, once it is imported: `streaming.gateway`, say."""
    children = {module.split(".")[0] for module in modules("streaming")}
    assert not children & set(streaming.__all__)


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


def test_the_library_needs_five_packages() -> None:
    """`streaming` works where only Flask, gevent, jsonschema, pydantic, orjson and what these need are installed.

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
