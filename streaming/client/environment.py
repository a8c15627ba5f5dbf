"""What the client takes from its environment: the URL, the key, the proxies; and what it says of itself."""

from __future__ import annotations

import os
import platform
import ssl
from functools import cache
from importlib import metadata
from typing import Any, Final, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx

from .errors import Unreachable
from .requests import shown_url

HttpT = TypeVar("HttpT", bound=httpx.Client | httpx.AsyncClient)

URL: Final = "http://127.0.0.1:8000"
"""The service that is asked where neither the caller nor the environment names one."""

LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""httpx opens at most 100 connections by default, and a stream occupies one."""


def url_of_environment() -> str:
    """The URL of `HEADWAY_URL`, or the default."""
    return os.environ.get("HEADWAY_URL") or URL


def key_of_environment() -> str:
    """The API key of `HEADWAY_API_KEY`, "" without one."""
    return os.environ.get("HEADWAY_API_KEY", "").strip()


@cache
def version() -> str:
    """The version of Headway."""
    try:
        return metadata.version("headway")
    except metadata.PackageNotFoundError:  # a folder on the path, which is not installed
        return "0"


@cache
def user_agent() -> str:
    """The `User-Agent` of the client."""
    return f"headway-python/{version()} python/{platform.python_version()} httpx/{httpx.__version__}"


def open_http(kind: type[HttpT], url: str, **options: Any) -> HttpT:
    """A client of httpx for `url`. Raises `Unreachable` where its proxy, or the file of certificates, cannot be used.

    httpx refuses every URL where the environment has a proxy that it cannot speak to, also one that is not to be used.
    """
    try:
        try:
            return kind(limits=LIMITS, **options)
        except (ImportError, ValueError, httpx.InvalidURL):
            if _has_proxy(httpx.URL(url)):
                raise
            return kind(limits=LIMITS, trust_env=False, **{"verify": httpx.create_ssl_context(), **options})
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        reason = f"the proxy of the environment cannot be used: {error}"
        raise Unreachable(f"{shown_url(url)} cannot be reached: {reason}", transient=False) from error
    except (OSError, ssl.SSLError) as error:
        reason = f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read: {error}"
        raise Unreachable(f"{shown_url(url)} cannot be reached: {reason}", transient=False) from error


def _has_proxy(url: httpx.URL) -> bool:
    """Whether the environment has a proxy for this URL."""
    proxies = getproxies()
    return bool({url.scheme, "all"} & proxies.keys()) and not proxy_bypass(url.netloc.decode("ascii"))
