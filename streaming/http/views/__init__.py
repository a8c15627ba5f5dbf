"""Views of an event log: other forms of the same events, chosen by `?view=NAME`.

Each view is a module here, and a row of `VIEWS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlencode

from flask import Flask

from ...protocol.frames import merge_deltas
from ...runtime.worker import Worker
from ..preferences import bad_field
from .base import SharedViews, View
from .html import Html, RunUrls, render_page
from .messages import Messages
from .text import Text


class Opening(NamedTuple):
    """What a view may know as it is opened, in the request of its viewer; `query` is that of the request."""

    app: Flask
    worker: Worker
    query: Mapping[str, str]
    run: RunUrls | None = None
    owner: str = ""

    @classmethod
    def of_run(cls, app: Flask, worker: Worker, query: Mapping[str, str], run: str, url: str, owner: str) -> Opening:
        """That of a run whose path is `url`; what its links ask for is as in this query, token included."""
        passed = {"view": "html", **{name: query[name] for name in ("names", "token") if name in query}}
        asked = urlencode(passed)
        return cls(
            app, worker, query, RunUrls(run, url, f"{url}?{asked}", f"{url}/events?{asked}", f"{url}/answer"), owner
        )


def _html(opening: Opening) -> View:
    names = keeps_names(opening.query)
    return Html(opening.app, opening.worker, opening.run, names=names, owner=opening.owner)


VIEWS: Final[dict[str, Callable[[Opening], View]]] = {
    "html": _html,
    "messages": lambda _: Messages(),
    "text": lambda _: Text(),
}
CHOICES: Final = {
    "view": tuple(VIEWS),
    "names": ("1", "0"),
    "merge": ("deltas",),
    "from": ("latest",),
    "watch": ("1", "0"),
}
"""The parameters of a stream, and their values."""


class Lens:
    """What one viewer sees in place of each block: deltas joined while it catches up, where it asks, and its view.

    The viewer sets `caught_up` once it has found nothing to read.
    """

    __slots__ = ("_run", "_shared", "_view", "caught_up", "merges")

    def __init__(self, shared: SharedViews, run: str | None, view: View | None, *, merges: bool) -> None:
        self._shared = shared
        self._run = run
        self._view = view
        self.merges: bool = merges
        self.caught_up: bool = False

    def __call__(self, block: bytes, catching_up: bool) -> bytes:
        if self.merges and catching_up:
            block = self._once("deltas", merge_deltas, block)
        view = self._view
        if view is None:
            return block
        return self._once(view.kind, view, block) if view.kind else view(block)

    def _once(self, kind: str, make: Callable[[bytes], bytes], block: bytes) -> bytes:
        """What `make` makes of a block, once for all viewers of the run."""
        if self._run is None:
            return make(block)
        key = (self._run, kind, len(block), hash(block))
        made = self._shared.get(key)
        return self._shared.put(key, make(block)) if made is None else made


def check_query(query: Mapping[str, str], *, several: bool = False) -> None:
    """Raises `BadRequest` for a parameter that has no such value, or is for one run where there are `several`."""
    for name, choices in CHOICES.items():
        if several and name != "merge" and name in query:
            raise bad_field(name, "is for the stream of one run")
        if name in query and query[name] not in choices:
            raise bad_field(name, f"is {' or '.join(choices)}, or is left out")


def fragment(opening: Opening, snapshot: bytes) -> bytes:
    """The HTML of a run as it is now, which follows it from there: what a page shows, before and after a reload."""
    names = keeps_names(opening.query)
    return render_page(opening.app, opening.run, names=names, owner=opening.owner, snapshot=snapshot)


def open_lens(opening: Opening) -> Lens | None:
    """What the query asks for, if anything. Raises `BadRequest`."""
    check_query(opening.query)
    name, merges = opening.query.get("view"), "merge" in opening.query
    if name is None and not merges:
        return None
    run = None if opening.run is None else opening.run.id
    view = None if name is None else VIEWS[name](opening)
    return Lens(opening.worker.part(SharedViews), run, view, merges=merges)


def keeps_names(query: Mapping[str, str]) -> bool:
    """Whether all events keep their names."""
    return query.get("names") != "0"
