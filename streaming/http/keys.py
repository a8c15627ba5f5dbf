"""Whose a request is: by `authorize`, by the API keys of the settings, or by a run token."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from flask import Request, g

from ..errors import Forbidden, OwnerError, Unauthorized
from ..settings import Settings
from ..stores.base import owner_text
from .command import LOCAL_OWNER
from .tokens import NOBODY

if TYPE_CHECKING:
    from .extension import Headway


def identify(headway: Headway, request: Request) -> None:
    """Sets the owner of the request, or what its token permits. Raises `Unauthorized`, `NotFound`, `Forbidden`."""
    g.headway_owner, g.headway_grant = "", None
    if LOCAL_OWNER in request.environ:
        owner = request.environ[LOCAL_OWNER]
        g.headway_owner = owner and owner_text(owner)
        return
    if request.method == "OPTIONS" or request.endpoint in _open_endpoints(request):
        return
    grant = g.headway_grant = headway.tokens.grant_of(request)
    if grant is not None:
        g.headway_owner = NOBODY
        return
    if request.endpoint == f"{request.blueprint}.metrics" and _has_metrics_key(headway.settings, request):
        return
    authorize = headway.authorize
    if authorize is None:
        return
    owner = authorize(request)
    if owner is None or owner == "":
        raise Unauthorized("this needs `Authorization: Bearer KEY` with a valid key")
    g.headway_owner = owner_text(owner)


def _open_endpoints(request: Request) -> tuple[str, ...]:
    """The endpoints that require no key."""
    blueprint = request.blueprint
    return tuple(f"{blueprint}.{name}" for name in ("live", "ready", "send_page_module"))


def owner_of_key(request: Request, settings: Settings) -> str | None:
    """The owner of the key in `Authorization: Bearer KEY` (RFC 6750, section 2.1)."""
    owner, presented = None, _presented(request)
    for key, owner_of_key in (settings.api_keys or {}).items():
        if hmac.compare_digest(key.encode(), presented):
            owner = owner_of_key
    return owner


def _presented(request: Request) -> bytes:
    """The key in the header of a request; empty without one, and no setting has an empty key."""
    scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
    return presented.strip().encode() if scheme.lower() == "bearer" else b""


def _has_metrics_key(settings: Settings, request: Request) -> bool:
    """Whether the request has the key to the metrics, which are of everybody's runs: the key of an owner is none.

    False where no such key is set, and who may read them is as for the other routes. Raises `Unauthorized`, and
    `Forbidden` where there are keys of owners alone.
    """
    if settings.metrics_key is None:
        if settings.api_keys:
            raise Forbidden("these figures are of the runs of all owners: HEADWAY_METRICS_KEY is the key to them")
        return False
    if not hmac.compare_digest(settings.metrics_key.encode(), _presented(request)):
        raise Unauthorized("this needs `Authorization: Bearer KEY` with HEADWAY_METRICS_KEY")
    return True


def check_owners(settings: Settings) -> Settings:
    """Returns the settings. Raises `SettingError` for an owner of a key that no store can keep."""
    try:
        for owner in (settings.api_keys or {}).values():
            owner_text(owner)
    except OwnerError:
        raise Settings.error("api_keys", settings.api_keys) from None
    return settings
