"""Observers are notified of what happens, and `/metrics` has it for Prometheus."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from streaming import Event, event, gateway, operation, progress
from streaming.http import extension, routes
from streaming.runs.observers import Observer, Refused, RunEnded, RunStarted, StreamOpened
from tests.apps.gateway_upstream import Upstream
from tests.apps.serving import create_app


@dataclass
class Notebook(Observer):
    """Keeps everything except for the load."""

    seen: list[Any] = field(default_factory=list)

    def run_started(self, seen: RunStarted) -> None:
        """Keeps it."""
        self.seen.append(seen)

    run_ended = stream_opened = refused = run_started  # type: ignore[assignment]


class Broken(Observer):
    """Fails at everything."""

    def run_started(self, seen: RunStarted) -> None:
        """Fails."""
        raise LookupError


@operation
def counted() -> Iterator[Event]:
    """Counts to one."""
    yield progress(done=1, total=1)


@operation
def failing() -> Iterator[Event]:
    """Fails."""
    yield progress("so far")
    raise LookupError


@operation
def asking() -> Iterator[Event]:
    """Calls a model twice."""
    for _ in range(2):
        yield event("usage", {"input_tokens": 7, "output_tokens": 2, "anything": 1})


@pytest.fixture
def notebook() -> Notebook:
    """An observer."""
    return Notebook()


@pytest.fixture
def client(notebook: Notebook) -> FlaskClient:
    """A client of an application with observers, one of them broken."""
    return create_app(operations=[counted, failing, asking], observers=[Broken(), notebook]).test_client()


def figures(text: str) -> dict[tuple[str, str], float]:
    """The samples in Prometheus's text, by their names and their operation (or code)."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    sums: dict[tuple[str, str], float] = {}
    for sample in samples:
        label = sample.labels.get("operation") or sample.labels.get("code") or ""
        sums[sample.name, label] = sums.get((sample.name, label), 0.0) + sample.value
    return sums


def test_observers_are_notified(client: FlaskClient, notebook: Notebook, caplog: pytest.LogCaptureFixture) -> None:
    """Of each start, stream, end and refusal; one that fails is in the log, and does not affect the others."""
    response = client.post("/operations/counted")
    assert b"event: done" in response.data
    run = response.headers["Run-Id"]
    client.get("/runs/unknown")
    (ended,) = [seen for seen in notebook.seen if isinstance(seen, RunEnded)]
    notebook.seen.remove(ended)  # it may end before its stream opens, or after
    assert notebook.seen == [
        RunStarted(run, "counted"),
        StreamOpened(run, "counted", 0),
        Refused("run_not_found", 404),
    ]
    assert (ended.run, ended.operation, ended.status, ended.events) == (run, "counted", "succeeded", 4)
    assert 0 <= ended.seconds < 60
    assert "an observer failed" in caplog.text


def test_a_failed_run(client: FlaskClient, notebook: Notebook) -> None:
    """It has ended, too."""
    assert b"event: error" in client.post("/operations/failing").data
    (ended,) = [seen for seen in notebook.seen if isinstance(seen, RunEnded)]
    assert (ended.status, ended.reason, ended.events) == ("failed", None, 4)


def test_the_text(client: FlaskClient) -> None:
    """Each run, stream and refusal adds to the counters."""
    before = figures(client.get("/metrics").text)
    assert client.post("/operations/counted").data
    client.get("/runs/unknown")
    response = client.get("/metrics")
    assert response.content_type.startswith("text/plain; version=")
    after = figures(response.text)
    growth = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
    for name in ("headway_runs_started_total", "headway_runs_ended_total", "headway_streams_total"):
        assert growth[name, "counted"] == 1
    assert growth["headway_events_total", "counted"] == 4
    assert growth["headway_refused_total", "run_not_found"] == 1


def test_the_code_of_an_upstream_is_no_label(notebook: Notebook) -> None:
    """Metrics keep each label that they have seen, and another service may send any code."""
    with Upstream() as upstream:
        document = b'{"code": "anything", "detail": "No."}'
        upstream.will(lambda call: call.answer(422, document, "application/problem+json"))
        client = create_app(operations=[gateway(upstream.url, patience=5.0)], observers=[notebook]).test_client()
        response = client.post("/operations/work")
    assert (response.status_code, response.get_json()["code"]) == (422, "anything")
    assert [seen for seen in notebook.seen if isinstance(seen, Refused)] == [Refused("upstream_failed", 422)]


def test_what_the_store_holds(client: FlaskClient) -> None:
    """Once a second the bytes of all runs are noted, and the runs that were deleted to make room are counted."""
    headway = client.application.extensions["headway"]
    assert client.post("/operations/counted").data
    assert headway.runner.store.bytes_used > 2048
    before = figures(client.get("/metrics").text)
    headway.runner.store.evicted += 3
    for _ in range(2):
        headway.observer.load(headway.runner._load())
    after = figures(client.get("/metrics").text)
    assert after["headway_store_bytes", ""] == headway.runner.store.bytes_used
    assert after["headway_store_evicted_runs_total", ""] - before["headway_store_evicted_runs_total", ""] == 3


def test_without_the_library(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The route says that it is missing, and everything else works."""
    monkeypatch.setattr(extension, "Prometheus", None)
    monkeypatch.setattr(routes, "metrics", None)
    response = client.get("/metrics")
    assert (response.status_code, response.get_json()["code"]) == (501, "not_installed")
    assert b"event: done" in client.post("/operations/counted").data


OWNER, SCRAPER = ({"Authorization": f"Bearer {key}"} for key in ("sesame", "figures"))


@pytest.mark.parametrize(
    ("config", "headers", "status"),
    [
        ({}, {}, 200),
        ({"HEADWAY_API_KEYS": "ann:sesame"}, {}, 403),
        ({"HEADWAY_API_KEYS": "ann:sesame"}, OWNER, 403),
        ({"HEADWAY_METRICS_KEY": "figures"}, {}, 401),
        ({"HEADWAY_METRICS_KEY": "figures"}, OWNER, 401),
        ({"HEADWAY_METRICS_KEY": "figures"}, SCRAPER, 200),
        ({"HEADWAY_METRICS_KEY": "figures", "HEADWAY_API_KEYS": "ann:sesame"}, OWNER, 401),
        ({"HEADWAY_METRICS_KEY": "figures", "HEADWAY_API_KEYS": "ann:sesame"}, SCRAPER, 200),
    ],
)
def test_who_may_read_them(config: dict[str, str], headers: dict[str, str], status: int) -> None:
    """They are of everybody's runs: the key of one owner does not open them, and a key of their own does."""
    client = create_app(config, operations=[counted]).test_client()
    response = client.get("/metrics", headers=headers)
    assert response.status_code == status
    assert (response.headers.get("WWW-Authenticate") == "Bearer") is (status == 401)


def test_their_key_opens_nothing_else() -> None:
    """It is no owner's."""
    config = {"HEADWAY_METRICS_KEY": "figures", "HEADWAY_API_KEYS": "ann:sesame"}
    client = create_app(config, operations=[counted]).test_client()
    assert client.get("/runs", headers=SCRAPER).status_code == 401
    assert client.get("/runs", headers=OWNER).status_code == 200


def test_with_a_login_of_the_applications_own() -> None:
    """`authorize` decides, unless there is a key."""
    for config, status in (({}, 200), ({"HEADWAY_METRICS_KEY": "figures"}, 401)):
        client = create_app(config, operations=[counted], authorize=lambda request: "ann").test_client()
        assert client.get("/metrics").status_code == status


def test_what_is_built(client: FlaskClient) -> None:
    """A series says which versions run."""
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}
    (sample,) = families["headway_build_info"].samples
    assert sample.value == 1
    assert sample.labels["python"] == platform.python_version()
    assert {"version", "flask", "gevent"} < sample.labels.keys()


def test_errors_of_the_store(client: FlaskClient) -> None:
    """Each failure is counted, not only the outage."""
    headway = client.application.extensions["headway"]
    before = figures(client.get("/metrics").text)
    for _ in range(3):
        headway.runner.store.outage.gone("no route")
    for _ in range(2):
        headway.observer.load(headway.runner._load())
    after = figures(client.get("/metrics").text)
    assert after["headway_store_errors_total", ""] - before["headway_store_errors_total", ""] == 3


def test_what_models_took(client: FlaskClient, notebook: Notebook) -> None:
    """The tokens of a run are in its snapshot, in the record of its end, and in a metric of its operation."""
    before = figures(client.get("/metrics").text)
    response = client.post("/operations/asking")
    assert b"event: done" in response.data
    usage = {"input_tokens": 14, "output_tokens": 4, "anything": 2}
    assert client.get(f"/runs/{response.headers['Run-Id']}").get_json()["usage"] == usage
    (ended,) = [seen for seen in notebook.seen if isinstance(seen, RunEnded)]
    assert ended.usage == usage
    after = figures(client.get("/metrics").text)
    assert after["headway_tokens_total", "asking"] - before.get(("headway_tokens_total", "asking"), 0) == 18
