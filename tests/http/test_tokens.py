"""Run tokens: what each opens and what not, by what it is signed, and when it ends.

The requests come from Flask's test client, in both worlds: with the hub in the thread that serves, and beside it.
"""

from __future__ import annotations

import gc
import logging
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask, abort, request
from werkzeug.test import TestResponse

from streaming import Event, Headway, ManualClock, file, operation
from streaming.errors import InvalidInput, Unauthorized
from streaming.http.tokens import Expiries
from streaming.runtime.worker import Worker
from streaming.stores.base import Store
from streaming.stores.memory import MemoryStore
from streaming.stores.sqlite.store import SqliteStore
from tests.apps.serving import create_app
from tests.clients import parse_frames
from tests.servers import redis
from tests.worlds import World

ASYNC = {"Prefer": "respond-async"}
KEYS = {"HEADWAY_API_KEYS": "ann:k1,bob:k2"}
ANN = {"Authorization": "Bearer k1"}
BOB = {"Authorization": "Bearer k2"}


class Service:
    """An application with keys, and what a client without one asks of it."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client = app.test_client()
        self.headway: Headway = app.extensions["headway"]

    def start(self, *acts: str, headers: dict[str, str] = ANN) -> str:
        """Starts a run of `headers`' owner without a stream, and gives its id."""
        response = self.client.post("/operations/scripted", json={"acts": acts}, headers={**headers, **ASYNC})
        assert response.status_code == 202, response.text
        return str(response.headers["Run-Id"])

    def token(self, run: str, *may: str, seconds: int = 900, headers: dict[str, str] = ANN) -> str:
        """A token for a run."""
        body = {"seconds": seconds, "may": may or ["watch"]}
        response = self.client.post(f"/runs/{run}/tokens", json=body, headers=headers)
        assert response.status_code == 201, response.text
        return str(response.get_json()["token"])

    def ask(self, method: str, path: str, token: str, **options: Any) -> TestResponse:
        """The response to a request with the token in its header."""
        return self.client.open(path, method=method, headers={"Authorization": f"Bearer {token}"}, **options)

    def ended(self, *acts: str) -> str:
        """A run that is over."""
        run = self.start(*acts)
        self.headway.run(run).result(10)
        return run


Make = Callable[..., Service]


@pytest.fixture
def clock() -> ManualClock:
    """The clock of the tokens."""
    return ManualClock()


@pytest.fixture
def make(world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes applications, and closes them at the end."""
    for variable in [name for name in os.environ if name.startswith("HEADWAY_")]:
        monkeypatch.delenv(variable)
    made: list[Service] = []

    def make(config: dict[str, Any] | None = None, **options: Any) -> Service:
        made.append(Service(create_app(KEYS if config is None else config, **{"clock": clock, **options})))
        return made[-1]

    yield make
    for service in made:
        service.headway.close()


@pytest.fixture
def service(make: Make) -> Service:
    """A service with keys."""
    return make()


def refused(response: TestResponse) -> tuple[int, str]:
    """The status and the code of a problem."""
    assert response.content_type == "application/problem+json", response.text
    return response.status_code, response.get_json()["code"]


def altered(token: str) -> Iterator[str]:
    """The token with one character changed, left out or added, at many places."""
    for at in range(4, len(token), 17):
        yield token[:at] + ("B" if token[at] == "A" else "A") + token[at + 1 :]
    yield from (token[:-1], f"{token}A", f"{token}!", f"{token} x", token.replace(".", "..", 1))
    for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        if token[-1] != other:
            yield token[:-1] + other


# What a token opens


def test_a_token_is_made(service: Service, clock: ManualClock) -> None:
    """By the owner, for the run: 201, the token, and when it expires; it may watch unless more is asked for."""
    run = service.ended()
    response = service.client.post(f"/runs/{run}/tokens", headers=ANN)
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    body = response.get_json()
    assert set(body) == {"token", "expires"}
    assert body["expires"] == "2026-11-23T09:45:00.000Z"
    grant = service.headway.tokens.read(body["token"])
    assert (grant.run, grant.may) == (run, ["watch"])
    clock.advance(899)
    assert service.ask("GET", f"/runs/{run}", body["token"]).status_code == 200


def test_it_watches(service: Service) -> None:
    """In the header and in the address: the snapshot and the stream, from any event."""
    run = service.ended("progress")
    token = service.token(run)
    assert service.ask("GET", f"/runs/{run}", token).get_json()["id"] == run
    assert service.client.get(f"/runs/{run}?token={token}").get_json()["id"] == run
    for response in (
        service.ask("GET", f"/runs/{run}/events", token),
        service.client.get(f"/runs/{run}/events?token={token}"),
    ):
        assert [message.event for message in parse_frames(response.data.removeprefix(b"retry: 2000\n\n"))] == [
            "start",
            "progress",
            "result",
            "done",
        ]
    assert service.client.get(f"/runs/{run}/events?token={token}&last_event_id=4").status_code == 204
    assert service.client.head(f"/runs/{run}/events?token={token}").status_code == 200


@operation
def report() -> Iterator[Event]:
    """Hands a file over."""
    yield file("report.txt", b"a report")


def test_it_opens_the_files_of_its_run(make: Make) -> None:
    """To who may watch, in the header and in the address."""
    service = make(operations=[report])
    run = service.headway.start("report", owner="ann")
    run.result(10)
    path = f"/runs/{run.id}/files/report.txt"
    assert service.client.get(f"{path}?token={run.token()}").data == b"a report"
    assert service.ask("GET", path, run.token()).data == b"a report"
    assert refused(service.ask("GET", path, run.token(may=["cancel"]))) == (403, "token_scope")
    assert service.client.get(path).status_code == 401


def test_it_cancels_and_answers(service: Service) -> None:
    """With the token that says so, and as `Authorization: Bearer` alone."""
    run = service.start("ask")
    question = service.headway.run(run)
    next(event for event in question.events() if event.type == "question")
    body = {"question": question.snapshot()["question"]["question"], "answer": True}
    answer = service.ask("POST", f"/runs/{run}/answer", service.token(run, "answer"), json=body)
    assert answer.status_code == 202, answer.text
    other = service.start("wait")
    assert service.ask("DELETE", f"/runs/{other}", service.token(other, "cancel")).status_code == 202


# What it does not open


def test_another_run(service: Service) -> None:
    """To a token of another run a run does not exist, in the header and in the address."""
    mine, other = service.ended(), service.start("wait", headers=BOB)
    token = service.token(mine, "watch", "answer", "cancel")
    for response in (
        service.ask("GET", f"/runs/{other}", token),
        service.ask("GET", f"/runs/{other}/events", token),
        service.client.get(f"/runs/{other}/events?token={token}"),
        service.ask("DELETE", f"/runs/{other}", token),
        service.ask("POST", f"/runs/{other}/answer", token, json={"question": "q", "answer": 1}),
    ):
        assert refused(response) == (404, "run_not_found")
    assert service.headway.run(other).snapshot()["status"] == "running"


@pytest.mark.parametrize("verb", ["watch", "answer", "cancel"])
def test_another_verb(service: Service, verb: str) -> None:
    """A token permits what it says, and nothing else."""
    run = service.start("wait")
    token = service.token(run, verb)
    asked = {
        "watch": [("GET", f"/runs/{run}"), ("GET", f"/runs/{run}/events")],
        "answer": [("POST", f"/runs/{run}/answer")],
        "cancel": [("DELETE", f"/runs/{run}")],
    }
    for method, path in [each for name, routes in asked.items() if name != verb for each in routes]:
        assert refused(service.ask(method, path, token, json={})) == (403, "token_scope")
    assert service.headway.run(run).snapshot()["status"] == "running"


def test_routes_of_no_run(service: Service) -> None:
    """It starts, lists and describes nothing, and a token makes no token and erases nothing."""
    run = service.ended()
    token = service.token(run, "watch", "answer", "cancel")
    for method, path in (
        ("GET", "/runs"),
        ("GET", "/operations"),
        ("POST", "/operations/scripted"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
    ):
        assert refused(service.ask(method, path, token)) == (403, "token_scope")
    assert refused(service.ask("POST", f"/runs/{run}/tokens", token, json={})) == (404, "run_not_found")
    assert refused(service.ask("DELETE", f"/runs/{run}/events", token)) == (404, "run_not_found")
    assert service.client.get("/health/live", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("POST", "/answer"), ("POST", "/tokens")])
def test_a_token_in_the_address_changes_nothing(make: Make, method: str, path: str) -> None:
    """Not even where no key is wanted."""
    for config in (KEYS, {}):
        service = make(config)
        run = service.start("wait")
        token = service.token(run, "watch", "answer", "cancel")
        response = service.client.open(f"/runs/{run}{path}?token={token}", method=method, json={})
        assert refused(response) == (401, "token_in_url")
        assert service.headway.run(run).snapshot()["status"] == "running"


def test_one_that_was_changed(make: Make) -> None:
    """No other text is the same token: 401, with keys and without."""
    for config in (KEYS, {}):
        service = make(config)
        run = service.ended()
        token = service.token(run)
        for other in altered(token):
            with pytest.raises(Unauthorized):
                service.headway.tokens.read(other)
        assert refused(service.client.get(f"/runs/{run}?token={token[:-1]}")) == (401, "token_invalid")
        assert service.ask("GET", f"/runs/{run}", token[:-1]).headers["WWW-Authenticate"] == "Bearer"


def test_one_that_has_expired(service: Service, clock: ManualClock) -> None:
    """401 from the second on."""
    run = service.start("wait")
    token = service.token(run, "watch", "cancel", seconds=60)
    clock.advance(59)
    assert service.ask("GET", f"/runs/{run}", token).status_code == 200
    clock.advance(1)
    assert refused(service.ask("GET", f"/runs/{run}", token)) == (401, "token_expired")
    assert refused(service.client.get(f"/runs/{run}/events?token={token}")) == (401, "token_expired")
    assert refused(service.ask("DELETE", f"/runs/{run}", token)) == (401, "token_expired")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"may": ["watch", "erase"]}, "may"),
        ({"may": []}, "may"),
        ({"may": "watch"}, "may"),
        ({"seconds": 86_401}, "seconds"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": "900"}, "seconds"),
        ({"minutes": 5}, "minutes"),
    ],
)
def test_a_wish_that_is_refused(service: Service, body: dict[str, Any], field: str) -> None:
    """422, which names the field."""
    response = service.client.post(f"/runs/{service.ended()}/tokens", json=body, headers=ANN)
    assert refused(response) == (422, "invalid_input")
    assert response.get_json()["errors"][0]["loc"][0] == field


def test_only_the_owner_makes_one(service: Service) -> None:
    """To others the run does not exist, and without a key nobody asks."""
    run = service.ended()
    assert refused(service.client.post(f"/runs/{run}/tokens", headers=BOB)) == (404, "run_not_found")
    assert refused(service.client.post(f"/runs/{run}/tokens")) == (401, "unauthorized")


def test_the_limits_of_the_owner_hold(make: Make) -> None:
    """A stream with a token takes a seat of the run's owner."""
    service = make({**KEYS, "HEADWAY_MAX_STREAMS_PER_CLIENT": "1"})
    run = service.start("wait")
    token = service.token(run)
    with service.client.get(f"/runs/{run}/events?token={token}") as response:
        assert response.status_code == 200
        assert refused(service.client.get(f"/runs/{run}/events", headers=ANN)) == (429, "too_many_streams")


def test_a_page_of_another_site(service: Service) -> None:
    """It may not cancel with a token either, unless its origin is allowed; to watch, it needs CORS as ever."""
    run = service.start("wait")
    headers = {"Authorization": f"Bearer {service.token(run, 'cancel')}", "Origin": "https://evil.example"}
    assert refused(service.client.delete(f"/runs/{run}", headers=headers)) == (403, "cross_site")
    watched = service.client.get(f"/runs/{run}?token={service.token(run)}", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in watched.headers


# What it is signed with


def test_the_secrets(make: Make, clock: ManualClock) -> None:
    """HEADWAY_SECRET, else the application's; one that is no longer good ends its tokens."""
    store = MemoryStore()
    service = make({**KEYS, "SECRET_KEY": "one"}, log=store)
    run = service.ended()
    token = service.token(run)

    def answer(**config: Any) -> int:
        app = create_app({**KEYS, **config}, log=store, clock=clock)
        status = app.test_client().get(f"/runs/{run}?token={token}").status_code
        app.extensions["headway"]._runner = None  # the store is the test's
        return status

    assert answer(SECRET_KEY="one") == 200
    assert answer(SECRET_KEY=b"one") == 200
    assert answer(SECRET_KEY="two", SECRET_KEY_FALLBACKS=["zero", "one"]) == 200
    assert answer(SECRET_KEY="two") == 401
    assert answer(HEADWAY_SECRET="one") == 200
    assert answer(HEADWAY_SECRET="two", SECRET_KEY="one") == 401
    assert answer() == 401


def test_a_signature_of_the_application_is_no_token(make: Make) -> None:
    """What the application signs with the same key for other ends opens nothing."""
    from itsdangerous import URLSafeSerializer

    service = make({**KEYS, "SECRET_KEY": "one"})
    run = service.ended()
    for signer in (URLSafeSerializer("one"), URLSafeSerializer("one", salt="cookie-session")):
        forged = signer.dumps([run, 1 << 62, ["watch"]])
        assert refused(service.ask("GET", f"/runs/{run}", f"hwt_{forged}")) == (401, "token_invalid")


@pytest.fixture
def stores(world: World, tmp_path: Path) -> Iterator[Callable[[str], Store]]:
    """Opens stores of a kind, two of which share what they keep, except in memory."""
    opened: list[Store] = []
    with redis() as server:

        def open_store(kind: str) -> Store:
            from streaming.stores.redis.store import RedisStore

            makes: dict[str, Callable[[], Store]] = {
                "memory": MemoryStore,
                "sqlite": lambda: SqliteStore(tmp_path / "runs.db"),
                "redis": lambda: RedisStore(server.address.url.replace("http", "redis")),
            }
            opened.append(world.call(makes[kind]))
            return opened[-1]

        yield open_store
        for store in opened:
            world.call(store.close)


def test_the_secret_of_a_store(world: World, stores: Callable[[str], Store], tmp_path: Path) -> None:
    """All workers have the same, whoever asks first; beside sqlite it is a file for its owner alone."""
    for kind in ("sqlite", "redis"):
        workers = [stores(kind) for _ in range(3)]
        secrets = {world.call(worker.secret) for worker in workers}
        assert [len(secret) for secret in secrets] == [32]
    kept = tmp_path / "runs.db-secret"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "secret" in path.name] == [kept.name]
    first, second = stores("memory"), stores("memory")
    assert first.secret() == first.secret() != second.secret()


# Behind an application


def test_behind_an_application_s_own_login(make: Make, world: World) -> None:
    """`headway.opens(request)` lets a token pass the application's own check, to the routes of its run alone."""
    app = create_app({"SECRET_KEY": "one"})
    headway: Headway = app.extensions["headway"]

    @app.before_request
    def login() -> None:
        if request.headers.get("X-User") != "ann" and not headway.opens(request):
            abort(401)

    @app.get("/secret/<run>")
    def secret(run: str) -> str:
        return run

    run = headway.start("scripted", {"acts": []})
    token, client = run.token(), app.test_client()
    run.result(10)
    assert client.get(f"/runs/{run.id}").status_code == 401
    assert client.get(f"/runs/{run.id}?token={token}").status_code == 200
    assert client.get(f"/secret/{run.id}?token={token}").status_code == 401
    assert client.get(f"/runs?token={token}").status_code == 401
    assert client.get(f"/runs/{run.id}?token={token[:-1]}").status_code == 401
    headway.close()


def test_behind_authorize(make: Make) -> None:
    """`authorize` is not asked about a request with a token, and sees other tokens than ours."""
    asked: list[str] = []

    def authorize(request: Any) -> str | None:
        asked.append(request.args.get("token", ""))
        return "ann" if request.args.get("token") == "its own" else None

    service = make({}, authorize=authorize)
    run = service.headway.start("scripted", {"acts": []}, owner="ann")
    run.result(10)
    assert service.client.get(f"/runs/{run.id}?token={run.token()}").status_code == 200
    assert asked == []
    assert service.client.get(f"/runs/{run.id}?token=its own").status_code == 200
    assert service.client.get(f"/runs/{run.id}?token=another").status_code == 401
    assert asked == ["its own", "another"]


def test_from_code(make: Make) -> None:
    """`headway.run(id).token(seconds, may)` gives one; it raises for what it cannot be."""
    service = make()
    run = service.headway.run(service.start("wait"))
    token = run.token(60, ["cancel", "watch", "watch"])
    assert service.headway.tokens.read(token).may == ["cancel", "watch"]
    assert service.ask("DELETE", f"/runs/{run.id}", token).status_code == 202
    wishes: list[dict[str, Any]] = [{"seconds": 0}, {"seconds": 100_000}, {"may": ["start"]}, {"may": []}]
    for wrong in wishes:
        with pytest.raises(InvalidInput):
            run.token(**wrong)


# Where it must not stand


def test_it_stands_nowhere_else(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Not in an answer's headers or problem, and not in a log; the address is no `Referer`, and the answer not kept."""
    caplog.set_level(logging.DEBUG)
    service = make()
    run = service.ended()
    token = service.token(run)
    for response in (
        service.client.get(f"/runs/{run}?token={token}"),
        service.client.get(f"/runs/{run}/events?token={token}"),
        service.client.get(f"/runs/{run}/events?token={token}&last_event_id=x"),
        service.client.get(f"/runs/{run}x?token={token}"),
        service.client.get(f"/runs/{run}?token={token}x"),
    ):
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert "no-" in response.headers["Cache-Control"]
        assert token not in str(response.headers)
        assert token not in response.text
    assert token not in caplog.text
    metrics = service.client.get("/metrics", headers=ANN).text
    assert token not in metrics
    assert run not in metrics


@pytest.mark.parametrize("logger", ["werkzeug", "gunicorn.access", "gunicorn.error", "gevent.pywsgi"])
def test_the_logs_of_the_server(make: Make, logger: str, caplog: pytest.LogCaptureFixture) -> None:
    """They show the address without its token."""
    caplog.set_level(logging.INFO, logger)
    token = make().headway.tokens._serializer(make().headway.runner)
    line = f'"GET /runs/r?token=hwt_{token.dumps(["r"])}&x=1 HTTP/1.1" 200'
    logging.getLogger(logger).info('%s - - "%s"', "127.0.0.1", line)
    assert "?token=hwt_***&x=1" in caplog.text


# When a stream ends


class Viewer:
    """A viewer that counts how often it is ended."""

    def __init__(self) -> None:
        self.ended = 0

    def disconnected(self) -> None:
        """Ends it."""
        self.ended += 1


def test_one_timer_for_all_streams(clock: ManualClock) -> None:
    """Each stream ends when its token expires, and not before; those that have closed are forgotten."""
    expiries: Any = Expiries(Worker(), clock)
    late, early, closed = Viewer(), Viewer(), Viewer()
    for viewer, seconds in ((late, 60.0), (early, 10.0), (closed, 20.0)):
        expiries.add(viewer, seconds)
    del closed, viewer
    gc.collect()
    assert len(expiries._deadlines) == 2
    clock.advance(9.9)
    assert (early.ended, late.ended) == (0, 0)
    clock.advance(0.1)
    assert (early.ended, late.ended) == (1, 0)
    clock.advance(49.9)
    assert late.ended == 0
    clock.advance(0.1)
    assert (early.ended, late.ended) == (1, 1)
    expiries.add(late, -1.0)
    clock.advance(0)
    assert late.ended == 2
    expiries.close()


def test_a_stream_ends_with_its_token(service: Service, world: World, clock: ManualClock) -> None:
    """As one that was cut, without `done`; the client that comes back gets 401."""
    expiries = world.worker.part(Expiries)
    expiries._clock, before = clock, expiries._clock
    try:
        run = service.start("progress", "wait")
        token = service.token(run, seconds=60)
        with service.client.get(f"/runs/{run}/events?token={token}") as response:
            pieces = cast(Iterator[bytes], iter(response.response))
            seen = b""
            while b"event: progress" not in seen:
                seen += next(pieces)
            world.until(lambda: expiries._deadlines, "the stream is to end with its token")
            world.call(clock.advance, 60)
            assert b"done" not in b"".join(pieces)
        assert refused(service.client.get(f"/runs/{run}/events?token={token}")) == (401, "token_expired")
        assert service.headway.run(run).snapshot()["viewers"] == 0
    finally:
        expiries._clock = before
