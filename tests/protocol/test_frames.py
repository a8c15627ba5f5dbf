"""Frames that are merged: of each step, the newest progress stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import ManualClock, delta, event, partial, progress
from streaming.protocol.events import Event, make_event
from streaming.protocol.frames import merge_deltas, merge_progress
from streaming.protocol.recorder import Recorder
from tests.clients import parse_frame, parse_frames


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


def test_nothing_is_merged_across_a_checkpoint() -> None:
    """An attempt that begins there drops what came later, and a viewer keeps what came before."""
    recorder = Recorder(ManualClock())
    recorder.add(make_event("start", {"operation": "test"}))
    for each in (delta("a"), delta("b"), progress("1", done=1), None, progress("2", done=2), progress("3"), delta("c")):
        if each is None:
            recorder.mark()
        else:
            recorder.add(each)
    recorder.add(make_event("attempt", {"attempt": 2, "after": 4}))
    recorder.add(progress("4"))
    recorder.add(event("x"))
    recorder.mark()
    recorder.add(event("y"))
    frames = list(recorder.take().frames)
    assert [parse_frame(frame[:-2]).id for frame in merge_progress(frames)] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert parse_frame(frames[4][:-2]).json["done"] == 2
    assert parse_frame(frames[10][:-2]).json.keys() == {"timestamp"}


@pytest.mark.parametrize("before", [[], [event("note", "text")]], ids=["at once", "after a text"])
def test_deltas_are_merged_up_to_a_checkpoint(before: list[Event]) -> None:
    """Those before it, and those after it; also where the progress between is left out for a viewer that lags."""
    recorder = Recorder(ManualClock())
    recorder.add(make_event("start", {"operation": "test"}))
    for each in (delta("a"), delta("b")):
        recorder.add(each)
    recorder.mark()
    for each in (*before, progress("1"), delta("c"), delta("d"), progress("2"), delta("e")):
        recorder.add(each)
    block = merge_deltas(b"".join(merge_progress(recorder.take().frames)))
    texts = [message.json["text"] for message in parse_frames(block) if message.event == "delta"]
    assert texts == ["ab", "cd", "e"]


def test_the_first_delta_after_a_checkpoint_begins_anew() -> None:
    """Where nothing else is between the two."""
    recorder = Recorder(ManualClock())
    recorder.add(make_event("start", {"operation": "test"}))
    recorder.add(delta("a"))
    recorder.mark()
    for text in "bc":
        recorder.add(delta(text))
    messages = parse_frames(merge_deltas(b"".join(recorder.take().frames)))
    assert [(message.id, message.json.get("text")) for message in messages] == [(1, None), (2, "a"), (4, "bc")]
