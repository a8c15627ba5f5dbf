"""The API keys of the settings: whose a request's key is, and whether their owners are some."""

from __future__ import annotations

import hmac

from flask import Request

from ..errors import OwnerError
from ..settings import Settings
from ..stores.base import owner_text


def owner_of_key(request: Request, settings: Settings) -> str | None:
    """The owner of the key in `Authorization: Bearer KEY` (RFC 6750, section 2.1)."""
    scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
    owner = None
    if scheme.lower() == "bearer":
        for key, owner_of_key in (settings.api_keys or {}).items():
            if hmac.compare_digest(key.encode(), presented.strip().encode()):
                owner = owner_of_key
    return owner


def check_owners(settings: Settings) -> Settings:
    """Returns the settings. Raises `SettingError` for an owner of a key that no store can keep."""
    try:
        for owner in (settings.api_keys or {}).values():
            owner_text(owner)
    except OwnerError:
        raise Settings.error("api_keys", settings.api_keys) from None
    return settings
