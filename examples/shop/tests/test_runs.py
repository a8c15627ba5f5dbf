"""The runs of the shop: who may start them, who sees them, and what they do."""

import json

import pytest
from shop.models import Order, db
from shop.orders import export, seal

from streaming.testing import collect


def events_of(answer):
    """The names and the data of a stream's events."""
    assert answer.status_code == 200, answer.text
    frames = [frame.splitlines() for frame in answer.text.split("\n\n") if "\ndata: " in frame]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for _, name, data in frames]


def run_of(browser):
    """Where the run of an export is that is over."""
    answer = browser.post("/jobs/operations/export")
    events_of(answer)
    return answer.headers["Location"]


def test_an_export(app):
    """It says which orders it has done, and ends with all of them as CSV."""
    events = collect(export, app=app, owner="1")
    assert [event.type for event in events] == ["start", "progress", "progress", "result", "done"]
    assert [event.done for event in events[1:3]] == [1, 2]
    assert events[-2].result == "1,Chair 1,100,19\n2,Chair 2,200,38"


def test_the_seals(app):
    """They are in the database, those of other users' orders are not."""
    assert collect(seal, app=app, owner="1")[-1].status == "succeeded"
    with app.app_context():
        assert [bool(order.seal) for order in db.session.scalars(db.select(Order))] == [True, True, False, False]


def test_a_run_belongs_to_its_user(ann, bob, nobody):
    """To another one it does not exist, and without a login nothing does."""
    run = run_of(ann)
    assert ann.get(run).json["status"] == "succeeded"
    assert bob.get(run).status_code == 404
    assert nobody.get(run).status_code == 401


def test_a_page_that_comes_back(ann):
    """It gets what follows the last event that it has seen."""
    run = run_of(ann)
    answer = ann.client.get(f"{run}/events", headers={"Last-Event-ID": "3"})
    assert [name for name, _ in events_of(answer)] == ["result", "done"]
    assert ann.client.get(f"{run}/events", headers={"Last-Event-ID": "5"}).status_code == 204


@pytest.mark.parametrize("name", ["export", "seal"])
def test_a_start_without_a_token(ann, name):
    """It is refused, and the refusal says why."""
    ann.token = ""
    refused = ann.post(f"/jobs/operations/{name}")
    assert (refused.status_code, refused.json["detail"]) == (400, "The CSRF token is missing.")


def test_the_page_has_the_buttons(ann):
    """They name what they start."""
    page = ann.get("/").text
    assert 'data-start="/jobs/operations/export"' in page
    assert 'data-start="/jobs/operations/seal"' in page
