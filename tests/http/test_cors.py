"""Pages of other origins: who may call, with which headers and cookies, and beside Flask-CORS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from flask import Flask, abort
from flask_cors import CORS
from werkzeug.test import TestResponse

from streaming import Headway, SettingError, operation
from streaming.settings import Settings
from tests.worlds import World

PAGE: Final = "https://a.example"
ORIGIN: Final = {"Origin": PAGE}
PREFIX: Final = "Access-Control-"

Make = Callable[..., Flask]


@operation
def nothing() -> None:
    """Ends at once."""


@pytest.fixture
def make(world: World) -> Iterator[Make]:
    """Makes applications, and closes them at the end."""
    made: list[Flask] = []

    def make(origins: str = PAGE, **config: Any) -> Flask:
        app = Flask(__name__)
        app.config.update({"HEADWAY_CORS_ORIGINS": origins, "HEADWAY_API_KEYS": "ann:k", **config})
        Headway(app, operations=[nothing])
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["headway"].close()


def answers(app: Flask, origin: str = PAGE) -> dict[str, TestResponse]:
    """One answer of each kind to a page."""
    client, headers = app.test_client(), {"Origin": origin, "Authorization": "Bearer k"}
    preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    found = {
        "JSON": client.get("/operations", headers=headers),
        "a stream": client.post("/operations/nothing", headers=headers),
        "an unknown run": client.get("/runs/x", headers=headers),
        "no key": client.get("/runs", headers={"Origin": origin}),
        "a preflight": client.options("/operations/nothing", headers=preflight),
    }
    for response in found.values():
        response.close()
    return found


def preflight(app: Flask, asked: str, origin: str = PAGE) -> tuple[set[str], TestResponse]:
    """The headers that a preflight allows, in lower case, and its answer."""
    headers = {"Origin": origin, PREFIX + "Request-Method": "POST", PREFIX + "Request-Headers": asked}
    response = app.test_client().options("/operations/nothing", headers=headers)
    return words(response, PREFIX + "Allow-Headers"), response


def words(response: TestResponse, header: str) -> set[str]:
    """The members of a header, in lower case."""
    return {word.strip().lower() for word in response.headers.get(header, "").split(",") if word.strip()}


@pytest.mark.parametrize("origins", [PAGE, "*"])
@pytest.mark.parametrize("asked", ["baggage,sentry-trace", "x-csrf-token", "X-Requested-With, X-CSRFToken", "dnt"])
def test_a_preflight_allows_what_it_asks_for(make: Make, origins: str, asked: str) -> None:
    """Beside the headers of Headway's own clients, and a cache keeps the answers apart."""
    allowed, response = preflight(make(origins), asked)
    assert allowed >= {name.strip().lower() for name in asked.split(",")}
    assert allowed >= {"authorization", "content-type", "idempotency-key", "last-event-id", "prefer", "traceparent"}
    assert "access-control-request-headers" in words(response, "Vary")


def test_a_preflight_allows_no_origin_that_is_not_listed(make: Make) -> None:
    """Nothing is said to it."""
    _, response = preflight(make(), "x-csrf-token", "https://evil.example")
    assert [name for name, _ in response.headers if name.startswith(PREFIX)] == []
    assert words(response, "Vary") == {"origin"}


def test_a_preflight_allows_names_of_headers_alone(make: Make) -> None:
    """What is no name of a header (RFC 9110, section 5.6.2) is left out, and none comes twice."""
    allowed, response = preflight(make(), "x-ok, a b, <x>, , x:y, AUTHORIZATION")
    assert allowed - {"x-ok"} == preflight(make(), "")[0]
    assert response.headers[PREFIX + "Allow-Headers"].lower().count("authorization") == 1


@pytest.mark.parametrize("credentials", [False, True])
def test_cookies(make: Make, credentials: bool) -> None:
    """Every answer says that the page may send them, where the setting says so, and names the origin."""
    for what, response in answers(make(HEADWAY_CORS_CREDENTIALS=credentials)).items():
        assert response.headers.get(PREFIX + "Allow-Credentials") == ("true" if credentials else None), what
        assert response.headers[PREFIX + "Allow-Origin"] == PAGE
        assert words(response, PREFIX + "Expose-Headers") >= {"location", "run-id", "retry-after"}
        assert "origin" in words(response, "Vary")


@pytest.mark.parametrize("origins", ["*", f"{PAGE},*"])
def test_cookies_of_any_origin(make: Make, origins: str) -> None:
    """They stop the start with one line that names both settings."""
    with pytest.raises(SettingError) as caught:
        make(origins, HEADWAY_CORS_CREDENTIALS="1")
    takes = Settings.__dataclass_fields__["cors_credentials"].metadata["takes"]
    assert str(caught.value) == f"HEADWAY_CORS_CREDENTIALS is '1' (HEADWAY_CORS_ORIGINS is *); it takes {takes}"


@pytest.mark.parametrize("ours", [PAGE, "*", ""])
@pytest.mark.parametrize("theirs", [{}, {"origins": PAGE, "supports_credentials": True}], ids=str)
@pytest.mark.parametrize("first", [True, False])
def test_beside_flask_cors(world: World, ours: str, theirs: dict[str, Any], first: bool) -> None:
    """Each answer has every header once: Headway's where its setting names origins, else those of Flask-CORS."""
    app = Flask(__name__)
    app.config.update({"HEADWAY_CORS_ORIGINS": ours, "HEADWAY_API_KEYS": "ann:k"})
    extensions: list[Callable[[], Any]] = [lambda: CORS(app, **theirs), lambda: Headway(app, operations=[nothing])]
    for mount in extensions if first else reversed(extensions):
        mount()
    for what, response in answers(app).items():
        names = [name for name, _ in response.headers if name.startswith(PREFIX)]
        assert len(names) == len(set(names)), what
        assert response.headers[PREFIX + "Allow-Origin"] == (ours or PAGE), what
    app.extensions["headway"].close()


def test_a_refusal_of_the_application(make: Make) -> None:
    """A page can read that it has no session, or no CSRF token."""
    app = make()
    app.before_request(lambda: abort(403))
    response = app.test_client().get("/operations", headers=ORIGIN)
    assert (response.status_code, response.headers[PREFIX + "Allow-Origin"]) == (403, PAGE)
