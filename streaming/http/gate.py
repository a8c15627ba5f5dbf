"""What a request has to pass before it reaches a route: the host that it names, and the page that it comes from.

An application that is nothing but Headway (`Headway(standalone=True)`, the service) has the first check before all of
its routes, the console's too, and takes more care: without keys whoever reaches it may use it, so on a loopback address
or a unix socket it serves loopback names only, and anywhere else it warns.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

import click
from flask import Blueprint, Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from ..errors import Forbidden, Misdirected
from .command import LOCAL_OWNER
from .context import this_request
from .forwarded import PROXY_FIX, client_address, forwarded_prefix, requested_host
from .problems import count_refusal, guarded
from .sites import LOOPBACK, SAFE, is_served, may_change
from .transport import socket_of

if TYPE_CHECKING:
    from ..settings import Settings
    from .extension import Headway

log: Final = logging.getLogger("headway")

OPEN: Final = "whoever reaches %s may start runs here, and see all of them: set HEADWAY_API_KEYS, or pass `authorize`"
TWICE: Final = "HEADWAY_PROXIES is ignored: the application has werkzeug's ProxyFix, which does the same"


class Gate:
    """The checks of one extension."""

    def __init__(self, headway: Headway) -> None:
        self._headway = headway
        self._app: Flask | None = None
        self._warned: set[str] = set()
        self._requested = False

    def guard(self, app: Flask, blueprints: Sequence[Blueprint]) -> None:
        """Has the checks done before the routes of the blueprints, and where they are all, of the application."""
        self._app = app
        if self._headway.standalone:
            app.before_request(guarded(self._check_host))
            app.after_request(self._count_refusal)
            self._warn_of_development_server()
        for blueprint in blueprints:
            if not self._headway.standalone:
                blueprint.before_request(guarded(self._check_host))
            blueprint.before_request(guarded(self._check_site))

    def listens(self, addresses: Iterable[str]) -> None:
        """Warns, at the start of a server at these addresses, of what the settings leave open."""
        if self._unprotected:
            for address in addresses:
                if not is_loopback(address):
                    self._warn(OPEN, address)
        if self._headway.settings.proxies and _has_proxy_fix(self._app):
            self._warn(TWICE)

    # -- the checks ---------------------------------------------------------------------------------------------

    def _check_host(self) -> None:
        """Raises `Misdirected` for a host that is not served."""
        environ, settings = request.environ, self._headway.settings
        if not self._requested:
            self._requested = True
            self._check_first(environ)
        host = requested_host(environ, settings.proxies)
        if not host or LOCAL_OWNER in environ:
            return
        hosts = settings.hosts or (LOOPBACK if self._unprotected else None)
        if hosts is None or is_served(host, hosts) or (settings.hosts is None and not is_local(environ)):
            return
        raise Misdirected(f"{host[:100]!r} is no host of this service: HEADWAY_HOSTS names those that it serves")

    def _check_site(self) -> None:
        """Raises `Forbidden` for a request that changes something and comes from another site."""
        current = this_request()
        if current.method in SAFE or LOCAL_OWNER in current.environ:
            return
        settings, headers = self._headway.settings, current.headers
        host = requested_host(current.environ, settings.proxies)
        allowed = settings.cors_origins
        if "Cookie" in headers:  # `*` is for what anybody may do, and a cookie stands for somebody
            allowed = tuple(origin for origin in allowed if origin != "*")
        if not may_change(host, headers.get("Sec-Fetch-Site"), headers.get("Origin"), allowed):
            message = "a page of another site may not change anything here: HEADWAY_CORS_ORIGINS names those that may"
            raise Forbidden(message, code="cross_site")

    def _count_refusal(self, response: Response) -> Response:
        """For requests of no route of Headway, such as the console's."""
        return count_refusal(response, self._headway.observer)

    @property
    def _unprotected(self) -> bool:
        return self._headway.standalone and self._headway.authorize is None

    # -- warnings -----------------------------------------------------------------------------------------------

    def _check_first(self, environ: dict[str, Any]) -> None:
        """The same warnings at the first request, of a server that has not said where it listens."""
        if self._unprotected and not self._warned and not is_local(environ):
            self._warn(OPEN, environ.get("SERVER_NAME", "this server"))
        if self._headway.settings.proxies and PROXY_FIX in environ:
            self._warn(TWICE)

    def _warn_of_development_server(self) -> None:
        """`flask run` loads the application inside its command, which has the address."""
        command = click.get_current_context(silent=True)
        host = command.params.get("host") if command is not None and command.info_name == "run" else None
        if self._unprotected and host is not None and not is_loopback(host):
            self._warn(OPEN, host)

    def _warn(self, message: str, *values: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            log.warning(message, *values)


def client_of_request(settings: Settings) -> str:
    """Whom the current request counts for: its owner, or an address where there are no owners."""
    return g.headway_owner or f"address {client_address(request.environ, settings.proxies)}"


def prefix_of_request(settings: Settings) -> str:
    """What stands before the paths of this application in the client's URLs, by the word of the proxies."""
    return forwarded_prefix(request.environ, settings.proxies)


def is_local(environ: dict[str, Any]) -> bool:
    """Whether the server listens where only this machine reaches it, for the connection of this request.

    gunicorn and Flask's server give the address they are bound to as `SERVER_NAME`, others a name for it: then the
    address of the connection's own end counts.
    """
    sock = socket_of(environ)
    if getattr(sock, "family", None) == socket.AF_UNIX:
        return True
    name = environ.get("SERVER_NAME", "")
    if sock is not None and not _is_address(name):
        name = sock.getsockname()[0]
    return is_loopback(name)


def is_loopback(address: str) -> bool:
    """Whether this is a loopback address, `localhost`, or the path of a unix socket."""
    if _is_address(address):
        return ip_address(address).is_loopback
    return address == "localhost" or address.startswith(("/", "@"))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _has_proxy_fix(app: Flask | None) -> bool:
    layer: Any = None if app is None else app.wsgi_app
    while layer is not None and not isinstance(layer, ProxyFix):
        layer = getattr(layer, "app", None)
    return layer is not None
