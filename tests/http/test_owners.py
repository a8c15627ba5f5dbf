"""Owners: what `authorize` may return, whose runs it finds in every store, and what is refused at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import Markup

from streaming import Headway, HeadwayError, SettingError, operation
from streaming.errors import OwnerError
from streaming.http.command import LOCAL_OWNER
from streaming.stores.base import OWNER_LENGTH, owner_text
from tests.servers import redis
from tests.worlds import World, entered

ASYNC: Final = {"Prefer": "respond-async"}
ANN: Final = UUID("6f0c2f6e-6f0c-4d3e-9c55-0b5b0ad3a1f0")

GOOD: Final[dict[str, tuple[Any, str]]] = {
    "an int": (42, "42"),
    "zero": (0, "0"),
    "a negative int": (-7, "-7"),
    "a UUID": (ANN, str(ANN)),
    "a string": ("ann@example.org", "ann@example.org"),
    "one with spaces and signs": ("Ann Ü. ☃ 😀", "Ann Ü. ☃ 😀"),
    "a kind of string": (Markup("ann"), "ann"),
    "as long as may be": ("a" * OWNER_LENGTH, "a" * OWNER_LENGTH),
}

BAD: Final[dict[str, Any]] = {
    "True": True,
    "False": False,
    "bytes": b"ann",
    "a float": 42.0,
    "a list": ["ann"],
    "an object": object(),
    "a lone surrogate": "ann\udcff",
    "a NUL": "ann\0",
    "two lines": "ann\nbob",
    "too long": "a" * (OWNER_LENGTH + 1),
}


@operation
def nothing() -> int:
    """Ends at once."""
    return 0


class Owned:
    """An application whose requests have the owner that the test sets."""

    def __init__(self, store: str = "memory:") -> None:
        self.owner: Any = None
        app = Flask(__name__)
        app.config["HEADWAY_STORE"] = store
        self.headway = Headway(app, operations=[nothing], authorize=lambda _: self.owner)
        self.client: FlaskClient = app.test_client()

    def start(self) -> str:
        """Starts a run, and gives its id."""
        started = self.client.post("/operations/nothing", headers=ASYNC)
        assert started.status_code == 202, started.text
        return started.headers["Run-Id"]

    def ids(self) -> list[str]:
        """The ids of the owner's runs."""
        return [run["id"] for run in self.client.get("/runs").get_json()["runs"]]


@pytest.fixture(scope="module", params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.live)])
def owned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owned]:
    """An application over each store."""
    stores: dict[str, Callable[[], str]] = {
        "memory": lambda: "memory:",
        "sqlite": lambda: f"sqlite:///{tmp_path_factory.mktemp('owners')}/runs.db",
        "redis": lambda: stack.enter_context(redis()).url,
    }
    with ExitStack() as stack, entered("own hub"):
        application = Owned(stores[request.param]())
        yield application
        application.headway.close()


@pytest.mark.parametrize("given", GOOD)
def test_an_owner_finds_its_runs(owned: Owned, given: str) -> None:
    """In every store, as its text: by id, in the list, and nobody else does."""
    owned.owner, text = GOOD[given]
    run = owned.start()
    assert owned.ids() == [run]
    assert owned.client.get(f"/runs/{run}").get_json()["id"] == run
    stream = owned.client.get(f"/runs/{run}/events")
    stream.close()
    assert stream.status_code == 200
    owned.owner = text
    assert owned.ids() == [run]
    owned.owner = "somebody else"
    assert owned.client.get(f"/runs/{run}").status_code == 404


@pytest.mark.parametrize("given", BAD)
def test_what_is_no_owner_is_an_error_at_once(owned: Owned, given: str, caplog: pytest.LogCaptureFixture) -> None:
    """The log says what it is and what it may be, the caller learns nothing, and everybody else goes on."""
    owned.owner = BAD[given]
    with caplog.at_level(logging.ERROR, "headway"):
        for answer in (owned.client.get("/runs"), owned.client.post("/operations/nothing", headers=ASYNC)):
            assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    assert "OwnerError: an owner " in caplog.text
    owned.owner = "ann"
    assert owned.client.get("/health/ready").status_code == 200
    assert owned.client.get(f"/runs/{owned.start()}").status_code == 200


@pytest.mark.parametrize("nobody", [None, ""])
def test_nobody_is_refused(owned: Owned, nobody: Any) -> None:
    """`None`, and a string that is empty, are no owner."""
    owned.owner = nobody
    assert owned.client.get("/runs").status_code == 401


def test_the_owner_of_a_command_is_checked(owned: Owned) -> None:
    """Its text comes from an argument, which may be no text at all."""
    refused = owned.client.get("/runs", environ_overrides={LOCAL_OWNER: "\udcff"})
    assert refused.status_code == 500


def test_the_error_of_an_owner() -> None:
    """It is one of the library's, and a `ValueError`."""
    with pytest.raises(OwnerError, match=r"^an owner has 1 to 512 characters, not 0$") as caught:
        owner_text("")
    assert isinstance(caught.value, HeadwayError | ValueError)
    assert type(owner_text(Markup("ann"))) is str


def test_an_owner_of_the_settings_is_checked(world: World, tmp_path: Path) -> None:
    """A key of an owner that no store can keep stops the start."""
    app = Flask(__name__)
    app.config["HEADWAY_API_KEYS"] = "ann\udcff:key"
    with pytest.raises(SettingError, match=r"^HEADWAY_API_KEYS is "):
        Headway(app)


def test_an_empty_idempotency_key_is_none(owned: Owned) -> None:
    """Two requests with one are two runs, in every store."""
    owned.owner = "kim"
    headers = {**ASYNC, "Idempotency-Key": ""}
    first, second = (owned.client.post("/operations/nothing", headers=headers) for _ in range(2))
    assert first.headers["Run-Id"] != second.headers["Run-Id"]
