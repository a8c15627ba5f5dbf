"""`simulate`: each field of its input, in each place where it can run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import gevent
import pytest
from pydantic import ValidationError

from operations.simulate import Simulation, simulate
from streaming.runs.operation import UNSET
from tests.clients import Message
from tests.worlds import Place, Stage, ending, entered

STEP = 0.02


@pytest.fixture
def stage(place: Place) -> Iterator[Stage]:
    """A runner with the operation."""
    with entered(place.world) as world:
        stage = Stage(world, simulate)
        yield stage
        stage.close()


def start(stage: Stage, place: Place, **options: Any) -> str:
    """Starts a simulation, by default of three steps without a pause."""
    return stage.start(simulate, Simulation(**{"steps": 3, "interval": 0, "runs_in": place.runs_in, **options}))


def simulated(stage: Stage, place: Place, **options: Any) -> list[Message]:
    """The events of a whole simulation."""
    return stage.events(start(stage, place, **options))


def seconds(messages: list[Message]) -> float:
    """The seconds that the run took."""
    elapsed: float = messages[-1].json["elapsed"]
    return elapsed


def test_steps(stage: Stage, place: Place) -> None:
    """Each step is a progress with `done` and `total`, and the result counts them."""
    messages = simulated(stage, place, steps=5)
    steps = [message.json for message in messages[1:-2]]
    assert [(step["done"], step["total"], step["unit"]) for step in steps] == [(n, 5, "steps") for n in range(1, 6)]
    assert messages[-2].json["result"] == {"steps": 5, "stopped": False}
    assert ending(messages) == ("succeeded", None)


def test_no_steps(stage: Stage, place: Place) -> None:
    """The run ends at once."""
    assert [message.event for message in simulated(stage, place, steps=0)] == ["start", "result", "done"]


def test_an_interval(stage: Stage, place: Place) -> None:
    """The run waits between its steps, and viewers see each step at once."""
    interval = 5 * STEP
    run = start(stage, place, interval=interval)
    seen = []
    for count in range(1, 4):
        stage.until(run, "progress", count)
        seen.append(time.monotonic())
    assert all(later - earlier > interval / 2 for earlier, later in pairwise(seen))
    assert seconds(stage.events(run)) >= 3 * interval


def test_a_silence(stage: Stage, place: Place) -> None:
    """The run waits after its last step, and then ends."""
    run = start(stage, place, silent=5 * STEP)
    stage.until(run, "progress", 3)
    messages = stage.events(run)
    assert len(messages) == 6
    assert seconds(messages) >= 5 * STEP


@pytest.mark.parametrize("payload", [1, 10, 45, 1000, 100_000])
def test_a_payload(stage: Stage, place: Place, payload: int) -> None:
    """Each step's message has this number of bytes."""
    messages = simulated(stage, place, payload=payload)
    assert [len(message.json["message"].encode()) for message in messages[1:-2]] == [payload] * 3


def test_a_failure(stage: Stage, place: Place) -> None:
    """The run fails at the given step, with its own error, and not before."""
    messages = simulated(stage, place, steps=5, fail_at=3)
    assert [message.json["done"] for message in messages if message.event == "progress"] == [1, 2]
    assert ending(messages) == ("failed", "simulated_failure")
    assert "step 3" in messages[-2].json["message"]


@pytest.mark.parametrize("options", [{"fail_at": 9}, {"ask_at": 9}])
def test_steps_beyond_the_last_one(stage: Stage, place: Place, options: dict[str, int]) -> None:
    """The run succeeds if it ends before the step at which it would fail or ask."""
    assert ending(simulated(stage, place, **options)) == ("succeeded", None)


def test_a_burn(stage: Stage, place: Place) -> None:
    """Each step burns processor time."""
    begun = time.process_time()
    messages = simulated(stage, place, burn=0.03)
    assert seconds(messages) >= 0.09
    if place.runs_in != "process":
        assert time.process_time() - begun >= 0.09


def test_a_burn_gives_way() -> None:
    """Ten runs that burn in greenlets leave others many turns."""
    place = Place("own hub", "greenlet")
    with entered(place.world) as world:
        stage = Stage(world, simulate)
        runs = [start(stage, place, steps=1, burn=0.5) for _ in range(10)]
        turns = 0
        while stage.runner.live:
            world.call(gevent.sleep, 0.001)
            turns += 1
        assert [ending(stage.events(run)) for run in runs] == [("succeeded", None)] * 10
        stage.close()
    assert turns >= 10


@pytest.mark.parametrize(
    ("answer", "result"), [(True, {"steps": 3, "stopped": False}), (False, {"steps": 1, "stopped": True})]
)
def test_a_question(stage: Stage, place: Place, answer: bool, result: dict[str, Any]) -> None:
    """The run asks before the given step whether to go on, and stops if the answer is no."""
    run = start(stage, place, ask_at=2)
    question = stage.until(run, "question")[-1].json
    assert question["schema"] == {"type": "boolean"}
    assert question["expires"] is not None
    assert [message.event for message in stage.so_far(run)] == ["start", "progress", "question"]
    stage.answer(run, answer)
    messages = stage.events(run)
    assert messages[-2].json["result"] == result


@pytest.mark.parametrize(
    "options", [{"interval": 3600}, {"silent": 3600}, {"ask_at": 1}, {"steps": 10**6, "interval": 0}], ids=str
)
def test_a_cancel(stage: Stage, place: Place, options: dict[str, Any]) -> None:
    """The run stops at once, whatever it waits for."""
    run = start(stage, place, **options)
    stage.until(run, "question" if "ask_at" in options else "progress")
    stage.cancel(run)
    messages = stage.events(run)
    assert ending(messages) == ("cancelled", "requested")
    assert seconds(messages) < 60


def test_it_sets_no_linger_and_no_limit() -> None:
    """The linger is that of the settings, and the run may take any time."""
    assert simulate.linger is UNSET
    assert (simulate.timeout, simulate.memory, simulate.retries) == (None, None, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"steps": -1},
        {"steps": 10**9},
        {"interval": -1},
        {"interval": float("nan")},
        {"silent": -1},
        {"payload": -1},
        {"payload": 10**9},
        {"fail_at": 0},
        {"ask_at": 0},
        {"burn": -1},
        {"burn": 11},
        {"runs_in": "celery"},
        {"stepz": 1},
    ],
    ids=str,
)
def test_invalid_input(options: dict[str, Any]) -> None:
    """Every field has bounds, and an unknown field is an error."""
    with pytest.raises(ValidationError):
        Simulation(**options)


def test_the_defaults() -> None:
    """Ten steps, half a second each, in a greenlet."""
    assert Simulation().model_dump() == {
        "steps": 10,
        "interval": 0.5,
        "silent": 0,
        "payload": 0,
        "fail_at": None,
        "burn": 0,
        "ask_at": None,
        "runs_in": "greenlet",
    }
