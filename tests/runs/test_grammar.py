"""However an operation ends, its events keep the contract's grammar, and its run ends once with the right status.

Every test runs in every place: in a greenlet, a thread, a process and an event loop, and with the hub beside.
"""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streaming import Operation
from streaming.runs.runner import Runner
from tests import sample_operations as sample
from tests.clients import Message
from tests.sample_operations import Script, Where, scripted
from tests.worlds import LOOPS, PLACES, Place, Stage, ending, entered, is_gone

SECRET = "a secret of the server's"
PROCESSES = [place for place in PLACES if place.runs_in == "process"]
THREADS = [place for place in (*PLACES, *LOOPS) if place.runs_in != "process"]
"""The places in the worker's own process, greenlets and event loops among them."""


@pytest.fixture(params=[*PLACES, *LOOPS], ids=str)
def place(request: pytest.FixtureRequest) -> Place:
    """Each executor in each world."""
    place: Place = request.param
    return place


@pytest.fixture
def stage(place: Place) -> Iterator[Stage]:
    """A runner in the place's world, with everything that this module starts."""
    operations = [value for value in vars(sample).values() if isinstance(value, Operation)]
    with entered(place.world) as world:
        stage = Stage(world, *operations)
        yield stage
        stage.close()


def perform(stage: Stage, place: Place, *acts: str) -> list[Message]:
    """The events of a whole run of these acts."""
    return stage.events(stage.start(scripted, Script(acts=list(acts), runs_in=place.runs_in)))


def text_of(messages: list[Message]) -> str:
    """The data of all events."""
    return "".join(message.data for message in messages)


# Ends without a cancel

FAILURES = {
    "refuse": "no_pages",
    "refuse_with_a_number": "404",
    "refuse_with_nothing": "None",
    "refuse_with_bytes": "b'code'",
    "refuse_with_lines": "a\nb\r\u2028",
    **dict.fromkeys(
        [
            "fail",
            "fail_without_words",
            "fail_with_eof",
            "fail_with_a_broken_pipe",
            "exit",
            "interrupt",
            "generator_exit",
            "greenlet_exit",
            "stop_iteration",
            "endless_recursion",
            "group",
            "refuse_with_a_surrogate",
            "refuse_without_words",
            *sample.RUBBISH,
            *sample.NO_JSON,
        ],
        "operation_failed",
    ),
}


def test_every_act_is_tried() -> None:
    """The tables of this module have every way in which an operation can end, but for two with tests of their own."""
    others = {"memory_error", "refuse_with_an_object"}
    assert set(sample.ENDING) == set(FAILURES) | set(sample.JSON) | others


@pytest.mark.parametrize("act", FAILURES)
def test_a_failure(stage: Stage, place: Place, act: str) -> None:
    """A failure ends the run as failed, with the operation's own code or a fixed one, and without secrets."""
    messages = perform(stage, place, "progress", act)
    assert ending(messages) == ("failed", FAILURES[act])
    assert messages[1].event == "progress"
    assert SECRET not in text_of(messages)
    assert "Traceback" not in text_of(messages)


def test_an_operation_error_reaches_the_viewers(stage: Stage, place: Place) -> None:
    """Its code, its message and whether to retry are in the `error` event."""
    *_, error, _ = perform(stage, place, "refuse")
    expected = {"code": "no_pages", "message": "The document has no pages.", "retryable": True}
    assert error.json.items() >= expected.items()


def test_an_operation_error_of_objects(stage: Stage, place: Place) -> None:
    """Objects in place of a code and a message become text, in every place alike."""
    *_, error, _ = perform(stage, place, "refuse_with_an_object")
    assert error.json["code"].startswith("<object object at")
    assert error.json["message"] == "['a', 'list']"


@pytest.mark.parametrize("act", ["fail", "fail_with_eof", "exit", "yield_a_dict", "return_nan"])
def test_a_failure_can_be_found_in_the_log(
    stage: Stage, place: Place, act: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The reference that the viewers get is in the log, with the run and the traceback."""
    messages = perform(stage, place, act)
    reference = messages[-2].json["message"].split("reference ")[1].split()[0]
    (entry,) = [record for record in caplog.records if reference in record.getMessage()]
    assert messages[0].json["run"] in entry.getMessage()
    logged = logging.Formatter().format(entry)
    reasons = {"exit": "SystemExit", "yield_a_dict": "not dict", "return_nan": "nan is no JSON number"}
    assert reasons.get(act, SECRET) in logged
    assert "Traceback" in logged


def test_memory_that_is_short(stage: Stage, place: Place) -> None:
    """A `MemoryError` is `too_large` where the limit is the operation's own, and `operation_failed` in the worker."""
    expected = "too_large" if place.runs_in == "process" else "operation_failed"
    assert ending(perform(stage, place, "memory_error")) == ("failed", expected)


@pytest.mark.parametrize("act", sample.JSON)
def test_a_result(stage: Stage, place: Place, act: str) -> None:
    """Any JSON can be a result, and arrives unchanged."""
    messages = perform(stage, place, act)
    assert ending(messages) == ("succeeded", None)
    assert messages[-2].json["result"] == sample.JSON[act]


def test_every_kind_of_event(stage: Stage, place: Place) -> None:
    """The events of an operation arrive in their order, with their data."""
    messages = perform(stage, place, *(set(sample.GOING_ON) - {"many"}))
    arrived = {message.event: message for message in messages}
    assert arrived["delta"].json.items() >= {"text": "some text", "channel": "text"}.items()
    assert arrived["partial"].json.items() >= {"key": "page", "value": {"number": 1}}.items()
    assert arrived["chart"].json["points"] == [1, 2]
    assert arrived["text"].data == "no JSON"
    assert arrived["progress"].json.items() >= {"message": "A step", "done": 1, "total": 2}.items()
    assert sorted(message.json["size"] for message in messages if message.event == "file") == [4, 100_000]
    assert len(messages) == 7 + 3


def test_many_events(stage: Stage, place: Place) -> None:
    """An operation that is far ahead of the hub loses no event."""
    messages = perform(stage, place, "many", "flush", "many")
    assert [message.json["done"] for message in messages[1:3001]] == list(range(3000))
    assert len(messages) == 6000 + 3


# Functions that are no generators


@pytest.mark.parametrize(
    ("operation", "outcome", "result"),
    [
        (sample.plain, ("succeeded", None), {"from": "a plain function"}),
        (sample.plain_list, ("failed", "operation_failed"), None),
        (sample.plain_failure, ("failed", "closed"), None),
        (sample.iterating, ("succeeded", None), "lift-off"),
        (sample.iterable, ("succeeded", None), None),
    ],
    ids=lambda value: value.name if isinstance(value, Operation) else "",
)
def test_operations_that_are_no_generators(
    stage: Stage, place: Place, operation: Operation, outcome: tuple[str, str | None], result: Any
) -> None:
    """Plain functions, iterators and iterables can be operations; a list is a result, not events."""
    messages = stage.events(stage.start(operation, Where(runs_in=place.runs_in)))
    assert ending(messages) == outcome
    assert messages[-2].json.get("result") == result


# Cancels


def test_a_cancel_before_it_begins(stage: Stage, place: Place) -> None:
    """A run that is cancelled right after its start has its first event and its last, and none between."""

    def start_and_cancel() -> str:
        run, _ = stage.runner.start(scripted, Script(acts=["tidy", "wait"], runs_in=place.runs_in))
        stage.store.cancel(run, "requested")
        return run

    messages = stage.events(stage.world.call(start_and_cancel))
    assert [message.event for message in messages] == ["start", "done"]
    assert ending(messages) == ("cancelled", "requested")


@pytest.mark.parametrize(
    "acts",
    [
        ["wait"],
        ["ask"],
        ["never_stop", "progress"],
        ["return_on_exit", "wait"],
        ["fail_on_exit", "wait"],
        ["ignore_exits", "wait"],
        ["yield_in_finally", "wait"],
        ["fail_in_finally", "wait"],
        ["ignore_exits", "never_stop", "progress"],
    ],
    ids=" ".join,
)
def test_a_cancel_at_work(stage: Stage, place: Place, tmp_path: Path, acts: list[str]) -> None:
    """A cancel ends an operation that waits, asks or yields for ever; its `finally` has run by the last event."""
    file = tmp_path / "left"
    run = stage.start(scripted, Script(acts=["tidy", *acts], runs_in=place.runs_in, file=str(file)))
    stage.until(run, "question" if "ask" in acts else "progress")
    stage.cancel(run)
    messages = stage.events(run)
    assert ending(messages) == ("cancelled", "requested")
    assert file.read_text() == "tidied\n"
    assert "not yet" not in text_of(messages)
    assert "a last word" not in text_of(messages)


def test_a_cancel_of_a_plain_function(stage: Stage, place: Place, tmp_path: Path) -> None:
    """A function that is no generator is stopped where it waits, and its `finally` has run by the last event."""
    file = tmp_path / "left"
    run = stage.start(sample.plain_wait, Script(runs_in=place.runs_in, file=str(file)))
    stage.world.until(lambda: file.exists() and file.read_text(), "it is at work")
    stage.cancel(run)
    assert ending(stage.events(run)) == ("cancelled", "requested")
    assert file.read_text() == "waiting\ntidied\n"


def test_a_cancel_after_the_end_changes_nothing(stage: Stage, place: Place) -> None:
    """A run that is over keeps its status."""
    run = stage.start(scripted, Script(runs_in=place.runs_in))
    before = stage.events(run)
    stage.cancel(run)
    assert stage.events(run) == before
    assert stage.record(run).status == "succeeded"


def test_the_first_reason_stands(stage: Stage, place: Place) -> None:
    """A run that is cancelled twice has the first reason."""
    run = stage.start(scripted, Script(acts=["wait"], runs_in=place.runs_in))
    stage.until(run, "progress")
    stage.cancel(run, "disconnected")
    stage.cancel(run, "requested")
    assert ending(stage.events(run)) == ("cancelled", "disconnected")


def test_a_failure_after_a_cancel_is_logged(stage: Stage, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """The viewers get the cancel, and the server's log the error that the operation raised when it was stopped."""
    run = stage.start(scripted, Script(acts=["fail_in_finally", "wait"], runs_in=place.runs_in))
    stage.until(run, "progress")
    stage.cancel(run)
    assert ending(stage.events(run)) == ("cancelled", "requested")
    assert "LookupError" in caplog.text


@pytest.mark.parametrize("place", THREADS, ids=str, indirect=True)
@pytest.mark.parametrize("act", ["ignore_exits", "yield_in_finally"])
def test_an_operation_that_ignores_its_cancel_is_named(
    stage: Stage, place: Place, act: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One that yields after its cancel is named in a warning, and the event is dropped."""
    run = stage.start(scripted, Script(acts=[act, "never_stop", "progress"], runs_in=place.runs_in))
    stage.until(run, "progress")
    stage.cancel(run)
    assert ending(stage.events(run)) == ("cancelled", "requested")
    assert f"(run {run}) ignored its cancel" in caplog.text


def test_a_close_that_fails_ends_the_run_all_the_same(stage: Stage, place: Place) -> None:
    """An iterator whose `close` fails is cancelled like any other."""
    run = stage.start(sample.unruly, Where(runs_in=place.runs_in))
    stage.until(run, "progress")
    stage.cancel(run)
    assert ending(stage.events(run)) == ("cancelled", "requested")


def test_a_timeout(stage: Stage, place: Place) -> None:
    """Work that takes longer than its operation allows is cancelled, with an error that says why."""
    messages = stage.events(stage.start(sample.slow, Where(runs_in=place.runs_in)))
    assert ending(messages) == ("cancelled", "timeout")
    assert messages[-2].json["code"] == "timeout"
    assert "0.2 seconds" in messages[-2].json["message"]


# Cancel hooks


@pytest.mark.parametrize("place", THREADS, ids=str, indirect=True)
@pytest.mark.parametrize("operation", [sample.hooked, sample.hooked_block], ids=lambda operation: operation.name)
def test_hooks_are_called_by_a_cancel(stage: Stage, place: Place, tmp_path: Path, operation: Operation) -> None:
    """Each hook is called once, and only those whose block has not ended."""
    file = tmp_path / "left"
    acts = ["wait"] if operation is sample.hooked else ["progress"]
    run = stage.start(operation, Script(acts=acts, runs_in=place.runs_in, file=str(file)))
    stage.until(run, "progress")
    stage.cancel(run)
    assert ending(stage.events(run)) == ("cancelled", "requested")
    assert file.read_text() == ("hook\n" if operation is sample.hooked else "block\n")


@pytest.mark.parametrize("act", ["progress", "fail"])
def test_hooks_are_not_called_without_a_cancel(stage: Stage, place: Place, tmp_path: Path, act: str) -> None:
    """A run that ends by itself calls no hook."""
    file = tmp_path / "left"
    stage.events(stage.start(sample.hooked, Script(acts=[act], runs_in=place.runs_in, file=str(file))))
    assert not file.exists()


# Questions


def test_an_answer(stage: Stage, place: Place) -> None:
    """The operation gets the answer, and the viewers too."""
    run = stage.start(scripted, Script(acts=["ask"], runs_in=place.runs_in))
    question = stage.until(run, "question")[-1].json["question"]
    assert stage.record(run).status == "waiting"
    assert stage.answer(run, True)
    messages = stage.events(run)
    assert ending(messages) == ("succeeded", None)
    data = {message.event: message.json for message in messages}
    assert data["answer"]["question"] == question
    assert data["answer"]["answer"] is data["heard"]["answer"] is True


def test_two_questions(stage: Stage, place: Place) -> None:
    """Each question has an answer of its own; an answer to another question is ignored."""
    run = stage.start(scripted, Script(acts=["ask", "ask"], runs_in=place.runs_in))
    first = stage.until(run, "question")[-1].json["question"]
    stage.answer(run, "too early", question="q99")
    stage.answer(run, {"answer": 1})
    second = stage.until(run, "question", 2)[-1].json["question"]
    assert first != second
    assert not stage.answer(run, "again", question=first)
    assert stage.record(run).status == "waiting"
    stage.answer(run, None)
    heard = [message.json["answer"] for message in stage.events(run) if message.event == "heard"]
    assert heard == [{"answer": 1}, None]


def test_a_question_that_expires(stage: Stage, place: Place, tmp_path: Path) -> None:
    """A question without an answer in its time ends the run with the error `timeout`."""
    file = tmp_path / "left"
    run = stage.start(scripted, Script(acts=["tidy", "ask_briefly"], runs_in=place.runs_in, file=str(file)))
    messages = stage.events(run)
    assert ending(messages) == ("failed", "timeout")
    assert file.read_text() == "tidied\n"
    assert not stage.answer(run, True, question=messages[1].json["question"])
    assert stage.snapshot(run)["question"] is None


# Processes


@pytest.mark.parametrize("place", PROCESSES, ids=str, indirect=True)
@pytest.mark.parametrize("by", sample.DEATHS)
def test_a_process_that_dies(stage: Stage, by: str, caplog: pytest.LogCaptureFixture) -> None:
    """However a process ends, its run fails, and the log says how it ended."""
    messages = stage.events(stage.start(sample.dying, sample.Death(by=by)))
    assert ending(messages) == ("failed", "operation_failed")
    assert messages[1].json["message"] == "alive"
    names = {
        "a real-time signal": "signal 37",
        "exit 0": "status 0",
        "exit 3": "status 3",
        "closed descriptors": "status 1",
    }
    assert names.get(by, by) in caplog.text


@pytest.mark.parametrize("place", PROCESSES, ids=str, indirect=True)
def test_a_process_that_runs_out_of_memory(stage: Stage) -> None:
    """A process that exceeds its limit fails alone, with an error that says so; the next one runs."""
    assert ending(stage.events(stage.start(sample.hungry))) == ("failed", "too_large")
    assert ending(stage.events(stage.start(sample.modest))) == ("succeeded", None)


@pytest.mark.parametrize("place", PROCESSES, ids=str, indirect=True)
def test_an_input_that_cannot_be_sent(stage: Stage) -> None:
    """An input that cannot be pickled fails the run, not the request that starts it."""
    messages = stage.events(stage.start(sample.unsendable, sample.Unpicklable()))
    assert ending(messages) == ("failed", "operation_failed")
    assert SECRET not in text_of(messages)


@pytest.mark.parametrize("operation", [sample.lost, sample.endless], ids=lambda operation: operation.name)
def test_an_operation_whose_where_or_timeout_fails(stage: Stage, operation: Operation) -> None:
    """It fails the run, not the request that starts it."""
    assert ending(stage.events(stage.start(operation))) == ("failed", "operation_failed")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("cloud", "nowhere: its `where` gives one of greenlet, thread, process, asyncio, celery, not 'cloud'"),
        (None, "nowhere: its `where` gives one of greenlet, thread, process, asyncio, celery, not None"),
        ("celery", 'nowhere: its `where` gives "celery", where only operations with runs_in="celery" are sent to'),
        ("process", "nowhere: a process finds its operation by the name of its function"),
    ],
    ids=str,
)
def test_an_operation_whose_where_gives_no_executor(
    stage: Stage, where: Any, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It fails the run, and one line in the log says why."""
    assert ending(stage.events(stage.start(sample.nowhere, sample.Elsewhere(where=where)))) == (
        "failed",
        "operation_failed",
    )
    assert message in caplog.text


@pytest.mark.parametrize("place", PROCESSES, ids=str, indirect=True)
@pytest.mark.parametrize("operation", [sample.forking, sample.spawning], ids=lambda operation: operation.name)
@pytest.mark.parametrize("act", ["progress", "fail", "wait"])
def test_a_process_leaves_none_behind(stage: Stage, operation: Operation, act: str) -> None:
    """Processes that an operation has started end with its run, however that ends."""
    run = stage.start(operation, Script(acts=[act]))
    child = stage.until(run, "partial")[1].json["value"]
    if act == "wait":
        stage.until(run, "progress")
        stage.cancel(run)
    stage.events(run)
    stage.world.until(lambda: is_gone(child), "the operation's own child ends")


@pytest.mark.parametrize("place", PROCESSES, ids=str, indirect=True)
def test_a_process_that_misses_its_first_sigterm(stage: Stage, tmp_path: Path) -> None:
    """It gets the signal again, and its `finally` runs."""
    file = tmp_path / "left"
    run = stage.start(sample.hard_of_hearing, Script(file=str(file)))
    stage.until(run, "progress")
    stage.cancel(run)
    assert ending(stage.events(run)) == ("cancelled", "requested")
    assert file.read_text() == "tidied\n"


@pytest.mark.parametrize("place", PROCESSES, ids=str, indirect=True)
def test_a_process_that_left_a_daemon_behind(stage: Stage) -> None:
    """A daemon that keeps the pipes open does not keep the run from its end."""
    run = stage.start(sample.daemonizing, Script())
    daemon = stage.until(run, "partial")[1].json["value"]
    try:
        assert ending(stage.events(run)) == ("succeeded", None)
        assert not is_gone(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)


@pytest.mark.parametrize("place", PROCESSES, ids=str, indirect=True)
def test_a_fork_server_that_is_killed(stage: Stage) -> None:
    """Its children die with it and their runs fail; the next run has a fork server again."""
    runs = [stage.start(sample.whereabouts, Script(acts=["wait"])) for _ in range(2)]
    children = [stage.until(run, "progress")[1].json["value"] for run in runs]
    os.kill(stage.world.fork_server.pid, signal.SIGKILL)
    for run in runs:
        assert ending(stage.events(run)) == ("failed", "operation_failed")
    for child in children:
        stage.world.until(lambda child=child: is_gone(child), "a child dies with its fork server")  # type: ignore[misc]
    assert ending(stage.events(stage.start(scripted, Script(runs_in="process")))) == ("succeeded", None)


@pytest.mark.parametrize("place", PROCESSES, ids=str, indirect=True)
def test_a_fork_server_that_stands_still(stage: Stage) -> None:
    """A cancel before the fork server has read the command ends the run once it continues."""
    stage.events(stage.start(scripted, Script(runs_in="process")))
    server = stage.world.fork_server.pid
    os.kill(server, signal.SIGSTOP)
    try:
        run = stage.start(scripted, Script(acts=["wait"], runs_in="process"))
        stage.cancel(run)
    finally:
        os.kill(server, signal.SIGCONT)
    assert ending(stage.events(run)) == ("cancelled", "requested")


# Any sequence

ANY_ACTS = st.lists(
    st.sampled_from([*sample.AROUND, *sample.GOING_ON, "ask", *["progress", "delta", "rest"] * 3]), max_size=5
)
ANY_END = st.sampled_from(
    [[], ["wait"], ["refuse"], ["fail"], ["exit"], ["yield_none"], ["return_nan"], ["ask_briefly"]]
)


@settings(max_examples=settings().max_examples // 4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ANY_ACTS, end=ANY_END, cancel_at=st.integers(1, 8))
def test_any_sequence_of_acts(stage: Stage, place: Place, acts: list[str], end: list[str], cancel_at: int) -> None:
    """Whatever an operation does in whatever order, and whenever it is cancelled, its events keep the grammar."""
    script = Script(acts=[*acts, *end], runs_in=place.runs_in, file="/dev/null")
    run = stage.start(script_of(stage), script)

    def far_enough() -> bool:
        record = stage.store.find(run)
        assert record is not None
        waiting = record.status == "waiting" or b"waiting" in (record.fold.progress or b"")
        return record.fold.over or record.fold.last_event_id > cancel_at or waiting

    stage.world.until(far_enough, "enough events")
    if stage.record(run).status == "waiting":
        stage.answer(run, True)
    stage.cancel(run)
    messages = stage.events(run)
    snapshot = json.loads(stage.record(run).snapshot())
    assert snapshot["status"] == messages[-1].json["status"]
    assert snapshot["last_event_id"] == messages[-1].id


def script_of(stage: Stage) -> Operation:
    """The operation that performs scripts, from the stage's runner."""
    runner: Runner = stage.runner
    return runner.operations[scripted.name]
