"""From events to frames: numbers, timestamps, a `done` that never falls, and an eta that is true."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import ManualClock, delta, event, progress
from streaming.errors import RunClosed
from streaming.protocol.events import Event, Progress, ask, make_event
from streaming.protocol.pace import MAX_STEPS
from streaming.protocol.recorder import Recorder, question
from streaming.protocol.state import Fold
from tests.clients import Message, parse_frame, parse_frames


class Recording:
    """A recorder and its clock."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.recorder = Recorder(self.clock, **options)

    def started(self) -> Recording:
        """After the first event, whose frame is taken."""
        self.recorder.add(make_event("start", {"operation": "test"}))
        self.recorder.take()
        return self

    def add(self, *events: Event, seconds: float = 0.0) -> list[Message]:
        """Adds events, each `seconds` after the one before, and returns their messages."""
        for each in events:
            self.clock.advance(seconds)
            self.recorder.add(each)
        return parse_frames(b"".join(self.recorder.take().frames))

    def etas(self, *events: Event, seconds: float = 0.0) -> list[float | None]:
        """The `eta` of each of the events."""
        return [message.json.get("eta") for message in self.add(*events, seconds=seconds)]


@pytest.fixture
def recording() -> Recording:
    """A run that has started."""
    return Recording().started()


# Numbers and blocks


def test_numbers_have_no_holes() -> None:
    """Events are numbered from 1 on, across blocks."""
    recorder = Recorder(ManualClock())
    recorder.add(make_event("start"))
    recorder.add(delta("one"))
    first = recorder.take()
    recorder.add(delta("two"))
    second = recorder.take()
    assert (first.first, len(first.frames)) == (1, 2)
    assert (second.first, len(second.frames)) == (3, 1)
    assert [parse_frame(frame[:-2]).id for frame in [*first.frames, *second.frames]] == [1, 2, 3]


def test_a_refused_event_costs_no_number(recording: Recording) -> None:
    """An event that the grammar does not allow leaves no trace, whatever its kind."""
    recording.add(make_event("result", {"result": 1}))
    for late in (progress("late"), progress(done=1), delta("late"), make_event("result", {"result": 2})):
        with pytest.raises(RunClosed):
            recording.recorder.add(late)
    assert [message.id for message in recording.add(make_event("done", {"status": "succeeded"}))] == [3]


def test_a_block_has_a_size(recording: Recording) -> None:
    """The size of a recorder is that of the bytes that wait, and the size of a block that of its frames."""
    recording.recorder.add(delta("naïve"))
    recording.recorder.add(progress("x"))
    waiting = recording.recorder.size
    block = recording.recorder.take()
    assert waiting == block.size == sum(map(len, block.frames))
    assert recording.recorder.size == len(recording.recorder) == 0


def test_a_recorder_continues_the_events_of_another() -> None:
    """With the fold of a run, numbers and grammar continue after the events of its last producer."""
    recorder = Recorder(ManualClock(), fold=Fold(state="waiting", last_event_id=7))
    recorder.add(make_event("attempt", {"attempt": 2}))
    assert recorder.take().first == 8
    assert recorder.fold.status == "running"


def test_without_a_lifecycle_any_order_is_allowed() -> None:
    """The events of a stream without a run have no grammar."""
    recording = Recording(lifecycle=False)
    assert [message.event for message in recording.add(progress("x"), event("tick"))] == ["progress", "tick"]


# Time


def test_events_are_stamped_as_they_come(recording: Recording) -> None:
    """The timestamp is the time at which an event was added, in UTC, with milliseconds."""
    stamps = [message.json["timestamp"] for message in recording.add(*[delta("x")] * 3, seconds=0.0625)]
    assert stamps == ["2026-11-23T09:30:00.062Z", "2026-11-23T09:30:00.125Z", "2026-11-23T09:30:00.187Z"]


def test_events_of_one_millisecond_share_their_stamp(recording: Recording) -> None:
    """Two events at once have the same timestamp, in their order."""
    first, second = recording.add(delta("a"), delta("b"))
    assert first.json["timestamp"] == second.json["timestamp"]
    assert (first.json["text"], second.json["text"]) == ("a", "b")


def test_the_fold_is_as_new_as_the_last_block(recording: Recording) -> None:
    """After a block, a snapshot shows the number, the time and the progress of its last event."""
    recording.add(progress("one", done=1, total=4), delta("x"), progress("two", done=2, total=4), seconds=1.0)
    fold = recording.recorder.fold
    assert fold.last_event_id == 4
    assert fold.updated == "2026-11-23T09:30:03.000Z"
    assert json.loads(fold.progress or b"") == {"message": "two", "done": 2, "total": 4, "eta": 4.0}


# done never falls


def test_done_never_falls_within_a_step(recording: Recording) -> None:
    """A report with a lower `done` than the one before gets that one's `done`; the rest of it stays."""
    reports = [progress("a", done=5, total=9), progress("b", done=3, total=9), progress("c", done=6, total=9)]
    messages = recording.add(*reports)
    assert [message.json["done"] for message in messages] == [5, 5, 6]
    assert [message.json["message"] for message in messages] == ["a", "b", "c"]


def test_another_step_starts_at_its_own_done(recording: Recording) -> None:
    """Each step has its own `done`."""
    messages = recording.add(
        progress(step="a", done=5), progress(step="b", done=1), progress(done=0), progress(step=1, done=0)
    )
    assert [message.json["done"] for message in messages] == [5, 1, 0, 0]


def test_done_never_falls_where_steps_alternate(recording: Recording) -> None:
    """A step continues from its own `done` after reports of other steps."""
    messages = recording.add(progress(step="a", done=5), progress(step="b", done=1), progress(step="a", done=3))
    assert [message.json["done"] for message in messages] == [5, 1, 5]


def test_an_attempt_resets_done(recording: Recording) -> None:
    """After an `attempt` the progress of the attempt before does not count, and a snapshot shows none of it."""
    recording.recorder.add(progress(done=5))
    recording.recorder.add(make_event("attempt", {"attempt": 2}))
    assert recording.add()[-1].event == "attempt"
    assert recording.recorder.fold.progress is None
    assert recording.add(progress(done=1))[0].json["done"] == 1


def test_an_attempt_goes_back_to_the_progress_of_its_checkpoint() -> None:
    """In whatever batch it comes."""
    recording = Recording(kept_progress=b'{"done":2}').started()
    recording.recorder.add(progress(done=5))
    recording.add(make_event("attempt", {"attempt": 2, "after": 1}))
    assert recording.recorder.fold.progress == b'{"done":2}'
    assert recording.add(progress(done=3))[0].json["done"] == 3


def test_many_steps_take_little_memory(recording: Recording) -> None:
    """Of a run with very many steps the latest are remembered, and those before are forgotten."""
    recording.add(*(progress(step=number, done=2) for number in range(3 * MAX_STEPS)))
    steps = range(3 * MAX_STEPS - 1, 2 * MAX_STEPS - 2, -1)
    *latest, forgotten = recording.add(*(progress(step=number, done=1) for number in steps))
    assert len(latest) == MAX_STEPS
    assert {message.json["done"] for message in latest} == {2}
    assert forgotten.json["done"] == 1


AMOUNTS = st.integers(0, 20) | st.floats(0, 1e308)
REPORTS = st.builds(
    progress,
    done=st.none() | AMOUNTS,
    total=st.none() | AMOUNTS,
    step=st.sampled_from([None, "a", "b", 1]),
    eta=st.none() | st.floats(0, 1000),
)


@given(st.lists(st.tuples(REPORTS, st.sampled_from([0.0, 0.0004, 0.05, 3.0])), max_size=20))
def test_any_reports(reports: list[tuple[Progress, float]]) -> None:
    """For any reports, however fast: `done` never falls within a step, and an eta is a number or absent."""
    recording = Recording().started()
    highest: dict[Any, float] = {}
    for report, seconds in reports:
        (message,) = recording.add(report, seconds=seconds)
        data = json.loads(message.data, parse_constant=pytest.fail)
        if report.done is not None:
            assert data["done"] == max(report.done, highest.get(report.step, 0))
            highest[report.step] = data["done"]
        assert report.eta is None or data["eta"] == report.eta
        assert data.get("eta", 0) >= 0
        assert "eta" not in data or report.eta is not None or (report.done is not None and report.total is not None)


# eta


def test_the_eta_of_steady_work(recording: Recording) -> None:
    """Work of a constant speed has the right eta from its first report on."""
    reports = [progress(done=done, total=5) for done in range(1, 6)]
    assert recording.etas(*reports, seconds=2.0) == [8.0, 6.0, 4.0, 2.0, 0.0]


def test_no_eta_is_made_up(recording: Recording) -> None:
    """There is none before anything is done, without a total, without a done, and right after the start of a step."""
    reports = [progress("x"), progress(done=0, total=9), progress(done=1), progress(total=9)]
    assert recording.etas(*reports, seconds=1.0) == [None] * 4
    assert Recording().started().etas(progress(done=1, total=1000), seconds=0.01) == [None]


def test_an_eta_of_the_operation_stays(recording: Recording) -> None:
    """An `eta` that the operation gives is passed on; later reports have the library's again."""
    reports = [progress(done=1, total=4), progress(done=2, total=4, eta=99.5), progress(done=3, total=4)]
    assert recording.etas(*reports, seconds=1.0) == [3.0, 99.5, 1.0]


def test_an_eta_of_the_operation_is_its_reports_alone(recording: Recording) -> None:
    """Another report of the same millisecond, without an eta of its own, has the library's."""
    recording.add(progress(done=1, total=4), seconds=1.0)
    recording.clock.advance(1.0)
    assert recording.etas(progress(done=2, total=4, eta=99.5), progress(done=2, total=4)) == [99.5, 2.0]


def test_a_wall_clock_that_jumps_changes_no_eta(recording: Recording) -> None:
    """Paces are measured in monotonic time."""
    recording.add(progress(done=1, total=4), seconds=1.0)
    recording.clock.jump(-3600.0)
    assert recording.etas(progress(done=2, total=4), seconds=1.0) == [2.0]


def test_each_step_has_its_own_pace(recording: Recording) -> None:
    """The pace of a slow step does not count for the next one."""
    slow = recording.etas(*(progress(step="slow", done=done, total=3) for done in (1, 2, 3)), seconds=10.0)
    fast = recording.etas(*(progress(step="fast", done=done, total=3) for done in (1, 2, 3)), seconds=1.0)
    assert (slow, fast) == ([20.0, 10.0, 0.0], [2.0, 1.0, 0.0])


def test_an_eta_that_overflows_is_left_out(recording: Recording) -> None:
    """JSON has no infinity."""
    reports = [progress(done=5e-324, total=1e308), progress(done=1e-323, total=1e308)]
    assert recording.etas(*reports, seconds=5.0) == [None, None]


# Questions


def test_a_question_has_an_id() -> None:
    """The id of a question is unique in its run, and comes before the data that the operation gave."""
    numbered = question(ask("Go on?", schema={"type": "boolean"}, within=60), 12, "2026-11-23T09:31:00.000Z")
    assert numbered.data == {
        "question": "q12",
        "prompt": "Go on?",
        "schema": {"type": "boolean"},
        "expires": "2026-11-23T09:31:00.000Z",
    }
    assert numbered.within == 60
