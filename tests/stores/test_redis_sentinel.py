"""A store behind Sentinels, and what a fail-over costs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gevent
import pytest
from gevent.server import StreamServer

from streaming import event
from streaming.errors import SettingError, StoreAway
from streaming.settings import Settings
from streaming.stores.redis.connection import Connection
from streaming.stores.redis.store import RedisStore
from streaming.stores.redis.url import read_url
from streaming.stores.shared import SharedStore
from tests.figures import Figures
from tests.servers import Server, free_port, redis
from tests.stores.contract import run_info, until
from tests.stores.redis_user import limited
from tests.stores.sentinels import Failover, failover_set
from tests.stores.shared_contract import MakeWorker, ids, read_all, soon, start_run, watching, workers

pytestmark = pytest.mark.live

# A fail-over


@pytest.fixture(scope="module")
def group() -> Iterator[Failover]:
    """A primary, a replica and three Sentinels."""
    with failover_set() as group:
        yield group


@pytest.mark.parametrize("how", [pytest.param("asked for", marks=pytest.mark.long), "killed"])
def test_a_failover(group: Failover, how: str, figures: Figures) -> None:
    """Viewers stay, no event is missing or doubled, runs can be started again, and fences hold."""
    group.wait_until_settled()
    with workers(partial(RedisStore, group.url)) as worker:
        store, other = worker(), worker()
        producers = [start_run(store, f"{how[0]}{number}") for number in range(5)]
        with contextlib.ExitStack() as stack:
            seen = [stack.enter_context(watching(other, producer.run)) for producer in producers]
            for producer in producers:
                producer.append(event("tick"))
            soon(lambda: all(len(each) == 2 for each in seen), "the viewers on the other worker keep up")
            before = group.primary
            began = shown = time.monotonic()
            silence, known = 0.0, 2
            if how == "asked for":
                group.ask("FAILOVER", "runs")
            else:
                before.kill()
            count = 2
            while group.primary is before or not is_ready(store) or time.monotonic() - began < 1:
                for producer in producers:
                    producer.append(event("tick"))
                count += 1
                gevent.sleep(0.02)
                if len(seen[0]) > known:
                    silence, shown, known = max(silence, time.monotonic() - shown), time.monotonic(), len(seen[0])
                assert time.monotonic() - began < 60, "no fail-over"
            until(lambda: all(len(each) == count for each in seen), "the viewers catch up")
            figures.add(f"a fail-over, {how}", f"longest silence {max(silence, time.monotonic() - shown):.2f} s")
            assert [ids(each) for each in seen] == [list(range(1, count + 1))] * 5
            until(lambda: is_ready(other), "the other worker is ready")
            store.create(run_info(f"{how[0]}-new"))
            assert not other.adopt_orphans()
        reader = worker()
        for producer in producers:
            kept = partial(read_all, reader, producer.run)
            until(lambda kept=kept: ids(kept()) == list(range(1, count + 1)), "the new primary has all")  # type: ignore[misc]


def is_ready(store: SharedStore) -> bool:
    """Whether the worker is ready."""
    with contextlib.suppress(StoreAway):
        store.ready()
        return True
    return False


# Sentinels that are away, late or wrong


class FakeSentinel:
    """Names one server, or none; `asked` counts the questions, `said` is what came before them."""

    def __init__(self, names: int | None, *, silent: bool = False) -> None:
        self.names: Any = names
        self.asked = 0
        self.said = b""
        self._silent = silent
        self._server = StreamServer(("127.0.0.1", 0), self._answer)
        self._server.start()
        self.port = int(self._server.server_port or 0)

    def close(self) -> None:
        """Stops it."""
        self._server.stop(timeout=0)

    def _answer(self, sock: Any, _: Any) -> None:
        while data := sock.recv(4096):
            self.asked += b"SENTINEL" in data
            self.said += data
            if self._silent:
                continue
            if b"SENTINEL" not in data:
                sock.sendall(b"+OK\r\n")
            elif self.names is None:
                sock.sendall(b"*-1\r\n")
            else:
                sock.sendall(b"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n%05d\r\n" % self.names)


@pytest.fixture
def fake() -> Iterator[Callable[..., FakeSentinel]]:
    """Makes Sentinels."""
    made: list[FakeSentinel] = []

    def make(names: int | None, **options: Any) -> FakeSentinel:
        made.append(FakeSentinel(names, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    """Two servers without persistence, each a primary."""
    with redis() as one, redis() as two:
        yield one, two


@pytest.fixture
def worker() -> Iterator[MakeWorker]:
    """Makes the store of a worker."""
    with workers(RedisStore) as make:
        yield make


def url_of(*sentinels: int, options: str = "") -> str:
    """The URL of a store behind these Sentinels."""
    return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in sentinels)}/runs/0{options}"


def test_the_next_sentinel_is_asked(
    servers: tuple[Server, Server], worker: MakeWorker, fake: Callable[..., FakeSentinel]
) -> None:
    """One that is away, silent, ignorant or wrong costs half a second at most, and the one that was right is kept."""
    silent, ignorant, right = fake(None, silent=True), fake(None), fake(servers[0].port)
    wrong = fake(free_port())
    store = worker(url_of(free_port(), silent.port, ignorant.port, wrong.port, right.port))
    until(lambda: is_ready(store), "the worker is ready")
    asked = silent.asked + ignorant.asked + wrong.asked
    start_run(store, "asked").end()
    assert silent.asked + ignorant.asked + wrong.asked <= asked + 3  # the lease's connection may ask at the same time
    assert right.asked
    for each in (silent, ignorant, wrong):
        assert b"runs" in each.said


def test_the_primary_moves(
    servers: tuple[Server, Server], worker: MakeWorker, fake: Callable[..., FakeSentinel]
) -> None:
    """Workers leave a primary that still takes writes, or is a replica now, and write what the new one lacks."""
    sentinel, (one, two) = fake(servers[0].port), servers
    store, other = (worker(url_of(sentinel.port), lease=0.6) for _ in range(2))
    producer = start_run(store, "moving")
    with watching(other, "moving") as seen:
        producer.write(event("tick"))
        sentinel.names = two.port  # nothing is cut: workers find out as they renew their leases
        reader = worker(two.url)
        until(lambda: reader.find("moving"), "the new primary has the run")
        assert ids(read_all(reader, "moving")) == [1, 2]
        direct = Connection(two.url)
        try:
            direct.execute([("REPLICAOF", "127.0.0.1", one.port)])
            sentinel.names = one.port
            producer.append(event("tick"))
            until(lambda: len(seen) == 3, "the viewer goes on")
        finally:
            direct.execute([("REPLICAOF", "NO", "ONE")])
            direct.close()
    assert ids(read_all(worker(one.url), "moving")) == [1, 2, 3]
    producer.end()


def test_a_service_that_no_sentinel_knows(
    worker: MakeWorker, fake: Callable[..., FakeSentinel], caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so in one line, however long it is tried."""
    sentinel = fake(None)
    store = worker(url_of(sentinel.port))
    until(lambda: sentinel.asked > 2, "it is asked again")
    assert not is_ready(store)
    (line,) = [message for message in caplog.messages if "is away" in message]
    assert f"127.0.0.1:{sentinel.port}: it knows no service 'runs'" in line


def test_credentials_of_both(
    servers: tuple[Server, Server], worker: MakeWorker, fake: Callable[..., FakeSentinel]
) -> None:
    """The user of the URL is that of Redis; the Sentinels have their own."""
    sentinel = fake(servers[0].port)
    url = url_of(sentinel.port, options="?sentinel_username=asker&sentinel_password=p%40ss")
    assert limited(servers[0]).startswith("redis://app:pw@")
    start_run(worker(url.replace("://", "://app:pw@")), "credentials").end()
    assert b"AUTH\r\n$5\r\nasker\r\n$4\r\np@ss\r\n" in sentinel.said
    assert b"app" not in sentinel.said


# URLs


def test_a_url_with_sentinels() -> None:
    """Each part of it is where an operator expects it."""
    url = "rediss+sentinel://ann:s%2Fc@a.example:1,[::1]:2,c.example/runs/3?sentinel_password=pw&sentinel_ssl=false"
    read = read_url(f"{url}&ssl_check_hostname=no&prefix=x:")
    assert read.service == "runs"
    assert (read.redis.options["username"], read.redis.options["password"], read.redis.options["db"]) == (
        "ann",
        "s/c",
        3,
    )
    assert (read.redis.scheme, read.redis.options["ssl_check_hostname"]) == ("rediss", False)
    assert [str(each) for each in read.sentinels] == ["a.example:1", "::1:2", "c.example:26379"]
    assert {(each.scheme, each.options["password"], each.options.get("username")) for each in read.sentinels} == {
        ("redis", "pw", None)
    }
    assert {each.scheme for each in read_url("rediss+sentinel://a/runs").sentinels} == {"rediss"}
    assert read.prefix == "x:headway:"


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a:1,b:2",
        "redis+sentinel://a:1,b:2/",
        "redis+sentinel:///runs/0",
        "redis+sentinel://a:1,,b:2/runs/0",
        "redis+sentinel://a:1/runs/zero",
        "redis+sentinel://:s3cret@/runs/0",
    ],
)
def test_urls_that_cannot_be_read(url: str) -> None:
    """The start stops with one line, which says what the variable takes."""
    with pytest.raises(
        SettingError, match=r"^HEADWAY_STORE is .*redis\+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB"
    ) as refused:
        Settings.read({"HEADWAY_STORE": url})
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("url", ["redis+sentinel://a:port/runs", "redis+sentinel://:s3cret@a:1/runs?no_such=1"])
def test_options_that_there_are_not(url: str) -> None:
    """They stop it too, when the store is opened."""
    with pytest.raises(SettingError, match=r"^HEADWAY_STORE is \(not shown\); it takes") as refused:
        read_url(url)
    assert "s3cret" not in str(refused.value)
