"""`streaming.testing`: runs without a server, in every executor, and the clock that a test moves."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask, current_app, has_app_context
from pydantic import BaseModel, ValidationError

from streaming import ask, current_run, operation, progress, result
from streaming.client import Done, Error, Progress, Question, Result, Start
from streaming.errors import Conflict, InvalidInput
from streaming.testing import ManualClock, Run, Runs, collect
from streaming.testing.plugin import headway_runs  # noqa: F401  # a fixture
from tests import sample_operations as sample
from tests.sample_operations import Acts, Script, scripted

ROOT: Final = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.usefixtures("world")


class Input(BaseModel):
    """How far to count."""

    pages: int = 2


@operation(title="Count pages", linger=0)
def count(input: Input) -> Acts:
    """Counts, and asks at the end."""
    for page in range(input.pages):
        yield progress(f"Page {page + 1}", done=page + 1, total=input.pages)
    ok = yield ask("Keep the count?", schema={"type": "boolean"}, within=600)
    return {"pages": input.pages, "ok": ok}


@operation(headers=("Accept-Language",))
async def describing() -> AsyncIterator[Any]:
    """Tells of its run."""
    run = current_run()
    yield result(
        {"owner": run.owner, "headers": dict(run.headers), "app": current_app.name if has_app_context() else None}
    )


def types(events: list[Any]) -> list[str]:
    """The names of events."""
    return [event.type for event in events]


def test_the_events_of_a_run() -> None:
    """They are those of a real run: of the client's classes, with the grammar, numbers and timestamps."""
    events = collect(count, {"pages": 2}, answers={"Keep the count?": True})
    assert types(events) == ["start", "progress", "progress", "question", "answer", "result", "done"]
    assert [event.id for event in events] == list(range(1, 8))
    assert all(event.timestamp and datetime.fromisoformat(event.timestamp) for event in events)
    match events:
        case [Start(operation="count"), Progress(percent=50.0), Progress(), Question(), _, Result(result=kept), Done()]:
            assert kept == {"pages": 2, "ok": True}
        case _:
            raise AssertionError(events)


@pytest.mark.parametrize("world", ["hub beside"], indirect=True)
@pytest.mark.parametrize("runs_in", ["greenlet", "thread", "process", "asyncio"])
def test_every_executor(runs_in: Any) -> None:
    """It runs where its operation says."""
    events = collect(scripted, Script(acts=["progress", "ask", "partial"], runs_in=runs_in), answers={"Go on?": True})
    assert types(events) == ["start", "progress", "question", "answer", "heard", "partial", "result", "done"]


def test_an_input() -> None:
    """It is a model, a mapping, or nothing where that will do; a wrong one is refused as by pydantic."""
    answers = {"Keep the count?": False}
    assert len(collect(count, Input(pages=0), answers=answers)) == len(collect(count, answers=answers)) - 2 == 5
    with pytest.raises(ValidationError, match="pages"):
        collect(count, {"pages": "many"})


def test_a_failure() -> None:
    """A failing operation raises nothing: its events say so."""
    *_, error, done = collect(scripted, {"acts": ["refuse"]})
    assert isinstance(error, Error)
    assert (error.code, done.data["status"]) == ("no_pages", "failed")


def test_answers() -> None:
    """They may be made by a function of the question; one that is missing or does not fit is an error of the test."""
    asked: list[Question] = []

    def answer(question: Question) -> bool:
        asked.append(question)
        return True

    assert collect(count, answers=answer)[-2].data["result"]["ok"] is True
    assert [question.schema for question in asked] == [{"type": "boolean"}]
    with pytest.raises(LookupError, match="the operation asks 'Keep the count\\?', and `answers` has nothing"):
        collect(count)
    with pytest.raises(InvalidInput, match="the answer does not fit the question's schema"):
        collect(count, answers={"Keep the count?": "perhaps"})


def test_a_timeout() -> None:
    """A run that does not end in time is stopped, and the error says how far it came."""
    with pytest.raises(TimeoutError, match=r"has not ended in 0\.1 s, after \['start', 'progress'\]"):
        collect(scripted, {"acts": ["wait"]}, timeout=0.1)


def test_the_application() -> None:
    """An operation works in the context of `app`, and has its owner and headers; without them there are none."""
    headers = {"Accept-Language": "de", "Cookie": "secret"}
    *_, with_all, _ = collect(describing, app=Flask("shop"), owner="ann", headers=headers)
    assert with_all.data["result"] == {"owner": "ann", "headers": {"Accept-Language": "de"}, "app": "shop"}
    assert collect(describing)[-2].data["result"] == {"owner": "", "headers": {}, "app": None}


def test_a_clock_that_is_moved() -> None:
    """A question expires and a timeout comes when the test says so."""
    with Runs(clock=ManualClock()) as runs:
        for event in (asking := runs.start(count)):
            if isinstance(event, Question):
                runs.clock.advance(601)
        assert isinstance(asking, Run)
        assert (event.type, event.data["status"], event.data["elapsed"]) == ("done", "failed", 601.0)
        for event in runs.start(sample.limited):
            if isinstance(event, Progress):
                runs.clock.advance(61)
        assert event.data["reason"] == "timeout"


def test_what_happens_while_a_run_is_live() -> None:
    """Several at once; one is cancelled, and an answer to no question is refused."""
    with Runs() as runs:
        several = [runs.start(count) for _ in range(3)]
        for run in several:
            assert types(list(itertools.islice(run, 4)))[-1] == "question"
        several[0].cancel()
        assert [event.type for event in several[0]] == ["done"]
        several[1].answer(True)
        assert [event.type for event in several[1]] == ["answer", "result", "done"]
        with pytest.raises(Conflict, match="this question is not open"):
            several[1].answer(True)


def test_what_is_left_is_stopped(tmp_path: Path) -> None:
    """The end of the block stops live runs, whose `finally` blocks run."""
    file = tmp_path / "left"
    with Runs() as runs:
        run = runs.start(scripted, Script(acts=["tidy", "wait"], file=str(file)))
        assert types(list(itertools.islice(run, 2))) == ["start", "progress"]
    assert file.read_text() == "tidied\n"


@pytest.fixture
def app() -> Flask:
    """The application of a test."""
    return Flask("shop")


def test_the_fixture(headway_runs: Runs, app: Flask) -> None:  # noqa: F811
    """Its clock stands still, and its runs have the fixture `app`."""
    assert isinstance(headway_runs.clock, ManualClock)
    *_, described, done = headway_runs.start(describing)
    assert (described.data["result"]["app"], done.data["elapsed"]) == ("shop", 0.0)


@pytest.mark.parametrize("world", ["hub beside"], indirect=True)
def test_inside_a_loop() -> None:
    """A test that is a coroutine may collect in a thread."""
    events = asyncio.run(asyncio.to_thread(collect, count, answers={"Keep the count?": True}))
    assert events[-1].type == "done"


@pytest.mark.parametrize("world", ["hub beside"], indirect=True)
def test_what_is_imported() -> None:
    """Neither `streaming` nor `streaming.testing` imports pytest, or httpx, which its events do not need."""
    code = "import sys, streaming, streaming.testing; print([name in sys.modules for name in ('pytest', 'httpx')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[False, False]", done.stderr
