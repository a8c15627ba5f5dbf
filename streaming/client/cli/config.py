"""The options that every command takes, and the client that they make."""

from __future__ import annotations

import os
import re
import shlex
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import unquote

import click
import httpx

from ..environment import URL, key_of_environment, open_http
from ..errors import ClientError, RequestRefused, Unreachable
from ..reader import Backoff
from ..requests import base_url, checked_key, is_same_origin, shown_url
from ..sync import Client
from .doctor import Finding
from .endings import reason_of
from .output import JsonLines, Output, Screen, Terminal
from .types import HeaderType, KeyType, NameType, Seconds, UrlType

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
    key: str | None = field(default_factory=lambda: key_of_environment() or None)
    owner: str | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    cacert: str | None = None
    insecure: bool = False
    heartbeat: float = 15.0
    attempts: int = Backoff.max_attempts
    output: str = "auto"
    application: Application | None = None
    here: bool = False
    command: str | None = None
    """What is typed before a verb, where that is not what click knows of it."""
    key_withheld: bool = False
    """Whether the key of the environment is not for the service of a RUN's URL."""
    given: dict[str, list[str]] = field(default_factory=dict, repr=False)
    """The options on the command line, as another command repeats them."""

    @property
    def service(self) -> str:
        """The URL of the service that is asked. Raises `click.UsageError` for one that is none."""
        try:
            return base_url(self.url or URL)
        except Unreachable as error:
            raise click.UsageError(f"HEADWAY_URL: {error}") from None

    def line(self, ctx: click.Context, *words: str) -> str:
        """A command line that runs another verb with the same options, but for secrets."""
        group = self.command or (ctx.command_path if ctx.parent is None else ctx.parent.command_path)
        options = [word for words in self.given.values() for word in words]
        return f"{group} {shlex.join([*words, *options])}"

    def going_on(self, ctx: click.Context, verb: str, run: str, after: int) -> str:
        """The command line that goes on with a run after this event."""
        return self.line(ctx, verb, run, *(["--after", str(after)] if after and verb == "watch" else []))

    @property
    def local(self) -> Application | None:
        """The application, if that is asked instead of a service."""
        return None if self.url else self.application

    @contextmanager
    def client(self, output: Output | None = None) -> Iterator[Client]:
        """A client that notes lost connections on `output`."""

        def note_lost(seconds: float, error: ClientError | None) -> None:
            if output is not None:
                lost = f"the connection was lost: {error}" if error else "the connection was lost"
                reason = reason_of(error) if isinstance(error, RequestRefused) else lost
                output.note(f"{reason}; trying again in {seconds:.1f} s")

        with self.connected() as (url, http):
            yield Client(
                url,
                headers=self.headers,
                api_key=self.key or "",
                heartbeat=self.heartbeat,
                backoff=Backoff(max_attempts=self.attempts),
                http=http,
                on_lost=note_lost,
            )

    @contextmanager
    def connected(self) -> Iterator[tuple[str, httpx.Client]]:
        """The URL that is asked, and a client of httpx for it. Raises `click.UsageError` and `Unreachable`."""
        try:
            checked_key(self.key or "")
        except ValueError as error:
            raise click.UsageError(f"HEADWAY_API_KEY: {error}") from None
        if self.local is None:
            for option, given in (("--owner", self.owner is not None), ("--here", self.here)):
                if given:
                    raise click.UsageError(f"{option} is for `flask headway` without a URL, not for a service")
            tls = self.tls
            with open_http(httpx.Client, self.service, **({"verify": tls} if tls else {})) as http:
                yield self.service, http
            return
        for option, given in (("--cacert", self.cacert is not None), ("--insecure", self.insecure)):
            if given:
                raise click.UsageError(f"{option} is for a service with a URL, not for the application itself")
        with self.local.connect(self.local_owner, here=self.here) as http:
            yield self.local.url, http

    @property
    def tls(self) -> ssl.SSLContext | None:
        """Whose certificates are accepted; `None` for those of the system. Raises `click.UsageError`."""
        if self.insecure:
            return httpx.create_ssl_context(verify=False)
        if self.cacert is None:
            return None
        try:
            return ssl.create_default_context(cafile=self.cacert)
        except (OSError, ssl.SSLError):
            raise click.UsageError(f"--cacert: {self.cacert} has no certificates") from None

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
        return Screen(Terminal(highlight=False)) if self.on_screen else JsonLines()


COMMON_OPTIONS: Final[dict[tuple[str, ...], dict[str, Any]]] = {
    ("--url",): {
        "metavar": "URL",
        "type": UrlType(),
        "help": f"The URL of the service; HEADWAY_URL. [default: {URL}; of `flask headway` the application itself]",
    },
    ("--key",): {
        "metavar": "KEY",
        "type": KeyType(),
        "help": "The API key; HEADWAY_API_KEY, unless RUN is a URL of another service.",
    },
    ("--owner",): {"metavar": "NAME", "help": "Whose runs, without a key, where `flask headway` asks the application."},
    ("-H", "--header", "headers"): {
        "metavar": "'NAME: VALUE'",
        "type": HeaderType(),
        "multiple": True,
        "default": None,
        "help": "A header of each request; may be repeated.",
    },
    ("--cacert",): {
        "metavar": "FILE",
        "type": click.Path(exists=True, dir_okay=False),
        "help": "Certificates (PEM) that are accepted, in place of the system's.",
    },
    ("--insecure",): {"is_flag": True, "default": None, "help": "Accept any certificate."},
    ("--heartbeat",): {
        "metavar": "SECONDS",
        "type": Seconds(min=0, min_open=True),
        "help": "The service's heartbeat; a connection that is silent for 2.5 of them is dead. [default: 15]",
    },
    ("--attempts",): {
        "type": click.IntRange(min=0),
        "help": "Failed attempts to connect, in a row, before it gives up. [default: 10]",
    },
    ("--output",): {
        "type": click.Choice(["auto", "screen", "json"]),
        "help": "Bars for a terminal, or a line of JSON an event. [default: bars on a terminal, JSON in a pipe]",
    },
}


def common(command: Command) -> Command:
    """Adds the options that the group and each of its commands take; those of the command win."""
    for names, attributes in reversed(COMMON_OPTIONS.items()):
        command = click.option(*names, callback=_keep, expose_value=False, **attributes)(command)
    return command


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keeps an option in the `Config`, and as another command line repeats it."""
    config = ctx.ensure_object(Config)
    name = str(param.name)
    if not value and value != 0:
        return
    if name == "headers":
        config.headers |= dict(value)
        config.given.setdefault(name, []).extend(word for header, _ in value for word in ("-H", f"{header}: ..."))
        return
    setattr(config, name, value)
    words = {"key": ["--key", "..."], "insecure": ["--insecure"], "url": ["--url", shown_url(str(value))]}
    config.given[name] = words.get(name, [f"--{name}", str(value)])


class RunType(NameType):
    """The id of a run, or a path or a URL of it, also that of the console. Of a URL, the service is asked, too."""

    name = "run"
    form = re.compile(r"(?:(?P<service>.*)/)?(?:#/)?runs/(?P<run>[^/?#]+)(?:[/?#].*)?")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id."""
        found = self.form.fullmatch(str(value))
        run, service = (unquote(found["run"]), (found["service"] or "").rstrip("/#")) if found else (str(value), "")
        if not run or re.search(r"[/?#\s]", run):
            self.fail(f"{str(value)!r} is neither the id of a run, nor a path or a URL of one", param, ctx)
        if ctx is not None and ":" in service:
            url = UrlType().convert(service, param, ctx)
            config = ctx.ensure_object(Config)
            if config.key and "key" not in config.given and not is_same_origin(url, config.url or URL):
                config.key, config.key_withheld = None, True  # from a service that whoever sent the URL has chosen
            config.url, config.given["url"] = url, ["--url", shown_url(url)]
        return super().convert(run, param, ctx)
