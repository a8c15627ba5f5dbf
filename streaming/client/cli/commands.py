"""The command line: `python -m streaming`.

It uses `click`, which builds commands from data: the flags of `run` are made of the JSON Schema that the service gives
for an operation. Flask depends on click anyway.
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
from .exit_codes import ExitCode
from .flags import command_of, input_of
from .follow import Follower, json_or_text
from .output import JsonLines, Output, Screen, printable, write_line

URL: Final = "http://127.0.0.1:8000"
EPILOG: Final = """\b
Exit codes: 0 succeeded, 1 failed, 2 wrong usage, 3 cancelled, 4 interrupted (the run may go on),
5 refused by the service, 6 not reachable, 130 left with Ctrl-C."""

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Config:
    """The options of every command."""

    url: str = field(default_factory=lambda: os.environ.get("HEADWAY_URL") or URL)
    key: str | None = field(default_factory=lambda: os.environ.get("HEADWAY_API_KEY") or None)
    heartbeat: float = 15.0
    attempts: int = Backoff.max_attempts
    output: str = "auto"

    def client(self, output: Output | None = None) -> Client:
        """A client that notes lost connections on `output`."""

        def note_lost(seconds: float, error: ClientError | None) -> None:
            if output is not None:
                reason = f": {error}" if error else ""
                output.note(f"the connection was lost{reason}; trying again in {seconds:.1f} s")

        backoff = Backoff(max_attempts=self.attempts)
        return Client(self.url, api_key=self.key, heartbeat=self.heartbeat, backoff=backoff, on_lost=note_lost)

    @property
    def on_screen(self) -> bool:
        """Whether to draw on a terminal, or to write lines."""
        return self.output == "screen" or (self.output == "auto" and sys.stdout.isatty())

    def run_output(self) -> Output:
        """The output for a run."""
        return Screen(Console(highlight=False)) if self.on_screen else JsonLines()


COMMON_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "--url": {"metavar": "URL", "help": f"The URL of the service; HEADWAY_URL. [default: {URL}]"},
    "--key": {"metavar": "KEY", "help": "The API key; HEADWAY_API_KEY."},
    "--heartbeat": {
        "metavar": "SECONDS",
        "type": click.FloatRange(min=0, min_open=True),
        "help": "The service's heartbeat; a connection that is silent for 2.5 of them is dead. [default: 15]",
    },
    "--attempts": {
        "type": click.IntRange(min=0),
        "help": "Failed attempts to connect, in a row, before it gives up. [default: 10]",
    },
    "--output": {
        "type": click.Choice(["auto", "screen", "json"]),
        "help": "Bars for a terminal, or a line of JSON an event. [default: bars on a terminal, JSON in a pipe]",
    },
}


def common(command: Command) -> Command:
    """Adds the options that the group and each of its commands take; those of the command win."""

    def store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        config = ctx.ensure_object(Config)
        if value is not None:
            setattr(config, str(param.name), value)

    for name, attributes in reversed(COMMON_OPTIONS.items()):
        command = click.option(name, callback=store, expose_value=False, **attributes)(command)
    return command


@click.group(epilog=EPILOG)
@common
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Starts, watches and cancels runs of a Headway service, and checks its deployment."""


@cli.command()
@common
@click.pass_obj
def operations(config: Config) -> None:
    """Lists the operations of the service."""
    with config.client() as client:
        catalogue = client.operations()
    if not config.on_screen:
        for entry in catalogue:
            write_line(entry)
        return
    table = Table("Operation", "Description")
    for entry in catalogue:
        cells = (entry.get("name"), entry.get("description") or entry.get("title") or "")
        table.add_row(*(escape(printable(str(cell))) for cell in cells))
    Console().print(table)


@cli.command(
    context_settings={"ignore_unknown_options": True},
    add_help_option=False,
    options_metavar="[OPTIONS]",
    epilog="`run OPERATION --help` lists the flags of that operation.",
)
@click.argument("name", required=False, metavar="OPERATION")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="[FILE]... [--FIELD VALUE]...")
@click.option("--json", "document", metavar="JSON", help="The input as JSON; @FILE reads a file, - the standard input.")
@click.option("--detach", is_flag=True, help="Start the run, print its snapshot, and exit.")
@click.option("--help", "wants_help", is_flag=True, help="Show this message, or that of the operation.")
@common
@click.pass_context
def run(
    ctx: click.Context, name: str | None, rest: tuple[str, ...], document: str | None, detach: bool, wants_help: bool
) -> int:
    """Starts an operation, and shows its run to the end.

    The fields of its input are flags (`--pages 1-10`), its files are arguments, and `-` is the standard input. Ctrl-C
    cancels the run, a second Ctrl-C leaves.
    """
    if name is None:
        click.echo(ctx.get_help())
        return 0 if wants_help else ExitCode.USAGE
    config = ctx.ensure_object(Config)
    output = config.run_output()
    with config.client(output) as client:
        entry = operation_named(client, name)
        fields = read_input(ctx, entry, [*rest, "--help"] if wants_help else list(rest), document)
        started = client.start(name, fields, detached=detach)
        if detach:
            write_line(as_data(started.snapshot()))
            return 0
        return Follower(started, output).follow()


@cli.command()
@click.argument("id")
@click.option("--after", type=click.IntRange(min=0), default=0, help="Start after the event with this number.")
@click.option("--keep", is_flag=True, help="Ctrl-C leaves without cancelling the run.")
@common
@click.pass_obj
def watch(config: Config, id: str, after: int, keep: bool) -> int:
    """Shows a run that was started elsewhere. Ctrl-C cancels it (not with --keep), a second Ctrl-C leaves."""
    output = config.run_output()
    with config.client(output) as client:
        return Follower(client.watch(id, after=after), output, keep=keep).follow()


@cli.command()
@click.argument("id")
@common
@click.pass_obj
def cancel(config: Config, id: str) -> None:
    """Cancels a run."""
    with config.client() as client:
        snapshot = client.cancel(id)
    if config.on_screen:
        click.echo(f"run {id} is {snapshot.status}")
    else:
        write_line(as_data(snapshot))


@cli.command()
@click.argument("id")
@click.argument("answer")
@common
@click.pass_obj
def answer(config: Config, id: str, answer: str) -> None:
    """Answers the open question of a run, with JSON or text."""
    with config.client() as client:
        question = client.snapshot(id).question
        if question is None:
            raise click.UsageError("this run has no open question")
        snapshot = client.answer(id, question["question"], json_or_text(answer))
    if not config.on_screen:
        write_line(as_data(snapshot))


@cli.command()
@click.argument("target", required=False, metavar="[URL]")
@click.option(
    "--silence",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="Seconds without an event that a stream must survive; more than the service's heartbeat.",
)
@common
@click.pass_obj
def doctor(config: Config, target: str | None, silence: float) -> int:
    """Checks the proxies between here and the service with real runs, and says what to change.

    Are streams buffered, compressed, or cut when idle? Do they resume? Does a disconnect reach the service? Most checks
    need the operation `simulate` (HEADWAY_SIMULATE=1).
    """
    findings = checks.examine(target or config.url, key=config.key, silence=silence)
    return checks.report(findings, as_lines=config.output == "json")


def operation_named(client: Client, name: str) -> dict[str, Any]:
    """An operation of the service. Raises `click.UsageError` where there is none of this name."""
    catalogue = {str(entry.get("name")): entry for entry in client.operations()}
    if name not in catalogue:
        names = ", ".join(sorted(catalogue)) or "none"
        raise click.UsageError(f"there is no operation {name!r}; the service offers {names}")
    return catalogue[name]


def read_input(ctx: click.Context, entry: dict[str, Any], rest: list[str], document: str | None) -> dict[str, Any]:
    """The input from `--json` and the operation's flags, which win."""
    schema = entry.get("input") or {}
    command = command_of(str(entry["name"]), str(entry.get("description") or ""), schema)
    with command.make_context(f"{ctx.command_path} {entry['name']}", rest) as parsed:
        flags = input_of(parsed.params, schema)
    return {**(read_json(document) if document is not None else {}), **flags}


def read_json(source: str) -> dict[str, Any]:
    """The value of `--json`, an object. Raises `click.UsageError`."""
    try:
        if source == "-":
            value = orjson.loads(sys.stdin.buffer.read())
        else:
            value = orjson.loads(Path(source[1:]).read_bytes() if source.startswith("@") else source)
    except (OSError, orjson.JSONDecodeError) as error:
        raise click.UsageError(f"--json: {error}") from None
    if not isinstance(value, dict):
        raise click.UsageError("--json: the input must be an object")
    return value


def as_data(snapshot: Any) -> dict[str, Any]:
    """A snapshot as JSON."""
    return dict(vars(snapshot))


def main() -> NoReturn:
    """Runs the command line, and exits with an `ExitCode`."""
    try:
        code = cli.main(prog_name="python -m streaming", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = ExitCode.LEFT
    except ClientError as error:
        click.echo(f"headway: {printable(str(error))}", err=True)
        code = _code_of(error)
    raise SystemExit(code or 0)


def _code_of(error: ClientError) -> ExitCode:
    if isinstance(error, Unreachable):
        return ExitCode.UNREACHABLE
    return ExitCode.REFUSED if isinstance(error, RequestRefused | NotAStream) else ExitCode.INTERRUPTED
