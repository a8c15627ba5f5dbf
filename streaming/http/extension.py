"""The routes, and the extension that mounts them: the only place with `flask.request`."""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial, wraps
from typing import Any, Final

import orjson
from flask import Blueprint, Flask, Request, Response, g, request, url_for
from gevent.lock import Semaphore
from werkzeug.exceptions import HTTPException

from ..clock import Clock
from ..errors import (
    BadRequest,
    Conflict,
    HeadwayError,
    NotFound,
    NotImplementedHere,
    Problem,
    StoreAway,
    Unauthorized,
    Unavailable,
)
from ..gateways.gateway import Gateway
from ..runs import questions
from ..runs.observers import Observer, Observers, Refused, StreamOpened
from ..runs.operation import Operation
from ..runs.runner import Runner
from ..runtime.hub import home
from ..settings import Settings
from ..stores import open_store
from ..stores.base import Record, Store
from . import openapi
from .drain import drain, extensions
from .handshake import leave_later, refused
from .inputs import read_body, read_input
from .viewer import RunSource, Viewer, beat_viewers, head, pulse, respond

try:
    from . import metrics
except ImportError:  # the extra `metrics` is not installed
    metrics = None  # type: ignore[assignment]

log = logging.getLogger("headway")

Authorize = Callable[[Request], str | None]

ALLOWED_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, traceparent"
EXPOSED_HEADERS: Final = "Location, Run-Id, Retry-After, Preference-Applied"
MAX_PAGE: Final = 100
MOST_LINGER: Final = 300.0
"""Seconds that a caller may have its run go on without viewers, where the operation says less: enough for a reload."""
STATUSES: Final = ("queued", "running", "waiting", "cancelling", "succeeded", "failed", "cancelled")


class Headway:
    """The Flask extension: operations, their runs, and the routes to them.

    `authorize` takes the request and gives its owner, or `None` (or raises a `Problem`) to refuse it. `log` and `clock`
    replace the event log that the settings name, and the machine's clock, in tests. `observers` are told what happens.
    """

    def __init__(  # each is optional
        self,
        app: Flask | None = None,
        *,
        operations: Iterable[Operation] = (),
        url_prefix: str | None = None,
        authorize: Authorize | None = None,
        log: Store | None = None,
        clock: Clock | None = None,
        observers: Iterable[Observer] = (),
        **defaults: Any,
    ) -> None:
        self.operations = list(operations)
        self.observers = list(observers)
        self.settings = Settings()
        self._authorize = authorize
        self._log = log
        self._clock = clock
        self._defaults = defaults
        self._mounted = False
        self._making = Semaphore()
        self._runner: Runner | None = None
        if app is not None:
            self.init_app(app, url_prefix=url_prefix)

    def init_app(self, app: Flask, url_prefix: str | None = None) -> None:
        """Mounts the routes on `app`, under `url_prefix`, and reads the settings.

        `app.extensions["headway"]` is this extension; for a second application it is another like it, so that each has
        its own settings and runs. Raises `SettingError` and `RegistrationError`.
        """
        if self._mounted:
            Headway(
                app,
                operations=self.operations,
                url_prefix=url_prefix,
                authorize=self._authorize,
                log=self._log,
                clock=self._clock,
                observers=self.observers,
                **self._defaults,
            )
            return
        self.settings = self._read_settings(app)
        Runner.check(self.operations)
        app.extensions["headway"] = self
        extensions.add(self)
        app.register_blueprint(_Routes(self).blueprint, url_prefix=url_prefix)
        self._mounted = True

    @property
    def runner(self) -> Runner:
        """The runs of this process; made at the first need, which is after gunicorn has forked its workers."""
        here = home()
        if self._runner is None or self._runner.home is not here:
            return here.call(self._make_runner)
        return self._runner

    @cached_property
    def observer(self) -> Observers:
        """The observers as one, with Prometheus among them where its library is installed."""
        return Observers([*self.observers, *([] if metrics is None else [metrics.prometheus()])])

    @property
    def authorize(self) -> Authorize | None:
        """What names the owner of a request; `None` where nobody is told apart."""
        if self._authorize is None and self.settings.api_keys:
            return self._owner_of_key
        return self._authorize

    def drain(self, seconds: float | None = None) -> None:
        """Takes no more runs, lets those that are live finish for `seconds` (the setting's), and stops the rest.

        Then it sends the viewers away. What is kept can still be read, until `close`.
        """
        if self._runner is not None:
            runner = self._runner
            runner.home.call(drain, runner, pulse(runner.home), self.settings.drain if seconds is None else seconds)

    def close(self) -> None:
        """Lets go of the store, at the end of the process."""
        if self._runner is not None:
            self._runner.home.call(self._runner.close)

    def _read_settings(self, app: Flask) -> Settings:
        return Settings.read(os.environ, app.config, **self._defaults)

    def _make_runner(self) -> Runner:
        with self._making:  # the first requests may come together, and it waits for its log and its nursery
            if self._runner is None or self._runner.home is not home():
                store = self._log or open_store(self.settings)
                pulse_ = pulse(home())
                self._runner = Runner(
                    self.operations,
                    store,
                    self.settings,
                    self._clock,
                    self.observer,
                    streams=lambda: len(pulse_.viewers),
                )
            return self._runner

    def _owner_of_key(self, asked: Request) -> str | None:
        scheme, _, presented = asked.headers.get("Authorization", "").partition(" ")
        found = None
        if scheme.lower() == "bearer":
            for key, owner in (self.settings.api_keys or {}).items():
                if hmac.compare_digest(key.encode(), presented.strip().encode()):
                    found = owner
        return found


class _Routes:
    """The blueprint of one extension."""

    def __init__(self, headway: Headway) -> None:
        self._headway = headway
        self.blueprint = Blueprint("headway", __name__)
        add = self._add
        add("/operations", view_func=self.operations)
        add("/operations/<name>", view_func=self.start, methods=["POST"])
        add("/runs", view_func=self.runs)
        add("/runs/<run>", view_func=self.snapshot)
        add("/runs/<run>", view_func=self.cancel, methods=["DELETE"])
        add("/runs/<run>/events", view_func=self.events)
        add("/runs/<run>/answer", view_func=self.answer, methods=["POST"])
        add("/health/live", view_func=self.live)
        add("/health/ready", view_func=self.ready)
        add("/metrics", view_func=self.metrics)
        add("/openapi.json", view_func=self.openapi)
        self.blueprint.before_request(_guarded(self._admit))
        self.blueprint.after_request(self._allow_origin)
        self.blueprint.after_request(self._count_refusal)
        # What the host's own checks raise; other errors of the host's are for the handlers of the host.
        self.blueprint.register_error_handler(HTTPException, problem_response)
        self.blueprint.register_error_handler(HeadwayError, problem_response)

    def _add(self, rule: str, view_func: Callable[..., Response], methods: Sequence[str] = ("GET",)) -> None:
        self.blueprint.add_url_rule(rule, view_func=_guarded(view_func), methods=methods)

    # -- routes -------------------------------------------------------------------------------------------------

    def operations(self) -> Response:
        runner = self._headway.runner
        return _json({"operations": [op.describe(runner.linger_of(op)) for op in runner.operations.values()]})

    def start(self, name: str) -> Response:
        runner = self._headway.runner
        operation = runner.operations.get(name)
        if operation is None:
            raise NotFound(f"there is no operation {name!r}", code="operation_not_found")
        preferences = _preferences()
        detached = _wants_snapshot(preferences)
        if not detached:
            self._check_streams()
        linger = _preferred_linger(preferences)
        taken = read_input(request, operation, self._headway.settings.max_body)
        key = request.headers.get("Idempotency-Key")
        # Read here: `begin` may run in another thread, which knows no request.
        owner, address = g.headway_owner, request.remote_addr
        asked = operation.asked(taken.checked, request.headers.get)

        def begin() -> tuple[str, bool, RunSource | None]:
            run, new = runner.start(
                operation,
                asked,
                owner=owner,
                client=owner or f"address {address}",
                key=key,
                digest=taken.digest if key else None,
                linger=linger,
                cleanup=taken.discard,
            )
            # Counted in the same turn of the hub: nobody can find the run without its viewer.
            return run, new, None if detached else RunSource(runner.store, run)

        run, new, source = runner.home.call(begin)
        if new and isinstance(operation, Gateway):
            self._await_admission(operation, asked, run, source)
        applied = ["respond-async"] * detached + [f"linger={linger:g}"] * bool(linger)
        headers = {"Location": url_for(".snapshot", run=run), "Run-Id": run}
        if applied:
            headers["Preference-Applied"] = ", ".join(applied)
        if source is None:
            return self._snapshot(self._find(run), 202, headers)
        return self._stream(source, operation.name, run, after=0, headers=headers)

    def snapshot(self, run: str) -> Response:
        return self._snapshot(self._find(run))

    def events(self, run: str) -> Response:
        record = self._find(run)
        after = self._last_event_id(record)
        if record.fold.over and after >= record.fold.last_event_id:
            return Response(status=204)
        if request.method == "HEAD":
            return head()
        self._check_streams()
        runner = self._headway.runner
        source = runner.home.call(RunSource, runner.store, run)
        return self._stream(source, record.info.operation, run, after=after)

    def cancel(self, run: str) -> Response:
        runner = self._headway.runner
        record, was_live = runner.home.call(runner.cancel, run, g.headway_owner)
        return self._snapshot(record, 202 if was_live else 200)

    def answer(self, run: str) -> Response:
        record = self._find(run)
        given = read_body(request, self._headway.settings.max_body)
        question, body = questions.checked(given, record.fold.question)
        store = self._headway.runner.store
        if not self._headway.runner.home.call(store.answer, run, question, body):
            raise Conflict("this question has its answer", code="already_answered")
        return self._snapshot(self._find(run), 202)

    def runs(self) -> Response:
        status = request.args.get("status")
        if status is not None and status not in STATUSES:
            raise BadRequest(
                f"status is one of {', '.join(STATUSES)}", errors=[{"loc": ["status"], "msg": "no such status"}]
            )
        runner = self._headway.runner
        find = partial(
            runner.store.page,
            owner=g.headway_owner,
            operation=request.args.get("operation"),
            status=status,
            limit=_limit(),
            before=request.args.get("before"),
        )
        return _json({"runs": [orjson.Fragment(record.snapshot()) for record in runner.home.call(find)]})

    def live(self) -> Response:
        return _json({"status": "live"})

    def ready(self) -> Response:
        runner = self._headway.runner
        if runner.draining:
            raise Unavailable("this worker is stopping", code="draining", retry_after=1)
        runner.home.call(runner.store.ready)
        return _json({"status": "ready"})

    def metrics(self) -> Response:
        if metrics is None:
            raise NotImplementedHere("the package prometheus-client is not installed: pip install headway[metrics]")
        return Response(metrics.prometheus().text(), content_type=metrics.CONTENT_TYPE)

    def openapi(self) -> Response:
        base = url_for(".openapi").removesuffix("/openapi.json")
        operations = self._headway.runner.operations.values()
        return _json(openapi.describe(operations, base, keys=self._headway.authorize is not None))

    # -- before and after each of them --------------------------------------------------------------------------

    def _admit(self) -> None:
        g.headway_owner = ""
        authorize = self._headway.authorize
        if authorize is None or request.method == "OPTIONS" or request.endpoint in _open_endpoints(request):
            return
        owner = authorize(request)
        if not owner:
            raise Unauthorized("this needs `Authorization: Bearer KEY` with a key that is known")
        g.headway_owner = owner

    def _allow_origin(self, response: Response) -> Response:
        origins = self._headway.settings.cors_origins
        origin = request.headers.get("Origin")
        if origins and "*" not in origins:
            response.vary.add("Origin")  # with an origin and without: caches keep the two apart
        if origin and origins and ("*" in origins or origin in origins):
            response.headers["Access-Control-Allow-Origin"] = "*" if "*" in origins else origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
            if request.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE, OPTIONS"
                response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
                response.headers["Access-Control-Max-Age"] = "600"
        return response

    def _count_refusal(self, response: Response) -> Response:
        problem: Problem | None = g.pop("headway_problem", None)
        if problem is not None:
            self._headway.observer.refused(Refused(problem.code, problem.status))
        return response

    # -- helpers ------------------------------------------------------------------------------------------------

    def _await_admission(self, operation: Gateway, asked: Any, run: str, source: RunSource | None) -> None:
        """Raises what the upstream of a gateway has against a start."""
        asked.admission.on_beat = partial(self._headway.runner.home.soon, beat_viewers, run)
        refusal = refused(asked.admission, request.environ, operation.patience)
        if refusal is not None:
            if source is not None:
                self._headway.runner.home.soon(leave_later, source)
            raise refusal

    def _find(self, run: str) -> Record:
        runner = self._headway.runner
        return runner.home.call(runner.find, run, g.headway_owner)

    def _snapshot(self, record: Record, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        return Response(record.snapshot(), status, content_type="application/json", headers=headers)

    def _last_event_id(self, record: Record) -> int:
        given = request.headers.get("Last-Event-ID") or request.args.get("last_event_id") or "0"
        if given.isascii() and given.isdigit() and len(given) < 16:
            after = int(given)
            if after <= record.fold.last_event_id or after <= self._reached(record.info.id):
                return after
        message = "is the number of an event of this run"
        raise BadRequest(f"Last-Event-ID {message}", errors=[{"loc": ["Last-Event-ID"], "msg": message}])

    def _reached(self, run: str) -> int:
        runner = self._headway.runner
        return runner.home.call(runner.store.reached, run)

    def _stream(
        self, source: RunSource, name: str, run: str, *, after: int, headers: dict[str, str] | None = None
    ) -> Response:
        settings = self._headway.settings
        operation = self._headway.runner.operations.get(name)
        self._headway.observer.stream_opened(StreamOpened(run, name, after))
        viewer = Viewer(
            source,
            environ=request.environ,
            heartbeat=settings.heartbeat,
            send_timeout=settings.send_timeout,
            after=after,
            each=operation is not None and operation.flush == "each",
        )
        return respond(viewer, headers)

    def _check_streams(self) -> None:
        if len(pulse(self._headway.runner.home).viewers) >= self._headway.settings.max_streams:
            raise Unavailable("this worker has as many open streams as it may have", retry_after=5)


def _guarded(view: Callable[..., Any]) -> Callable[..., Any]:
    """`view`, whose every error is answered with a problem, whatever the host does with its own."""

    @wraps(view)
    def guarded(**arguments: Any) -> Any:
        try:
            return view(**arguments)
        except Exception as error:  # noqa: BLE001  # logged there, unless it is meant for the caller
            return problem_response(error)

    return guarded


def problem_response(error: Exception) -> Response:
    """Any exception as a problem document; what is not meant for callers stays in the log."""
    if isinstance(error, HTTPException):
        problem = _translated(error)
    elif isinstance(error, StoreAway):
        problem = Unavailable("the store of the runs does not answer", code="store_away", retry_after=2)
    elif isinstance(error, Problem):
        problem = error
    else:
        log.error("a request failed", exc_info=error)
        problem = Problem("The server failed to answer this request.")
    g.headway_problem = problem
    response = Response(orjson.dumps(problem.as_dict()), problem.status)
    if isinstance(error, HTTPException):
        response.headers.extend(error.get_headers())  # such as `Allow`, which 405 must have
    response.content_type = "application/problem+json"
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    if problem.status == Unauthorized.status:
        response.headers.setdefault("WWW-Authenticate", "Bearer")
    return response


def _translated(error: HTTPException) -> Problem:
    problem = Problem(error.description or error.name, code=error.name.lower().replace(" ", "_"))
    problem.status = error.code or 500  # type: ignore[misc]  # the class holds the default
    problem.title = error.name  # type: ignore[misc]
    return problem


def _open_endpoints(asked: Request) -> tuple[str, str]:
    return (f"{asked.blueprint}.live", f"{asked.blueprint}.ready")


def _preferences() -> dict[str, str]:
    """The preferences of a request, without their parameters (RFC 7240, section 2)."""
    words = (word.partition(";")[0].partition("=") for word in request.headers.get("Prefer", "").split(","))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in words}


def _wants_snapshot(preferences: Mapping[str, str]) -> bool:
    """`Prefer: respond-async` (RFC 7240, section 4.1), or an `Accept` of JSON alone."""
    accepted = [kind.partition(";")[0].strip().lower() for kind, quality in request.accept_mimetypes if quality > 0]
    return "respond-async" in preferences or accepted == ["application/json"]


def _preferred_linger(preferences: Mapping[str, str]) -> float:
    """`Prefer: linger=SECONDS`, as far as it is granted; one that cannot be read is ignored, as the RFC has it."""
    given = preferences.get("linger", "")
    return min(float(given), MOST_LINGER) if given.isascii() and given.isdigit() and len(given) < 9 else 0.0


def _limit() -> int:
    given = request.args.get("limit", "20")
    if not (given.isascii() and given.isdigit() and len(given) < 9 and 1 <= int(given) <= MAX_PAGE):
        raise BadRequest(f"limit is 1 to {MAX_PAGE}", errors=[{"loc": ["limit"], "msg": f"is 1 to {MAX_PAGE}"}])
    return int(given)


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), content_type="application/json")


__all__ = ["Authorize", "Headway", "HeadwayError", "problem_response"]
