"""Goals of the benchmark, with each field of what was found as the answer."""

from __future__ import annotations

import pytest

from bench import agent
from bench.agent_answers import tried

GOALS = "phone frequency check-in fahrenheit melting feet lead-joined order-days mean-bid singers weight higher"


@pytest.mark.parametrize("name", GOALS.split())
def test_no_field_but_the_right_one_is_an_answer(name: str) -> None:
    """Alone or in words; nor is a list for a number, nor that nothing was found."""
    [task] = [task for task in agent.TASKS if task.name == name]
    done = tried(task)
    kinds = {kind for kind, _ in done.wrong}
    assert not kinds & {"field", "words", "list", "sum", "length", "found", "absent"}, done.wrong
