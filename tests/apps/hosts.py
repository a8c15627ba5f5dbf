"""Headway in applications as other people build them: one for each extension, hook and middleware, in one server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import gevent
from flask import Flask, Response, request, session
from flask_compress import Compress
from flask_cors import CORS
from flask_debugtoolbar import DebugToolbarExtension
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, UserMixin, current_user, login_required
from flask_sqlalchemy import SQLAlchemy
from flask_talisman import Talisman
from flask_wtf.csrf import CSRFProtect, generate_csrf
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics
from pydantic import BaseModel
from sqlalchemy import text
from werkzeug.debug import DebuggedApplication
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from streaming import Headway, event, operation, stream
from streaming.http.heartbeat import Heartbeat
from streaming.runtime.worker import Worker

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

kept: list[Any] = []
"""What the middleware `keeping` has kept."""


@dataclass
class Work:
    """The operations at work, and when the last of them has ended, by CLOCK_MONOTONIC, which all processes share."""

    at_work: int = 0
    ended: float = 0.0


work = Work()


class Ticks(BaseModel):
    """How many events, and the seconds between two."""

    count: int = 20
    pause: float = 0.002


@operation
def ticking(input: Ticks) -> Generator[Any, Any, Any]:
    """Says when it yielded each event, and then waits."""
    work.at_work += 1
    try:
        for _ in range(input.count):
            yield event("tick", {"at": time.time()})
            gevent.sleep(input.pause)
        gevent.sleep(3600)
    finally:
        work.at_work -= 1
        work.ended = time.monotonic()


def base(name: str) -> Flask:
    """The application of each row before anything else is added: runs under `/api`, a plain stream, and a page."""
    app = Flask(name)
    app.secret_key = "not secret"
    Headway(app, operations=[ticking], url_prefix="/api", heartbeat=2, send_timeout=0.8)
    app.add_url_rule("/stream", "stream", lambda: stream(ticking(Ticks()), heartbeat=2, send_timeout=0.8))
    app.add_url_rule("/page", "page", lambda: "<html><body>page</body></html>")
    app.add_url_rule("/inside", "inside", inside)
    app.after_request(fail)
    return app


def fail(response: Response) -> Response:
    """A hook that raises, where the request says so."""
    if "X-Raise" in request.headers:
        raise ZeroDivisionError("a hook of the application")
    return response


def inside() -> dict[str, Any]:
    """What the worker holds."""
    worker = Worker.current()
    return {
        "working": work.at_work,
        "ended": work.ended,
        "viewers": len(worker.part(Heartbeat).viewers),
        "runs": sum(headway.runner.live for headway in Headway.mounted),
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208  # names alone
    }


# Extensions


def login(app: Flask) -> None:
    """Flask-Login, which every request needs."""
    manager = LoginManager(app)

    class User(UserMixin):  # type: ignore[misc]  # any class
        id = "ann"

    manager.request_loader(lambda request: User())

    def remember() -> None:
        session["user"] = current_user.id  # the session's cookie goes out with the stream's head

    app.before_request(login_required(remember))


def csrf(app: Flask) -> None:
    """Flask-WTF's check of every POST."""
    CSRFProtect(app)
    app.add_url_rule("/token", "token", generate_csrf)


def database(app: Flask) -> None:
    """Flask-SQLAlchemy, with a session before and after each request."""
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = SQLAlchemy(app)

    def query() -> None:
        db.session.execute(text("select 1"))

    @app.after_request
    def again(response: Response) -> Response:
        query()
        return response

    app.before_request(query)


def opentelemetry_flask(app: Flask) -> None:
    """OpenTelemetry's hooks on the application; its spans go nowhere."""
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.sdk.trace import TracerProvider

    FlaskInstrumentor().instrument_app(app, tracer_provider=TracerProvider())  # type: ignore[no-untyped-call]


def opentelemetry_wsgi(app: Flask) -> None:
    """OpenTelemetry's middleware."""
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.trace import TracerProvider

    middleware(lambda inner: OpenTelemetryMiddleware(inner, tracer_provider=TracerProvider()))(app)


def sentry(app: Flask) -> None:
    """Sentry, with everything traced; nothing is sent."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            pass

    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Nowhere, traces_sample_rate=1.0)


def toolbar(app: Flask) -> None:
    """The debug toolbar."""
    app.debug = True
    DebugToolbarExtension(app)


# Hooks


def etags(app: Flask) -> None:
    """Tags and conditional answers for everything."""

    @app.after_request
    def tag(response: Response) -> Response:
        response.add_etag()
        return response.make_conditional(request, accept_ranges=True, complete_length=10)  # type: ignore[return-value]


def lengths(app: Flask) -> None:
    """A logger of requests that wants the length of each body, and what it can have of it."""

    @app.after_request
    def measure(response: Response) -> Response:
        response.headers["X-Length"] = str(response.calculate_content_length())
        if not response.direct_passthrough:
            response.get_data()
        response.call_on_close(lambda: None)
        return response


class OwnResponse(Response):
    """A class of responses of the application's own."""

    default_mimetype = "application/json"


def own_class(app: Flask) -> None:
    """The same, for every response."""
    app.response_class = OwnResponse
    etags(app)


# Middleware


def middleware(wrap: Callable[[Application], Any]) -> Callable[[Flask], None]:
    """A middleware around the application."""

    def install(app: Flask) -> None:
        app.wsgi_app = wrap(app.wsgi_app)  # type: ignore[method-assign]

    return install


def generating(inner: Application) -> Application:
    """A generator around each body, which closes nothing."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        yield from map(bytes, inner(environ, start_response))

    return wrapped


class Passing:
    """An iterator around each body, without `close`."""

    def __init__(self, body: Iterable[bytes]) -> None:
        self._body = iter(body)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._body)


def passing(inner: Application) -> Application:
    """`Passing` around each body."""
    return lambda environ, start_response: Passing(inner(environ, start_response))


def keeping(inner: Application) -> Application:
    """The same, and each body is kept for ever; with `X-One-Piece` only its first piece is sent."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = Passing(inner(environ, start_response))
        kept.append(body)
        return [next(body)] if "HTTP_X_ONE_PIECE" in environ else body

    return wrapped


def failing(inner: Application) -> Application:
    """Fails after the application has answered, where the request says so."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = inner(environ, start_response)
        if "HTTP_X_FAIL" in environ:
            raise ZeroDivisionError("a middleware")
        return body

    return wrapped


ROWS: Final[dict[str, Callable[[Flask], Any]]] = {
    "nothing": lambda app: None,
    "flask-compress": Compress,
    "flask-talisman": lambda app: Talisman(app, force_https=False),
    "flask-limiter": lambda app: Limiter(
        get_remote_address, app=app, default_limits=["1000/minute"], storage_uri="memory://", headers_enabled=True
    ),
    "flask-debugtoolbar": toolbar,
    "prometheus-flask-exporter": lambda app: PrometheusMetrics(app, registry=CollectorRegistry()),
    "flask-cors": CORS,
    "flask-login": login,
    "flask-wtf": csrf,
    "flask-sqlalchemy": database,
    "opentelemetry-flask": opentelemetry_flask,
    "opentelemetry-wsgi": opentelemetry_wsgi,
    "ProxyFix": middleware(ProxyFix),
    "DispatcherMiddleware": middleware(lambda inner: DispatcherMiddleware(inner, {"/unused": inner})),
    "DebuggedApplication": middleware(DebuggedApplication),
    "LintMiddleware": middleware(LintMiddleware),
    "etags": etags,
    "lengths": lengths,
    "response-class": own_class,
    "generating": middleware(generating),
    "passing": middleware(passing),
    "keeping": middleware(keeping),
    "failing": middleware(failing),
}
"""What is put around each application."""

SENTRY: Final[dict[str, Callable[[Flask], Any]]] = {"sentry": sentry}
"""Patches Flask for the whole process, and so has a server of its own."""


def create_app(rows: dict[str, Callable[[Flask], Any]] = ROWS) -> Application:
    """All of them, each under its name."""
    mounts: dict[str, Any] = {}
    for name, install in rows.items():
        app = base(name)
        install(app)
        mounts[f"/{name}"] = app
    return DispatcherMiddleware(base("root"), mounts)


def with_sentry() -> Application:
    """The one with Sentry."""
    return create_app(SENTRY)
