"""A Redis that is away: killed, restarted with its data or without, out of memory, a replica, slow, in need of TLS."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from streaming import event
from streaming.errors import SettingError, StoreAway
from streaming.protocol.events import make_event
from streaming.settings import Settings
from streaming.stores import open_store
from streaming.stores.redis.connection import Wire
from streaming.stores.redis.store import AWAY_BYTES, RedisStore
from tests.clients import Address
from tests.conftest import Certificate
from tests.servers import Server, answers_redis, free_port, launched, program, redis, scratch
from tests.stores.contract import Producer, opened, shown, until
from tests.stores.test_redis_workers import numbers, producing, soon, told, watching

pytestmark = pytest.mark.live

BOUND = 5.0
"""Seconds within which everything is as it was once Redis is back; it takes less than two."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis that is there all the time, and whose refusals are made by its settings; it cannot save to disk."""
    folder = tmp_path_factory.mktemp("redis")
    with redis(folder=folder) as server:
        (folder / "dump.rdb").mkdir()
        yield server


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """A look behind the logs; Redis is empty when the test begins."""
    wire = Wire(server.url)
    wire.ask([("FLUSHALL",)])
    yield wire
    wire.close()


@pytest.fixture
def worker(server: Server, wire: Wire) -> Iterator[Callable[..., RedisStore]]:
    """Makes the log of a worker."""
    with contextlib.ExitStack() as made:

        def make(url: str = server.url, **said: Any) -> RedisStore:
            log = RedisStore(url, **said)
            made.callback(log.close)
            return log

        yield make


def put(producer: Producer, *events: Any) -> None:
    """Appends without waiting for anything to be shown."""
    for each in events:
        producer.recorder.add(each)
    block = producer.recorder.take()
    producer.frames += block.frames
    producer.log.append(producer.run, block, producer.recorder.fold)


def back(condition: Callable[[], object], what: str) -> None:
    """Waits until all is well again."""
    with gevent.Timeout(BOUND, AssertionError(f"{what}: not within {BOUND} s")):
        until(condition, what)


def answers(log: RedisStore) -> bool:
    """Whether the worker would say that it is ready."""
    with contextlib.suppress(StoreAway):
        log.ready()
        return True
    return False


@contextlib.contextmanager
def turning() -> Iterator[None]:
    """Nothing in the block stops the hub."""
    turns: list[float] = []

    def turn() -> None:
        while True:
            turns.append(time.monotonic())
            gevent.sleep(0.01)

    turner = gevent.spawn(turn)
    try:
        yield
    finally:
        turner.kill()
    assert max(after - before for before, after in itertools.pairwise(turns)) < 0.5


# Killed and restarted


def test_a_restart_with_persistence(tmp_path: Path, worker: Callable[..., RedisStore]) -> None:
    """While Redis is away starts are refused and nothing is shown; once it is back, nothing is missing anywhere."""
    port = free_port()
    with redis(persistent=True, folder=tmp_path, port=port) as first:
        log, other = worker(first.url), worker(first.url)
        producer = producing(log)
        with watching(other, "r") as far, watching(log, "r") as near:
            soon(lambda: len(far) == 1, "the viewer elsewhere keeps up")
            first.kill()
            for _ in range(50):
                put(producer, event("tick"))
            until(lambda: not answers(log), "the worker is not ready")
            with pytest.raises(StoreAway):
                log.create(opened("r2"))
            with pytest.raises(StoreAway):
                other.find("r")
            assert (len(near), len(far)) == (1, 1)
            with redis(persistent=True, folder=tmp_path, port=port):
                back(lambda: len(near) == len(far) == 51, "the viewers catch up")
                assert numbers(near) == numbers(far) == list(range(1, 52))
                back(lambda: answers(log), "the worker is ready")
                log.create(opened("r2"))
                producer.end()
                assert numbers(told(worker(first.url), "r")) == list(range(1, 53))
                for each in (log, other):
                    each.close()


def test_a_restart_without_persistence(tmp_path: Path, worker: Callable[..., RedisStore]) -> None:
    """A Redis that comes back empty is told of live runs by their producers, silent ones too: no viewer notices."""
    port = free_port()
    with redis(port=port) as first:
        log, other = worker(first.url), worker(first.url)
        silent, busy = producing(log, "silent", key="k", digest="d"), producing(log, "busy")
        busy.write(*(event("tick") for _ in range(9)))
        log.cancel("silent", "requested")
        with watching(other, "busy") as far:
            soon(lambda: len(far) == 10, "the viewer elsewhere keeps up")
            first.kill()
            put(busy, event("tick"))
            with redis(port=port):
                back(lambda: len(far) == 11, "the viewer catches up")
                stranger = worker(first.url)
                back(lambda: stranger.find("silent"), "the silent run is there again")
                assert stranger.find("silent").status == "cancelling"  # type: ignore[union-attr]
                put(busy, make_event("done", {"status": "succeeded"}))
                back(lambda: len(far) == 12, "the viewer sees the end")
                assert numbers(told(stranger, "busy")) == numbers(far) == list(range(1, 13))
                assert stranger.create(opened("again", key="k", digest="d")) == silent.log.find("silent").info  # type: ignore[union-attr]
                assert stranger.live("") == 1
                for each in (log, other, stranger):
                    each.close()


def test_a_run_that_is_lost_with_its_producer(wire: Wire, worker: Callable[..., RedisStore]) -> None:
    """Where nobody is left to tell of it, the viewers of a run are let go, and nobody waits for ever."""
    log, other = worker(), worker(lease=0.3)
    producing(log)
    with watching(other, "r") as seen:
        soon(lambda: len(seen) == 1, "the viewer is there")
        assert not other.read("r", 1).over
        gevent.killall(log._greenlets)
        log._greenlets = []
        wire.ask([("FLUSHALL",)])
        back(lambda: other.read("r", 1).over, "the stream of the viewer ends")
    assert other.find("r") is None


def test_a_failover_that_lost_the_last_moments(wire: Wire, worker: Callable[..., RedisStore]) -> None:
    """Events that a replica had not seen yet are told again before what follows them."""
    producer = producing(worker())
    producer.write(*(event("tick") for _ in range(5)))
    producer.write(event("tick"), event("tick"))
    wire.ask([("XTRIM", "headway:run:r:events", "MAXLEN", 1), ("HSET", "headway:run:r", "last", 1)])
    wire.ask([("DEL", "headway:run:r:events"), ("XADD", "headway:run:r:events", "1-0", "first", 1, "frames",
              producer.frames[0], "over", "")])  # fmt: skip
    producer.write(event("tick"))
    batch = worker().read("r", 0)
    assert (batch.block, batch.last) == (b"".join(producer.frames), 9)


def test_connections_that_are_cut(wire: Wire, worker: Callable[..., RedisStore]) -> None:
    """However often its connections are cut, a worker loses and repeats nothing."""
    log, other = worker(), worker()
    producer = producing(log)
    with watching(other, "r") as seen:
        for number in range(30):
            wire.ask([("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")])
            for _ in range(3):
                put(producer, event("tick", {"n": number}))
                gevent.sleep(0.001)
        back(lambda: len(seen) == 91, "the viewer has seen everything")
    assert numbers(seen) == list(range(1, 92))
    assert numbers(told(worker(), "r")) == list(range(1, 92))


def test_scripts_that_are_forgotten(wire: Wire, worker: Callable[..., RedisStore]) -> None:
    """A server that forgets its scripts is given them again."""
    producer = producing(worker())
    wire.ask([("SCRIPT", "FLUSH")])
    producer.write(event("tick"))
    assert numbers(told(worker(), "r")) == [1, 2]


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
def test_a_server_that_takes_nothing(wire: Wire, worker: Callable[..., RedisStore], refusal: str) -> None:
    """Starts are refused, nothing is shown that is not kept, no run is taken over, and afterwards all goes on."""
    log, other = worker(lease=1.0), worker(lease=1.0)
    producer = producing(log)
    stop, go_on = REFUSALS[refusal]
    with watching(other, "r") as seen:
        wire.ask(stop)
        try:
            until(lambda: isinstance(wire.ask([("SET", "probe", 1)])[0], Exception), "the server refuses")
            put(producer, event("tick"))
            until(lambda: not answers(log), "the worker is not ready")
            with pytest.raises(StoreAway):
                log.create(opened("r2"))
            with pytest.raises(StoreAway):
                other.create(opened("r3"))
            assert shown(log, "r") == 1
            gevent.sleep(1.2)  # longer than a lease
        finally:
            assert not [reply for reply in wire.ask(go_on) if isinstance(reply, Exception)]
        back(lambda: numbers(seen) == [1, 2], "the viewer catches up")
        assert not other.orphans()
        producer.write(event("tick"))
    back(lambda: answers(log) and answers(other), "the workers are ready")
    assert other.find("r2") is None
    log.create(opened("r4"))


def test_what_a_run_may_have_waiting_is_bounded(wire: Wire, worker: Callable[..., RedisStore]) -> None:
    """Past its bound a run is told that the store is lost; the ending that it then writes is kept once it can be."""
    log = worker()
    producer = producing(log)
    wire.ask([("CONFIG", "SET", "maxmemory", 1)])
    try:
        put(producer, event("tick"))
        until(lambda: not answers(log), "the worker is not ready")
        size = 0
        while log.control("r").lost is None:
            put(producer, event("large", {"text": "x" * 100_000}))
            size += 100_000
            assert size < 2 * AWAY_BYTES
        assert isinstance(log.control("r").lost, StoreAway)
        assert size > AWAY_BYTES - 200_000
        put(producer, make_event("error", {"code": "operation_failed"}), make_event("done", {"status": "failed"}))
    finally:
        wire.ask([("CONFIG", "SET", "maxmemory", 0)])
    stranger = worker()
    back(lambda: shown(stranger, "r") == producer.recorder.last, "the ending is kept")
    assert stranger.find("r").status == "failed"  # type: ignore[union-attr]


def test_a_slow_server_does_not_stop_the_hub(wire: Wire, worker: Callable[..., RedisStore]) -> None:
    """While Redis answers nobody, a start is refused in time, everything else in the worker goes on, and so do runs."""
    log = worker()
    producer = producing(log)
    with turning():
        wire.ask([("CLIENT", "PAUSE", 3000, "ALL")])
        began = time.monotonic()
        with pytest.raises(StoreAway):
            log.create(opened("r2"))
        assert time.monotonic() - began < 3
    put(producer, event("tick"))
    back(lambda: shown(log, "r") == 2, "the run goes on")
    until(lambda: [record.info.id for record in worker().orphans()] in ([], ["r2"]), "r2 is nobody's, or never was")


def test_a_server_that_is_not_there(worker: Callable[..., RedisStore]) -> None:
    """A worker begins without it, refuses what it cannot keep, and ends in time."""
    log = worker(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(StoreAway):
        log.create(opened("r"))
    with pytest.raises(StoreAway):
        log.find("r")
    with pytest.raises(StoreAway):
        log.ready()
    began = time.monotonic()
    log.close()
    assert time.monotonic() - began < 3


# Where it may be


@contextlib.contextmanager
def special(*arguments: str) -> Iterator[tuple[Path, int]]:
    """A Redis that is started in another way: its folder and its port."""
    address = Address(port=free_port())
    with scratch() as folder:
        common = [program("redis-server"), "--dir", str(folder), "--save", "", "--bind", address.host]
        told = [argument.replace("@folder@", str(folder)) for argument in arguments]
        with launched("redis", [*common, "--port", str(address.port), *told], address, folder, ready=answers_redis):
            yield folder, address.port


def write_and_read(url: str) -> None:
    """A run's life over this URL."""
    log = open_store(Settings.read({"HEADWAY_STORE": url}))
    try:
        with turning():
            producing(log).end()
            assert numbers(told(log, "r")) == [1, 2]
            gevent.sleep(0.7)  # the reader waits for what does not come
    finally:
        log.close()


def test_a_password_and_a_database(worker: Callable[..., RedisStore]) -> None:
    """A URL may hold a user, a password and a database."""
    with redis() as server:
        Wire(server.url).ask([("ACL", "SETUSER", "ann", "on", ">s3cret/", "~headway:*", "+@all")])
        url = f"redis://ann:s3cret%2F@127.0.0.1:{server.port}/3"
        write_and_read(url)
        wire = Wire(url)
        assert wire.ask([("CLIENT", "LIST", "ID", 1), ("EXISTS", "headway:run:r")])[1] == 1
        wire.close()
        wrong = worker(f"redis://ann:wrong@127.0.0.1:{server.port}/3")
        with pytest.raises(StoreAway, match="password"):
            wrong.find("r")
        wrong.close()


def test_a_unix_socket() -> None:
    """A URL may name a socket of this machine."""
    with special("--unixsocket", "@folder@/s") as (folder, _):
        write_and_read(f"unix://{folder}/s?db=1")


def test_tls(certificate: Certificate, worker: Callable[..., RedisStore]) -> None:
    """A URL may ask for TLS, and a server whose certificate nobody here has heard of is not trusted."""
    tls = free_port()
    files = ["--tls-cert-file", str(certificate.certfile), "--tls-key-file", str(certificate.keyfile)]
    with special("--tls-port", str(tls), *files, "--tls-ca-cert-file", str(certificate.authority),
                 "--tls-auth-clients", "no"):  # fmt: skip
        write_and_read(f"rediss://localhost:{tls}/0?ssl_ca_certs={certificate.authority}")
        stranger = worker(f"rediss://localhost:{tls}/0")
        with pytest.raises(StoreAway, match="certificate"):
            stranger.find("r")
        stranger.close()


@pytest.mark.parametrize("url", ["redis://", "redis://host:port/0", "redis://host/zero", "unix://", "rediss:///0"])
def test_urls_that_cannot_be_read(url: str) -> None:
    """They stop the start, with what the variable takes."""
    with pytest.raises(SettingError, match=r"HEADWAY_STORE is .*redis://HOST:PORT/DB"):
        Settings.read({"HEADWAY_STORE": url})
