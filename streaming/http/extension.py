"""The Flask extension: operations, their runs, and the routes to them, on one application."""

from __future__ import annotations

import hmac
import os
import weakref
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, ClassVar

from flask import Flask, Request
from gevent.lock import Semaphore

from ..clock import Clock
from ..runs.observers import Observer, Observers
from ..runs.operation import Operation
from ..runs.runner import Runner
from ..runtime.worker import Worker
from ..settings import Settings
from ..stores import open_store
from ..stores.base import Store
from .drain import drain
from .heartbeat import Heartbeat
from .routes import Routes

try:
    from .metrics import Prometheus
except ImportError:  # the extra `metrics` is not installed
    Prometheus = None  # type: ignore[assignment,misc]

Authorize = Callable[[Request], str | None]


class Headway:
    """Operations, their runs, and the routes to them.

    `authorize` takes the request and gives its owner, or `None` (or raises a `Problem`) to refuse it. `log` and `clock`
    replace the store that the settings name, and the machine's clock, in tests. `observers` see what happens.
    """

    mounted: ClassVar[weakref.WeakSet[Headway]] = weakref.WeakSet()
    """The extensions of this process, for the server's hooks; those that were mounted before a fork too."""

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
        self._store = log
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
                log=self._store,
                clock=self._clock,
                observers=self.observers,
                **self._defaults,
            )
            return
        self.settings = self._read_settings(app)
        Runner.check(self.operations)
        app.extensions["headway"] = self
        Headway.mounted.add(self)
        app.register_blueprint(Routes(self).blueprint, url_prefix=url_prefix)
        self._mounted = True

    @property
    def worker(self) -> Worker:
        """The worker of this process."""
        return Worker.current()

    @property
    def runner(self) -> Runner:
        """The runs of this process; made on first use, which is after gunicorn has forked its workers."""
        worker = self.worker
        if self._runner is None or self._runner.worker is not worker:
            return worker.call(self._make_runner, worker)
        return self._runner

    @cached_property
    def observer(self) -> Observers:
        """The observers as one, with Prometheus among them where its library is installed."""
        prometheus = [] if Prometheus is None else [self.worker.part(Prometheus)]
        return Observers([*self.observers, *prometheus])

    @property
    def authorize(self) -> Authorize | None:
        """What names the owner of a request; `None` where there are no owners."""
        if self._authorize is None and self.settings.api_keys:
            return self._owner_of_key
        return self._authorize

    def drain(self, seconds: float | None = None) -> None:
        """Takes no more runs, lets those that are live finish for `seconds` (the setting's), and stops the rest.

        Then it sends the viewers away. What is kept can still be read, until `close`.
        """
        if self._runner is not None:
            seconds = self.settings.drain if seconds is None else seconds
            self._runner.worker.call(drain, self._runner, seconds)

    def close(self) -> None:
        """Closes the store, at the end of the process."""
        if self._runner is not None:
            self._runner.worker.call(self._runner.close)

    def _read_settings(self, app: Flask) -> Settings:
        return Settings.read(os.environ, app.config, **self._defaults)

    def _make_runner(self, worker: Worker) -> Runner:
        with self._making:  # the first requests may come together, and it waits for its store and its fork server
            if self._runner is None or self._runner.worker is not worker:
                heartbeat = worker.part(Heartbeat)
                self._runner = Runner(
                    self.operations,
                    self._store or open_store(self.settings),
                    self.settings,
                    worker,
                    self._clock,
                    self.observer,
                    streams=lambda: len(heartbeat.viewers),
                )
            return self._runner

    def _owner_of_key(self, request: Request) -> str | None:
        scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
        owner = None
        if scheme.lower() == "bearer":
            for key, owner_of_key in (self.settings.api_keys or {}).items():
                if hmac.compare_digest(key.encode(), presented.strip().encode()):
                    owner = owner_of_key
        return owner
