"""`flask headway`: the command line of `streaming.client`, which asks the application in its own process.

The commands are those of `python -m streaming`. They are imported when they are used: they need the extra `cli`, and
`flask --help` is not to wait for them.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click
from flask import Flask
from flask.cli import ScriptInfo

from ..extras import needs
from ..runtime.worker import Worker
from .checks import examine

if TYPE_CHECKING:
    import httpx

    from ..client.cli.doctor import Finding
    from .extension import Headway

LOCAL_OWNER: Final = "headway.owner"
"""The key of a WSGI environ with the owner for whom `flask headway` asks. No request can set it: the keys of headers
begin with `HTTP_`."""

LOCAL_WORK: Final = "headway.work"
"""The key of a WSGI environ that says that this process works on the run which the request starts."""

WAKE: Final = 0.5
"""Seconds that the thread of a command waits at once: a signal that comes just before a wait is handled after it."""


class NotInstalled(click.ClickException):
    """A package of the extra `cli` is missing."""

    exit_code = 2


class HeadwayCommand(click.Command):
    """Stands for the commands until one of them is used."""

    def __init__(self, app: Flask, headway: Headway, name: str = "headway") -> None:
        super().__init__(name, help="Starts, watches and cancels runs of this application, and checks it.")
        self._local = Local(app, headway)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the group of all commands, which takes the place of this command."""
        with needs("cli", "the command line", NotInstalled):
            from ..client.cli.commands import cli
            from ..client.cli.config import Config
        config = Config(application=self._local, command=typed_before(info_name, parent))
        return cli.make_context(info_name, args, parent, obj=config, **extra)


def typed_before(name: str | None, parent: click.Context | None) -> str | None:
    """What a person types before a verb; `None` where that is what click knows."""
    script = parent.find_object(ScriptInfo) if parent is not None else None
    if parent is None or script is None or script.app_import_path is None:
        return None
    return f"{parent.command_path} --app {shlex.quote(script.app_import_path)} {name}"


class Local:
    """The application of this process, as the commands ask it."""

    def __init__(self, app: Flask, headway: Headway) -> None:
        self._app = app
        self._headway = headway
        self._settings = headway.settings

    @property
    def url(self) -> str:
        """The URL of the routes, under a host that the application accepts."""
        rules, endpoint = self._app.url_map.iter_rules(), f"{self._headway.name}.operations"
        prefix = next(rule.rule for rule in rules if rule.endpoint == endpoint).removesuffix("/operations")
        config = self._app.config
        names = [host for host in self._settings.hosts or () if host != "*" and "/" not in host]
        host = config["SERVER_NAME"] or next(iter(config.get("TRUSTED_HOSTS") or names), "localhost").lstrip(".")
        return f"{config['PREFERRED_URL_SCHEME']}://{host}{prefix}"

    @contextmanager
    def connect(self, owner: str | None, *, here: bool = False) -> Iterator[httpx.Client]:
        """A client whose requests the application answers, as those of `owner`; with `None` it asks who they are.

        With `here` this process works on the runs that it starts. At the end its runs are stopped, and the store is
        closed.
        """
        import httpx

        from ..client.cli.wsgi import WsgiTransport

        headway, settings = self._headway, self._settings
        more = ({} if owner is None else {LOCAL_OWNER: owner}) | ({LOCAL_WORK: "1"} if here else {})
        # The viewer is this process: a prompt that waits for a person must not look like a client that is lost.
        headway.settings = replace(settings, heartbeat=min(settings.heartbeat, WAKE), send_timeout=math.inf)
        decided, headway.serving = headway.decided, False
        try:
            with _without_csrf(self._app), httpx.Client(transport=WsgiTransport(self._app, more)) as http:
                yield http
        finally:
            headway.drain(0)
            headway.close()
            Worker.current().close()
            headway.serving, headway.settings = decided, settings

    def wait(self) -> None:
        """Waits until the runs of this process are over."""
        runner = self._headway.runner
        while runner.live:
            runner.worker.signal().wait(WAKE)

    def examine(self) -> Iterator[Finding]:
        """Checks the settings, the server and the store."""
        from ..client.cli.doctor import Finding

        yield from (Finding(*finding) for finding in examine(self._headway, self._settings))


@contextmanager
def _without_csrf(app: Flask) -> Iterator[None]:
    """Lets the requests of a command pass Flask-WTF's check: it has no session, and no page with a token."""
    before = app.config.get("WTF_CSRF_ENABLED", True)
    app.config["WTF_CSRF_ENABLED"] = False
    try:
        yield
    finally:
        app.config["WTF_CSRF_ENABLED"] = before
