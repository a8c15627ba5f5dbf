"""Real servers for the tests: gunicorn, gevent.pywsgi, `flask run`, nginx, redis, PostgreSQL, each its own process.

Each context manager below starts one on a free loopback port (or a unix socket), waits until it answers, gives a
`Server`, and kills it. Applications are named as gunicorn names them: `"tests.apps.echo:app"`. The log of a server is
shown under a test that fails.

    with gunicorn("tests.apps.echo:app", workers=2) as application, nginx(application) as proxy:
        httpx.get(f"{proxy.url}/count")
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clients import Address, Reachable, request_bytes, wait_until

ROOT = Path(__file__).resolve().parent.parent

STARTUP = 60.0
"""Seconds until a server has to answer for the first time: enough for a cold start on a busy machine."""

PORTS = range(20_000, 30_000)
"""They lie below the kernel's ephemeral ports (32768 and up): no outgoing connection of a test takes one meanwhile."""

BLOCK = 100
"""How many of them one process has for itself, as long as it runs: it keeps the first one bound."""

HERMETIC = ("HEADWAY_", "GUNICORN_", "WEB_CONCURRENCY", "FLASK_", "PYTEST_")
"""Beginnings of the names of environment variables that no server here inherits."""

recent: list[Server] = []
"""The servers of the current test, whose logs are shown where it fails; `tests/conftest.py` removes them after it."""


@dataclass
class Server:
    """One server, and what tests do to it."""

    name: str
    address: Address
    process: subprocess.Popen[bytes]
    log_path: Path
    url: str = ""
    _last_log: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.url = self.url or self.address.url
        recent.append(self)

    @property
    def host(self) -> str:
        """The host it listens on."""
        return self.address.host

    @property
    def port(self) -> int:
        """The port it listens on; 0 on a unix socket."""
        return self.address.port

    @property
    def pid(self) -> int:
        """The process that was started: gunicorn's and nginx's master."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether that process runs."""
        return self.process.poll() is None

    def log(self) -> str:
        """What it has written to its standard output and error."""
        return self.log_path.read_text(errors="replace") if self._last_log is None else self._last_log

    def worker_pids(self) -> list[int]:
        """The process ids of the master's children, oldest first."""
        return children(self.pid)

    def stop(self, timeout: float = 30.0) -> int:
        """Stops it (SIGTERM), kills what runs after `timeout` seconds, and gives the master's exit code."""
        if self.running:
            self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)
        return self.kill()

    def kill(self) -> int:
        """Kills it and its workers (SIGKILL), and gives the master's exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # it leads a process group of its own
        code = self.process.wait()
        wait_until(self._is_gone, f"{self.name} is gone")
        self._last_log = self.log()
        return code

    def _is_gone(self) -> bool:
        """Whether its processes have ended and its port is closed, which the kernel may do a moment later."""
        return not any(process.group == self.pid for process in processes()) and not self.address.is_open()


class Process(NamedTuple):
    """A line of the system's process table; `started` is in ticks of the machine's clock."""

    pid: int
    parent: int
    group: int
    started: int


def processes() -> Iterator[Process]:
    """The processes of this machine that run, from /proc/PID/stat (proc(5)); without zombies (state Z)."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, group, *others = stat.read_text().rpartition(")")[2].split()
            if state != "Z":
                yield Process(int(stat.parent.name), int(parent), int(group), int(others[16]))


def children(pid: int) -> list[int]:
    """The process ids of the children of `pid`, oldest first: ids themselves begin anew after the last one."""
    own = [process for process in processes() if process.parent == pid]
    return [process.pid for process in sorted(own, key=lambda process: (process.started, process.pid))]


def free_port() -> int:
    """A loopback port on which no server listens.

    No other process that runs tests gets it, and this one not soon again: a server that is killed may be restarted
    on its port.
    """
    _, ports = _own_ports()
    for port in itertools.islice(ports, BLOCK):
        with contextlib.suppress(OSError):
            bound_to(port).close()
            return port
    raise RuntimeError(f"all {BLOCK} ports of this process are in use")


@functools.cache
def _own_ports() -> tuple[socket.socket, Iterator[int]]:
    """The ports of a block that no other process has, one after the other, and the socket that keeps the block."""
    for first in random.sample(PORTS[::BLOCK], len(PORTS) // BLOCK):
        with contextlib.suppress(OSError):
            return bound_to(first), itertools.cycle(range(first + 1, first + BLOCK))
    raise RuntimeError(f"all blocks of {PORTS} are in use")


def bound_to(port: int) -> socket.socket:
    """A socket that has this loopback port. Raises `OSError` where another one has."""
    bound = socket.socket()
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound


def program(name: str) -> str:
    """The path of a system program. Without it a test is skipped; in CI it fails."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None:
        sentence = f"{name} is missing: `make test` installs it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(sentence)
    assert path
    return path


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder for the files of a server; the paths of pytest's own are too long for unix sockets.

    A process that still ends may write there as it is deleted: `tests.suite` names what is left of it.
    """
    with tempfile.TemporaryDirectory(prefix="headway-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def launched(
    name: str,
    command: Sequence[str],
    address: Address,
    folder: Path,
    *,
    ready: Callable[[Address], bool],
    env: Mapping[str, str] | None = None,
    url: str = "",
    within: float = STARTUP,
) -> Iterator[Server]:
    """Starts a command that listens at `address`, waits until `ready` is true of it, and kills it afterwards.

    It is ready `within` seconds.

    A test that needs a clean stop calls `Server.stop`; gunicorn takes at least a second for it.
    """
    assert not address.is_open(), f"another server listens at {address}: it would answer in the place of {name}"
    log_path = folder / f"{name}.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = Server(name, address, process, log_path, url)
    try:
        wait_until(lambda: not server.running or ready(address), f"{name} answers", within)
        assert server.running, f"{name} ended with {process.returncode} before it answered:\n{server.log()}"
        yield server
    finally:
        server.kill()


def environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """The environment of the tests, without the variables that configure servers, and with `more`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(HERMETIC)}
    return {**inherited, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **(more or {})}


def answers_http(address: Address) -> bool:
    """Whether an HTTP server answers there, with any response.

    It waits for a server that listens: a TLS server would log a connection that is closed before its handshake.
    """
    try:
        with address.connect(timeout=STARTUP) as probe:
            probe.sendall(request_bytes("HEAD", "/is-anybody-there", {"Connection": "close"}))
            return probe.recv(5) == b"HTTP/"
    except OSError:
        return False


# Python servers


@contextlib.contextmanager
def gunicorn(
    app: str,
    *,
    workers: int = 1,
    worker_class: str = "gevent",
    env: Mapping[str, str] | None = None,
    bind: Path | None = None,
    certfile: Path | None = None,
    keyfile: Path | None = None,
    conf: bool | Path = True,
    args: Sequence[str] = (),
) -> Iterator[Server]:
    """gunicorn, on a free port or on the unix socket `bind`.

    It reads the project's `gunicorn.conf.py`; `conf` names another file, or is `False` for gunicorn's own defaults.
    `args` are further arguments of its command line.
    """
    address = Address(path=bind) if bind else Address(port=free_port(), tls=certfile is not None)
    where = f"unix:{bind}" if bind else f"{address.host}:{address.port}"
    with scratch() as folder:
        command = [sys.executable, "-m", "gunicorn", "-b", where, "-w", str(workers), "-k", worker_class]
        command += _configuration(conf, folder) + _tls(certfile, keyfile) + [*args, app]
        with launched("gunicorn", command, address, folder, ready=answers_http, env=env) as server:
            wait_until(lambda: len(server.worker_pids()) >= workers, "all workers are forked", STARTUP)
            yield server


def _configuration(conf: bool | Path, folder: Path) -> list[str]:
    if conf is True:
        return ["-c", str(ROOT / "gunicorn.conf.py")]
    if conf is False:
        conf = folder / "empty.py"
        conf.touch()
    return ["-c", str(conf), "--no-control-socket"]


def _tls(certfile: Path | None, keyfile: Path | None) -> list[str]:
    return ["--certfile", str(certfile), "--keyfile", str(keyfile)] if certfile else []


@contextlib.contextmanager
def pywsgi(
    app: str,
    *,
    patched: bool = True,
    env: Mapping[str, str] | None = None,
    certfile: Path | None = None,
    keyfile: Path | None = None,
) -> Iterator[Server]:
    """`gevent.pywsgi` by itself, with or without gevent's patches of the standard library."""
    address = Address(port=free_port(), tls=certfile is not None)
    command = [sys.executable, "-m", "tests.apps.pywsgi", app, "--port", str(address.port)]
    command += _tls(certfile, keyfile) + (["--patched"] if patched else [])
    with scratch() as folder, launched("pywsgi", command, address, folder, ready=answers_http, env=env) as server:
        yield server


@contextlib.contextmanager
def flask_run(app: str, *, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Flask's development server, which runs on threads, without gevent's patches."""
    address = Address(port=free_port())
    command = [sys.executable, "-m", "flask", "--app", app, "run", "--no-reload", "--port", str(address.port)]
    with scratch() as folder, launched("flask", command, address, folder, ready=answers_http, env=env) as server:
        yield server


# nginx

NGINX = """
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    @site@
}
"""

SITE = """
upstream application { server @upstream@; }
server {
    listen 127.0.0.1:@port@;
    location / {
        proxy_pass http://application;
        proxy_read_timeout @read_timeout@s;
        @directives@
    }
}
"""

HTTP_1_1 = 'proxy_http_version 1.1; proxy_set_header Connection "";'
"""`directives` for HTTP/1.1; without them nginx speaks HTTP/1.0 to its upstream."""


@contextlib.contextmanager
def nginx(
    upstream: Reachable, *, read_timeout: int = 60, directives: str = "", conf_template: str = SITE
) -> Iterator[Server]:
    """nginx in front of a server, with its own defaults: buffering on, HTTP/1.0 to the upstream.

    `read_timeout` is its `proxy_read_timeout` in seconds, `directives` go into its location (`HTTP_1_1`,
    `"proxy_buffering off;"`), and `conf_template` replaces the site altogether: `SITE` shows what it may use.
    """
    address = Address(port=free_port())
    values = {"port": address.port, "read_timeout": read_timeout, "directives": directives}
    site = fill(conf_template, upstream=nginx_name(upstream.address), **values)
    with scratch() as folder:
        (folder / "nginx.conf").write_text(fill(NGINX, site=site))
        rules = "daemon off; pid nginx.pid; error_log stderr info;" + (" user root;" if os.geteuid() == 0 else "")
        command = [program("nginx"), "-p", str(folder), "-c", "nginx.conf", "-e", "stderr", "-g", rules]
        with launched("nginx", command, address, folder, ready=answers_http) as server:
            yield server


def deployed() -> str:
    """`deploy/nginx/headway.conf` as a template: the file, but for two addresses and the place of its log."""
    site = (ROOT / "deploy/nginx/headway.conf").read_text()
    replaced = {
        "listen 80": "listen 127.0.0.1:@port@",
        "server 127.0.0.1:8000": "server @upstream@",
        "/var/log/nginx/headway.log": "access.log",
    }
    for theirs, ours in replaced.items():
        assert site.count(theirs) == 1, f"{theirs!r} is what this function replaces, once"
        site = site.replace(theirs, ours)
    return site


def nginx_name(address: Address) -> str:
    """The address of an upstream as nginx writes it."""
    return f"unix:{address.path}" if address.path else f"{address.host}:{address.port}"


def fill(template: str, **values: object) -> str:
    """`template` with each `@name@` replaced; nginx's own `$variables` and braces stay as they are."""
    for name, value in values.items():
        template = template.replace(f"@{name}@", str(value))
    return template


# redis


@contextlib.contextmanager
def redis(*, persistent: bool = False, folder: Path | None = None, port: int | None = None) -> Iterator[Server]:
    """redis; its `url` is what `HEADWAY_STORE` takes.

    With `persistent` it writes every command to disk before it answers. A second one with the same `folder` and `port`
    is a restart.
    """
    address = Address(port=port or free_port())
    with contextlib.nullcontext(folder) if folder else scratch() as home:
        command = [program("redis-server"), "--port", str(address.port), "--bind", address.host, "--dir", str(home)]
        command += ["--save", "", "--appendonly", "yes" if persistent else "no", "--appendfsync", "always"]
        url = f"redis://{address.host}:{address.port}/0"
        with launched("redis", command, address, home, ready=answers_redis, url=url) as server:
            yield server


@contextlib.contextmanager
def postgres(*, folder: Path | None = None, port: int | None = None) -> Iterator[Server]:
    """PostgreSQL, new and empty; its `url` is what SQLAlchemy takes.

    A second one with the same `folder` and `port` is a restart.
    """
    address = Address(port=port or free_port())
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=Path())
    with contextlib.nullcontext(folder) if folder else scratch() as home:
        data = home / "data"
        if not data.exists():
            init = [program(str(binaries / "initdb")), "-D", str(data), "-U", "headway", "-A", "trust", "--no-sync"]
            subprocess.run(_unprivileged(init, home), check=True, capture_output=True, cwd="/")
        command = [str(binaries / "postgres"), "-D", str(data), "-k", str(home), "-h", address.host]
        command += ["-p", str(address.port), "-c", "fsync=off"]
        url = f"postgresql+psycopg://headway@{address.host}:{address.port}/postgres"
        ready = functools.partial(answers_postgres, url)
        with launched("postgres", _unprivileged(command, home), address, home, ready=ready, url=url) as server:
            yield server
            server.process.send_signal(signal.SIGQUIT)  # stops it at once, but frees its shared memory
            server.process.wait()


def _unprivileged(command: Sequence[str], folder: Path) -> list[str]:
    """The command as another user than root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return list(command)
    shutil.chown(folder, "postgres", "postgres")
    return [program("setpriv"), "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


def answers_postgres(url: str, address: Address) -> bool:
    """Whether PostgreSQL answers there."""
    import psycopg

    try:
        psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def answers_redis(address: Address) -> bool:
    """Whether redis answers there, after it has read its files."""
    try:
        with address.connect(timeout=1) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(7) == b"+PONG\r\n"
    except OSError:
        return False
