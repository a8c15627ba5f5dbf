"""Questions of a run on one worker, and answers through any."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.clients import Connection
from tests.live.workers import JSON, STORES, Workers, ask, closing, run_of, workers


@pytest.fixture(scope="module", params=STORES)
def shared(request: pytest.FixtureRequest) -> Iterator[Workers]:
    """Two workers over one store."""
    with workers(request.param, 2) as started:
        yield started


def ask_question(shared: Workers, pid: int, **input: Any) -> tuple[Connection, str, str]:
    """Starts a run that asks; gives its viewer, its id, and the id of the question."""
    viewer = shared.start("curious", pid=pid, **input)
    question = viewer.until("question")[-1].json
    return viewer, run_of(viewer.head), question["question"]


def answer(shared: Workers, pid: int, run: str, body: Any) -> tuple[int, Any]:
    """Answers through a worker; gives the status and the body of the response."""
    with closing(shared.connect(pid)) as client:
        response = ask(client, "POST", f"/runs/{run}/answer", JSON, body)
        return client.head.status, response


def test_an_answer_on_another_worker(shared: Workers) -> None:
    """Every worker has the question in its snapshot, and an answer through any of them reaches the operation."""
    for here, there in (shared.pids, reversed(shared.pids), (shared.pids[0],) * 2):
        viewer, run, question = ask_question(shared, here)
        snapshot = shared.snapshot(run, there)
        assert (snapshot["status"], snapshot["question"]["question"]) == ("waiting", question)
        start = time.monotonic()
        assert answer(shared, there, run, {"question": question, "answer": {"colour": "red"}})[0] == 202
        event, result, _ = viewer.until("done")
        assert time.monotonic() - start < 1
        assert (event.event, event.json["question"], event.json["answer"]) == ("answer", question, {"colour": "red"})
        assert result.json["result"] == {"colour": "red"}
        assert shared.snapshot(run, there)["question"] is None


@pytest.mark.parametrize(
    ("wrong", "loc"),
    [({"colour": "green"}, ["answer", "colour"]), ({}, ["answer"]), ("red", ["answer"]), (None, ["answer"])],
)
def test_a_wrong_answer(shared: Workers, wrong: Any, loc: list[str]) -> None:
    """An answer that does not fit the question's schema is a 422 with the errors; the question stays open."""
    here, there = shared.pids
    viewer, run, question = ask_question(shared, here)
    status, problem = answer(shared, there, run, {"question": question, "answer": wrong})
    assert (status, problem["code"]) == (422, "invalid_answer")
    assert [error["loc"] for error in problem["errors"]] == [loc]
    assert all(error["msg"] for error in problem["errors"])
    assert answer(shared, there, run, {"question": question, "answer": {"colour": "blue"}})[0] == 202
    assert viewer.until("done")[-1].json["status"] == "succeeded"


@pytest.mark.parametrize("rubbish", [{}, [], "red", {"question": "q2"}, {"answer": {"colour": "red"}}])
def test_no_answer_at_all(shared: Workers, rubbish: Any) -> None:
    """A body that is no answer is a 400."""
    _, run, _ = ask_question(shared, shared.pids[0])
    assert answer(shared, shared.pids[1], run, rubbish)[0] == 400


def test_a_question_that_is_not_open(shared: Workers) -> None:
    """An answer to another question, to one with an answer, or to a run that is over is a 409."""
    here, there = shared.pids
    viewer, run, question = ask_question(shared, here)
    right = {"question": question, "answer": {"colour": "red"}}
    assert answer(shared, there, run, {**right, "question": "q99"})[0] == 409
    assert answer(shared, there, run, right)[0] == 202
    assert answer(shared, there, run, right)[0] == 409
    viewer.until("done")
    assert answer(shared, here, run, right)[0] == 409


def test_the_first_answer_wins(shared: Workers) -> None:
    """Of answers that arrive at once on two workers exactly one is accepted, and the operation gets that one."""
    for _ in range(10):
        viewer, run, question = ask_question(shared, shared.pids[0])
        clients = [(shared.connect(pid), colour) for pid in shared.pids for colour in ("red", "blue")]

        def give(client: Connection, colour: str, run: str = run, question: str = question) -> tuple[int, str]:
            ask(client, "POST", f"/runs/{run}/answer", JSON, {"question": question, "answer": {"colour": colour}})
            return client.head.status, colour

        with ThreadPoolExecutor(len(clients)) as pool:
            responses = list(pool.map(lambda each: give(*each), clients))
        assert sorted(status for status, _ in responses) == [202, 409, 409, 409]
        (colour,) = [colour for status, colour in responses if status == 202]
        assert viewer.until("done")[-2].json["result"] == {"colour": colour}


def test_a_question_that_expires(shared: Workers) -> None:
    """A question without an answer in its time ends its run with `timeout`, and is closed on every worker."""
    here, there = shared.pids
    viewer = shared.start("curious", pid=here, within=0.5)
    question = viewer.until("question")[-1].json
    assert question["timestamp"] < question["expires"]
    error, done = viewer.until("done")
    assert (error.json["code"], error.json["retryable"], done.json["status"]) == ("timeout", True, "failed")
    assert 0.4 < done.json["elapsed"] < 5
    late = {"question": question["question"], "answer": {"colour": "red"}}
    assert answer(shared, there, run_of(viewer.head), late)[0] == 409
