"""Writes `docs/reference/`: settings, routes, codes, metrics and commands, as the code has them; and README's figures.

    python -m tools.write_reference

`make format` runs it, and `tests/test_reference.py` fails where a page is not what it would write, or where something
has no meaning. What a setting, a route, a metric or an option means stands in the code; what a code means is kept as it
stands on the page, so a new one gets an empty cell there, which is to be filled in by hand.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Final

import click
from flask import Flask
from prometheus_client.metrics import MetricWrapperBase

from operations.settings import ServiceSettings
from operations.simulate import simulate
from streaming import BaseSettings, Headway
from streaming.client.cli.commands import cli
from streaming.http.metrics import Prometheus
from streaming.http.openapi import QUERIES, describe
from streaming.http.views import CHOICES
from streaming.runtime.worker import Worker
from streaming.settings import Settings
from streaming.variables import CLIENTS
from tools.codes import codes
from tools.pages import part_of, table, write_part

ROOT: Final = Path(__file__).resolve().parent.parent
REFERENCE: Final = ROOT / "docs" / "reference"
README: Final = ROOT / "README.md"
PAGES: Final = ("settings.md", "http.md", "codes.md", "metrics.md", "command-line.md")
Parts = Mapping[str, Iterable[str]]


def main() -> None:
    """Writes all pages."""
    for page, text in pages().items():
        (REFERENCE / page).write_text(text)
    README.write_text(readme())


def readme() -> str:
    """The README with its part written anew."""
    benchmarks = (REFERENCE.parent / "benchmarks.md").read_text()
    return write_part(README.read_text(), "costs", costs(benchmarks))


def pages() -> dict[str, str]:
    """The pages by their names, with their parts written anew."""
    texts = {page: (REFERENCE / page).read_text() for page in PAGES}
    parts: dict[str, Parts] = {
        "settings.md": settings(),
        "http.md": {"routes": routes(), "query of a stream": queries()},
        "codes.md": coded(texts["codes.md"]),
        "metrics.md": {"metrics": metrics()},
        "command-line.md": {"commands": commands(), "options": options(cli, {"version"}), "exit codes": exit_codes()},
    }
    for page, written in parts.items():
        for part, lines in written.items():
            texts[page] = write_part(texts[page], part, lines)
    return texts


# -- settings -------------------------------------------------------------------------------------------------------


def settings() -> dict[str, list[str]]:
    """The tables of the library, the service and the clients."""
    header = ("variable", "default", "what it does", "what it takes")
    classes: dict[str, type[BaseSettings]] = {"library": Settings, "service": ServiceSettings}
    tables = {part: table(*header, rows=[_setting(each) for each in fields(of)]) for part, of in classes.items()}
    return tables | {"clients": table("variable", "", rows=[(f"`{name}`", text) for name, text in CLIENTS.items()])}


def _setting(field: Field[Any]) -> tuple[str, str, str, str]:
    metadata = field.metadata
    default = metadata["unset"] or _value(field.default)
    return f"`HEADWAY_{field.name.upper()}`", default, metadata["meaning"], metadata["takes"]


def _value(value: Any) -> str:
    if value is None or value in ((), frozenset()):
        return "none"
    if isinstance(value, bool):
        return f"`{value:d}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


# -- what a stream costs --------------------------------------------------------------------------------------------

FIGURES: Final = {
    "memory of an idle stream, KB": "memory of an idle stream, 2,000 open, KB",
    "processor time of an event that comes by itself, µs": "CPU time per million events, the same streams, s",
    "delay of such an event, median, ms": "delivery delay p50, 200 streams of 50 `event()` events/s, ms",
    "from a client's close to the end of the work, ms": "from a client's close to stopped work, silent producer, ms",
}
"""Rows of the README, and the rows of the benchmarks that they are from. A second for a million is a µs for one."""


def costs(benchmarks: str) -> list[str]:
    """The figures of the README, as `make bench` has written them. Raises `KeyError` for a row that it has not."""
    streams, runs = (_figures(benchmarks, heading) for heading in ("`stream()` beside its peers", "as runs"))
    rows = [
        (text, streams[row]["stream()"], runs[row]["run"], streams[row]["naive Flask"], streams[row]["sse-starlette"])
        for text, row in FIGURES.items()
    ]
    return table("measured", "`stream()`", "a run", "a loop in Flask", "sse-starlette", rows=rows)


def _figures(benchmarks: str, heading: str) -> dict[str, dict[str, str]]:
    """The rows of the table under a heading, by their first cell; of several of one name the last."""
    section = next(part for part in benchmarks.split("\n## ") if part.partition("\n")[0].endswith(heading))
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in section.splitlines() if line[:1] == "|"]
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


# -- routes ---------------------------------------------------------------------------------------------------------


def routes() -> list[str]:
    """The routes of the OpenAPI document, with what each takes and may answer."""
    app = Flask(__name__)
    headway = Headway(app, operations=[simulate])
    document = describe(headway.operations, "", keys=True)
    rows = []
    for path, methods in document["paths"].items():
        name = path.replace("/operations/simulate", "/operations/NAME").replace("{", "").replace("}", "")
        name = name.replace("/runs/run", "/runs/ID").replace("/files/name", "/files/NAME")
        shared = methods.get("parameters", [])
        for method, route in methods.items():
            if method != "parameters":
                takes = [each["name"] for each in route.get("parameters", []) if each not in shared]
                text = "Starts a run." if name == "/operations/NAME" else route["summary"]
                answers = ", ".join(sorted(route["responses"]))
                rows.append((f"`{method.upper()} {name}`", text, ", ".join(f"`{each}`" for each in takes), answers))
    return table("route", "", "headers and query", "statuses", rows=rows)


def queries() -> list[str]:
    """What the address of a stream may ask for."""
    rows = [(f"`{name}`", ", ".join(f"`{each}`" for each in values), QUERIES[name]) for name, values in CHOICES.items()]
    return table("query", "values", "", rows=rows)


# -- codes ----------------------------------------------------------------------------------------------------------

KINDS: Final = {"problem": ("problems", "status"), "error": ("errors", "of"), "warning": ("warnings", "of")}
CALLS: Final = "calls"


def coded(text: str) -> dict[str, list[str]]:
    """The tables of the codes, with the meanings that the page has."""
    found = codes()
    tables = {}
    for kind, (part, where) in KINDS.items():
        known = meanings(text, part)
        rows = [(f"`{each.code}`", each.where, known.get(each.code, "")) for each in found if each.kind == kind]
        tables[part] = table("code", where, "", rows=rows)
    known = meanings(text, CALLS)
    calls = [(f"`{each.code}`", known.get(each.code, "")) for each in found if each.kind == "call"]
    return {**tables, CALLS: table("code", "", rows=calls)}


def meanings(text: str, part: str) -> dict[str, str]:
    """What the codes of a part mean, as the page has it: the last cell of their rows."""
    lines = [line for line in part_of(text, part).splitlines() if line.startswith("| `")]
    rows = ([cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines)
    return {cells[0].strip("`"): cells[-1] for cells in rows}


# -- metrics --------------------------------------------------------------------------------------------------------


def metrics() -> list[str]:
    """The metrics that a worker counts."""
    rows = []
    for metric in Prometheus(Worker())._registry._collector_to_names:
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            rows.append((f"`{name}`", family.type, labels, family.documentation))
    return table("metric", "type", "labels", "", rows=sorted(rows))


# -- the command line -----------------------------------------------------------------------------------------------


def commands() -> Iterator[str]:
    """A section for each command."""
    top = click.Context(cli, info_name="headway")
    shared = {option.name for option in cli.params}
    for name, command in sorted(cli.commands.items()):
        context = click.Context(command, info_name=name, parent=top)
        usage = " ".join(["headway", name, *command.collect_usage_pieces(context)])
        yield from (f"### {name}", "", f"    {usage}", "", *_help(command), "")
        own = list(options(command, shared))
        yield from ([*own, ""] if own else [])


def options(command: click.Command, besides: Iterable[str | None]) -> list[str]:
    """The table of a command's options, but for those of these names; nothing where it has none."""
    context = click.Context(command)
    given = [each for each in command.params if isinstance(each, click.Option) and "--help" not in each.opts]
    records = [each.get_help_record(context) for each in given if each.name not in besides]
    rows = [(f"`{record[0]}`", " ".join(record[1].split())) for record in records if record]
    return table("option", "", rows=rows) if rows else []


def _help(command: click.Command) -> list[str]:
    text = inspect.cleandoc(command.help or "").replace("\b", "")
    return text.splitlines()


def exit_codes() -> list[str]:
    """The exit codes, as the help of the group has them."""
    return inspect.cleandoc((cli.epilog or "").replace("\b", "")).strip().splitlines()


if __name__ == "__main__":
    main()
