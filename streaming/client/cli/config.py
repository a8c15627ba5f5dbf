"""The options that every command takes, and the client that they make."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import unquote

import click
import httpx
from rich.console import Console

from ..errors import ClientError
from ..reader import Backoff
from ..sync import Client
from .doctor import Finding
from .output import JsonLines, Output, Screen

URL: Final = "http://127.0.0.1:8000"

Command = TypeVar("Command", bound=Callable[..., Any])


class Application(Protocol):
    """The application that `flask headway` belongs to, and asks without a server."""

    @property
    def url(self) -> str:
        """The URL of its routes."""

    def connect(self, owner: str | None, *, here: bool = False) -> AbstractContextManager[httpx.Client]:
        """A client whose requests the application answers, as those of `owner`; with `None` it asks who they are.

        With `here` this process works on the runs that it starts.
        """

    def wait(self) -> None:
        """Waits until the runs of this process are over."""

    def examine(self) -> Iterator[Finding]:
        """Checks the settings, the server and the store."""


@dataclass
class Config:
    """The options of every command. An `application` answers where no `url` is given."""

    url: str | None = field(default_factory=lambda: os.environ.get("HEADWAY_URL"))
    key: str | None = field(default_factory=lambda: os.environ.get("HEADWAY_API_KEY") or None)
    owner: str | None = None
    heartbeat: float = 15.0
    attempts: int = Backoff.max_attempts
    output: str = "auto"
    application: Application | None = None
    here: bool = False

    @property
    def service(self) -> str:
        """The URL of the service that is asked."""
        return self.url or URL

    @property
    def local(self) -> Application | None:
        """The application, if that is asked instead of a service."""
        return None if self.url else self.application

    @contextmanager
    def client(self, output: Output | None = None) -> Iterator[Client]:
        """A client that notes lost connections on `output`."""

        def note_lost(seconds: float, error: ClientError | None) -> None:
            if output is not None:
                reason = f": {error}" if error else ""
                output.note(f"the connection was lost{reason}; trying again in {seconds:.1f} s")

        with self._connected() as (url, http):
            backoff = Backoff(max_attempts=self.attempts)
            with Client(
                url, api_key=self.key, heartbeat=self.heartbeat, backoff=backoff, http=http, on_lost=note_lost
            ) as client:
                yield client

    @contextmanager
    def _connected(self) -> Iterator[tuple[str, httpx.Client | None]]:
        if self.local is None:
            for option, given in (("--owner", self.owner is not None), ("--here", self.here)):
                if given:
                    raise click.UsageError(f"{option} is for `flask headway` without a URL, not for a service")
            yield self.service, None
            return
        with self.local.connect(self.local_owner, here=self.here) as http:
            yield self.local.url, http

    @property
    def local_owner(self) -> str | None:
        """For whom the application is asked: `--owner`, that of the key, or whoever has none."""
        return "" if self.owner is None and self.key is None else self.owner

    @property
    def on_screen(self) -> bool:
        """Whether to draw on a terminal, or to write lines."""
        return self.output == "screen" or (self.output == "auto" and sys.stdout.isatty())

    def run_output(self) -> Output:
        """The output for a run."""
        return Screen(Console(highlight=False)) if self.on_screen else JsonLines()


COMMON_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "--url": {
        "metavar": "URL",
        "help": f"The URL of the service; HEADWAY_URL. [default: {URL}; of `flask headway` the application itself]",
    },
    "--key": {"metavar": "KEY", "help": "The API key; HEADWAY_API_KEY."},
    "--owner": {"metavar": "NAME", "help": "Whose runs, without a key, where `flask headway` asks the application."},
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


class RunType(click.ParamType[str]):
    """The id of a run, or a path or a URL of it. Of a URL, the service is asked, too."""

    name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id."""
        service, _, rest = str(value).rpartition("/runs/")
        run = unquote(re.split("[/?#]", rest)[0])
        if not run:
            self.fail("the id of a run is not empty", param, ctx)
        if ctx is not None and service.startswith(("http://", "https://")):
            ctx.ensure_object(Config).url = service
        return run
