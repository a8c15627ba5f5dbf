"""The Flask extension: operations, their runs, and the routes to them, on one application."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from flask import Blueprint, Flask, Request, current_app, has_app_context, request_started
from gevent.lock import Semaphore

from ..clock import Clock
from ..errors import Problem, RegistrationError
from ..runs.context import CallContext
from ..runs.observers import Observer, Observers
from ..runs.operation import Operation
from ..runs.runner import Runner
from ..runtime.worker import Worker
from ..settings import Settings
from ..stores import check_store, open_store
from ..stores.base import Store, owner_text
from ..stores.uploads import sweep
from .advice import warn_of_unknown
from .celery.application import celery_for, let_command_find
from .celery.host import Host
from .celery.publisher import Publisher
from .command import HeadwayCommand
from .console import make_blueprint
from .context import call_context, check_process_app
from .drain import drain
from .from_code import Input, start_run
from .gate import Gate
from .handle import RunHandle
from .heartbeat import Heartbeat, most_streams
from .keys import check_owners, owner_of_key
from .lifetime import close_with, context_of, serving_of
from .mount import below, free_name, full_name
from .routes import Routes
from .serving import close_at_exit, find_out
from .tokens import Tokens, mask_logs

try:
    from .metrics import Prometheus
except ImportError:  # the extra `metrics` is not installed
    Prometheus = None  # type: ignore[assignment,misc]

log: Final = logging.getLogger("headway")

Authorize = Callable[[Request], str | int | UUID | None]


class Headway:
    """Operations, their runs, and the routes to them, on an application or a blueprint, under `url_prefix`.

    Several on one application have routes, settings and runs of their own. `name` is that of the blueprint of the
    routes, and gets a number where it is taken. `authorize` takes the request and returns its owner, a string, an `int`
    or a UUID, which are kept as text (`stores.base.owner_text`); it returns `None`, or raises a `Problem`, to refuse
    the request. `log` and `clock` replace the store of the settings and the system's clock, in tests. `observers` are
    notified of runs, streams and refusals. `process_app` says where the process of an operation finds the application,
    as `module:create_app` or `module:app`. `celery` is the Celery application whose workers run the operations that
    say `runs_in="celery"`. `standalone` says that the application is nothing else (`http/gate.py`).
    `console=True` serves the console at `/`, below the prefix (`http/console.py`). `serving` decides whether this
    process works on runs, which it finds out itself otherwise. Further keywords are defaults of settings.
    """

    mounted: ClassVar[weakref.WeakSet[Headway]] = weakref.WeakSet()
    """The extensions of this process, for the server's hooks, also those that were mounted before a fork."""

    def __init__(
        self,
        app: Flask | Blueprint | None = None,
        *,
        operations: Iterable[Operation] = (),
        url_prefix: str | None = None,
        name: str = "headway",
        authorize: Authorize | None = None,
        log: Store | None = None,
        clock: Clock | None = None,
        observers: Iterable[Observer] = (),
        process_app: str | None = None,
        celery: Any = None,
        standalone: bool = False,
        console: bool = False,
        serving: bool | None = None,
        **defaults: Any,
    ) -> None:
        self.operations: list[Operation] = list(operations)
        self.observers: list[Observer] = list(observers)
        self.decided = serving
        self._found_serving = self.closes_at_exit = False
        self.standalone = standalone
        self.console = console
        self.gate: Gate = Gate(self)
        self.tokens: Tokens = Tokens(self)
        self.settings: Settings = Settings()
        self.name = ""
        self._blueprints: set[str] = set()
        self._name = name
        self._url_prefix = url_prefix
        self._authorize = authorize
        self._store = log
        self._clock = clock
        self._process_app = check_process_app(process_app)
        self.celery = self._celery = celery
        self._host: Host | None = None
        self._defaults = defaults
        self._app: Flask | None = None
        self._lock = Semaphore()
        self._runner: Runner | None = None
        self._finalizer: weakref.finalize[..., Headway]
        self._declaration = self
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask | Blueprint, url_prefix: str | None = None) -> None:
        """Reads the settings, and mounts the routes on `app`, under `url_prefix` or that of the constructor.

        On a blueprint, for each application that the blueprint is registered on. The first extension of an application
        is `headway` in `app.extensions` and on the command line, a further one `headway-NAME` or `headway-2`. For a
        second application it is a copy, so that each has its own settings and runs; `here` is that of the current one.
        Raises `SettingError` and `RegistrationError`.
        """
        prefix = self._url_prefix if url_prefix is None else url_prefix
        if isinstance(app, Blueprint):
            app.record(lambda parent: self._mount(cast(Flask, parent.app), **below(parent, prefix)))
        else:
            self._mount(app, url_prefix=prefix)

    def _mount(self, app: Flask, *, name_prefix: str = "", **options: Any) -> None:
        """Mounts routes on `app`, once more where it has some; `options` are those of `register_blueprint`."""
        mounted = self._of(app) or self._bind(app)
        name = free_name(self._name, app.blueprints, name_prefix)
        mounted._blueprints.add(full_name(name_prefix, name))
        mounted.name = mounted.name or full_name(name_prefix, name)
        blueprints = [Routes(mounted, name).blueprint]
        if self.console:
            blueprints.append(make_blueprint(free_name(f"{name}-console", app.blueprints, name_prefix)))
        mounted.gate.guard(app, blueprints)
        for blueprint in blueprints:
            app.register_blueprint(blueprint, name_prefix=name_prefix, **options)

    def _bind(self, app: Flask) -> Headway:
        """This extension, or a copy if it has an application already, as one of `app`."""
        if self._app is not None:
            return self._copy()._bind(app)
        self.settings = check_owners(Settings.read(os.environ, app.config, **self._defaults))
        if self._store is None:
            check_store(self.settings)
        Runner.check(self.operations)
        self._app = app
        self.celery = celery_for(self._celery, self.settings, self.operations, in_memory=not self._is_shared)
        if self.celery is not None:
            self._host = Host.of(self.celery)
            self._host.add(self)
            let_command_find(self)
        named = self._name != "headway" and "headway" in app.extensions
        key = free_name(f"headway-{self._name}" if named else "headway", app.extensions)
        app.extensions[key] = self
        app.cli.add_command(HeadwayCommand(app, self, free_name(key, app.cli.commands)))
        mask_logs()
        Headway.mounted.add(self)
        find_out(app, self)
        from .gunicorn import notice_gunicorn  # which imports this module

        notice_gunicorn()
        if key == "headway":  # the first one of the application
            warn_of_unknown(app.config)
        return self

    def _copy(self) -> Headway:
        copy = Headway(
            operations=self.operations,
            name=self._name,
            authorize=self._authorize,
            log=self._store,
            clock=self._clock,
            observers=self.observers,
            process_app=self._process_app,
            celery=self._celery,
            standalone=self.standalone,
            console=self.console,
            serving=self.decided,
            **self._defaults,
        )
        copy._declaration = self._declaration
        return copy

    def _of(self, app: Flask) -> Headway | None:
        """This extension as one of `app`, if it is mounted there."""
        extensions = (each for each in app.extensions.values() if isinstance(each, Headway))
        return next((each for each in extensions if each._declaration is self._declaration), None)

    @property
    def here(self) -> Headway:
        """This extension as that of the current application; itself outside of one that it is mounted on."""
        app = current_app._get_current_object() if has_app_context() else None  # type: ignore[attr-defined]
        return self if app is None or app is self._app else self._of(app) or self

    @property
    def app(self) -> Flask:
        """The application that this is mounted on. Raises `RegistrationError` before `init_app`."""
        if self._app is None:
            raise RegistrationError("this Headway is not mounted on an application: call init_app(app)")
        return self._app

    def call_context(self, operation: Operation) -> CallContext:
        """What a start of `operation` hands on from here: from the current request, or from other code.

        Raises `RegistrationError` where the operation needs a request and there is none.
        """
        return call_context(self.app, operation, self._process_app)

    @property
    def serving(self) -> bool:
        """Whether this process works on runs: on those that it starts, queued ones, and those whose worker has died.

        By default it does so under gunicorn and `flask run`, and once the application has had a request. What other
        processes start, such as commands and cron jobs, waits in a shared store for one that serves. Setting this
        decides it; `None` returns to the default.
        """
        return self._found_serving and not self.in_celery if self.decided is None else self.decided

    @serving.setter
    def serving(self, value: bool | None) -> None:
        self.decided = value
        self._look_for_queued()

    def found_serving(self, *_: Any, **__: Any) -> None:
        """Called once it shows that this process serves."""
        request_started.disconnect(self.found_serving, self.app)
        self._found_serving = True
        self._look_for_queued()

    def _look_for_queued(self) -> None:
        if self._runner is not None:
            self._runner.worker.soon(self._runner.queue.look)

    @property
    def live(self) -> int:
        """How many runs this process has at work."""
        return 0 if self._runner is None else self._runner.live

    @property
    def unfinished(self) -> int:
        """How many runs this process has at work, or keeps while they are queued."""
        return 0 if self._runner is None else self._runner.live + len(self._runner.queue.kept)

    @property
    def in_celery(self) -> bool:
        """Whether this process belongs to a worker of Celery, and works on the operations that run there."""
        return self._host is not None and self._host.is_worker

    def queues(self, operation: Operation) -> bool:
        """Whether a run of this operation that this process starts waits for a worker, or another process."""
        runs_in_celery = operation.runs_in == "celery"
        return (runs_in_celery or not self.serving) and self.runner.store.shared

    def start(
        self,
        operation: str | Operation,
        input: Input = None,
        *,
        owner: str | int | UUID | None = None,
        linger: float | None = 0.0,
        key: str | None = None,
    ) -> RunHandle:
        """Starts a run, in any thread or greenlet, with a request or without.

        `input` is an instance of the operation's model, or a mapping that it checks; a file is a `Path`, or one of
        `request.files`. The run lingers for `linger` seconds at least, `None` is for ever. Of one owner, the runs with
        the same `key` and input are one. A run of an owner counts towards `max_runs_per_client`.

        Raises `NotFound` for an unknown operation, `InvalidInput` with `errors`, `OwnerError`, `Conflict`, `TooMany`,
        `Unavailable`, and `StoreAway`.
        """
        here = self.here
        close_at_exit(here)
        return RunHandle(here, start_run(here, operation, input, owner=owner, linger=linger, key=key))

    def run(self, run: str, *, owner: str | int | UUID | None = None) -> RunHandle:
        """The run of this id, whosever it is, or only one of `owner`. Raises `NotFound` where there is none."""
        here = self.here
        close_at_exit(here)
        runner = here.runner
        runner.worker.call(runner.find, run, None if owner is None else owner_text(owner))
        return RunHandle(here, run)

    def opens(self, request: Request) -> bool:
        """Whether the request is one to a run's routes with a token for that run, for the application's own login.

        What the token permits there is checked by the route.
        """
        here = self.here
        try:
            return request.blueprint in here._blueprints and here.tokens.grant_of(request) is not None
        except Problem:
            return False

    @property
    def worker(self) -> Worker:
        """The worker of this process."""
        return Worker.current()

    @property
    def runner(self) -> Runner:
        """The runner of this process; made on first use, after gunicorn has forked its workers."""
        worker = self.worker
        if self._runner is None or self._runner.worker is not worker:
            return worker.call(self._make_runner, worker)
        return self._runner

    @cached_property
    def most_streams(self) -> int:
        """How many streams a worker may have open: `HEADWAY_MAX_STREAMS`, or as many as there are files for."""
        return most_streams(self.settings.max_streams)

    @property
    def observer(self) -> Observers:
        """All observers as one, and Prometheus if its library is installed."""
        # Not cached: before Python 3.12 `cached_property` holds a lock, and the hub would wait for a thread that holds
        # it and waits for the hub.
        prometheus = [] if Prometheus is None else [self.worker.part(Prometheus)]
        return Observers([*self.observers, *prometheus])

    @property
    def _is_shared(self) -> bool:
        return not self.in_memory if self._store is None else self._store.shared

    @property
    def in_memory(self) -> bool:
        """Whether its runs are kept in the memory of each worker."""
        return self._store is None and self.settings.store.startswith("memory:")

    @property
    def authorize(self) -> Authorize | None:
        """The function that returns the owner of a request; `None` without owners."""
        if self._authorize is None and self.settings.api_keys:
            return lambda request: owner_of_key(request, self.settings)
        return self._authorize

    def drain(self, seconds: float | None = None) -> None:
        """Refuses new runs, gives the live ones `seconds` (by default the setting's) to finish, and stops the rest.

        Then it sends the viewers to other workers. Finished runs can be read until `close`.
        """
        if self._runner is not None:
            seconds = self.settings.drain if seconds is None else seconds
            self._runner.worker.call(drain, self._runner, seconds)

    def close(self) -> None:
        """Closes the store, at the end of the process; what asks for a run after that opens it again."""
        runner, self._runner = self._runner, None
        if runner is not None:
            self._finalizer.detach()
            runner.worker.call(runner.close)

    def _make_runner(self, worker: Worker) -> Runner:
        with self._lock:  # the first requests may come together, and opening a store and a fork server takes time
            if self._runner is None or self._runner.worker is not worker:
                heartbeat = worker.part(Heartbeat)
                if self.most_streams < self.settings.max_streams:
                    log.warning(
                        "this process has files for %d streams only, and HEADWAY_MAX_STREAMS is %d: raise `ulimit -n`",
                        *(self.most_streams, self.settings.max_streams),
                    )
                store = self._store or open_store(self.settings)
                if not store.files.shared:
                    sweep(store.files.folder)
                self._runner = Runner(
                    self.operations,
                    store,
                    self.settings,
                    worker,
                    self._clock,
                    self.observer,
                    streams=lambda: len(heartbeat.viewers),
                    serving=serving_of(self),
                    call=CallContext(context_of(self.app), process_app=self._process_app),
                    cut=heartbeat.take_cut,
                    messages=None if self.celery is None else Publisher(self.celery),
                    in_celery=self.in_celery,
                )
                self._finalizer = close_with(self, self._runner)
                kind = self.settings.store.partition(":")[0] if self._store is None else type(store).__name__
                log.info("this process has its runs in %s, and %d operations", kind, len(self.operations))
            return self._runner
