"""Ordinary answers: how long a client may take nothing of one, and how much waits for clients altogether."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import gevent
import gevent.socket
import pytest
from flask import Flask

from streaming.clock import ManualClock
from streaming.errors import Unavailable
from streaming.http.answers import SHARE, SLICE, WAITING, Answer, Answers, Sending
from streaming.http.heartbeat import Heartbeat
from streaming.runtime.worker import Worker
from tests.worlds import WORLDS, entered

TIMEOUT = 30.0


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker whose hub serves."""
    with entered(WORLDS[0]) as world:
        yield world.worker


@pytest.fixture
def clock() -> ManualClock:
    """The time of the answers."""
    return ManualClock()


@pytest.fixture
def answers(worker: Worker, clock: ManualClock) -> Iterator[Answers]:
    """The part of the worker."""
    with closing(Answers(worker, clock)) as answers:
        yield answers


class Client:
    """A server's greenlet that writes an answer to a socket, and the client's end."""

    def __init__(self, answers: Answers, size: int, name: str = "ann") -> None:
        self.server, self.socket = gevent.socket.socketpair()
        environ = {"gunicorn.socket": self.server}
        self.sending = Sending([b"x" * size], environ, answers, TIMEOUT, name, size)
        self.greenlet = gevent.spawn(self._serve)
        gevent.sleep(0.01)

    def _serve(self) -> None:
        with suppress(OSError):
            for piece in self.sending:
                assert len(piece) <= SLICE
                self.server.sendall(piece)
        self.sending.close()
        self.server.close()

    @property
    def served(self) -> bool:
        """Whether the server is done with it."""
        gevent.sleep(0.01)
        return self.greenlet.ready()

    def read(self, size: int) -> None:
        """Reads a part of the answer."""
        while size > 0:
            size -= len(self.socket.recv(min(size, 65_536)))


def advance(clock: ManualClock, seconds: float) -> None:
    """Moves the time in steps that the timer sees."""
    for _ in range(int(seconds)):
        clock.advance(1)
        gevent.sleep(0.001)


def test_a_client_that_reads_nothing_is_cut(answers: Answers, clock: ManualClock) -> None:
    """Once it has taken nothing for the send timeout; its greenlet and its memory are free then."""
    client = Client(answers, 50_000_000)
    advance(clock, TIMEOUT / 2)
    assert not client.served
    advance(clock, TIMEOUT)
    assert client.served
    assert answers.worker.part(Heartbeat).take_cut() == 1
    with pytest.raises(BrokenPipeError):
        client.socket.sendall(b"x")
    client.socket.close()


def test_a_slow_client_is_kept(answers: Answers, clock: ManualClock) -> None:
    """As long as it takes something now and then."""
    client = Client(answers, 10_000_000)
    for _ in range(10):
        advance(clock, TIMEOUT / 2)
        client.read(1_000_000)
    assert client.served
    client.socket.close()


@pytest.mark.parametrize("before", [0, 5], ids=["before the first look", "later"])
def test_an_answer_that_its_server_has_left(answers: Answers, clock: ManualClock, before: int) -> None:
    """A middleware may keep its body and close nothing: it does not count for ever."""
    server, socket = gevent.socket.socketpair()
    size = WAITING // SHARE
    pieces = iter(Sending([b"x" * size], {"gunicorn.socket": server}, answers, TIMEOUT, "ann", size))
    next(pieces)
    advance(clock, before)
    server.close()
    with pytest.raises(Unavailable):
        answers.check_room("ann", SLICE + 1)
    advance(clock, 2 * TIMEOUT)
    answers.check_room("ann", SLICE + 1)
    socket.close()


def test_what_waits_is_bounded(answers: Answers) -> None:
    """Past the total a large answer is refused, until one is read or given up; small ones never are."""
    count = WAITING // 16_777_216
    clients = [Client(answers, 16_777_216, f"client {number}") for number in range(count)]
    with pytest.raises(Unavailable) as refusal:
        answers.check_room("another", SLICE + 1)
    assert (refusal.value.code, refusal.value.retry_after) == ("too_many_answers", 2)
    answers.check_room("another", SLICE)
    clients[0].socket.close()
    assert clients[0].served
    answers.check_room("another", SLICE + 1)
    for client in clients:
        client.socket.close()
        assert client.served


def test_one_client_has_a_share(answers: Answers) -> None:
    """The answers that it does not read are refused to it, and not to others."""
    clients = [Client(answers, WAITING // SHARE // 2, "ann") for _ in range(2)]
    with pytest.raises(Unavailable):
        answers.check_room("ann", SLICE + 1)
    answers.check_room("bob", SLICE + 1)
    for client in clients:
        client.socket.close()
        assert client.served
    answers.check_room("ann", SLICE + 1)


def test_an_answer_is_a_response_like_any_other(worker: Worker) -> None:
    """Its length is there, functions of the application may change it, and HEAD and 204 have no body."""
    app = Flask(__name__)
    app.response_class = Answer
    app.add_url_rule("/", "large", lambda: Answer(b"x" * (2 * SLICE + 1)))
    app.add_url_rule("/none", "none", lambda: ("", 204))

    @app.after_request
    def change(response: Any) -> Any:
        if response.status_code == 200:
            response.set_data(response.get_data() + b"y")
        return response

    with app.test_client() as client:
        answer = client.get("/")
        assert (len(answer.data), answer.content_length) == (2 * SLICE + 2, 2 * SLICE + 2)
        assert (client.head("/").data, client.head("/").content_length) == (b"", 2 * SLICE + 2)
        assert client.get("/none").data == b""
    assert not worker.part(Answers)._sending
