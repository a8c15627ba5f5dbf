"""Runs: how they start, their limits, their linger, their timeouts, and those that never end.

Time is a clock that the tests move.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from pydantic import BaseModel

from streaming import Event, ManualClock, MemoryStore, Operation, ask, operation, progress
from streaming.clock import SystemClock
from streaming.errors import Conflict, NotFound, StoreAway, TooMany, Unavailable
from streaming.protocol.frames import Block
from streaming.protocol.recorder import Recorder
from streaming.protocol.state import Fold
from streaming.runs import questions
from streaming.runs.context import RunContext
from streaming.runs.files import FileEvent
from streaming.runs.producer import GIVE_UP_AFTER, IGNORES_AFTER, Producer
from streaming.runs.signature import NoInput
from tests import sample_operations as sample
from tests.clients import parse_frames
from tests.sample_operations import Script, scripted
from tests.worlds import WORLDS, Stage, World, ending, entered

GREENLET, THREAD = "greenlet", "thread"


@pytest.fixture
def world() -> Iterator[World]:
    """A hub in this thread, as under gunicorn."""
    with entered("own hub") as world:
        yield world


@pytest.fixture
def clock() -> ManualClock:
    """The clock of the runs and of their store."""
    return ManualClock()


@pytest.fixture
def stage(world: World, clock: ManualClock) -> Iterator[Stage]:
    """A runner whose clock stands still."""
    stage = Stage(world, *operations(), clock=clock)
    yield stage
    close(stage, clock)


def operations() -> list[Operation]:
    """The operations that this module starts."""
    return [value for value in vars(sample).values() if isinstance(value, Operation)]


def close(stage: Stage, clock: ManualClock) -> None:
    """Ends the runs that are left, those too that would wait for the clock."""
    for run in list(stage.runner.runs.values()):
        stage.world.call(run.producer.cancel, "shutdown")
    clock.advance(GIVE_UP_AFTER)
    stage.close()


# Starting


def test_the_first_event_is_there_at_once(stage: Stage) -> None:
    """A run has its first event as soon as it has started, before its operation runs."""
    run = stage.start(sample.plain_wish)
    (first,) = stage.so_far(run)
    assert (first.id, first.event) == (1, "start")
    assert first.json == {"timestamp": "2026-11-23T09:30:00.000Z", "run": run, "operation": "plain_wish"}


def test_run_ids_cannot_be_guessed(stage: Stage) -> None:
    """An id has 136 random bits in letters that need no escape in a URL, and no two are alike.

    It begins with a letter: on a command line `-` would begin an option.
    """
    runs = {stage.start(sample.plain, sample.Where()) for _ in range(20)}
    assert len(runs) == 20
    for run in runs:
        assert len(run) == 24
        assert run[0] == "r"
        assert run.replace("-", "a").replace("_", "a").isalnum()


def test_the_elapsed_seconds(stage: Stage, clock: ManualClock) -> None:
    """The last event has the duration of the run, by a clock that does not jump."""
    run = stage.start(sample.plain_wish)
    stage.until(run, "progress")
    clock.advance(90.5)
    clock.jump(-3600)
    stage.cancel(run)
    assert stage.events(run)[-1].json["elapsed"] == 90.5


def test_a_run_is_found_by_its_owner(stage: Stage) -> None:
    """For anybody else it does not exist."""
    run = stage.start(sample.plain, sample.Where(), owner="ann")
    assert stage.world.call(stage.runner.find, run, "ann").info.id == run
    for owner in ("bob", ""):
        with pytest.raises(NotFound):
            stage.world.call(stage.runner.find, run, owner)
        with pytest.raises(NotFound):
            stage.world.call(stage.runner.cancel, run, owner)


def test_a_cancel_gives_the_record_of_the_run(stage: Stage) -> None:
    """That of a live run is `cancelling`; that of a run that is over has its ending."""
    run = stage.start(sample.plain_wish)
    record, was_live = stage.world.call(stage.runner.cancel, run, "")
    assert (record.status, was_live) == ("cancelling", True)
    stage.events(run)
    record, was_live = stage.world.call(stage.runner.cancel, run, "")
    assert (record.status, was_live) == ("cancelled", False)


def test_a_run_that_never_waits_blocks_no_other(world: World) -> None:
    """Beside a producer without a pause another run starts and ends, and the first can be cancelled."""
    stage = Stage(world, *operations())
    greedy = stage.start(scripted, Script(acts=["never_stop", "progress"]))
    other = stage.start(scripted, Script(acts=["many"]))
    assert ending(stage.events(other)) == ("succeeded", None)
    assert not stage.record(greedy).fold.over
    stage.cancel(greedy)
    assert ending(stage.events(greedy)) == ("cancelled", "requested")
    stage.close()


class Faulty(MemoryStore):
    """A store that raises `fault` from one of its methods, the first time that it is called."""

    def __init__(self, clock: ManualClock, method: str, fault: Exception) -> None:
        super().__init__(clock=clock)
        self._faults = {method: fault}

    def watch(self, run: str, callback: Callable[[], None], **options: Any) -> Callable[[], None]:
        """Raises, or watches."""
        self._fail("watch")
        return super().watch(run, callback, **options)

    def append(self, run: str, block: Block, fold: Fold) -> None:
        """Raises, or appends."""
        self._fail("append")
        super().append(run, block, fold)

    def _fail(self, method: str) -> None:
        if method in self._faults:
            raise self._faults.pop(method)


@pytest.mark.parametrize("fault", [StoreAway("no answer"), KeyError("a bug")], ids=repr)
@pytest.mark.parametrize("runs_in", [GREENLET, THREAD, "process"])
def test_a_run_that_cannot_be_watched_fails(
    world: World, clock: ManualClock, tmp_path: Path, runs_in: Any, fault: Exception
) -> None:
    """No cancel would reach it, so its operation is not begun; its viewers see why it ends."""
    stage = Stage(world, scripted, clock=clock, store=Faulty(clock, "watch", fault))
    note, cleanups = tmp_path / "note", list[str]()
    script = Script(acts=["tidy", "wait"], runs_in=runs_in, file=str(note))
    run = stage.start(scripted, script, cleanup=lambda: cleanups.append("called"))
    assert ending(stage.events(run)) == ("failed", "operation_failed")
    assert (stage.runner.live, cleanups, note.exists()) == (0, ["called"], False)
    close(stage, clock)


def test_a_run_whose_first_event_is_refused(world: World, clock: ManualClock) -> None:
    """Its start is refused, and it takes none of its worker's room."""
    stage = Stage(world, sample.plain, clock=clock, store=Faulty(clock, "append", StoreAway("no answer")))
    cleanups = list[str]()
    with pytest.raises(StoreAway):
        stage.start(sample.plain, sample.Where(), cleanup=lambda: cleanups.append("called"))
    assert (stage.runner.live, cleanups) == (0, ["called"])
    close(stage, clock)


# Linger


def start_watched(stage: Stage, operation: Operation) -> str:
    """Starts a run with a viewer, and waits until its operation runs."""
    run = stage.start(operation)
    stage.watch(run)
    stage.until(run, "progress")
    return run


def is_live(stage: Stage, run: str) -> bool:
    """Whether a run is live and not cancelled, after the timers that are due have run."""
    stage.world.call(gevent.sleep, 0.002)
    return stage.record(run).status == "running"


def test_linger_of_none_at_all(stage: Stage, clock: ManualClock) -> None:
    """With a linger of 0 the run ends when its last viewer leaves."""
    run = start_watched(stage, sample.hasty)
    clock.advance(10_000)
    assert is_live(stage, run)
    stage.leave(run)
    clock.advance(0)
    assert ending(stage.events(run)) == ("cancelled", "disconnected")


def test_linger_of_some_seconds(stage: Stage, clock: ManualClock) -> None:
    """A run continues for that long after its last viewer has left."""
    run = start_watched(stage, sample.patient)
    stage.leave(run)
    clock.advance(29.9)
    assert is_live(stage, run)
    clock.advance(0.1)
    assert ending(stage.events(run)) == ("cancelled", "disconnected")


def test_linger_without_an_end(stage: Stage, clock: ManualClock) -> None:
    """With a linger of `None` a run continues without viewers."""
    run = start_watched(stage, sample.lasting)
    stage.leave(run)
    clock.advance(10**8)
    assert is_live(stage, run)


def test_a_viewer_that_comes_back_in_time(stage: Stage, clock: ManualClock) -> None:
    """The run continues, and its linger starts again when that viewer leaves."""
    run = start_watched(stage, sample.patient)
    stage.leave(run)
    clock.advance(29)
    stage.watch(run)
    clock.advance(1000)
    assert is_live(stage, run)
    stage.leave(run)
    clock.advance(29)
    assert is_live(stage, run)
    clock.advance(1)
    assert ending(stage.events(run)) == ("cancelled", "disconnected")


def test_a_run_has_been_left_when_its_last_viewer_has(stage: Stage, clock: ManualClock) -> None:
    """The run continues when the first of two viewers leaves."""
    run = start_watched(stage, sample.hasty)
    stage.watch(run)
    stage.leave(run)
    clock.advance(10_000)
    assert is_live(stage, run)
    stage.leave(run)
    clock.advance(0)
    assert ending(stage.events(run)) == ("cancelled", "disconnected")


def test_a_run_that_nobody_has_watched_has_not_been_left(stage: Stage, clock: ManualClock) -> None:
    """A run that starts without a viewer continues until it has had one."""
    run = stage.start(sample.hasty)
    stage.until(run, "progress")
    clock.advance(10**6)
    assert is_live(stage, run)
    stage.watch(run)
    stage.leave(run)
    clock.advance(0)
    assert ending(stage.events(run)) == ("cancelled", "disconnected")


def test_a_viewer_of_a_run_that_is_over(stage: Stage, clock: ManualClock) -> None:
    """When it leaves, nothing changes."""
    run = stage.start(sample.plain, sample.Where())
    before = stage.events(run)
    stage.watch(run)
    stage.leave(run)
    clock.advance(100)
    assert stage.so_far(run) == before


@pytest.mark.parametrize("linger", [0.0, 7.0, None])
def test_the_settings_linger(world: World, clock: ManualClock, linger: float | None) -> None:
    """It is the linger of operations that set none, and of no other."""
    stage = Stage(world, *operations(), clock=clock, linger=linger)
    assert [stage.runner.linger_of(operation) for operation in (sample.plain_wish, sample.hasty)] == [linger, 0]
    run = start_watched(stage, sample.plain_wish)
    stage.leave(run)
    clock.advance(1e6 if linger is None else max(linger - 0.1, 0))
    if linger != 0:
        assert is_live(stage, run)
    if linger is not None:
        clock.advance(0.1)
        assert ending(stage.events(run)) == ("cancelled", "disconnected")
    close(stage, clock)


# Timeouts


def test_a_timeout_is_counted_from_the_start(stage: Stage, clock: ManualClock) -> None:
    """The limit is that of the operation, and the error has it in seconds."""
    run = stage.start(sample.limited)
    stage.until(run, "progress")
    clock.advance(59.9)
    assert is_live(stage, run)
    clock.advance(0.1)
    messages = stage.events(run)
    assert ending(messages) == ("cancelled", "timeout")
    assert messages[-2].json["code"] == "timeout"
    assert messages[-2].json["message"] == "The work took longer than the 60 seconds it may take."
    assert stage.snapshot(run)["error"]["code"] == "timeout"


class AnySchema(BaseModel):
    """The schema of a question, valid or not."""

    schema_: dict[str, Any]


@operation(linger=None)
def asking_with(input: AnySchema) -> Iterator[Event]:
    """Asks with the schema of its input."""
    yield ask("Which?", schema=input.schema_)


@pytest.mark.parametrize("schema", [{"type": "colour"}, {"properties": []}, {"pattern": "("}, {"minimum": "one"}])
def test_a_question_with_a_schema_that_is_none(
    world: World, clock: ManualClock, schema: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody could answer it: it is not asked, and its run fails, with the reason in the log."""
    stage = Stage(world, asking_with, clock=clock)
    messages = stage.events(stage.start(asking_with, AnySchema(schema_=schema)))
    assert [message.event for message in messages] == ["start", "error", "done"]
    assert ending(messages) == ("failed", "operation_failed")
    assert "the schema of a question is invalid" in caplog.text


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/missing"},
        {"properties": {"colour": {"$ref": "https://example.org/colour.json"}}},
        {"anyOf": [{"$ref": "#nowhere"}]},
        {"type": "string", "anyOf": [{"$ref": "#/type/x"}, {"$ref": "#/type"}]},
    ],
)
def test_a_question_whose_schema_refers_elsewhere(
    world: World, clock: ManualClock, schema: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """References are not fetched from anywhere: such a question is not asked either."""
    stage = Stage(world, asking_with, clock=clock)
    messages = stage.events(stage.start(asking_with, AnySchema(schema_=schema)))
    assert ending(messages) == ("failed", "operation_failed")
    assert "leads nowhere in this schema" in caplog.text


def test_a_schema_may_refer_to_itself() -> None:
    """References within a schema are resolved, in the check of the answer too."""
    tree = {
        "$id": "https://example.org/tree",
        "$defs": {"leaf": {"type": "integer"}},
        "anyOf": [{"$ref": "#/$defs/leaf"}, {"type": "array", "items": {"$ref": "https://example.org/tree"}}],
    }
    questions.check_schema(tree)
    assert questions.errors_in([1, [2, [3]]], tree) == []
    assert questions.errors_in([1, ["two"]], tree)


def test_a_question_is_open_for_its_time(stage: Stage, clock: ManualClock) -> None:
    """The event says when it expires, and the question is open until then."""
    run = stage.start(sample.asking)
    question = stage.until(run, "question")[-1].json
    assert question["expires"] == "2026-11-23T09:40:00.000Z"
    clock.advance(599.9)
    assert stage.record(run).status == "waiting"
    assert stage.snapshot(run)["question"]["prompt"] == "Go on?"
    clock.advance(0.1)
    messages = stage.events(run)
    assert ending(messages) == ("failed", "timeout")
    assert messages[-2].json["retryable"] is True


def test_an_answer_in_time_is_not_overtaken(stage: Stage, clock: ManualClock) -> None:
    """A question with an answer does not expire."""
    run = stage.start(sample.asking)
    stage.until(run, "question")
    stage.answer(run, False)
    clock.advance(601)
    assert stage.events(run)[-2].json["result"] is False


# Work that will not end


@pytest.mark.parametrize("runs_in", [GREENLET, THREAD])
def test_work_that_ignores_its_cancel(
    stage: Stage, clock: ManualClock, tmp_path: Path, runs_in: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named after a second, its run ends after eight, and later events of it are dropped."""
    release = tmp_path / "release"
    script = Script.model_validate({"runs_in": runs_in, "file": str(release)})
    run = stage.start(sample.stubborn, script)
    stage.until(run, "progress")
    producer = stage.runner.runs[run].producer
    stage.cancel(run)
    assert stage.record(run).status == "cancelling"
    clock.advance(IGNORES_AFTER)
    (warning,) = caplog.records
    assert f"operation 'stubborn' (run {run}) ignores its cancel" in warning.getMessage()
    assert warning.levelno == logging.WARNING
    clock.advance(GIVE_UP_AFTER - IGNORES_AFTER)
    messages = stage.events(run)
    assert ending(messages) == ("cancelled", "requested")
    release.touch()
    stage.world.until(lambda: producer.greenlet.dead, "it ends")
    assert stage.so_far(run) == messages


def test_work_that_obeys_is_not_named(stage: Stage, clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    """An operation that has ended by then is not."""
    run = stage.start(sample.plain_wish)
    stage.until(run, "progress")
    stage.cancel(run)
    stage.events(run)
    clock.advance(GIVE_UP_AFTER + 1)
    assert caplog.records == []


class SlowToClose:
    """Work that is cancelled while it yields, and is slow to close."""

    def __init__(self) -> None:
        self.cancel: Callable[[], None] = lambda: None
        self.closed = False

    def send(self, answer: object) -> Event:
        """Cancels before the event is returned."""
        self.cancel()
        return progress("never written")

    def close(self) -> None:
        """Waits for a few rounds of the hub."""
        for _ in range(5):
            gevent.sleep(0)
        self.closed = True


class Frames(list[bytes]):
    """A sink."""

    send = None

    def put(self, block: Block, recorder: Recorder) -> None:
        """Appends frames."""
        self.extend(block.frames)

    def wait_for_viewers(self) -> None:
        """Nothing."""

    def wait_for_room(self) -> None:
        """There is always room."""

    def check_references(self, body: bytes, last: int) -> None:
        """There are no partials."""

    def keep_checkpoint(self, body: bytes, recorder: Recorder) -> None:
        raise AssertionError("no operation here keeps any")

    def hand_over(self) -> bool:
        return False

    def keep_file(self, file: FileEvent) -> Event:
        """There are no files."""
        raise NotImplementedError


def test_a_cancel_does_not_interrupt_the_closing(world: World) -> None:
    """Work that is being closed is not interrupted: the last event waits for it."""
    work, frames, closed_at_the_end = SlowToClose(), Frames(), list[bool]()
    producer = Producer(
        "slow",
        work,
        RunContext(world.worker),
        frames,
        clock=SystemClock(),
        ended=lambda: closed_at_the_end.append(work.closed),
    )
    work.cancel = lambda: producer.cancel("requested")
    producer.start()
    world.until(lambda: producer.over, "it ends")
    assert closed_at_the_end == [True]
    assert ending(parse_frames(b"".join(frames))) == ("cancelled", "requested")


# Flushing


def lines(stage: Stage, run: str) -> list[str]:
    """The lines that viewers have."""
    return [message.json["text"] for message in stage.so_far(run) if message.event == "line"]


@pytest.mark.parametrize("operation", [sample.paced, sample.each], ids=["ready", "each"])
def test_an_event_is_shown_when_its_producer_waits(stage: Stage, tmp_path: Path, operation: Operation) -> None:
    """Without an interval an event is written even if no other follows."""
    script = paced_by(tmp_path)
    run = stage.start(operation, script)
    for line in ("one", "two"):
        script.leave(line)
        stage.world.until(lambda line=line: line in lines(stage, run), "the line is written")  # type: ignore[misc]
    script.leave("end")
    assert ending(stage.events(run)) == ("succeeded", None)


def test_events_are_gathered(stage: Stage, clock: ManualClock, tmp_path: Path) -> None:
    """With an interval events are written together at its end, at a `flush()`, and at the end of the run."""
    script = paced_by(tmp_path)
    run = stage.start(sample.gathering, script)
    recorder = stage.runner.runs[run].producer.recorder
    script.leave("one")
    stage.world.until(lambda: recorder.last == 2, "it is yielded")
    clock.advance(4.9)
    assert lines(stage, run) == []
    script.leave("two")
    stage.world.until(lambda: recorder.last == 3, "it is yielded")
    clock.advance(0.1)
    assert lines(stage, run) == ["one", "two"]
    script.leave("three\nflush")
    stage.until(run, "line", 3)
    script.leave("four\nend")
    assert [message.event for message in stage.events(run)] == ["start", *["line"] * 4, "result", "done"]


def paced_by(folder: Path) -> Script:
    """An input whose file exists, and is empty."""
    file = folder / "lines"
    file.touch()
    return Script(file=str(file))


# Limits


def test_a_worker_has_so_many_runs(world: World, clock: ManualClock) -> None:
    """Past its limit a worker refuses, with a Retry-After; a run that has ended makes room."""
    stage = Stage(world, *operations(), clock=clock, max_runs=2)
    first, _ = stage.start(sample.plain_wish, client="a"), stage.start(sample.plain_wish, client="b")
    with pytest.raises(Unavailable) as caught:
        stage.start(sample.plain_wish, client="c")
    assert (caught.value.code, caught.value.status, caught.value.retry_after) == ("too_many_runs", 503, 5)
    stage.cancel(first)
    stage.events(first)
    stage.start(sample.plain_wish, client="c")
    close(stage, clock)


def test_a_client_has_so_many_runs(world: World, clock: ManualClock) -> None:
    """Past its limit a client is refused, with a Retry-After, and others are not."""
    stage = Stage(world, *operations(), clock=clock, max_runs_per_client=1)
    first = stage.start(sample.plain_wish, client="a")
    with pytest.raises(TooMany) as caught:
        stage.start(sample.plain_wish, client="a")
    assert (caught.value.status, caught.value.retry_after) == (429, 5)
    stage.start(sample.plain_wish, client="b")
    stage.cancel(first)
    stage.events(first)
    stage.start(sample.plain_wish, client="a")
    close(stage, clock)


def test_a_worker_that_drains_takes_no_run(stage: Stage) -> None:
    """It refuses with its reason and a Retry-After."""
    stage.runner.draining = True
    with pytest.raises(Unavailable) as caught:
        stage.start(sample.plain_wish)
    assert (caught.value.code, caught.value.retry_after) == ("draining", 1)


def test_a_worker_that_stops_ends_its_runs(world: World) -> None:
    """Live runs are cancelled with the reason `shutdown`, and it waits for their ends."""
    stage = Stage(world, *operations())
    runs = [stage.start(sample.plain_wish) for _ in range(3)]
    stage.world.call(stage.runner.stop)
    for run in runs:
        assert ending(stage.events(run)) == ("cancelled", "shutdown")
    assert stage.runner.live == 0
    stage.close()


# Joining


def join(stage: Stage, *, key: str = "k", digest: str = "d", owner: str = "ann") -> tuple[str, bool]:
    """Starts a run with a key, or joins one."""
    start: Callable[..., tuple[str, bool]] = stage.runner.start
    return stage.world.call(start, sample.plain_wish, NoInput(), owner=owner, client=owner, key=key, digest=digest)


def test_a_key_joins_a_run(stage: Stage) -> None:
    """The same owner, key and body give the same run, live or over."""
    run, fresh = join(stage)
    assert fresh
    assert join(stage) == (run, False)
    assert join(stage, owner="bob")[0] != run
    assert join(stage, key="other")[0] != run
    stage.cancel(run)
    stage.events(run)
    assert join(stage) == (run, False)


def test_a_key_with_another_body(stage: Stage) -> None:
    """It is refused, and starts nothing."""
    join(stage)
    with pytest.raises(Conflict):
        join(stage, digest="other")
    assert stage.runner.live == 1


@pytest.mark.parametrize("limit", ["max_runs", "max_runs_per_client"])
def test_a_join_needs_no_room(world: World, clock: ManualClock, limit: str) -> None:
    """A client can join its own run at the limit, where no other can start."""
    settings: dict[str, Any] = {limit: 1}
    stage = Stage(world, *operations(), clock=clock, **settings)
    run, _ = join(stage)
    assert join(stage) == (run, False)
    with pytest.raises((Unavailable, TooMany)):
        join(stage, key="another")
    close(stage, clock)


# After a run


def test_a_runs_cleanup_is_called_once(stage: Stage) -> None:
    """Once, after a run, a refusal or a join."""
    called: list[str] = []
    start: Callable[..., tuple[str, bool]] = stage.runner.start

    def begin(name: str, **options: object) -> None:
        stage.world.call(start, sample.plain_wish, NoInput(), cleanup=lambda: called.append(name), **options)

    begin("first", key="k", digest="d")
    assert called == []
    begin("joined", key="k", digest="d")
    assert called == ["joined"]
    with pytest.raises(Conflict):
        begin("conflict", key="k", digest="e")
    stage.runner.draining = True
    with pytest.raises(Unavailable):
        begin("refused")
    assert called == ["joined", "conflict", "refused"]
    stage.world.call(stage.runner.stop)
    assert called == ["joined", "conflict", "refused", "first"]


@pytest.mark.parametrize("name", WORLDS)
def test_finished_runs_go_after_their_retention(name: str) -> None:
    """The runner removes them without a request."""
    with entered(name) as world:  # type: ignore[arg-type]
        clock = ManualClock()
        stage = Stage(world, *operations(), clock=clock)
        run = stage.start(sample.plain, sample.Where())
        stage.events(run)
        clock.advance(3601)
        stage.world.until(lambda: stage.store.find(run) is None, "the run is removed")
        stage.close()
