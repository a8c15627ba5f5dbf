"""The commands of `headway` (`python -m streaming`) and of `flask headway`, which are the same.

It uses `click`, which builds commands from data: the flags of `run` are made of the JSON Schema that the service gives
for an operation. Flask depends on click anyway.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, get_args

import click
import orjson
from rich.markup import escape
from rich.table import Table

from ...protocol.state import Status
from ..environment import version
from ..requests import list_of
from ..sync import Run
from . import doctor as checks
from .config import Config, RunType, common
from .endings import check_arguments, guarded, prepare_streams
from .exit_codes import ExitCode
from .follow import Follower, json_or_text
from .inputs import operation_named, read_input, read_typed
from .output import Terminal, print_all, printable, write_bytes, write_line
from .types import NameType, Seconds, UrlType

EPILOG: Final = """\b
Exit codes: 0 succeeded, 1 failed, 2 wrong usage, 3 cancelled, 4 interrupted (the run may go on),
5 refused by the service, 6 not reachable, 130 left with Ctrl-C, or the output cannot be written."""

LAST_ID: Final = 10**15 - 1
"""The greatest number of an event."""

TAKEN_WITHIN: Final = 2.0
"""Seconds in which a worker of the service takes a queued run, if one has room."""


class Commands(click.Group):
    """The group of all commands: it exits with what a command returns, or with the code of its error."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of a command line. Raises `click.UsageError` for one that is no text."""
        prepare_streams()
        check_arguments(args)
        with guarded():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command, and exits."""
        with guarded(ctx):
            code = super().invoke(ctx)
        ctx.exit(code or 0)


@click.group(cls=Commands, epilog=EPILOG)
@click.version_option(version(), message="headway %(version)s")
@common
def cli() -> None:
    """Starts, watches and cancels runs of a Headway service, and checks its deployment.

    A RUN is an id, or a path or a URL of a run. `flask headway` asks the application in its own process, without a
    server, unless there is a URL.
    """


@cli.command()
@common
@click.pass_obj
def operations(config: Config) -> None:
    """Lists the operations."""
    with config.client() as client:
        catalogue = client.operations()
    print_all(catalogue, {"Operation": ("name",), "Description": ("description", "title")}, screen=config.on_screen)


@cli.command(
    context_settings={"ignore_unknown_options": True},
    add_help_option=False,
    options_metavar="[OPTIONS]",
    epilog="`run OPERATION --help` lists the flags of that operation.",
)
@click.argument("name", required=False, metavar="OPERATION")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="[FILE]... [--FIELD VALUE]...")
@click.option("--json", "document", metavar="JSON", help="The input as JSON; @FILE reads a file, - the standard input.")
@click.option("--detach", is_flag=True, help="Start the run without watching it, and print its snapshot.")
@click.option("--linger", type=Seconds(min=0), help="Seconds for which the run goes on without viewers, at most 300.")
@click.option("--here", is_flag=True, help="`flask headway` works on the run itself, and the run ends with it.")
@click.option("--help", "wants_help", is_flag=True, help="Show this message, or that of the operation.")
@common
@click.pass_context
def run(  # one for each option
    ctx: click.Context,
    name: str | None,
    rest: tuple[str, ...],
    document: str | None,
    detach: bool,
    linger: float | None,
    here: bool,
    wants_help: bool,
) -> int:
    """Starts an operation, and shows its run to the end.

    The fields of its input are flags (`--pages 1-10`), its files are arguments, and `-` is the standard input. Ctrl-C
    cancels the run, a second Ctrl-C leaves. Without a URL the run of `flask headway` waits for a worker of the service;
    the process of the command works on it itself with --here, and where the store is `memory:`. Then the run ends with
    that process: with --detach it prints the snapshot, and stays until the run is over.
    """
    if name is None:
        click.echo(ctx.get_help())
        return 0 if wants_help else ExitCode.USAGE
    config = ctx.ensure_object(Config)
    config.here = here
    output = config.run_output()
    with config.client(output) as client:
        entry = operation_named(client, name)
        fields = read_input(ctx, entry, [*rest, "--help"] if wants_help else list(rest), document)
        started = client.start(name, fields, detached=detach, linger=linger)
        if detach:
            write_line(as_data(started.snapshot()))
        if config.local is not None:
            note_queued(started)
        if detach:
            if config.local is not None:
                config.local.wait()
            return 0
        return Follower(started, output, command=partial(config.line, ctx)).follow()


@cli.command()
@click.argument("run", type=RunType(), metavar="RUN")
@click.option("--after", type=click.IntRange(0, LAST_ID), default=0, help="Start after the event with this number.")
@click.option("--keep", is_flag=True, help="Ctrl-C leaves, and the run goes on.")
@common
@click.pass_context
def watch(ctx: click.Context, run: str, after: int, keep: bool) -> int:
    """Shows a run that was started elsewhere. Ctrl-C cancels it, a second Ctrl-C leaves.

    With --keep Ctrl-C leaves at once, and the run goes on, as if nobody had watched it here.
    """
    config = ctx.ensure_object(Config)
    output = config.run_output()
    with config.client(output) as client:
        watched = client.watch(run, after=after, counts=not keep)
        return Follower(watched, output, command=partial(config.line, ctx), keep=keep).follow()


@cli.command()
@click.argument("run", type=RunType(), metavar="RUN")
@common
@click.pass_obj
def show(config: Config, run: str) -> None:
    """Shows the state of a run."""
    with config.client() as client:
        snapshot = as_data(client.snapshot(run))
    if not config.on_screen:
        write_line(snapshot)
        return
    grid = Table.grid(padding=(0, 2))
    for name, value in snapshot.items():
        if value is not None:
            grid.add_row(name, escape(printable(value if isinstance(value, str) else orjson.dumps(value).decode())))
    Terminal().print(grid)


@cli.command()
@click.argument("run", type=RunType(), metavar="RUN")
@common
@click.pass_obj
def result(config: Config, run: str) -> None:
    """Prints the result of a run as JSON, and waits for it.

    It watches the run meanwhile, as `watch --keep` does. Where the run fails or is cancelled, the error is printed.
    """
    with config.client() as client:
        last = client.snapshot(run).last_event_id
        with client.watch(run, after=max(0, last - 1), counts=False) as watched:  # `done` says why a run was cancelled
            value = watched.result()
    if config.on_screen:
        click.echo(printable(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()))
    else:
        write_line(value)


@cli.command()
@click.argument("run", type=RunType(), metavar="RUN")
@click.argument("name", type=NameType(), required=False)
@click.option("-o", "--to", metavar="PATH", help="Where to write it, - for the standard output. [default: NAME, here]")
@common
@click.pass_obj
def file(config: Config, run: str, name: str | None, to: str | None) -> None:
    """Fetches a file that a run has handed over, or lists them without a NAME."""
    with config.client() as client:
        watched = client.watch(run)
        if name is None:
            columns = {"File": ("name",), "Type": ("type",), "Bytes": ("size",), "SHA-256": ("sha256",)}
            print_all(watched.files(), columns, screen=config.on_screen)
        elif to == "-":
            write_bytes(watched.file(name))
        else:
            path = watched.save_file(name, to or name)
            if config.on_screen:
                click.echo(printable(f"{path} has {path.stat().st_size:,} bytes"))


@cli.command("list")
@click.option("--operation", metavar="NAME", help="Only those of this operation.")
@click.option("--status", type=click.Choice(get_args(Status)), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many at the most.")
@click.option("--before", type=RunType(), metavar="RUN", help="Only those that were created before this run.")
@common
@click.pass_obj
def list_runs(config: Config, /, **filters: Any) -> None:
    """Lists the caller's runs, the newest first."""
    with config.client() as client:
        params = {name: value for name, value in filters.items() if value is not None}
        runs = list_of(client.request("GET", "/runs", params=params), "runs")
    columns = {
        "Run": ("id",),
        "Operation": ("operation",),
        "Status": ("status",),
        "Created": ("created",),
        "Last event": ("last_event_id",),
    }
    print_all(runs, columns, screen=config.on_screen)


@cli.command()
@click.argument("run", type=RunType(), metavar="RUN")
@common
@click.pass_obj
def cancel(config: Config, run: str) -> None:
    """Cancels a run."""
    with config.client() as client:
        snapshot = client.cancel(run)
    if config.on_screen:
        click.echo(f"run {run} is {snapshot.status}")
    else:
        write_line(as_data(snapshot))


@cli.command()
@click.argument("run", type=RunType(), metavar="RUN")
@common
@click.pass_obj
def erase(config: Config, run: str) -> None:
    """Deletes a finished run with all that belongs to it."""
    with config.client() as client:
        client.erase(run)
    if config.on_screen:
        click.echo(f"run {run} is erased")


@cli.command()
@click.argument("run", type=RunType(), metavar="RUN")
@click.option("--seconds", type=click.IntRange(min=1), default=900, show_default=True, help="How long it is good for.")
@click.option(
    "--may", multiple=True, default=["watch"], help="What it permits: watch, answer or cancel. [default: watch]"
)
@common
@click.pass_obj
def token(config: Config, run: str, seconds: int, may: tuple[str, ...]) -> None:
    """Prints a token that opens a run for a while to those who have no key; --may can be repeated."""
    with config.client() as client:
        made = client.token(run, seconds, may)
    if config.on_screen:
        click.echo(printable(made))
    else:
        write_line({"token": made})


@cli.command()
@click.argument("run", type=RunType(), metavar="RUN")
@click.argument("answer")
@common
@click.pass_obj
def answer(config: Config, run: str, answer: str) -> None:
    """Answers the open question of a run, with JSON or text; @FILE reads a file, - the standard input."""
    value = json_or_text(read_typed("ANSWER", answer))
    with config.client() as client:
        question = client.snapshot(run).question
        if question is None:
            raise click.UsageError("this run has no open question")
        snapshot = client.answer(run, question["question"], value)
    if not config.on_screen:
        write_line(as_data(snapshot))


@cli.command()
@click.argument("target", type=UrlType(), required=False, metavar="[URL]")
@click.option(
    "--silence",
    type=Seconds(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="Seconds without an event that a stream must survive; more than the service's heartbeat.",
)
@common
@click.pass_obj
def doctor(config: Config, target: str | None, silence: float) -> int:
    """Checks the proxies between here and the service with real runs, and says what to change.

    Are streams buffered, compressed, or cut when idle? Do they resume? Does a disconnect reach the service? Most checks
    need the operation `simulate` (HEADWAY_SIMULATE=1). Without a URL `flask headway` checks the settings, the store and
    the server of the application, and the streams as they leave it.
    """
    config.url = target or config.url
    local = config.local
    config.here = local is not None
    with config.connected() as (url, http):
        http.headers.update(config.headers)
        if local is not None:
            findings = checks.examine_application(local, http, config.key)
        else:
            findings = checks.examine(url, key=config.key, silence=silence, http=http, tls=config.tls)
        return checks.report(findings, as_lines=config.output == "json")


def note_queued(run: Run) -> None:
    """Says that no worker has taken a run so far."""
    deadline = monotonic() + TAKEN_WITHIN
    while (waits := run.snapshot().status == "queued") and monotonic() < deadline:
        sleep(0.05)
    if waits:
        click.echo(f"headway: run {run.id} waits for a worker of the service; none has taken it so far", err=True)


def as_data(snapshot: Any) -> dict[str, Any]:
    """A snapshot as JSON."""
    return dict(vars(snapshot))


def main() -> None:
    """Runs the command line, and exits with an `ExitCode`."""
    name = "python -m streaming" if Path(sys.argv[0]).name == "__main__.py" else "headway"
    try:
        cli.main(prog_name=name)
    except OSError:  # of the line that says what is wrong: nobody reads it
        sys.exit(ExitCode.USAGE)
