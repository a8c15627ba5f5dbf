"""The states of a run: every step that the table allows, every one that it refuses, and the fold over any events."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import RunClosed
from streaming.protocol.state import Fold, step

STATES = ("", "running", "waiting", "ending", "over")
NAMES = (
    "start",
    "progress",
    "delta",
    "partial",
    "question",
    "answer",
    "attempt",
    "result",
    "error",
    "done",
    "chart",
    "(any other)",
)

ALLOWED = {
    ("", "start"): "running",
    ("running", "progress"): "running",
    ("running", "delta"): "running",
    ("running", "partial"): "running",
    ("running", "chart"): "running",
    ("running", "(any other)"): "running",
    ("running", "question"): "waiting",
    ("running", "attempt"): "running",
    ("running", "result"): "ending",
    ("running", "error"): "ending",
    ("running", "done"): "over",
    ("waiting", "progress"): "waiting",
    ("waiting", "delta"): "waiting",
    ("waiting", "partial"): "waiting",
    ("waiting", "chart"): "waiting",
    ("waiting", "(any other)"): "waiting",
    ("waiting", "answer"): "running",
    ("waiting", "attempt"): "running",
    ("waiting", "error"): "ending",
    ("waiting", "done"): "over",
    ("ending", "done"): "over",
}
"""The grammar of the contract, pair by pair; every other pair is refused."""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("state", STATES)
def test_every_step(state: str, name: str) -> None:
    """Each event in each state leads to the state of the grammar, or is refused."""
    if (state, name) in ALLOWED:
        assert step(state, name) == ALLOWED[state, name]
    else:
        with pytest.raises(RunClosed, match=re.escape(repr(name))):
            step(state, name)


@pytest.mark.parametrize(
    ("state", "name"), sorted({(state, name) for state in STATES for name in NAMES} - set(ALLOWED))
)
def test_a_refused_event_changes_nothing(state: str, name: str) -> None:
    """A fold that refuses an event stays as it was."""
    fold = Fold(state=state, last_event_id=7, updated="before", progress=b"{}", question=b"{}")
    before = replace(fold)
    with pytest.raises(RunClosed):
        fold.add(name, b'{"status":"succeeded"}', "after")
    assert fold == before


# Sequences

LETTERS = {
    "start": "s",
    "progress": "p",
    "chart": "p",
    "question": "q",
    "answer": "a",
    "attempt": "t",
    "result": "r",
    "error": "e",
    "done": "d",
}
SENTENCE = re.compile(r"(s([pt]|qp*[at])*(rd?|(qp*)?e?d?))?")
"""The beginnings of all runs that the grammar allows: only `done` follows a result or an error, and nothing `done`."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
Named = tuple[str, dict[str, Any]]


def bodies(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Data as the library writes it under this name."""
    if name == "done":
        return st.fixed_dictionaries({"status": st.sampled_from(["succeeded", "failed", "cancelled"])})
    if name == "result":
        return st.fixed_dictionaries({"result": JSON})
    return st.dictionaries(st.text(), JSON, max_size=3)


EVENTS = st.sampled_from(list(LETTERS)).flatmap(lambda name: st.tuples(st.just(name), bodies(name)))
WORK = st.sampled_from(["progress", "chart", "question", "answer"]).flatmap(
    lambda name: st.tuples(st.just(name), bodies(name))
)
RUNS = st.one_of(
    st.lists(EVENTS, max_size=12),
    st.lists(WORK, max_size=12).map(lambda events: [("start", dict[str, Any]()), *events]),
)


def encoded(data: dict[str, Any]) -> bytes:
    """The body of an event."""
    return json.dumps(data, separators=(",", ":")).encode()


@given(RUNS)
def test_any_sequence_folds_or_is_refused(events: list[Named]) -> None:
    """Of any sequence exactly the events that the grammar allows are added, and the fold is theirs."""
    fold, added = Fold(), list[Named]()
    for name, data in events:
        letters = "".join(LETTERS[event] for event, _ in [*added, (name, data)])
        if SENTENCE.fullmatch(letters):
            fold.add(name, encoded(data), f"at {name}")
            added.append((name, data))
        else:
            before = replace(fold)
            with pytest.raises(RunClosed):
                fold.add(name, encoded(data), f"at {name}")
            assert fold == before
    assert_fold_of(fold, added)


def assert_fold_of(fold: Fold, events: Sequence[Named]) -> None:
    """The fold is that of these events, computed in another way."""
    names = [name for name, _ in events]
    assert fold.last_event_id == len(events)
    assert fold.updated == (f"at {names[-1]}" if events else "")
    since = names[len(names) - names[::-1].index("attempt") :] if "attempt" in names else names
    assert decoded(fold.progress) == last(events[len(events) - len(since) :], "progress")
    assert decoded(fold.error) == last(events, "error")
    assert decoded(fold.result) == (last(events, "result") or {}).get("result")
    assert fold.over == ("done" in names)
    assert_status(fold, events, names)


def assert_status(fold: Fold, events: Sequence[Named], names: list[str]) -> None:
    """The status, and the question while it is open."""
    settling = [name for name in names if name in ("question", "answer", "attempt", "error", "done")]
    is_open = settling[-1:] == ["question"]
    assert decoded(fold.question) == (last(events, "question") if is_open else None)
    if fold.over:
        done = last(events, "done")
        assert done is not None
        assert fold.status == done["status"]
    else:
        assert fold.status == ("waiting" if is_open else "running")


def last(events: Sequence[Named], name: str) -> dict[str, Any] | None:
    """The data of the last event of this name."""
    return next((data for event, data in reversed(events) if event == name), None)


def decoded(body: bytes | None) -> Any:
    """A JSON value that the fold keeps encoded."""
    return None if body is None else json.loads(body)


def test_a_run_as_it_goes() -> None:
    """The status of a run follows its events: running, waiting for an answer, and in the end that of `done`."""
    fold = Fold()
    statuses = []
    events: list[Named] = [
        ("start", {}),
        ("question", {"question": "q2"}),
        ("progress", {"done": 1}),
        ("answer", {"question": "q2", "answer": True}),
        ("result", {"result": None}),
        ("done", {"status": "succeeded"}),
    ]
    for name, data in events:
        fold.add(name, encoded(data), "now")
        statuses.append(fold.status)
    assert statuses == ["running", "waiting", "waiting", "running", "running", "succeeded"]
    assert fold.result == b"null"


def test_a_copy_has_every_field() -> None:
    """It equals the fold, and does not change with it."""
    fold = Fold(*(f"{number}" for number in range(len(Fold.__slots__))))  # type: ignore[arg-type]
    copy = fold.copy()
    assert copy == fold
    fold.state = "changed"
    assert copy != fold


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        (
            [b'{"input_tokens":7,"output_tokens":2}', b'{"input_tokens":1,"cost":0.5}'],
            {"input_tokens": 8, "output_tokens": 2, "cost": 0.5},
        ),
        ([b'{"input_tokens":7,"model":"m","paid":true,"left":-1,"details":{"a":1}}'], {"input_tokens": 7}),
        ([b"[DONE]", b"[1]", b"null", b'{"a":1}'], {"a": 1}),
        ([b'{"a":9007199254740991}', b'{"a":5}'], {"a": 9007199254740991}),
        ([b'{"a":1}', b'{"a":99999999999999999999999999}'], {"a": 9007199254740991}),
        ([b'{"%b":1}' % (b"a" * 65)], {}),
    ],
)
def test_usage_is_summed(bodies: list[bytes], expected: dict[str, float]) -> None:
    """Over all calls; of what another service sends only counts are taken."""
    fold = Fold(state="running")
    for body in bodies:
        fold.add("usage", body, "")
    assert json.loads(fold.usage or b"{}") == expected


def test_a_run_has_so_many_counts() -> None:
    """An upstream may send any names."""
    fold = Fold(state="running")
    for number in range(100):
        fold.add("usage", b'{"n%d":1}' % number, "")
    assert len(json.loads(fold.usage or b"{}")) == 16


def test_another_attempt_takes_no_usage_back() -> None:
    """What the lost producer has used was used."""
    fold = Fold(state="running")
    fold.add("usage", b'{"input_tokens":7}', "")
    fold.add("attempt", b'{"attempt":2}', "")
    fold.add("usage", b'{"input_tokens":7}', "")
    assert fold.usage == b'{"input_tokens":14}'
