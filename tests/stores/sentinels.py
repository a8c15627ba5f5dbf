"""A Redis with a replica and three Sentinels, on loopback, each its own process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from tests.clients import Address, wait_until
from tests.servers import Server, answers_redis, free_port, launched, program, scratch

SERVICE = "runs"

SETTINGS = """\
port {port}
bind 127.0.0.1
protected-mode no
dir {folder}
sentinel monitor {service} 127.0.0.1 {primary} 2
sentinel down-after-milliseconds {service} 1000
sentinel failover-timeout {service} 5000
"""


@dataclass
class Failover:
    """What `failover_set` starts. `url` is what `HEADWAY_STORE` takes."""

    nodes: list[Server]
    sentinels: list[Server]

    @property
    def url(self) -> str:
        """The URL of the store."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{each.port}' for each in self.sentinels)}/{SERVICE}/0"

    def ask(self, *command: Any) -> Any:
        """The reply of the first Sentinel."""
        with Redis(port=self.sentinels[0].port) as client:
            return client.execute_command("SENTINEL", *command)

    @property
    def primary(self) -> Server:
        """The one that the Sentinels name."""
        port = int(self.ask("GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
        return next(node for node in self.nodes if node.port == port)

    def wait_until_settled(self) -> None:
        """Waits until the Sentinels know each other and a replica that is in step, and so may fail over."""
        wait_until(self._is_settled, "the Sentinels know all", 60.0)

    def _is_settled(self) -> bool:
        for sentinel in self.sentinels:
            with Redis(port=sentinel.port) as client:
                state: Any = client.sentinel_master(SERVICE)
                replicas: Any = client.sentinel_slaves(SERVICE)
            if state["num-other-sentinels"] != len(self.sentinels) - 1 or state["flags"] != "master":
                return False
            if not [each for each in replicas if each["flags"] == "slave" and each["master-link-status"] == "ok"]:
                return False
        return True


@contextlib.contextmanager
def node(folder: Path, port: int, *options: str, primary: int | None = None) -> Iterator[Server]:
    """One Redis; with `primary` it begins as a replica."""
    home = folder / f"node-{port}"
    home.mkdir(exist_ok=True)
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(home), "--save", ""]
    command += ["--repl-diskless-sync-delay", "0", *options]
    command += [] if primary is None else ["--replicaof", "127.0.0.1", str(primary)]
    url = f"redis://127.0.0.1:{port}/0"
    with launched("redis", command, Address(port=port), home, ready=answers_redis, url=url) as server:
        yield server


@contextlib.contextmanager
def sentinel(folder: Path, primary: int) -> Iterator[Server]:
    """One Sentinel."""
    port = free_port()
    home = folder / f"sentinel-{port}"
    home.mkdir()
    settings = home / "sentinel.conf"
    settings.write_text(SETTINGS.format(port=port, folder=home, service=SERVICE, primary=primary))
    command: Sequence[str] = [program("redis-server"), str(settings), "--sentinel"]
    with launched("sentinel", command, Address(port=port), home, ready=answers_redis) as server:
        yield server


@contextlib.contextmanager
def failover_set() -> Iterator[Failover]:
    """A primary, a replica and three Sentinels, which are ready to fail over."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch())
        first = stack.enter_context(node(folder, free_port()))
        second = stack.enter_context(node(folder, free_port(), primary=first.port))
        sentinels = [stack.enter_context(sentinel(folder, first.port)) for _ in range(3)]
        started = Failover([first, second], sentinels)
        started.wait_until_settled()
        yield started
