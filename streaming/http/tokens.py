"""Run tokens: what opens one run for a while to those who have no key and no login.

A token says for which run it is, what it permits and when it expires, and is signed by HEADWAY_SECRET, else by the
application's `SECRET_KEY`, else by a secret that the store keeps. Nothing else is kept of it: it ends when it expires,
when its run is erased, and when the secret is another one. `Authorization: Bearer` carries it, or `?token=` in the
address of a GET, for an `EventSource`, which can send no header.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple
from weakref import WeakKeyDictionary

from flask import Request, Response, g
from itsdangerous import BadData, URLSafeSerializer
from pydantic import BaseModel, ConfigDict, Field

from ..clock import Clock, SystemClock, Timer
from ..errors import Forbidden, Unauthorized
from ..runs.runner import missing
from ..runtime.worker import Worker
from .inputs import refusals

if TYPE_CHECKING:
    from ..runs.runner import Runner
    from .extension import Headway
    from .viewer import Viewer

Verb = Literal["watch", "answer", "cancel"]

PREFIX: Final = "hwt_"
"""How each token begins, so that it is told from a key, and found where it has leaked."""

SHAPE: Final = re.compile(rf"{PREFIX}[\w.-]+\.[\w-]{{64}}", re.ASCII)
"""The signature has 48 bytes: no other text stands for the same ones."""

MASKED: Final = re.compile(rf"{PREFIX}[\w.-]+", re.ASCII)

MAX_SECONDS: Final = 86_400

ROUND: Final = 0.25
"""Seconds between two looks for streams whose token has expired."""

NOBODY: Final = "\0"
"""The owner of a request with a token: whose runs a route finds that has not asked what the token permits."""

LOGGERS: Final = ("werkzeug", "gunicorn.access", "gunicorn.error", "gevent.pywsgi")
"""The loggers of servers, which log the addresses of requests; the last one is for `WSGIServer(log=...)`."""


class Wish(BaseModel):
    """The body of `POST /runs/ID/tokens`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    seconds: int = Field(900, ge=1, le=MAX_SECONDS, strict=True)
    may: list[Verb] = Field(["watch"], min_length=1, max_length=3)


class Grant(NamedTuple):
    """What a token says; it expires at `expires` (milliseconds since 1970)."""

    run: str
    expires: int
    may: Collection[str]


class Tokens:
    """The tokens of one extension."""

    def __init__(self, headway: Headway) -> None:
        self._headway = headway

    def make(self, run: str, wish: Wish) -> tuple[str, int]:
        """A token for a run, and when it expires (milliseconds since 1970)."""
        runner = self._headway.runner
        expires = round((runner.clock.now() + wish.seconds) * 1000)
        signed = self._serializer(runner).dumps([run, expires, sorted(set(wish.may))])
        return f"{PREFIX}{signed if isinstance(signed, str) else signed.decode()}", expires

    def read(self, token: str) -> Grant:
        """What a token says. Raises `Unauthorized` for one that is not ours, was changed, or has expired."""
        runner = self._headway.runner
        try:
            grant = Grant(*self._serializer(runner).loads(token.removeprefix(PREFIX))) if is_token(token) else None
        except BadData:
            grant = None
        if grant is None:
            raise Unauthorized("this run token is not valid", code="token_invalid")
        if grant.expires <= runner.clock.now() * 1000:
            raise Unauthorized("this run token has expired", code="token_expired")
        return grant

    def grant_of(self, request: Request) -> Grant | None:
        """What the token of a request permits, if it has one. Raises `Unauthorized`, `NotFound` and `Forbidden`."""
        token = token_of(request)
        if token is None:
            return None
        grant = self.read(token)
        run = (request.view_args or {}).get("run")
        if run is None:
            raise Forbidden("a run token opens the routes of its run alone", code="token_scope")
        if run != grant.run:
            raise missing()
        return grant

    def end_with(self, viewer: Viewer, grant: Grant) -> None:
        """Ends the stream of a viewer when its token expires."""
        runner = self._headway.runner
        seconds = grant.expires / 1000 - runner.clock.now()
        runner.worker.soon(runner.worker.part(Expiries).add, viewer, seconds)

    def _serializer(self, runner: Runner) -> URLSafeSerializer:
        signer = {"key_derivation": "hmac", "digest_method": hashlib.sha384}
        return URLSafeSerializer(self._secrets(runner), salt=b"headway.run-token", signer_kwargs=signer)

    def _secrets(self, runner: Runner) -> list[bytes]:
        """The secrets that are good, of which the last one signs."""
        app, setting = self._headway.app, self._headway.settings.secret
        if setting:
            return [setting.encode()]
        if app.secret_key:
            keys: list[str | bytes] = [*(app.config.get("SECRET_KEY_FALLBACKS") or ()), app.secret_key]
            return [key.encode() if isinstance(key, str) else key for key in keys]
        return [runner.worker.call(runner.store.secret)]


def is_token(text: str) -> bool:
    """Whether a text may be a token."""
    return SHAPE.fullmatch(text) is not None


def read_wish(body: bytes) -> Wish:
    """Raises `InvalidInput`."""
    with refusals():
        return Wish.model_validate_json(body or b"{}")


def token_of(request: Request) -> str | None:
    """The token of a request, if it has one. Raises `Unauthorized` for one in the address of another than a GET."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text.strip().startswith(PREFIX):
        return text.strip()
    text = request.args.get("token", "")
    if not text.startswith(PREFIX):
        return None
    if request.method not in ("GET", "HEAD"):
        raise Unauthorized("a token in the address is for GET: send it as `Authorization: Bearer`", code="token_in_url")
    return text


def may(verb: Verb) -> str | None:
    """The owner among whose runs the current request may do this; `None` with a token that permits it for its run.

    Raises `Forbidden` with a token that does not.
    """
    grant: Grant | None = g.headway_grant
    if grant is None:
        return str(g.headway_owner)
    if verb not in grant.may:
        raise Forbidden(f"this run token does not permit to {verb}", code="token_scope")
    return None


def keep_private(response: Response, request: Request) -> Response:
    """Adds what keeps an address with a token out of the `Referer` of other requests, and its answer out of caches."""
    if request.args.get("token", "").startswith(PREFIX):
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.setdefault("Cache-Control", "private, no-store")
    return response


def mask_logs() -> None:
    """Has the logs of the server show no token."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if _mask not in logger.filters:
            logger.addFilter(_mask)


def _mask(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    if PREFIX in message:
        record.msg, record.args = MASKED.sub(f"{PREFIX}***", message), ()
    return True


class Expiries:
    """The open streams of a worker that end with a token: a part of the worker, used in its hub."""

    def __init__(self, worker: Worker, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._deadlines: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
        self._timer: Timer | None = None
        self._next = float("inf")

    def add(self, viewer: Viewer, seconds: float) -> None:
        """Ends the stream of `viewer` after `seconds`, as one that was cut: its client comes back, and is refused."""
        deadline = self._clock.monotonic() + seconds
        self._deadlines[viewer] = deadline
        if deadline < self._next:
            self._schedule(deadline)

    def close(self) -> None:
        """Ends the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self, at: float) -> None:
        self.close()
        self._next = at
        self._timer = self._clock.later(at - self._clock.monotonic(), self._end_expired)

    def _end_expired(self) -> None:
        now = self._clock.monotonic()
        for viewer, deadline in list(self._deadlines.items()):
            if deadline <= now:
                del self._deadlines[viewer]
                viewer.disconnected()
        self._timer, self._next = None, float("inf")
        if self._deadlines:
            self._schedule(max(min(self._deadlines.values()), now + ROUND))
