"""From events to frames: numbers, timestamps, a `done` that never falls, and an eta that is honest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import ManualClock, delta, event, partial, progress
from streaming.errors import RunClosed
from streaming.protocol.events import Event, Progress, ask, make_event
from streaming.protocol.frames import merged
from streaming.protocol.recorder import STEPS, Recorder, question
from streaming.protocol.state import Fold
from tests.clients import Message, parse_frame, parse_frames


class Recording:
    """A recorder, its clock, and what it has recorded."""

    def __init__(self, **said: Any) -> None:
        self.clock = ManualClock()
        self.recorder = Recorder(self.clock, **said)

    def started(self) -> Recording:
        """After the first event, which is taken away."""
        self.recorder.add(make_event("start", {"operation": "test"}))
        self.recorder.take()
        return self

    def add(self, *events: Event, seconds: float = 0.0) -> list[Message]:
        """The events as they are recorded, `seconds` after one another."""
        for each in events:
            self.clock.advance(seconds)
            self.recorder.add(each)
        return parse_frames(b"".join(self.recorder.take().frames))

    def etas(self, *events: Event, seconds: float = 0.0) -> list[float | None]:
        """What the recorder says of the time left, at each of the events."""
        return [message.json.get("eta") for message in self.add(*events, seconds=seconds)]


@pytest.fixture
def recording() -> Recording:
    """A run that has started."""
    return Recording().started()


# Numbers and blocks


def test_numbers_have_no_holes() -> None:
    """Events are numbered from 1 on, across the blocks that they are taken in."""
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
    """What the grammar has no place for leaves no trace, whatever its kind."""
    recording.add(make_event("result", {"result": 1}))
    for late in (progress("late"), progress(done=1), delta("late"), make_event("result", {"result": 2})):
        with pytest.raises(RunClosed):
            recording.recorder.add(late)
    assert [message.id for message in recording.add(make_event("done", {"status": "succeeded"}))] == [3]


def test_a_block_tells_its_size(recording: Recording) -> None:
    """The recorder says how many bytes wait, and the block how many it holds."""
    recording.recorder.add(delta("naïve"))
    recording.recorder.add(progress("x"))
    waiting = recording.recorder.size
    block = recording.recorder.take()
    assert waiting == block.size == sum(map(len, block.frames))
    assert recording.recorder.size == len(recording.recorder) == 0


def test_a_recorder_goes_on_where_another_left_off() -> None:
    """With the fold of a run, numbers and grammar go on after the events of its last producer."""
    recorder = Recorder(ManualClock(), fold=Fold(state="waiting", last_event_id=7))
    recorder.add(make_event("attempt", {"attempt": 2}))
    assert recorder.take().first == 8
    assert recorder.fold.status == "running"


def test_without_a_lifecycle_nothing_but_the_events_is_looked_at() -> None:
    """The events of a bare stream have no grammar to keep."""
    recording = Recording(lifecycle=False)
    assert [message.event for message in recording.add(progress("x"), event("tick"))] == ["progress", "tick"]


# Time


def test_events_are_stamped_as_they_come(recording: Recording) -> None:
    """The timestamp is the moment at which an event came, in UTC, with milliseconds."""
    stamps = [message.json["timestamp"] for message in recording.add(*[delta("x")] * 3, seconds=0.0625)]
    assert stamps == ["2026-11-23T09:30:00.062Z", "2026-11-23T09:30:00.125Z", "2026-11-23T09:30:00.187Z"]


def test_events_of_one_millisecond_share_their_stamp(recording: Recording) -> None:
    """Two events at once have the same timestamp, in their order."""
    first, second = recording.add(delta("a"), delta("b"))
    assert first.json["timestamp"] == second.json["timestamp"]
    assert (first.json["text"], second.json["text"]) == ("a", "b")


def test_the_fold_is_as_new_as_the_last_block(recording: Recording) -> None:
    """What a snapshot shows after a block are the last event's number, moment and progress."""
    recording.add(progress("one", done=1, total=4), delta("x"), progress("two", done=2, total=4), seconds=1.0)
    fold = recording.recorder.fold
    assert fold.last_event_id == 4
    assert fold.updated == "2026-11-23T09:30:03.000Z"
    assert json.loads(fold.progress or b"") == {"message": "two", "done": 2, "total": 4, "eta": 4.0}


# done never falls


def test_done_never_falls_within_a_step(recording: Recording) -> None:
    """A report that is behind its predecessor repeats that one's `done`; the rest of it is its own."""
    said = recording.add(progress("a", done=5, total=9), progress("b", done=3, total=9), progress("c", done=6, total=9))
    assert [message.json["done"] for message in said] == [5, 5, 6]
    assert [message.json["message"] for message in said] == ["a", "b", "c"]


def test_another_step_begins_at_its_own_done(recording: Recording) -> None:
    """`done` is told apart by step."""
    said = recording.add(
        progress(step="a", done=5), progress(step="b", done=1), progress(done=0), progress(step=1, done=0)
    )
    assert [message.json["done"] for message in said] == [5, 1, 0, 0]


def test_done_never_falls_where_steps_take_turns(recording: Recording) -> None:
    """A step that others have come between goes on from its own `done`."""
    said = recording.add(progress(step="a", done=5), progress(step="b", done=1), progress(step="a", done=3))
    assert [message.json["done"] for message in said] == [5, 1, 5]


def test_done_begins_anew_with_an_attempt(recording: Recording) -> None:
    """After an `attempt` the progress of the attempt before counts no more, and a snapshot shows none of it."""
    recording.recorder.add(progress(done=5))
    recording.recorder.add(make_event("attempt", {"attempt": 2}))
    assert recording.add()[-1].event == "attempt"
    assert recording.recorder.fold.progress is None
    assert recording.add(progress(done=1))[0].json["done"] == 1


def test_many_steps_take_little_memory(recording: Recording) -> None:
    """Of a run with very many steps the latest are told apart, and no more are remembered."""
    recording.add(*(progress(step=number, done=2) for number in range(3 * STEPS)))
    said = recording.add(*(progress(step=number, done=1) for number in range(3 * STEPS - 1, 2 * STEPS - 1, -1)))
    assert {message.json["done"] for message in said} == {2}
    assert len(recording.recorder._paces) == STEPS


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
    """Whatever is reported, and however fast: `done` never falls within a step, and an eta is a number or absent."""
    recording = Recording().started()
    highest: dict[Any, float] = {}
    for report, seconds in reports:
        (said,) = recording.add(report, seconds=seconds)
        data = json.loads(said.data, parse_constant=pytest.fail)
        if report.done is not None:
            assert data["done"] == max(report.done, highest.get(report.step, 0))
            highest[report.step] = data["done"]
        assert report.eta is None or data["eta"] == report.eta
        assert data.get("eta", 0) >= 0
        assert "eta" not in data or report.eta is not None or (report.done is not None and report.total is not None)


# eta


def test_the_eta_of_steady_work(recording: Recording) -> None:
    """Work that goes on as it began is told rightly from the first report on."""
    reports = [progress(done=done, total=5) for done in range(1, 6)]
    assert recording.etas(*reports, seconds=2.0) == [8.0, 6.0, 4.0, 2.0, 0.0]


def test_no_eta_is_made_up(recording: Recording) -> None:
    """There is none before anything is done, without a total, without a done, and in the first moments of a step."""
    reports = [progress("x"), progress(done=0, total=9), progress(done=1), progress(total=9)]
    assert recording.etas(*reports, seconds=1.0) == [None] * 4
    assert Recording().started().etas(progress(done=1, total=1000), seconds=0.01) == [None]


def test_an_eta_of_the_operations_own_stays(recording: Recording) -> None:
    """What the operation says itself is passed on, and the library's reckoning goes on after it."""
    reports = [progress(done=1, total=4), progress(done=2, total=4, eta=99.5), progress(done=3, total=4)]
    assert recording.etas(*reports, seconds=1.0) == [3.0, 99.5, 1.0]


def test_an_own_eta_does_not_hide_the_next_one(recording: Recording) -> None:
    """A report of the same millisecond has the library's eta, if it has none of its own."""
    recording.add(progress(done=1, total=4), seconds=1.0)
    recording.clock.advance(1.0)
    assert recording.etas(progress(done=2, total=4, eta=99.5), progress(done=2, total=4)) == [99.5, 2.0]


def test_a_wall_clock_that_jumps_changes_no_eta(recording: Recording) -> None:
    """Paces are reckoned in monotonic time."""
    recording.add(progress(done=1, total=4), seconds=1.0)
    recording.clock.jump(-3600.0)
    assert recording.etas(progress(done=2, total=4), seconds=1.0) == [2.0]


def test_each_step_has_a_pace_of_its_own(recording: Recording) -> None:
    """A slow step's pace is not taken for the next one's."""
    slow = recording.etas(*(progress(step="slow", done=done, total=3) for done in (1, 2, 3)), seconds=10.0)
    fast = recording.etas(*(progress(step="fast", done=done, total=3) for done in (1, 2, 3)), seconds=1.0)
    assert (slow, fast) == ([20.0, 10.0, 0.0], [2.0, 1.0, 0.0])


def test_an_eta_beyond_all_numbers_is_left_out(recording: Recording) -> None:
    """A reckoning that overflows says nothing, rather than what is no JSON."""
    reports = [progress(done=5e-324, total=1e308), progress(done=1e-323, total=1e308)]
    assert recording.etas(*reports, seconds=5.0) == [None, None]


# Questions


def test_a_question_has_a_name_of_its_own() -> None:
    """The id of a question is unique in its run, and stands ahead of what the operation gave."""
    asked = question(ask("Go on?", schema={"type": "boolean"}, within=60), 12, "2026-11-23T09:31:00.000Z")
    assert asked.data == {
        "question": "q12",
        "prompt": "Go on?",
        "schema": {"type": "boolean"},
        "expires": "2026-11-23T09:31:00.000Z",
    }
    assert asked.within == 60


# Merging


def frames_of(*events: Event) -> list[bytes]:
    """The frames of these events, in a run that has started."""
    recorder = Recorder(ManualClock())
    recorder.add(make_event("start"))
    for each in events:
        recorder.add(each)
    return list(recorder.take().frames)


def test_merging_keeps_the_newest_progress_of_each_step() -> None:
    """Older reports of a step are left out, everything else stays, and order and numbers too."""
    frames = frames_of(
        progress("1", step="a"),
        partial("k", 1),
        progress("2", step="b"),
        progress("3"),
        progress("4", step="a"),
        event("note", "event: progress\ndata: {}"),
        event("more", {"event": "progress"}),
        progress("5"),
        progress("6", step=1),
        progress("7", step="1"),
    )
    assert [parse_frame(frame[:-2]).id for frame in merged(frames)] == [1, 3, 4, 6, 7, 8, 9, 10, 11]


@given(st.lists(st.sampled_from(["a", "b", None]) | st.just("other"), max_size=12))
def test_any_merge(steps: list[str | None]) -> None:
    """After any merge there is one progress of each step, the newest, and all else is as it was."""
    frames = frames_of(*(event("x") if step == "other" else progress(step=step) for step in steps))
    expected = [
        frame
        for number, frame in enumerate(frames[1:])
        if steps[number] == "other" or steps[number] not in steps[number + 1 :]
    ]
    assert merged(frames) == [frames[0], *expected]
