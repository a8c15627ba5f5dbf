"""The command line: `python -m streaming`.

`click` makes it, because the flags of `run` are only known once the service has told its operation's JSON Schema, and a
click command is made of data. It comes with Flask anyway.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..errors import ClientError, NotAStream, RequestRefused, Unreachable
from ..reader import Backoff
from ..sync import Client
from . import doctor as checks
from .flags import command_of, input_of
from .follow import INTERRUPTED, REFUSED, UNREACHABLE, USAGE, Follower, as_json
from .output import LEFT, Lines, Screen, View, printable, write_line

URL: Final = "http://127.0.0.1:8000"
EPILOG: Final = """\b
Exit codes: 0 succeeded, 1 failed, 2 wrong usage, 3 cancelled, 4 interrupted (the run may go on),
5 refused by the service, 6 not reachable, 130 left with Ctrl-C."""

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Service:
    """What every command is told: where the service is, its key, and how to write."""

    url: str = field(default_factory=lambda: os.environ.get("HEADWAY_URL") or URL)
    key: str | None = field(default_factory=lambda: os.environ.get("HEADWAY_API_KEY") or None)
    heartbeat: float = 15.0
    attempts: int = Backoff.max_attempts
    output: str = "auto"

    def client(self, view: View | None = None) -> Client:
        """A client that tells `view` of lost connections."""

        def lost(seconds: float, error: ClientError | None) -> None:
            if view is not None:
                why = f": {error}" if error else ""
                view.note(f"the connection was lost{why}; trying again in {seconds:.1f} s")

        backoff = Backoff(max_attempts=self.attempts)
        return Client(self.url, api_key=self.key, heartbeat=self.heartbeat, backoff=backoff, on_lost=lost)

    @property
    def on_screen(self) -> bool:
        """Whether to draw, or to write lines."""
        return self.output == "screen" or (self.output == "auto" and sys.stdout.isatty())

    def view(self) -> View:
        """What shows a run."""
        return Screen(Console(highlight=False)) if self.on_screen else Lines()


def common(command: Command) -> Command:
    """The options that the group and each of its commands take; the command's own win."""

    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        service = ctx.ensure_object(Service)
        if value is not None:
            setattr(service, str(param.name), value)
        return value

    def option(name: str, **said: Any) -> Callable[[Command], Command]:
        return click.option(name, callback=keep, expose_value=False, **said)

    options = [
        option("--url", metavar="URL", help=f"Where the service is; HEADWAY_URL. [default: {URL}]"),
        option("--key", metavar="KEY", help="The API key; HEADWAY_API_KEY."),
        option(
            "--heartbeat",
            metavar="SECONDS",
            type=click.FloatRange(min=0, min_open=True),
            help="The service's heartbeat; a connection silent for 2.5 of them is dead. [default: 15]",
        ),
        option(
            "--attempts",
            type=click.IntRange(min=0),
            help="How often in a row to try again in vain before giving up. [default: 10]",
        ),
        option(
            "--output",
            type=click.Choice(["auto", "screen", "json"]),
            help="Bars for a terminal, or a line of JSON an event. [default: bars on a terminal, JSON in a pipe]",
        ),
    ]
    for add in reversed(options):
        command = add(command)
    return command


@click.group(epilog=EPILOG)
@common
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Starts, watches and cancels runs of a Headway service, and checks its deployment."""


@cli.command()
@common
@click.pass_obj
def operations(service: Service) -> None:
    """What there is to run."""
    with service.client() as client:
        catalogue = client.operations()
    if not service.on_screen:
        for entry in catalogue:
            write_line(entry)
        return
    table = Table("Operation", "What it does")
    for entry in catalogue:
        words = (entry.get("name"), entry.get("description") or entry.get("title") or "")
        table.add_row(*(escape(printable(str(word))) for word in words))
    Console().print(table)


@cli.command(
    context_settings={"ignore_unknown_options": True},
    add_help_option=False,
    options_metavar="[OPTIONS]",
    epilog="`run OPERATION --help` lists the flags of that operation.",
)
@click.argument("name", required=False, metavar="OPERATION")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="[FILE]... [--FIELD VALUE]...")
@click.option(
    "--json", "whole", metavar="JSON", help="The whole input, as JSON; @FILE reads a file, - the standard input."
)
@click.option("--detach", is_flag=True, help="Only starts it, and writes its snapshot.")
@click.option("--help", "wants_help", is_flag=True, help="Show this message, or that of the operation.")
@common
@click.pass_context
def run(
    ctx: click.Context, name: str | None, rest: tuple[str, ...], whole: str | None, detach: bool, wants_help: bool
) -> int:
    """Starts an operation, and shows its run to the end.

    Its fields are flags (`--pages 1-10`); files are named by themselves, and `-` is the standard input. Ctrl-C cancels
    the run, a second one leaves.
    """
    if name is None:
        click.echo(ctx.get_help())
        return 0 if wants_help else USAGE
    service = ctx.ensure_object(Service)
    view = service.view()
    with service.client(view) as client:
        entry = operation_named(client, name)
        given = read_input(ctx, entry, [*rest, "--help"] if wants_help else list(rest), whole)
        started = client.start(name, given, detached=detach)
        if detach:
            write_line(as_data(started.snapshot()))
            return 0
        return Follower(started, view).follow()


@cli.command()
@click.argument("id")
@click.option("--after", type=click.IntRange(min=0), default=0, help="The number of the last event that is known.")
@click.option("--keep", is_flag=True, help="Ctrl-C leaves, and does not cancel the run.")
@common
@click.pass_obj
def watch(service: Service, id: str, after: int, keep: bool) -> int:
    """Shows a run that was started elsewhere. Ctrl-C cancels it (unless --keep is given), a second one leaves."""
    view = service.view()
    with service.client(view) as client:
        return Follower(client.watch(id, after=after), view, keep=keep).follow()


@cli.command()
@click.argument("id")
@common
@click.pass_obj
def cancel(service: Service, id: str) -> None:
    """Ends a run."""
    with service.client() as client:
        snapshot = client.cancel(id)
    if service.on_screen:
        click.echo(f"run {id} is {snapshot.status}")
    else:
        write_line(as_data(snapshot))


@cli.command()
@click.argument("id")
@click.argument("answer")
@common
@click.pass_obj
def answer(service: Service, id: str, answer: str) -> None:
    """Answers the question that a run asks: JSON, or else text."""
    with service.client() as client:
        question = client.snapshot(id).question
        if question is None:
            raise click.UsageError("this run asks nothing")
        snapshot = client.answer(id, question["question"], as_json(answer))
    if not service.on_screen:
        write_line(as_data(snapshot))


@cli.command()
@click.argument("at", required=False, metavar="[URL]")
@click.option(
    "--silence",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="Seconds of silence that a stream has to survive; more than the service's heartbeat.",
)
@common
@click.pass_obj
def doctor(service: Service, at: str | None, silence: float) -> int:
    """Checks the chain from here to the service with real runs, and says what to change.

    Is it buffered, compressed, cut when it is idle; are disconnects passed on; does a stream resume. Most of it needs
    the operation `simulate` (HEADWAY_SIMULATE=1).
    """
    found = checks.examine(at or service.url, key=service.key, silence=silence)
    return checks.report(found, as_lines=service.output == "json")


def operation_named(client: Client, name: str) -> dict[str, Any]:
    """The entry of the catalogue. Raises `click.UsageError` where there is none."""
    catalogue = {str(entry.get("name")): entry for entry in client.operations()}
    if name not in catalogue:
        offered = ", ".join(sorted(catalogue)) or "nothing"
        raise click.UsageError(f"there is no operation {name!r}; the service offers {offered}")
    return catalogue[name]


def read_input(ctx: click.Context, entry: dict[str, Any], rest: list[str], whole: str | None) -> dict[str, Any]:
    """The input, out of `--json` and the operation's own flags, which win."""
    schema = entry.get("input") or {}
    command = command_of(str(entry["name"]), str(entry.get("description") or ""), schema)
    with command.make_context(f"{ctx.command_path} {entry['name']}", rest) as own:
        flags = input_of(own.params, schema)
    return {**(read_whole(whole) if whole is not None else {}), **flags}


def read_whole(whole: str) -> dict[str, Any]:
    """The object that `--json` names. Raises `click.UsageError`."""
    try:
        text = sys.stdin.buffer.read() if whole == "-" else Path(whole[1:]).read_bytes() if whole[:1] == "@" else whole
        value = orjson.loads(text)
    except (OSError, orjson.JSONDecodeError) as error:
        raise click.UsageError(f"--json: {error}") from None
    if not isinstance(value, dict):
        raise click.UsageError("--json: the input is an object")
    return value


def as_data(snapshot: Any) -> dict[str, Any]:
    """A snapshot as JSON."""
    return dict(vars(snapshot))


def main() -> NoReturn:
    """Runs the command line; ends the process with one of the exit codes."""
    try:
        code = cli.main(prog_name="python -m streaming", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = LEFT
    except ClientError as error:
        click.echo(f"headway: {printable(str(error))}", err=True)
        code = _code_of(error)
    raise SystemExit(code or 0)


def _code_of(error: ClientError) -> int:
    if isinstance(error, Unreachable):
        return UNREACHABLE
    return REFUSED if isinstance(error, RequestRefused | NotAStream) else INTERRUPTED
