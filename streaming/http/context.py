"""What a request, or other code of the application, hands on to the work that it starts: the context to work in.

Work starts with the context variables of its caller, so that tracing goes on, except Flask's own: what the request has
in its context (a database session, say) ends with the request, and the work has a context of its own instead.
"""

from __future__ import annotations

import contextvars
import inspect
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from flask import Flask, Request, has_request_context, stream_with_context
from flask.globals import app_ctx, g, request, request_ctx

from ..errors import RegistrationError
from ..runs.context import CallContext, Headers
from ..runs.operation import Operation

PLACE: Final = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")
BODY: Final = frozenset({"data", "files", "form", "stream", "values"})
"""The attributes of a request in which werkzeug keeps what it has read of the body."""
FLASK: Final = "flask."
"""How the names of Flask's context variables begin."""


def this_request() -> Request:
    """The current request itself: each look-up through Flask's proxy costs as much as a call of a function."""
    current: Any = request
    found: Request = current._get_current_object()
    return found


def call_context(app: Flask, operation: Operation, process_app: str | None = None) -> CallContext:
    """The context of a run that starts now: from a request, or from other code, which has none to hand on.

    Raises `RegistrationError` where the operation needs a request.
    """
    variables = own_variables()
    if not has_request_context():
        if operation.request_context:
            raise RegistrationError(f"{operation.name}: request_context=True needs a request, and there is none here")
        return CallContext(app.app_context, variables, process_app=process_app)
    named = {name: request.headers[name] for name in operation.headers if name in request.headers}
    scope = RequestScope(detached=True) if operation.request_context else app.app_context
    return CallContext(scope, variables, Headers(named), process_app)


def work_and_context(events: Any) -> tuple[Any, CallContext]:
    """What `stream()` is given, and the context that it works in: with the request under `stream_with_context`.

    Flask's wrapper of that name loses what a generator returns, and is not closed with it: here its generator works
    without it, in a copy of the context of the request.
    """
    variables = own_variables()
    if inspect.isgenerator(events) and events.gi_code in stream_with_context.__code__.co_consts:
        inner = inspect.getgeneratorlocals(events).get("gen")
        if inner is not None:
            events.close()
            return inner, CallContext(RequestScope(detached=False), variables)
    return events, CallContext(app_ctx.app.app_context, variables)


def check_process_app(process_app: Any) -> str | None:
    """Returns `process_app`; raises `RegistrationError` where it is no `module:name`."""
    if process_app is None or (isinstance(process_app, str) and PLACE.fullmatch(process_app)):
        return process_app
    raise RegistrationError(f'process_app is "module:create_app" or "module:app", not {process_app!r}')


def own_variables() -> contextvars.Context:
    """A context with the variables of the caller, except Flask's own."""
    variables = contextvars.Context()
    for variable, value in contextvars.copy_context().items():
        if not variable.name.startswith(FLASK):
            variables.run(variable.set, value)
    return variables


class RequestScope:
    """Makes a copy of the current request's context, as `copy_current_request_context` does, with what is in `g`.

    What `g` holds under a name with an underscore, or with a `close`, belongs to the request, and ends with it. A
    `detached` copy outlives the request: its body is gone.
    """

    def __init__(self, *, detached: bool) -> None:
        self._values = {
            name: g.get(name)
            for name in g
            if not name.startswith(("_", "headway_")) and not hasattr(g.get(name), "close")
        }
        self._context = request_ctx.copy()
        if detached:
            self._context.request = _without_body(request_ctx.request)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._context:
            for name, value in self._values.items():
                setattr(g, name, value)
            yield


def _without_body(original: Request) -> Request:
    """The same request, whose body and connection are not to be touched: they may be the next request's."""
    environ: dict[str, Any] = {
        name: value for name, value in original.environ.items() if isinstance(value, str | bool | tuple)
    }
    environ |= {"wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr, "CONTENT_LENGTH": "0"}
    copied = type(original)(environ)
    for name, value in vars(original).items():
        if not (name.startswith("_") or name in BODY or name in vars(copied)):
            setattr(copied, name, value)  # what the application has set
    return copied
