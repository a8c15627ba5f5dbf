"""The reference is what the code has: settings, routes, codes, metrics, commands, and the variables that are read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Final

import pytest

from operations.settings import ServiceSettings
from streaming import BaseSettings
from streaming.client.cli.commands import cli
from streaming.client.cli.exit_codes import ExitCode
from streaming.settings import Settings
from streaming.variables import AGENT, CLIENTS, SERVICE
from tools import codes, write_reference
from tools.pages import part_of, write_part

ROOT: Final = Path(__file__).resolve().parent.parent
REFERENCE: Final = ROOT / "docs" / "reference"

INHERITED: Final = {"LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR", "TZ"}
"""Variables of the system, which processes get or are given."""
OWN: Final = {"GEVENT_TRACK_GREENLET_TREE"}
"""Variables that only Headway itself sets."""


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """The pages as `make format` writes them."""
    return write_reference.pages()


@pytest.mark.parametrize("page", write_reference.PAGES)
def test_a_page_is_up_to_date(page: str, written: dict[str, str]) -> None:
    """`make format` would write the same."""
    stale = f"docs/reference/{page} is not up to date: run `make format`"
    assert (REFERENCE / page).read_text() == written[page], stale


@pytest.mark.parametrize("kind", [Settings, ServiceSettings])
def test_a_setting_says_what_it_does(kind: type[BaseSettings]) -> None:
    """Each has its line, as `setting()` takes it."""
    missing = [field.name for field in fields(kind) if not field.metadata["meaning"]]
    assert missing == [], "say what each does in its setting(...), and run `make format`"


def test_a_code_says_what_it_means() -> None:
    """No row of the codes has an empty cell."""
    text = (REFERENCE / "codes.md").read_text()
    parts = [*(part for part, _ in write_reference.KINDS.values()), write_reference.CALLS]
    found = {part: write_reference.meanings(text, part) for part in parts}
    missing = [f"{part}: {code}" for part, known in found.items() for code, meaning in known.items() if not meaning]
    assert missing == [], "write what each means into its row of docs/reference/codes.md"


def test_the_settings_of_the_service_are_known_to_the_library() -> None:
    """An application that shares its environment with the service warns of none of them."""
    names = {f"HEADWAY_{field.name.upper()}" for field in fields(ServiceSettings)}
    unknown = {name for name in names if not name.startswith(AGENT)} - SERVICE
    assert unknown == set(), "add them to SERVICE in streaming/variables.py"


def read_variables(path: Path) -> Iterator[str]:
    """The variables that a module reads of `os.environ` by a literal, or by a constant of the module."""
    text = path.read_text()
    tree = ast.parse(text if "environ" in text or "getenv" in text else "")
    constants = {
        ast.unparse(node.targets[0]): node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and re.fullmatch(r"os\.(environ\.\w+|getenv)", ast.unparse(node.func))
            and node.args
        ):
            name: ast.expr = node.args[0]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            name = node.slice
        else:
            continue
        value = name.value if isinstance(name, ast.Constant) else constants.get(ast.unparse(name))
        if isinstance(value, str):
            yield value


def listed_variables() -> set[str]:
    """The variables in the first column of the tables of the settings."""
    cells = re.findall(r"^\| (`[^|]*`) \|", (REFERENCE / "settings.md").read_text(), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"[A-Z_]{2,}", cell)}


def test_every_variable_that_is_read_is_in_the_reference() -> None:
    """Also those that belong to no class of settings: of the clients, of gunicorn and of prometheus-client."""
    sources = [*(ROOT / "streaming").rglob("*.py"), *(ROOT / "operations").rglob("*.py")]
    sources += [ROOT / "app.py", ROOT / "gunicorn.conf.py"]
    read = {name for path in sources for name in read_variables(path)}
    assert {"HEADWAY_URL", "PROMETHEUS_MULTIPROC_DIR"} <= read  # it finds what it looks for
    listed = listed_variables()
    assert read - listed - INHERITED - OWN == set(), "add them to docs/reference/settings.md"
    assert {"PORT", "WEB_CONCURRENCY", *CLIENTS} <= listed


def test_names_with_the_prefix_are_settings() -> None:
    """The documents, the service and the deployment name no setting that there is not."""
    listed = listed_variables()
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*"), ROOT / "Makefile"]
    named = {
        (path.name, name)
        for path in pages
        if path.is_file() and path.name != "CHANGELOG.md"
        for name in re.findall(r"\bHEADWAY_[A-Z_]*[A-Z]\b(?!_|\*)", path.read_text(errors="replace"))
    }
    own = {"HEADWAY_CURRENCY", "HEADWAY_RETENTON"}  # of an application in an example, and a misspelt one
    assert {each for each in named if each[1] not in listed | own} == set()


def test_names_of_metrics_are_metrics() -> None:
    """The documents name none that there is not."""
    listed = set(re.findall(r"^\| `(headway_\w+)` \|", (REFERENCE / "metrics.md").read_text(), re.MULTILINE))
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    named = {name for path in pages for name in re.findall(r"`(headway_\w+)[`{]", path.read_text())}
    others = {"headway_events", "headway_results", "headway_runs"}  # two tables of `save_events`, and a fixture
    assert named - listed - others == set()


def test_the_exit_codes_are_on_the_page_of_the_commands() -> None:
    """Every code of a command has its words there."""
    page = (REFERENCE / "command-line.md").read_text()
    assert [code for code in ExitCode if not re.search(rf"\b{code.value} \w", page)] == []
    assert all(f"### {name}\n" in page for name in cli.commands)


def test_a_setting_without_its_line_is_found() -> None:
    """A page that lacks a setting is not what would be written."""
    text = (REFERENCE / "settings.md").read_text()
    lines = part_of(text, "library").strip().splitlines()
    without = write_part(text, "library", [line for line in lines if "HEADWAY_DRAIN" not in line])
    assert without != text
    assert write_part(without, "library", write_reference.settings()["library"]) == text


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise NotFound("no", code="page_not_found")', [("problem", "page_not_found", "404")]),
        ('raise OperationError("no_paper", "It is empty.")', [("error", "no_paper", "`extract`")]),
        ('raise Unreadable("a" if x else "b", "")', [("error", "a", "`extract`"), ("error", "b", "`extract`")]),
        ('warning = {"code": "page_cut", "message": "", "pages": []}', [("warning", "page_cut", "`extract`")]),
        ('raise HostError(f"http_{status}", "")', [("call", "http_STATUS", "`extract`")]),
        ('def call():\n    text, code = "", "failed"', [("error", "failed", "`extract`")]),
        ("raise OperationError(error.code, error.message)", []),
        ('class Torn(Conflict):\n    code = "torn"', [("problem", "torn", "409")]),
        (
            'class Torn(OperationError):\n    def __init__(self):\n        super().__init__("torn", "It is torn.")',
            [("error", "torn", "`extract`")],
        ),
    ],
)
def test_codes_are_found(source: str, found: list[tuple[str, str, str]]) -> None:
    """Wherever a code may be written."""
    assert list(codes.in_module(ast.parse(source), "operations/extract.py")) == found


def test_a_code_that_cannot_be_found_is_refused() -> None:
    """What is computed would be missing from the reference."""
    with pytest.raises(ValueError, match=r"operations/extract.py:1 has the code make_code\(\): write it as a literal"):
        list(codes.in_module(ast.parse('raise OperationError(make_code(), "")'), "operations/extract.py"))
