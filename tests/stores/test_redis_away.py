"""A Redis that is away: killed, restarted with its data or without, out of memory, a replica, slow, in need of TLS."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask

from streaming import Headway, event
from streaming.errors import SettingError, StoreAway
from streaming.protocol.events import make_event
from streaming.settings import Settings
from streaming.stores import open_store
from streaming.stores.base import Record
from streaming.stores.redis.connection import Connection
from streaming.stores.redis.store import RedisStore
from tests.clients import Address
from tests.conftest import Certificate
from tests.servers import Server, answers_redis, free_port, launched, program, redis, scratch
from tests.stores.contract import last_shown, run_info, until
from tests.stores.shared_contract import ids, outgrow, read_all, soon, start_run, watching

pytestmark = pytest.mark.live

BOUND = 5.0
"""Seconds for a worker to recover once Redis is back; it takes less than two."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis that stays, and whose settings make it refuse; it cannot save to disk."""
    folder = tmp_path_factory.mktemp("redis")
    with redis(folder=folder) as server:
        (folder / "dump.rdb").mkdir()
        yield server


def recovers(condition: Callable[[], object], what: str) -> None:
    """Waits until `condition` is true after a failure."""
    with gevent.Timeout(BOUND, AssertionError(f"{what}: not within {BOUND} s")):
        until(condition, what)


def is_ready(store: RedisStore) -> bool:
    """Whether the worker is ready."""
    with contextlib.suppress(StoreAway):
        store.ready()
        return True
    return False


@contextlib.contextmanager
def responsive_hub() -> Iterator[None]:
    """Checks that nothing in the block stops the hub."""
    ticks: list[float] = []

    def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            gevent.sleep(0.01)

    ticker = gevent.spawn(tick)
    try:
        yield
    finally:
        ticker.kill()
    assert max(after - before for before, after in itertools.pairwise(ticks)) < 0.5


# Killed and restarted


def test_a_restart_with_persistence(
    tmp_path: Path, worker: Callable[..., RedisStore], caplog: pytest.LogCaptureFixture
) -> None:
    """While Redis is away starts are refused and no event is shown; once it is back, no event is missing.

    The log of each worker has one line when it goes, and one when it is back.
    """
    port = free_port()
    with redis(persistent=True, folder=tmp_path, port=port) as first:
        store, other = worker(first.url), worker(first.url)
        producer = start_run(store)
        with watching(other, "r") as far, watching(store, "r") as near:
            soon(lambda: len(far) == 1, "the viewer on the other worker keeps up")
            first.kill()
            for _ in range(50):
                producer.append(event("tick"))
            until(lambda: not is_ready(store), "the worker is not ready")
            with pytest.raises(StoreAway):
                store.create(run_info("r2"))
            with pytest.raises(StoreAway):
                other.find("r")
            assert (len(near), len(far)) == (1, 1)
            with redis(persistent=True, folder=tmp_path, port=port):
                recovers(lambda: len(near) == len(far) == 51, "the viewers catch up")
                assert ids(near) == ids(far) == list(range(1, 52))
                recovers(lambda: is_ready(store), "the worker is ready")
                store.create(run_info("r2"))
                producer.end()
                assert ids(read_all(worker(first.url), "r")) == list(range(1, 53))
                recovers(lambda: caplog.text.count("the store of the runs is back") == 2, "the log says so")
                assert caplog.text.count("the store of the runs is away") == 2
                for each in (store, other):
                    each.close()


def test_a_restart_without_persistence(tmp_path: Path, worker: Callable[..., RedisStore]) -> None:
    """Producers write their live runs, silent ones too, to a Redis that comes back empty; viewers do not notice."""
    port = free_port()
    with redis(port=port) as first:
        store, other = worker(first.url), worker(first.url)
        silent, busy = start_run(store, "silent", key="k", digest="d"), start_run(store, "busy")
        busy.write(*(event("tick") for _ in range(9)))
        store.cancel("silent", "requested")
        with watching(other, "busy") as far:
            soon(lambda: len(far) == 10, "the viewer on the other worker keeps up")
            first.kill()
            busy.append(event("tick"))
            with redis(port=port):
                recovers(lambda: len(far) == 11, "the viewer catches up")
                third = worker(first.url)
                recovers(lambda: third.find("silent"), "the silent run is found again")
                assert third.find("silent").status == "cancelling"  # type: ignore[union-attr]
                busy.append(make_event("done", {"status": "succeeded"}))
                recovers(lambda: len(far) == 12, "the viewer sees the end")
                assert ids(read_all(third, "busy")) == ids(far) == list(range(1, 13))
                assert third.create(run_info("again", key="k", digest="d")) == silent.store.find("silent").info  # type: ignore[union-attr]
                assert third.live("") == 1
                for each in (store, other, third):
                    each.close()


def test_a_run_that_is_lost_with_its_producer(direct: Connection, worker: Callable[..., RedisStore]) -> None:
    """Where its producer cannot write a lost run again, the streams of its viewers end."""
    store, other = worker(), worker(lease=0.3)
    start_run(store)
    with watching(other, "r") as seen:
        soon(lambda: len(seen) == 1, "the viewer is there")
        assert not other.read("r", 1).over
        gevent.killall(store._greenlets)
        store._greenlets = []
        direct.execute([("FLUSHALL",)])
        recovers(lambda: other.read("r", 1).over, "the stream of the viewer ends")
    assert other.find("r") is None


def test_a_failover_that_lost_the_last_moments(direct: Connection, worker: Callable[..., RedisStore]) -> None:
    """Events that the replica did not have are written again, before those that follow."""
    producer = start_run(worker())
    producer.write(*(event("tick") for _ in range(5)))
    producer.write(event("tick"), event("tick"))
    direct.execute([("XTRIM", "headway:run:r:events", "MAXLEN", 1), ("HSET", "headway:run:r", "last", 1)])
    direct.execute([("DEL", "headway:run:r:events"), ("XADD", "headway:run:r:events", "1-0", "first", 1, "frames",
              producer.frames[0], "over", "")])  # fmt: skip
    producer.write(event("tick"))
    batch = worker().read("r", 0)
    assert (batch.block, batch.last) == (b"".join(producer.frames), 9)


def test_a_checkpoint_that_was_lost(direct: Connection, worker: Callable[..., RedisStore]) -> None:
    """A producer that writes its run again writes its checkpoint too."""
    store, other = worker(lease=1.0), worker(lease=1.0)
    producer = start_run(store)
    producer.write(event("tick"))
    store.keep("r", 2, b"kept")
    direct.execute([("FLUSHALL",)])
    producer.append(event("tick"))
    recovers(lambda: other.find("r"), "the run is written again")
    store.release("r")
    adopted: list[Record] = []

    def adopt() -> bool:
        adopted.extend(other.adopt_orphans())
        return bool(adopted)

    recovers(adopt, "it is adopted")
    assert (adopted[0].checkpoint, adopted[0].fold.last_event_id) == ((2, b"kept"), 3)


def test_connections_that_are_cut(direct: Connection, worker: Callable[..., RedisStore]) -> None:
    """However often its connections are cut, a worker neither loses nor repeats an event."""
    store, other = worker(), worker()
    producer = start_run(store)
    with watching(other, "r") as seen:
        for number in range(30):
            direct.execute([("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")])
            for _ in range(3):
                producer.append(event("tick", {"n": number}))
                gevent.sleep(0.001)
        recovers(lambda: len(seen) == 91, "the viewer has seen everything")
    assert ids(seen) == list(range(1, 92))
    assert ids(read_all(worker(), "r")) == list(range(1, 92))


def test_scripts_are_loaded_again(direct: Connection, worker: Callable[..., RedisStore]) -> None:
    """A server that has lost its scripts gets them again."""
    producer = start_run(worker())
    direct.execute([("SCRIPT", "FLUSH")])
    producer.write(event("tick"))
    assert ids(read_all(worker(), "r")) == [1, 2]


# A server that refuses

REFUSALS: Any = {
    "out of memory": ([("CONFIG", "SET", "maxmemory", 1)], [("CONFIG", "SET", "maxmemory", 0)]),
    "a replica": ([("REPLICAOF", "127.0.0.1", 1)], [("REPLICAOF", "NO", "ONE")]),
    "too few replicas": (
        [("CONFIG", "SET", "min-replicas-to-write", 1)],
        [("CONFIG", "SET", "min-replicas-to-write", 0)],
    ),
    "unable to save": (
        [("CONFIG", "SET", "save", "3600 1"), ("BGSAVE",)],
        [("CONFIG", "SET", "save", "")],
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_server_that_takes_nothing(direct: Connection, worker: Callable[..., RedisStore], refusal: str) -> None:
    """Starts are refused, no event is shown that is not kept, no run is adopted, and afterwards all runs go on."""
    store, other = worker(lease=1.0), worker(lease=1.0)
    producer = start_run(store)
    stop, go_on = REFUSALS[refusal]
    with watching(other, "r") as seen:
        direct.execute(stop)
        try:
            until(lambda: isinstance(direct.execute([("SET", "probe", 1)])[0], Exception), "the server refuses")
            producer.append(event("tick"))
            until(lambda: not is_ready(store), "the worker is not ready")
            with pytest.raises(StoreAway):
                store.create(run_info("r2"))
            with pytest.raises(StoreAway):
                other.create(run_info("r3"))
            assert last_shown(store, "r") == 1
            gevent.sleep(1.2)  # longer than a lease
        finally:
            assert not [reply for reply in direct.execute(go_on) if isinstance(reply, Exception)]
        recovers(lambda: ids(seen) == [1, 2], "the viewer catches up")
        assert not other.adopt_orphans()
        producer.write(event("tick"))
    recovers(lambda: is_ready(store) and is_ready(other), "the workers are ready")
    assert other.find("r2") is None
    store.create(run_info("r4"))


def test_the_backlog_of_a_run_is_limited(direct: Connection, worker: Callable[..., RedisStore]) -> None:
    """Beyond the limit a run is lost; the end that its producer then writes is kept once Redis accepts it."""
    store = worker()
    producer = start_run(store)
    direct.execute([("CONFIG", "SET", "maxmemory", 1)])
    try:
        producer.append(event("tick"))
        until(lambda: not is_ready(store), "the worker is not ready")
        outgrow(producer)
    finally:
        direct.execute([("CONFIG", "SET", "maxmemory", 0)])
    other = worker()
    recovers(lambda: last_shown(other, "r") == producer.recorder.last, "the end is kept")
    assert other.find("r").status == "failed"  # type: ignore[union-attr]


def test_a_slow_server_does_not_stop_the_hub(direct: Connection, worker: Callable[..., RedisStore]) -> None:
    """While Redis does not answer, a start is refused in time, and everything else in the worker goes on."""
    store = worker()
    producer = start_run(store)
    with responsive_hub():
        direct.execute([("CLIENT", "PAUSE", 3000, "ALL")])
        start = time.monotonic()
        with pytest.raises(StoreAway):
            store.create(run_info("r2"))
        assert time.monotonic() - start < 3
    producer.append(event("tick"))
    recovers(lambda: last_shown(store, "r") == 2, "the run goes on")
    until(
        lambda: [record.info.id for record in worker().adopt_orphans()] in ([], ["r2"]),
        "r2 is lost, or was not created",
    )


def test_no_server(worker: Callable[..., RedisStore]) -> None:
    """A worker starts without Redis, refuses requests, and closes in time."""
    store = worker(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(StoreAway):
        store.create(run_info("r"))
    with pytest.raises(StoreAway):
        store.find("r")
    with pytest.raises(StoreAway):
        store.ready()
    start = time.monotonic()
    store.close()
    assert time.monotonic() - start < 3


# A server that may drop what it keeps


@contextlib.contextmanager
def policy(direct: Connection, name: str, most: str = "1500mb") -> Iterator[None]:
    """Sets what the server does once its memory is full."""
    direct.execute([("CONFIG", "SET", "maxmemory", most, "maxmemory-policy", name)])
    try:
        yield
    finally:
        direct.execute([("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")])


@pytest.mark.parametrize("name", ["allkeys-lru", "volatile-ttl"])
def test_a_policy_that_is_refused(
    server: Server, direct: Connection, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """An application does not start over it, unless its URL accepts that, which is a warning."""
    app = partial(Headway, Flask(__name__))
    with policy(direct, name):
        with pytest.raises(SettingError) as refused:
            app(store=server.url)
        (line,) = str(refused.value).splitlines()
        assert line.startswith("HEADWAY_STORE: ")
        assert f"maxmemory-policy {name}" in line
        assert not caplog.records
        app(store=f"{server.url}?eviction=accept")
        (warning,) = caplog.messages
        assert f"maxmemory-policy {name}" in warning
        write_and_read(f"{server.url}?eviction=accept")
    caplog.clear()
    with policy(direct, "noeviction"):
        app(store=server.url)
    with policy(direct, name, "0"):
        app(store=server.url)
    app(store=f"redis://127.0.0.1:{free_port()}/0")  # away
    assert not caplog.records
    with pytest.raises(SettingError, match="not shown"):
        app(store=f"{server.url}?eviction=perhaps").runner  # noqa: B018  # makes it


def test_a_bound_above_that_of_redis(server: Server, direct: Connection, caplog: pytest.LogCaptureFixture) -> None:
    """It is warned of: Redis would refuse writes before runs make room."""
    with policy(direct, "noeviction", "1gb"):
        Headway(Flask(__name__), store=server.url)
    (warning,) = caplog.messages
    assert "HEADWAY_STORE_BYTES is 1073741824, and the maxmemory of Redis 1073741824" in warning


@pytest.mark.parametrize(("forbidden", "refused"), [("config", True), ("info", True), ("info config", False)])
def test_a_policy_that_an_acl_hides(
    server: Server, direct: Connection, caplog: pytest.LogCaptureFixture, forbidden: str, refused: bool
) -> None:
    """It is read by INFO or by CONFIG; where both are forbidden, the start says so in a warning."""
    rules = [f"-{command}" for command in forbidden.split()]
    direct.execute([("ACL", "SETUSER", "ann", "reset", "on", ">pw", "~headway:*", "+@all", *rules)])
    url = f"redis://ann:pw@127.0.0.1:{server.port}/0"
    with policy(direct, "allkeys-lfu"):
        with pytest.raises(SettingError) if refused else contextlib.nullcontext():
            Headway(Flask(__name__), store=url)
        assert [message for message in caplog.messages if "cannot be read" in message] == caplog.messages
        assert bool(caplog.messages) is not refused


def test_a_policy_that_changes_later(
    direct: Connection, worker: Callable[..., RedisStore], caplog: pytest.LogCaptureFixture
) -> None:
    """The maintenance notices: the worker is not ready and starts nothing, its runs go on, until it is put right."""
    store = worker()
    producer = start_run(store)
    store.sweep()
    with policy(direct, "volatile-lru"):
        store.driver._checked_at = float("-inf")  # type: ignore[attr-defined]
        for _ in range(3):
            store.sweep()
        assert not is_ready(store)
        with pytest.raises(StoreAway):
            store.create(run_info("r2"))
        assert not store.adopt_orphans()
        producer.write(event("tick"))
        assert [record.message for record in caplog.records if "volatile-lru" in record.message] == caplog.messages
        assert len(caplog.messages) == 1
    store.sweep()
    assert is_ready(store)
    start_run(store, "r2").end()


# URLs


@contextlib.contextmanager
def custom_redis(*arguments: str) -> Iterator[tuple[Path, int]]:
    """Starts a Redis with these arguments. Gives its folder and its port."""
    address = Address(port=free_port())
    with scratch() as folder:
        common = [program("redis-server"), "--dir", str(folder), "--save", "", "--bind", address.host]
        custom = [argument.replace("@folder@", str(folder)) for argument in arguments]
        with launched("redis", [*common, "--port", str(address.port), *custom], address, folder, ready=answers_redis):
            yield folder, address.port


def write_and_read(url: str) -> None:
    """Writes a run to the store at `url`, and reads it."""
    store = open_store(Settings.read({"HEADWAY_STORE": url}))
    try:
        with responsive_hub():
            start_run(store).end()
            assert ids(read_all(store, "r")) == [1, 2]
            gevent.sleep(0.7)  # the listener waits in vain
    finally:
        store.close()


def test_a_password_and_a_database(worker: Callable[..., RedisStore]) -> None:
    """A URL may hold a user, a password and a database."""
    with redis() as server:
        admin = Connection(server.url)
        admin.execute([("ACL", "SETUSER", "ann", "on", ">s3cret/", "~headway:*", "+@all")])
        admin.close()
        url = f"redis://ann:s3cret%2F@127.0.0.1:{server.port}/3"
        write_and_read(url)
        user = Connection(url)
        assert user.execute([("CLIENT", "LIST", "ID", 1), ("EXISTS", "headway:run:r")])[1] == 1
        user.close()
        wrong = worker(f"redis://ann:wrong@127.0.0.1:{server.port}/3")
        with pytest.raises(StoreAway, match="password"):
            wrong.find("r")
        wrong.close()


def test_a_unix_socket() -> None:
    """A URL may name a socket of this machine."""
    with custom_redis("--unixsocket", "@folder@/s") as (folder, _):
        write_and_read(f"unix://{folder}/s?db=1")


def test_tls(certificate: Certificate, worker: Callable[..., RedisStore]) -> None:
    """A URL may ask for TLS; a certificate of an unknown authority is refused."""
    tls = free_port()
    files = ["--tls-cert-file", str(certificate.certfile), "--tls-key-file", str(certificate.keyfile)]
    with custom_redis("--tls-port", str(tls), *files, "--tls-ca-cert-file", str(certificate.authority),
                 "--tls-auth-clients", "no"):  # fmt: skip
        write_and_read(f"rediss://localhost:{tls}/0?ssl_ca_certs={certificate.authority}")
        untrusting = worker(f"rediss://localhost:{tls}/0")
        with pytest.raises(StoreAway, match="certificate"):
            untrusting.find("r")
        untrusting.close()


@pytest.mark.parametrize("url", ["redis://", "redis://host:port/0", "redis://host/zero", "unix://", "rediss:///0"])
def test_urls_that_cannot_be_read(url: str) -> None:
    """They raise an error that shows what the variable takes."""
    with pytest.raises(SettingError, match=r"HEADWAY_STORE is .*redis://HOST:PORT/DB"):
        Settings.read({"HEADWAY_STORE": url})
