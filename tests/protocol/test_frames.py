"""Frames that are merged: of each step, the newest progress stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming import ManualClock, event, partial, progress
from streaming.protocol.events import Event, make_event
from streaming.protocol.frames import merge_progress
from streaming.protocol.recorder import Recorder
from tests.clients import parse_frame


def frames_of(*events: Event) -> list[bytes]:
    """The frames of these events, after that of a `start`."""
    recorder = Recorder(ManualClock())
    recorder.add(make_event("start"))
    for each in events:
        recorder.add(each)
    return list(recorder.take().frames)


def test_merging_keeps_the_newest_progress_of_each_step() -> None:
    """Older reports of a step are left out; all else stays, in its order and with its numbers."""
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
    assert [parse_frame(frame[:-2]).id for frame in merge_progress(frames)] == [1, 3, 4, 6, 7, 8, 9, 10, 11]


@given(st.lists(st.sampled_from(["a", "b", None]) | st.just("other"), max_size=12))
def test_any_merge(steps: list[str | None]) -> None:
    """A merge leaves the newest progress of each step, and everything else as it was."""
    frames = frames_of(*(event("x") if step == "other" else progress(step=step) for step in steps))
    expected = [
        frame
        for number, frame in enumerate(frames[1:])
        if steps[number] == "other" or steps[number] not in steps[number + 1 :]
    ]
    assert merge_progress(frames) == [frames[0], *expected]
