"""`simulate`: a run that does no work, to test proxies, clients and deployments with.

Its input says where it runs, so that a cancel can be tested in a greenlet, a thread and a process.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, Literal

from gevent import monkey
from pydantic import Field

from streaming import Event, OperationError, ask, on_cancel, operation, progress

from .inputs import Input
from .waiting import sleep

SLICE = 0.002
PAUSE = 0.0001
"""Seconds that `burn` takes at once, and that it then leaves to others."""
FILLER = "The quick brown fox jumps over the lazy dog. "


class Simulation(Input):
    """How the run looks from outside."""

    steps: int = Field(10, ge=0, le=1_000_000, description="How many steps it takes.")
    interval: float = Field(0.5, ge=0, le=3600, description="Seconds from one step to the next.")
    silent: float = Field(0, ge=0, le=86400, description="Seconds without any event, after the last step.")
    payload: int = Field(0, ge=0, le=1_000_000, description="Bytes of each step's message; 0 for a short one.")
    fail_at: int | None = Field(None, ge=1, description="Step at which it fails.")
    burn: float = Field(0, ge=0, le=10, description="Seconds of processor time of each step.")
    ask_at: int | None = Field(None, ge=1, description="Step before which it asks whether to go on.")
    runs_in: Literal["greenlet", "thread", "process"] = Field("greenlet", description="Where it runs.")


@operation(title="Simulate a run", where=lambda simulation: simulation.runs_in)
def simulate(input: Simulation) -> Generator[Event, Any, dict[str, Any]]:  # the contract's word
    """Reports its steps as progress, and does nothing else."""
    for step in range(1, input.steps + 1):
        if input.ask_at == step and not (yield ask("Go on?", schema={"type": "boolean"}, within=600)):
            return {"steps": step - 1, "stopped": True}
        if input.fail_at == step:
            raise OperationError("simulated_failure", f"The simulation fails at step {step}, as requested.")
        _burn(input.burn)
        yield progress(_message(step, input), done=step, total=input.steps, unit="steps")
        _pause(input.interval, input.runs_in)
    _pause(input.silent, input.runs_in)
    return {"steps": input.steps, "stopped": False}


def _message(step: int, input: Simulation) -> str:
    text = f"Step {step} of {input.steps}"
    return (text + ". " + FILLER * (input.payload // len(FILLER) + 1))[: input.payload] if input.payload else text


def _pause(seconds: float, runs_in: str) -> None:
    """Waits as real work would: in a thread inside C code, where only an `on_cancel` hook can end the wait."""
    if not seconds:
        return
    if runs_in != "thread":
        sleep(seconds)
    else:
        lock = monkey.get_original("_thread", "allocate_lock")()
        lock.acquire()
        with on_cancel(lock.release):
            lock.acquire(timeout=seconds)


def _burn(seconds: float) -> None:
    """Burns processor time, and gives way: strangers may ask for it."""
    end = time.thread_time() + seconds
    while (now := time.thread_time()) < end:
        while time.thread_time() < min(now + SLICE, end):
            pass
        sleep(PAUSE)
