"""Real servers for the tests: gunicorn, gevent.pywsgi, `flask run`, nginx, redis, PostgreSQL, each its own process.

Every context manager below starts one on a free loopback port (or a unix socket), waits until it answers, gives a
`Server`, and ends it. Applications are named as gunicorn names them: `"tests.apps.echo:app"`. What a server wrote is
shown under a test that fails.

    with gunicorn("tests.apps.echo:app", workers=2) as application, nginx(application) as proxy:
        httpx.get(f"{proxy.url}/count")
"""

from __future__ import annotations

import contextlib
import functools
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

STARTUP = 30.0
"""Seconds that a server has to answer for the first time: enough for a cold start on a busy machine."""

PORTS = range(20_000, 30_000)
"""Below the kernel's ephemeral ports (32768 and up), so that no outgoing connection of a test takes one meanwhile."""

HERMETIC = ("HEADWAY_", "GUNICORN_", "WEB_CONCURRENCY", "FLASK_", "PYTEST_")
"""Variables of the caller's that no server started here sees."""

started: list[Server] = []
"""Servers whose logs belong under a failing test; `tests/conftest.py` prints and forgets them."""


@dataclass
class Server:
    """One running server, with everything that a test wants to ask or do to it."""

    name: str
    address: Address
    process: subprocess.Popen[bytes]
    log_path: Path
    url: str = ""
    _last_log: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.url = self.url or self.address.url
        started.append(self)

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
        """Whether that process has not ended."""
        return self.process.poll() is None

    def log(self) -> str:
        """What it has written so far, to either stream."""
        return self.log_path.read_text(errors="replace") if self._last_log is None else self._last_log

    def worker_pids(self) -> list[int]:
        """The master's children, oldest first."""
        return children(self.pid)

    def stop(self, timeout: float = 30.0) -> int:
        """Ask it to end (SIGTERM), kill what is left after `timeout` seconds, and give the master's exit code."""
        if self.running:
            self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)
        return self.kill()

    def kill(self) -> int:
        """End it and its workers at once, and give the master's exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # it leads a process group of its own
        code = self.process.wait()
        wait_until(self._is_gone, f"{self.name} is gone")
        self._last_log = self.log()
        return code

    def _is_gone(self) -> bool:
        """Whether no process of its group is left, and nobody listens (a kernel may be a moment behind with that)."""
        return not any(process.group == self.pid for process in processes()) and not self.address.is_open()


class Process(NamedTuple):
    """A line of the system's process table."""

    pid: int
    parent: int
    group: int


def processes() -> Iterator[Process]:
    """The processes of this machine that have not ended, from /proc/PID/stat (proc(5)).

    One that has ended and that nobody has waited for yet (state Z) is left out.
    """
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, group = stat.read_text().rpartition(")")[2].split()[:3]
            if state != "Z":
                yield Process(int(stat.parent.name), int(parent), int(group))


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`, oldest first."""
    return sorted(process.pid for process in processes() if process.parent == pid)


def free_port() -> int:
    """A loopback port that nobody listens on."""
    for port in random.sample(PORTS, 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"a hundred ports of {PORTS} are taken")


def program(name: str) -> str:
    """The path of a system program. A test that needs one that is missing is skipped, in CI it fails."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        sentence = f"{name} is missing: `make test` installs it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(sentence)
    assert found
    return found


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a server's files; not pytest's, whose paths grow too long for unix sockets."""
    with tempfile.TemporaryDirectory(prefix="headway-") as folder:
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
) -> Iterator[Server]:
    """Start a command that will listen at `address`, wait until `ready` says so, and kill it afterwards.

    How a server stops is for tests that say so (`Server.stop`): gunicorn's takes a second at best.
    """
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
        wait_until(lambda: not server.running or ready(address), f"{name} answers", STARTUP)
        assert server.running, f"{name} ended with {process.returncode} before it answered:\n{server.log()}"
        yield server
    finally:
        server.kill()


def environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """The caller's environment without the variables that steer servers, and with `more`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(HERMETIC)}
    return {**inherited, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **(more or {})}


def answers_http(address: Address) -> bool:
    """Whether an HTTP server answers there, whatever it says."""
    try:
        with address.connect(timeout=1) as probe:
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
    """`gevent.pywsgi` by itself, with the standard library patched by gevent or not."""
    address = Address(port=free_port(), tls=certfile is not None)
    command = [sys.executable, "-m", "tests.apps.pywsgi", app, "--port", str(address.port)]
    command += _tls(certfile, keyfile) + (["--patched"] if patched else [])
    with scratch() as folder, launched("pywsgi", command, address, folder, ready=answers_http, env=env) as server:
        yield server


@contextlib.contextmanager
def flask_run(app: str, *, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Flask's development server: threads, nothing patched."""
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
"""nginx speaks HTTP/1.0 to its upstream unless these are among the `directives`."""


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
    """`deploy/nginx/headway.conf` as a template: the file as it is, but for the two addresses."""
    site = (ROOT / "deploy/nginx/headway.conf").read_text()
    for theirs, ours in {"listen 80": "listen 127.0.0.1:@port@", "server 127.0.0.1:8000": "server @upstream@"}.items():
        assert site.count(theirs) == 1, f"{theirs!r} is what this function replaces, once"
        site = site.replace(theirs, ours)
    return site


def nginx_name(address: Address) -> str:
    """How nginx writes an upstream's address."""
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

    `persistent` writes every command to disk before it is answered; with the same `folder` and `port`, a second one
    stands in for a restart.
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

    With the same `folder` and `port`, a second one stands in for a restart.
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
            server.process.send_signal(signal.SIGQUIT)  # at once, but its shared memory is given back
            server.process.wait()


def _unprivileged(command: Sequence[str], folder: Path) -> list[str]:
    """The command as a user that PostgreSQL accepts: it refuses root."""
    if os.geteuid() != 0:
        return list(command)
    shutil.chown(folder, "postgres", "postgres")
    return [program("setpriv"), "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


def answers_postgres(url: str, address: Address) -> bool:
    """Whether PostgreSQL takes queries."""
    import psycopg

    try:
        psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def answers_redis(address: Address) -> bool:
    """Whether redis answers there and has read its files."""
    try:
        with address.connect(timeout=1) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(7) == b"+PONG\r\n"
    except OSError:
        return False
