"""`?view=html`: each event as the HTML of the template `headway/EVENT.html`, for htmx and pages without scripts.

A template gets `event` (the name), `id` (a number), `data`, `run` (`RunUrls`) and `names`. One that uses nothing else,
or only the application's globals and filters, is rendered once for all viewers of a run, in an application context. One
that names what belongs to a request (`PERSONAL`), or what a context processor gives, is rendered for each viewer, in a
copy of the context of its request; `viewer.owner` is then whom the request comes from. Templates that it includes,
extends or imports count as its own.
"""

from __future__ import annotations

import logging
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from flask import Flask
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, Template, TemplateNotFound, meta

from ...protocol.frames import split
from ...runtime.hub import give_way
from ...runtime.worker import Worker
from ..context import RequestScope
from .base import Frame, SharedViews, View, read_frame, write_frame

log: Final = logging.getLogger("headway")

TEMPLATES: Final = Path(__file__).with_name("templates")
"""Ours, where the application has none of the same name."""

TURN: Final = 64
"""Events that are rendered before others have a turn: each takes 10 to 80 µs."""

EVENT: Final = re.compile(r"[A-Za-z][\w.-]*")
"""The names of events that may have a template; those of our parts begin with an underscore."""

ALWAYS_NAMED: Final = ("start", "done")
"""The events that keep their name with `names=0`: htmx 4 swaps unnamed messages, and ends at one with a name."""

GIVEN: Final = frozenset({"event", "id", "data", "run", "names", "caller"})
PERSONAL: Final = frozenset({"viewer", "request", "session", "g", "url_for", "get_flashed_messages"}) | {
    *("csrf_token", "current_user"),
    *("_", "gettext", "ngettext", "pgettext", "npgettext"),
}
"""The names that belong to a request: whose it is, its language, and the prefix of its URLs."""


class RunUrls(NamedTuple):
    """A run as templates know it: the paths of its routes, as the viewer asks for them. `page` is its HTML."""

    id: str
    url: str
    page: str
    events: str
    answer: str


class Owner(NamedTuple):
    """`viewer` in a template."""

    owner: str


class Templates:
    """The templates of one application, with what is known of each."""

    def __init__(self, app: Flask) -> None:
        ours = FileSystemLoader(TEMPLATES)
        env: Any = app.jinja_env
        self._env: Environment = env.overlay(loader=ChoiceLoader([env.loader, ours] if env.loader else [ours]))
        self._reader = self._env.overlay()
        self._reader.globals = {}  # `meta` leaves out what it takes for declared
        self._personal: dict[str, tuple[Template, bool]] = {}
        self._globals: dict[Template, dict[str, Any]] = {}

    def of_event(self, name: str) -> Template | None:
        """The template of an event; `None` where there is none."""
        if not EVENT.fullmatch(name):
            return None
        try:
            return self.get(f"{name}.html")
        except TemplateNotFound as missing:
            if missing.name != f"headway/{name}.html":
                raise
            return None

    def get(self, name: str) -> Template:
        """The template `headway/NAME`. Raises `TemplateNotFound`."""
        return self._env.get_template(f"headway/{name}")

    def render(self, template: Template, values: dict[str, Any]) -> str:
        """`template.render(values)` in two thirds of the time: that copies a `ChainMap` of globals for each call."""
        known = self._globals.get(template)
        if known is None:
            known = self._globals[template] = dict(template.globals)
        context = self._env.context_class(self._env, {**known, **values}, template.name, template.blocks)
        return "".join(template.root_render_func(context)).strip("\n")

    def is_personal(self, template: Template) -> bool:
        """Whether a template is to be rendered for each viewer."""
        name = str(template.name)
        known = self._personal.get(name)
        if known is None or known[0] is not template:  # Jinja loads it again where its file has changed
            known = self._personal[name] = (template, self._names_personal(name, set()))
        return known[1]

    def _names_personal(self, name: str, seen: set[str]) -> bool:
        seen.add(name)
        assert self._env.loader is not None
        tree = self._reader.parse(self._env.loader.get_source(self._env, name)[0])
        used = meta.find_undeclared_variables(tree)
        if used & PERSONAL or used - GIVEN - self._env.globals.keys():
            return True
        others = set(meta.find_referenced_templates(tree))
        return None in others or any(self._names_personal(str(each), seen) for each in others - seen)


def templates_of(app: Flask) -> Templates:
    """The templates of `app`, made once."""
    templates: Templates = app.extensions.get("headway-templates") or Templates(app)
    return app.extensions.setdefault("headway-templates", templates)  # type: ignore[no-any-return]


class Html(View):
    """The events of a run as HTML. To be made in the request of the viewer."""

    def __init__(self, app: Flask, worker: Worker, run: RunUrls | None, *, names: bool, owner: str) -> None:
        self._app = app
        self._worker = worker
        self._templates = templates_of(app)
        self._shared = worker.part(SharedViews)
        self._given = {"run": run, "names": names}
        self._names = names
        self._owner = owner
        self._key = (app, run, names)
        self._scope = RequestScope(detached=True)
        self._failed: set[str] = set()
        self._personal: bool | None = None

    def __call__(self, block: bytes) -> bytes:
        with ExitStack() as contexts:
            self._contexts, self._personal = contexts, None
            seen: list[bytes] = []
            for frame in split(block):
                seen.append(self.frame(read_frame(frame)))
                if not len(seen) % TURN and self._worker.here:
                    give_way()
            return b"".join(seen)

    def frame(self, frame: Frame) -> bytes:
        name = frame.name if self._names or frame.name in ALWAYS_NAMED else ""
        html = self._html(frame)
        if html is None and frame.name not in ALWAYS_NAMED:
            return frame.head + b"\n\n"  # an id alone: nothing to show, and where the viewer comes back
        return write_frame(frame.head, html or b"", name)

    def _html(self, frame: Frame) -> bytes | None:
        try:
            template = self._templates.of_event(frame.name)
            if template is None:
                return None
            personal = self._templates.is_personal(template)
            if personal or self._given["run"] is None:
                return self._render(template, frame, personal)
            key = (self._key, template, hash(frame))
            made = self._shared.get(key)
            return self._shared.put(key, self._render(template, frame, personal)) if made is None else made
        except Exception:  # a template of the application's
            if frame.name not in self._failed:
                self._failed.add(frame.name)
                log.exception("the template of the event %s failed", frame.name)
            return None

    def _render(self, template: Template, frame: Frame, personal: bool) -> bytes:
        context: dict[str, Any] = {"event": frame.name, "id": _number(frame.head), "data": _decoded(frame.data)}
        context |= self._given
        self._enter(personal)
        if personal:
            context["viewer"] = Owner(self._owner)
            self._app.update_template_context(context)
        return self._templates.render(template, context).encode("utf-8", "replace")

    def _enter(self, personal: bool) -> None:
        """Enters the context that a template is rendered in, once a block as long as it stays the same."""
        if self._personal != personal:
            self._contexts.close()
            self._contexts.enter_context(self._scope() if personal else self._app.app_context())
            self._personal = personal


def render_page(app: Flask, run: RunUrls | None, *, names: bool, owner: str, snapshot: bytes) -> bytes:
    """The template `headway/_run.html`, in the request of the viewer: what follows the run, and its buttons."""
    context = {"run": run, "names": names, "snapshot": orjson.loads(snapshot), "viewer": Owner(owner)}
    app.update_template_context(context)
    return templates_of(app).get("_run.html").render(context).encode("utf-8", "replace")


def _number(head: bytes) -> int | None:
    number = head.removeprefix(b"id: ")
    return int(number) if number.isdigit() else None


def _decoded(data: bytes) -> Any:
    """The data of an event: of JSON its value, of anything else the text."""
    try:
        return orjson.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")
