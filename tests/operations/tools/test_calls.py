"""Calls side by side: each with an outcome, whatever the tool does."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.tools import Tool, tool
from operations.tools.calls import Call, Outcome, cut, run_concurrently
from operations.tools.context import CallContext
from operations.tools.web import AllowedHosts, Web
from tests.apps.agent_calls import add, explode, leave, refuse, wait


def made(*calls: tuple[Tool, dict[str, Any]], seconds: float = 20.0) -> dict[str, Outcome]:
    """The outcomes of the calls, in the order in which they came."""
    numbered = [Call(str(number), tool.name, tool, said) for number, (tool, said) in enumerate(calls, 1)]
    context = CallContext((), Web(AllowedHosts(frozenset())), time.monotonic() + seconds)
    return {call.id: outcome for call, outcome in run_concurrently(numbered, context)}


def outcome_of(tool: Tool, **said: Any) -> Outcome:
    """The outcome of one call."""
    return made((tool, said))["1"]


def test_calls_are_made_at_the_same_time() -> None:
    """Ten that wait take no longer than one, and each comes when it is done."""
    begun = time.monotonic()
    outcomes = made(*[(wait, {"seconds": 0.5})] * 10, (tool(add), {"a": 1}))
    assert time.monotonic() - begun < 4
    assert all(outcome.ok for outcome in outcomes.values())
    assert next(iter(outcomes)) == "11"
    assert outcomes["1"].seconds >= 0.5


def test_a_call_that_takes_too_long_is_given_up() -> None:
    """The others have their outcomes, and nobody waits for it."""
    begun = time.monotonic()
    outcomes = made((wait, {"seconds": 60}), (tool(add), {"a": 1}), seconds=0.3)
    assert time.monotonic() - begun < 10
    assert (outcomes["2"].text, outcomes["1"].code) == ("2", "timeout")


def test_a_failure_in_readable_words_is_told() -> None:
    """What a `ToolError` says is for the model and the viewers."""
    outcome = outcome_of(refuse)
    assert (outcome.ok, outcome.code, outcome.text) == (False, "closed", "The warehouse is closed on Sundays.")


@pytest.mark.parametrize("fatal", [explode, leave], ids=lambda fatal: fatal.name)
def test_any_other_failure_is_told_without_its_words(fatal: Tool, caplog: pytest.LogCaptureFixture) -> None:
    """They are in the log, beside the reference that is told."""
    with caplog.at_level(logging.ERROR):
        outcome = outcome_of(fatal)
    assert outcome.code == "failed"
    assert "swordfish" not in outcome.text
    [record] = [record for record in caplog.records if record.name == "headway"]
    assert record.exc_info
    assert str(record.args[1] if record.args else "") in outcome.text  # type: ignore[index]


def test_arguments_that_do_not_fit_are_a_failure() -> None:
    """As any other that the model can do something about."""
    assert outcome_of(tool(add), a="many").code == "invalid_arguments"


VALUES: list[tuple[Any, str]] = [
    ("text as it is\n", "text as it is\n"),
    ({"a": [1, None]}, '{"a":[1,null]}'),
    (date(2026, 11, 23), '"2026-11-23"'),
    (None, "null"),
    (float("nan"), "NaN"),
    ("ä", "ä"),
]


@pytest.mark.parametrize(("value", "text"), VALUES, ids=repr)
def test_any_value_becomes_text(value: Any, text: str) -> None:
    """Text stays what it is, everything else is JSON."""

    @tool
    def give() -> Any:
        """Gives it."""
        return value

    assert outcome_of(give).text == text


def test_a_value_that_is_nothing_of_the_kind() -> None:
    """What has no JSON is a failure of the tool."""

    @tool
    def give() -> Any:
        """Gives something odd."""
        return object()

    assert outcome_of(give).code == "failed"


def test_no_calls() -> None:
    """Have no outcomes."""
    assert made() == {}


@given(st.text(max_size=30), st.integers(0, 40))
def test_a_cut_is_never_through_a_character(text: str, most: int) -> None:
    """What is left is a beginning of the text, and as long as it may be."""
    left = cut(text, most)
    assert text.startswith(left)
    assert len(left.encode()) <= most
    rest: Sequence[str] = text[len(left) :]
    assert not rest or len((left + rest[0]).encode()) > most


def test_half_a_character_is_no_error() -> None:
    """A lone surrogate, which has no UTF-8, becomes a question mark."""
    assert cut("a\ud800b", 10) == "a?b"
