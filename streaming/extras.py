"""What the extras of the package bring, and the line that says so where one of them is not installed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

EXTRAS: Final[dict[str, tuple[str, ...]]] = {
    "sql": ("sqlalchemy>=2.0.40",),
    "metrics": ("prometheus-client>=0.24",),
    "gateway": ("httpcore>=1.0", "httptools>=0.6", "httpx>=0.28"),
    "redis": ("redis>=8.0",),
    "celery": ("celery>=5.7", "kombu>=5.7"),
    "s3": ("obstore>=0.12",),
    "client": ("anyio>=4.9", "httpx>=0.28"),
    "cli": ("anyio>=4.9", "click>=8.1", "httpx>=0.28", "referencing>=0.36", "rich>=14.0"),
}
"""The packages of each, as pyproject.toml has them. A command names these: Headway itself is in no registry."""


def is_installed(module: str) -> bool:
    """Whether a module is there. One that is imported may have no spec: kombu replaces itself."""
    return sys.modules.get(module) is not None or find_spec(module) is not None


def not_installed(extra: str, needed_by: str, module: str = "") -> str:
    """The line for an extra whose packages are missing; `module` is what was missed, if it is none of them."""
    packages = [requirement.partition(">=")[0] for requirement in EXTRAS[extra]]
    missing = [package for package in packages if not is_installed(package.replace("-", "_"))] or [module]
    command = " ".join(map(shlex.quote, EXTRAS[extra]))
    return f"{needed_by} needs {' and '.join(missing)}, of Headway's extra `{extra}`: pip install {command}"


@contextmanager
def needs(extra: str, needed_by: str, error: Callable[[str], Exception] | None = None) -> Iterator[None]:
    """For the imports of what an extra brings: a missing package raises `error`, by default `ModuleNotFoundError`."""
    try:
        yield
    except ModuleNotFoundError as missing:
        module = str(missing.name).partition(".")[0]
        if module in ("None", "streaming"):  # a mistake of ours
            raise
        line = not_installed(extra, needed_by, module)
        raise (ModuleNotFoundError(line, name=missing.name) if error is None else error(line)) from None
